from __future__ import annotations

import numpy as np
import pytest

from mmdavss.apis import UserError
from mmdavss.apis.videos import VideoReader


def test_file(video_file, moving_images):
    reader = VideoReader(video_file)
    assert (reader.name, reader.fps, reader.count, reader.live) == ('drive', 12, 12, False)
    frames = list(reader)
    assert [frame.name for frame in frames] == [f'{n:06d}' for n in range(12)]
    for frame, image in zip(frames, moving_images(12), strict=True):
        assert frame.image.shape == (40, 80, 3) and frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - image).mean() < 20  # compressed
    # Again, and less of it.
    assert [f.name for f in VideoReader(video_file, 2)] == ['000000', '000001']
    assert VideoReader(video_file, 2).count == 2 and VideoReader(video_file, 20).count == 12


def test_folder(frame_folder, moving_images):
    (frame_folder / 'f7.png').rename(frame_folder / 'f10.png')
    reader = VideoReader(frame_folder)
    assert (reader.name, reader.fps, reader.count) == ('frames', 10, 8)
    frames = list(reader)
    assert [frame.name for frame in frames] == [*(f'f{n}' for n in range(7)), 'f10']
    assert all((f.image == i).all() for f, i in zip(frames, moving_images(8), strict=True))


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match='gone.mp4 does not exist: name a video file, a folder'):
        VideoReader(tmp_path / 'gone.mp4')
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(UserError, match='text.mp4 is no video that OpenCV can read.*ffmpeg'):
        VideoReader(tmp_path / 'text.mp4')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty is no folder with images'):
        VideoReader(tmp_path / 'empty')
    for camera in (73, '73'):
        with pytest.raises(UserError, match='there is no camera 73'):
            VideoReader(camera)
