"""Writing videos."""

from __future__ import annotations

import glob
import secrets
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np


class VideoWriter:
    """Writes frames to an mp4 file, as a context manager.

    The file appears under its name only when the block ends without an error, so that an
    interrupted run does not leave half a video.

    Args:
        path: The file; its folder is created. An existing file is replaced.
        fps: Frames per second.

    Raises:
        ValueError: If `path` does not end in ``.mp4``.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path)
        if self.path.suffix != '.mp4':
            raise ValueError(f'{self.path}: a video file must end in .mp4')
        self.fps = fps
        # OpenCV takes the format from the suffix. Random, so that no link can be planted there.
        self._partial = self.path.with_name(
            f'.{self.path.stem}.{secrets.token_hex(16)}.partial.mp4'
        )
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()

    def write(self, frame: np.ndarray) -> None:
        """Adds a frame.

        Args:
            frame: (H, W, 3), uint8, RGB; H and W even, the same for all frames.

        Raises:
            ValueError: If a side is odd, or the frame has another size than the first.
            OSError: If the file cannot be written.
        """
        if self._writer is None:
            self._writer = self._open(frame)
        if frame.shape != self._shape:
            raise ValueError(
                f'{self.path}: a frame of shape {frame.shape} in a video of {self._shape}'
            )
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, frame: np.ndarray) -> cv2.VideoWriter:
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            raise ValueError(f'{self.path}: frames of {width}x{height}, but both must be even')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob(f'.{glob.escape(self.path.stem)}.*.partial.mp4'):
            left.unlink()  # by a process that was killed
        # MPEG-4, which every build of OpenCV can write and read.
        writer = cv2.VideoWriter(
            str(self._partial), cv2.VideoWriter.fourcc(*'mp4v'), self.fps, (width, height)
        )
        if not writer.isOpened():
            raise OSError(f'{self.path}: OpenCV cannot write this video')
        self._shape = frame.shape
        return writer

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)
