"""How time and memory grow with pixels, classes, clip length and bank size.

    python benchmarks/scaling.py --write
    python benchmarks/scaling.py --parts 'STPL contrast' VPQ

Each row doubles one quantity three times. Exponents are slopes of a straight line through the
logarithms of quantity and time (process time, one thread, median; the sizes alternate) and of
quantity and memory (peak on top of what exists before the call; Linux). An exponent of 1 is linear
growth; below it, parts that do not grow dominate. Memory that is freed goes back to the system at
once here, which makes times longer than they are elsewhere. ``--write`` puts the table, which has
all parts, into docs/speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from streaming import config_of, moving

from mmdavss.analysis.results import with_part
from mmdavss.evaluation.video_panoptic_quality import confusion_with_void, video_panoptic_quality
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.losses import stpl_loss
from mmdavss.modules import ClassStatistics

DOCUMENT = Path(__file__).parents[1] / 'docs/speed.md'
BEGIN = '<!-- Scaling: written by `python benchmarks/scaling.py --write` -->'
END = '<!-- End of scaling -->'
#: Freed memory goes back to the system at once, so that peaks can be seen.
MALLOC = ('MALLOC_MMAP_THRESHOLD_', '65536')
CHANNELS = 128


class Row(NamedTuple):
    part: str
    grows: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Callable[[], object]]


def doubled(first: int) -> tuple[int, ...]:
    return tuple(first * 2**k for k in range(4))


def size_of(pixels: int) -> tuple[int, int]:
    """Width and height of about so many pixels."""
    width = round((pixels * 2) ** 0.5 / 32) * 32
    return width, round(pixels / width / 32) * 32


def step(pixels: int = 2**13, classes: int = 15, length: int = 2) -> Callable[[], object]:
    """Losses and gradients of the source for Accel, one clip."""
    model = MODELS.build(config_of('Accel', classes).model)
    width, height = size_of(pixels)
    frames = torch.randint(255, (length, 3, height, width), dtype=torch.uint8)
    sample = SegDataSample()
    sample.gt_sem_seg = PixelData(data=torch.randint(classes, (1, height, width)))
    flow = torch.zeros(length - 1, 2, height, width)

    def call() -> None:
        data = dict(frames=[frames], flow=[flow])
        batch = model.data_preprocessor(
            dict(inputs=dict(source=data), data_samples=dict(source=[sample])), training=True
        )
        sum(
            value for name, value in model(**batch, mode='loss').items() if 'loss' in name
        ).backward()
        model.zero_grad()

    return call


def statistics_of(pixels: int = 2**13, classes: int = 15) -> Callable[[], object]:
    rows = F.normalize(torch.randn(pixels, CHANNELS), dim=1)
    labels = torch.randint(classes, (pixels,))
    estimator = ClassStatistics(classes, CHANNELS)
    return lambda: estimator.update(rows, labels)


def contrast(kind: str, pixels: int = 2**13, classes: int = 16, bank: int = 0):
    """SePiCo's contrasts with their gradient."""
    features = F.normalize(torch.randn(1, CHANNELS, pixels // 64, 64), dim=1).requires_grad_()
    labels = torch.randint(classes, (1, pixels // 64, 64))
    learned = ClassStatistics(classes, CHANNELS, bank_size=bank)
    learned.count.fill_(1)
    learned.mean.normal_().div_(CHANNELS)
    learned.bank.normal_().div_(CHANNELS)
    learned.bank_added.fill_(bank)
    module = MODELS.build(dict(type=f'{kind}Loss'))

    def call() -> None:
        features.grad = None
        losses = module(features, labels, learned)
        (losses['loss_contrast'] + losses['loss_reg']).backward()

    return call


def stpl(pixels: int = 2**11, classes: int = 15) -> Callable[[], object]:
    q, k = (F.normalize(torch.randn(pixels, CHANNELS), dim=1).requires_grad_() for _ in range(2))
    labels = torch.randint(classes, (pixels,))
    return lambda: stpl_loss(q, k, labels, labels, classes).backward()


def vpq(pixels: int = 2**16, classes: int = 15, length: int = 4) -> Callable[[], object]:
    label, prediction = (torch.randint(classes, (length, pixels)) for _ in range(2))

    def call() -> None:
        frames = [
            confusion_with_void(*pair, classes) for pair in zip(prediction, label, strict=True)
        ]
        video_panoptic_quality([np.stack(frames)])

    return call


def stream(pixels: int = 2**13, classes: int = 15, length: int = 2, frames: int = 4):
    """Frames of a stream of Accel with DIS after its first ones."""
    config = config_of('Accel', classes)
    config.test_dataloader.dataset.clip_length = length
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, 'random.pth')
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), checkpoint)
        segment = VideoSegmenter(config, checkpoint)
    images = list(moving(size_of(pixels), length + frames))

    def call() -> None:
        for _ in segment(images):
            pass

    return call


ROWS = [
    Row('step', 'pixels', doubled(2**13), step),
    Row('step', 'classes', doubled(15), lambda n: step(classes=n)),
    Row('step', 'clip length', (2, 4, 8, 16), lambda n: step(length=n)),
    Row('statistics', 'pixels', doubled(2**12), statistics_of),
    Row('statistics', 'classes', doubled(15), lambda n: statistics_of(classes=n)),
    Row('DistCL', 'pixels', doubled(2**13), lambda n: contrast('DistCL', n)),
    Row('DistCL', 'classes', doubled(15), lambda n: contrast('DistCL', classes=n)),
    Row('BankCL', 'pixels', doubled(2**13), lambda n: contrast('BankCL', n, bank=100)),
    Row('BankCL', 'classes', doubled(15), lambda n: contrast('BankCL', classes=n, bank=100)),
    Row('BankCL', 'bank size', doubled(50), lambda n: contrast('BankCL', bank=n)),
    Row('STPL contrast', 'pixels', doubled(2**10), stpl),
    Row('STPL contrast', 'classes', doubled(15), lambda n: stpl(classes=n)),
    Row('VPQ', 'pixels', doubled(2**17), vpq),
    Row('VPQ', 'classes', doubled(15), lambda n: vpq(classes=n)),
    Row('VPQ', 'clip length', (4, 8, 16, 32), lambda n: vpq(length=n)),
    Row('stream', 'pixels', doubled(2**14), stream),
    Row('stream', 'classes', doubled(15), lambda n: stream(classes=n)),
    Row('stream', 'clip length', (2, 4, 8, 16), lambda n: stream(length=n, frames=16 - n)),
    Row('stream', 'frames', (8, 16, 32, 64), lambda n: stream(frames=n)),
]


def memory(key: str) -> float:
    status = Path('/proc/self/status').read_text()
    return int(status.partition(f'{key}:')[2].split()[0]) / 2**10


def peak(call: Callable[[], object]) -> float:
    """MiB of the second call."""
    call()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = memory('VmRSS')
    Path('/proc/self/clear_refs').write_text('5')
    call()
    return max(memory('VmHWM') - before, 0.01)


def milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start)


def slope(sizes: tuple[int, ...], values: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = list(dict.fromkeys(row.part for row in ROWS))
    parser.add_argument('--parts', nargs='+', choices=parts, help='default: all')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--write', action='store_true', help='put the table into docs/speed.md')
    args = parser.parse_args()
    if args.write and args.parts:
        parser.error('--write puts the whole table into docs/speed.md: call it without --parts')
    if os.environ.get(MALLOC[0]) != MALLOC[1]:
        os.environ[MALLOC[0]] = MALLOC[1]
        os.execv(sys.executable, [sys.executable, *sys.argv])
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.disable(logging.WARNING)
    init_default_scope('mmseg')
    lines = [
        '| part | grows | from, to | time | exponent | memory | exponent |',
        '|---|---|---|---|---|---|---|',
    ]
    print('\n'.join(lines))
    for row in ROWS:
        if args.parts and row.part not in args.parts:
            continue
        torch.manual_seed(0)
        with contextlib.redirect_stdout(None):
            calls = [row.prepare(size) for size in row.sizes]
            mib = [peak(call) for call in calls]
            # The sizes alternate: on a shared machine, slow minutes are slow for all of them.
            rounds = [[milliseconds(call) for call in calls] for _ in range(args.rounds)]
        ms = [statistics.median(times) for times in zip(*rounds, strict=True)]
        # Below a MiB, the pages of the allocator are what is seen.
        growth = '' if min(mib) < 1 else f'{slope(row.sizes, mib):.2f}'
        cells = f'{mib[0]:.1f}, {mib[-1]:.1f} MiB' if max(mib) >= 1 else 'under 1 MiB'
        line = (
            f'| {row.part} | {row.grows} | {row.sizes[0]}, {row.sizes[-1]} | '
            f'{ms[0]:.3g}, {ms[-1]:.3g} ms | {slope(row.sizes, ms):.2f} | {cells} | {growth} |'
        )
        print(line, flush=True)
        lines.append(line)
    if args.write:
        DOCUMENT.write_text(with_part(DOCUMENT.read_text(), BEGIN, END, '\n'.join(lines)))


if __name__ == '__main__':
    main()
