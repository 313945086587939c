"""Writing files."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import UserError

#: Ends the name of a file that is being written; before it nobody knows how the name goes on.
UNFINISHED = '.tmp'
_LEFT = re.compile(rf'.+\.[0-9a-f]{{32}}{re.escape(UNFINISHED)}')


def unfinished_path(path: str | Path) -> Path:
    """Where to write what is to become a file: in its folder, under a name that nobody can guess.

    Else somebody who may write into the folder could put a link there, for us to follow.
    """
    path = Path(path)
    return path.with_name(f'{path.name}.{secrets.token_hex(16)}{UNFINISHED}')


@contextmanager
def unfinished_file(path: str | Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of another when all of it is written.

    An error, or the end of the process, leaves what was there before.

    Args:
        path: The file; its folder exists.
    """
    unfinished = unfinished_path(path)
    try:
        # 'x': nothing that is there, no link either.
        with open(unfinished, 'xb') as file:
            yield file
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def left_unfinished(folder: str | Path) -> list[Path]:
    """Files that interrupted processes left in a folder, half written."""
    return (
        [path for path in Path(folder).iterdir() if _LEFT.fullmatch(path.name)]
        if Path(folder).is_dir()
        else []
    )


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
    with unfinished_file(path) as file:
        file.write(content)


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
