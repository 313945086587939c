"""Progress bars."""

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
    """Makes a progress bar with speed and time left on stderr.

    Args:
        text: Description of the work.
        items: Items to iterate over; without them ``update()`` counts.
        total: Number of items, by default their length; None if unknown.
        unit: Unit of the count.
        disable: Whether to show nothing; it still counts.
    """
    # A log file gets the bar every ten seconds, not ten times a second.
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(
        items, text, total, unit=unit, mininterval=interval, dynamic_ncols=True, disable=disable
    )
