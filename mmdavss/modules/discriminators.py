"""Fully convolutional domain discriminators of segmentation maps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32


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


def _shares(*scores: Tensor) -> Tensor:
    """Scores (N, K, H, W) of several frames under one softmax."""
    return at_least_float32(torch.cat(scores, 1)).softmax(1)


@MODELS.register_module()
class SpatioTemporalDiscriminator(BaseModule):
    """The spatio-temporal and the spatial discriminators of DA-VSN, a pair for each classifier.

    Each sees the scores of two frames at once, 2K channels under one softmax: the
    spatio-temporal one those of the current and the previous frame, the spatial one those of the
    current frame twice.

    Args:
        in_channels: Channels K of the scores.
        heads: Names of the classifiers.
        channels: Width of the first layers; it doubles up to the fourth.
    """

    def __init__(
        self, in_channels: int, heads: tuple[str, ...] = ('decode',), channels: int = 64
    ) -> None:
        super().__init__()
        self.spatio_temporal = nn.ModuleDict(
            {head: ImageDiscriminator(2 * in_channels, channels) for head in heads}
        )
        self.spatial = nn.ModuleDict(
            {head: ImageDiscriminator(2 * in_channels, channels) for head in heads}
        )

    def forward(
        self, scores: Mapping[str, tuple[Tensor, Tensor]]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Judges clips.

        Args:
            scores: For each classifier those of the current and of the previous frame, before the
                softmax, each (N, K, H, W).

        Returns:
            For each classifier the spatio-temporal and the spatial judgement, (N, 1, H/32, W/32).
        """
        return {
            head: (
                self.spatio_temporal[head](_shares(current, previous)),
                self.spatial[head](_shares(current, current)),
            )
            for head, (current, previous) in scores.items()
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
