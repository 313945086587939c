"""Contact sheet: the looks, with labels, flow and occlusion."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mmdavss.utils.images import write_png

from .generate import Settings, make_world
from .labels import PALETTE


def flow_colours(flow: np.ndarray, largest: float) -> np.ndarray:
    """A flow (H, W, 2) as uint8 RGB: hue is direction, saturation is length up to `largest`."""
    length = np.hypot(flow[..., 0], flow[..., 1])
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1 * 179
    hsv = np.stack([hue, 255 * np.clip(length / largest, 0, 1) ** 0.6, np.full_like(hue, 255)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def contact_sheet(path: Path, size: tuple[int, int] = (320, 160)) -> None:
    """Draws frames of source and target beside their labels, flow and occlusion.

    Args:
        path: PNG file to write; its folder is created.
        size: Width and height of each image; those for CamVid are 4:3.
    """
    settings = Settings()
    rows = []
    wide, narrow = size, (size[0], size[0] * 3 // 4)
    for kind, index, size in (
        ('viper', 2, wide),
        ('viper', 6, wide),
        ('cityscapes', 4, wide),
        ('cityscapes', 12, wide),
        ('camvid', 53, narrow),
        ('camvid', 119, narrow),
    ):
        world = make_world(settings, kind, 'train', index)
        frame = world.render(5, size)
        flow, visible = world.exact_flow(5, 4, size)
        hidden = np.where(
            visible[..., None], frame.rgb // 2 + 96, np.array([220, 30, 30], np.uint8)
        )
        tiles = [
            frame.rgb,
            PALETTE[frame.labels],
            flow_colours(flow, size[0] / 20),
            hidden.astype(np.uint8),
        ]
        rows.append(
            np.hstack(
                [np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in tiles]
            )
        )
    write_png(path, np.ascontiguousarray(np.vstack(rows)[..., ::-1]), level=9)
