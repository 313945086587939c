"""Video in, video out: the same as clips frame by frame, and no memory of what is over."""

from __future__ import annotations

import _thread
import gc
import itertools
import threading
import time
import weakref
from concurrent.futures import Executor, Future

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS

from mmdavss.apis import UserError, VideoSegInferencer
from mmdavss.inference.inferencer import HELD
from mmdavss.inference.videos import Frame, VideoReader
from mmdavss.launch.model import load_model

pytestmark = pytest.mark.slow


def by_clips(cfg, checkpoint) -> list[np.ndarray]:
    """Classes of each frame of the data set, a clip at a time."""
    net = load_model(cfg, checkpoint)
    with torch.no_grad():
        return [
            net.test_step(pseudo_collate([item]))[0].pred_sem_seg.data[0].numpy()
            for item in DATASETS.build(cfg.test_dataloader.dataset)
        ]


@pytest.mark.parametrize('length', [1, 2, 3])
@pytest.mark.parametrize('kind', ['accel', 'per_frame'])
def test_streaming_is_clip_inference(kind, length, request, saved_model, frame_folder):
    cfg, checkpoint = saved_model(request.getfixturevalue(kind), clip_length=length)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    frames, expected = list(segment.stream(frame_folder)), by_clips(cfg, checkpoint)
    assert [frame.name for frame in frames] == [f'f{n}' for n in range(8)]
    for frame, labels in zip(frames, expected, strict=True):
        assert len(np.unique(labels)) > 1
        assert (frame.labels[0] == labels).mean() > 0.999


def test_a_frame_is_encoded_once(saved_model, accel, frame_folder, monkeypatch):
    cfg, checkpoint = saved_model(accel, clip_length=3)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    backbone = segment.segmenters[0].model.net.segmentor.backbone
    calls = []
    backbone.register_forward_hook(lambda *_: calls.append(1))
    assert len(list(segment.stream(frame_folder))) == len(calls) == 8


class Counted(VideoReader):
    """Frames (90, 120, 3) that are made as they are read; at `marks` it counts what is alive.

    Attributes:
        alive: For each mark the frames, class maps and pictures, and the tensors.
    """

    def __init__(self, count: int, marks: tuple[int, ...]) -> None:
        self.name, self.fps, self.count, self.live, self.limit = 'counted', 25.0, None, False, None
        self.shown, self.frames, self.marks = 'counted', count, marks
        self.arrays: dict[int, weakref.ref] = {}
        self.seen = 0
        self.alive: list[tuple[int, int]] = []

    def see(self, *arrays: np.ndarray) -> None:
        for array in arrays:
            # A view that is kept holds what it is a view of.
            while isinstance(array.base, np.ndarray):
                array = array.base
            key = id(array)
            self.arrays[key] = weakref.ref(array, lambda _, key=key: self.arrays.pop(key, None))
            self.seen += 1

    def __iter__(self):
        rng = np.random.default_rng(0)
        for number in range(self.frames):
            if number in self.marks:
                gc.collect()
                tensors = sum(isinstance(kept, torch.Tensor) for kept in gc.get_objects())
                self.alive.append((len(self.arrays), tensors))
            image = rng.integers(0, 255, (90, 120, 3), np.uint8)
            self.see(image)
            yield Frame(f'{number:06d}', image)


class InTurn(Executor):
    """Runs what it is given at once: what is alive can be counted."""

    def __init__(self, max_workers: int) -> None:
        pass

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_nothing_is_kept_of_frames_that_are_over(saved_model, accel, tmp_path, monkeypatch):
    cfg, checkpoint = saved_model(accel)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    # A block of itertools.tee, which holds its items until all of them are read, has 57: marks at
    # its beginning, middle and end.
    video = Counted(135, marks=(59, 85, 112))
    prepared, held = [], []
    prepare = segment.segmenters[0]._prepare

    def counted(pair, size):
        data = prepare(pair, size)
        prepared.append(weakref.ref(data['inputs']['frames']))
        held.append(sum(frames() is not None for frames in prepared))
        return data

    monkeypatch.setattr(segment.segmenters[0], '_prepare', counted)
    draw = segment.draw

    def drawn(frame, *options):
        picture = draw(frame, *options)
        video.see(*frame.labels, picture)
        return picture

    monkeypatch.setattr(segment, 'draw', drawn)
    monkeypatch.setattr('mmdavss.inference.inferencer.ThreadPoolExecutor', InTurn)
    done = segment(video, out=tmp_path / 'out.mp4', legend=False)
    assert done['frames'] == 135 and video.seen == 3 * 135
    assert cv2.VideoCapture(str(tmp_path / 'out.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 135
    assert video.alive[0] == video.alive[1] == video.alive[2]
    assert 0 < video.alive[0][0] < 30 and video.alive[0][1] > 0
    assert max(held) <= HELD + 2  # one is made, and one seen by the networks


def test_files(saved_model, per_frame, video_file, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    done = segment(
        video_file,
        out=tmp_path / 'o' / 'out.mp4',
        masks=tmp_path / 'masks',
        legend=False,
        opacity=1,
    )
    assert done['frames'] == 12 and done['fps'] > 0
    written = VideoReader(tmp_path / 'o' / 'out.mp4')
    assert written.fps == 12
    frames = list(written)
    assert len(frames) == 12 and frames[0].image.shape == (40, 80, 3)
    assert sorted(p.name for p in (tmp_path / 'masks').iterdir()) == [
        f'{n:06d}.png' for n in range(12)
    ]
    for number, frame in enumerate(segment.stream(video_file)):
        mask = cv2.imread(str(tmp_path / 'masks' / f'{number:06d}.png'), cv2.IMREAD_UNCHANGED)
        assert mask.dtype == np.uint8 and (mask == frame.labels[0]).all()
        # With full opacity the picture is the palette's colours.
        drawn = segment.draw(frame, opacity=1, legend=False)
        assert (drawn == segment.palette[mask]).all()
    drawn = segment.draw(frame, opacity=0, legend=False)
    assert (drawn == frame.image[..., ::-1]).all()
    half = segment.draw(frame, opacity=0.5, legend=False).astype(float)
    assert np.abs(half - (segment.palette[mask] / 2 + frame.image[..., ::-1] / 2)).max() <= 0.5
    assert segment.draw(frame, width=200).shape[1] == 200
    assert segment.draw(frame).shape[1] == 480


def test_errors_of_the_other_thread_arrive(saved_model, per_frame, tmp_path, monkeypatch):
    """Frames are drawn, written and read beside the networks; errors end the run all the same."""
    cfg, checkpoint = saved_model(per_frame)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    main, others = threading.get_ident(), []

    def full(path, labels):
        others.append(threading.get_ident() != main)
        if path.stem == '000003':
            raise OSError('the disk is full')

    monkeypatch.setattr('mmdavss.inference.inferencer.write_png', full)
    for count in (4, 8):  # the last frame, and one that is followed by others
        with pytest.raises(OSError, match='the disk is full'):
            segment(Counted(count, ()), masks=tmp_path / 'masks')
    # Some that follow may be written before the error is seen.
    assert 8 <= len(others) < 8 + HELD and all(others)
    before = len(others)

    class Broken(Counted):
        def __iter__(self):
            yield from itertools.islice(super().__iter__(), 3)
            raise ValueError('the file is broken')

    with pytest.raises(ValueError, match='the file is broken'):
        segment(Broken(5, ()), masks=tmp_path / 'masks')
    assert len(others) == before + 3


def test_a_failed_write_is_told_after_ctrl_c(saved_model, per_frame, tmp_path, monkeypatch):
    """Ctrl-C, which ends a camera, while a write is waited for that then fails."""
    segment = VideoSegInferencer(*saved_model(per_frame), device='cpu', show_progress=False)

    def fails(path, labels):
        if path.stem == '000002':
            time.sleep(0.1)  # until it is waited for
            _thread.interrupt_main()
            raise OSError('the disk is full')

    monkeypatch.setattr('mmdavss.inference.inferencer.write_png', fails)
    camera = Counted(30, ())
    camera.live = True
    with pytest.raises(OSError, match='the disk is full'):
        segment(camera, masks=tmp_path / 'masks')


def test_frames_that_are_ahead_of_an_error_are_left(saved_model, per_frame, tmp_path, monkeypatch):
    segment = VideoSegInferencer(*saved_model(per_frame), device='cpu', show_progress=False)
    prepare, prepared = segment.segmenters[0]._prepare, []
    monkeypatch.setattr(
        segment.segmenters[0],
        '_prepare',
        lambda pair, size: time.sleep(0.1) or prepared.append(None) or prepare(pair, size),
    )

    def broken(prepared):
        next(prepared)
        raise RuntimeError('no memory')
        yield

    monkeypatch.setattr(segment.segmenters[0], 'segmented', broken)
    with pytest.raises(RuntimeError, match='no memory'):
        segment(Counted(30, ()), masks=tmp_path / 'masks')
    # The one that broke it, and those that had begun before the error was seen.
    assert len(prepared) < 1 + HELD


def test_two_models_side_by_side(saved_model, per_frame, accel, frame_folder, tmp_path):
    models = [saved_model(per_frame, 'one'), saved_model(accel, 'two', seed=2)]
    alone = [list(VideoSegInferencer(*m, device='cpu').stream(frame_folder)) for m in models]
    segment = VideoSegInferencer(*zip(*models, strict=True), device='cpu', show_progress=False)
    assert segment.titles == ['one', 'two']
    for frame, *single in zip(segment.stream(frame_folder), *alone, strict=True):
        assert all((a == s.labels[0]).all() for a, s in zip(frame.labels, single, strict=True))
        assert (frame.labels[0] != frame.labels[1]).any()
    segment(
        frame_folder, out=tmp_path / 'out.mp4', masks=tmp_path / 'masks', show_input=True, fps=3
    )
    reader = VideoReader(tmp_path / 'out.mp4')
    shapes = {frame.image.shape for frame in reader}
    assert reader.fps == 3 and shapes.pop()[1] == 3 * 160 + 4 * 4 and not shapes
    assert [len(list((tmp_path / 'masks' / name).iterdir())) for name in segment.titles] == [8, 8]
    for title in ('../x', 'a/b', '.', ''):
        segment.titles = ['one', title]
        with pytest.raises(UserError, match='cannot be the name of a folder of masks'):
            segment(frame_folder, masks=tmp_path / 'others')


def test_flow_of_the_video(saved_model, accel, frame_folder):
    """Flow files of a data set say nothing of another video, and a config may name no flow."""
    cfg, checkpoint = saved_model(accel)
    expected = [
        f.labels[0] for f in VideoSegInferencer(cfg, checkpoint, device='cpu').stream(frame_folder)
    ]
    files = cfg.copy()
    files.test_dataloader.dataset.pipeline[2].provider = dict(type='PrecomputedFlow', root='gone')
    nothing, _ = saved_model(accel, 'b', flow=False)
    for other in (files, nothing):
        maps = [
            f.labels[0]
            for f in VideoSegInferencer(other, checkpoint, device='cpu').stream(frame_folder)
        ]
        assert all((a == b).all() for a, b in zip(maps, expected, strict=True))
    zero = VideoSegInferencer(cfg, checkpoint, flow=dict(type='ZeroFlow'), device='cpu')
    assert any(
        (f.labels[0] != e).any() for f, e in zip(zero.stream(frame_folder), expected, strict=True)
    )


def test_ctrl_c_ends_a_camera(saved_model, per_frame, tmp_path, monkeypatch):
    cfg, checkpoint = saved_model(per_frame)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)

    class Stopped(Counted):
        until = 3

        def __iter__(self):
            yield from itertools.islice(super().__iter__(), self.until)
            raise KeyboardInterrupt

    video = Stopped(5, ())
    with pytest.raises(KeyboardInterrupt):
        segment(video, out=tmp_path / 'file.mp4')
    assert not (tmp_path / 'file.mp4').exists()
    video.live = True
    assert segment(video, out=tmp_path / 'camera.mp4')['frames'] == 3
    assert len(list(VideoReader(tmp_path / 'camera.mp4'))) == 3

    # Before the first one.
    video.until = 0
    with pytest.raises(UserError, match='no frame was segmented'):
        segment(video, out=tmp_path / 'none.mp4')
    assert not (tmp_path / 'none.mp4').exists()
    video.until = 3

    # The last frame is still being written then.
    def full(path, labels):
        if path.stem == '000002':
            raise OSError('the disk is full')

    monkeypatch.setattr('mmdavss.inference.inferencer.write_png', full)
    with pytest.raises(OSError, match='the disk is full'):
        segment(video, out=tmp_path / 'full.mp4', masks=tmp_path / 'masks')
    assert not (tmp_path / 'full.mp4').exists()


@pytest.mark.parametrize('kind', ['png', 'jpg'])
def test_frames_are_not_replaced_by_masks(kind, saved_model, per_frame, frame_folder, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    for path in list(frame_folder.iterdir()) if kind == 'jpg' else ():
        cv2.imwrite(str(path.with_suffix('.jpg')), cv2.imread(str(path)))
        path.unlink()
    before = {path: path.read_bytes() for path in frame_folder.iterdir()}
    (tmp_path / 'link').symlink_to(frame_folder)
    for folder in (frame_folder, tmp_path / 'link'):
        with pytest.raises(UserError, match='is the folder of the frames.*--masks'):
            segment(frame_folder, masks=folder, overwrite=True)
    assert {path: path.read_bytes() for path in frame_folder.iterdir()} == before


def test_frames_of_two_sizes_are_named(saved_model, per_frame, frame_folder, tmp_path):
    cv2.imwrite(str(frame_folder / 'f1.png'), np.zeros((20, 40, 3), np.uint8))
    segment = VideoSegInferencer(*saved_model(per_frame), device='cpu', show_progress=False)
    words = 'frames/f0.png has the size 80x40, .*frames/f1.png 40x20'
    with pytest.raises(ValueError, match=words):
        segment(frame_folder, masks=tmp_path / 'masks')


def test_mistakes(saved_model, per_frame, video_file, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    segment = VideoSegInferencer(cfg, checkpoint, device='cpu', show_progress=False)
    for options, words in [
        ({}, 'nothing is written'),
        (dict(out='a.avi'), 'a.avi: a video file must end in'),
        (dict(out='a.mp4', opacity=2), 'opacity 2'),
        (dict(out='a.mp4', width=0), 'width 0'),
        (dict(out='a.mp4', fps=0.0), 'fps 0'),
        (dict(out='a.mp4', fps=float('nan')), 'fps nan'),
        (dict(out='a.mp4', fps=1e9), 'at most 1000'),
        (dict(out=video_file / 'a.mp4'), 'drive.mp4 cannot be written to.*--out'),
        (dict(masks=video_file), 'drive.mp4 cannot be written to.*--masks'),
        (dict(out=video_file), 'drive.mp4 is there already'),
        (dict(masks=tmp_path / 'masks'), 'masks holds png files already'),
    ]:
        (tmp_path / 'masks').mkdir(exist_ok=True)
        (tmp_path / 'masks' / '1.png').touch()
        with pytest.raises(UserError, match=words):
            segment(video_file, **options)
    with pytest.raises(UserError, match='drive.mp4 is the video itself'):
        segment(video_file, out=tmp_path / 'masks/../drive.mp4', overwrite=True)
    assert len(list(VideoReader(video_file))) == 12
    with pytest.raises(UserError, match='3 classes and 4 colours for a model of 4 classes'):
        VideoSegInferencer(cfg, checkpoint, classes=['a', 'b', 'c'], device='cpu')
    other, path = saved_model(per_frame, 'b')
    other.test_dataloader.dataset.metainfo.classes = ('a', 'b', 'c', 'd')
    with pytest.raises(UserError, match='the models have different classes'):
        VideoSegInferencer([cfg, other], [checkpoint, path], device='cpu')
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        VideoSegInferencer(cfg, 'gone.pth', device='cpu')
