"""Photometric augmentation of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import PhotoMetricDistortion
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageEnhance, ImageFilter

from mmdavss.utils.errors import check_unit


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(PhotoMetricDistortion):
    """:class:`mmseg.PhotoMetricDistortion` of all frames.

    Changed keys: ``imgs``.

    Args:
        per_frame: Whether to draw separately for each frame; otherwise all frames share one draw.
        kwargs: Passed to :class:`mmseg.PhotoMetricDistortion`.
    """

    def __init__(self, per_frame: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.per_frame = per_frame

    def transform(self, results: dict) -> dict:
        imgs = results['imgs']
        if self.per_frame:
            results['imgs'] = [
                super(ClipPhotoMetricDistortion, self).transform(dict(img=img))['img']
                for img in imgs
            ]
        else:
            # All operations are pointwise: frames stacked in one tall image share the draw.
            tall = super().transform(dict(img=np.concatenate(imgs)))['img']
            results['imgs'] = np.split(tall, len(imgs))
        return results


def _check_jitter(owner: str, hue: float, **values: float) -> None:
    """Raises ValueError for a hue that turns more than half a circle, or another value not in 0 to
    1."""
    check_unit(owner, **values)
    if not 0 <= hue <= 0.5:
        raise ValueError(f'{owner}: hue={hue} must be in [0, 0.5].')


@TRANSFORMS.register_module()
class CrossFrameAugment(BaseTransform):
    """Augmented view for STPL and TPS: blur and colour jitter, drawn for each frame.

    STPL, section 3.2 (augmented frames x~), after TPS: randomised Gaussian blur and colour jitter,
    nothing geometric, so pixels stay where they are. The probabilities and strengths are those
    of DACS, and weaker than those of TPS's release (:class:`TPSAugment`).

    Required keys: ``imgs``. Added keys: ``imgs_aug`` (list of T, uint8).

    Args:
        jitter_prob: Probability of colour jitter of a frame.
        brightness: Factor of the brightness is in ``1 -+ brightness``.
        contrast: Factor of the contrast (around the mean grey) is in ``1 -+ contrast``.
        saturation: Factor of the saturation is in ``1 -+ saturation``.
        hue: Shift of the hue is in ``-+ hue``, 1 being the whole circle.
        blur_prob: Probability of blur of a frame.
        blur_sigma: Range of the standard deviation of the blur, in pixels.

    Raises:
        ValueError: For an invalid value of an option.
    """

    def __init__(
        self,
        jitter_prob: float = 0.8,
        brightness: float = 0.25,
        contrast: float = 0.25,
        saturation: float = 0.25,
        hue: float = 0.25,
        blur_prob: float = 0.5,
        blur_sigma: tuple[float, float] = (0.15, 1.15),
    ) -> None:
        factors = dict(brightness=brightness, contrast=contrast, saturation=saturation)
        _check_jitter('CrossFrameAugment', hue, **factors, jitter_prob=jitter_prob)
        check_unit('CrossFrameAugment', blur_prob=blur_prob)
        low, high = blur_sigma
        if not 0 < low <= high:
            raise ValueError(
                f'CrossFrameAugment: blur_sigma={blur_sigma} must be two numbers above 0, the '
                'smaller one first.'
            )
        self.jitter_prob = jitter_prob
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.blur_prob = blur_prob
        self.blur_sigma = (low, high)

    def transform(self, results: dict) -> dict:
        results['imgs_aug'] = [self._augment(img) for img in results['imgs']]
        return results

    def _augment(self, img: np.ndarray) -> np.ndarray:
        if np.random.rand() < self.jitter_prob:
            for operation in np.random.permutation(4):
                img = self._jitter(img, operation)
        if np.random.rand() < self.blur_prob:
            sigma = np.random.uniform(*self.blur_sigma)
            img = cv2.GaussianBlur(img, (0, 0), sigma)
        return img.copy()

    def _jitter(self, img: np.ndarray, operation: int) -> np.ndarray:
        change: Callable[[np.ndarray, float], np.ndarray]
        change, centre, spread = (
            (mmcv.adjust_brightness, 1.0, self.brightness),
            (mmcv.adjust_contrast, 1.0, self.contrast),
            (mmcv.adjust_color, 1.0, self.saturation),
            (mmcv.adjust_hue, 0.0, self.hue),
        )[operation]
        amount = np.random.uniform(centre - spread, centre + spread)
        return img if spread == 0 else change(img, amount).astype(np.uint8)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(jitter_prob={self.jitter_prob}, '
            f'brightness={self.brightness}, contrast={self.contrast}, '
            f'saturation={self.saturation}, hue={self.hue}, blur_prob={self.blur_prob}, '
            f'blur_sigma={self.blur_sigma})'
        )


@TRANSFORMS.register_module()
class TPSAugment(BaseTransform):
    """The photometric part of the augmented view of TPS's release, which STPL follows.

    The frames of a clip are stacked into one tall image, the current one on top, with one draw for
    all: blur, then colour jitter, then grey. The operations are those of torchvision on Pillow
    images: brightness, contrast, saturation and hue in random order; contrast is relative to the
    mean grey of the whole image.

    The release passes the frames as the network sees them, BGR minus the mean, to a conversion that
    expects values in 0 to 1 and wraps all others around: the view shows a distorted, inverted
    image, with red and blue swapped, whose range is 1 while that of the frames is 255. This is a
    bug that no paper mentions; `wrapped_mean` reproduces it.

    Required keys: ``imgs``. Added keys: ``imgs_aug`` (list of T, uint8; float32 with
    `wrapped_mean`).

    Args:
        blur_prob: Probability of blur.
        blur_radius: Radii to draw from, as in Pillow: standard deviations in pixels.
        jitter_prob: Probability of colour jitter.
        brightness: Factor of the brightness is in ``1 -+ brightness``.
        contrast: Factor of the contrast is in ``1 -+ contrast``.
        saturation: Factor of the saturation is in ``1 -+ saturation``.
        hue: Shift of the hue is in ``-+ hue``, 1 being the whole circle.
        grey_prob: Probability of conversion to grey.
        wrapped_mean: BGR mean of a preprocessor that only subtracts it: gives the view of the
            release, which such a preprocessor turns into the values of 0 to 1 that the released
            network sees. None for the view that was intended.

    Raises:
        ValueError: For an invalid value of an option.
    """

    def __init__(
        self,
        blur_prob: float = 0.6,
        blur_radius: Sequence[float] = (5, 7, 9),
        jitter_prob: float = 0.8,
        brightness: float = 0.8,
        contrast: float = 0.8,
        saturation: float = 0.8,
        hue: float = 0.2,
        grey_prob: float = 0.2,
        wrapped_mean: Sequence[float] | None = None,
    ) -> None:
        factors = dict(brightness=brightness, contrast=contrast, saturation=saturation)
        _check_jitter('TPSAugment', hue, **factors, jitter_prob=jitter_prob)
        check_unit('TPSAugment', blur_prob=blur_prob, grey_prob=grey_prob)
        self.blur_prob = blur_prob
        self.blur_radius = tuple(blur_radius)
        self.jitter_prob = jitter_prob
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.grey_prob = grey_prob
        self.wrapped_mean = None if wrapped_mean is None else np.array(wrapped_mean, np.float32)

    def transform(self, results: dict) -> dict:
        tall = np.concatenate(results['imgs'][::-1])
        if self.wrapped_mean is None:
            view = self.augment(tall[..., ::-1])[..., ::-1]
        else:
            view = self.augment(wrapped(tall - self.wrapped_mean))
            view = view.astype(np.float32) / 255 + self.wrapped_mean
        frames = np.split(view, len(results['imgs']))[::-1]
        results['imgs_aug'] = [np.ascontiguousarray(frame) for frame in frames]
        return results

    def augment(self, img: np.ndarray) -> np.ndarray:
        """Applies blur, jitter and grey to an image (H, W, 3), uint8, RGB."""
        picture = Image.fromarray(np.ascontiguousarray(img))
        if np.random.rand() < self.blur_prob:
            radius = float(np.random.choice(self.blur_radius))
            picture = picture.filter(ImageFilter.GaussianBlur(radius))
        if np.random.rand() < self.jitter_prob:
            for operation in np.random.permutation(4):
                picture = self._jitter(picture, operation)
        if np.random.rand() < self.grey_prob:
            picture = picture.convert('L').convert('RGB')
        return np.asarray(picture)

    def _jitter(self, picture: Image.Image, operation: int) -> Image.Image:
        if operation == 3:
            return turned(picture, np.random.uniform(-self.hue, self.hue))
        change, spread = (
            (ImageEnhance.Brightness, self.brightness),
            (ImageEnhance.Contrast, self.contrast),
            (ImageEnhance.Color, self.saturation),
        )[operation]
        return change(picture).enhance(np.random.uniform(1 - spread, 1 + spread))

    def __repr__(self) -> str:
        mean = None if self.wrapped_mean is None else self.wrapped_mean.tolist()
        return (
            f'{type(self).__name__}(blur_prob={self.blur_prob}, '
            f'blur_radius={self.blur_radius}, jitter_prob={self.jitter_prob}, '
            f'brightness={self.brightness}, contrast={self.contrast}, '
            f'saturation={self.saturation}, hue={self.hue}, grey_prob={self.grey_prob}, '
            f'wrapped_mean={mean})'
        )


def turned(picture: Image.Image, turns: float) -> Image.Image:
    """An RGB image with its hue (a byte) shifted by `turns` of the circle."""
    hue, saturation, value = picture.convert('HSV').split()
    shift = int(turns * 255) % 256
    hue = Image.fromarray(np.asarray(hue) + np.uint8(shift))
    return Image.merge('HSV', (hue, saturation, value)).convert('RGB')


def wrapped(values: np.ndarray) -> np.ndarray:
    """Converts float32 values to bytes as if they were in 0 to 1, modulo 256."""
    return np.trunc(values * 255).astype(np.int64).astype(np.uint8)
