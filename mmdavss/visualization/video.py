"""Writing videos."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from mmdavss.utils.images import opencv_name

#: Seconds without a change after which the partial file of another process counts as left behind.
STALE = 86400.0
#: Maximum width and height of MPEG-4, pixels.
MAX_SIDE = 8191


class VideoWriter:
    """Writes frames to an mp4 file, as a context manager.

    The file appears under its name only when the block ends without an error and the file holds
    all frames, so that neither an interrupted run nor a full disk leaves half a video.

    Args:
        path: The file; its folder is created. An existing file is replaced.
        fps: Frames per second; rounded where MPEG-4 cannot hold them.

    Raises:
        ValueError: If `path` does not end in ``.mp4``.
        OSError: At the end of the block, if frames are missing in the file.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path)
        if self.path.suffix != '.mp4':
            raise ValueError(f'{self.path}: a video file must end in .mp4')
        # OpenCV writes them as a fraction of powers of ten, whose numerator may be at most 65535.
        self.fps = fps if fps < 65 else round(fps, 2 if fps < 655 else 1)
        # OpenCV takes the format from the suffix, and in a relative name a colon for the end of a
        # protocol. Random, so that no link can be planted there.
        self._partial = self.path.absolute().with_name(
            f'.{self.path.stem}.{secrets.token_hex(16)}.partial.mp4'
        )
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0

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
        self._count += 1

    def _open(self, frame: np.ndarray) -> cv2.VideoWriter:
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            raise ValueError(f'{self.path}: frames of {width}x{height}, but both must be even')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_stale()
        # MPEG-4, which every build of OpenCV can write and read.
        writer = cv2.VideoWriter(
            opencv_name(self._partial), cv2.VideoWriter.fourcc(*'mp4v'), self.fps, (width, height)
        )
        if not writer.isOpened():
            size = f'{width}x{height}'
            raise OSError(
                f'{self.path}: frames of {size}, but MPEG-4 takes at most {MAX_SIDE} pixels each '
                'way: make the panels narrower (--width)'
                if max(width, height) > MAX_SIDE
                else f'{self.path}: OpenCV cannot write a video of {size} at {self.fps:g} frames/s'
            )
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
        try:
            if kind is None:
                self._check()
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _check(self) -> None:
        """Compares the frames in the file with those written: OpenCV reports no failed writing."""
        found = cv2.VideoCapture(opencv_name(self._partial))
        count = int(found.get(cv2.CAP_PROP_FRAME_COUNT)) if found.isOpened() else 0
        found.release()
        if count != self._count:
            raise OSError(
                f'{self.path}: {count} of {self._count} frames could be written: make room if the '
                'disk is full, or write elsewhere (--out)'
            )

    def _remove_stale(self) -> None:
        """Removes partial files of this video that killed processes left behind."""
        partial = re.compile(rf'\.{re.escape(self.path.stem)}\.[0-9a-f]{{32}}\.partial\.mp4')
        for path in self.path.parent.iterdir():
            if partial.fullmatch(path.name):
                with suppress(FileNotFoundError):  # its process has just finished it
                    if time.time() - path.stat().st_mtime > STALE:
                        path.unlink()
