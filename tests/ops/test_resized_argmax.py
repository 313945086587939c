"""Classes of resized scores, bit by bit those of mmseg: resize, then argmax."""

import pytest
import torch
from mmseg.models.utils import resize

from mmdavss.ops import resized_argmax

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


def test_as_many_classes_as_uint8_holds():
    scores = torch.zeros(1, 256, 2, 2)
    scores[0, 255] = 1
    assert resized_argmax(scores, (4, 4), False).unique().tolist() == [255]
    with pytest.raises(ValueError, match='256 classes, not 257'):
        resized_argmax(torch.zeros(1, 257, 2, 2), (4, 4), False)
