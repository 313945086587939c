"""The search for proportions, on a curve that is known."""

import numpy as np

from mmdavss.pseudo_labels.quality import ALPHAS, Quality, reach


def curve(power, top, calls):
    def measure(alphas):
        calls.append(alphas)
        return [Quality(a, top * a**power, 100 - 10 * a, np.zeros(2)) for a in alphas]

    return measure


def test_proportions_are_met():
    calls = []
    points, found = reach(curve(3, 0.9, calls), [0.3, 0.0002, 0.45], tolerance=1e-4)
    assert calls[0] == list(ALPHAS) and 1 < len(calls) <= 6
    assert [q.alpha for q in points] == sorted(a for call in calls for a in call)
    for wanted, q in zip([0.3, 0.0002, 0.45], found, strict=True):
        assert abs(q.proportion - wanted) <= 1e-4
        assert abs(q.alpha - (wanted / 0.9) ** (1 / 3)) < 0.02


def test_beyond_reach_and_out_of_rounds():
    calls = []
    _, found = reach(curve(1, 0.5, calls), [0.8, 0.25])
    assert found[0] is None and found[1].alpha == 0.5 and len(calls) == 1
    # Some pseudo-labels even at alpha 0.
    found = reach(
        lambda alphas: [Quality(a, 0.4 + a / 2, 1.0, np.zeros(2)) for a in alphas], [0.3, 0.5]
    )[1]
    assert found[0] is None and found[1].alpha == 0.2
    assert reach(curve(40, 0.9, []), [0.3], tolerance=1e-9, rounds=1)[1] == [None]
