"""Folders of pseudo-labels, written by tools/generate_pseudo_labels.py and read by data sets.

A folder holds ``{sequence}/{frame}.png`` for each frame, 8-bit masks of train ids at the size of
the frame (255: no label), ``frames.txt``, the list of these masks, and ``pseudo_labels.json``,
which describes how they were made and whether they are complete. Pseudo-labels of pairs of frames
have ``{sequence}/{frame}.previous.png`` for the previous ones.
"""

from __future__ import annotations

import json
import os.path as osp
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mmdavss.utils.errors import InputError, MissingInputError
from mmdavss.utils.files import replace_file
from mmdavss.utils.inputs import leads_outside, read_json, read_lines

from .label_maps import IGNORE, LabelSet

KIND = 'mmdavss pseudo-labels'
VERSION = 1
MANIFEST = 'pseudo_labels.json'
FRAMES = 'frames.txt'
ADVICE = 'python tools/generate_pseudo_labels.py CONFIG CHECKPOINT'


def mask_name(sequence: str, frame: str) -> str:
    """Path of a frame's mask, relative to the folder.

    A sequence outside the data root keeps its name without what leads there (``../``, ``/``): its
    masks would land beside the frames, or in their place.
    """
    parts = osp.normpath(osp.join(sequence, f'{frame}.png')).split(osp.sep)
    return '/'.join(part for part in parts if part not in ('', osp.pardir))


def frame_line(sequence: str, frame: str) -> str:
    """Line of a frame in a list of frames: that of its mask without the suffix."""
    return mask_name(sequence, frame).removesuffix('.png')


def soft_name(mask: str) -> str:
    """Path of the soft labels that belong to a mask."""
    return f'{mask.removesuffix(".png")}.soft.png'


def previous_name(mask: str) -> str:
    """Path of the mask of a frame as the previous one of a pair."""
    return f'{mask.removesuffix(".png")}.previous.png'


def of_pairs(content: dict) -> bool:
    """Whether pseudo-labels, by their ``pseudo_labels.json``, are of pairs of frames."""
    rows = content.get('thresholds') or {}
    return any(len(row) > len(content['classes']) for row in rows.values())


def mask_labels(classes: Sequence[str], palette: Sequence[Sequence[int]] | None = None) -> LabelSet:
    """Label set of the masks: train ids of the data set's classes."""
    colours: Sequence[Sequence[int]] = palette or [(0, 0, 0)] * len(classes)
    return LabelSet(
        'the pseudo-labels',
        tuple(classes),
        tuple((r, g, b) for r, g, b in colours),
        {k: k for k in range(len(classes))},
        official=len(classes),
        void_ids=(IGNORE,),
    )


def write_manifest(folder: str, content: dict) -> None:
    """Writes ``pseudo_labels.json``."""
    text = json.dumps(dict(kind=KIND, version=VERSION, **content), indent=1)
    replace_file(osp.join(folder, MANIFEST), text.encode())


def are_counts(value: Any, length: int) -> bool:
    """Whether `value` is a list of `length` pixel counts (below 2**53, exact in float64)."""
    return (
        isinstance(value, list)
        and len(value) == length
        and all(type(count) is int and 0 <= count < 1 << 53 for count in value)
    )


def are_names(value: Any) -> bool:
    """Whether `value` is a non-empty list of distinct names."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _are_thresholds(value: Any, classes: int) -> bool:
    return isinstance(value, dict) and all(
        isinstance(row, list)
        and len(row) in (classes, 2 * classes)  # of current, and of previous frames of pairs
        and all(type(number) in (int, float) and number >= 0 for number in row)
        for row in value.values()
    )


def _is_palette(value: Any, classes: int) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == classes
        and all(are_counts(colour, 3) and max(colour) < 256 for colour in value)
    )


def _is_histogram(value: Any, classes: int) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == classes
        and all(
            isinstance(row, list) and are_counts(row, len(row)) and len(row) == len(value[0])
            for row in value
        )
    )


def _are_entropies(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(number) in (int, float) and number >= 0 for number in value.values()
    )


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), kind)
        for key, kind in (('path', str), ('size', int), ('sha256', str))
    )


#: For each field: its content in words, and a check of (value, number of classes).
FIELDS: dict[str, tuple[str, Callable[[Any, int], bool]]] = {
    'finished': ('true or false', lambda value, classes: isinstance(value, bool)),
    'palette': ('null or three numbers of 0 to 255 for each class', _is_palette),
    'checkpoint': ('path, size and sha256', lambda value, classes: _is_file(value)),
    'settings': ('the settings', lambda value, classes: isinstance(value, dict)),
    'frames': ('count and sha256', lambda value, classes: isinstance(value, dict)),
    'network': ('a checksum', lambda value, classes: isinstance(value, str)),
    'thresholds': ('thresholds of each class', _are_thresholds),
    'histogram': ('null or counts of each class', _is_histogram),
    'counted': ('a number of clips', lambda value, classes: are_counts([value], 1)),
    'kept': ('a number of pixels of each class', are_counts),
    'predicted': ('a number of pixels of each class', are_counts),
}


#: The same for fields that not every folder has.
OPTIONAL_FIELDS: dict[str, tuple[str, Callable[[Any, int], bool]]] = {
    'followed': (
        'null or thresholds of each class',
        lambda value, classes: value is None or _are_thresholds({'': value}, classes),
    ),
    'entropies': ('a number for each frame', lambda value, classes: _are_entropies(value)),
}


def read_manifest(folder: str, needed: Iterable[str] = ('finished',)) -> dict:
    """Reads ``pseudo_labels.json``.

    Args:
        folder: Folder of the pseudo-labels.
        needed: Required fields, in addition to ``classes``.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If it is not such a file, has another version, or a field is missing or
            invalid.
    """
    file = osp.join(folder, MANIFEST)
    if not osp.isfile(file):
        problem = 'is missing' if osp.isdir(folder) else f'is missing, {folder} does not exist'
        raise FileNotFoundError(
            f'{file} {problem} (pseudo_labels). Make the pseudo-labels with: '
            f'{ADVICE} --out {folder}'
        )
    content = _read_any(folder)
    anew = f'Make the pseudo-labels again: {ADVICE} --out {folder} --overwrite'
    version = content.pop('version', None)
    if type(version) is not int or version != VERSION:
        raise InputError(f'{file} has the format {version!r}, not {VERSION}. {anew}')
    if not are_names(content.get('classes')):
        raise InputError(
            f'{file}: classes must be a list of different names, but is '
            f'{_short(content.get("classes"))}. {anew}'
        )
    for field, (what, fits) in (FIELDS | OPTIONAL_FIELDS).items():
        if field in needed and field not in content:
            raise InputError(f'{file} has no {field}. {anew}')
        if field in content and not fits(content[field], len(content['classes'])):
            raise InputError(
                f'{file}: {field} must be {what}, but is {_short(content[field])}. {anew}'
            )
    return content


def check_ours(folder: str) -> None:
    """Checks that ``pseudo_labels.json`` describes pseudo-labels, of any version and content.

    Raises:
        InputError: If it does not.
    """
    _read_any(folder)


def _read_any(folder: str) -> dict:
    file = osp.join(folder, MANIFEST)
    remedy = f'Name another folder, or delete this one and make it again: {ADVICE} --out {folder}'
    content = read_json(file, 'description of pseudo-labels', remedy)
    if not isinstance(content, dict) or content.pop('kind', None) != KIND:
        raise InputError(f'{file} is not a file of tools/generate_pseudo_labels.py. {remedy}')
    return content


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def write_frames(folder: str, masks: Iterable[str]) -> None:
    """Writes the list of masks, named as by :func:`mask_name`."""
    replace_file(osp.join(folder, FRAMES), ''.join(f'{name}\n' for name in masks).encode())


def read_frames(folder: str) -> list[str]:
    """Reads the list of masks that the folder holds or, while unfinished, will hold.

    Raises:
        FileNotFoundError: If there is no list.
        ValueError: If it is not a list of masks, or names files outside the folder.
    """
    file = osp.join(folder, FRAMES)
    anew = f'Make the pseudo-labels again: {ADVICE} --out {folder} --overwrite'
    if not osp.isfile(file):
        raise MissingInputError(f'{file} is missing (pseudo_labels). {anew}')
    lines = read_lines(file, 'list')
    for number, line in lines:
        if osp.isabs(line) or '..' in line.split('/') or leads_outside(line, folder):
            raise InputError(
                f'{file}, line {number}: {line} is outside the folder: delete the folder '
                f'yourself and make the pseudo-labels again: {ADVICE} --out {folder}'
            )
    return [line for _, line in lines]
