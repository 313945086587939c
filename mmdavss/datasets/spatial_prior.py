"""Spatial priors: how often each class is at which place of a frame, by the source's labels.

CBST (Zou et al., ECCV 2018). Places are relative to the frame, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from mmdavss.utils.errors import InputError

from .label_maps import LabelSet
from .transforms.loading import read_label

#: Height and width of the priors: each eighth pixel of a frame of 2048x1024.
SIZE = (128, 256)
#: Side of the Gaussian that smooths them: the paper's 70 pixels, of such frames.
KERNEL = 9


def small_label(path: str, labels: LabelSet) -> np.ndarray:
    """The classes of a label file in the middles of the places, :data:`SIZE`, uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken or has ids that are not official.
    """
    label = read_label(path, labels)
    rows, columns = (
        ((np.arange(count) + 0.5) * side / count).astype(int)
        for count, side in zip(SIZE, label.shape, strict=True)
    )
    return label[np.ix_(rows, columns)]


def spatial_prior(labels: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    """Frequencies of the classes at each place, smoothed.

    Args:
        labels: Those of :func:`small_label`, ignored pixels 255.
        num_classes: K.

    Returns:
        ``(K, *SIZE)``, float32; they sum up to 1 at each place. Where nothing is labelled in any
        file, and not near to that, they are the frequencies in all places.

    Raises:
        InputError: If nothing is labelled at all.
    """
    counts = np.zeros((num_classes, *SIZE), np.int64)
    rows, columns = np.indices(SIZE)
    for label in labels:
        known = label < num_classes
        counts[label[known], rows[known], columns[known]] += 1
    overall = counts.sum((1, 2), dtype=np.float64)
    if not overall.any():
        raise InputError('no pixel of the labels is of a class: there are no spatial priors')
    smooth = np.stack(
        [
            cv2.GaussianBlur(own, (KERNEL, KERNEL), 0, borderType=cv2.BORDER_REPLICATE)
            for own in counts.astype(np.float64)
        ]
    )
    total = smooth.sum(0)
    known = total > 0
    prior = np.where(known, smooth, (overall / overall.sum())[:, None, None])
    return (prior / np.where(known, total, 1)).astype(np.float32)
