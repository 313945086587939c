"""Strong augmentation of self-training: colour jitter and blur, on the images' device.

What is drawn is drawn on the host, so that only that is computed and nothing waits for the device:
numbers reach the device as arguments of its operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.utils.errors import check_unit


def rgb_to_hsv(images: Tensor) -> Tensor:
    """Converts (..., 3, H, W) from RGB to HSV (hue, saturation, value), all in [0, 1]."""
    red, green, blue = images.unbind(-3)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    is_red, is_green = red == value, green == value
    tiny = torch.finfo(images.dtype).tiny  # what is divided by a chroma or value of 0 is 0
    sixth = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sixth /= chroma.clamp_min(tiny)
    sixth = torch.where(is_red, sixth, torch.where(is_green, sixth + 2, sixth + 4))
    return torch.stack([_remainder(sixth.div_(6)), chroma / value.clamp_min(tiny), value], dim=-3)


def hsv_to_rgb(images: Tensor) -> Tensor:
    """Inverse of :func:`rgb_to_hsv`."""
    hue, saturation, value = images.unbind(-3)
    sixth, chroma = hue * 6, value * saturation
    channels = []
    # For each channel, the distance from the hue at which it has the full value.
    for offset in (5, 3, 1):
        k = _remainder(sixth + offset, 6)
        share = torch.minimum(k, 4 - k).clamp_(0, 1)
        channels.append(value - share.mul_(chroma))
    return torch.stack(channels, dim=-3)


def _remainder(values: Tensor, period: int = 1) -> Tensor:
    """Replaces values by their remainder, in half the time of ``%``."""
    return values.sub_(torch.floor(values / period), alpha=period)


def adjust_brightness(images: Tensor, shift: float) -> Tensor:
    """Adds `shift` to images in [0, 1]."""
    return (images + shift).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: float) -> Tensor:
    """Multiplies images in [0, 1] by `factor`."""
    return (images * factor).clamp_(0, 1)


def adjust_saturation(images: Tensor, factor: float) -> Tensor:
    """Multiplies the HSV saturation by `factor`."""
    hsv = rgb_to_hsv(images)
    hsv.select(-3, 1).mul_(factor).clamp_(0, 1)
    return hsv_to_rgb(hsv)


def adjust_hue(images: Tensor, turns: float) -> Tensor:
    """Shifts the hue by `turns` of the whole circle, -0.5 to 0.5."""
    hsv = rgb_to_hsv(images)
    _remainder(hsv.select(-3, 0).add_(turns))
    return hsv_to_rgb(hsv)


def rgb_to_grey(images: Tensor) -> Tensor:
    """Converts (..., 3, H, W) from RGB to luma (..., 1, H, W), with torchvision's weights."""
    red, green, blue = images.split(1, dim=-3)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def scale_brightness(images: Tensor, factor: float) -> Tensor:
    """Multiplies images in [0, 1] by `factor` (``adjust_brightness`` of torchvision)."""
    return (images * factor).clamp_(0, 1)


def scale_contrast(images: Tensor, factor: float) -> Tensor:
    """Multiplies the distance from the image's mean luma (``adjust_contrast`` of torchvision)."""
    mean = rgb_to_grey(images).mean((-3, -2, -1), keepdim=True)
    return torch.lerp(mean, images, factor).clamp_(0, 1)


def scale_saturation(images: Tensor, factor: float) -> Tensor:
    """Multiplies the distance from the pixel's luma (``adjust_saturation`` of torchvision)."""
    return torch.lerp(rgb_to_grey(images), images, factor).clamp_(0, 1)


ADJUSTMENTS = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)


def gaussian_blur(images: Tensor, sigmas: Sequence[float], kernel_size: tuple[int, int]) -> Tensor:
    """Blurs every sample with its own Gaussian; borders are reflected.

    Args:
        images: (N, ..., H, W).
        sigmas: N standard deviations in pixels.
        kernel_size: (height, width) of the kernels, odd and less than twice the image.

    Returns:
        (N, ..., H, W).
    """
    # Samples and channels are the groups of one convolution.
    flat = images.reshape(1, -1, *images.shape[-2:])
    groups = flat.shape[1]
    # In half precision a blurred image would be up to a grey level off.
    with torch.autocast(images.device.type, enabled=False):
        for dim, size in enumerate(kernel_size):
            radius = size // 2
            offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
            kernels = torch.stack([-0.5 * (offsets / sigma) ** 2 for sigma in sigmas]).softmax(1)
            kernels = kernels.repeat_interleave(groups // len(sigmas), dim=0)[:, None, None]
            pad = (radius, radius, 0, 0)
            if dim == 0:
                kernels, pad = kernels.transpose(-1, -2), (0, 0, radius, radius)
            flat = F.conv2d(F.pad(flat, pad, mode='reflect'), kernels, groups=groups)
    return flat.view_as(images)


class Decisions(NamedTuple):
    """Which augmentations a whole batch gets.

    Attributes:
        jitter: Whether to jitter colours.
        blur: Whether to blur.
    """

    jitter: bool
    blur: bool


@MODELS.register_module()
class StrongAugment(nn.Module):
    """Colour jitter and Gaussian blur of DACS and DAFormer, drawn for each sample.

    The colour changes follow the published code, which differs
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
        per_frame: Whether the frames of a clip are augmented one after the other, each with draws
            of its own (the consistent mixing of UnifiedVideoDA); otherwise they share all draws.

    Raises:
        ValueError: If a value is outside its range.
    """

    #: Brightness, contrast, saturation and hue of a clip, each with its amount.
    adjustments: Sequence[Callable[[Tensor, float], Tensor]] = ADJUSTMENTS

    def __init__(
        self,
        strength: float = 0.2,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        blur_sigma: tuple[float, float] = (0.15, 1.15),
        per_batch: bool = False,
        per_frame: bool = False,
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
        self.per_frame = per_frame

    def decide(self, clips: Tensor) -> Decisions | None:
        """Draws the decisions of a batch, which several views of it may share.

        Args:
            clips: Any clips of the batch.

        Returns:
            The decisions, or None if each sample of each view draws separately.
        """
        if not self.per_batch:
            return None
        jitter, blur = self._draw(clips[:1], 2)
        return Decisions(bool(jitter < self.jitter_prob), bool(blur < self.blur_prob))

    @torch.no_grad()
    def forward(self, clips: Tensor, decisions: Decisions | None = None) -> Tensor:
        """Augments raw clips.

        Args:
            clips: (N, T, 3, H, W), RGB in [0, 1].
            decisions: Result of :meth:`decide`, to share it; None to draw.

        Returns:
            (N, T, 3, H, W), RGB in [0, 1]; `clips` itself if nothing was drawn.
        """
        if self.per_frame and clips.shape[1] > 1:
            frames = [self(frame, decisions) for frame in clips.split(1, dim=1)]
            return torch.cat(frames, dim=1)
        jitter, blur = decisions or self.decide(clips) or (None, None)
        return self.blur(self.jitter(clips, jitter), blur)

    def jitter(self, clips: Tensor, whether: bool | None = None) -> Tensor:
        """Applies colour jitter to all clips or to none; if None, to each with `jitter_prob`."""
        draw = self._draw(clips, len(ADJUSTMENTS))
        order = torch.randperm(len(ADJUSTMENTS)).tolist()
        chosen = self._chosen(clips, whether, self.jitter_prob)

        def change(part: Tensor) -> Tensor:
            amounts = self._amounts(draw[:, chosen]).tolist()
            changed = []
            for clip, *of_clip in zip(part, *amounts, strict=True):
                for i in order:
                    clip = self.adjustments[i](clip, of_clip[i])
                changed.append(clip)
            return torch.stack(changed)

        return _changed(clips, chosen, change)

    def _amounts(self, draw: Tensor) -> Tensor:
        """Amounts (4, N) of the adjustments, of uniform numbers in [0, 1)."""
        shifts = self.strength * (draw * 2 - 1)
        return torch.stack([shifts[0], 1 + shifts[1], 1 + shifts[2], shifts[3]])

    def blur(self, clips: Tensor, whether: bool | None = None) -> Tensor:
        """Applies Gaussian blur to all clips or to none; if None, to each with `blur_prob`."""
        draw = self._draw(clips)
        chosen = self._chosen(clips, whether, self.blur_prob)

        def change(part: Tensor) -> Tensor:
            low, high = self.blur_sigma
            sigmas = low + (high - low) * draw[0, chosen]
            height, width = part.shape[-2:]
            size = (self.kernel_size(height), self.kernel_size(width))
            return gaussian_blur(part, sigmas.tolist(), size)

        return _changed(clips, chosen, change)

    def kernel_size(self, side: int) -> int:
        """Kernel size: as published, a tenth of the side, odd, but limited to the visible part.

        Beyond five standard deviations a Gaussian is below 4e-6 of its peak.
        """
        tenth = math.ceil(side / 10)
        return min(tenth - 1 + tenth % 2, 2 * math.ceil(5 * self.blur_sigma[1]) + 1)

    def _chosen(self, clips: Tensor, whether: bool | None, probability: float) -> list[int]:
        """Numbers of the clips to change."""
        if whether is None:
            drawn = (self._draw(clips)[0] < probability).tolist()
            return [n for n, value in enumerate(drawn) if value]
        return list(range(len(clips))) if whether else []

    @staticmethod
    def _draw(clips: Tensor, count: int = 1) -> Tensor:
        """Uniform random numbers (count, N) in [0, 1), of the host's generator.

        On the device, what is not drawn could not be skipped without waiting for the device.
        """
        shape = (count, len(clips), 1, 1, 1, 1)  # with a place for the samples, as of clips
        return torch.rand(shape, dtype=clips.dtype, device='cpu').flatten(1)


@MODELS.register_module()
class TorchvisionAugment(StrongAugment):
    """Colour jitter, grey and Gaussian blur of torchvision, drawn for each sample (VFM-UDA++).

    Unlike in :class:`StrongAugment` brightness, contrast and saturation are factors of the distance
    from black, from the image's mean luma and from the pixel's luma, and each has a range of its
    own.

    Args:
        brightness: Factors are in ``1 -+ brightness``.
        contrast: Likewise.
        saturation: Likewise.
        hue: Shifts are in ``-+ hue`` of the circle.
        jitter_prob: Probability of colour jitter.
        grey_prob: Probability of conversion to grey, after the jitter.
        blur_prob: Probability of blur.
        blur_sigma: Range of the standard deviation of the blur, in pixels.

    Raises:
        ValueError: If a value is outside its range.
    """

    adjustments = (scale_brightness, scale_contrast, scale_saturation, adjust_hue)

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.2,
        jitter_prob: float = 0.8,
        grey_prob: float = 0.0,
        blur_prob: float = 0.5,
        blur_sigma: tuple[float, float] = (0.15, 1.15),
    ) -> None:
        if not 0 <= hue <= 0.5:
            raise ValueError(f'{type(self).__name__}: hue={hue} must be in [0, 0.5].')
        super().__init__(hue, jitter_prob, blur_prob, blur_sigma)
        factors = dict(brightness=brightness, contrast=contrast, saturation=saturation)
        check_unit('TorchvisionAugment', **factors, grey_prob=grey_prob)
        self.ranges = (*factors.values(), hue)
        self.grey_prob = grey_prob

    @torch.no_grad()
    def forward(self, clips: Tensor, decisions: Decisions | None = None) -> Tensor:
        """Augments raw clips (N, T, 3, H, W), RGB in [0, 1]; `decisions` are not shared."""
        clips = self.jitter(clips)
        chosen = self._chosen(clips, None, self.grey_prob)
        return self.blur(_changed(clips, chosen, lambda part: rgb_to_grey(part).expand_as(part)))

    def _amounts(self, draw: Tensor) -> Tensor:
        shifts = draw.new_tensor(self.ranges)[:, None] * (draw * 2 - 1)  # on the host
        return torch.cat([1 + shifts[:3], shifts[3:]])


def _changed(clips: Tensor, chosen: list[int], change: Callable[[Tensor], Tensor]) -> Tensor:
    """Clips of which the chosen ones are changed; the same tensor if none is."""
    if len(chosen) in (0, len(clips)):
        return change(clips) if chosen else clips
    parts = list(clips)
    changed = change(torch.stack([parts[n] for n in chosen]))
    for n, clip in zip(chosen, changed, strict=True):
        parts[n] = clip
    return torch.stack(parts)
