"""Class-balanced cropping, against reference numbers and by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.modules import ClassBalancedCrop
from mmdavss.modules.class_balanced_crop import crop_at, crop_scores, random_corners

# Computed with the published implementation of SePiCo.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/sepico_class_balanced_crop.npz')


def case(i):
    labels = torch.from_numpy(GOLDEN[f'c{i}_label'].astype(np.int64))
    boxes = torch.from_numpy(GOLDEN[f'c{i}_boxes_y1y2x1x2'])
    return labels, boxes[:, [0, 2]], float(GOLDEN[f'c{i}_cat_max_ratio'])


SIZE = tuple(int(side) for side in GOLDEN['crop_size'])
IGNORE = int(GOLDEN['ignore_index'])


@pytest.mark.parametrize('i', range(int(GOLDEN['num_cases'])))
def test_golden_scores_and_choice(i, monkeypatch):
    labels, corners, ratio = case(i)
    scores = crop_scores(labels[None], corners[None], SIZE, ratio, IGNORE)
    np.testing.assert_allclose(scores[0], GOLDEN[f'c{i}_scores'], rtol=1e-5)

    monkeypatch.setattr(
        'mmdavss.modules.class_balanced_crop.random_corners', lambda *args: corners[None]
    )
    crop = ClassBalancedCrop(SIZE, ratio, ignore_index=IGNORE)
    y1, _, x1, _ = GOLDEN[f'c{i}_chosen_y1y2x1x2']
    assert crop.corners(labels[None]).tolist() == [[y1, x1]]
    np.testing.assert_array_equal(
        crop.draw(labels[None])(labels[None])[0], GOLDEN[f'c{i}_label_crop']
    )


@pytest.mark.parametrize('i', range(int(GOLDEN['num_cases'])))
def test_golden_batch_is_each_sample_for_itself(i):
    """A batch of a label, that label mirrored either way, and one without its rarest class."""
    label, at, ratio = case(i)
    values, counts = label.unique(return_counts=True)
    fewer = label.masked_fill(label == values[counts.argmin()], IGNORE)
    labels = torch.stack([label, label.flip(1), label.flip(0), fewer])
    corners = torch.stack([at.roll(shift, 0) for shift in range(len(labels))])
    together = crop_scores(labels, corners, SIZE, ratio, IGNORE)
    np.testing.assert_allclose(together[0], GOLDEN[f'c{i}_scores'], rtol=1e-5)
    for own, places, scores in zip(labels, corners, together, strict=True):
        assert torch.equal(crop_scores(own[None], places[None], SIZE, ratio, IGNORE)[0], scores)


def test_scores_by_hand():
    labels = torch.tensor([[[0, 0, 0, 1, 1, 2, 255, 255], [0, 0, 0, 0, 1, 1, 255, 255]]])
    corners = torch.tensor([[[0, 0], [0, 2], [0, 3], [0, 4]]])
    scores = crop_scores(labels, corners, (2, 4), cat_max_ratio=0.75)
    # 7 of 8 pixels are class 0; 3, 4 and 1 pixels; 1, 4 and 1 of the 6 that are not ignored; 3 and
    # 1 of 4, which is not below the ratio.
    expected = [0, math.log(3) + math.log(4), math.log(4), 0]
    np.testing.assert_allclose(scores[0], expected)
    alone = crop_scores(torch.full((1, 2, 4), 255), corners[:, :1], (2, 4))
    assert alone.tolist() == [[0]]
    assert crop_scores(torch.zeros(1, 2, 4).long(), corners[:, :1], (2, 4), 1.0).tolist() == [[0]]


def test_crops_frames_labels_and_flow_alike():
    y, x = torch.meshgrid(torch.arange(6), torch.arange(9), indexing='ij')
    maps = 100 * torch.arange(2)[:, None, None] + 10 * y + x
    corners = torch.tensor([[1, 4], [3, 0]])
    cut = crop_at(maps, corners, (3, 5))
    assert torch.equal(cut[0], maps[0, 1:4, 4:9]) and torch.equal(cut[1], maps[1, 3:6, 0:5])
    clip = torch.stack([maps, -maps], 1)[:, None].expand(-1, 3, -1, -1, -1).float()
    assert torch.equal(crop_at(clip, corners, (3, 5))[:, 2, 1], -cut.float())


def test_places_are_uniform_over_all_that_fit():
    generator = torch.Generator().manual_seed(0)
    corners = random_corners(torch.zeros(100, 7, 6), (4, 6), 60, generator)
    assert corners.shape == (100, 60, 2) and (corners[..., 1] == 0).all()
    counts = torch.bincount(corners[..., 0].flatten(), minlength=4)
    # 6000 draws of 4 places: 1500 each, within 5 sigma.
    assert len(counts) == 4 and (counts - 1500).abs().max() < 5 * (6000 * 3 / 16) ** 0.5


def test_takes_the_balanced_half():
    labels = torch.zeros(1, 8, 40).long()
    labels[..., 30:] = torch.arange(10) % 3  # classes 0, 1, 2 at the right end
    # 7 of 31 places are within the ratio: 100 candidates hit one for certain.
    crop = ClassBalancedCrop((8, 10), candidates=100)
    generator = torch.Generator().manual_seed(0)
    assert all(crop.corners(labels, generator)[0, 1] > 22 for _ in range(10))


def test_a_generator_repeats_its_crops():
    labels = torch.randint(4, (3, 12, 40))
    crop = ClassBalancedCrop((4, 6))
    for function in (crop.corners, lambda *args: crop.draw(*args)(labels)):
        torch.manual_seed(1)
        first = function(labels, torch.Generator().manual_seed(0))
        torch.manual_seed(2)
        assert torch.equal(function(labels, torch.Generator().manual_seed(0)), first)


def test_ignored_label_may_be_a_class():
    """The right half is balanced but for the ignored class, which leaves one class alone."""
    labels = torch.zeros(1, 4, 16).long()
    labels[..., 8:] = torch.arange(8) % 2 * 3
    labels[..., :8] = torch.arange(8) % 2 * 2
    crop = ClassBalancedCrop((4, 4), candidates=50, ignore_index=3)
    generator = torch.Generator().manual_seed(0)
    assert all(crop.corners(labels, generator)[0, 1] < 8 for _ in range(10))


def test_default_ratio_is_the_published_one():
    three_quarters = torch.tensor([[[0, 0, 0, 1]]])
    corners = torch.zeros(1, 1, 2, dtype=torch.long)
    assert crop_scores(three_quarters, corners, (1, 4)) == 0
    assert crop_scores(three_quarters, corners, (1, 4), 0.76) > 0


def test_too_large():
    with pytest.raises(ValueError, match=r'\(9, 4\).*\(8, 40\).*ClipResize'):
        ClassBalancedCrop((9, 4)).draw(torch.zeros(1, 8, 40).long())
