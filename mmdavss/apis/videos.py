"""Reading videos: files, folders of frames, cameras. Frame by frame, nothing is kept."""
from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmdavss.apis.inference import list_frames
from mmdavss.apis.launch import UserError
from mmdavss.datasets.clip import IMAGE_SUFFIXES
from mmdavss.datasets.transforms.loading import read_image

FOLDER_FPS = 10.
CAMERA_FPS = 25.


class Frame(NamedTuple):
    """A frame of a video: its name (without suffix) and the image (H, W, 3), uint8, BGR."""
    name: str
    image: np.ndarray


class VideoReader:
    """The frames of a video, in order; may be iterated several times (a camera goes on).

    Args:
        source: Video file, folder of images (in natural order of their names), or the number of a
            camera, as an int or in digits.
        limit: Frames to read at most, all by default.

    Attributes:
        name: Of the video, for titles and files.
        fps: Frames per second; a folder has none of its own and gets 10.
        live: Whether it is a camera, which goes on until somebody stops it.
        count: Number of frames as far as it is known, None for a camera. The header of a video
            file may say a few more or less than can be read.

    Raises:
        UserError: If there is no such video, or OpenCV cannot read it.
    """

    def __init__(self, source: str | Path | int, limit: int | None = None) -> None:
        self.source = source
        self.limit = limit
        self._files: list[Path] | None = None
        path = Path(str(source))
        camera = isinstance(source, int) or (str(source).isdigit() and not path.exists())
        self._camera = int(source) if camera else None
        self.live = camera
        if camera:
            self.name = f'camera{source}'
        else:
            self.name = path.resolve().stem if path.is_file() else path.resolve().name
        if path.is_dir() and not camera:
            try:
                self._files = list_frames(path)
            except FileNotFoundError as error:
                raise UserError(str(error)) from None
            self.fps, count = FOLDER_FPS, len(self._files)
        else:
            if not camera and not path.is_file():
                raise UserError(f'{source} does not exist: name a video file, a folder of images '
                                f'({", ".join(IMAGE_SUFFIXES)}) or the number of a camera')
            video = self._open()
            fps = video.get(cv2.CAP_PROP_FPS)
            self.fps = fps if 0 < fps < 1000 else CAMERA_FPS
            count = 0 if camera else int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            video.release()
        if limit is not None:
            count = min(count, limit) if count > 0 else limit
        self.count = count if count > 0 else None

    def _open(self) -> cv2.VideoCapture:
        if self._camera is not None:
            video = cv2.VideoCapture(self._camera)
            problem = f'there is no camera {self._camera}, or another program uses it'
        else:
            video = cv2.VideoCapture(str(self.source))
            problem = (f'{self.source} is no video that OpenCV can read: convert it, for example '
                       f'with  ffmpeg -i {Path(str(self.source)).name} video.mp4  or to a folder '
                       'of images')
        if not video.isOpened():
            raise UserError(problem)
        return video

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames.

        Raises:
            UserError: If a video file gives no frame at all.
            ValueError: If an image of a folder is broken.
        """
        for number, frame in enumerate(self._frames()):
            if number == self.limit:
                return
            yield frame

    def length(self) -> int:
        """Number of frames that can be read, counted: headers of video files are not exact."""
        if self._files is not None:
            number = len(self._files)
        else:
            video, number = self._open(), 0
            while (self.limit is None or number < self.limit) and video.grab():
                number += 1
            video.release()
        return number if self.limit is None else min(number, self.limit)

    def choose(self, numbers: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Some of the frames, in order; those in between are not decoded where that is possible.

        Args:
            numbers: Of the frames, from 0.

        Yields:
            Number and image (H, W, 3), uint8, BGR.
        """
        wanted = sorted(set(numbers))
        if self._files is not None:
            yield from ((number, read_image(str(self._files[number]))) for number in wanted)
            return
        video, position = self._open(), 0
        try:
            for number in wanted:
                while position <= number and video.grab():
                    position += 1
                found, image = video.retrieve()
                if position <= number or not found:
                    raise UserError(f'{self.source}: frame {number} cannot be read')
                yield number, image
        finally:
            video.release()

    def _frames(self) -> Iterator[Frame]:
        if self._files is not None:
            yield from (Frame(file.stem, read_image(str(file))) for file in self._files)
            return
        video, number = self._open(), 0
        try:
            while True:
                found, image = video.read()
                if not found:
                    break
                yield Frame(f'{number:06d}', image)
                number += 1
        finally:
            video.release()
        if number == 0:
            raise UserError(f'{self.source} gives no frame: the file is damaged, or of a codec '
                            'that OpenCV does not have')
