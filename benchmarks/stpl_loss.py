"""Compares the STPL loss, forward and backward, with its three matrix products and a naive form.

    python benchmarks/stpl_loss.py [--pixels 5734] [--dim 128] [--classes 15] [--device cpu]

`products` is the scores and the two products of their gradient, nothing else, with results of their
own: the least that the loss can take. The forms alternate in one process on one thread; times are
medians, on a CPU of process time, and only their ratio matters on a shared machine. Memory is the
peak on top of the inputs, in a process of its own for each form.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

FORMS = ('products', 'naive', 'mmdavss')


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


def prepare(pixels: int, dim: int, classes: int, device: str) -> dict[str, Callable[[], object]]:
    """Creates inputs, and one forward and backward pass of each form."""
    from mmdavss.losses import stpl_loss

    torch.manual_seed(0)
    q, k = (
        torch.nn.functional.normalize(torch.randn(pixels, dim, device=device), dim=1)
        for _ in range(2)
    )
    labels = torch.randint(classes, (pixels,), device=device)

    def products() -> None:
        scores = q @ k.T
        _ = scores @ k, scores.T @ q

    def pass_of(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        return lambda: loss(q.clone().requires_grad_(), k.clone().requires_grad_()).backward()

    return dict(
        products=products,
        naive=pass_of(lambda q, k: naive_loss(q, k, labels, labels)),
        mmdavss=pass_of(lambda q, k: stpl_loss(q, k, labels, labels, classes)),
    )


def seconds(call: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == 'cpu' else time.perf_counter
    start = clock()
    call()
    if device != 'cpu':
        torch.cuda.synchronize(device)
    return clock() - start


def peak(form: str, pixels: int, dim: int, classes: int, device: str) -> float:
    """Peak MiB of one pass, after a warm-up on small inputs."""

    def most() -> float:
        if device != 'cpu':
            return torch.cuda.max_memory_allocated(device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    prepare(600, dim, classes, device)[form]()
    call = prepare(pixels, dim, classes, device)[form]
    before = most()
    call()
    return most() - before


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pixels', type=int, default=5734, help='queries, and keys')
    parser.add_argument('--dim', type=int, default=128)
    parser.add_argument('--classes', type=int, default=15)
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--form', choices=FORMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    size = args.pixels, args.dim, args.classes, args.device
    if args.form:
        print(json.dumps(peak(args.form, *size)))
        return
    mib = {}
    for form in FORMS:
        out = subprocess.run(
            [sys.executable, *sys.argv, '--form', form], check=True, capture_output=True, text=True
        ).stdout
        mib[form] = json.loads(out.splitlines()[-1])
    calls = prepare(*size)
    rounds = [
        {form: seconds(call, args.device) for form, call in calls.items()}
        for _ in range(args.rounds + 1)
    ][1:]
    times = {form: statistics.median(times[form] for times in rounds) for form in FORMS}
    print(
        f'{args.pixels} x {args.pixels} pixels, dimension {args.dim}, {args.classes} classes, '
        f'{args.device}, 1 thread, median of {args.rounds}\n'
    )
    print('| form | time | relative to the products | peak memory |\n|---|---|---|---|')
    for form in FORMS:
        share = statistics.median(times[form] / times['products'] for times in rounds)
        print(f'| {form} | {1e3 * times[form]:.0f} ms | {share:.2f} | {mib[form]:.0f} MiB |')


if __name__ == '__main__':
    main()
