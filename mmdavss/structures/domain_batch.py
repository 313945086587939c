"""Batches of clips, of one domain or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple

import torch
from mmseg.utils import SampleList
from torch import Tensor


class Clip(NamedTuple):
    """A batch of clips; the last frame is the current one.

    Attributes:
        frames: (N, T, 3, H, W), normalised as the segmentation network expects.
        raw: (N, T, 3, H, W), RGB in [0, 1], for flow networks.
        flow: (N, T-1, 2, H, W) in pixels, ``flow[:, k]`` from frame k+1 to frame k, or None.
        augmented: (N, T, 3, H, W), the cross-frame augmented view, normalised, or None.
        forward_flow: (N, T-1, 2, H, W) in pixels, ``forward_flow[:, k]`` from frame k to frame
            k+1, or None.
        valid: (N, H, W), 0 where a pseudo-label weighs nothing, else 1, or None.
        rare: (N, R, 3, h, w), normalised images of which rare classes are cut out, or None.
    """

    frames: Tensor
    raw: Tensor
    flow: Tensor | None = None
    augmented: Tensor | None = None
    forward_flow: Tensor | None = None
    valid: Tensor | None = None
    rare: Tensor | None = None


def sample_labels(samples: SampleList) -> Tensor:
    """The labels (N, H, W), int64, of samples with ``gt_sem_seg``.

    Raises:
        ValueError: If a sample has none.
    """
    for sample in samples:
        if 'gt_sem_seg' not in sample:
            raise ValueError(
                f'{sample.get("img_path", "A clip")} comes without a label, which is needed here: '
                'put LoadClipAnnotations into the pipeline of its data set, with pseudo_labels '
                '(a folder of tools/generate_pseudo_labels.py) or with_labels=True.'
            )
    return torch.cat([sample.gt_sem_seg.data for sample in samples]).long()


class DomainClips(NamedTuple):
    """Clips of one domain.

    Attributes:
        clip: N clips.
        samples: The N samples, with labels if the data set has them.
    """

    clip: Clip
    samples: SampleList

    @property
    def labels(self) -> Tensor:
        """Labels (N, H, W) of the current frames, int64."""
        return sample_labels(self.samples)

    def soft_labels(self, owner: str) -> tuple[Tensor, Tensor]:
        """The soft labels of the current frames: three classes of each pixel and their shares.

        Args:
            owner: Description of the clips for the message.

        Returns:
            Classes (N, 3, H, W), int64, and shares (N, 3, H, W), float32, whose sum is 1. Both mean
            nothing where there is no label.

        Raises:
            KeyError: If the clips have none.
        """
        if any('gt_soft_seg' not in sample for sample in self.samples):
            raise KeyError(
                f'{owner} come without soft labels: add LoadSoftLabels to their pipeline, and make '
                "the pseudo-labels with selection='lrent'."
            )
        soft = torch.stack([sample.gt_soft_seg.data for sample in self.samples])
        labels = self.labels[:, None]
        # Any class where there is no label.
        first = labels.masked_fill(labels == 255, 0)
        classes = torch.cat([first, soft[:, :2].long()], dim=1)
        shares = soft[:, 2:].float() / 255
        return classes, torch.cat([1 - shares.sum(1, keepdim=True), shares], dim=1)

    def clip_labels(self, owner: str) -> Tensor:
        """Labels (N, T, H, W) of all frames, int64.

        Args:
            owner: Description of the clips for the message, such as ``'VST: the target clips'``.

        Raises:
            KeyError: If the clips have no such labels.
        """
        if any('gt_clip_seg' not in sample for sample in self.samples):
            raise KeyError(
                f'{owner} come without the labels of all frames: set `clip_length=2` and '
                '`label_clips=True` in their data set.'
            )
        return torch.stack([sample.gt_clip_seg.data for sample in self.samples]).long()

    def rare_patches(self, owner: str) -> tuple[Tensor, Tensor]:
        """Images of rare classes, and where these are.

        Args:
            owner: Description of the clips for the message.

        Returns:
            Images (N, R, 3, h, w), normalised, and labels (N, R, h, w), int64: the class of the
            image at its pixels, 255 elsewhere.

        Raises:
            KeyError: If the clips have none.
        """
        if self.clip.rare is None or any('gt_rare_seg' not in sample for sample in self.samples):
            raise KeyError(
                f'{owner} come without patches of rare classes: set '
                '`train_dataloader.dataset.rare_patches`.'
            )
        labels = torch.stack([sample.gt_rare_seg.data for sample in self.samples])
        return self.clip.rare, labels.long()


class DomainBatch:
    """A training batch: :attr:`source` clips, :attr:`target` clips, or both.

    Args:
        inputs: Clips of each domain, from :class:`DomainDataPreprocessor`. A batch of a single
            data set (a :class:`Clip`) is returned for either domain.
        data_samples: The samples, arranged like `inputs`.
    """

    def __init__(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> None:
        self._domains: dict[str, DomainClips] = {}
        self._single: DomainClips | None = None
        samples: Any = data_samples  # arranged like the inputs
        if isinstance(inputs, Mapping):
            self._domains = {
                name: DomainClips(clip, samples[name]) for name, clip in inputs.items()
            }
        else:
            self._single = DomainClips(inputs, samples)

    @property
    def has_source(self) -> bool:
        """Whether the batch names source clips; false for a batch of a single data set."""
        return 'source' in self._domains

    @property
    def source(self) -> DomainClips:
        """The source clips.

        Raises:
            KeyError: If the batch has none.
        """
        return self._domain('source')

    @property
    def target(self) -> DomainClips:
        """The target clips.

        Raises:
            KeyError: If the batch has none.
        """
        return self._domain('target')

    def with_clips(self, change: Callable[[Clip], Clip]) -> DomainBatch:
        """The same batch with its clips changed, each domain's by one call."""
        changed = copy(self)
        changed._domains = {
            name: own._replace(clip=change(own.clip)) for name, own in self._domains.items()
        }
        if self._single is not None:
            changed._single = self._single._replace(clip=change(self._single.clip))
        return changed

    def _domain(self, name: str) -> DomainClips:
        if self._single is not None:
            return self._single
        if name not in self._domains:
            raise KeyError(
                f'The batch has no {name} clips, only {sorted(self._domains)}: set '
                f'`train_dataloader.dataset.{name}` of the DomainPairDataset.'
            )
        return self._domains[name]
