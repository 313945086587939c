from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from mmdavss.apis import UserError
from mmdavss.inference import videos
from mmdavss.inference.videos import VideoReader

pytestmark = pytest.mark.slow


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


def test_mistakes(tmp_path, monkeypatch):
    with pytest.raises(UserError, match='gone.mp4 does not exist: name a video file, a folder'):
        VideoReader(tmp_path / 'gone.mp4')
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(UserError, match='text.mp4 is no video that OpenCV can read.*ffmpeg'):
        VideoReader(tmp_path / 'text.mp4')
    with monkeypatch.context() as patch, pytest.raises(UserError, match='text.mp4 may not be read'):
        patch.setattr(os, 'access', lambda path, mode: False)
        VideoReader(tmp_path / 'text.mp4')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty is not a folder with images'):
        VideoReader(tmp_path / 'empty')
    for camera in (73, '73'):
        with pytest.raises(UserError, match='there is no camera 73'):
            VideoReader(camera)


# ------------------------------------------------------------------------------- damaged videos


def test_one_bad_packet_costs_one_frame(jpegs, monkeypatch):
    said = []
    monkeypatch.setattr('mmdavss.inference.videos.print_log', lambda text, **_: said.append(text))
    whole = {frame.name: frame.image for frame in VideoReader(jpegs())}
    assert len(whole) == 20
    path = jpegs(lost=[8])
    reader = VideoReader(path)
    assert (reader.count, reader.read, reader.note, reader.damaged) == (20, None, None, False)
    frames = list(reader)
    # Numbers stay, so that masks of the frames behind belong to what they are named after.
    assert [frame.name for frame in frames] == sorted(whole.keys() - {'000008'})
    assert all((frame.image == whole[frame.name]).all() for frame in frames)
    words = f'{path}: 19 of about 20 frames can be read: damaged places were left out'
    assert reader.note == words and reader.damaged and reader.read == reader.length() == 19
    assert said == [words]  # once, though it was read twice
    assert [number for number, _ in reader.choose([7, 8, 9, 19])] == [7, 9, 19]
    # The first frames have no damage.
    few = VideoReader(path, 5)
    assert len(list(few)) == few.length() == 5 and few.note is None and not few.damaged
    assert len(list(reader.first(10))) == 10 and len(said) == 1


@pytest.mark.parametrize('lost', [[0], [0, 1, 2], [3, 4, 5, 9]])
def test_several_bad_packets(jpegs, lost):
    reader = VideoReader(jpegs(lost=lost))
    names = [frame.name for frame in reader]
    assert names == [f'{n:06d}' for n in range(20) if n not in lost]
    assert f'{20 - len(lost)} of about 20 frames' in reader.note


def test_video_that_breaks_off(jpegs):
    reader = VideoReader(jpegs(share=0.5))
    found = len(list(reader))
    assert 5 < found < 15 and reader.count == 20 and reader.damaged
    assert (
        f'jpegs.avi: {found} of about 20 frames can be read: it is damaged, or a copy or '
        'download of it broke off' in reader.note
    )
    assert reader.length() == found and reader.read == found


class Packets:
    """In the place of cv2.VideoCapture: packets of a film, some of which give no frame.

    The decoder holds frames back, as those of h264 and h265 do.
    """

    made: list[Packets] = []

    def __init__(self, packets='', header=0, delay=0, fps=25.0):
        self.packets, self.header, self.delay, self.fps = packets, header, delay, fps
        self.now, self.held, self.place = 0.0, [], 0
        self.made.append(self)

    def isOpened(self):
        return True

    def get(self, key):
        return {
            cv2.CAP_PROP_FPS: self.fps,
            cv2.CAP_PROP_FRAME_COUNT: self.header,
            cv2.CAP_PROP_POS_MSEC: self.now,
        }.get(key, 0.0)

    def grab(self):
        while self.place < len(self.packets):
            self.place += 1
            if self.packets[self.place - 1] == '.':
                return False
            self.held.append(self.place - 1)
            if len(self.held) > self.delay:
                break
        if not self.held:
            return False
        self.now = self.held.pop(0) * 1000 / self.fps
        return True

    def retrieve(self):
        return True, np.full((4, 6, 3), round(self.now * self.fps / 1000) % 256, np.uint8)

    def release(self):
        pass


@pytest.mark.parametrize('delay', [0, 3])
@pytest.mark.parametrize(
    ('packets', 'header', 'note', 'damaged'),
    [
        ('#' * 40, 40, None, False),
        ('#' * 40, 38, None, False),
        ('#' * 40, 0, None, False),
        ('#' * 38, 40, '38 of about 40', False),
        ('#' * 37, 40, '37 of about 40', True),
        ('#' * 980, 1000, '980 of about 1000', False),
        ('#' * 979, 1000, '979 of about 1000', True),
        ('#' * 20 + '.' + '#' * 19, 40, '39 of about 40', True),
        ('#' * 20 + '...' + '#' * 7 + '.' + '#' * 9, 40, '36 of about 40', True),
        ('#' * 20 + '.' * 20, 40, '20 of about 40', True),
        # The header does not know, or is wrong.
        ('#' * 20 + '.' + '#' * 19, 0, '39 of about 40', True),
        ('#' * 10, 10**9, '10 of about 1000000000', True),
    ],
)
def test_holes(monkeypatch, video_file, packets, header, note, damaged, delay):
    monkeypatch.setattr('cv2.VideoCapture', lambda _: Packets(packets, header, delay))
    reader = VideoReader(video_file)
    frames = list(reader)
    assert [int(frame.name) for frame in frames] == [
        number for number, packet in enumerate(packets) if packet == '#'
    ]
    assert all(frame.image[0, 0, 0] == int(frame.name) % 256 for frame in frames)
    assert (reader.note is None) == (note is None) and (note or '') in (reader.note or '')
    assert reader.damaged == damaged
    assert [n for n, _ in reader.choose([5, 20, 22])] == [
        n for n in (5, 20, 22) if packets[n : n + 1] == '#'
    ]


# ----------------------------------------------------------------------------- where they come from


@pytest.mark.parametrize('name', ['12:30 drive.mp4', 'a:b.mp4', "http:it's.mp4", '7', 'c%03d.mp4'])
def test_names_of_files(name, video_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(video_file, name)
    assert len(list(VideoReader(name))) == 12
    (tmp_path / name).write_text('no video')
    with pytest.raises(UserError) as error:
        VideoReader(name)
    # The command that it advises is one.
    command = re.search(r'with  (.*?)  or', str(error.value))[1]
    assert shlex.split(command) == ['ffmpeg', '-i', str(tmp_path / name), 'video.mp4']


def test_names_that_are_not_utf8(video_file):
    """OpenCV crashes on them, as text."""
    path = os.fsdecode(os.fsencode(video_file.parent) + b'/fahrt_\xe4.mp4')
    video_file.rename(path)
    reader = VideoReader(path)
    assert len(list(reader)) == 12 and reader.name == 'fahrt_\\udce4'
    assert reader.shown.endswith('fahrt_\\udce4.mp4') and reader.is_at(path)


def test_address(tmp_path, jpegs, monkeypatch):
    for variable in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(variable, raising=False)
    jpegs()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    monkeypatch.setattr(SimpleHTTPRequestHandler, 'log_message', lambda *_: None)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'127.0.0.1:{server.server_port}'
        reader = VideoReader(f'http://{address}/jpegs.avi')
        assert (reader.name, reader.count, reader.live) == ('jpegs', 20, False)
        assert len(list(reader)) == 20
        with pytest.raises(UserError, match='gone.avi cannot be opened: is the address right'):
            VideoReader(f'http://{address}/gone.avi')
        server.shutdown()
    with pytest.raises(UserError) as error:
        VideoReader(f'http://me:se@cret@{address}/jpegs.avi')
    assert f'http://***@{address}/jpegs.avi' in str(error.value) and 'cret' not in str(error.value)


@pytest.fixture
def silent_server(monkeypatch):
    """Makes a server that sends some bytes and then nothing more; gives its address."""
    monkeypatch.setattr(videos, 'WAIT', 1.0)
    for variable in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(variable, raising=False)
    with ExitStack() as stack:

        def make(content: bytes) -> str:
            server = stack.enter_context(socket.create_server(('127.0.0.1', 0)))

            def serve() -> None:
                with suppress(OSError):  # closed at the end
                    while True:
                        connection = stack.enter_context(server.accept()[0])
                        if content:
                            connection.recv(4096)
                            connection.sendall(content)

            threading.Thread(target=serve, daemon=True).start()
            return f'127.0.0.1:{server.getsockname()[1]}'

        yield make


@pytest.mark.parametrize('scheme', ['http', 'rtsp', 'tcp'])
@pytest.mark.parametrize('content', [b'', b'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n'])
def test_a_server_that_does_not_answer(scheme, content, silent_server, monkeypatch, capfd):
    if content and scheme == 'rtsp':
        pytest.skip('this is HTTP')
    monkeypatch.setattr(videos, 'WAIT', 0.3)  # nothing comes, however long it waits
    source = f'{scheme}://{silent_server(content)}/a.mp4'
    began = time.monotonic()
    with pytest.raises(UserError, match=f'{source} cannot be opened: the server does not answer'):
        VideoReader(source)
    assert time.monotonic() - began < 5
    assert 'Stream timeout' not in capfd.readouterr().err  # OpenCV's own words


def test_a_server_that_stops_in_the_middle(silent_server, jpegs, tmp_path, capfd):
    jpegs()
    data = (tmp_path / 'jpegs.avi').read_bytes()
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n'.encode()
    reader = VideoReader(f'http://{silent_server(head + data[: len(data) // 2])}/jpegs.avi')
    assert (reader.count, reader.live) == (20, False)
    began = time.monotonic()
    found = len(list(reader))
    assert time.monotonic() - began < 5 and 2 < found < 18
    assert reader.damaged and f'sent nothing for 1 seconds, after {found} frames of about 20' in (
        reader.note
    )
    assert 'Stream timeout' not in capfd.readouterr().err


def test_a_stream_that_stops(silent_server, moving_images):
    parts = b''.join(
        b'--frame\r\nContent-Type: image/jpeg\r\n\r\n'
        + cv2.imencode('.jpg', image)[1].tobytes()
        + b'\r\n'
        for image in moving_images(12)
    )
    head = b'HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n'
    reader = VideoReader(f'http://{silent_server(head + parts)}/live')
    assert reader.live
    found = len(list(reader))
    assert found >= 10 and f'sent nothing for 1 seconds, after {found} frames' in reader.note
    assert not reader.damaged


@pytest.mark.parametrize(
    ('source', 'opened', 'name'),
    [
        (0, 0, 'camera0'),
        ('1', 1, 'camera1'),
        ('/dev/video7', 7, 'camera7'),
        ('rtsp://me:pass@host/live?a=1', 'rtsp://me:pass@host/live?a=1', 'live'),
        ('rtsp://host', 'rtsp://host', 'host'),
    ],
)
def test_what_goes_on_for_ever(tmp_path, monkeypatch, source, opened, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '0').mkdir()  # '0' would be this folder, 0 is the camera
    asked = []

    def capture(where, *timeouts):
        asked.append(where)
        return Packets('#' * 5 + '.' + '#' * 5, -1)

    monkeypatch.setattr('cv2.VideoCapture', capture)
    reader = VideoReader(source)
    assert (reader.name, reader.live, reader.count) == (name, True, None)
    assert len(list(VideoReader(source, 7))) == 7 and VideoReader(source, 7).count == 7
    assert set(asked) == {opened} and 'pass' not in reader.shown
    # A bad packet of a stream is no damage.
    assert len(list(reader)) == 10 and reader.note is None


def test_quiet(tmp_path):
    """Imports say nothing; FFmpeg and OpenCV, which write to stderr by themselves, neither."""
    (tmp_path / 'text.mp4').write_text('no video')
    code = (
        'from mmdavss.inference.videos import VideoReader\n'
        'from mmdavss.apis import UserError\n'
        'for source in ("text.mp4", 73, "/dev/video73", "rtsp://127.0.0.1:1/x"):\n'
        '    try: VideoReader(source)\n'
        '    except UserError: pass\n'
        '    else: raise SystemExit(f"{source} was opened")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.getcwd()),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
