"""Video panoptic quality of semantic segmentation (VPQ^s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from mmdavss.ops import rows_per_block
from mmdavss.utils.errors import number_of
from mmdavss.utils.inputs import natural

from .class_subset import check_subset, classes_of
from .samples import by_sequence, labelled_frame

#: Pixels per block on a CPU: 0.5 MiB of int64.
BLOCK = 2**16


@METRICS.register_module()
class VPQMetric(BaseMetric):
    """VPQ^s of VAT-VST: video panoptic quality in which every class is one segment per frame.

    VPQ (Kim et al., Video Panoptic Segmentation, CVPR 2020) slides windows of 1, 2, 3 and 4
    labelled frames over each clip. In a window, all pixels of a class are one tube. A predicted
    tube and a true one of the same class match (TP) if their IoU is above 0.5; an unmatched true
    tube is an FN, an unmatched predicted one an FP. Over the windows of one length of all clips

        VPQ(length) = mean over classes of  sum of the IoU of matches / (TP + FP/2 + FN/2),

    and VPQ is the mean over the lengths. Kim et al. name the lengths k = 0, 5, 10, 15, since every
    5th frame of Cityscapes-VPS has a label. Classes outside `subset` count as wrong
    predictions, as in :class:`ClassSubsetIoU`; a class that is neither in a label nor predicted
    is left out. Void is treated as in that paper: predicted pixels on void are not in the union,
    and a predicted tube with more than half of its pixels on void is not an FP. Clips shorter than
    a window have no window of that length, and no window spans two clips. (The published
    evaluation counted the labelled area of some classes twice in windows of 3 and 4 frames, until
    it was corrected on 2020-09-30.)

    Samples may come in any order and be distributed over processes: they are sorted by
    ``frame_name`` within their ``seq_name``. All labelled frames of a clip must be included.

    Returns, in percent: ``VPQ``, and for each length ``VPQ.<labelled frames>``.

    Args:
        subset: Names of the classes in the mean, or None for all.
        windows: Lengths of windows, in labelled frames.
        per_class: Whether to return the class values too (means over the lengths), as
            ``VPQ.<class>``.
        kwargs: ``collect_device``, ``prefix``, ``collect_dir`` of :class:`mmengine.BaseMetric`.
    """

    def __init__(
        self,
        subset: Sequence[str] | None = None,
        windows: Sequence[int] = (1, 2, 3, 4),
        per_class: bool = False,
        **kwargs,
    ) -> None:
        if not windows or min(windows) < 1:
            raise ValueError(f'VPQMetric: windows={windows} must be numbers of frames, 1 or more.')
        super().__init__(**kwargs)
        self.subset = None if subset is None else tuple(subset)
        self.windows = tuple(windows)
        self.per_class = per_class

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Computes each frame's confusion matrix once; windows sum them.

        Raises:
            ValueError: If a sample lacks its sequence or frame name, or its label.
        """
        num_classes = len(classes_of(self))
        for sample in data_samples:
            frame = labelled_frame(self, sample)
            prediction = sample['pred_sem_seg']['data']
            label = sample['gt_sem_seg']['data'].to(prediction)
            self.results.append((frame, confusion_with_void(prediction, label, num_classes)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Groups the frames by clip and computes the means, in percent.

        Raises:
            InputError: If two files have the same names.
        """
        classes, subset = classes_of(self), check_subset(self, self.subset)
        rows = [classes.index(name) for name in subset]
        clips: dict[str, dict[str, np.ndarray]] = by_sequence(self, results)
        values = (
            video_panoptic_quality(
                [
                    np.stack([frames[name] for name in sorted(frames, key=natural)])
                    for frames in clips.values()
                ],
                self.windows,
            )[:, rows]
            * 100
        )
        lengths = _nanmean(values, axis=1)
        metrics: dict[str, Any] = dict(VPQ=_nanmean(lengths, axis=0))
        metrics |= {f'VPQ.{n}': value for n, value in zip(self.windows, lengths, strict=True)}
        if self.per_class:
            per_class = _nanmean(values, axis=0)
            metrics |= {f'VPQ.{name}': v for name, v in zip(subset, per_class, strict=True)}
        text = (
            f'VPQ^s of {len(rows)} of {len(classes)} classes in {number_of(len(clips), "clip")} '
            f'with {min(map(len, clips.values()))} to {max(map(len, clips.values()))} labelled '
            'frames'
        )
        without = [n for n, value in zip(self.windows, lengths, strict=True) if np.isnan(value)]
        if without:
            text += f'; no value for windows of {without} frames, which are not in the mean'
        print_log(text, 'current')
        return {name: np.round(value, 2) for name, value in metrics.items()}


def confusion_with_void(prediction: Tensor, label: Tensor, num_classes: int) -> np.ndarray:
    """Confusion matrix of one frame.

    Args:
        prediction: Integers of any shape, classes 0 to K-1; larger values are void.
        label: The same for the label.
        num_classes: Number of classes, K.

    Returns:
        (K+1, K+1), int64: pixels of each label (row) and prediction (column), void last.
    """
    size = num_classes + 1
    total = torch.zeros(size * size, dtype=torch.int64, device=label.device)
    block = rows_per_block(label.device, BLOCK, 8)
    for true, predicted in zip(
        label.flatten().split(block), prediction.flatten().split(block), strict=True
    ):
        cells = true.long().clamp(max=num_classes) * size
        cells += predicted.long().clamp(max=num_classes)
        total += torch.bincount(cells, minlength=size * size)
    return total.view(size, size).cpu().numpy()


def video_panoptic_quality(
    clips: Sequence[np.ndarray], windows: Sequence[int] = (1, 2, 3, 4)
) -> np.ndarray:
    """VPQ of each class, where every class is one segment per frame; see :class:`VPQMetric`.

    Args:
        clips: For each clip (L, K+1, K+1), the confusion matrices of its L labelled frames in
            order, from :func:`confusion_with_void`.
        windows: W window lengths.

    Returns:
        (W, K), from 0 to 1; NaN for a class that occurs in no window of this length.
    """
    num_classes = clips[0].shape[-1] - 1
    quality = np.full((len(windows), num_classes), np.nan)
    sums = [np.concatenate([np.zeros_like(clip[:1]), clip.cumsum(0)]) for clip in clips]
    for row, length in enumerate(windows):
        tubes = np.concatenate([total[length:] - total[:-length] for total in sums])
        overlap = tubes[:, :-1, :-1].diagonal(axis1=1, axis2=2)
        true, predicted = tubes[:, :-1].sum(2), tubes[:, :, :-1].sum(1)
        on_void = tubes[:, -1, :-1]
        union = true + predicted - overlap - on_void
        match = 2 * overlap > union
        missed = (true > 0) & ~match
        # A tube is excused only with more than half on void.
        wrong = (predicted > 0) & ~match & (2 * on_void <= predicted)
        iou = np.where(match, overlap / np.maximum(union, 1), 0).sum(0)
        tubes_of = match.sum(0) + (missed.sum(0) + wrong.sum(0)) / 2
        np.divide(iou, tubes_of, out=quality[row], where=tubes_of > 0)
    return quality


def _nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean without the NaNs; NaN (and no warning) if there are only NaNs."""
    there = ~np.isnan(values)
    count = there.sum(axis)
    return np.where(count > 0, np.where(there, values, 0).sum(axis) / np.maximum(count, 1), np.nan)
