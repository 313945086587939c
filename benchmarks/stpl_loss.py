"""Compares time and memory of the STPL loss with the naive matrix form, forward and backward.

    python benchmarks/stpl_loss.py [--pixels 5734] [--dim 128] [--classes 15] [--device cpu]

Each form runs in a separate process, alternating, so that peak memory is separate; figures are
medians over the rounds, and only their ratio is meaningful on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import Tensor


def naive_loss(
    queries: Tensor,
    keys: Tensor,
    query_labels: Tensor,
    key_labels: Tensor,
    temperature: float = 0.07,
) -> Tensor:
    """STPL equations 3 and 4 with full matrices."""
    scores = queries @ keys.T / temperature
    positive = query_labels[:, None] == key_labels
    negatives = torch.logsumexp(scores.masked_fill(positive, -torch.inf), 1, keepdim=True)
    log_ratio = (scores - negatives) * positive
    return -(log_ratio.sum(1) / positive.sum(1)).mean()


def measure(form: str, pixels: int, dim: int, classes: int, device: str) -> dict[str, float]:
    """Seconds and peak MiB of one forward and backward pass, after a warm-up on small inputs."""
    from mmdavss.losses import stpl_loss

    torch.manual_seed(0)

    def run(count: int) -> float:
        q, k = (
            torch.nn.functional.normalize(
                torch.randn(count, dim, device=device), dim=1
            ).requires_grad_()
            for _ in range(2)
        )
        labels = torch.randint(classes, (count,), device=device)
        synchronize()
        start = time.perf_counter()
        if form == 'naive':
            loss = naive_loss(q, k, labels, labels)
        else:
            loss = stpl_loss(q, k, labels, labels, classes)
        loss.backward()
        synchronize()
        return time.perf_counter() - start

    def synchronize() -> None:
        if device != 'cpu':
            torch.cuda.synchronize(device)

    def peak() -> float:
        if device != 'cpu':
            return torch.cuda.max_memory_allocated(device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    run(600)
    before = peak()
    seconds = run(pixels)
    return dict(seconds=seconds, mib=peak() - before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pixels', type=int, default=5734, help='queries, and keys')
    parser.add_argument('--dim', type=int, default=128)
    parser.add_argument('--classes', type=int, default=15)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--form', choices=('naive', 'blockwise'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.form:
        print(json.dumps(measure(args.form, args.pixels, args.dim, args.classes, args.device)))
        return
    results: dict[str, list] = dict(naive=[], blockwise=[])
    for _ in range(args.rounds):
        for form, runs in results.items():
            out = subprocess.run(
                [sys.executable, *sys.argv, '--form', form],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            runs.append(json.loads(out.splitlines()[-1]))
    print(
        f'{args.pixels} x {args.pixels} pixels, dimension {args.dim}, {args.classes} classes, '
        f'{args.device}, {torch.get_num_threads()} threads, median of {args.rounds}'
    )
    medians = {
        form: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for form, runs in results.items()
    }
    for form, value in medians.items():
        print(f'{form:10s} {value["seconds"]:7.3f} s {value["mib"]:8.0f} MiB')
    print(
        'ratio      '
        + '  '.join(
            f'{medians["blockwise"][key] / medians["naive"][key]:.3f} ({key})'
            for key in ('seconds', 'mib')
        )
    )


if __name__ == '__main__':
    main()
