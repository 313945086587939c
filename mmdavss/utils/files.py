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
    """Context manager: opens a new file that replaces the one at `path` once it is complete.

    If an error occurs or the process ends, the old file stays as it was.

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


def refuse_existing(files: Iterable[str | Path], overwrite: bool, option: str = '--out') -> None:
    """Checks that no file would be replaced unasked.

    Args:
        files: What will be written.
        overwrite: Whether existing files may be replaced.
        option: The option that names them.

    Raises:
        UserError: If one exists and `overwrite` is not set, or is a folder.
    """
    files = list(files)
    for path in files:
        refuse_folder(path, option)
    there = None if overwrite else next((path for path in files if os.path.exists(path)), None)
    if there is not None:
        raise UserError(
            f'{there} is there already: choose another {option}, or replace it with --overwrite'
        )


def refuse_folder(path: str | Path, option: str = '--out') -> None:
    """Checks, before a long computation, that a path can be that of a file.

    Args:
        path: What will be written.
        option: The option that names it.

    Raises:
        UserError: If it is a folder, or ends in a slash.
    """
    if os.path.isdir(path) or str(path).endswith(os.sep):
        raise UserError(f'{path} is a folder, and a file is needed: name a file ({option})')


def check_writable(folder: str | Path, remedy: str) -> None:
    """Creates a folder and checks that files can be written there, before a long computation.

    Args:
        folder: The folder.
        remedy: Advice for the message if they cannot.

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
    """Writes a file atomically: if interrupted, the old file stays, or no file appears.

    For files that are easily recreated; ``AtomicBackend`` also survives a crash of the machine.
    """
    with unfinished_file(path) as file:
        file.write(content)


def distinct_targets(pairs: Iterable[tuple[str | Path, str | Path]], advice: str) -> None:
    """Checks, before anything is written, that no two files go to the same path.

    Args:
        pairs: What each file is made from, and its path.
        advice: What to do if two are the same.

    Raises:
        UserError: If two paths are the same; names them.
    """
    owners: dict[str, str | Path] = {}
    for source, target in pairs:
        owner = owners.setdefault(str(target), source)
        if str(owner) != str(source):
            raise UserError(f'{owner} and {source} would both be written to {target}: {advice}')
