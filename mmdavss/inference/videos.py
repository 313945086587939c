"""Reads videos (files, folders of frames, cameras, streams) frame by frame; nothing is kept."""

from __future__ import annotations

import logging
import os
import re
import shlex
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import cv2
import numpy as np
from mmengine.logging import print_log

from mmdavss.datasets.clip import IMAGE_SUFFIXES
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.utils.addresses import without_password
from mmdavss.utils.errors import UserError, number_of, printable
from mmdavss.utils.images import opencv_name
from mmdavss.utils.inputs import list_frames

FOLDER_FPS = 10.0
CAMERA_FPS = 25.0
#: A video file is damaged if it lacks more than this share of the frames in its header, and more
#: than two: headers of some formats are estimates.
TOLERATED = 0.02
#: Packets without a frame, or seconds, after which reading ends.
RETRIES, PATIENCE = 1000, 5.0
#: Seconds within which a server must answer, and send the next frame.
WAIT = 15.0
#: Exit code of tools that finished, but on an incomplete video.
DAMAGED = 3

_URL = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*://')
_DEVICE = re.compile(r'/dev/video([0-9]+)')


class Frame(NamedTuple):
    """A frame of a video.

    Attributes:
        name: Name of its file without suffix, or its number.
        image: (H, W, 3), uint8, BGR.
        shown: Its file, or its video and number, for messages.
    """

    name: str
    image: np.ndarray
    shown: str = ''


class VideoReader:
    """The frames of a video, in order. It can be iterated repeatedly; a camera continues.

    Where the container allows it, a packet that cannot be decoded costs only its own frame, and the
    numbers of the other frames stay. If a file has fewer frames than its header says, a warning is
    logged once, and :attr:`note` and :attr:`damaged` are set.

    Args:
        source: Video file; folder of images (in natural order of their names); number of a camera,
            as an int or in digits, or its ``/dev/videoN``; or address of a stream or file
            (``rtsp://``, ``http://`` and other protocols of OpenCV's FFmpeg).
        limit: Maximum number of frames to read; all by default.

    Attributes:
        name: Name of the video, for titles and files.
        shown: The source without the password of an address, for messages.
        place: The file or the folder; None for a camera or an address.
        fps: Frames per second; 10 for a folder.
        live: Whether it is a camera or an endless stream.
        count: Number of frames if known, None for a camera. The header of a video file may be off
            by a few frames.
        read: Number of readable frames, once the end has been reached; None before.
        reached: One more than the number of the last readable frame, likewise.
        note: "N of about M frames ..." once frames are known to be missing, otherwise None.
        damaged: Whether more frames are missing than inexact headers explain.

    Raises:
        UserError: If the video does not exist or OpenCV cannot read it.
    """

    read: int | None = None
    reached: int | None = None
    note: str | None = None
    damaged = False
    _silent = False
    place: Path | None = None

    def __init__(self, source: str | Path | int, limit: int | None = None) -> None:
        self.source = source
        self.limit = limit
        self._files: list[Path] | None = None
        path = Path(str(source))
        # A file may have the name of a camera.
        there = not isinstance(source, int) and (path.is_file() or path.is_dir())
        self.place = path if there else None
        self._url = url = not there and _URL.match(str(source)) is not None
        self._camera = None if there or url else _camera(source)
        # A name in another encoding than that of this system cannot be printed as it is.
        self.shown = printable(without_password(str(source)))
        if self._camera is not None:
            self.name = f'camera{self._camera}'
        elif url:
            parts = urlsplit(str(source))
            self.name = Path(parts.path).stem or parts.hostname or 'stream'
        else:
            self.name = printable(path.resolve().stem if path.is_file() else path.resolve().name)
        if there and path.is_dir():
            try:
                self._files = list_frames(path)
            except FileNotFoundError as error:
                raise UserError(str(error)) from None
            self.fps, count = FOLDER_FPS, len(self._files)
        else:
            if not there and not url and self._camera is None:
                raise UserError(
                    f'{source} does not exist: name a video file, a folder of images '
                    f'({", ".join(IMAGE_SUFFIXES)}), the number of a camera, or an '
                    'address (rtsp://, http://)'
                )
            # Anything but a local file is passed to FFmpeg unchanged.
            self._opened: str | int = str(source)
            if self._camera is not None:
                self._opened = self._camera
            elif there:  # in a relative name FFmpeg would take a colon for the end of a protocol
                self._opened = str(path.absolute())
            video = self._open()
            fps = video.get(cv2.CAP_PROP_FPS)
            self.fps = fps if 0 < fps < 1000 else CAMERA_FPS
            count = 0 if self._camera is not None else int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            video.release()
        self._header = count if count > 0 else None
        self.live = self._camera is not None or (url and self._header is None)
        if limit is not None:
            count = min(count, limit) if count > 0 else limit
        self.count = count if count > 0 else None

    def first(self, limit: int) -> VideoReader:
        """A reader of the first frames of the same video; it does not repeat warnings."""
        other = copy(self)
        other.limit = limit
        other.count = limit if self.count is None else min(self.count, limit)
        return other

    def is_at(self, path: str | Path) -> bool:
        """Whether a path is the file or the folder that the frames come from."""
        if self.place is None or not os.path.exists(path):
            return False
        return os.path.samefile(path, self.place)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames.

        Raises:
            UserError: If a video has no readable frame.
            ValueError: If an image of a folder is broken.
        """
        if self._files is not None:
            yield from (
                Frame(file.stem, read_image(str(file)), str(file))
                for file in self._files[: self.limit]
            )
            return
        found = False
        for number, image in self._walk(None):
            found = True
            yield Frame(f'{number:06d}', image, f'{self.shown}: frame {number}')
        if not found and self.limit != 0:
            raise UserError(
                f'{self.shown} gives no frame: '
                + (
                    'another program uses the camera'
                    if self._camera is not None
                    else f'the server sent nothing for {WAIT:g} seconds'
                    if self._silent
                    else 'it is damaged, or of a codec that OpenCV does not have'
                )
            )

    def length(self) -> int:
        """Number of readable frames, by counting: headers of video files are inexact."""
        if self._files is not None:
            return len(self._files[: self.limit])
        walk = self._walk(())
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value

    def choose(self, numbers: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Reads some of the frames, in order; where possible, others are not decoded.

        Args:
            numbers: Numbers of the frames, from 0.

        Yields:
            Number and image (H, W, 3), uint8, BGR, of each readable frame.
        """
        wanted = sorted(set(numbers))
        if self._files is not None:
            yield from ((number, read_image(str(self._files[number]))) for number in wanted)
        elif wanted:
            yield from self._walk(set(wanted), wanted[-1])

    def _open(self) -> cv2.VideoCapture:
        began = time.monotonic()
        with _quiet():
            if self._url:
                limit = round(1000 * WAIT)
                limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit]
                limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
                video = cv2.VideoCapture(self._opened, cv2.CAP_ANY, limits)
            else:
                video = cv2.VideoCapture(
                    self._opened if isinstance(self._opened, int) else opencv_name(self._opened)
                )
        if video.isOpened():
            return video
        if self._camera is not None:
            raise UserError(f'there is no camera {self.source}, or another program uses it')
        if self.place is not None and not os.access(self.place, os.R_OK):
            raise UserError(f'{self.source} may not be read (permission denied)')
        if self.place is not None:
            raise UserError(
                f'{self.source} is no video that OpenCV can read: convert it, for example with  '
                f'ffmpeg -i {shlex.quote(str(self._opened))} video.mp4  or to a folder of images. '
                'If it was copied or downloaded: is it whole?'
            )
        if time.monotonic() - began >= WAIT:
            raise UserError(
                f'{self.shown} cannot be opened: the server does not answer within {WAIT:g} '
                'seconds: is the address right, and does it send a video?'
            )
        raise UserError(
            f'{self.shown} cannot be opened: is the address right, does the server '
            'answer, and is it a video? OpenCV reads what FFmpeg reads'
        )

    def _walk(
        self, wanted: Collection[int] | None, last: int | None = None
    ) -> Generator[tuple[int, np.ndarray], None, int]:
        """Goes through the video once.

        Args:
            wanted: Numbers of the frames to yield; None for all.
            last: Number of the last frame to read; None for the end of the video.

        Yields:
            Number and image of each frame.

        Returns:
            Number of readable frames.
        """
        video = self._open()
        read = failures = 0
        number, torn, complete = -1, False, False
        moment, failing_since = -1000.0 / self.fps, 0.0
        try:
            while (self.limit is None or read < self.limit) and (last is None or number < last):
                began = time.monotonic()
                with _quiet() if self._url else nullcontext():
                    found, image, step = video.grab(), None, 1
                now = video.get(cv2.CAP_PROP_POS_MSEC)
                if found and (torn or failures):
                    # Decoders read ahead, so that only timestamps show how many frames are missing.
                    step = max(1, round((now - moment) * self.fps / 1000))
                if found and (wanted is None or number + step in wanted):
                    found, image = video.retrieve()  # some decode here
                if self._url and time.monotonic() - began >= 0.9 * WAIT:
                    # A frame that arrives after the timeout is incomplete.
                    self._silent = complete = True
                    break
                if not found:
                    # The end of a file and an undecodable packet look the same.
                    failures += 1
                    if failures == 1:
                        failing_since = time.monotonic()
                    rest = RETRIES if self._header is None else self._header - read
                    if failures > min(rest, RETRIES) or time.monotonic() - failing_since > PATIENCE:
                        complete = True
                        break
                    continue
                torn, failures = torn or failures > 0, 0
                number, moment, read = number + step, now, read + 1
                if image is not None:
                    yield number, image
        finally:
            video.release()
        self._judge(read, number + 1, torn, complete)
        return read

    def _judge(self, read: int, reached: int, torn: bool, complete: bool) -> None:
        """Sets :attr:`note` and :attr:`damaged`, and warns once if frames are missing.

        Args:
            read: Number of readable frames.
            reached: One more than the number of the last of them.
            torn: Whether packets between them had no frame.
            complete: Whether the end of the video was reached.
        """
        if complete:
            self.read, self.reached = read, reached
        expected = max(reached, self._header or 0) if complete else reached
        missing = expected - read
        if self._silent and read:
            self.note = (
                f'{self.shown}: the server sent nothing for {WAIT:g} seconds, after '
                f'{number_of(read, "frame")}'
                + (f' of about {self._header}' if self._header else '')
            )
            self.damaged = not self.live
            print_log(self.note, logger='current', level=logging.WARNING)
            return
        if self.live or not (read and (torn or missing > 0)):
            return
        why = (
            'damaged places were left out'
            if torn and reached == expected
            else 'it is damaged, or a copy or download of it broke off'
        )
        told, self.note = (
            self.note,
            f'{self.shown}: {read} of about {expected} frames can be read: {why}',
        )
        self.damaged = torn or missing > max(2, TOLERATED * expected)
        if told is None:
            print_log(self.note, logger='current', level=logging.WARNING)


def _camera(source: str | Path | int) -> int | None:
    """Number of the camera that a source names, or None if it names none."""
    if isinstance(source, int):
        return source
    if re.fullmatch('[0-9]+', str(source)):
        return int(str(source))
    # Links such as /dev/v4l/by-id/... too.
    device = _DEVICE.fullmatch(str(Path(source).resolve()))
    return int(device[1]) if device else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Context manager: opens a video without log output of OpenCV and FFmpeg.

    FFmpeg stays silent for the whole process unless ``OPENCV_FFMPEG_LOGLEVEL`` is set, which OpenCV
    reads when it first opens a video.
    """
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    logger = cv2.utils.logging
    before = logger.setLogLevel(logger.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logger.setLogLevel(before)
