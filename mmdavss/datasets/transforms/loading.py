"""From the files of a clip to arrays."""
from __future__ import annotations

import io
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from ..label_maps import LabelSet


def _read(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: this {what} does not exist (any more).') from None


def _broken(path: str, what: str, error: Exception) -> ValueError:
    return ValueError(f'{path}: this {what} cannot be decoded ({error}). The file is truncated or '
                      'no image: fetch or unpack it again.')


def read_image(path: str) -> np.ndarray:
    """Reads one frame.

    Args:
        path: Image file.

    Returns:
        (H, W, 3), uint8, BGR.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated or no image, or has more than 8 bits per channel.
    """
    data = _read(path, 'frame')
    try:
        mode = Image.open(io.BytesIO(data)).mode
        # Pillow, because OpenCV fills what is missing of a truncated file with grey.
        image = mmcv.imfrombytes(data, flag='color', backend='pillow')
    except Exception as error:  # a dozen kinds, depending on where the file breaks off
        raise _broken(path, 'frame', error) from error
    if mode.startswith(('I', 'F')):
        # Pillow would make nearly all of it white.
        raise ValueError(f'{path}: this frame has mode {mode}, which is no colour image but depth, '
                         'labels or the like: correct the folder, or write frames of 8 bits.')
    return np.ascontiguousarray(image)


def read_label(path: str, labels: LabelSet) -> np.ndarray:
    """Reads one label file.

    Args:
        path: Label file.
        labels: How labels are stored, and the classes that they become.

    Returns:
        (H, W), uint8: training classes, 255 for what is ignored.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, of another kind, or has ids that are not official.
    """
    data = _read(path, 'label')
    try:
        image = Image.open(io.BytesIO(data))
        mode = image.mode
        if labels.encoding == 'red':
            # Pillow cannot give 16 bits per channel, but checks that the file is whole.
            image.verify()
            raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        else:
            # A palette image gives its ids unless it is converted.
            raw = np.asarray(image.convert('RGB') if labels.encoding == 'colour' else image)
    except Exception as error:
        raise _broken(path, 'label', error) from error
    if labels.encoding == 'red' and (raw is None or raw.ndim != 3 or raw.dtype != np.uint16):
        raise ValueError(f'{path}: labels of {labels.name} are 16-bit colour images with the id '
                         f'in the red channel, this one has mode {mode}.')
    if labels.encoding in ('ids', 'panoptic') and (raw.ndim != 2 or raw.dtype.kind not in 'iu'):
        raise ValueError(f'{path}: labels of {labels.name} have one channel (or a palette) with '
                         f'the ids, this one has mode {mode}.')
    if labels.encoding == 'red':
        raw = raw[..., 2]  # OpenCV: BGR
    return labels.to_train_ids(labels.decode(raw, path), path)


@TRANSFORMS.register_module()
class LoadClip(BaseTransform):
    """Reads the frames of a clip.

    Required keys: ``frame_paths``.
    Added keys: ``imgs`` (list of T arrays (H, W, 3), uint8, BGR), ``img_shape``, ``ori_shape``.

    A frame that occurs several times is decoded once.

    Raises:
        FileNotFoundError: If a frame does not exist.
        ValueError: If one is truncated, or frames differ in size.
    """

    def transform(self, results: dict) -> dict:
        paths = results['frame_paths']
        images = {path: read_image(path) for path in dict.fromkeys(paths)}
        shape = images[paths[-1]].shape[:2]
        for path in paths:
            if images[path].shape[:2] != shape:
                raise ValueError(
                    f'{path} has the size {_size(images[path])}, {paths[-1]} of the same clip '
                    f'{_size(images[paths[-1]])}: the frames of a sequence must have one size.')
        results['imgs'] = [images[path] for path in paths]
        results['img_shape'] = results['ori_shape'] = shape
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadClipAnnotations(BaseTransform):
    """Reads the label of a clip's current frame and maps its ids to training classes.

    Required keys: ``seg_map_path``, ``label_spec`` (a :class:`LabelSet`), ``ori_shape``.
    Added keys: ``gt_seg_map`` ((H, W), uint8, 255 is ignored), also named in ``seg_fields``.
    Where the data set gives ``earlier_seg_map_paths`` (``label_clips=True``), the labels of the
    earlier frames too: ``gt_seg_map_0``, ``gt_seg_map_1``, ..., the first frame first.

    For evaluation at full resolution it comes after the resize, which then leaves it alone.

    Raises:
        ValueError: If the data set has no labels, the file is broken or has ids that are not
            official, or its size is not that of the image.
    """

    def transform(self, results: dict) -> dict:
        path = results.get('seg_map_path')
        if path is None:
            raise ValueError(
                f'LoadClipAnnotations: the data set of {results["frame_paths"][-1]} is used '
                'without labels. Set with_labels=True there, or take this transform out.')
        paths = {'gt_seg_map': path}
        paths |= {f'gt_seg_map_{k}': earlier
                  for k, earlier in enumerate(results.get('earlier_seg_map_paths', ()))}
        for key, path in paths.items():
            results[key] = self._read(path, results)
            results['seg_fields'].append(key)
        return results

    @staticmethod
    def _read(path: str, results: dict) -> np.ndarray:
        label = read_label(path, results['label_spec'])
        if label.shape != tuple(results['ori_shape']):
            height, width = results['ori_shape']
            raise ValueError(
                f'{path} has the size {_size(label)}, its image {results["frame_paths"][-1]} '
                f'{width}x{height}: unpack both anew from the same release.')
        return label

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def _size(array: np.ndarray) -> str:
    return f'{array.shape[1]}x{array.shape[0]}'
