"""Writing files."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .errors import UserError


def check_writable(folder: str | Path, remedy: str) -> None:
    """Makes a folder and tries whether files can be written there, before hours are spent.

    Args:
        folder: The folder.
        remedy: What to do otherwise.

    Raises:
        UserError: If they cannot.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'0')
    except OSError as error:
        raise UserError(f'{folder} cannot be written to ({error.strerror}): {remedy}') from error


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
