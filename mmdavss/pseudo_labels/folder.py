"""The folder of pseudo-labels: masks are written, all of it is deleted."""

from __future__ import annotations

import os
import os.path as osp

import cv2
import numpy as np

from mmdavss.datasets.label_folder import (
    FRAMES,
    MANIFEST,
    check_ours,
    read_frames,
    soft_name,
)
from mmdavss.utils.files import left_unfinished
from mmdavss.utils.images import write_png

from . import confidences

#: Classes of a soft label.
TOP = 3
#: Lists of frames, see :class:`~mmdavss.pseudo_labels.entropy_split.EntropySplit`.
EASY, HARD = 'easy.txt', 'hard.txt'
#: File of the scores of :func:`~mmdavss.pseudo_labels.scores.score`.
SCORE = 'score.json'


def full_size(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes labels (h, w) to the height and width of their image file.

    Pixel centres are matched, as in the resizing of the frames, not corners.
    """
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def write_mask(path: str, labels: np.ndarray, size: tuple[int, int]) -> None:
    """Writes pseudo-labels as a png file, completely or not at all.

    Args:
        path: The file.
        labels: (h, w), uint8, at the size of the network's input.
        size: Height and width of the image file, and of the mask.
    """
    write_png(path, full_size(labels, size))


def write_soft(path: str, soft: np.ndarray, size: tuple[int, int]) -> None:
    """Writes the three most probable classes of each pixel beside its mask, as :func:`soft_name`.

    The file is a png of four channels of 8 bits: the second and the third class, and the shares of
    both, in 255ths of the sum of the three. The first class is that of the mask where it has one.

    Args:
        path: File of the mask.
        soft: (K, H, W), probabilities of the classes.
        size: Height and width of the image file.
    """
    order = np.argsort(-soft, axis=0, kind='stable')[:TOP].astype(np.uint8)
    shares = np.take_along_axis(soft, order.astype(np.intp), 0)
    shares = np.rint(255 * shares / shares.sum(0)).astype(np.uint8)
    if len(order) < TOP:  # two classes
        order, shares = (np.concatenate([maps, 0 * maps[:1]]) for maps in (order, shares))
    content = np.stack([*order[1:], *shares[1:]], -1)
    soft_path = osp.join(osp.dirname(path), soft_name(osp.basename(path)))
    write_png(soft_path, full_size(content, size))


def remove(folder: str) -> None:
    """Deletes the pseudo-labels in a folder; other files stay.

    Raises:
        UserError: If the folder is not empty and not a folder of pseudo-labels, or lists files
            outside of it.
    """
    if not osp.isfile(osp.join(folder, MANIFEST)):
        return
    check_ours(folder)
    masks = read_frames(folder) if osp.isfile(osp.join(folder, FRAMES)) else []
    names = [*masks, *map(soft_name, masks), EASY, HARD, SCORE, FRAMES, MANIFEST]
    confidences.remove(folder)
    for name in names:
        # `.part`: left by an interrupted run of an earlier version.
        for path in (osp.join(folder, name), osp.join(folder, f'{name}.part')):
            if osp.isfile(path):
                os.remove(path)
    for place in sorted({osp.dirname(name) for name in names}):
        for left in left_unfinished(osp.join(folder, place)):
            left.unlink()
    for sequence in sorted({osp.dirname(mask) for mask in masks} - {''}, reverse=True):
        place = osp.join(folder, sequence)
        if osp.isdir(place) and not os.listdir(place):
            os.rmdir(place)
