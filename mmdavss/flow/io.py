"""Optical flow files: Middlebury ``.flo``, KITTI 16-bit ``.png``, and ``.npy``."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from mmdavss.utils.errors import InputError
from mmdavss.utils.files import replace_file
from mmdavss.utils.inputs import open_image, read_bytes, reason

FLO_MAGIC = np.float32(202021.25)
KITTI_SCALE, KITTI_OFFSET = 64.0, 2.0**15
INT16_SCALE = 10.0
#: Middlebury's "unknown": files contain 1.67e9, and readers treat 1e9 and more as unknown.
UNKNOWN, UNKNOWN_FROM = 1.666666752e9, 1e9
SUFFIXES = ('.flo', '.png', '.npy')


def read_flow(path: str | os.PathLike) -> np.ndarray:
    """Reads a flow file; the suffix determines the format.

    ``.npy`` holds floats, (H, W, 2) or (2, H, W), or int16, 10 times the flow as in the
    caches of DA-VSN and TPS. Pixels without flow become NaN: those that a KITTI file marks as
    invalid and, in every format, infinite values and those of 1e9 and more (Middlebury's
    "unknown").

    Args:
        path: The file.

    Returns:
        (H, W, 2), float32, u and v in pixels.

    Raises:
        MissingInputError: If there is no such file.
        InputError: If the file is not a complete flow file of its format; the message names it.
    """
    path = Path(path)
    readers = dict(zip(SUFFIXES, (_read_flo, _read_kitti, _read_npy), strict=True))
    _check_suffix(path)
    data = read_bytes(path, 'flow file')
    with np.errstate(over='ignore'):  # float64
        flow = np.require(readers[path.suffix.lower()](path, data), np.float32, ['C', 'W'])
    # NaN makes both extremes NaN.
    if not max(flow.max(), -flow.min()) < UNKNOWN_FROM:
        flow = np.where((np.abs(flow) < UNKNOWN_FROM).all(axis=2, keepdims=True), flow, np.nan)
    return flow


def write_flow(path: str | os.PathLike, flow: np.ndarray, dtype: str = 'float16') -> None:
    """Writes a flow file; the suffix determines the format.

    The file appears under its name only when it is complete. An existing file is replaced.

    Args:
        path: The file; its folder is created.
        flow: (H, W, 2), u and v in pixels. NaN is written to KITTI files as invalid, to .flo files
            as unknown.
        dtype: Type in ``.npy`` files: ``float32``, ``float16`` (exact to 1/32 pixel below 64
            pixels), or ``int16`` (10 times the flow).

    Raises:
        ValueError: If the flow has another shape, or values that the format cannot hold.
    """
    path = Path(path)
    writers = dict(zip(SUFFIXES, (_flo_bytes, _kitti_bytes, _npy_bytes), strict=True))
    _check_suffix(path)
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(f'write_flow: flow must be (H, W, 2), got {flow.shape} for {path}.')
    data = writers[path.suffix.lower()](path, flow.astype(np.float32), dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f'{path}: flow files end with one of {SUFFIXES}.')


def _broken(path: Path, why: str) -> InputError:
    return InputError(f'{path}: {why}. Delete the file and compute or download it again.')


def _read_flo(path: Path, data: bytes) -> np.ndarray:
    if len(data) < 12 or np.frombuffer(data, '<f4', 1)[0] != FLO_MAGIC:
        raise _broken(path, f'not a .flo file, it does not start with {FLO_MAGIC}')
    width, height = (int(n) for n in np.frombuffer(data, '<i4', 2, offset=4))
    if width <= 0 or height <= 0 or len(data) != 12 + 8 * width * height:
        raise _broken(
            path,
            f'{len(data)} bytes, but a .flo file of {width} x {height} has '
            f'{12 + 8 * width * height}; it is truncated or damaged',
        )
    return np.frombuffer(data, '<f4', offset=12).reshape(height, width, 2)


def _flo_bytes(path: Path, flow: np.ndarray, dtype: str) -> bytes:
    size = np.array([flow.shape[1], flow.shape[0]], '<i4')
    flow = np.where(np.isfinite(flow).all(axis=2, keepdims=True), flow, UNKNOWN)
    return FLO_MAGIC.tobytes() + size.tobytes() + flow.astype('<f4').tobytes()


def _read_kitti(path: Path, data: bytes) -> np.ndarray:
    try:
        open_image(data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except Exception as error:  # a dozen kinds, depending on where the file is broken
        raise _broken(path, f'not a complete PNG file ({reason(error)})') from error
    if image is None:
        raise _broken(path, 'not a complete PNG file')
    if image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f'{path}: a KITTI flow file is a PNG of three channels with 16 bits '
            f'(u, v, valid), but this is {image.dtype} {image.shape}: is it a picture of '
            'the flow?'
        )
    values = np.empty((*image.shape[:2], 2), np.uint16)
    cv2.mixChannels([image], [values], [2, 0, 1, 1])  # OpenCV reverses the channels: valid, v, u
    flow = values.astype(np.float32)
    flow -= KITTI_OFFSET
    flow /= KITTI_SCALE
    invalid = image[..., 0] == 0
    if invalid.any():
        flow[invalid] = np.nan
    return flow


def _kitti_bytes(path: Path, flow: np.ndarray, dtype: str) -> bytes:
    valid = np.isfinite(flow).all(axis=2)
    values = np.round(np.where(valid[..., None], flow, 0) * KITTI_SCALE + KITTI_OFFSET)
    if values.min() < 0 or values.max() >= 2**16:
        raise ValueError(
            f'{path}: KITTI files hold -512 to 512 pixels, but the flow has up to '
            f'{np.abs(flow[valid]).max():.1f}. Write .npy or .flo.'
        )
    image = np.dstack([valid, values[..., 1], values[..., 0]]).astype(np.uint16)
    return cv2.imencode('.png', image)[1].tobytes()


def _read_npy(path: Path, data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    try:
        # The header alone: its size is checked before memory is allocated.
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran_order, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # the header is parsed as Python, which may raise anything
        raise _broken(path, f'not a complete .npy file ({reason(error)})') from error
    start = file.tell()
    if dtype.hasobject:
        raise _broken(path, 'not a complete .npy file of numbers: it has Python objects')
    if len(data) - start != math.prod(shape) * dtype.itemsize:
        raise _broken(
            path,
            f'not a complete .npy file: {len(data) - start} bytes for {shape} of '
            f'{dtype}, which has {math.prod(shape) * dtype.itemsize}; it is '
            'truncated or damaged',
        )
    if len(shape) != 3 or 2 not in (shape[0], shape[2]) or min(shape) <= 0:
        raise InputError(f'{path}: holds {shape}, but a flow is (H, W, 2) or (2, H, W).')
    if dtype.kind != 'f' and (dtype.kind, dtype.itemsize) != ('i', 2):
        raise InputError(f'{path}: holds {dtype}, but a flow is float, or int16 (10 x the flow).')
    order: Literal['C', 'F'] = 'F' if fortran_order else 'C'
    flow: np.ndarray = np.frombuffer(data, dtype, offset=start).reshape(shape, order=order)
    if flow.shape[2] != 2:
        flow = np.moveaxis(flow, 0, 2)
    if dtype == np.float16:  # torch takes a tenth of the time of numpy, and wants a writable array
        return torch.from_numpy(flow.copy()).float().numpy()
    return flow / np.float32(INT16_SCALE) if dtype.kind == 'i' else flow


def _npy_bytes(path: Path, flow: np.ndarray, dtype: str) -> bytes:
    if dtype not in ('float32', 'float16', 'int16'):
        raise ValueError(f"write_flow: dtype={dtype!r} is not 'float32', 'float16' or 'int16'.")
    values = np.round(flow * INT16_SCALE) if dtype == 'int16' else flow
    limits = np.iinfo(dtype) if dtype == 'int16' else np.finfo(dtype)
    # Not `any(... > max)`: int16 has no NaN either.
    if not (np.abs(values) <= limits.max).all():
        raise ValueError(
            f'{path}: the flow has values that {dtype} cannot hold (largest '
            f'{np.abs(flow).max()} pixels). Write float32.'
        )
    file = io.BytesIO()
    np.save(file, values.astype(dtype))
    return file.getvalue()
