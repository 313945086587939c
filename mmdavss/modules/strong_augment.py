"""Strong augmentation of self-training: colour jitter and blur, on the images' device."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


def rgb_to_hsv(images: Tensor) -> Tensor:
    """Converts (..., 3, H, W) from RGB to HSV (hue, saturation, value), all in [0, 1]."""
    value, dominant = images.max(-3)
    chroma = value - images.amin(-3)
    red, green, blue = images.unbind(-3)
    safe = torch.where(chroma > 0, chroma, 1)
    sixth = (
        torch.stack(
            [(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4], dim=-3
        )
        .gather(-3, dominant.unsqueeze(-3))
        .squeeze(-3)
    )
    saturation = chroma / torch.where(value > 0, value, 1)
    return torch.stack([(sixth / 6) % 1, saturation, value], dim=-3)


def hsv_to_rgb(images: Tensor) -> Tensor:
    """Inverse of :func:`rgb_to_hsv`."""
    hue, saturation, value = images.unsqueeze(-4).unbind(-3)
    # For each channel, the distance from the hue at which it has the full value.
    offset = hue.new_tensor([5, 3, 1]).view(3, 1, 1)
    k = (offset + hue * 6) % 6
    return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)


def adjust_brightness(images: Tensor, shift: Tensor) -> Tensor:
    """Adds `shift` to images in [0, 1]."""
    return (images + shift).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies images in [0, 1] by `factor`."""
    return (images * factor).clamp(0, 1)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies the HSV saturation by `factor`."""
    hue, saturation, value = rgb_to_hsv(images).split(1, -3)
    return hsv_to_rgb(torch.cat([hue, (saturation * factor).clamp(0, 1), value], dim=-3))


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Shifts the hue by `turns` of the whole circle."""
    hue, saturation, value = rgb_to_hsv(images).split(1, -3)
    return hsv_to_rgb(torch.cat([(hue + turns) % 1, saturation, value], dim=-3))


ADJUSTMENTS = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)


def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: tuple[int, int]) -> Tensor:
    """Blurs every sample with its own Gaussian; borders are reflected.

    Args:
        images: (N, ..., H, W).
        sigma: (N,), standard deviations in pixels.
        kernel_size: (height, width) of the kernels, odd and less than twice the image.

    Returns:
        (N, ..., H, W).
    """
    # Samples and channels are the groups of one convolution.
    flat = images.reshape(1, -1, *images.shape[-2:])
    groups = flat.shape[1]
    for dim, size in enumerate(kernel_size):
        radius = size // 2
        offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
        kernels = (-0.5 * (offsets / sigma[:, None]) ** 2).softmax(1)
        kernels = kernels.repeat_interleave(groups // len(sigma), dim=0)[:, None, None]
        pad = (radius, radius, 0, 0)
        if dim == 0:
            kernels, pad = kernels.transpose(-1, -2), (0, 0, radius, radius)
        flat = F.conv2d(F.pad(flat, pad, mode='reflect'), kernels, groups=groups)
    return flat.view_as(images)


class Decisions(NamedTuple):
    """Which augmentations to apply, as bool tensors that broadcast to the clips.

    Attributes:
        jitter: Whether to jitter colours.
        blur: Whether to blur.
    """

    jitter: Tensor
    blur: Tensor


@MODELS.register_module()
class StrongAugment(nn.Module):
    """Colour jitter and Gaussian blur of DACS and DAFormer, drawn for each sample.

    All frames of a clip share a draw. The colour changes follow the published code, which differs
    from Pillow: brightness is added, contrast multiplies, saturation and hue are those of HSV.
    Their random order is the same for the whole batch.

    As published, an image of up to 20 rows (columns) is not blurred along its columns (rows).

    Args:
        strength: Brightness is shifted by up to +-`strength`, contrast and saturation are
            multiplied by ``1 +- strength``, the hue is shifted by up to +-`strength` of the circle.
        jitter_prob: Probability of colour jitter.
        blur_prob: Probability of blur.
        blur_sigma: Range of the standard deviation of the blur, in pixels.
        per_batch: Whether to decide on jitter and on blur once for the whole batch, as published,
            instead of for each sample. Strengths are drawn for each sample in both cases.

    Raises:
        ValueError: If a value is outside its range.
    """

    def __init__(
        self,
        strength: float = 0.2,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        blur_sigma: tuple[float, float] = (0.15, 1.15),
        per_batch: bool = False,
    ) -> None:
        super().__init__()
        for name, value, largest in (
            ('strength', strength, 0.5),
            ('jitter_prob', jitter_prob, 1),
            ('blur_prob', blur_prob, 1),
        ):
            if not 0 <= value <= largest:
                raise ValueError(f'StrongAugment: {name}={value} must be in [0, {largest}].')
        if not 0 < blur_sigma[0] <= blur_sigma[1]:
            raise ValueError(f'StrongAugment: blur_sigma={blur_sigma} must be a range above 0.')
        self.strength = strength
        self.jitter_prob = jitter_prob
        self.blur_prob = blur_prob
        self.blur_sigma = tuple(blur_sigma)
        self.per_batch = per_batch

    def decide(self, clips: Tensor) -> Decisions | None:
        """Draws the decisions of a batch, which several views of it may share.

        Args:
            clips: Clips on the device to draw on.

        Returns:
            The decisions, or None if each sample of each view draws separately.
        """
        if not self.per_batch:
            return None
        draw = self._draw(clips[:1], 2)
        return Decisions(draw[0] < self.jitter_prob, draw[1] < self.blur_prob)

    @torch.no_grad()
    def forward(self, clips: Tensor, decisions: Decisions | None = None) -> Tensor:
        """Augments raw clips.

        Args:
            clips: (N, T, 3, H, W), RGB in [0, 1].
            decisions: Result of :meth:`decide`, to share it; None to draw.

        Returns:
            (N, T, 3, H, W), RGB in [0, 1].
        """
        jitter, blur = decisions or self.decide(clips) or (None, None)
        return self.blur(self.jitter(clips, jitter), blur)

    def jitter(self, clips: Tensor, whether: Tensor | None = None) -> Tensor:
        """Applies colour jitter where `whether` is true; if None, with `jitter_prob`."""
        draw = self._draw(clips, len(ADJUSTMENTS)) * 2 - 1
        amounts = (
            self.strength * draw[0],
            1 + self.strength * draw[1],
            1 + self.strength * draw[2],
            self.strength * draw[3],
        )
        changed = clips
        for i in torch.randperm(len(ADJUSTMENTS)).tolist():  # host generator: no synchronisation
            changed = ADJUSTMENTS[i](changed, amounts[i])
        if whether is None:
            whether = self._draw(clips)[0] < self.jitter_prob
        return torch.where(whether, changed, clips)

    def blur(self, clips: Tensor, whether: Tensor | None = None) -> Tensor:
        """Applies Gaussian blur where `whether` is true; if None, with `blur_prob`."""
        low, high = self.blur_sigma
        sigma = low + (high - low) * self._draw(clips)[0]
        height, width = clips.shape[-2:]
        size = (self.kernel_size(height), self.kernel_size(width))
        changed = gaussian_blur(clips, sigma.flatten(), size)
        if whether is None:
            whether = self._draw(clips)[0] < self.blur_prob
        return torch.where(whether, changed, clips)

    def kernel_size(self, side: int) -> int:
        """Kernel size: as published, a tenth of the side, odd, but limited to the visible part.

        Beyond five standard deviations a Gaussian is below 4e-6 of its peak.
        """
        tenth = math.ceil(side / 10)
        return min(tenth - 1 + tenth % 2, 2 * math.ceil(5 * self.blur_sigma[1]) + 1)

    @staticmethod
    def _draw(clips: Tensor, count: int = 1) -> Tensor:
        """Uniform random numbers (count, N, 1, 1, 1, 1) in [0, 1)."""
        return torch.rand(count, len(clips), 1, 1, 1, 1, device=clips.device, dtype=clips.dtype)
