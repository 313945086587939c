"""Input files: which of them are frames, and how bytes, lists, json and images are read.

All reading of a user's files goes through here, so that the same files are accepted everywhere and
errors are reported in the same way.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import logging
import math
import os
import os.path as osp
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from mmengine.logging import print_log
from PIL import Image

from .errors import InputError, MissingInputError, number_of

#: What a failing disk or network drive says; not every system knows all of these.
DISK_ERRORS = tuple(
    getattr(errno, name)
    for name in ('EIO', 'ESTALE', 'ENOTCONN', 'ETIMEDOUT', 'EREMOTEIO')
    if hasattr(errno, name)
)
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
#: Suffixes of images that are not taken for frames.
OTHER_SUFFIXES = ('.tif', '.tiff', '.webp', '.gif', '.jp2')
#: Folders that systems put beside data (zip files of macOS, network disks, Windows), apart from
#: those that begin with a dot.
SYSTEM_FOLDERS = ('__MACOSX', '@eaDir', '#recycle', '$RECYCLE.BIN', 'System Volume Information')


# ------------------------------------------------------------------------------------ finding files


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not part of the user's data.

    Jupyter's ``.ipynb_checkpoints`` hold copies of images, macOS' ``._NAME.png`` have their names,
    thumbnails are images.
    """
    return name.startswith('.') or name in SYSTEM_FOLDERS


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key that takes runs of digits as numbers."""
    return [
        (0, int(part)) if part.isdecimal() else (1, part)
        for part in re.split(r'(\d+)', name)
        if part
    ]


def entries_of(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Entries of a folder, sorted by name, without hidden ones.

    Raises:
        InputError: If the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not is_hidden(e.name)), key=lambda e: e.name)
    except OSError as error:
        raise_unreadable(folder, 'folder', error)


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry of a folder is itself a folder, or a link to one.

    Raises:
        InputError: If it is a broken link with the name of an image. Other broken links are
            ignored.
    """
    if not entry.is_symlink():
        return entry.is_dir()
    if osp.exists(entry.path):
        return entry.is_dir()
    if osp.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
        raise InputError(
            f'{entry.path} is a link to {os.readlink(entry.path)}, which is not there '
            'or may not be read: mount or fetch what it leads to, or delete the link.'
        )
    return False


def _is_above(folder: str, other: str) -> bool:
    """Whether a folder (without links) holds another one, or is it."""
    return osp.commonpath([folder, other]) == folder


def subfolders(folder: str | os.PathLike) -> list[str]:
    """Names of the folders in a folder, without the hidden ones; each folder counts once.

    Links to folders are followed, except to a folder above or to one that is found anyway: data
    would be read several times.

    Raises:
        InputError: If the folder cannot be read.
    """
    real = osp.realpath(folder)
    folders = [e for e in entries_of(folder) if is_folder(e)]
    found = {osp.join(real, e.name): e.name for e in folders if not e.is_symlink()}
    for entry in folders:
        target = osp.realpath(entry.path)
        if entry.is_symlink() and not _is_above(target, real):
            found.setdefault(target, entry.name)
    return sorted(found.values())


def walk(root: str | os.PathLike) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walks a folder tree in order of paths; yields path, folder names and file names.

    Hidden entries are left out. Links to folders are followed, and each folder is visited once:
    under its own path rather than that of a link. A link to a folder above `root` is left out.

    Args:
        root: The folder.

    Raises:
        InputError: If a folder cannot be read.
    """
    root = os.fspath(root)
    top = osp.realpath(root)
    todo, left_out = [(root, top)], []
    links: list[str] = []
    found: dict[str, tuple[str, list[str], list[str]]] = {}  # by real path
    while todo or links:
        if todo:
            path, real = todo.pop()
        else:
            path = links.pop(0)
            real = osp.realpath(path)
            if real in found or _is_above(real, top):
                left_out.append(path)
                continue
        if real in found:  # inside the target of a link
            continue
        entries = entries_of(path)
        folders = [e for e in entries if is_folder(e)]
        names = {e.name for e in folders}
        found[real] = path, sorted(names), [e.name for e in entries if e.name not in names]
        todo += [(e.path, osp.join(real, e.name)) for e in folders if not e.is_symlink()]
        links += [e.path for e in folders if e.is_symlink()]
    if left_out:
        print_log(
            f'{left_out[0]} is a link to a folder that is read already, or that holds '
            f'{root}: it is left out'
            + (f' (and {number_of(len(left_out) - 1, "other")}).' if len(left_out) > 1 else '.'),
            'current',
            logging.WARNING,
        )
    yield from sorted(found.values(), key=lambda item: Path(item[0]).parts)


def check_names(folder: str | os.PathLike, frames: Iterable[str], advice: str = 'Move') -> None:
    """Checks that the frames of a folder differ in more than their suffix.

    Raises:
        InputError: If two differ only in their suffix: one may be the label of the other.
    """
    by_stem: dict[str, str] = {}
    for name in frames:
        other = by_stem.setdefault(osp.splitext(name)[0], name)
        if other != name:
            if osp.splitext(name)[1].lower() == osp.splitext(other)[1].lower():
                advice = 'Move'  # suffixes ignore case
            raise InputError(
                f'{osp.join(folder, other)} and {name} are two images of the same name: which '
                f'suffix do the frames have? {advice} the others (labels?) to another folder.'
            )


def choose_frames(
    folder: str | os.PathLike,
    folders: Iterable[str],
    files: Iterable[str],
    suffix: str | None = None,
    advice: str = 'Move',
) -> list[str]:
    """Selects the frames of a folder, in natural order (``f9.png`` before ``f10.png``).

    Args:
        folder: The folder, for messages.
        folders: Names of the folders in it.
        files: Names of the files in it.
        suffix: Suffix of the frames, ignoring case; by default any of :data:`IMAGE_SUFFIXES`.
        advice: What else can be done about two frames of the same name.

    Raises:
        InputError: If two frames differ only in their suffix, or a folder or an image of another
            kind is named like a frame.
    """
    files = list(files)
    suffixes = IMAGE_SUFFIXES if suffix is None else (suffix.lower(),)
    frames = sorted(
        (name for name in files if osp.splitext(name)[1].lower() in suffixes), key=natural
    )
    check_names(folder, frames, advice)
    stems = {osp.splitext(name)[0] for name in frames}
    series = {re.sub(r'\d+', '0', stem) for stem in stems}
    for name in files if suffix is None else ():
        stem, own = osp.splitext(name)
        if (
            own.lower() in OTHER_SUFFIXES
            and stem not in stems
            and re.sub(r'\d+', '0', stem) in series
        ):
            raise InputError(
                f'{osp.join(folder, name)} lies between frames but has a suffix that is not read: '
                f'convert it to one of {", ".join(IMAGE_SUFFIXES)}, or move it to another folder.'
            )
    for name in folders if frames else ():
        if osp.splitext(name)[1].lower() in suffixes:
            raise InputError(
                f'{osp.join(folder, name)} is a folder with the name of a frame, '
                'between frames: move or rename it.'
            )
    return frames


def list_frames(folder: str | os.PathLike, suffix: str | None = None) -> list[Path]:
    """Image files of a folder in natural order of their names (``f9.png`` before ``f10.png``).

    Args:
        folder: The folder; hidden files are left out.
        suffix: Suffix of the frames, ignoring case; by default any of :data:`IMAGE_SUFFIXES`.

    Raises:
        FileNotFoundError: If there are none.
        InputError: As in :func:`choose_frames`, or if the folder cannot be read.
    """
    folder = Path(folder)
    names: list[str] = []
    if folder.is_dir():
        entries = entries_of(folder)
        folders = {e.name for e in entries if is_folder(e)}
        names = choose_frames(
            folder, folders, (e.name for e in entries if e.name not in folders), suffix
        )
    if not names:
        kinds = ', '.join(IMAGE_SUFFIXES if suffix is None else (suffix,))
        raise MissingInputError(f'{folder} is not a folder with images ({kinds})')
    return [folder / name for name in names]


def leads_outside(name: str, root: str | os.PathLike) -> bool:
    """Whether a path of a list leads out of the folder that it is relative to.

    Links do not count: data sets are often trees of them.
    """
    if not osp.isabs(name) and '..' not in name:
        return re.match(r'[A-Za-z]:[/\\]', name) is not None
    root = osp.abspath(root)
    return not _is_above(root, osp.normpath(osp.join(root, name)))


# ------------------------------------------------------------------------------------ reading files


def raise_unreadable(path: str | os.PathLike, what: str, error: OSError) -> NoReturn:
    """Raises the error for a file or folder that could not be read.

    Raises:
        MissingInputError: If it does not exist.
        InputError: Otherwise.
    """
    if isinstance(error, FileNotFoundError):
        raise MissingInputError(f'{path}: this {what} does not exist (any more).') from None
    if isinstance(error, IsADirectoryError):
        raise InputError(
            f'{path} is a folder, where a {what} should be: move or rename it, or correct the path.'
        ) from error
    if isinstance(error, PermissionError):
        raise InputError(
            f'{path}: this {what} may not be read by you (permission denied): allow that, for '
            'example with  chmod -R u+rX  of the folder.'
        ) from error
    disk = (
        ' The disk or the network drive is at fault: see dmesg, mount it again or copy the data '
        'elsewhere.'
        if error.errno in DISK_ERRORS
        else ''
    )
    raise InputError(f'{path}: this {what} cannot be read ({error.strerror}).{disk}') from error


def reason(error: BaseException) -> str:
    """Text of an error, or its type if it has no text (MemoryError)."""
    return str(error) or type(error).__name__


def read_bytes(path: str | os.PathLike, what: str) -> bytes:
    """Reads a file.

    Args:
        path: The file.
        what: Kind of file, for messages.

    Raises:
        MissingInputError: If it does not exist.
        InputError: If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise_unreadable(path, what, error)


def read_text(path: str | os.PathLike, what: str) -> str:
    """Reads text in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.

    Byte order marks are removed, also in the middle, where files were concatenated.

    Raises:
        MissingInputError: If the file does not exist.
        InputError: If it cannot be read, or is not text.
    """
    data = read_bytes(path, what)
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode('utf-16' if utf16 else 'utf-8')
        # Nearly any bytes decode as UTF-16; real names contain some ASCII letter or a new line.
        if '\0' in text or (utf16 and not any(letter.isascii() for letter in text[1:])):
            raise UnicodeDecodeError('utf-8', data, 0, 1, 'null bytes')
    except UnicodeDecodeError as error:
        # Every other byte of ASCII in UTF-16 is null.
        nulls = max(data[0::2].count(0), data[1::2].count(0))
        why = 'UTF-16, perhaps' if nulls > len(data) / 8 else error.reason
        raise InputError(
            f'the {what} {path} is not text in UTF-8 ({why}): save it as UTF-8'
        ) from None
    return text.replace('\ufeff', '')


def read_lines(path: str | os.PathLike, what: str) -> list[tuple[int, str]]:
    """Numbers and stripped text of the lines of a text file that are not empty.

    Raises:
        MissingInputError: If the file does not exist.
        InputError: If it cannot be read, or is not text.
    """
    lines = io.StringIO(read_text(path, what), newline=None)
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def read_json(path: str | os.PathLike, what: str, remedy: str) -> Any:
    """Reads a json file.

    Args:
        path: The file.
        what: Kind of file, for messages.
        remedy: What to do if it is broken, a sentence.

    Raises:
        MissingInputError: If the file does not exist.
        InputError: If it cannot be read, or is not json.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f'{constant} is not a number')

    def number(text: str) -> float:
        if math.isinf(value := float(text)):
            refuse(text)  # 1e999
        return value

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):  # json would keep the last
            counts = Counter(name for name, _ in pairs)
            raise ValueError(f'{counts.most_common(1)[0][0]!r} occurs twice')
        return found

    text = read_text(path, what)
    try:
        return json.loads(text, parse_constant=refuse, parse_float=number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of 5000 digits
        raise InputError(f'{path} holds no {what} ({error}). {remedy}') from error


def open_image(data: bytes) -> Image.Image:
    """Opens an image (format, mode, size) after verifying the checksums of a PNG.

    Neither Pillow nor OpenCV verifies the checksums of pixels when it decodes them; a wrong bit
    could change the picture without an error. JPEG and BMP have no checksums.

    Args:
        data: Content of the file.

    Raises:
        Exception: Of many kinds, if it is not an image or is damaged.
    """
    image = Image.open(io.BytesIO(data))
    image.verify()
    return image
