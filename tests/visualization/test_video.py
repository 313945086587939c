from __future__ import annotations

import os
import resource

import cv2
import numpy as np
import pytest

from mmdavss.visualization import VideoWriter
from mmdavss.visualization.video import STALE


def read(path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while (answer := video.read())[0]:
        frames.append(answer[1][..., ::-1])
    return frames


def test_round_trip(tmp_path):
    path = tmp_path / 'new' / 'video.mp4'
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    with VideoWriter(path, 10) as video:
        for colour in colours:
            video.write(np.full((48, 96, 3), colour, np.uint8))
        assert not path.exists()
    frames = read(path)
    assert [frame.shape for frame in frames] == [(48, 96, 3)] * 3
    # Compression changes the colours a little; red stays red.
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.mean((0, 1)) - colour).max() < 12
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == 10
    assert [file.name for file in path.parent.iterdir()] == ['video.mp4']


def test_a_name_that_begins_like_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('12:30 drive.mp4', '12:30/drive.mp4'):
        with VideoWriter(name, 10) as video:
            video.write(np.zeros((48, 96, 3), np.uint8))
        assert len(read(tmp_path / name)) == 1


@pytest.mark.parametrize('fps', [29.97002997, 119.7314, 700.123])
def test_any_number_of_frames_per_second(fps, tmp_path):
    path = tmp_path / 'video.mp4'
    with VideoWriter(path, fps) as video:
        video.write(np.zeros((48, 96, 3), np.uint8))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=1e-4)


def test_a_video_that_is_too_wide_names_the_option(tmp_path):
    with pytest.raises(OSError, match='v.mp4: frames of 8192x48, .* 8191 .*--width'):
        with VideoWriter(tmp_path / 'v.mp4', 10) as video:
            video.write(np.zeros((48, 8192, 3), np.uint8))


def test_names_that_are_not_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b'/fahrt_\xe4.mp4')
    with VideoWriter(path, 10) as video:
        video.write(np.zeros((48, 96, 3), np.uint8))
    assert [os.fsencode(file.name) for file in tmp_path.iterdir()] == [b'fahrt_\xe4.mp4']


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / 'video.mp4'
    path.write_text('earlier')
    with pytest.raises(KeyError), VideoWriter(path, 10) as video:
        video.write(np.zeros((48, 96, 3), np.uint8))
        raise KeyError
    assert path.read_text() == 'earlier'
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A limit on the size of files fails as a full disk does, of which OpenCV says nothing."""
    path = tmp_path / 'video.mp4'
    path.write_text('earlier')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    frames = np.random.default_rng(0).integers(0, 256, (8, 48, 96, 3), np.uint8)
    try:
        with pytest.raises(OSError, match='video.mp4: 0 of 8 frames.*--out'):
            with VideoWriter(path, 10) as video:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
                for frame in frames:
                    video.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == 'earlier'
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_a_killed_process_left_is_removed(tmp_path):
    """Not the partial files of running processes, nor those of other videos."""
    left, running = (tmp_path / f'.a.{digit * 32}.partial.mp4' for digit in '01')
    other = tmp_path / f'.a.b.{"0" * 32}.partial.mp4'
    for path in (left, running, other):
        path.touch()
    for path in (left, other):
        os.utime(path, (0, path.stat().st_mtime - STALE - 60))
    with VideoWriter(tmp_path / 'a.mp4', 10) as video:
        video.write(np.zeros((48, 96, 3), np.uint8))
    assert set(tmp_path.iterdir()) == {running, other, tmp_path / 'a.mp4'}


@pytest.mark.parametrize(
    ('shapes', 'words'),
    [
        ([(47, 96, 3)], '96x47.*even'),
        ([(48, 96, 3), (48, 98, 3)], r'\(48, 98, 3\).*\(48, 96, 3\)'),
    ],
)
def test_frames_that_do_not_fit(shapes, words, tmp_path):
    with pytest.raises(ValueError, match=words), VideoWriter(tmp_path / 'v.mp4', 10) as video:
        for shape in shapes:
            video.write(np.zeros(shape, np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_other_suffix():
    with pytest.raises(ValueError, match='v.avi.*mp4'):
        VideoWriter('v.avi', 10)
