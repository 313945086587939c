"""Drawings of optical flow. All images are RGB, uint8."""

from __future__ import annotations

import numpy as np
from mmcv.visualization import flow2rgb


def draw_flow(flow: np.ndarray, longest: float) -> np.ndarray:
    """Draws flow with the usual colour wheel: hue is direction, saturation is length.

    Args:
        flow: (H, W, 2), pixels; NaN (unknown) becomes black.
        longest: Length of full saturation. Longer flow is clipped to it.

    Returns:
        (H, W, 3).
    """
    length = np.linalg.norm(flow, axis=-1, keepdims=True)
    clipped = flow * np.minimum(1, longest / np.maximum(length, 1e-12))
    # mmcv scales each image to its own longest flow: an extra row fixes the scale for all.
    row = np.zeros_like(clipped[:1])
    row[..., 0] = longest
    coloured = flow2rgb(np.concatenate([clipped, row]).astype(np.float32))[:-1]
    return np.rint(255 * coloured.clip(0, 1)).astype(np.uint8)


def draw_wheel(size: int) -> np.ndarray:
    """Draws the colour key of :func:`draw_flow`: flow from the centre to each pixel of a disc.

    Args:
        size: Height and width.
    """
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    flow = np.stack(np.meshgrid(axis, axis), -1)
    wheel = draw_flow(flow, 1.0)
    wheel[np.linalg.norm(flow, axis=-1) > 1] = 255
    return wheel
