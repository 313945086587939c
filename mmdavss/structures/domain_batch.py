"""A training batch of one domain or of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from mmseg.utils import SampleList
from torch import Tensor

from .clip import Clip


class DomainClips(NamedTuple):
    """Clips of one domain.

    Attributes:
        clip: N clips.
        samples: Their N samples, with labels where the data set has them.
    """

    clip: Clip
    samples: SampleList

    @property
    def labels(self) -> Tensor:
        """Labels (N, H, W) of the current frames, int64."""
        return torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in self.samples]).long()

    def clip_labels(self, owner: str) -> Tensor:
        """Labels (N, T, H, W) of all frames, int64.

        Args:
            owner: Whose clips they are, such as ``'VST: the target clips'``, for the message.

        Raises:
            KeyError: If the clips come without them.
        """
        if any('gt_clip_seg' not in sample for sample in self.samples):
            raise KeyError(
                f'{owner} come without the labels of all frames: set `clip_length=2` and '
                '`label_clips=True` in their data set.'
            )
        return torch.stack([sample.gt_clip_seg.data for sample in self.samples]).long()


class DomainBatch:
    """A training batch: :attr:`source` clips, :attr:`target` clips, or both.

    Args:
        inputs: Clips for each domain, as :class:`DomainDataPreprocessor` gives them. A batch of a
            single data set (a :class:`Clip`) stands for whichever domain is asked for.
        data_samples: The samples, arranged like `inputs`.
    """

    def __init__(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> None:
        self._domains: dict[str, DomainClips] = {}
        self._single: DomainClips | None = None
        if isinstance(inputs, Mapping):
            self._domains = {
                name: DomainClips(clip, data_samples[name]) for name, clip in inputs.items()
            }
        else:
            self._single = DomainClips(inputs, data_samples)

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

    def _domain(self, name: str) -> DomainClips:
        if self._single is not None:
            return self._single
        if name not in self._domains:
            raise KeyError(
                f'The batch has no {name} clips, only {sorted(self._domains)}: set '
                f'`train_dataloader.dataset.{name}` of the DomainPairDataset.'
            )
        return self._domains[name]
