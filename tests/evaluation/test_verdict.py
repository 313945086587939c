"""The verdict on an adapted model, of constructed figures."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from mmdavss.evaluation.health import HealthFigures, doubled_classes, halved_classes
from mmdavss.evaluation.verdict import (
    DOUBTFUL,
    KEEP,
    REJECT,
    estimated_error,
    judge,
    kept_share,
    warnings_of,
)

CLASSES = ('road', 'sky', 'car', 'person', 'sign')
BEFORE = HealthFigures(24, 0.8, 0.5, 0.9, 0.9, (0.4, 0.3, 0.2, 0.06, 0.04), mirrored=0.9)
AFTER = replace(BEFORE, mirrored=0.91, moved=0.15, kept=0.95, shares=(0.38, 0.3, 0.21, 0.06, 0.05))


def judged(**changes):
    return judge(BEFORE, replace(AFTER, **changes), CLASSES)


def test_estimated_error_by_hand():
    # Two of four classes, equally often: entropy ln 2 of ln 4.
    half = replace(BEFORE, shares=(0.5, 0.5, 0, 0), mirrored=0.95)
    assert half.diversity == pytest.approx(2)
    assert estimated_error(half) == pytest.approx(0.05 / 0.5**3)
    # All classes equally often, half of the pixels change in the mirror.
    assert estimated_error(replace(half, shares=(0.25,) * 4, mirrored=0.5)) == pytest.approx(0.5)
    # One class everywhere agrees with everything, and is the worst.
    assert estimated_error(replace(half, shares=(0, 1, 0, 0), mirrored=1)) == 1
    assert estimated_error(replace(half, shares=(0.97, 0.01, 0.01, 0.01), mirrored=0.9)) == 1
    assert estimated_error(replace(half, shares=(1,), mirrored=1)) == 1
    assert estimated_error(replace(half, shares=(math.nan,) * 4, mirrored=math.nan)) == math.inf


def test_keep():
    verdict = judged()
    assert verdict.verdict == KEEP and verdict.warnings == ()
    assert 'agrees with itself' in verdict.reasons[0] and '95%' in verdict.reasons[1]
    # A model that has not changed is no worse.
    assert judge(BEFORE, BEFORE, CLASSES).verdict == KEEP


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(kept=0.84), 'A class may have turned into another one.*only 84%'),
        (dict(moved=0.5), '50% of all pixels have another class'),
        (dict(shares=(0.4, 0.3, 0.2, 0.095, 0.005)), 'Collapsed: sign'),
        (dict(shares=(0.3, 0.2, 0.4, 0.06, 0.04)), 'Takes over: car'),
        (dict(mirrored=0.87), 'agreement with itself has not improved'),
        (dict(frames=9), 'Few frames: 9 pairs .* at least 10'),
    ],
)
def test_doubtful(changes, words):
    verdict = judged(**changes)
    assert verdict.verdict == DOUBTFUL
    assert any(re.search(words, reason) for reason in verdict.reasons)


def test_hardly_a_confident_pixel_to_compare():
    """What is kept of nothing is 1, and of next to nothing as little to be trusted."""
    for kept in (1.0, 0.3):
        unsure, after = replace(BEFORE, confident=0.009), replace(AFTER, kept=kept)
        verdict = judge(unsure, after, CLASSES)
        assert verdict.verdict == DOUBTFUL and kept_share(unsure, after) is None
        (reason,) = verdict.reasons
        assert 'hardly any confident pixel to compare' in reason and '0.90% of all' in reason
    sure = replace(BEFORE, confident=0.01)
    assert judge(sure, AFTER, CLASSES).verdict == KEEP and kept_share(sure, AFTER) == 0.95


def test_a_still_picture_and_one_class_are_doubtful():
    still = replace(BEFORE, unchanged=1.0), replace(AFTER, unchanged=1.0)
    assert judge(*still, CLASSES).verdict == DOUBTFUL
    # All is sky before and after: nothing is known of either.
    one = replace(BEFORE, shares=(0, 1, 0, 0, 0), mirrored=1)
    verdict = judge(one, one, CLASSES)
    assert verdict.verdict == DOUBTFUL and 'hardly more than one class' in verdict.reasons[0]


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(kept=0.49), 'another model: .*only 49%'),
        (dict(shares=(0.5, 0.3, 0.2, 0.0, 0.0)), 'Collapsed: 2 of the 5 classes'),
        (dict(mirrored=0.8), 'contradicts itself more than before'),
        (dict(confidence=math.nan), 'not finite'),
        (dict(shares=(math.nan,) * 5), 'not finite'),
    ],
)
def test_reject(changes, words):
    verdict = judged(**changes)
    assert verdict.verdict == REJECT
    assert re.search(words, verdict.reasons[0])


def test_a_collapse_that_agrees_with_itself_is_rejected():
    # Perfectly sure, steady and the same in the mirror: nothing but road.
    collapsed = replace(
        AFTER,
        confidence=1,
        confident=1,
        unchanged=0.99,
        consistency=1,
        mirrored=1,
        shares=(1, 0, 0, 0, 0),
        kept=0.6,
        moved=0.6,
    )
    assert judge(BEFORE, collapsed, CLASSES).verdict == REJECT


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(moved=0.5), '**Total drift**: 50% of the pixels have another class than before.'),
        # Also if only the shares tell.
        (dict(shares=(0.0, 0.4, 0.3, 0.2, 0.1)), '**Total drift**'),
        (
            dict(shares=(0.36, 0.28, 0.2, 0.12, 0.04)),
            '**person has doubled or more**: from 6.00% to 12.00% of the pixels.',
        ),
        (
            dict(shares=(0.4, 0.3, 0.22, 0.06, 0.02)),
            '**sign has lost half or more**: from 4.00% to 2.00% of the pixels.',
        ),
        (
            dict(shares=(0.4, 0.3, 0.235, 0.06, 0.005)),
            '**sign has collapsed**: from 4.00% to 0.50%',
        ),
        (dict(shares=(0.65, 0.1, 0.15, 0.06, 0.04)), '**road takes over**: from 40.0% to 65.0%'),
        (dict(consistency=0.87), 'flicker more'),
        (dict(confidence=0.74), 'less confident'),
    ],
)
def test_warnings(changes, words):
    after = replace(AFTER, **changes)
    assert any(
        text.startswith(words) or words in text for text in warnings_of(BEFORE, after, CLASSES)
    )
    assert judge(BEFORE, after, CLASSES).warnings == warnings_of(BEFORE, after, CLASSES)


def test_no_warnings_below_the_thresholds():
    quiet = replace(AFTER, moved=0.39, shares=(0.37, 0.3, 0.19, 0.11, 0.03))
    assert warnings_of(BEFORE, quiet, CLASSES) == ()


def test_doubled_and_halved_classes():
    before, after = (0.5, 0.3, 0.1, 0.09, 0.006, 0.004), (0.25, 0.51, 0.01, 0.21, 0.003, 0.017)
    assert doubled_classes(before, after) == [3, 5]
    # What has collapsed is not only halved; what takes over has not only doubled.
    assert halved_classes(before, after) == [0, 4]
    assert doubled_classes((0.1, 0.9), (0.4, 0.6)) == []
    # What is hardly there says nothing.
    assert doubled_classes((0.999, 0.001), (0.996, 0.004)) == []
    assert halved_classes((0.996, 0.004), (0.999, 0.001)) == []
