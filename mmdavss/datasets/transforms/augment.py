"""Photometric changes of clips."""
from __future__ import annotations

from collections.abc import Callable

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import PhotoMetricDistortion
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(PhotoMetricDistortion):
    """:class:`mmseg.PhotoMetricDistortion` of all frames.

    Changed keys: ``imgs``.

    Args:
        per_frame: Whether each frame gets a draw of its own; else all get the same.
        kwargs: Those of :class:`mmseg.PhotoMetricDistortion`.
    """

    def __init__(self, per_frame: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.per_frame = per_frame

    def transform(self, results: dict) -> dict:
        imgs = results['imgs']
        if self.per_frame:
            results['imgs'] = [super(ClipPhotoMetricDistortion, self).transform(
                dict(img=img))['img'] for img in imgs]
        else:
            # All its operations are pointwise: frames in one tall image share the draw.
            tall = super().transform(dict(img=np.concatenate(imgs)))['img']
            results['imgs'] = np.split(tall, len(imgs))
        return results


@TRANSFORMS.register_module()
class CrossFrameAugment(BaseTransform):
    """The augmented view of STPL and TPS: blur and colour jitter, drawn for each frame.

    STPL, section 3.2 (augmented frames x~), after TPS: randomised Gaussian blur and colour jitter,
    nothing geometric, so that pixels stay where they are. The probabilities and strengths are those
    of the code family that TPS stems from (DACS).

    Required keys: ``imgs``. Added keys: ``imgs_aug`` (list of T, uint8).

    Args:
        jitter_prob: Probability of colour jitter of a frame.
        brightness: Factor of the brightness is in ``1 -+ brightness``.
        contrast: Factor of the contrast (around the mean grey) is in ``1 -+ contrast``.
        saturation: Factor of the saturation is in ``1 -+ saturation``.
        hue: Shift of the hue is in ``-+ hue``, 1 being the whole circle.
        blur_prob: Probability of blur of a frame.
        blur_sigma: Range of the standard deviation of the blur, in pixels.
    """

    def __init__(self,
                 jitter_prob: float = 0.8,
                 brightness: float = 0.25,
                 contrast: float = 0.25,
                 saturation: float = 0.25,
                 hue: float = 0.25,
                 blur_prob: float = 0.5,
                 blur_sigma: tuple[float, float] = (0.15, 1.15)) -> None:
        if not 0 <= hue <= 0.5:
            raise ValueError(f'CrossFrameAugment: hue={hue} must be in [0, 0.5].')
        self.jitter_prob = jitter_prob
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.blur_prob = blur_prob
        self.blur_sigma = tuple(blur_sigma)

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
            (mmcv.adjust_brightness, 1., self.brightness),
            (mmcv.adjust_contrast, 1., self.contrast),
            (mmcv.adjust_color, 1., self.saturation),
            (mmcv.adjust_hue, 0., self.hue))[operation]
        amount = np.random.uniform(centre - spread, centre + spread)
        return img if spread == 0 else change(img, amount).astype(np.uint8)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(jitter_prob={self.jitter_prob}, '
                f'brightness={self.brightness}, contrast={self.contrast}, '
                f'saturation={self.saturation}, hue={self.hue}, blur_prob={self.blur_prob}, '
                f'blur_sigma={self.blur_sigma})')
