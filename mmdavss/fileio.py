"""Writing files."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mmdavss.errors import UserError


def replace_file(path: str | Path, content: bytes) -> None:
    """Writes a file as a whole: what interrupts it leaves the old one, or none.

    For files that are made anew easily; ``AtomicBackend`` also survives a machine that goes down.
    """
    with open(f'{path}.part', 'wb') as file:
        file.write(content)
    os.replace(f'{path}.part', path)


def distinct_targets(pairs: Iterable[tuple[str | Path, str | Path]], advice: str) -> None:
    """Checks that no two files are written to the same path, before the first is.

    Args:
        pairs: What each file is made from, and its path.
        advice: What to do if two are the same.

    Raises:
        UserError: If two are the same; names them.
    """
    owners: dict[str, str | Path] = {}
    for source, target in pairs:
        owner = owners.setdefault(str(target), source)
        if str(owner) != str(source):
            raise UserError(f'{owner} and {source} would both be written to {target}: {advice}')
