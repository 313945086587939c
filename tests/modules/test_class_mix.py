"""ClassMix, against reference numbers and by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.modules import class_mix, class_mix_masks
from mmdavss.modules.class_mix import class_masks, draw_classes

# Computed with the published implementation of DAFormer.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/daformer_class_mix.npz')


@pytest.mark.parametrize('case', ['c0', 'c1'])
def test_golden(case):
    labels, pseudo, source, target, weight = (
        torch.from_numpy(GOLDEN[f'{case}_{key}'])
        for key in (
            'source_label',
            'target_pseudo_label',
            'source_img',
            'target_img',
            'target_weight',
        )
    )
    labels = labels[:, 0]
    chosen = torch.zeros(len(labels), 256, dtype=torch.bool)
    for row, values in zip(
        chosen, GOLDEN[f'{case}_chosen_label_values_padded_minus1'], strict=True
    ):
        row[values[values >= 0]] = True
    mask = class_masks(labels, chosen)
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask, GOLDEN[f'{case}_mask'])
    np.testing.assert_array_equal(class_mix(mask, source, target), GOLDEN[f'{case}_mixed_img'])
    np.testing.assert_array_equal(
        class_mix(mask[:, 0], labels, pseudo), GOLDEN[f'{case}_mixed_label'][:, 0]
    )
    np.testing.assert_array_equal(
        class_mix(mask[:, 0], torch.ones_like(weight), weight), GOLDEN[f'{case}_mixed_weight'][:, 0]
    )


@pytest.mark.parametrize('case', ['c0', 'c1'])
def test_draws_as_many_of_the_same_candidates(case):
    labels = torch.from_numpy(GOLDEN[f'{case}_source_label'])[:, 0]
    candidates = set(GOLDEN[f'{case}_candidate_label_values'].tolist())
    published = (GOLDEN[f'{case}_chosen_label_values_padded_minus1'] >= 0).sum(1)
    seen = set()
    for seed in range(20):
        chosen = draw_classes(labels, torch.Generator().manual_seed(seed))
        np.testing.assert_array_equal(chosen.sum(1), published)
        seen |= set(chosen.nonzero()[:, 1].tolist())
    assert seen == candidates


def test_draws_are_uniform_and_of_each_sample():
    labels = torch.tensor([0, 3, 7, 255, 9]).expand(3000, 1, 5)
    chosen = draw_classes(labels, torch.Generator().manual_seed(0))
    assert (chosen.sum(1) == 3).all()
    # Three of five: 1800 of 3000 each, within 5 sigma.
    counts = chosen[:, [0, 3, 7, 255, 9]].sum(0)
    assert (counts - 1800).abs().max() < 5 * (3000 * 0.24) ** 0.5


def test_masks_follow_the_labels():
    labels = torch.tensor([[[0, 1, 1], [2, 2, 255]]])
    mask = class_mix_masks(labels, torch.Generator().manual_seed(1))
    assert mask.shape == (1, 1, 2, 3)
    for value in (0, 1, 2, 255):
        assert mask[0, 0][labels[0] == value].unique().numel() == 1
    assert labels[mask[:, 0]].unique().numel() == 2
    assert class_mix_masks(torch.full((1, 2, 2), 255)).all()


def test_clips_are_mixed_in_all_frames():
    mask = torch.tensor([[True, False], [False, False]]).view(1, 1, 1, 2, 2)
    source, target = torch.ones(1, 2, 3, 2, 2), torch.zeros(1, 2, 3, 2, 2)
    mixed = class_mix(mask, source, target)
    assert (mixed[..., 0, 0] == 1).all() and mixed.sum() == 6
