"""Pseudo-random numbers and smooth noise as functions of coordinates."""

from __future__ import annotations

import functools

import cv2
import numpy as np


def hash01(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Pseudo-random numbers in [0, 1) of integer triples; the same triple gives the same number."""
    h = (
        x.astype(np.int64).astype(np.uint32) * np.uint32(73856093)
        ^ y.astype(np.int64).astype(np.uint32) * np.uint32(19349663)
        ^ z.astype(np.int64).astype(np.uint32) * np.uint32(83492791)
    )
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(2246822519)
    return (h >> np.uint32(8)).astype(np.float64) * (1 / (1 << 24))


@functools.cache
def _noise_tile() -> np.ndarray:
    """Periodic 256 x 256 fractal noise in [-1, 1]."""
    rng = np.random.default_rng(20)
    total = np.zeros((256, 256), np.float32)
    for level in range(2, 8):
        size = 1 << level
        grid: np.ndarray = rng.uniform(-1, 1, (size, size)).astype(np.float32)
        grid = np.pad(grid, ((2, 2), (2, 2)), mode='wrap')
        scale = 256 // size
        grid = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += grid[2 * scale : -2 * scale, 2 * scale : -2 * scale] * 0.62 ** (level - 2)
    return np.clip(total / (2.2 * total.std()), -1, 1)


def noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Smooth noise in [-1, 1] with period 256 and features of 2 to 64 units; (n,) -> (n,)."""
    width = 1024
    rows = max(-(-len(x) // width), 1)
    maps: np.ndarray = np.zeros((2, rows * width), np.float32)
    for row, values in enumerate((x, y)):
        # np.mod(values, 256), exact too, but several times as fast
        maps[row, : len(x)] = values - 256 * np.floor(values / 256)
    maps = maps.reshape(2, rows, width)
    found = cv2.remap(_noise_tile(), maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return found.reshape(-1)[: len(x)].astype(np.float64)
