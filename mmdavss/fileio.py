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

#: Suffix of a file that is being written; a random part precedes it.
UNFINISHED = '.tmp'
_LEFT = re.compile(rf'.+\.[0-9a-f]{{32}}{re.escape(UNFINISHED)}')


def unfinished_path(path: str | Path) -> Path:
    """A temporary path for a file that is to be written: in its folder, with a random name.

    With a predictable name, anyone who may write into the folder could plant a link there.
    """
    path = Path(path)
    return path.with_name(f'{path.name}.{secrets.token_hex(16)}{UNFINISHED}')


@contextmanager
def unfinished_file(path: str | Path) -> Iterator[BinaryIO]:
    """Context manager: a new file that replaces another one once it is complete.

    An error, or the end of the process, leaves the old file as it was.

    Args:
        path: The file; its folder exists.
    """
    unfinished = unfinished_path(path)
    try:
        # 'x': fails if the path exists, also as a link.
        with open(unfinished, 'xb') as file:
            yield file
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def left_unfinished(folder: str | Path) -> list[Path]:
    """Half-written files that interrupted processes left in a folder."""
    return (
        [path for path in Path(folder).iterdir() if _LEFT.fullmatch(path.name)]
        if Path(folder).is_dir()
        else []
    )


def check_writable(folder: str | Path, remedy: str) -> None:
    """Creates a folder and checks that files can be written there, before hours are spent.

    Args:
        folder: The folder.
        remedy: What to do if they cannot.

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
    """Writes a file atomically: an interruption leaves the old file, or none.

    For files that are easily recreated; ``AtomicBackend`` also survives a crash of the machine.
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
