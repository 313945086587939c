"""Pairs of successive frames, taken from videos and written as images."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmdavss.inference.videos import VideoReader
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import replace_file
from mmdavss.utils.images import write_png
from mmdavss.utils.journal import Journal
from mmdavss.utils.progress import progress

from .settings import Settings

#: File that lists the pairs; it is written last.
CLIPS = 'clips.txt'


class FramePairs:
    """Pairs of successive frames of videos, evenly spread over each video.

    Args:
        folder: Gets a folder of images for each video, and the list of the pairs.
        readers: The videos.
        shapes: (width, height) of the frames of each video.
        settings: Options of the adaptation: ``pairs`` and ``record``.

    Attributes:
        names: Name of each video's folder.
    """

    def __init__(
        self,
        folder: Path,
        readers: Sequence[VideoReader],
        shapes: Sequence[tuple[int, int]],
        settings: Settings,
    ) -> None:
        self.folder = folder
        self.readers = readers
        self.shapes = shapes
        self.settings = settings
        self.names = folder_names([reader.name for reader in readers])

    def extract(self, journal: Journal) -> None:
        """Writes the pairs; an interrupted extraction continues.

        Args:
            journal: Gets ``notes``, what is wrong with each video, once its frames are written: a
                video whose frames are there is not read again.

        Raises:
            UserError: If a video has no two successive readable frames, or frames of different
                sizes.
        """
        if (self.folder / CLIPS).is_file():
            return
        lines, notes = [], dict(journal.state.get('notes', {}))
        for name, reader, shape in zip(self.names, self.readers, self.shapes, strict=True):
            take = self._record if reader.live else self._take
            later = take(name, reader, shape)
            if not later:
                raise UserError(
                    f'{reader.shown} has no two successive frames that can be read'
                    + ('' if reader.read is None else f', {reader.read} in all')
                )
            lines += [f'{name}/{n - 1:06d}.png\t{name}/{n:06d}.png\n' for n in later]
            if reader.live:  # recorded anew
                notes.pop(name, None)
            if reader.note is not None:
                notes[name] = dict(note=reader.note, damaged=reader.damaged)
            journal.save(notes=notes)
        replace_file(self.folder / CLIPS, ''.join(lines).encode())

    def files(self) -> list[tuple[Path, Path]]:
        """The image files of all pairs, the earlier frame first."""
        return [
            (self.folder / before, self.folder / current)
            for line in (self.folder / CLIPS).read_text(encoding='utf-8').splitlines()
            for before, current in [line.split('\t')]
        ]

    def _take(
        self, name: str, reader: VideoReader, shape: tuple[int, int], count: int | None = None
    ) -> list[int]:
        """Writes pairs of a video that ends.

        Args:
            name: Name of its folder.
            reader: The video.
            shape: (width, height) of its frames.
            count: Its number of frames; by default the number in its header.

        Returns:
            Number of the later frame of each pair.
        """
        length = count or reader.count or reader.length()
        later = self._spread(length)
        numbers = sorted({*later, *(number - 1 for number in later)})
        paths = {number: self.folder / name / f'{number:06d}.png' for number in numbers}
        missing = [number for number, path in paths.items() if not path.is_file()]
        with progress(
            f'frames of {name}', reader.choose(missing), len(missing), disable=not missing
        ) as bar:
            for number, image in bar:
                _check_shape(reader, shape, number, image)
                write_png(paths[number], image)
        if count is None and reader.reached is not None and reader.reached < length:
            # The video breaks off: spread the pairs over the readable part.
            return self._take(name, reader, shape, reader.reached)
        return [n for n in later if paths[n].is_file() and paths[n - 1].is_file()]

    def _record(self, name: str, reader: VideoReader, shape: tuple[int, int]) -> list[int]:
        """Writes the next frames of a camera or stream; returns as :meth:`_take`."""
        folder, number = self.folder / name, 0
        shutil.rmtree(folder, ignore_errors=True)  # frames of an earlier recording
        limit = self.settings.record
        frames = reader.first(limit)
        with progress(f'record {name}', frames, limit) as bar:
            for number, frame in enumerate(bar, 1):
                _check_shape(reader, shape, number - 1, frame.image)
                write_png(folder / f'{number - 1:06d}.png', frame.image)
        if number < limit:
            reader.note = (
                frames.note or f'{reader.shown}: it ended after {number} of {limit} frames'
            )
        return self._spread(number)

    def _spread(self, length: int) -> list[int]:
        """Numbers of frames that have a predecessor, evenly spread."""
        if length < 2:
            return []
        return np.unique(
            np.linspace(1, length - 1, min(length - 1, self.settings.pairs)).round().astype(int)
        ).tolist()


def folder_names(names: Sequence[str]) -> list[str]:
    """Folder names for videos, in their order: unique, and valid on all file systems.

    Args:
        names: Names of the videos.
    """
    safe = [re.sub(r'[^\w.-]+', '_', name).strip('._') or 'video' for name in names]
    # File systems may ignore case.
    alike = [name.casefold() for name in safe]
    taken = {name for name in alike if alike.count(name) == 1}
    found = []
    for number, (name, folded) in enumerate(zip(safe, alike, strict=True)):
        if alike.count(folded) > 1:
            while f'{folded}_{number}' in taken:
                number += len(names)
            name = f'{name}_{number}'
            taken.add(name.casefold())
        found.append(name)
    return found


def _check_shape(
    reader: VideoReader, shape: tuple[int, int], number: int, image: np.ndarray
) -> None:
    if image.shape[1::-1] != shape:
        raise UserError(
            f'{reader.shown}: frame {number} has the size {image.shape[1]}x{image.shape[0]}, '
            f'the first one {shape[0]}x{shape[1]}: the frames of a video must have one size (take '
            'them as several videos)'
        )
