"""Feature alignment: target features are pulled to banks of source features.

CMOM, after SIM (Wang et al., CVPR 2020). Symbols: K classes of a kind, R regions of each in an
image, A channels, S entries in the bank of a class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32, connected_components
from mmdavss.utils.distributed import global_batch

#: Features (M, A, 1, 1) to scores (M, K, 1, 1).
Classifier = Callable[[Tensor], Tensor]


def class_regions(labels: Tensor, classes: Tensor) -> Tensor:
    """All pixels of each class as one region.

    Args:
        labels: (N, h, w), int64.
        classes: (K,), int64.

    Returns:
        (N, K, 1, h * w), bool.
    """
    return labels.flatten(1)[:, None, None] == classes[:, None, None]


def largest_regions(labels: Tensor, classes: Tensor, count: int) -> Tensor:
    """The largest 8-connected components of each class, the largest one first.

    Of equally large ones, that with the first pixel in row order comes first; the published code
    has no order.

    Args:
        labels: (N, h, w), int64, 0 or more.
        classes: (K,), int64.
        count: R.

    Returns:
        (N, K, R, h * w), bool; empty regions where a class has fewer components.
    """
    component = connected_components(labels)
    pixels = component.shape[1]
    size = torch.zeros_like(component).scatter_add_(1, component, torch.ones_like(component))
    # 0 at all but the first pixel of a component; no two are equal.
    order = size * pixels + torch.arange(pixels - 1, -1, -1, device=labels.device)
    order = order.masked_fill(size == 0, 0)
    of_class = class_regions(labels, classes)[:, :, 0]
    largest, first = torch.where(of_class, order[:, None], 0).topk(min(count, pixels), dim=2)
    return (component[:, None, None] == first[..., None]) & (largest > 0)[..., None]


def region_means(features: Tensor, regions: Tensor) -> Tensor:
    """Mean features (N, K, R, A) of regions, 0 for empty ones.

    Args:
        features: (N, A, h, w).
        regions: (N, K, R, h * w), bool.
    """
    with torch.autocast(features.device.type, enabled=False):
        maps = at_least_float32(features).flatten(2).transpose(1, 2)
        sums = regions.flatten(1, 2).to(maps.dtype) @ maps
    means = sums / regions.sum(3).flatten(1, 2).clamp(min=1)[..., None]
    return means.unflatten(1, regions.shape[1:3])


class FeatureBank(nn.Module):
    """The latest features of each class, in a ring.

    Buffers, which are in checkpoints: ``entries`` (K, S, A), and ``written`` (K,), how many each
    class has had.

    Args:
        num_classes: K.
        size: S.
        channels: A.
    """

    entries: Tensor
    written: Tensor

    def __init__(self, num_classes: int, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer('entries', torch.zeros(num_classes, size, channels))
        self.register_buffer('written', torch.zeros(num_classes, dtype=torch.int64))

    @property
    def full(self) -> Tensor:
        """(K,), bool: classes that count: as published, those with more entries than fit."""
        return self.written > self.entries.shape[1]

    @torch.no_grad()
    def write(self, rows: Tensor, valid: Tensor) -> None:
        """Adds features, image by image, of the images of all processes.

        Args:
            rows: (N, K, R, A), R <= S.
            valid: (N, K, R), bool, those to add.
        """
        rows, valid = global_batch(rows), global_batch(valid)
        size = self.entries.shape[1]
        for own, counts in zip(rows.to(self.entries.dtype), valid, strict=True):
            # Those to add come first; the others are written back as they are.
            order = (~counts).long().argsort(dim=1, stable=True)
            counts = counts.gather(1, order)
            own = own.gather(1, order[..., None].expand_as(own))
            place = (self.written[:, None] + torch.arange(own.shape[1], device=own.device)) % size
            place = place[..., None].expand_as(own)
            before = self.entries.gather(1, place)
            self.entries.scatter_(1, place, torch.where(counts[..., None], own, before))
            self.written += counts.sum(1)

    def distance(self, rows: Tensor) -> Tensor:
        """Mean absolute difference (N, K, R) of features (N, K, R, A) from the nearest entry."""
        with torch.no_grad():
            entries = self.entries.to(rows.dtype)
            ordered = rows.detach().transpose(0, 1).flatten(1, 2)  # (K, N * R, A)
            nearest = torch.cdist(ordered, entries, p=1).min(2).indices
            nearest = entries.gather(1, nearest[..., None].expand(-1, -1, entries.shape[2]))
            nearest = nearest.unflatten(1, (len(rows), rows.shape[2])).transpose(0, 1)
        return (rows - nearest).abs().mean(3)


@MODELS.register_module()
class FeatureAlignment(nn.Module):
    """Pulls target features to those of the source, of stuff as a whole and of each thing.

    A background class has one feature in an image, its mean; a foreground class one for each of
    its largest components. Those of the source are kept if the classifier confirms their class.
    Those of the target are compared with the nearest that is kept.

    Args:
        background: Indices of the background classes, may be empty.
        foreground: Indices of the foreground classes, may be empty.
        channels: Channels A of the features.
        prototypes: Entries of a background class.
        instances: Entries of a foreground class.
        components: Components of a foreground class in an image that count, at most.
        loss_weight: Factor of both losses.

    Raises:
        ValueError: If a class is in both, twice in one, or not one of 0..254; or if a bank cannot
            hold what an image adds.
    """

    classes_background: Tensor
    classes_foreground: Tensor

    def __init__(
        self,
        background: Sequence[int],
        foreground: Sequence[int],
        channels: int,
        prototypes: int = 50,
        instances: int = 500,
        components: int = 10,
        loss_weight: float = 0.01,
    ) -> None:
        super().__init__()
        named = [*background, *foreground]
        if len(set(named)) < len(named) or not all(0 <= k < 255 for k in named):
            raise ValueError(
                f'FeatureAlignment: background={tuple(background)} and foreground='
                f'{tuple(foreground)} must be different classes of 0..254.'
            )
        if prototypes < 1 or not 1 <= components <= instances:
            raise ValueError(
                f'FeatureAlignment: prototypes={prototypes} must be 1 or more, and components='
                f'{components} 1 to instances={instances}.'
            )
        self.components = components
        self.loss_weight = loss_weight
        for name, classes in (('background', background), ('foreground', foreground)):
            kinds = torch.tensor(list(classes), dtype=torch.int64)
            self.register_buffer(f'classes_{name}', kinds, persistent=False)
        self.background = FeatureBank(len(background), prototypes, channels)
        self.foreground = FeatureBank(len(foreground), instances, channels)

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor, classify: Classifier) -> None:
        """Adds features of the source. All processes must call this together.

        Args:
            features: (N, A, h, w).
            labels: (N, h, w), int64, 255 where nothing counts.
            classify: The classifier, of features (M, A, 1, 1).
        """
        for bank, classes, regions in self._kinds(labels):
            means = region_means(features, regions)
            confirmed = self._confirmed(means, classes, classify)
            bank.write(means, regions.any(3) & confirmed)

    def forward(self, features: Tensor, labels: Tensor, classify: Classifier) -> dict[str, Tensor]:
        """Both losses, means over the images; 0 as long as the banks are not full.

        As published, a background feature counts only if the classifier confirms its class. That
        of a class without pixels is 0: the biases decide whether it counts; it has no gradient.

        Args:
            features: (N, A, h, w), those of the target; only they get a gradient.
            labels: (N, h, w), int64, 255 where nothing counts.
            classify: As of :meth:`update`.
        """
        losses = []
        for bank, classes, regions in self._kinds(labels):
            means = region_means(features, regions)
            if bank is self.background:
                counts = self._confirmed(means, classes, classify)
            else:
                counts = regions.any(3)
            distance = bank.distance(means) / regions.any(3).sum(2, keepdim=True).clamp(min=1)
            distance = torch.where(counts & bank.full[:, None], distance, 0.0)
            losses.append(self.loss_weight * distance.sum((1, 2)).mean())
        return dict(loss_background=losses[0], loss_foreground=losses[1])

    def _kinds(self, labels: Tensor) -> tuple[tuple[FeatureBank, Tensor, Tensor], ...]:
        """Bank, classes and regions (N, K, R, h * w) of background and of foreground."""
        stuff, things = self.classes_background, self.classes_foreground
        return (
            (self.background, stuff, class_regions(labels, stuff)),
            (self.foreground, things, largest_regions(labels, things, self.components)),
        )

    @staticmethod
    @torch.no_grad()
    def _confirmed(means: Tensor, classes: Tensor, classify: Classifier) -> Tensor:
        """(N, K, R), bool: mean features (N, K, R, A) whose class the classifier finds."""
        scores = classify(means.detach().flatten(0, 2)[..., None, None])
        return scores.argmax(1).view(means.shape[:3]) == classes[:, None]
