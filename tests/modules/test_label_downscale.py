"""Label down-scaling against golden arrays, a loop over cells and hand computation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

from mmdavss.modules import downscale_labels, nearest_labels

# Public DAFormer/SePiCo code on random labels.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/sepico_label_downscale.npz')


@pytest.mark.parametrize('key', [key for key in GOLDEN.files if key.startswith('out_')])
def test_golden(key):
    scale, _, ratio = key.removeprefix('out_').rpartition('minratio')
    factor = int(scale[len('scale') : -1] or GOLDEN['scale_factor'])
    labels, ignore = torch.tensor(GOLDEN['label'])[:, 0], int(GOLDEN['ignore_index'])
    size = [side // factor for side in labels.shape[-2:]]
    ours = downscale_labels(
        labels[:, : size[0] * factor, : size[1] * factor],
        size,
        int(GOLDEN['num_classes']),
        float(ratio),
        ignore,
    )
    assert ours.dtype == torch.int64
    np.testing.assert_array_equal(ours, GOLDEN[key][:, 0])


@pytest.mark.parametrize('size', [(4, 5), (7, 11), (1, 1), (13, 17)])
@pytest.mark.parametrize('ratio', [0.3, 0.75])
def test_sizes_that_do_not_divide(size, ratio):
    """Every pixel belongs to the cell floor(y*h/H), floor(x*w/W)."""
    generator = np.random.default_rng(0)
    labels = generator.choice([0, 1, 2, 255], size=(2, 13, 17), p=[0.5, 0.2, 0.1, 0.2])
    expected = np.full((2, *size), 255)
    for n, y, x in np.ndindex(expected.shape):
        cell = [
            labels[n, i, j]
            for i in range(13)
            for j in range(17)
            if i * size[0] // 13 == y and j * size[1] // 17 == x
        ]
        votes = [cell.count(label) for label in (0, 1, 2, 255)]
        winner = votes.index(max(votes))
        if winner < 3 and votes[winner] / len(cell) >= ratio:
            expected[n, y, x] = winner
    np.testing.assert_array_equal(downscale_labels(torch.tensor(labels), size, 3, ratio), expected)


def test_ties_ignored_pixels_and_other_labels():
    cells = torch.tensor(
        [
            [[1, 1], [0, 0]],  # a tie goes to the lower class
            [[2, 2], [255, 255]],  # and a class wins over none
            [[2, 2], [-1, 7]],  # what is no class counts as ignored
            [[255, 255], [255, 0]],
        ]
    )
    assert downscale_labels(cells, (1, 1), 3, 0.5).flatten().tolist() == [0, 2, 2, 255]
    assert downscale_labels(cells, (1, 1), 3).flatten().tolist() == [255] * 4
    # An ignored label that is a class's number.
    assert downscale_labels(cells, (1, 1), 3, 0.5, ignore_index=2).flatten().tolist() == [
        0,
        2,
        2,
        2,
    ]


def test_nothing_waits_for_the_device():
    """Tensors without values: whatever depends on one raises an error."""
    with FakeTensorMode():
        assert downscale_labels(torch.randint(3, (2, 13, 17)), (4, 5), 3).shape == (2, 4, 5)


def test_type_is_kept_and_growing_is_refused():
    labels = torch.full((1, 4, 4), 3, dtype=torch.uint8)
    assert downscale_labels(labels, (2, 2), 5).dtype == torch.uint8
    with pytest.raises(ValueError, match=r'size=\(8, 2\) is larger than the labels, \(4, 4\)'):
        downscale_labels(labels, (8, 2), 5)


def test_nearest_labels_of_clips():
    labels = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6) % 256
    labels[0, 0, 0, 0] = 255
    small = nearest_labels(labels, (2, 4))
    # floor(y * 4 / 2), floor(x * 6 / 4)
    assert torch.equal(small, labels[:, :, [0, 2]][..., [0, 1, 3, 4]])
    assert torch.equal(nearest_labels(labels[0, 0].to(torch.uint8), (2, 4)), small[0, 0])
