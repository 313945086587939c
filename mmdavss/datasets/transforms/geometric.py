"""Resize, crop and flip: one draw for all frames of a clip, its label and its flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmdavss.utils.errors import check_unit

from ..label_folder import read_manifest

IMAGES = ('imgs', 'imgs_aug')
FLOWS = ('flows', 'forward_flows')
INTERPOLATIONS = ('bilinear', 'bicubic')
BACKENDS = ('cv2', 'pillow')
#: Maps whose padding is not 255.
FILLED_WITH_0 = ('valid_map', 'gt_soft_map', 'gt_track_map')
CROP_MODES = ('random', 'center', 'top', 'bottom')
#: How often a crop is redrawn to contain a rare class.
TRIES = 10


def _each(results: dict, keys: tuple[str, ...], change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Applies `change` to every array of the lists that are present."""
    for key in keys:
        if key in results:
            results[key] = [change(array) for array in results[key]]


def _check_labels(transform: BaseTransform, results: dict) -> None:
    """Checks that labels have the size of the frame: both are cut, or filled up, alike.

    Raises:
        ValueError: If one has another size.
    """
    shape = results['imgs'][-1].shape[:2]
    for key in results.get('seg_fields', []):
        if results[key].shape[:2] != shape:
            raise ValueError(
                f'{type(transform).__name__}: {key} of {results["frame_paths"][-1]} has the shape '
                f'{results[key].shape[:2]}, the frame {shape}: load labels before ClipResize in '
                'the pipeline.'
            )


def _note_reframed(transform: BaseTransform, results: dict) -> None:
    """Notes which transform first showed another part of the world than the file of the frame."""
    results.setdefault('reframed', (type(transform).__name__, results.get('ori_shape')))


@TRANSFORMS.register_module()
class ClipResize(BaseTransform):
    """Resizes a clip: frames with `interpolation`, the label by nearest neighbour.

    Flow is resized bilinearly (without aligned corners, like the frames); u is multiplied by the
    ratio of the widths and v by that of the heights.

    The releases of ADVENT's family (DA-VSN, TPS, SFC) resize with Pillow, frames bicubically:
    ``interpolation='bicubic', backend='pillow'``. The result differs: Pillow widens its filter when
    shrinking (no aliasing), OpenCV does not; and for label pixel x Pillow takes the source pixel
    floor((x + 0.5) * ratio), OpenCV floor(x * ratio). Frames stay uint8; Pillow rounds to it.

    Changed keys: ``imgs``, ``imgs_aug``, ``flows``, ``forward_flows``, ``seg_fields``' maps,
    ``img_shape``.
    Added keys: ``scale``, ``scale_factor`` (width, height), ``keep_ratio``.

    Args:
        scale: (width, height). With `keep_ratio`, the longer side of the frame becomes at most the
            longer one of these, the shorter one at most the shorter one, as in mmcv.
        keep_ratio: Whether to keep the aspect ratio.
        ratio_range: Range of a random factor that `scale` is multiplied by.
        interpolation: Interpolation of the frames: ``bilinear`` or ``bicubic``.
        backend: Library that resizes frames and label: ``cv2`` or ``pillow``.

    Raises:
        ValueError: For an invalid scale, interpolation or backend.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        keep_ratio: bool = False,
        ratio_range: tuple[float, float] | None = None,
        interpolation: str = 'bilinear',
        backend: str = 'cv2',
    ) -> None:
        if len(scale) != 2 or min(scale) < 1:
            raise ValueError(f'ClipResize: scale={scale} must be (width, height).')
        for name, value, choices in (
            ('interpolation', interpolation, INTERPOLATIONS),
            ('backend', backend, BACKENDS),
        ):
            if value not in choices:
                raise ValueError(f'ClipResize: {name}={value!r} is not one of {choices}.')
        width, height = scale
        self.scale = (width, height)
        self.keep_ratio = keep_ratio
        self.ratio_range = ratio_range
        self.interpolation = interpolation
        self.backend = backend

    @cache_randomness
    def _ratio(self) -> float:
        return 1.0 if self.ratio_range is None else np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        height, width = results['imgs'][-1].shape[:2]
        ratio = self._ratio()
        wide, high = (max(1, int(side * ratio + 0.5)) for side in self.scale)
        scale = (wide, high)
        size = mmcv.rescale_size((width, height), scale) if self.keep_ratio else scale
        factor = np.array([size[0] / width, size[1] / height], np.float32)

        _each(results, IMAGES, lambda img: self._resize(img, size, self.interpolation))
        _each(
            results,
            FLOWS,
            lambda flow: cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * factor,
        )
        for key in results.get('seg_fields', []):
            results[key] = self._resize(results[key], size, 'nearest')
        results.update(
            img_shape=size[::-1],
            scale=scale,
            scale_factor=tuple(factor.tolist()),
            keep_ratio=self.keep_ratio,
        )
        return results

    def _resize(self, array: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
        if self.backend == 'pillow' and array.dtype != np.uint8:
            # Numbers of objects, which mmcv's function refuses.
            return np.array(Image.fromarray(array).resize(size, Image.Resampling.NEAREST))
        # A tuple only with return_scale.
        return cast(
            np.ndarray,
            mmcv.imresize(array, size, interpolation=interpolation, backend=self.backend),
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, keep_ratio={self.keep_ratio}, '
            f'ratio_range={self.ratio_range}, interpolation={self.interpolation!r}, '
            f'backend={self.backend!r})'
        )


@TRANSFORMS.register_module()
class ClipCrop(RandomCrop):
    """Crops a clip; flow keeps its values.

    Changed keys: ``imgs``, ``imgs_aug``, ``flows``, ``forward_flows``, ``seg_fields``' maps,
    ``img_shape``.
    Added keys: ``crop_bbox`` (y1, y2, x1, x2), and ``reframed`` (name of the transform,
    ``ori_shape``) if something is cut off, with which predictions are refused.

    Args:
        crop_size: (height, width); an int is in pixels, a float is a share of the frame:
            ``(640 / 760, 1.)`` with mode ``top`` cuts off the lowest 120 rows of 760 at any size.
        mode: ``random``, or the position of the crop: ``center``, ``top`` or ``bottom`` (the last
            two horizontally centred).
        cat_max_ratio: For ``random``: largest share of one class in the crop's label; up to ten
            tries, as in :class:`mmseg.RandomCrop`.
        ignore_index: Label that does not count for `cat_max_ratio`.
        rare_class_min_pixels: For ``random``, and clips drawn by rare-class sampling: the crop is
            redrawn, up to ten times, until it has more pixels than this of the class that the
            clip was drawn for (``rare_class``). DAFormer uses 0.5 times the ``min_pixels`` of
            the sampling.

    Raises:
        ValueError: For an unknown mode, if a label has another size than the frame, or if
            `cat_max_ratio` or `rare_class_min_pixels` is set for a clip without a label.
    """

    def __init__(
        self,
        crop_size: tuple[float, float],
        mode: str = 'random',
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
        rare_class_min_pixels: int | None = None,
    ) -> None:
        if mode not in CROP_MODES:
            raise ValueError(f'ClipCrop: mode={mode!r} is not one of {CROP_MODES}.')
        shares = [side for side in crop_size if isinstance(side, float)]
        pixels = [side for side in crop_size if not isinstance(side, float)]
        if not all(0 < share <= 1 for share in shares) or (shares and 1 in pixels):
            raise ValueError(
                f'ClipCrop: crop_size={tuple(crop_size)} must be numbers of pixels, or shares '
                'above 0 and at most 1.0 (1 beside a share would be one pixel).'
            )
        if not 0 < cat_max_ratio <= 1:
            raise ValueError(f'ClipCrop: cat_max_ratio={cat_max_ratio} must be in (0, 1].')
        if mode != 'random' and (cat_max_ratio < 1 or rare_class_min_pixels is not None):
            raise ValueError(
                f'ClipCrop: mode={mode!r} has one place: cat_max_ratio and rare_class_min_pixels '
                "choose among places, which needs mode='random'."
            )
        size: Any = tuple(crop_size)  # mmseg's sizes are pixels; see transform()
        super().__init__(size, cat_max_ratio, ignore_index)
        self.share = self.crop_size
        self.mode = mode
        self.rare_class_min_pixels = rare_class_min_pixels

    def transform(self, results: dict) -> dict:
        _check_labels(self, results)
        image = results['imgs'][-1]
        # mmseg's crop_bbox reads self.crop_size.
        self.crop_size = tuple(
            min(side, max(1, round(share * side)) if isinstance(share, float) else share)
            for share, side in zip(self.share, image.shape[:2], strict=True)
        )
        if self.mode == 'random':
            bbox = self._random(results)
        else:
            bbox = self._place(image.shape[:2])

        _each(results, (*IMAGES, *FLOWS), lambda array: self.crop(array, bbox))
        for key in results.get('seg_fields', []):
            results[key] = self.crop(results[key], bbox)
        results['img_shape'] = results['imgs'][-1].shape[:2]
        results['crop_bbox'] = tuple(bbox)
        if results['img_shape'] != image.shape[:2]:
            _note_reframed(self, results)
        return results

    def _random(self, results: dict) -> tuple[int, int, int, int]:
        rare_class = None if self.rare_class_min_pixels is None else results.get('rare_class')
        label = results.get('gt_seg_map')
        if self.cat_max_ratio < 1:
            label = self._label(results, f'cat_max_ratio={self.cat_max_ratio}')
        elif rare_class is not None:
            label = self._label(results, f'rare_class_min_pixels={self.rare_class_min_pixels}')
        inputs = dict(img=results['imgs'][-1], gt_seg_map=label)
        bbox = self.crop_bbox(inputs)
        if rare_class is not None and label is not None:
            for _ in range(TRIES):
                if (self.crop(label, bbox) == rare_class).sum() > self.rare_class_min_pixels:
                    break
                bbox = self.crop_bbox(inputs)
        return bbox

    def _label(self, results: dict, option: str) -> np.ndarray:
        """The label of a clip, which an option needs."""
        label = results.get('gt_seg_map')
        if label is None:
            raise ValueError(
                f'{type(self).__name__}: {option} needs a label, but {results["frame_paths"][-1]} '
                'has none: put LoadClipAnnotations before it.'
            )
        return label

    def _place(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        height, width = self.crop_size
        x = (shape[1] - width) // 2
        y = {'top': 0, 'center': (shape[0] - height) // 2, 'bottom': shape[0] - height}[self.mode]
        return y, y + height, x, x + width

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.share}, mode={self.mode!r}, '
            f'cat_max_ratio={self.cat_max_ratio}, '
            f'rare_class_min_pixels={self.rare_class_min_pixels})'
        )


@TRANSFORMS.register_module()
class ClipPad(BaseTransform):
    """Pads a clip at the right and at the bottom, where it is smaller than a crop that follows.

    Frames are black there, flow is 0, labels are 255, soft labels and numbers of objects are 0, and
    pseudo-labels weigh nothing if :class:`PseudoLabelMargins` came before.

    Changed keys: ``imgs``, ``imgs_aug``, ``flows``, ``forward_flows``, ``seg_fields``' maps,
    ``img_shape``.
    Added keys: ``pad_shape`` (height, width), and ``reframed`` as of :class:`ClipCrop` if something
    is added.

    Args:
        size: Least (height, width).

    Raises:
        ValueError: If a label has another size than the frame.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        height, width = size
        self.size = (height, width)

    def transform(self, results: dict) -> dict:
        _check_labels(self, results)
        before = results['imgs'][-1].shape[:2]
        shape = tuple(map(max, self.size, before))
        _each(results, (*IMAGES, *FLOWS), lambda array: mmcv.impad(array, shape=shape))
        for key in results.get('seg_fields', []):
            filling = 0 if key in FILLED_WITH_0 else 255
            results[key] = mmcv.impad(results[key], shape=shape, pad_val=filling)
        results['img_shape'] = results['pad_shape'] = shape
        if shape != before:
            _note_reframed(self, results)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


@TRANSFORMS.register_module()
class ClassMiningCrop(ClipCrop):
    """A random crop that often shows one of the classes that are seldom predicted (CBST, CRST).

    With probability `prob` it is centred, as far as the frame allows, on a random pixel of a random
    one of these classes that the label holds; otherwise, or if it holds none, it is any crop.

    Args:
        crop_size: As of :class:`ClipCrop`.
        pseudo_labels: Folder of the pseudo-labels, whose description counts the predicted pixels;
            None for that of the data set.
        share: Classes with a smaller share of these are mined.
        prob: Probability.

    Raises:
        ValueError: If there is no such folder.
    """

    def __init__(
        self,
        crop_size: tuple[float, float],
        pseudo_labels: str | None = None,
        share: float = 0.001,
        prob: float = 0.8,
    ) -> None:
        super().__init__(crop_size)
        self.pseudo_labels = pseudo_labels
        self.mined_share = share
        self.prob = prob
        self._mined: dict[str, np.ndarray] = {}

    @property
    def mined(self) -> np.ndarray:
        """The mined classes of the transform's own folder."""
        return self._mined_in(self.pseudo_labels)

    def _mined_in(self, folder: str | None) -> np.ndarray:
        """The mined classes of a folder, read when they are needed first."""
        if folder is None:
            raise ValueError(
                'ClassMiningCrop: the data set has no pseudo_labels, whose predicted classes say '
                'what to mine: set them, or use ClipCrop.'
            )
        if folder not in self._mined:
            counts = np.array(read_manifest(folder, ['predicted'])['predicted'])
            self._mined[folder] = np.flatnonzero(counts < self.mined_share * counts.sum())
        return self._mined[folder]

    def _random(self, results: dict) -> tuple[int, int, int, int]:
        label = self._label(results, f'share={self.mined_share}')
        folder = self.pseudo_labels or results.get('pseudo_labels')
        here = [k for k in self._mined_in(folder) if (label == k).any()]
        if np.random.rand() >= self.prob or not here:
            return super()._random(results)
        ys, xs = np.nonzero(label == here[np.random.randint(len(here))])
        pixel = np.random.randint(len(ys))
        height, width = self.crop_size
        y = int(np.clip(ys[pixel] - height // 2, 0, label.shape[0] - height))
        x = int(np.clip(xs[pixel] - width // 2, 0, label.shape[1] - width))
        return y, y + height, x, x + width

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.share}, pseudo_labels={self.pseudo_labels!r}, '
            f'share={self.mined_share}, prob={self.prob})'
        )


@TRANSFORMS.register_module()
class ClipFlip(BaseTransform):
    """Flips a clip horizontally; u of the flow changes its sign.

    Changed keys: ``imgs``, ``imgs_aug``, ``flows``, ``forward_flows``, ``seg_fields``' maps.
    Added keys: ``flip``, ``flip_direction`` (``horizontal``, or None if not flipped).

    Args:
        prob: Probability of a flip.
    """

    def __init__(self, prob: float = 0.5) -> None:
        check_unit('ClipFlip', prob=prob)
        self.prob = prob

    @cache_randomness
    def _draw(self) -> bool:
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        results['flip'] = self._draw()
        results['flip_direction'] = 'horizontal' if results['flip'] else None
        if results['flip']:
            _each(results, IMAGES, lambda image: cv2.flip(image, 1))
            _each(results, FLOWS, _mirrored_flow)
            for key in results.get('seg_fields', []):
                results[key] = mmcv.imflip(results[key])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


def _mirrored_flow(flow: np.ndarray) -> np.ndarray:
    flow = cv2.flip(flow, 1)
    flow[..., 0] *= -1
    return flow
