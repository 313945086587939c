"""Makes the tables of docs/results.md: every method on small data.

    python benchmarks/small_results.py [--data minidrive camvid] [--seeds 0 1 2] [--jobs 2] \
        [--methods source-only adabn stpl ...]

Runs tools/train.py once for every method and seed (what is finished is not run again), each on one
thread, and prints the mean and standard deviation over the seeds, and the share of the gap between
source-only and oracle that is closed, as markdown. CamVid is expected in data/camvid.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).parents[1]
NAMES = {
    'minidrive': 'accel-r18_miniviper2minicity',
    'camvid': 'accel-r18_camvid-day2dusk',
    # Per-frame nets.
    'minivps': 'deeplabv2-r18_miniviper2minivps',
    'camvid-frames': 'deeplabv2-r18_camvid-day2dusk',
}
#: Config of a method, and the method whose result it starts from.
METHODS = {
    'source-only': ('source_only/{}.py', None),
    'adabn': ('adabn/{}.py', 'source-only'),
    'stpl': ('stpl/{}.py', 'adabn'),
    'dacs': ('dacs/{}.py', 'source-only'),
    'sepico-protocl': ('sepico/protocl_{}.py', 'source-only'),
    'sepico-bankcl': ('sepico/bankcl_{}.py', 'source-only'),
    'sepico-distcl': ('sepico/distcl_{}.py', 'source-only'),
    'oracle': ('oracle/{}.py', None),
}
#: Rows of tables 3 and 4 of STPL.
STPL_VARIANTS = ('anchor-only', 'self-training', 'duplicate', 'temporal-only', 'spatial-only',
                 'naive-ts', 'fusion-add', 'fusion-conv', 'fusion-concat')
METHODS |= {f'stpl-{v}': (f'stpl/{{}}_{v}.py', 'adabn') for v in STPL_VARIANTS}
MAIN = [name for name in METHODS if not name.startswith('stpl-')]


def last_checkpoint(config: Path, work_dir: Path) -> Path:
    """Where a finished run of a config leaves its weights."""
    return work_dir / f'iter_{Config.fromfile(config).train_cfg.max_iters}.pth'


def run(config: Path, work_dir: Path, seed: int, source: Path | None = None) -> Path:
    """Trains a config unless it is done already; returns its last checkpoint."""
    checkpoint = last_checkpoint(config, work_dir)
    if checkpoint.is_file():
        return checkpoint
    several = isinstance(Config.fromfile(config).val_evaluator, list)
    evaluator = 'val_evaluator.0' if several else 'val_evaluator'
    command = [sys.executable, 'tools/train.py', str(config.relative_to(ROOT)), '--work-dir',
               str(work_dir), '--overwrite', '--cfg-options', f'randomness.seed={seed}',
               f'{evaluator}.per_class=True']
    if source is not None:
        command.append(f'model.source_checkpoint={source}')
    print('$', ' '.join(command[1:]), flush=True)
    work_dir.mkdir(parents=True, exist_ok=True)
    with open(work_dir / 'run.log', 'w') as log:
        subprocess.run(command, cwd=ROOT, check=True, stdout=log, stderr=subprocess.STDOUT,
                       env=dict(os.environ, OMP_NUM_THREADS='1'))
    return checkpoint


def score(work_dir: Path) -> dict[str, float]:
    """The validation at the end of the last run in a folder."""
    lines = sorted(work_dir.glob('*/vis_data/scalars.json'))[-1].read_text().splitlines()
    return [row for row in map(json.loads, lines) if 'mIoU' in row][-1]


def spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation."""
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', nargs='+', choices=NAMES, default=list(NAMES))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=MAIN,
                        help='what is reported; what it starts from is trained too')
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/small_results')
    args = parser.parse_args()

    def folder(data: str, method: str, seed: int) -> Path:
        return (args.work_dir / data / method / f'seed{seed}').resolve()

    def config(data: str, method: str) -> Path:
        return ROOT / 'configs' / METHODS[method][0].format(NAMES[data])

    def train(data: str, method: str, seed: int, sources: dict[str, Future]) -> Path:
        start = METHODS[method][1]
        source = None if start is None else sources[start].result()
        return run(config(data, method), folder(data, method, seed), seed, source)

    # A run waits for its source, which was submitted before it: nothing waits for ever.
    wanted = set(args.methods)
    for method in reversed(METHODS):
        if method in wanted and METHODS[method][1] is not None:
            wanted.add(METHODS[method][1])
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = []
        for seed in args.seeds:
            for data in args.data:
                submitted: dict[str, Future] = {}
                for method in METHODS:
                    if method in wanted:
                        submitted[method] = pool.submit(train, data, method, seed, submitted)
                jobs += submitted.values()
        for job in jobs:
            job.result()

    for data in args.data:
        print(f'\n{NAMES[data]}, seeds {args.seeds}\n')
        scores = {method: [score(folder(data, method, seed))['mIoU'] for seed in args.seeds]
                  for method in args.methods}
        print('| method |' + ''.join(f' seed {s} |' for s in args.seeds)
              + ' mean ± std | gap closed |\n' + '|---' * (len(args.seeds) + 3) + '|')
        for method, values in scores.items():
            closed = '' if not {'source-only', 'oracle'} <= scores.keys() else spread(
                [100 * (v - s) / (o - s) for v, s, o in zip(
                    values, scores['source-only'], scores['oracle'], strict=True)]) + ' %'
            print(f'| {method} |' + ''.join(f' {v:.1f} |' for v in values)
                  + f' {spread(values)} | {closed} |')
        print('\nper class, last seed\n')
        rows = {m: score(folder(data, m, args.seeds[-1])) for m in scores}
        classes = [key for key in rows[args.methods[0]] if key.startswith('IoU.')]
        print('| method | ' + ' | '.join(c.removeprefix('IoU.') for c in classes) + ' |')
        print('|---' * (len(classes) + 1) + '|')
        for method, row in rows.items():
            print(f'| {method} | ' + ' | '.join(f'{row[c]:.0f}' for c in classes) + ' |')


if __name__ == '__main__':
    main()
