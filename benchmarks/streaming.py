"""Compares the segmentation of a stream of frames with its network alone.

    python benchmarks/streaming.py [--size 960 540] [--classes 15] [--frames 10]
    python benchmarks/streaming.py --checkpoint CHECKPOINT --video FOLDER [--overlap]

EfficientNet-Lite0, frame by frame, as Accel and as DFF, segments frames at their own size on one
thread. `network` is the time within the video net, up to scores at the resolution of its head;
`flow` that of the optical flow that it needs (DIS); `classes` that from scores to the class of each
pixel; `stream` is the whole, from the decoded frame. Process time, means over the frames after the
first five, which are DFF's first clip. Share: network and flow over the stream.

Without a checkpoint weights and frames are made up: then all pixels are of one class, and sorting
the scores is cheap. Weights of ``source_only/effnet-lite0_mini`` and the frames of a video give the
time of a real prediction.

With ``--overlap`` the frames are read, prepared (with their flow), segmented, drawn and written to
a video: by two threads, of which one only segments, and in turn. On a busy machine only the CPU
time of the threads means something: on two free cores they gain at most the sum over the larger
one.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmdavss  # noqa: F401
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.inference.inferencer import VideoSegInferencer
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.methods import segmentor
from mmdavss.utils.inputs import list_frames

KEY_INTERVAL = 5
#: What finds the classes.
CLASSES = 'mmdavss.methods.segmentor.resized_argmax'
#: What makes the second thread.
EXECUTOR = 'mmdavss.inference.inferencer.ThreadPoolExecutor'
NETS: dict[str, dict] = dict(
    PerFrame=dict(type='PerFrame'),
    Accel=dict(type='Accel'),
    DFF=dict(type='DFF', padding_mode='border', key_interval=KEY_INTERVAL),
)


def config_of(net: str, classes: int) -> Config:
    """SourceOnly with the network, tested at the size of the frames."""
    base = Config.fromfile(Path(__file__).parents[1] / 'configs/_base_/models/effnet-lite0.py')
    model = base.model.to_dict()
    model['student'].update(NETS[net])
    model['student'].update(allow_random_init=True)
    model['student']['segmentor']['backbone'].pop('init_cfg')
    model['student']['segmentor']['decode_head']['num_classes'] = classes
    names = tuple(f'class {number}' for number in range(classes))
    dataset = dict(
        type='ClipFolderDataset',
        data_root='none',
        metainfo=dict(classes=names, palette=[[number] * 3 for number in range(classes)]),
        test_mode=True,
        pipeline=[dict(type='LoadClip'), dict(type='PackClipInputs')],
    )
    return Config(dict(model=model, test_dataloader=dict(dataset=dataset)))


def moving(size: tuple[int, int], count: int) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) of a smooth pattern that moves by four pixels a frame."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 255, (18, 48, 3), np.uint8)
    wide = cv2.resize(noise, (width + 4 * count, height), interpolation=cv2.INTER_CUBIC)
    for number in range(count):
        yield np.ascontiguousarray(wide[:, 4 * number :][:, :width])


class Timer:
    """Wraps callables and adds up the process time within them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args, **kwargs) -> Any:
            start = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - start

        return timed

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def video(folder: Path, size: tuple[int, int], count: int) -> Iterator[np.ndarray]:
    """The first images (H, W, 3) of a folder, resized; again from the start if there are few."""
    images = [cv2.resize(read_image(str(path)), size) for path in list_frames(folder)[:count]]
    yield from itertools.islice(itertools.cycle(images), count)


@contextlib.contextmanager
def prepared(net: str, classes: int, weights: Path | None) -> Iterator[tuple[Config, Path]]:
    """Context manager: config and checkpoint of a network, quietly."""
    config = config_of(net, classes)
    torch.manual_seed(0)
    if weights is not None:
        config.model.update(source_checkpoint=str(weights))
    with contextlib.redirect_stdout(None), tempfile.TemporaryDirectory() as folder:
        model = MODELS.build(config.model)
        if weights is not None:
            model.init_weights()
        checkpoint = Path(folder, 'all.pth')
        torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
        yield config, checkpoint


def measure(
    net: str, images: Iterator[np.ndarray], classes: int, frames: int, weights: Path | None
) -> dict[str, float]:
    """Mean milliseconds of each part of a frame."""
    with prepared(net, classes, weights) as (config, checkpoint):
        segment = VideoSegmenter(config, checkpoint)
    network, flow, labels = Timer(), Timer(), Timer()
    # Instance attributes hide the methods.
    segment.model.net.predict_next = network.around(segment.model.net.predict_next)
    for step in segment.pipeline.transforms:
        if type(step).__name__ == 'LoadFlow':
            step.transform = flow.around(step.transform)
    parts = dict.fromkeys(('network', 'flow', 'classes', 'stream'), 0.0)
    stream = segment(images)
    with mock.patch(CLASSES, labels.around(segmentor.resized_argmax)):
        for number in range(frames + KEY_INTERVAL):
            start = time.process_time()
            next(stream)
            stop = time.process_time()
            took = dict(
                network=network.take(), flow=flow.take(), classes=labels.take(), stream=stop - start
            )
            if number >= KEY_INTERVAL:
                parts = {key: parts[key] + seconds for key, seconds in took.items()}
    return {key: 1e3 * seconds / frames for key, seconds in parts.items()}


class InTurn(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        done: Future = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def overlap(
    net: str, images: Iterator[np.ndarray], classes: int, weights: Path | None, rounds: int = 3
) -> dict[str, float]:
    """Milliseconds a frame of segmenting a video and writing it, medians.

    Returns:
        CPU time of the thread of the networks (``first``) and of all others (``second``), and the
        time on the clock with two threads (``two``) and one (``one``), which alternate.
    """
    times: dict[str, list[float]] = {key: [] for key in ('first', 'second', 'two', 'one')}
    with prepared(net, classes, weights) as (config, checkpoint):
        segment = VideoSegInferencer(config, checkpoint, device='cpu', show_progress=False)
        video = checkpoint.with_name('frames')
        video.mkdir()
        count = 0
        for image in images:
            cv2.imwrite(str(video / f'{count:04d}.png'), image)
            count += 1
        segment(video, out=checkpoint.with_name('out.mp4'))
        for _ in range(rounds):
            for name, pool in (('two', ThreadPoolExecutor), ('one', lambda _: InTurn())):
                with mock.patch(EXECUTOR, pool):
                    start = time.thread_time(), time.process_time(), time.monotonic()
                    segment(video, out=checkpoint.with_name('out.mp4'), overwrite=True)
                    end = time.thread_time(), time.process_time(), time.monotonic()
                own, both, clock = (y - x for x, y in zip(start, end, strict=True))
                if name == 'two':
                    times['first'].append(own)
                    times['second'].append(both - own)
                times[name].append(clock)
    return {key: 1e3 * statistics.median(values) / count for key, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, nargs=2, default=(960, 540), metavar=('W', 'H'))
    parser.add_argument('--classes', type=int, default=15)
    parser.add_argument('--frames', type=int, default=10, help='measured frames, a multiple of 5')
    parser.add_argument('--checkpoint', type=Path, help='of source_only/effnet-lite0_mini')
    parser.add_argument('--video', type=Path, help='folder of frames')
    parser.add_argument('--overlap', action='store_true', help='of two threads, see above')
    parser.add_argument('--nets', nargs='+', choices=NETS, default=list(NETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.disable(logging.WARNING)
    init_default_scope('mmseg')
    if args.overlap:
        print('| net | networks | flow, reading and writing | two threads | one | most gain |')
        print('|---|---|---|---|---|---|')
    else:
        print('| net | network | flow | classes | stream | share |\n|---|---|---|---|---|---|')
    for net in args.nets:
        size, count = tuple(args.size), args.frames + KEY_INTERVAL
        images = moving(size, count) if args.video is None else video(args.video, size, count)
        if args.overlap:
            took = overlap(net, images, args.classes, args.checkpoint)
            cells = ' | '.join(f'{milliseconds:.0f} ms' for milliseconds in took.values())
            gain = (took['first'] + took['second']) / max(took['first'], took['second'])
            print(f'| {net} | {cells} | {gain:.2f} |', flush=True)
            continue
        result = measure(net, images, args.classes, args.frames, args.checkpoint)
        print(
            f'| {net} | '
            + ' | '.join(f'{result[key]:.0f} ms' for key in result)
            + f' | {(result["network"] + result["flow"]) / result["stream"]:.2f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
