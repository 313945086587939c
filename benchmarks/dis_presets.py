"""Error and time of the presets of DIS, against the exact flow of MiniDrive.

    python benchmarks/dis_presets.py [--width 512] [--height 256] [--drives 12] [--rounds 3]

For the source (VIPER) and the target (Cityscapes) of MiniDrive, one pair of frames of each drive:
the flow from a frame to the one before it, where the frame is visible there. The end-point error is
in pixels; an outlier is off by more than 3 pixels and 5 % of the exact flow's length, as in KITTI.
`flow 0` is no flow at all. CPU time of a pair on one thread, and of reading it from the cache of
computed flow (key, file, float32).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from medians import medians, one_thread
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmdavss  # noqa: F401
from mmdavss.flow.dis import PRESETS
from mmdavss.minidrive.generate import Settings, make_world

NUMBER = 5
DOMAINS = dict(source='viper', target='cityscapes')


class Pair(NamedTuple):
    """Two frames (H, W, 3), BGR, the exact flow (H, W, 2) between them, and where it is visible."""

    later: np.ndarray
    earlier: np.ndarray
    flow: np.ndarray
    visible: np.ndarray


def pairs(kind: str, size: tuple[int, int], drives: int) -> Iterator[Pair]:
    """One pair of frames of each drive."""
    number = NUMBER if kind == 'viper' else 19
    for index in range(drives):
        world = make_world(Settings(size=size), kind, 'train', index)
        later, earlier = (
            np.ascontiguousarray(world.render(n, size).rgb[..., ::-1]) for n in (number, number - 1)
        )
        yield Pair(later, earlier, *world.exact_flow(number, number - 1, size))


def errors(flow: np.ndarray, pair: Pair) -> tuple[float, float]:
    """End-point error in pixels, and share of outliers in percent, of the visible pixels."""
    distance = np.linalg.norm(flow - pair.flow, axis=2)[pair.visible]
    length = np.linalg.norm(pair.flow, axis=2)[pair.visible]
    return float(distance.mean()), 100 * float(((distance > 3) & (distance > 0.05 * length)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--width', type=int, default=512)
    parser.add_argument('--height', type=int, default=256)
    parser.add_argument('--drives', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    one_thread()
    init_default_scope('mmseg')
    size = args.width, args.height
    providers = {
        name: MODELS.build(dict(type='DISFlowEstimator', preset=name)) for name in reversed(PRESETS)
    }
    print('| domain | preset | end-point error, px | outliers, % |\n|---|---|---|---|')
    for domain, kind in DOMAINS.items():
        found: dict[str, list[tuple[float, float]]] = {}
        for pair in pairs(kind, size, args.drives):
            found.setdefault('flow 0', []).append(errors(np.zeros_like(pair.flow), pair))
            for name, provider in providers.items():
                flow = provider.estimate_numpy(pair.later, pair.earlier)
                found.setdefault(name, []).append(errors(flow, pair))
        for name, values in found.items():
            error, outliers = (statistics.mean(column) for column in zip(*values, strict=True))
            print(f'| {domain} | {name} | {error:.2f} | {outliers:.1f} |', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        config = dict(type='DISFlowEstimator')
        cached = MODELS.build(dict(type='CachedFlow', provider=config, cache_dir=folder))
        times = medians(
            {
                name: lambda provider=provider: provider.estimate_numpy(pair.later, pair.earlier)
                for name, provider in dict(providers, cached=cached).items()
            },
            args.rounds,
        )
    print(f'ms a pair of {args.width}x{args.height}:')
    print(', '.join(f'{name} {value:.1f}' for name, value in times.items()))


if __name__ == '__main__':
    main()
