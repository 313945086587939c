"""Compares time and memory of SePiCo's statistics and losses with straightforward forms.

    python benchmarks/sepico.py [--device cpu] [--parts statistics bank ...]
    python benchmarks/sepico.py --rows 1024 4096
    python benchmarks/sepico.py --operations

The straightforward forms follow the published algorithm: an N x C x A tensor for the statistics, a
loop over classes for the banks, a one-hot map for the labels. Losses run forward and backward from
N x A x h x w features, with the regulariser. Each form runs in separate processes, the two forms of
a part alternate; times are medians, on a CPU of process time, and only their ratio matters. Memory
is the peak on top of the inputs, which both forms share. On a CPU it is that of the process
(Linux), measured in a run in which the C library returns freed memory at once.

``--rows`` compares DistCL with blocks of other sizes on the CPU, in one process. ``--operations``
counts what is dispatched for two crops through DAFormer, whose features have a quarter of their
side: contrast, gradient and statistics, in the blocks that a CPU and those that CUDA gets.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics as numbers
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from medians import medians, one_thread
from torch import Tensor

IMAGES, SIZE, FACTOR, CHANNELS, CLASSES, BANK, TEMPERATURE = 2, 640, 8, 512, 19, 200, 100.0
FORMS = ('straightforward', 'mmdavss')


class NaiveStatistics:
    """Running mean, variance and count per class with every row beside every class."""

    def __init__(self, device: str) -> None:
        self.mean = torch.zeros(CLASSES, CHANNELS, device=device)
        self.variance = torch.zeros_like(self.mean)
        self.count = self.mean[:, :1].clone()

    def update(self, features: Tensor, labels: Tensor) -> None:
        kept = labels != 255
        member = F.one_hot(labels[kept], CLASSES)[..., None].to(features)
        of_class = features[kept][:, None] * member
        count = member.sum(0)
        mean = of_class.sum(0) / count.clamp(min=1)
        variance = (of_class - mean * member).pow(2).sum(0) / count.clamp(min=1)
        share = count / (count + self.count).clamp(min=1)
        between = share * (1 - share) * (self.mean - mean).pow(2)
        self.variance = self.variance * (1 - share) + variance * share + between
        self.mean = self.mean * (1 - share) + mean * share
        self.count = self.count + count


def labelled_rows(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    rows = features.permute(0, 2, 3, 1).contiguous().view(-1, CHANNELS)
    kept = labels.flatten() != 255
    return rows[kept], labels.flatten()[kept]


def naive_regulariser(rows: Tensor, mean: Tensor) -> Tensor:
    scores = rows.mean(0, keepdim=True) @ mean.T / TEMPERATURE
    return scores.softmax(1).log().sum() / (CLASSES * math.log(CLASSES))


def naive_proto(rows: Tensor, labels: Tensor, mean: Tensor) -> Tensor:
    return F.cross_entropy(rows @ mean.T / TEMPERATURE, labels)


def naive_bank(rows: Tensor, labels: Tensor, bank: list[deque[Tensor]]) -> Tensor:
    """Queues of centroids (1, A), as published."""
    losses = []
    for own in range(CLASSES):
        queries, others = rows[labels == own], []
        for k in range(CLASSES):
            scores = queries @ torch.cat(list(bank[k])).T.contiguous() / TEMPERATURE
            if k == own:
                positive = scores.exp()
            else:
                others.append(scores.mean(1, keepdim=True))
        negative = torch.cat(others, 1).exp().sum(1, keepdim=True)
        losses.append(-(positive / (positive + negative)).log().mean(1))
    return torch.cat(losses).mean()


def naive_dist(rows: Tensor, labels: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    scaled = variance / TEMPERATURE
    logits = (rows @ mean.T + 0.5 * rows.pow(2) @ scaled.T) / TEMPERATURE
    own = 0.5 * (rows.pow(2) * scaled[labels]).sum(1) / TEMPERATURE
    return (F.cross_entropy(logits, labels, reduction='none') + own).mean()


def naive_labels(labels: Tensor, factor: int) -> Tensor:
    one_hot = F.one_hot(labels.masked_fill(labels == 255, CLASSES), CLASSES + 1)
    share, winner = F.avg_pool2d(one_hot.permute(0, 3, 1, 2).float(), factor).max(1)
    return torch.where((share < 0.75) | (winner == CLASSES), 255, winner)


def make_labels(size: int, device: str) -> Tensor:
    labels = torch.randint(CLASSES, (IMAGES, size, size), device=device)
    labels[:, -size // 20 :] = 255
    return labels


def prepare(part: str, form: str, size: int, device: str) -> Callable[[], object]:
    """Creates inputs for feature maps of size x size, and the call to measure."""
    from mmseg.registry import MODELS

    from mmdavss.modules import ClassStatistics, downscale_labels

    naive = form == FORMS[0]
    if part == 'labels':
        labels = make_labels(size * FACTOR, device)
        if naive:
            return lambda: naive_labels(labels, FACTOR)
        return lambda: downscale_labels(labels, (size, size), CLASSES)

    labels = make_labels(size, device)
    if part == 'statistics':
        rows = torch.empty(labels.numel(), CHANNELS, device=device).normal_()
        rows /= rows.norm(dim=1, keepdim=True)
        estimator = (
            NaiveStatistics(device) if naive else ClassStatistics(CLASSES, CHANNELS).to(device)
        )
        return lambda: estimator.update(rows, labels.flatten())

    features = torch.empty(IMAGES, CHANNELS, size, size, device=device).normal_()
    features /= features.norm(dim=1, keepdim=True)
    features.requires_grad_()
    learned = ClassStatistics(CLASSES, CHANNELS, bank_size=BANK if part == 'bank' else 0).to(device)
    learned.count.fill_(1)
    learned.mean.normal_().div_(CHANNELS)
    learned.covariance.uniform_(0, 1 / CHANNELS)
    learned.bank.normal_().div_(CHANNELS)
    learned.bank_added.fill_(BANK)
    mean, variance = learned.mean.float(), learned.covariance.float()
    queues = [deque(entries.split(1)) for entries in learned.bank]
    module = MODELS.build(dict(type=f'{part.capitalize()}CLLoss'))

    def run() -> None:
        features.grad = None
        if naive:
            rows, kept = labelled_rows(features, labels)
            contrast = dict(
                proto=lambda: naive_proto(rows, kept, mean),
                bank=lambda: naive_bank(rows, kept, queues),
                dist=lambda: naive_dist(rows, kept, mean, variance),
            )[part]
            loss = contrast() + naive_regulariser(rows, mean)
            del rows, contrast
        else:
            losses = module(features, labels, learned)
            loss = losses['loss_contrast'] + losses['loss_reg']
        loss.backward()

    return run


def measure(part: str, form: str, device: str, repeats: int) -> dict[str, float]:
    """Median seconds and peak MiB, after a warm-up on small inputs."""
    torch.manual_seed(0)
    torch.set_num_threads(1)

    def peak(reset: bool) -> float:
        """Most MiB since the last reset."""
        if device != 'cpu':
            if reset:
                torch.cuda.reset_peak_memory_stats(device)
            return torch.cuda.max_memory_allocated(device) / 2**20
        if reset:
            # Linux: the peak of the imports is higher than that of a small part.
            Path('/proc/self/clear_refs').write_text('5')
        status = Path('/proc/self/status').read_text()
        return int(status.partition('VmHWM:')[2].split()[0]) / 2**10

    # Process time excludes waiting on a busy machine.
    clock = time.process_time if device == 'cpu' else time.perf_counter

    def seconds(call: Callable[[], object]) -> float:
        start = clock()
        call()
        if device != 'cpu':
            torch.cuda.synchronize(device)
        return clock() - start

    seconds(prepare(part, form, 16, device))
    call = prepare(part, form, SIZE // FACTOR, device)
    before = peak(reset=True)
    first = seconds(call)
    mib = peak(reset=False) - before
    return dict(
        seconds=numbers.median([first, *(seconds(call) for _ in range(repeats - 1))]), mib=mib
    )


def compare_blocks(sizes: list[int], rounds: int) -> None:
    """Prints the time of DistCL in blocks of other numbers of rows, over that of its own."""
    from mmdavss.losses import semantic_contrast

    one_thread()
    torch.manual_seed(0)
    own = semantic_contrast.BLOCK
    call = prepare('dist', FORMS[1], SIZE // FACTOR, 'cpu')

    def with_blocks(size: int) -> None:
        semantic_contrast.BLOCK = size
        call()

    forms = {str(size): lambda size=size: with_blocks(size) for size in (own, *sizes)}
    found = medians(forms, rounds)
    print('| rows of a block | ms | of those of the first |\n|---|---|---|')
    for name, ms in found.items():
        print(f'| {name} | {ms:.0f} | {ms / found[str(own)]:.2f} |')


def operations(part: str, blocks_of: str) -> tuple[int, int]:
    """Those of a contrast, its gradient and its statistics, on the CPU in a device's blocks.

    Returns:
        Their number without views, and with them.
    """
    from mmseg.registry import MODELS

    from mmdavss.losses import semantic_contrast
    from mmdavss.modules import ClassStatistics, class_statistics
    from mmdavss.ops.blocks import rows_per_block
    from mmdavss.testing.flops import Operations

    def rows(_: torch.device, *sizes: int) -> int:
        return rows_per_block(torch.device(blocks_of), *sizes)

    size = SIZE // 4
    learned = ClassStatistics(CLASSES, CHANNELS, bank_size=BANK if part == 'bank' else 0)
    features = torch.zeros(IMAGES, CHANNELS, size, size, requires_grad=True)
    labels = torch.randint(CLASSES, (IMAGES, size, size))
    module = MODELS.build(dict(type=f'{part.capitalize()}CLLoss'))
    with (
        mock.patch.object(semantic_contrast, 'rows_per_block', rows),
        mock.patch.object(class_statistics, 'rows_per_block', rows),
        Operations() as counted,
    ):
        learned.update(features.detach().transpose(0, 1).flatten(1).T, labels.flatten())
        losses = module(features, labels, learned)
        (losses['loss_contrast'] + losses['loss_reg']).backward()
    return counted.count, counted.with_views


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ('statistics', 'proto', 'bank', 'dist', 'labels')
    parser.add_argument('--parts', nargs='+', choices=parts, default=parts)
    parser.add_argument('--rounds', type=int, default=3, help='processes of each form')
    parser.add_argument('--repeats', type=int, default=3, help='runs in each process')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--form', choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument('--rows', nargs='+', type=int, help='blocks of DistCL to compare')
    parser.add_argument('--operations', action='store_true', help='count them')
    args = parser.parse_args()
    if args.operations:
        print('| contrast | CPU | CUDA | CPU, with views | CUDA, with views |')
        print('|---|---|---|---|---|')
        for part in ('proto', 'dist', 'bank'):
            found = zip(operations(part, 'cpu'), operations(part, 'cuda'), strict=True)
            print(
                f'| {part} | ' + ' | '.join(f'{count:,}' for both in found for count in both) + ' |'
            )
        return
    if args.rows:
        compare_blocks(args.rows, rounds=7 * args.rounds)
        return
    if args.form:
        print(json.dumps(measure(args.parts[0], args.form, args.device, args.repeats)))
        return
    rows = IMAGES * (SIZE // FACTOR) ** 2
    print(
        f'N = {rows}, A = {CHANNELS}, C = {CLASSES}, bank {BANK}; labels {IMAGES} x {SIZE} x '
        f'{SIZE}; {args.device}, 1 thread, median of {args.rounds} rounds\n'
    )
    print('| part | straightforward | mmdavss | times faster | times leaner |')
    print('|---|---|---|---|---|')
    for part in args.parts:

        def run(form: str, repeats: int, part: str = part, **environment: str) -> dict[str, float]:
            out = subprocess.run(
                [
                    sys.executable,
                    sys.argv[0],
                    '--parts',
                    part,
                    '--form',
                    form,
                    '--device',
                    args.device,
                    '--repeats',
                    str(repeats),
                ],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | environment,
            ).stdout
            return json.loads(out.splitlines()[-1])

        mib = [run(form, 1, MALLOC_MMAP_THRESHOLD_='65536')['mib'] for form in FORMS]
        rounds = [
            [run(form, args.repeats)['seconds'] for form in FORMS] for _ in range(args.rounds)
        ]
        ms = [1e3 * numbers.median(column) for column in zip(*rounds, strict=True)]
        cells = ' | '.join(f'{t:.0f} ms, {m:.0f} MiB' for t, m in zip(ms, mib, strict=True))
        print(f'| {part} | {cells} | {ms[0] / ms[1]:.1f} | {mib[0] / mib[1]:.1f} |', flush=True)


if __name__ == '__main__':
    main()
