"""IntraDA's ranking: the release's values and splits, per sequence, and empty splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.pseudo_labels.entropy_split import EntropySplit, frame_entropy
from mmdavss.pseudo_labels.generator import PseudoLabelGenerator
from mmdavss.utils.errors import UserError

GOLDEN = Path(__file__).parents[1] / 'data/golden/rivals_intrada_rank.npz'


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope='module')
def entropies(golden: dict[str, np.ndarray]) -> dict[str, float]:
    probabilities = torch.from_numpy(golden['scores']).double().softmax(1)
    return {f'{n}.png': frame_entropy(own) for n, own in enumerate(probabilities)}


def numbers(masks: list[str]) -> list[int]:
    return [int(mask.removesuffix('.png')) for mask in masks]


def test_ranks_equal_the_release(golden: dict[str, np.ndarray], entropies: dict[str, float]):
    np.testing.assert_allclose(list(entropies.values()), golden['rank_value'], rtol=1e-5)
    easy, hard = EntropySplit(easy=float(golden['lambda_split'])).lists(entropies)
    assert numbers(easy) == golden['easy'].tolist() and numbers(hard) == golden['hard'].tolist()


def test_rare_classes_equal_the_release(golden: dict[str, np.ndarray], entropies: dict[str, float]):
    maps = golden['scores'].argmax(1)
    rare = {
        mask: int(np.isin(golden['rare_classes'], own).sum())
        for mask, own in zip(entropies, maps, strict=True)
    }
    assert list(rare.values()) == golden['rare_class_count'].tolist()
    split = EntropySplit(
        float(golden['lambda_split']), rare_classes=[''] * len(golden['rare_classes'])
    )
    easy, hard = split.lists(entropies, rare)
    assert numbers(easy) == golden['normalised_easy'].tolist()
    assert numbers(hard) == golden['normalised_hard'].tolist()


def test_sequences_stay_together():
    """By their means: that of the first is 0.2, of the second 0.25, of the third 0.15."""
    entropies = {'a/1.png': 0.1, 'a/2.png': 0.3, 'b/1.png': 0.25, 'c/1.png': 0.2, 'c/2.png': 0.1}
    easy, hard = EntropySplit(0.67, per='sequence').lists(entropies)
    assert easy == ['c/1.png', 'c/2.png', 'a/1.png', 'a/2.png'] and hard == ['b/1.png']
    assert EntropySplit(0.5).lists(entropies)[0] == ['a/1.png', 'c/2.png']


@pytest.mark.parametrize(
    ('options', 'count', 'match'),
    [
        (dict(easy=0.4), 2, r'split.easy=0.4 of 2 frames leaves no easy one'),
        (dict(easy=0.5), 1, r'split.easy=0.5 of 1 frame leaves no easy one'),
        (dict(easy=0.9, per='sequence'), 3, r'easy=0.9 of 1 sequence leaves no easy one'),
    ],
)
def test_empty_splits_are_errors(options: dict, count: int, match: str):
    with pytest.raises(UserError, match=match):
        EntropySplit(**options).lists({f'a/{n}.png': 0.1 for n in range(count)})


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(easy=0.0), 'easy=0.0 must be between 0 and 1'),
        (dict(easy=1.0), 'easy=1.0 must be between 0 and 1'),
        (dict(per='clip'), "per='clip' is not one of"),
        (dict(rare_classes=[]), 'rare_classes is empty'),
    ],
)
def test_bad_options(options: dict, match: str):
    with pytest.raises(ValueError, match=match):
        EntropySplit(**options)


def test_split_of_other_rules():
    with pytest.raises(ValueError, match="split needs selection='all', not 'clip_adaptive'"):
        PseudoLabelGenerator([], aggregate=False, split={})
    with pytest.raises(ValueError, match="frames='some' is not one of"):
        PseudoLabelGenerator([], aggregate=False, frames='some')
