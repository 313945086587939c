"""Quality of pseudo-labels: P-mIoU against true labels, and what became a label."""

from __future__ import annotations

import json
import os.path as osp

import numpy as np
from mmengine.config import Config

from mmdavss.datasets.label_folder import mask_labels, mask_name, read_manifest
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.datasets.transforms.loading import read_label
from mmdavss.utils.files import replace_file

from .folder import SCORE
from .target import labelled_target


def pseudo_confusion(pseudo: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Confusion matrix over the pixels where neither map is 255.

    Args:
        pseudo: (H, W), uint8, pseudo-labels.
        truth: (H, W), uint8, true labels.
        num_classes: Number of classes K.

    Returns:
        (K, K), int64, one row per true class.
    """
    both = (pseudo != IGNORE) & (truth != IGNORE)
    cells = truth[both].astype(np.int64) * num_classes + pseudo[both]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def pseudo_miou(confusion: np.ndarray) -> tuple[float, np.ndarray]:
    """P-mIoU (VAT-VST, table 7): mean IoU of pseudo-labels over the pixels that have one.

    Compare it only together with the share of these pixels: the fewer, the more confident.

    Args:
        confusion: (K, K), one row per true class, see :func:`pseudo_confusion`.

    Returns:
        The mean over the classes that occur, 0 to 1, and the IoU (K,) of each class, NaN for
        classes in neither map.
    """
    confusion = np.asarray(confusion, np.float64)
    hits = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - hits
    iou = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    return (float(np.nanmean(iou)) if (union > 0).any() else float('nan')), iou


def score(cfg: Config, folder: str) -> dict:
    """P-mIoU and proportion of pseudo-labels on the frames of ``target_train_labelled``.

    Args:
        cfg: Config with the labelled data set.
        folder: Finished pseudo-labels.

    Returns:
        ``p_miou`` and ``iou`` (by class, None if it does not occur), in percent; ``proportion``,
        the share of the labelled pixels that have a pseudo-label, 0 to 1; ``frames``; ``classes``,
        the number of classes in the mean.

    Raises:
        FileNotFoundError: If a frame has no mask.
        ValueError: If sizes or classes differ.
    """
    dataset = labelled_target(cfg)
    classes = tuple(read_manifest(folder)['classes'])
    if tuple(dataset.metainfo['classes']) != classes:
        raise ValueError(
            f'target_train_labelled has the classes {dataset.metainfo["classes"]}, '
            f'the pseudo-labels in {folder} {classes}.'
        )
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    valid = 0
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        truth = read_label(info['seg_map_path'], info['label_spec'])
        file = osp.join(folder, mask_name(info['seq_name'], info['frame_name']))
        if not osp.isfile(file):
            raise FileNotFoundError(
                f'{file}, the mask of a frame of target_train_labelled, is '
                'missing: both data sets must have the same frames.'
            )
        pseudo = read_label(file, mask_labels(classes))
        if pseudo.shape != truth.shape:
            raise ValueError(
                f'{file} has the size {pseudo.shape[::-1]}, '
                f'{info["seg_map_path"]} {truth.shape[::-1]}.'
            )
        confusion += pseudo_confusion(pseudo, truth, len(classes))
        valid += int((truth != IGNORE).sum())
    mean, iou = pseudo_miou(confusion)
    return dict(
        p_miou=None if np.isnan(mean) else 100 * mean,
        proportion=float(confusion.sum() / max(valid, 1)),
        frames=len(dataset),
        classes=int((~np.isnan(iou)).sum()),
        iou={
            name: None if np.isnan(value) else 100 * float(value)
            for name, value in zip(classes, iou, strict=True)
        },
    )


def write_score(folder: str, result: dict) -> None:
    """Writes the result of :func:`score` to ``score.json`` in the folder."""
    replace_file(osp.join(folder, SCORE), json.dumps(result, indent=1).encode())


def summary(state: dict) -> str:
    """Table of the pixels that became labels, one line per class, and classes without any.

    Args:
        state: Content of ``pseudo_labels.json``.
    """
    kept, predicted = (np.array(state[key]) for key in ('kept', 'predicted'))
    last = list(state['thresholds'].values())[-1][: len(kept)]  # of pairs, the current frame's
    lines = [f'{"class":15} {"of pixels":>9} {"kept":>7} {"threshold":>9}']
    for name, own, all_, threshold in zip(state['classes'], kept, predicted, last, strict=True):
        share = f'{own / all_:7.2%}' if all_ else f'{"-":>7}'
        lines.append(f'{name:15} {all_ / predicted.sum():9.2%} {share} {threshold:9.4f}')
    lines.append(f'{"all":15} {1:9.2%} {kept.sum() / predicted.sum():7.2%}')
    for what, classes in (
        ('is never predicted', predicted == 0),
        ('never exceeds its threshold', (predicted > 0) & (kept == 0)),
    ):
        for name in np.array(state['classes'])[classes]:
            lines.append(f'warning: {name} has no pseudo-label at all: it {what}')
    return '\n'.join(lines)
