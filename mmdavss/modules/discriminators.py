"""Fully convolutional domain discriminators of segmentation maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleDict
from mmseg.registry import MODELS
from torch import Tensor, nn


def _layers(channels: int) -> list[nn.Module]:
    """All but the first convolution: 4x4, stride 2, LeakyReLU of 0.2 in between."""
    layers: list[nn.Module] = []
    for width in (1, 2, 4):
        layers += [
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width * channels, 2 * width * channels, 4, stride=2, padding=1),
        ]
    return [
        *layers,
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8 * channels, 1, 4, stride=2, padding=1),
    ]


@MODELS.register_module()
class ImageDiscriminator(BaseModule):
    """Source or target, from the soft segmentation map of a frame (AdaptSegNet, Tsai et al. 2018).

    Five 4x4 convolutions of stride 2.

    Args:
        in_channels: Channels K of the maps.
        channels: Width of the first layer; it doubles up to the fourth.
    """

    def __init__(self, in_channels: int, channels: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, channels, 4, stride=2, padding=1), *_layers(channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, K, H, W) to scores (N, 1, H/32, W/32)."""
        return self.layers(maps)


@MODELS.register_module()
class SequenceDiscriminator(BaseModule):
    """The same for the maps of two consecutive frames (VAT-VST).

    The first convolution is three-dimensional, with temporal stride and size 2.

    Args:
        in_channels: Channels K of the maps.
        channels: Width of the first layer; it doubles up to the fourth.
    """

    def __init__(self, in_channels: int, channels: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, channels, (2, 4, 4), stride=2, padding=(0, 1, 1))
        self.layers = nn.Sequential(*_layers(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, 2, K, H, W) to scores (N, 1, H/32, W/32)."""
        return self.layers(self.first(maps.transpose(1, 2)).squeeze(2))


@MODELS.register_module()
class HeadDiscriminators(ModuleDict):
    """An :class:`ImageDiscriminator` for each classifier (AdaptSegNet with two levels).

    Args:
        in_channels: Channels K of the maps.
        heads: Names of the classifiers.
        channels: Width of the first layers; it doubles up to the fourth.
    """

    def __init__(
        self, in_channels: int, heads: Sequence[str] = ('decode',), channels: int = 64
    ) -> None:
        super().__init__({head: ImageDiscriminator(in_channels, channels) for head in heads})

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """For each classifier, maps (N, K, H, W) to scores (N, 1, H/32, W/32)."""
        return {head: self[head](seen) for head, seen in maps.items()}


@MODELS.register_module()
class SpatioTemporalDiscriminator(BaseModule):
    """The spatio-temporal and the spatial discriminators of DA-VSN, a pair for each classifier.

    Each sees two frames at once, 2K channels under one softmax (:func:`pair`): the spatio-temporal
    one the current and the previous frame, the spatial one the current frame twice.

    Args:
        in_channels: Channels K of the scores.
        heads: Names of the classifiers.
        channels: Width of the first layers; it doubles up to the fourth.
    """

    def __init__(
        self, in_channels: int, heads: Sequence[str] = ('decode',), channels: int = 64
    ) -> None:
        super().__init__()
        self.spatio_temporal = HeadDiscriminators(2 * in_channels, heads, channels)
        self.spatial = HeadDiscriminators(2 * in_channels, heads, channels)

    def forward(
        self, maps: Mapping[str, tuple[Tensor, Tensor]]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Judges clips.

        Args:
            maps: For each classifier what the spatio-temporal and what the spatial one sees,
                (N, 2K, H, W) each.

        Returns:
            For each classifier both judgements, (N, 1, H/32, W/32) each.
        """
        return {
            head: (self.spatio_temporal[head](frames), self.spatial[head](twice))
            for head, (frames, twice) in maps.items()
        }

    def likeness(self) -> Tensor:
        """How alike the two discriminators of a pair are, summed over the classifiers.

        Returns:
            Scalar: cosine of their weights plus 1, mean over the weight and bias tensors.
        """
        return sum(
            torch.stack(
                [
                    F.cosine_similarity(a.flatten(), b.flatten(), dim=0) + 1
                    for a, b in zip(
                        self.spatio_temporal[head].parameters(),
                        self.spatial[head].parameters(),
                        strict=True,
                    )
                ]
            ).mean()
            for head in self.spatial
        )
