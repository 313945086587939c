"""Compares the segmentation of a stream of frames with its network alone.

    python benchmarks/streaming.py [--size 960 540] [--classes 15] [--frames 10]

EfficientNet-Lite0 with random weights, frame by frame, as Accel and as DFF, segments frames at
their own size on one thread. `network` is the time within the video net, up to scores at the
resolution of its head; `flow` that of the optical flow that it needs (DIS); `stream` is the whole,
from the decoded frame to the class of each of its pixels. Process time, means over the frames after
the first five, which are DFF's first clip. Share: network and flow over the stream.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmdavss  # noqa: F401
from mmdavss.inference.segmenter import VideoSegmenter

KEY_INTERVAL = 5
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


def measure(net: str, size: tuple[int, int], classes: int, frames: int) -> dict[str, float]:
    """Mean milliseconds of each part of a frame."""
    config = config_of(net, classes)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, 'random.pth')
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), checkpoint)
        segment = VideoSegmenter(config, checkpoint)
    network, flow = Timer(), Timer()
    # Instance attributes hide the methods.
    segment.model.net.predict_next = network.around(segment.model.net.predict_next)
    for step in segment.pipeline.transforms:
        if type(step).__name__ == 'LoadFlow':
            step.transform = flow.around(step.transform)
    parts = dict(network=0.0, flow=0.0, stream=0.0)
    stream = segment(moving(size, frames + KEY_INTERVAL))
    for number in range(frames + KEY_INTERVAL):
        start = time.process_time()
        next(stream)
        took = dict(stream=time.process_time() - start, network=network.take(), flow=flow.take())
        if number >= KEY_INTERVAL:
            parts = {key: parts[key] + seconds for key, seconds in took.items()}
    return {key: 1e3 * seconds / frames for key, seconds in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, nargs=2, default=(960, 540), metavar=('W', 'H'))
    parser.add_argument('--classes', type=int, default=15)
    parser.add_argument('--frames', type=int, default=10, help='measured frames, a multiple of 5')
    parser.add_argument('--nets', nargs='+', choices=NETS, default=list(NETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.disable(logging.WARNING)
    init_default_scope('mmseg')
    print('| net | network | flow | stream | share |\n|---|---|---|---|---|')
    for net in args.nets:
        with contextlib.redirect_stdout(None):
            result = measure(net, tuple(args.size), args.classes, args.frames)
        print(
            f'| {net} | '
            + ' | '.join(f'{result[key]:.0f} ms' for key in ('network', 'flow', 'stream'))
            + f' | {(result["network"] + result["flow"]) / result["stream"]:.2f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
