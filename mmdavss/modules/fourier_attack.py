"""Fourier adversarial attack: a gate chooses which bands of an image's spectrum are replaced (RDA).

The attack is differentiable in what is chosen, so that the gate can learn what hurts most.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdavss.ops import at_least_float32, exchange_amplitudes, frequency_bands


class Spectra(NamedTuple):
    """Amplitudes of images and of references, and the bands that they are exchanged in.

    Attributes:
        own: (N, C, H, W), those of the images.
        other: (N, C, H, W), those of the references.
        bands: (B, H, W), the masks of the bands.
    """

    own: Tensor
    other: Tensor
    bands: Tensor

    def means(self) -> Tensor:
        """Mean own amplitude of each component (N, B, C) over the whole spectrum."""
        return self._sums(self.own) / self.own[0, 0].numel()

    def changes(self) -> Tensor:
        """Mean change of each component (N, B, C), over the whole spectrum, if it is replaced."""
        return self._sums((self.other - self.own).abs()) / self.own[0, 0].numel()

    def exchanged(self, chosen: Tensor) -> Tensor:
        """Amplitudes (N, C, H, W) whose components `chosen` (N, B, C), 0 or 1, are the other's."""
        share = torch.einsum('nbc,bhw->nchw', chosen, self.bands.to(chosen.dtype))
        return self.own + share.to(self.own.dtype) * (self.other - self.own)

    def _sums(self, maps: Tensor) -> Tensor:
        return torch.einsum('nchw,bhw->nbc', maps, self.bands.to(maps.dtype))


def spectra(
    images: Tensor, references: Tensor, bands: int = 32, released_bands: bool = False
) -> Spectra:
    """Spectra of images (N, C, H, W) and of references of any size, which are resized to theirs."""
    size = images.shape[-2:]
    if references.shape[-2:] != size:
        references = F.interpolate(references, size, mode='bilinear', align_corners=True)
    own, other = (torch.fft.fft2(at_least_float32(x)).abs() for x in (images, references))
    return Spectra(own, other, frequency_bands(size, bands, released_bands, images.device))


def most_wanted(scores: Tensor, portion: float) -> Tensor:
    """The components with the highest scores.

    Args:
        scores: (N, B, C).
        portion: Share of the B C components, rounded down.

    Returns:
        (N, B, C), 1 for those and 0 for the others, of the type of `scores`.
    """
    flat = scores.flatten(1)
    chosen = flat.topk(int(portion * flat.shape[1]), dim=1).indices
    return torch.zeros_like(flat).scatter(1, chosen, 1.0).view_as(scores)


class FourierGate(BaseModule):
    """Scores the components of a spectrum by their mean amplitudes.

    Two linear layers with a ReLU between, the second of which sees each component by itself and
    says yes or no; Gumbel noise is added in training, and the score is the share of the yes.

    Args:
        bands: Number of bands B.
        channels: Number of channels C.
    """

    def __init__(self, bands: int = 32, channels: int = 3) -> None:
        super().__init__()
        components = bands * channels
        self.mixed = nn.Linear(components, components)
        self.logits = nn.Conv1d(components, 2 * components, 1, groups=components)

    def forward(self, means: Tensor) -> Tensor:
        """Scores (N, B, C), 0 to 1, at least float32, of mean amplitudes (N, B, C)."""
        # In logarithms: the amplitudes of bands differ by orders of magnitude.
        hidden = self.mixed(means.log1p().flatten(1)).relu()
        logits = at_least_float32(self.logits(hidden[..., None])).view(len(means), -1, 2)
        if self.training:
            logits = logits + gumbel_noise(logits)
        return logits.softmax(2)[..., 1].view_as(means)


def gumbel_noise(like: Tensor) -> Tensor:
    """Standard Gumbel noise of the shape (N, ...), type and device of a tensor."""
    drawn = torch.rand(tuple(like.shape), dtype=like.dtype, device=like.device)
    tiny = torch.finfo(like.dtype).tiny
    return -(-drawn.clamp(min=tiny).log()).clamp(min=tiny).log()


def attacked_images(images: Tensor, of_images: Spectra, chosen: Tensor) -> Tensor:
    """Images (N, C, H, W) whose chosen components (N, B, C) have other amplitudes."""
    return exchange_amplitudes(images, of_images.exchanged(chosen))
