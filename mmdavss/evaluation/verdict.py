"""Whether an adapted model is to be kept, judged without labels."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .health import (
    COLLAPSED,
    PRESENT,
    HealthFigures,
    class_drift,
    collapsed_classes,
    swollen_classes,
)

KEEP, DOUBTFUL, REJECT = 'keep', 'doubtful', 'reject'

#: Total drift: this share of the pixels has another class than before.
DRIFTED = 0.5
#: A class that doubles or loses half is named if it has this share of the pixels, before or after.
NAMED = 0.01


@dataclass(frozen=True)
class Verdict:
    """What is to be done with an adapted model.

    Attributes:
        verdict: :data:`KEEP`, :data:`DOUBTFUL` or :data:`REJECT`.
        reasons: Why, one sentence each.
        warnings: What a person should look at, whatever the verdict.
    """
    verdict: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
