from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmdavss.visualization import VideoWriter


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


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / 'video.mp4'
    path.write_text('earlier')
    with pytest.raises(KeyError), VideoWriter(path, 10) as video:
        video.write(np.zeros((48, 96, 3), np.uint8))
        raise KeyError
    assert path.read_text() == 'earlier'
    assert list(tmp_path.iterdir()) == [path]


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
