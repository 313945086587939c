"""All groups of an adversarial method together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdavss.methods import AdversarialAdapter
from mmdavss.structures import DomainBatch


def student_losses(model: AdversarialAdapter, batch: DomainBatch) -> tuple[dict, dict]:
    """The student's own losses, and what discriminators are shown."""
    losses: dict = {}
    shown: dict = {}
    for own, scores in model.student_losses(batch):
        losses |= own
        shown |= scores
    return losses, shown


def in_one_group(model: AdversarialAdapter) -> None:
    """Makes a step backpropagate the sum of the student's losses."""
    groups = model._student_groups

    def together(*args: Any) -> Iterator[dict]:
        yield {name: value for group in groups(*args) for name, value in group.items()}

    model._student_groups = together
