"""Chooses a checkpoint of an adaptation without labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmdavss.evaluation.health import HealthFigures
from mmdavss.evaluation.verdict import REJECT, estimated_error, judge, kept_share


@dataclass(frozen=True)
class Candidate:
    """A checkpoint of an adaptation.

    Attributes:
        iteration: Iterations of training before it.
        error: Its estimated error, see :func:`~mmdavss.evaluation.verdict.estimated_error`.
        kept: Share of the confident pixels of the model before that keep their class, see
            :func:`~mmdavss.evaluation.verdict.kept_share`.
        rejected: Whether its verdict is to reject it.
    """

    iteration: int
    error: float
    kept: float | None
    rejected: bool


def candidates_of(
    before: HealthFigures, after: Mapping[int, HealthFigures], classes: Sequence[str]
) -> list[Candidate]:
    """What decides between checkpoints, in the order of their iterations.

    Args:
        before: Figures of the model that was adapted.
        after: Figures of each checkpoint on the same frames, by iteration.
        classes: Names of the K classes.
    """
    return [
        Candidate(
            iteration,
            estimated_error(figures),
            kept_share(before, figures),
            judge(before, figures, classes).verdict == REJECT,
        )
        for iteration, figures in sorted(after.items())
    ]


def choose(candidates: Sequence[Candidate]) -> int:
    """The iteration of the checkpoint to keep.

    It has the lowest estimated error of those that are not rejected, or of all if all are; of
    equal ones it is the earliest.

    Args:
        candidates: In the order of their iterations, at least one.
    """
    eligible = [one for one in candidates if not one.rejected] or candidates
    return min(eligible, key=lambda one: one.error).iteration


def explained(candidates: Sequence[Candidate], chosen: int) -> str:
    """A table of the candidates, in markdown, and a sentence on the choice.

    Args:
        candidates: As for :func:`choose`.
        chosen: The iteration that it returned.
    """
    rows = []
    for one in candidates:
        notes = ['**kept**'] * (one.iteration == chosen) + ['rejected'] * one.rejected
        error = f'{one.error:.3f}' if math.isfinite(one.error) else '-'
        kept = '-' if one.kept is None else f'{100 * one.kept:.1f}'
        rows.append(f'| {one.iteration} | {error} | {kept} | {", ".join(notes)} |')
    among = 'of those that are not rejected'
    if all(one.rejected for one in candidates):
        among = 'of all, since all are rejected'
    elif not any(one.rejected for one in candidates):
        among = 'of all'
    lowest = next(one.error for one in candidates if one.iteration == chosen)
    equal = sum(one.error == lowest for one in candidates) > 1
    tie = '; of equal ones, the earliest is kept' if equal else ''
    return (
        '| iteration | estimated error | confident pixels that keep their class, % | |\n'
        '|---:|---:|---:|---|\n'
        + '\n'.join(rows)
        + f'\n\nThe checkpoint after iteration {chosen} is kept: its estimated error is the lowest '
        f'{among}{tie}.'
    )
