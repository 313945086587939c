"""Classes of resized scores, bit by bit those of mmseg: resize, then argmax."""

import pytest
import torch
from mmseg.models.utils import resize

from mmdavss.ops import resized_argmax
from mmdavss.ops.resized_argmax import _argmax_by_cells

SIZE = (151, 230)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(
    'values', [torch.float32, torch.float64, torch.bfloat16, 'ties', 'channels_last']
)
@pytest.mark.parametrize(
    ('shape', 'size'),
    [
        ((2, 15, 31, 55), SIZE),
        ((1, 1, 31, 55), SIZE),
        ((1, 4, *SIZE), SIZE),
        ((1, 3, 300, 500), SIZE),
        ((1, 19, 1, 1), SIZE),
        ((2, 15, 6, 11), (23, 41)),
    ],
)
def test_is_argmax_of_resized_scores(shape, size, values, align_corners):
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if values == 'ties':
        # Few values: many pixels have several largest scores, and the first class counts.
        scores = scores.mul(0.7).round()
    elif values == 'channels_last':
        scores = scores.round().contiguous(memory_format=torch.channels_last)
    else:
        scores = scores.to(values)
    full = resize(scores, size, mode='bilinear', align_corners=align_corners)
    if values == 'ties' and shape[1] > 3:
        top = full.topk(2, 1).values
        assert (top[:, 0] == top[:, 1]).any()
    before = scores.clone()
    labels = resized_argmax(scores, size, align_corners)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), full.argmax(1))
    assert torch.equal(scores, before)


def regions(height: int, width: int, noise: float = 0.3) -> torch.Tensor:
    """Scores (1, 15, h, w) of a network that is sure inside of regions."""
    draw = torch.Generator().manual_seed(0)
    coarse = 8 * torch.randn(1, 15, 5, 7, generator=draw)
    fine = noise * torch.randn(1, 15, height, width, generator=draw)
    return resize(coarse, (height, width), mode='bilinear', align_corners=False) + fine


@pytest.mark.parametrize('ties', [0, 1, 40])
@pytest.mark.parametrize('factors', [(4, 4), (2, 8), (16, 2)])
def test_looks_only_into_cells_where_several_classes_may_win(factors, ties):
    scores = regions(40, 90)
    # The best score of another class too, in whole cells, the first of them at the border.
    for number in range(ties):
        y, x = 3 * (number // 10), 30 + 3 * (number % 10)
        cell = scores[0, :, y : y + 2, x : x + 2]
        cell[14 - number % 15] = cell.amax(0)
    size = 40 * factors[0], 90 * factors[1]
    full = resize(scores, size, mode='bilinear', align_corners=False)
    top = full.topk(2, 1).values
    assert int((top[:, 0] == top[:, 1]).sum()) >= ties
    labels = _argmax_by_cells(scores, size)
    # Too many ties are left to the other way.
    assert (labels is None) == (ties == 40)
    if labels is not None:
        assert labels.unique().numel() > 5
        assert torch.equal(labels[None].long(), full.argmax(1))
    assert torch.equal(resized_argmax(scores, size, False).long(), full.argmax(1))


def test_torch_decides_what_rounding_cannot():
    """Two classes apart by a few units of rounding, in both directions, along a whole border."""
    scores = regions(40, 90, noise=0.0)
    scores[0, 3] = scores[0].amax(0) + 1
    scores[0, 9] = scores[0, 3]
    steps = torch.randint(-2, 3, (2, 2), generator=torch.Generator().manual_seed(0))
    scores[0, 9] -= 1
    scores[0, 9, 20:22, 40:42] += 1 + steps * 2.0**-21
    full = resize(scores, (160, 360), mode='bilinear', align_corners=False)
    labels = _argmax_by_cells(scores, (160, 360))
    assert (labels == 9).any()
    assert torch.equal(labels[None].long(), full.argmax(1))


def test_scores_everywhere_alike_are_all_interpolated():
    assert _argmax_by_cells(torch.randn(1, 15, 40, 90), (160, 360)) is None


def test_as_many_classes_as_uint8_holds():
    scores = torch.zeros(1, 256, 2, 2)
    scores[0, 255] = 1
    assert resized_argmax(scores, (4, 4), False).unique().tolist() == [255]
    with pytest.raises(ValueError, match='256 classes, not 257'):
        resized_argmax(torch.zeros(1, 257, 2, 2), (4, 4), False)
