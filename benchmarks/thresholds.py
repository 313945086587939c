"""Time that a clip of pseudo-labels costs outside of the network, and how much of it is serial.

    python benchmarks/thresholds.py [--frames 30] [--width 1024] [--height 512] [--classes 15]

Before, the main process computed thresholds, selected labels and wrote masks, clip by clip,
whatever the number of workers. Now each worker does this for its clips, and only the thresholds,
given the sorted probabilities of a clip, follow one after the other. Encoding of the masks is
included, writing is not.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from medians import medians, one_thread

from mmdavss.modules import AdaptiveThresholds, ranked_probabilities, select_labels


def percentiles(
    probability: np.ndarray, labels: np.ndarray, thresholds: AdaptiveThresholds
) -> None:
    """The thresholds of a clip by np.percentile of each class."""
    for k, theta in enumerate(thresholds.values):
        own = np.append(probability[labels == k].astype(np.float64), theta)
        share = 100 * (1 - thresholds.alpha * theta**thresholds.gamma)
        thresholds.values[k] = 0.9 * theta + 0.1 * np.percentile(own, share)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--frames', type=int, default=30)
    parser.add_argument('--width', type=int, default=1024)
    parser.add_argument('--height', type=int, default=512)
    parser.add_argument('--classes', type=int, default=15)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    one_thread()
    rng = np.random.default_rng(0)
    shape = args.frames, args.height, args.width
    probability = rng.beta(8, 2, shape).astype(np.float32)
    coarse = rng.integers(0, args.classes, (args.frames, 18, 32)).astype(np.uint8)
    size = args.width, args.height
    labels = np.stack([cv2.resize(c, size, interpolation=cv2.INTER_NEAREST) for c in coarse])
    plain, adaptive = AdaptiveThresholds(args.classes), AdaptiveThresholds(args.classes)
    ranked = ranked_probabilities(probability, labels, args.classes)

    def masks() -> None:
        for p, own in zip(probability, labels, strict=True):
            cv2.imencode('.png', select_labels(p, own, adaptive.values))

    times = medians(
        dict(
            percentiles=lambda: percentiles(probability, labels, plain),
            masks=masks,
            ranked=lambda: ranked_probabilities(probability, labels, args.classes),
            follow=lambda: adaptive.follow(ranked),
        ),
        args.rounds,
    )
    serial = times['percentiles'] + times['masks']
    parallel = times['ranked'] + times['masks']
    print(
        f'{args.frames} frames of {args.width}x{args.height}, {args.classes} classes\n'
        f'before: {serial:.0f} ms serial\n'
        f'now: {parallel:.0f} ms in a worker, {times["follow"]:.2f} ms serial'
    )


if __name__ == '__main__':
    main()
