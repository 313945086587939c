"""How time and memory grow with pixels, classes, clip length and bank size.

    python benchmarks/scaling.py --write
    python benchmarks/scaling.py --parts 'STPL contrast' VPQ

Each row doubles one quantity three times. Exponents are slopes of a straight line through the
logarithms of quantity and time (process time, one thread, the least of all rounds; the sizes
alternate) and of quantity and memory (peak on top of what exists before the call; Linux). An
exponent of 1 is linear growth; below it, parts that do not grow dominate. Freed memory stays with
the process while time is measured, and goes back to the system at once while memory is: the system
fills what it gives with zeros, which would be half of the time of large frames. Pixels of a step
and of a stream end at those of 1280x720.

Steps are of the source (``step``), of VST, which reads all frames of a clip, and of SePiCo with
BankCL, all on one clip. A stream has no clips: it keeps what it needs of the frames before, so what
grows is the video. ``--write`` puts the table, which has all parts, into docs/speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
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
#: Freed memory goes back to the system at once, so that peaks can be seen; not in `milliseconds`.
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


def fill(learned: ClassStatistics) -> None:
    """Makes up statistics of all classes, with full banks."""
    learned.count.fill_(1)
    learned.mean.normal_().div_(CHANNELS)
    learned.bank.normal_().div_(CHANNELS)
    learned.bank_added.fill_(learned.bank_size)


def step(
    pixels: int = 2**13, classes: int = 15, length: int = 2, net: str = 'Accel', **method
) -> Callable[[], object]:
    """Losses and gradients of a method, by default of the source alone; one clip a domain."""
    config = config_of(net, classes).model
    config.update(method)
    model = MODELS.build(config)
    if hasattr(model, 'statistics'):
        fill(model.statistics)
    width, height = size_of(pixels)
    inputs, samples = {}, {}
    for domain in ('target',) if model.source_free else ('source', 'target'):
        frames = torch.randint(255, (length, 3, height, width), dtype=torch.uint8)
        labels = torch.randint(classes, (length, height, width))
        flow = torch.zeros(length - 1, 2, height, width)
        inputs[domain] = dict(frames=[frames])
        if length > 1:
            inputs[domain].update(flow=[flow], forward_flow=[flow])
        samples[domain] = [SegDataSample()]
        samples[domain][0].gt_sem_seg = PixelData(data=labels[-1:])
        samples[domain][0].gt_clip_seg = PixelData(data=labels)

    def call() -> None:
        batch = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), training=True)
        for losses in model.loss_groups(model.domain_batch(**batch)):
            sum(value for name, value in losses.items() if 'loss' in name).backward()
        model.zero_grad()

    return call


def vst(length: int) -> Callable[[], object]:
    """A step on pseudo-labels of all frames of a clip."""
    return step(length=length, type='VST', refinement='consensus')


def bankcl(bank: int) -> Callable[[], object]:
    """A step of SePiCo with BankCL, on frames."""
    return step(
        length=1,
        net='PerFrame',
        type='SePiCo',
        contrastive_loss=dict(type='BankCLLoss'),
        statistics=dict(type='ClassStatistics', covariance=None, bank_size=bank),
        projection=dict(type='ProjectionHead', channels=CHANNELS),
        augment=dict(type='StrongAugment'),
    )


def statistics_of(pixels: int = 2**13, classes: int = 15, bank: int = 0) -> Callable[[], object]:
    rows = F.normalize(torch.randn(pixels, CHANNELS), dim=1)
    labels = torch.randint(classes, (pixels,))
    estimator = ClassStatistics(classes, CHANNELS, bank_size=bank)
    return lambda: estimator.update(rows, labels)


def contrast(kind: str, pixels: int = 2**13, classes: int = 16, bank: int = 0):
    """SePiCo's contrasts with their gradient."""
    features = F.normalize(torch.randn(1, CHANNELS, pixels // 64, 64), dim=1).requires_grad_()
    labels = torch.randint(classes, (1, pixels // 64, 64))
    learned = ClassStatistics(classes, CHANNELS, bank_size=bank)
    fill(learned)
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


def vpq(pixels: int = 2**17, classes: int = 15, length: int = 4) -> Callable[[], object]:
    label, prediction = (torch.randint(classes, (length, pixels)) for _ in range(2))

    def call() -> None:
        frames = [
            confusion_with_void(*pair, classes) for pair in zip(prediction, label, strict=True)
        ]
        video_panoptic_quality([np.stack(frames)])

    return call


def stream(pixels: int = 2**13, classes: int = 15, frames: int = 4):
    """A video by Accel with DIS."""
    config = config_of('Accel', classes)
    config.test_dataloader.dataset.clip_length = 2
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, 'random.pth')
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), checkpoint)
        segment = VideoSegmenter(config, checkpoint)
    images = list(moving(size_of(pixels), frames))

    def call() -> None:
        for _ in segment(images):
            pass

    return call


ROWS = [
    Row('step', 'pixels', doubled(1280 * 720 // 8), step),
    Row('step', 'classes', doubled(15), lambda n: step(classes=n)),
    Row('step, VST', 'clip length', doubled(2), vst),
    Row('step, BankCL', 'bank size', doubled(50), bankcl),
    Row('statistics', 'pixels', doubled(2**12), statistics_of),
    Row('statistics', 'classes', doubled(15), lambda n: statistics_of(classes=n)),
    Row('statistics', 'bank size', doubled(50), lambda n: statistics_of(bank=n)),
    Row('DistCL', 'pixels', doubled(2**13), lambda n: contrast('DistCL', n)),
    Row('DistCL', 'classes', doubled(15), lambda n: contrast('DistCL', classes=n)),
    Row('BankCL', 'pixels', doubled(2**13), lambda n: contrast('BankCL', n, bank=100)),
    Row('BankCL', 'classes', doubled(15), lambda n: contrast('BankCL', classes=n, bank=100)),
    Row('BankCL', 'bank size', doubled(50), lambda n: contrast('BankCL', bank=n)),
    Row('STPL contrast', 'pixels', doubled(2**10), stpl),
    Row('STPL contrast', 'classes', doubled(15), lambda n: stpl(classes=n)),
    Row('VPQ', 'pixels', doubled(2**17), vpq),
    Row('VPQ', 'classes', doubled(15), lambda n: vpq(classes=n)),
    Row('VPQ', 'clip length', doubled(4), lambda n: vpq(length=n)),
    Row('stream', 'pixels', doubled(1280 * 720 // 8), lambda n: stream(n, frames=2)),
    Row('stream', 'classes', doubled(15), lambda n: stream(classes=n)),
    Row('stream', 'frames of the video', doubled(8), lambda n: stream(frames=n)),
]


def keep_memory(keep: bool) -> None:
    """Whether the process keeps freed memory (glibc)."""
    libc = ctypes.CDLL(None)
    m_trim_threshold, m_mmap_max = -1, -4
    libc.mallopt(m_mmap_max, 0 if keep else 65536)
    libc.mallopt(m_trim_threshold, 2**31 - 1 if keep else 2**17)
    if not keep:
        libc.malloc_trim(0)


def memory(key: str) -> float:
    status = Path('/proc/self/status').read_text()
    return int(status.partition(f'{key}:')[2].split()[0]) / 2**10


def peak(call: Callable[[], object]) -> float:
    """MiB of the second call."""
    keep_memory(False)
    call()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = memory('VmRSS')
    Path('/proc/self/clear_refs').write_text('5')
    call()
    return max(memory('VmHWM') - before, 0.01)


def milliseconds(call: Callable[[], object]) -> float:
    keep_memory(True)
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start)


def slope(sizes: tuple[int, ...], values: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def listed(values: Sequence[float], form: str) -> str:
    return ', '.join(format(value, form) for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = list(dict.fromkeys(row.part for row in ROWS))
    parser.add_argument('--parts', nargs='+', choices=parts, help='default: all')
    parser.add_argument('--rounds', type=int, default=5)
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
        '| part | grows | sizes | time, ms | exponent | memory, MiB | exponent |',
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
        ms = [min(times) for times in zip(*rounds, strict=True)]
        # Below a MiB, the pages of the allocator are what is seen.
        growth = '' if min(mib) < 1 else f'{slope(row.sizes, mib):.2f}'
        line = (
            f'| {row.part} | {row.grows} | {listed(row.sizes, "d")} | {listed(ms, ".3g")} | '
            f'{slope(row.sizes, ms):.2f} | '
            f'{listed(mib, ".1f") if max(mib) >= 1 else "under 1"} | {growth} |'
        )
        print(line, flush=True)
        lines.append(line)
    if args.write:
        DOCUMENT.write_text(with_part(DOCUMENT.read_text(), BEGIN, END, '\n'.join(lines)))


if __name__ == '__main__':
    main()
