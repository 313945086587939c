"""Algorithm 1 of VAT-VST stepped by hand, and the thresholds of its rivals."""
import numpy as np
import pytest

from mmdavss.modules import AdaptiveThresholds, class_balanced_thresholds, select_labels


def test_two_clips_by_hand():
    """alpha 0.5, gamma 1, beta 0.5, theta_0 0.8, two classes of which the second comes late."""
    thresholds = AdaptiveThresholds(2, alpha=0.5, beta=0.5, gamma=1., start=0.8)
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


def test_cap():
    thresholds = AdaptiveThresholds(1, alpha=0.2, beta=0., start=0.9)
    assert thresholds.update(np.ones(100), np.zeros(100, int))[0] == 0.999


def test_selection_exceeds():
    labels = select_labels(np.array([0.5, 0.6, 0.9, 0.2]), np.array([0, 0, 1, 1]), [0.5, 0.8])
    assert labels.tolist() == [255, 0, 1, 255] and labels.dtype == np.uint8


def test_class_balanced():
    """Ten bins: class 0 has one pixel in each, class 1 eight in the lowest two, class 2 none."""
    counts = np.array([[1] * 10, [4, 4] + [0] * 8, [0] * 10])
    assert class_balanced_thresholds(counts, 0.3) == pytest.approx([0.7, 0.1, 1.])
    assert class_balanced_thresholds(counts, 0.8) == pytest.approx([0.2, 0.0, 1.])


def test_bad_option():
    with pytest.raises(ValueError, match='alpha=2'):
        AdaptiveThresholds(2, alpha=2)
