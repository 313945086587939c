"""Algorithm 1 of VAT-VST stepped by hand, and the thresholds of its rivals."""

from pathlib import Path

import numpy as np
import pytest

from mmdavss.modules import AdaptiveThresholds, class_balanced_thresholds, select_labels
from mmdavss.utils.errors import NotFiniteError

GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/rivals_iast_thresholds.npz')


def test_two_clips_by_hand():
    """alpha 0.5, gamma 1, beta 0.5, theta_0 0.8, two classes of which the second comes late."""
    thresholds = AdaptiveThresholds(2, alpha=0.5, beta=0.5, gamma=1.0, start=0.8)
    # Sorted with theta: 0.5 0.6 0.7 0.8 0.9; the share 0.4 lies above place 0.6 * 4 = 2.4.
    psi = 0.7 + 0.4 * 0.1
    first = thresholds.update(np.array([[0.9, 0.6], [0.5, 0.7]]), np.zeros((2, 2), int))
    assert first == pytest.approx([0.5 * 0.8 + 0.5 * psi, 0.8])
    theta = first[0]
    # Second clip: class 0 absent, class 1 has 0.95 besides its 0.8: place 0.6 of 1.
    second = thresholds.update(np.array([0.95]), np.array([1]))
    assert second == pytest.approx([theta, 0.5 * 0.8 + 0.5 * (0.8 + 0.6 * 0.15)])
    # What is returned does not change any more.
    assert first[1] == 0.8


def golden_maps(number):
    """Largest probabilities, rounded as IAST stores them, and classes of two images."""
    probability = GOLDEN['probability'][2 * number : 2 * number + 2]
    return probability.max(1).astype(np.float16), probability.argmax(1)


@pytest.mark.parametrize(
    'key, options',
    [
        ('round1', {}),
        ('round2', dict(alpha=0.25)),
        ('round3', dict(alpha=0.3)),
        ('gamma1', dict(gamma=1.0)),
        ('start09999', dict(start=0.9999)),
    ],
)
def test_thresholds_of_iast(key, options):
    """Also those above 0.999, which IAST does not cap."""
    expected = GOLDEN[f'{key}_batch2_threshold']
    thresholds = AdaptiveThresholds(expected.shape[1], **options)
    for number, threshold in enumerate(expected):
        np.testing.assert_allclose(thresholds.update(*golden_maps(number)), threshold, atol=1e-6)


@pytest.mark.parametrize('key', ['round1', 'round2', 'round3'])
def test_labels_of_iast(key):
    """Of the probabilities as they are; none equals its threshold, which only IAST would keep."""
    probability = GOLDEN['probability']
    thresholds = np.repeat(GOLDEN[f'{key}_batch2_threshold'], 2, axis=0)[: len(probability)]
    for maps, own, labels in zip(
        probability, thresholds, GOLDEN[f'{key}_batch2_label'], strict=True
    ):
        np.testing.assert_array_equal(select_labels(maps.max(0), maps.argmax(0), own), labels)


@pytest.mark.parametrize('cap, kept', [(None, 0.2), (0.999, 0.6)])
def test_share_of_a_sure_class(cap, kept):
    """Six tenths are above 0.999: only without a cap is alpha the share of labels."""
    probability = np.concatenate([np.linspace(0.9, 0.99, 400), np.linspace(0.9991, 0.9999, 600)])
    labels = np.zeros(1000, int)
    thresholds = AdaptiveThresholds(1, cap=cap)
    for _ in range(100):  # until it has settled
        last = thresholds.update(probability, labels)
    share = (select_labels(probability, labels, last) == 0).mean()
    assert share == pytest.approx(kept, abs=0.005)


def test_threshold_that_reaches_one():
    """Nothing would exceed it for ever."""
    thresholds = AdaptiveThresholds(1, beta=0.0, start=0.9)
    assert thresholds.update(np.ones(100), np.zeros(100, int))[0] == 0.999


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_updates_are_those_of_percentiles(dtype):
    """Bit by bit, against np.percentile of all pixels of a class and its threshold."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 500):
        options = dict(alpha=rng.random(), beta=0.5, gamma=2 * rng.random(), start=rng.random())
        thresholds = AdaptiveThresholds(3, **options)
        for _ in range(40):
            before = thresholds.values.copy()
            probability = rng.random(size).astype(dtype)
            probability[: size // 3] = probability[0]  # ties, also with a threshold
            probability[size // 2 :: 5] = before[0]
            labels = rng.integers(0, 2, size)
            expected = []
            for k, theta in enumerate(before):
                own = np.append(probability[labels == k].astype(np.float64), theta)
                psi = np.percentile(own, 100 * (1 - options['alpha'] * theta ** options['gamma']))
                expected.append(0.5 * theta + 0.5 * psi)
            np.testing.assert_array_equal(thresholds.update(probability, labels), expected)


def test_selection_exceeds():
    labels = select_labels(np.array([0.5, 0.6, 0.9, 0.2]), np.array([0, 0, 1, 1]), [0.5, 0.8])
    assert labels.tolist() == [255, 0, 1, 255] and labels.dtype == np.uint8


def test_class_balanced():
    """Ten bins: class 0 has one pixel in each, class 1 eight in the lowest two, class 2 none."""
    counts = np.array([[1] * 10, [4, 4] + [0] * 8, [0] * 10])
    assert class_balanced_thresholds(counts, 0.3) == pytest.approx([0.7, 0.1, 1.0])
    assert class_balanced_thresholds(counts, 0.8) == pytest.approx([0.2, 0.0, 1.0])


@pytest.mark.parametrize('name', ['alpha', 'beta', 'start', 'cap'])
@pytest.mark.parametrize('value', [-0.1, 1.1])
def test_bad_option(name, value):
    with pytest.raises(ValueError, match=f'{name}={value}'):
        AdaptiveThresholds(2, **{name: value})
    assert AdaptiveThresholds(2, **{name: 1}).values.shape == (2,)


def test_a_nan_is_no_small_probability():
    """It exceeds no threshold: all would be unlabelled, and nobody would know why."""
    probability, labels = np.array([0.5, np.nan]), np.array([0, 1])
    with pytest.raises(NotFiniteError, match='NaN'):
        AdaptiveThresholds(2).update(probability, labels)
    with pytest.raises(NotFiniteError, match='NaN'):
        select_labels(probability, labels, [0.1, 0.1])
