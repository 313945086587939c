"""Prediction in sliding windows, as mmseg's ``slide_inference`` does it, for clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from mmseg.models.utils import resize
from torch import Tensor

from mmdavss.ops import resize_flow

MODES = ('whole', 'slide')

#: Predicts a window: its frames, its flow and its number to scores (N, K, h, w).
WindowPredictor = Callable[[Tensor, Tensor | None, int], Tensor]


class Windows(NamedTuple):
    """Overlapping windows of one size that cover a frame.

    Attributes:
        crop_size: (height, width) of a window. Larger than a frame, it is cut to the frame.
        stride: (vertical, horizontal) distance of neighbouring windows. The last window of a row or
            column is moved back to end at the border.
    """

    crop_size: tuple[int, int]
    stride: tuple[int, int]

    def slices(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each window of a frame, row by row."""
        for rows in _spans(height, self.crop_size[0], self.stride[0]):
            for columns in _spans(width, self.crop_size[1], self.stride[1]):
                yield rows, columns

    def predict(
        self,
        predict: WindowPredictor,
        frames: Tensor,
        flow: Tensor | None,
        align_corners: bool,
    ) -> Tensor:
        """The mean of the scores of all windows that hold a pixel.

        Args:
            predict: Predicts a window, at any resolution.
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H', W') or None. It is brought to the size of the frames and cropped
                with them. Its values stay: distances do not depend on the window.
            align_corners: How the scores of a window are resized to it.

        Returns:
            (N, K, H, W), float32 of scores in half precision.
        """
        size = tuple(frames.shape[-2:])
        if flow is not None and flow.shape[1] > 0 and tuple(flow.shape[-2:]) != size:
            flow = resize_flow(flow.flatten(0, 1), size).unflatten(0, flow.shape[:2])
        total, count = None, frames.new_zeros(1, 1, *size)
        for number, (rows, columns) in enumerate(self.slices(*size)):
            crop = frames[..., rows, columns]
            own_flow = None if flow is None else flow[..., rows, columns]
            scores = resize(
                predict(crop, own_flow, number),
                crop.shape[-2:],
                mode='bilinear',
                align_corners=align_corners,
            )
            if total is None:
                # As in mmseg: in half precision sums of many windows would be rounded.
                dtype = torch.promote_types(scores.dtype, torch.float32)
                total = scores.new_zeros(*scores.shape[:2], *size, dtype=dtype)
            total[..., rows, columns] += scores
            count[..., rows, columns] += 1
        return total / count


def _spans(length: int, crop: int, stride: int) -> Iterator[slice]:
    for number in range(max(length - crop + stride - 1, 0) // stride + 1):
        end = min(number * stride + crop, length)
        yield slice(max(end - crop, 0), end)


def windows_of(test_cfg: Mapping[str, Any] | None) -> Windows | None:
    """The windows that the ``test_cfg`` of a segmentor asks for, None for whole frames.

    Raises:
        ValueError: If ``mode`` is neither ``whole`` nor ``slide``, or ``slide`` comes without
            ``crop_size`` and ``stride``, or with windows that leave pixels out.
    """
    test_cfg = test_cfg or {}
    mode = test_cfg.get('mode', 'whole')
    if mode not in MODES:
        raise ValueError(f'test_cfg.mode={mode!r} of the segmentor is not one of {MODES}.')
    if mode == 'whole':
        return None
    given = [test_cfg.get(name) for name in ('crop_size', 'stride')]
    if not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and min(pair) > 0 for pair in given
    ):
        raise ValueError(
            "test_cfg.mode='slide' of the segmentor needs crop_size=(height, width) and "
            f'stride=(vertical, horizontal), both above 0; given are {given[0]} and {given[1]}.'
        )
    crop_size, stride = map(tuple, given)
    if any(step > side for step, side in zip(stride, crop_size, strict=True)):
        raise ValueError(
            f'test_cfg.stride={stride} of the segmentor leaves pixels between windows out: it must '
            f'not be above crop_size={crop_size}.'
        )
    return Windows(crop_size, stride)
