"""Features of labelled pixels, for analyses of the feature space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import DataLoader

from mmdavss.methods.base import BaseAdapter
from mmdavss.methods.segmentor import check_scores
from mmdavss.modules import downscale_labels
from mmdavss.structures import sample_labels
from mmdavss.utils.progress import progress


@torch.no_grad()
def labelled_features(model: BaseAdapter, loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields features and labels of all current frames, one at a time, with a progress bar.

    Args:
        model: Method whose student's features are taken, the input of the classifier.
        loader: Loader of a labelled data set, without augmentation.

    Yields:
        Features (1, A, h, w) and labels (1, h, w): the class of most pixels of a cell, or 255 if
        none has half of them.
    """
    for data in progress('features', loader, unit='batches'):
        batch = model.data_preprocessor(data, False)
        maps = model.extract_feat(batch['inputs'])
        for one, sample in zip(maps, batch['data_samples'], strict=True):
            check_scores(one, sample.img_path)
            labels = _padded(sample, batch['inputs'].frames.shape[-2:])
            yield (
                one[None],
                downscale_labels(labels, one.shape[-2:], model.num_classes, min_ratio=0.5),
            )


def _padded(sample: SegDataSample, size: Sequence[int]) -> Tensor:
    """Labels (1, H, W), padded with 255 as the frame was to `size`; they may be larger than it."""
    labels = sample_labels([sample])
    _, right, _, below = sample.metainfo.get('img_padding_size', (0, 0, 0, 0))
    height, width = (
        round(own * side / (side - missing))
        for own, side, missing in zip(labels.shape[-2:], size, (below, right), strict=True)
    )
    return F.pad(labels, (0, width - labels.shape[-1], 0, height - labels.shape[-2]), value=255)


def sample_pixels(
    frames: Iterable[tuple[Tensor, Tensor]],
    num_classes: int,
    per_class: int,
    seed: int = 0,
    ignore_index: int = 255,
) -> tuple[Tensor, Tensor]:
    """Draws a random sample of pixels, without replacement, with the same number per class.

    Every labelled pixel gets a random number, and the smallest ones of a class are selected: one
    pass, with only a frame and the sample in memory. The numbers do not depend on the features: the
    same data and seed select the same pixels for all models whose features have the same size.

    Args:
        frames: Features (N, A, h, w) and labels (N, h, w).
        num_classes: Number of classes K.
        per_class: Pixels of each class; all of them if there are fewer.
        seed: Seed of the random numbers.
        ignore_index: Label of pixels to ignore.

    Returns:
        Features (P, A), float32, and labels (P,), on the CPU, sorted by class.

    Raises:
        ValueError: If no pixel has a label.
    """
    generator = torch.Generator().manual_seed(seed)
    kept: list[tuple[Tensor, Tensor] | None] = [None] * num_classes
    for features, labels in frames:
        labels = labels.flatten().cpu()
        numbers = torch.rand(len(labels), dtype=torch.float64, generator=generator)
        rows = features.transpose(0, 1).flatten(1).T  # (P, A)
        for k in labels.unique().tolist():
            if k == ignore_index:
                continue
            found = (labels == k).nonzero()[:, 0]
            before = kept[k]
            if before is not None and len(before[0]) == per_class:
                found = found[numbers[found] < before[0].max()]
            own = numbers[found], rows[found.to(rows.device)].float().cpu()
            if before is not None:
                own = torch.cat([before[0], own[0]]), torch.cat([before[1], own[1]])
            best = own[0].argsort()[:per_class]
            kept[k] = own[0][best], own[1][best]
    sample = [(rows[1], k) for k, rows in enumerate(kept) if rows is not None]
    if not sample:
        raise ValueError(
            'no pixel of the data has a label: an analysis of features needs a '
            'labelled test_dataloader'
        )
    return (
        torch.cat([rows for rows, _ in sample]),
        torch.cat([torch.full((len(rows),), k) for rows, k in sample]),
    )
