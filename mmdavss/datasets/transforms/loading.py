"""Loads the files of a clip into arrays."""

from __future__ import annotations

import io
import re
import struct

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import ExifTags, Image

from mmdavss.utils.errors import InputError
from mmdavss.utils.inputs import open_image, read_bytes, reason

from ..label_folder import soft_name
from ..label_maps import LabelSet

#: Position of the bits per sample in a PNG file.
IHDR_DEPTH = 24
#: Chunks of a PNG file that change nothing in its pixels, for OpenCV nor for Pillow.
PLAIN_CHUNKS = {b'IHDR', b'IDAT', b'IEND', b'gAMA', b'cHRM', b'sRGB', b'iCCP', b'pHYs', b'tIME'}
#: Markers of a JPEG file but those within the pixels of a scan.
NEXT_MARKER = re.compile(rb'\xff[^\x00\x01\xd0-\xd8\xff]', re.DOTALL)
#: Modes of labels whose first channel is the id, for each encoding.
CHANNELS = {'first': ('L', 'RGB', 'RGBA'), 'tracks': ('RGB',)}
JPEG_PROGRESSIVE, JPEG_SCAN, JPEG_END = 0xC2, 0xDA, 0xD9


def _broken(path: str, what: str, error: Exception) -> InputError:
    return InputError(
        f'{path}: this {what} cannot be decoded ({reason(error)}). The file '
        'is damaged, truncated or not an image: fetch or unpack it again.'
    )


def _has_16_bits(data: bytes) -> bool:
    """Whether an image is a PNG with 16 bits per channel."""
    return data.startswith(b'\x89PNG') and data[IHDR_DEPTH] == 16


def _is_plain_png(data: bytes) -> bool:
    """Whether a PNG without damage has one picture, of 8 bits, without transparency or rotation."""
    kinds, at = set(), 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, at)
        kinds.add(kind)
        at += length + 12
    return data[IHDR_DEPTH] == 8 and kinds <= PLAIN_CHUNKS


def _is_complete_jpeg(data: bytes) -> bool:
    """Whether a JPEG has its end marker, behind the last scan and not within a thumbnail.

    False also for several scans that are not progressive, whose later ones only Pillow checks.
    """
    at, markers = 2, []
    while found := NEXT_MARKER.search(data, at):
        at = found.end()
        markers.append(data[at - 1])
        if markers[-1] == JPEG_END:
            return JPEG_PROGRESSIVE in markers or JPEG_SCAN not in markers[:-2]
        # The length of a segment; behind the start of a scan, pixels follow up to the next marker.
        at += int.from_bytes(data[at : at + 2], 'big')
    return False


def _decode_plain(data: bytes, header: Image.Image) -> np.ndarray | None:
    """Decodes an image by OpenCV, with the result of Pillow; None if that is not certain.

    OpenCV is faster, since Pillow's image is copied three times on its way to an array of BGR. But
    OpenCV fills the missing part of a truncated file with grey, and treats rotation, transparency,
    palettes and several pictures in a file differently: it gets only the files without these.

    Args:
        data: Content of the file.
        header: The image, opened and verified by Pillow.

    Returns:
        (H, W, 3), uint8, BGR, or None.
    """
    if header.mode in ('RGB', 'L') and (
        (header.format == 'PNG' and _is_plain_png(data))
        or (
            header.format == 'JPEG'
            and header.getexif().get(ExifTags.Base.Orientation, 1) == 1
            and _is_complete_jpeg(data)
        )
    ):
        flag = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        return cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    return None


def read_image(path: str) -> np.ndarray:
    """Reads one frame.

    Args:
        path: Image file.

    Returns:
        (H, W, 3), uint8, BGR.

    Raises:
        MissingInputError: If there is no such file.
        InputError: If it is damaged, truncated or not an image, has one channel of more than 8
            bits, or 16 bits per channel with fewer in use.
    """
    data = read_bytes(path, 'frame')
    try:
        header = open_image(data)
        image = _decode_plain(data, header)
        if image is None:
            rgb = mmcv.imfrombytes(data, channel_order='rgb', backend='pillow')
            image = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    except Exception as error:  # a dozen kinds, depending on where the file breaks off
        raise _broken(path, 'frame', error) from error
    if header.mode.startswith(('I', 'F')):
        # Pillow would make nearly all of it white.
        raise InputError(
            f'{path}: this frame has mode {header.mode}, which is not a colour image but depth, '
            'labels or the like: correct the folder, or write frames of 8 bits.'
        )
    if _has_16_bits(data) and image.max() < 16:
        # Pillow takes the upper 8 of 16 bits.
        raise InputError(
            f'{path}: this frame has 16 bits per channel, of which the upper 8 are '
            'empty, so it would be read as black: write frames of 8 bits.'
        )
    return image


def read_mask(path: str) -> np.ndarray:
    """Reads an image with one channel of 8 bits, (H, W), uint8, unchanged.

    Raises:
        MissingInputError: If there is no such file.
        InputError: If it is damaged or of another kind.
    """
    data = read_bytes(path, 'mask')
    try:
        open_image(data)
        image = Image.open(io.BytesIO(data))
        mask = np.asarray(image)
    except Exception as error:
        raise _broken(path, 'mask', error) from error
    if image.mode != 'L':
        raise InputError(
            f'{path}: this mask has mode {image.mode}, but should have one channel of '
            '8 bits: make it again.'
        )
    return mask


def read_label(path: str, labels: LabelSet) -> np.ndarray:
    """Reads one label file.

    Args:
        path: Label file.
        labels: How labels are stored, and which classes they become.

    Returns:
        (H, W), uint8: training classes, 255 for ignored pixels.

    Raises:
        MissingInputError: If there is no such file.
        InputError: If it is damaged, of another kind, or has ids that are not official, or if a
            palette gives its ids the colours of others.
    """
    data = read_bytes(path, 'label')
    try:
        header = open_image(data)
        mode = header.mode
        if labels.encoding == 'red':
            # Pillow cannot read 16 bits per channel.
            raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        elif labels.encoding == 'colour' and (plain := _decode_plain(data, header)) is not None:
            raw = cv2.cvtColor(plain, cv2.COLOR_BGR2RGB)
        else:
            image = Image.open(io.BytesIO(data))
            # A palette image yields its ids unless it is converted.
            raw = np.asarray(image.convert('RGB') if labels.encoding == 'colour' else image)
    except Exception as error:
        raise _broken(path, 'label', error) from error
    if header.format in ('JPEG', 'MPO'):
        raise InputError(
            f'{path}: this label is a JPEG, which changes values: use the official '
            'masks, which are PNG.'
        )
    if labels.encoding == 'colour' and _has_16_bits(data):
        # Pillow takes the upper 8: all black if a program has written 0 to 255.
        raise InputError(
            f'{path}: this label has 16 bits per channel, but colours have 8: use '
            'the official masks, or save it with 8 bits.'
        )
    if labels.encoding == 'red' and (raw is None or raw.ndim != 3 or raw.dtype != np.uint16):
        raise InputError(
            f'{path}: labels of {labels.name} are 16-bit colour images with the id '
            f'in the red channel, but this one has mode {mode}.'
        )
    assert raw is not None  # only OpenCV returns None
    bits = data[IHDR_DEPTH] if header.format == 'PNG' else 8
    if labels.encoding in ('ids', 'panoptic', 'first') and mode == 'L' and bits < 8:
        # Programs that shrink files divide by the step, others store the ids.
        raise InputError(
            f'{path}: this label is a grey image of {bits} bits. Whether its values are the ids, '
            f'or {255 // (2**bits - 1)} times the ids, is ambiguous: save it with 8 bits.'
        )
    if labels.encoding in CHANNELS:
        if mode not in CHANNELS[labels.encoding] or _has_16_bits(data):
            kinds = ' or '.join(CHANNELS[labels.encoding])
            raise InputError(
                f'{path}: labels of {labels.name} are images of 8 bits with the id in the first '
                f'channel (mode {kinds}), but this one has mode {mode}: use the official masks.'
            )
        raw = raw if raw.ndim == 2 else raw[..., 0]
    if labels.encoding in ('ids', 'panoptic'):
        if raw.ndim != 2 or raw.dtype.kind not in 'iu':
            raise InputError(
                f'{path}: labels of {labels.name} have one channel (or a palette) '
                f'with the ids, but this one has mode {mode}.'
            )
        if mode == 'P':
            palette = image.getpalette()
            assert palette is not None  # it has mode P
            labels.check_palette(np.flatnonzero(image.histogram()), palette, path)
    if labels.encoding == 'red':
        raw = raw[..., 2]  # OpenCV: BGR
    return labels.to_train_ids(labels.decode(raw, path), path)


@TRANSFORMS.register_module()
class LoadClip(BaseTransform):
    """Reads the frames of a clip.

    Required keys: ``frame_paths``.
    Added keys: ``imgs`` (list of T arrays (H, W, 3), uint8, BGR), ``img_shape``, ``ori_shape``.

    A repeated frame is decoded once.

    Raises:
        FileNotFoundError: If a frame does not exist.
        ValueError: If a frame is truncated, or frames differ in size.
    """

    def transform(self, results: dict) -> dict:
        paths = results['frame_paths']
        images = {path: read_image(path) for path in dict.fromkeys(paths)}
        shape = images[paths[-1]].shape[:2]
        for path in paths:
            if images[path].shape[:2] != shape:
                raise ValueError(
                    f'{path} has the size {_size(images[path])}, {paths[-1]} of the same clip '
                    f'{_size(images[paths[-1]])}: all frames of a sequence must have the same size.'
                )
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
    If the data set gives ``earlier_seg_map_paths`` (``label_clips=True``), the labels of the
    earlier frames are added too: ``gt_seg_map_0``, ``gt_seg_map_1``, ..., first frame first. They
    are stored as ``earlier_label_specs`` say, by default all as ``label_spec``.

    For evaluation at full resolution, place it after the resize, which then does not change it.

    Raises:
        ValueError: If the data set has no labels, the file is broken or has ids that are not
            official, or its size is not that of the image.
    """

    def transform(self, results: dict) -> dict:
        path = results.get('seg_map_path')
        if path is None:
            raise ValueError(
                f'LoadClipAnnotations: the data set of {results["frame_paths"][-1]} is used '
                'without labels. Set pseudo_labels (a folder of tools/generate_pseudo_labels.py) '
                'or with_labels=True there, or remove this transform.'
            )
        labels = results['label_spec']
        files = {'gt_seg_map': (path, labels)}
        earlier = results.get('earlier_seg_map_paths', ())
        specs = results.get('earlier_label_specs', [labels] * len(earlier))
        # Not strict: what needs the current label alone takes out the paths of the others.
        for k, file in enumerate(zip(earlier, specs, strict=False)):
            files[f'gt_seg_map_{k}'] = file
        for key, (path, labels) in files.items():
            results[key] = self._read(path, labels, results)
            results['seg_fields'].append(key)
        return results

    @staticmethod
    def _read(path: str, labels: LabelSet, results: dict) -> np.ndarray:
        label = read_label(path, labels)
        if label.shape != tuple(results['ori_shape']):
            height, width = results['ori_shape']
            raise ValueError(
                f'{path} has the size {_size(label)}, its image {results["frame_paths"][-1]} '
                f'{width}x{height}: unpack both again from the same release.'
            )
        return label

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadTracks(BaseTransform):
    """Reads the numbers of the objects in a clip's current frame, which are the same in all frames.

    The label holds them beside the class, as in KITTI-STEP. Place it directly after
    :class:`LoadClipAnnotations`, which checks the file.

    Required keys: ``seg_map_path``, ``label_spec``, ``gt_seg_map``.
    Added keys: ``gt_track_map`` ((H, W), uint16): number of the object, 0 without one; also named
    in ``seg_fields``.

    Raises:
        ValueError: If the labels have no numbers of objects, or the transform is misplaced.
    """

    def transform(self, results: dict) -> dict:
        labels = results['label_spec']
        if labels is None or labels.encoding != 'tracks':
            raise ValueError(
                f'LoadTracks: the labels of {results["frame_paths"][-1]} have no numbers of '
                'objects: use KITTISTEPDataset with its labels, or remove this transform.'
            )
        label = results.get('gt_seg_map')
        if label is None:
            raise ValueError('LoadTracks: place it directly after LoadClipAnnotations.')
        tracks = read_image(results['seg_map_path'])[..., :2].astype(np.uint16) @ [1, 256]
        if label.shape != tracks.shape:
            raise ValueError('LoadTracks: place it directly after LoadClipAnnotations.')
        results['gt_track_map'] = tracks.astype(np.uint16)
        results['seg_fields'].append('gt_track_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadSoftLabels(BaseTransform):
    """Reads the soft labels that lie beside the mask of a clip's current frame.

    ``selection='lrent'`` of the pseudo-labels writes them. Place it where the label is loaded: what
    resizes, crops and flips the label does the same with these.

    Required keys: ``seg_map_path``, ``ori_shape``.
    Added keys: ``gt_soft_map`` ((H, W, 4), uint8): second and third class and their shares in
    255ths; also named in ``seg_fields``.

    Raises:
        MissingInputError: If the pseudo-labels have none.
        InputError: If the file is broken or has another size than the image.
    """

    def transform(self, results: dict) -> dict:
        path = soft_name(results['seg_map_path'] or '')
        data = read_bytes(path, 'file of soft labels')
        soft = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if soft is None or soft.shape != (*results['ori_shape'], 4):
            raise InputError(
                f'{path} is no image of four channels with the size of its frame '
                f'{results["frame_paths"][-1]}: make the pseudo-labels again.'
            )
        results['gt_soft_map'] = soft
        results['seg_fields'].append('gt_soft_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def _size(array: np.ndarray) -> str:
    return f'{array.shape[1]}x{array.shape[0]}'
