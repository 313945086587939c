"""Parts of messages."""

from __future__ import annotations


def number_of(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'
