"""Fully convolutional domain discriminators of segmentation maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.utils.errors import number_of


def _layers(channels: int) -> list[nn.Module]:
    """All convolutions after the first: 4x4, stride 2, with LeakyReLU of slope 0.2."""
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


def _check_size(owner: str, maps: Tensor, kernel: int) -> None:
    """Raises ValueError if nothing of score maps is left after all convolutions.

    Args:
        owner: Name of the discriminator.
        maps: (..., H, W).
        kernel: Size of its first kernel; all convolutions halve the maps.
    """
    height, width = maps.shape[-2:]
    least = 28 + kernel  # of the five, four have kernels of 4
    if min(height, width) < least:
        raise ValueError(
            f'{owner}: score maps of {width}x{height} are too small, {least}x{least} is the least: '
            'make the crops larger, or let the method enlarge the maps that it sees.'
        )


@MODELS.register_module()
class ImageDiscriminator(BaseModule):
    """Domain discriminator of soft segmentation maps of frames (AdaptSegNet, Tsai et al. 2018).

    Five 4x4 convolutions with stride 2.

    Args:
        in_channels: Channels K of the maps.
        channels: Width of the first layer; it doubles up to the fourth.
        first_kernel: Size of the first convolution, 3 in IAST's release.
    """

    #: What methods may show it (:data:`mmdavss.methods.adversarial.VIEWS_OF`), of one head.
    takes = ('frame', 'clip')
    single = True

    def __init__(self, in_channels: int, channels: int = 64, first_kernel: int = 4) -> None:
        super().__init__()
        self.first_kernel = first_kernel
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, channels, first_kernel, stride=2, padding=1), *_layers(channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (N, 1, H/32, W/32) of maps (N, K, H, W).

        Raises:
            ValueError: If the maps are too small.
        """
        _check_size('ImageDiscriminator', maps, self.first_kernel)
        return self.layers(maps)


@MODELS.register_module()
class SequenceDiscriminator(BaseModule):
    """Domain discriminator of soft segmentation maps of two consecutive frames (VAT-VST).

    The first convolution is three-dimensional, with temporal stride and size 2.

    Args:
        in_channels: Channels K of the maps.
        channels: Width of the first layer; it doubles up to the fourth.
    """

    takes = ('clip',)
    single = True

    def __init__(self, in_channels: int, channels: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, channels, (2, 4, 4), stride=2, padding=(0, 1, 1))
        self.layers = nn.Sequential(*_layers(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (N, 1, H/32, W/32) of maps (N, 2, K, H, W).

        Raises:
            ValueError: If the clips have not two frames, or are too small.
        """
        if maps.shape[1] != 2:
            raise ValueError(
                f'SequenceDiscriminator: the clips have {number_of(maps.shape[1], "frame")} and '
                'not 2: set clip_length=2 in the data sets, or take an ImageDiscriminator.'
            )
        _check_size('SequenceDiscriminator', maps, 4)
        return self.layers(self.first(maps.transpose(1, 2)).squeeze(2))


@MODELS.register_module()
class HeadDiscriminators(ModuleDict):
    """An :class:`ImageDiscriminator` for each classifier (AdaptSegNet with two levels).

    Args:
        in_channels: Channels K of the maps.
        heads: Names of the classifiers.
        channels: Width of the first layers; it doubles up to the fourth.
        first_kernel: As of :class:`ImageDiscriminator`.
    """

    takes = ('frame',)

    def __init__(
        self,
        in_channels: int,
        heads: Sequence[str] = ('decode',),
        channels: int = 64,
        first_kernel: int = 4,
    ) -> None:
        super().__init__(
            {head: ImageDiscriminator(in_channels, channels, first_kernel) for head in heads}
        )

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """For each classifier, scores (N, 1, H/32, W/32) of maps (N, K, H, W)."""
        return {head: self[head](seen) for head, seen in maps.items()}


@MODELS.register_module()
class SpatioTemporalDiscriminator(BaseModule):
    """Spatio-temporal and spatial discriminators of DA-VSN, a pair for each classifier.

    Each gets two frames as 2K channels under one softmax (:func:`pair`): the spatio-temporal
    discriminator the current and the previous frame, the spatial one the current frame twice.

    Args:
        in_channels: Channels K of the scores.
        heads: Names of the classifiers.
        channels: Width of the first layers; it doubles up to the fourth.
    """

    takes = ('pair',)

    def __init__(
        self, in_channels: int, heads: Sequence[str] = ('decode',), channels: int = 64
    ) -> None:
        super().__init__()
        self.spatio_temporal = HeadDiscriminators(2 * in_channels, heads, channels)
        self.spatial = HeadDiscriminators(2 * in_channels, heads, channels)

    def forward(
        self, maps: Mapping[str, tuple[Tensor, Tensor]]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Scores clips.

        Args:
            maps: For each classifier, the inputs of the spatio-temporal and of the spatial
                discriminator, (N, 2K, H, W) each.

        Returns:
            For each classifier, the scores of both, (N, 1, H/32, W/32) each.
        """
        return {
            head: (self.spatio_temporal[head](frames), self.spatial[head](twice))
            for head, (frames, twice) in maps.items()
        }

    def likeness(self) -> Tensor:
        """Similarity of the two discriminators of a pair, summed over the classifiers.

        Returns:
            Scalar: cosine of their weights plus 1, averaged over the weight and bias tensors.
        """
        likenesses = (
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
        return reduce(torch.add, likenesses)
