"""Label-free judgement whether to keep an adapted model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from .health import (
    COLLAPSED,
    PRESENT,
    SURE,
    HealthFigures,
    class_drift,
    collapsed_classes,
    doubled_classes,
    halved_classes,
    swollen_classes,
)

KEEP, DOUBTFUL, REJECT = 'keep', 'doubtful', 'reject'

# All thresholds are round numbers with a reason. Only WORSE, SLACK and DRIFTED were checked on
# data: on the nine cases of benchmarks/verdict.py that it does not count.

#: Total drift: this share of pixels has changed class. Twice the drift of sane adaptations of a bad
#: model.
DRIFTED = 0.4
#: This share of the pixels on which the original model was confident must keep their class;
#: otherwise a class may have turned into another one ...
KEPT = 0.85
#: ... and below one half, the adapted model is a different model.
REPLACED = 0.5
#: If it was confident on less than this share of the pixels, what these keep says nothing.
HARDLY = 0.01
#: More than this share of the classes has collapsed: the model is ruined.
SPOILT = 0.25
#: The estimated error grows by this factor ...
WORSE = 1.25
#: ... and by more than this noise level: the model is worse.
SLACK = 0.02
#: This share of pixels does not change between successive frames: a still image.
STILL = 0.999
#: Fewer pairs of frames are too few for a verdict.
FEW = 10


@dataclass(frozen=True)
class Verdict:
    """Recommendation for an adapted model.

    Attributes:
        verdict: :data:`KEEP`, :data:`DOUBTFUL` or :data:`REJECT`.
        reasons: Reasons for it, one sentence each.
        warnings: What a person should look at before trusting the model, whatever the verdict.
    """

    verdict: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def estimated_error(figures: HealthFigures) -> float:
    """Label-free estimate of a model's error: 0 to 1, meaningful only in comparisons.

    The share of pixels whose class changes if the image is mirrored, divided by the cube of the
    entropy of the classes (1 if all are equally frequent). Agreement alone would be best for a
    single class everywhere, entropy alone for random classes. The formula is that of AETTA (Lee et
    al., CVPR 2024), which uses dropout instead of mirroring.

    Args:
        figures: Measures of the model.

    Returns:
        The estimate; infinite if the figures are not finite.
    """
    if not _finite(figures):
        return math.inf
    spread = math.log(figures.diversity) / math.log(max(len(figures.shares), 2))
    disagreement = 1 - figures.mirrored
    if spread**3 <= disagreement:  # includes one class everywhere: 0 / 0
        return 1.0
    return disagreement / spread**3


def kept_share(before: HealthFigures, after: HealthFigures) -> float | None:
    """Share of the pixels on which the original model was confident that keep their class.

    None if there are hardly any: it is 1 if there are none, whatever the adapted model predicts.

    Args:
        before: Figures of the model that was adapted.
        after: Figures of the adapted model on the same frames, with `before` as reference.
    """
    return after.kept if _finite(after) and before.confident >= HARDLY else None


def _finite(figures: HealthFigures) -> bool:
    return all(
        math.isfinite(value)
        for value in (*figures.shares, *astuple(figures)[1:5], figures.mirrored)
    )


def _moved(before: HealthFigures, after: HealthFigures) -> float:
    """Share of pixels that changed class: pixel by pixel, or at least by the class shares."""
    return max(after.moved, class_drift(before.shares, after.shares))


def warnings_of(
    before: HealthFigures, after: HealthFigures, classes: Sequence[str]
) -> tuple[str, ...]:
    """What a person should look at before trusting the adapted model.

    Args:
        before: Figures of the model that was adapted.
        after: Figures of the adapted model on the same frames.
        classes: Names of the K classes.
    """
    old, new = before.shares, after.shares
    found = []
    if (moved := _moved(before, after)) >= DRIFTED:
        found.append(f'**Total drift**: {moved:.0%} of the pixels have another class than before.')
    for k in collapsed_classes(old, new):
        found.append(
            f'**{classes[k]} has collapsed**: from {old[k]:.2%} to {new[k]:.2%} of the '
            f'pixels, less than {COLLAPSED:.0%} of it is left.'
        )
    for k in halved_classes(old, new):
        found.append(
            f'**{classes[k]} has lost half or more**: from {old[k]:.2%} to {new[k]:.2%} '
            'of the pixels.'
        )
    for k in swollen_classes(old, new):
        found.append(
            f'**{classes[k]} takes over**: from {old[k]:.1%} to {new[k]:.1%} of the pixels.'
        )
    for k in doubled_classes(old, new):
        found.append(
            f'**{classes[k]} has doubled or more**: from {old[k]:.2%} to {new[k]:.2%} of '
            'the pixels.'
        )
    if after.consistency < before.consistency - 0.02:
        found.append(
            f'Predictions flicker more than before: consistency along the motion fell '
            f'from {before.consistency:.1%} to {after.consistency:.1%}.'
        )
    if after.confidence < before.confidence - 0.05:
        found.append(
            f'The model is less confident than before: mean confidence fell from '
            f'{before.confidence:.1%} to {after.confidence:.1%}.'
        )
    return tuple(found)


def judge(before: HealthFigures, after: HealthFigures, classes: Sequence[str]) -> Verdict:
    """Judges an adapted model by label-free measures.

    A model is rejected if it shows any sign of a ruined model, kept if there is nothing against it,
    and doubtful otherwise.

    Args:
        before: Figures of the model that was adapted.
        after: Figures of the adapted model on the same frames, with `before` as reference.
        classes: Names of the K classes.
    """
    if not (_finite(before) and _finite(after)):
        return Verdict(REJECT, ('The figures are not finite: the model predicts NaN.',), ())
    old, new = before.shares, after.shares
    bad, doubts = [], []
    present = sum(share >= PRESENT for share in old)
    collapsed = collapsed_classes(old, new)
    if len(collapsed) > SPOILT * present:
        bad.append(f'Collapsed: {len(collapsed)} of the {present} classes that were present.')
    elif collapsed:
        doubts.append(f'Collapsed: {", ".join(classes[k] for k in collapsed)}.')
    if swollen := [classes[k] for k in swollen_classes(old, new)]:
        doubts.append(f'Takes over: {", ".join(swollen)}.')
    kept = kept_share(before, after)
    if kept is None:
        doubts.append(
            'There is hardly any confident pixel to compare: the original model was confident '
            f'({SURE:.0%} or more) on {before.confident:.2%} of all.'
        )
    elif kept < KEPT:
        found = (
            f'of the pixels on which the original model was confident ({SURE:.0%} or more), only '
            f'{kept:.0%} have kept their class'
        )
        if kept < REPLACED:
            bad.append(f'It is another model: {found}.')
        else:
            doubts.append(f'A class may have turned into another one: {found}.')
    if (moved := _moved(before, after)) >= DRIFTED:
        doubts.append(f'{moved:.0%} of all pixels have another class than before.')
    errors = estimated_error(before), estimated_error(after)
    compared = (
        f'the estimated error goes from {errors[0]:.2f} to {errors[1]:.2f} (mirrored '
        f'images get the same classes in {before.mirrored:.0%} and {after.mirrored:.0%} '
        f'of the pixels, with the variety of {before.diversity:.1f} and '
        f'{after.diversity:.1f} equally frequent classes)'
    )
    if errors[1] > WORSE * errors[0] + SLACK:
        bad.append(f'It contradicts itself more than before: {compared}.')
    elif errors[1] > errors[0] + SLACK:
        doubts.append(f'Its agreement with itself has not improved: {compared}.')
    elif errors[1] >= 1:
        doubts.append(
            'Mirrored images get other classes, or there is hardly more than one '
            f'class: {compared}.'
        )
    if min(before.unchanged, after.unchanged) >= STILL:
        doubts.append('The frames are all the same: a single image says little about others.')
    if after.frames < FEW:
        doubts.append(
            f'Few frames: {after.frames} pairs were compared, a verdict needs at least {FEW}.'
        )
    warnings = warnings_of(before, after, classes)
    if bad:
        return Verdict(REJECT, (*bad, *doubts), warnings)
    if doubts:
        return Verdict(DOUBTFUL, tuple(doubts), warnings)
    return Verdict(
        KEEP,
        (
            f'It agrees with itself about as well as before, or better: {compared}.',
            f'Of the pixels on which the original model was confident, {after.kept:.0%} kept their '
            'class.',
            'No class has collapsed or takes over.',
        ),
        warnings,
    )
