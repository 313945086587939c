"""Margins of target images that a method must not learn from."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PseudoLabelMargins(BaseTransform):
    """Marks the margins of an image, where pseudo-labels weigh nothing (HRDA).

    The marks go through all that follows, so that a crop knows what it has of the margins:
    ``ignore_top`` and ``ignore_bottom`` of a method are rows of what the network sees. For
    Cityscapes as published: the ego car, and what the rectification has distorted.

    Required keys: ``imgs``. Added keys: ``valid_map`` ((H, W), uint8, 0 in the margins), also named
    in ``seg_fields``.

    Args:
        top: Rows at the top of the image as it is when this transform comes.
        bottom: Rows at the bottom.
        left: Columns at the left.
        right: Columns at the right.

    Raises:
        ValueError: If one is negative, or nothing of an image is left.
    """

    def __init__(self, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> None:
        self.margins = (top, bottom, left, right)
        if min(self.margins) < 0:
            raise ValueError(f'{self}: margins must not be negative.')

    def transform(self, results: dict) -> dict:
        height, width = results['imgs'][-1].shape[:2]
        top, bottom, left, right = self.margins
        if top + bottom >= height or left + right >= width:
            raise ValueError(
                f'{self} leaves nothing of {results["frame_paths"][-1]}, {width}x{height}.'
            )
        valid = np.zeros((height, width), np.uint8)
        valid[top : height - bottom, left : width - right] = 1
        results['valid_map'] = valid
        results.setdefault('seg_fields', []).append('valid_map')
        return results

    def __repr__(self) -> str:
        names = ('top', 'bottom', 'left', 'right')
        given = ', '.join(f'{n}={v}' for n, v in zip(names, self.margins, strict=True))
        return f'{type(self).__name__}({given})'
