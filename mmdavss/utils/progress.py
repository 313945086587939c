"""The progress bar of whatever takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(
    text: str,
    items: Iterable | None = None,
    total: int | None = None,
    unit: str = 'frames',
    disable: bool = False,
) -> tqdm:
    """A bar with speed and time left on stderr.

    Args:
        text: What is done.
        items: What the bar goes over; without it ``update()`` counts.
        total: Number of items, by default their length; None if unknown.
        unit: What is counted.
        disable: Whether nothing is shown; it counts all the same.
    """
    # A log file gets the bar now and then, not ten times a second.
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(
        items, text, total, unit=unit, mininterval=interval, dynamic_ncols=True, disable=disable
    )
