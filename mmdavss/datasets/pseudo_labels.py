"""Folders of pseudo-labels, which tools/generate_pseudo_labels.py makes and data sets read.

A folder holds ``{sequence}/{frame}.png`` for each frame, 8-bit masks of train ids at the size of
the frame (255: no label), ``frames.txt``, the list of these frames, and ``pseudo_labels.json``, how
they were made and whether they are complete.
"""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Iterable

from mmdavss.fileio import replace_file

KIND = 'mmdavss pseudo-labels'
VERSION = 1
MANIFEST = 'pseudo_labels.json'
FRAMES = 'frames.txt'
ADVICE = 'python tools/generate_pseudo_labels.py CONFIG CHECKPOINT'


def mask_name(sequence: str, frame: str) -> str:
    """File of a frame's mask below the folder."""
    return osp.normpath(osp.join(sequence, f'{frame}.png')).replace(osp.sep, '/')


def write_manifest(folder: str, content: dict) -> None:
    """Writes ``pseudo_labels.json``."""
    text = json.dumps(dict(kind=KIND, version=VERSION, **content), indent=1)
    replace_file(osp.join(folder, MANIFEST), text.encode())


def read_manifest(folder: str, any_version: bool = False) -> dict:
    """Reads ``pseudo_labels.json``.

    Args:
        folder: That it is in.
        any_version: Whether another version of the format is accepted too.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If it is another file, or of another version.
    """
    file = osp.join(folder, MANIFEST)
    if not osp.isfile(file):
        problem = 'is missing' if osp.isdir(folder) else f'is missing, {folder} does not exist'
        raise FileNotFoundError(f'{file} {problem} (pseudo_labels). Make the pseudo-labels with: '
                                f'{ADVICE} --out {folder}')
    try:
        with open(file, encoding='utf-8') as text:
            content = json.load(text)
        if content.pop('kind') != KIND:
            raise KeyError
        version = content.pop('version')
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError
            ) as error:
        raise ValueError(f'{file} is not a file of tools/generate_pseudo_labels.py: name another '
                         'folder, or delete it.') from error
    if version != VERSION and not any_version:
        raise ValueError(f'{file} has the format {version}, not {VERSION}. Make the pseudo-labels '
                         f'anew: {ADVICE} --out {folder} --overwrite')
    return content


def write_frames(folder: str, masks: Iterable[str]) -> None:
    """Writes the list of the masks, as :func:`mask_name` names them."""
    replace_file(osp.join(folder, FRAMES), ''.join(f'{name}\n' for name in masks).encode())


def read_frames(folder: str) -> list[str]:
    """Masks that the folder holds or, while it is unfinished, will hold.

    Raises:
        FileNotFoundError: If there is no list.
    """
    file = osp.join(folder, FRAMES)
    if not osp.isfile(file):
        raise FileNotFoundError(f'{file} is missing (pseudo_labels). Make the pseudo-labels anew: '
                                f'{ADVICE} --out {folder} --overwrite')
    with open(file, encoding='utf-8') as lines:
        return [line.rstrip('\n') for line in lines]
