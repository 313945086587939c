"""Confidences that a first pass leaves in files, and their exact order statistics."""

from __future__ import annotations

import io
import os
import os.path as osp
import re
from collections.abc import Iterator, Sequence

import numpy as np

from mmdavss.utils.files import left_unfinished, replace_file

#: Folder of the files, below that of the pseudo-labels; it goes when these are finished.
FOLDER = 'first_pass'
NAME = re.compile(r'\d{6,}\.npz')
#: Values of the upper and of the lower half of a float32.
HALF = 1 << 16


def write(folder: str, number: int, samples: Sequence[np.ndarray]) -> None:
    """Writes the confidences of a clip, completely or not at all.

    Args:
        folder: Folder of the pseudo-labels.
        number: Of the clip.
        samples: Of each class (P_k,), 0 or more.
    """
    os.makedirs(osp.join(folder, FOLDER), exist_ok=True)
    content = io.BytesIO()
    np.savez(content, *(np.asarray(own, np.float32) for own in samples))
    replace_file(_file(folder, number), content.getvalue())


def remove(folder: str) -> None:
    """Deletes the files of :func:`write` and what interrupted calls left of them."""
    place = osp.join(folder, FOLDER)
    if not osp.isdir(place):
        return
    for name in os.listdir(place):
        if NAME.fullmatch(name):
            os.remove(osp.join(place, name))
    for left in left_unfinished(place):
        left.unlink()
    if not os.listdir(place):
        os.rmdir(place)


def missing(folder: str, clips: int) -> list[str]:
    """The files of the first clips that do not exist."""
    return [file for n in range(clips) if not osp.isfile(file := _file(folder, n))]


class Confidences:
    """The confidences of all clips. Of their files, one at a time is in memory.

    Args:
        folder: Folder of the pseudo-labels.
        clips: Number of clips.
        joined: Whether the classes are one list.
    """

    def __init__(self, folder: str, clips: int, joined: bool = False) -> None:
        self.folder, self.clips, self.joined = folder, clips, joined
        self._upper = self._histogram(None)
        #: (K,), how many each class has; (1,) if they are joined.
        self.counts = self._upper.sum(1)

    def ordered(self, places: np.ndarray) -> np.ndarray:
        """A confidence of each class by its place in the ascending order, exactly.

        The bits of float32 numbers that are not negative are ordered as the numbers are. So two
        histograms find a number: of the upper halves, and of the lower halves below one upper half.

        Args:
            places: (K,), from 0.

        Returns:
            (K,), float32; NaN for places that no confidence has.
        """
        there = (places >= 0) & (places < self.counts)
        sums = self._upper.cumsum(1)
        upper = (sums > places[:, None]).argmax(1)
        before = np.where(upper > 0, np.take_along_axis(sums, upper[:, None] - 1, 1)[:, 0], 0)
        sums = self._histogram(upper).cumsum(1)
        lower = (sums > (places - before)[:, None]).argmax(1)
        values = (upper * HALF + lower).astype(np.uint32).view(np.float32)
        return np.where(there, values, np.float32('nan'))

    def _histogram(self, upper: np.ndarray | None) -> np.ndarray:
        """Counts of the upper halves, or of the lower halves below one upper half of each class."""
        counts: np.ndarray | None = None
        for samples in self._files():
            if counts is None:
                counts = np.zeros((1 if self.joined else len(samples), HALF), np.int64)
            for k, own in enumerate(samples):
                row = 0 if self.joined else k
                halves = np.stack(np.divmod(own.view(np.uint32), HALF))
                found = halves[0] if upper is None else halves[1, halves[0] == upper[row]]
                counts[row] += np.bincount(found, minlength=HALF)
        assert counts is not None, 'a data set has clips'
        return counts

    def _files(self) -> Iterator[list[np.ndarray]]:
        for number in range(self.clips):
            with np.load(_file(self.folder, number)) as file:
                yield [file[name] for name in file.files]


def _file(folder: str, number: int) -> str:
    return osp.join(folder, FOLDER, f'{number:06}.npz')
