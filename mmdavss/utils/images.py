"""Image files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .errors import printable
from .files import replace_file


def opencv_name(path: str | Path) -> Any:
    """The name of a video for OpenCV, which crashes on one that is not UTF-8, but takes bytes."""
    name = str(path)
    return name if name == printable(name) else os.fsencode(name)


def write_png(path: str | Path, image: np.ndarray, level: int | None = None) -> None:
    """Writes a png file, completely or not at all, and makes its folder.

    Not with ``cv2.imwrite``, which does not report a full disk.

    Args:
        path: The file.
        image: (H, W), (H, W, 3) in BGR, or (H, W, 4); uint8 or uint16.
        level: Of the compression, up to 9; None for OpenCV's own.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [] if level is None else [cv2.IMWRITE_PNG_COMPRESSION, level]
    replace_file(path, cv2.imencode('.png', image, options)[1].tobytes())
