"""Makes the tables of docs/results.md: source-only, AdaBN, STPL and oracle on small data.

    python benchmarks/small_results.py [--data minidrive camvid] [--seeds 0 1 2] [--jobs 2]

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).parents[1]
NAMES = dict(minidrive='accel-r18_miniviper2minicity', camvid='accel-r18_camvid-day2dusk')
VARIANTS = ('anchor-only', 'self-training', 'duplicate', 'temporal-only', 'spatial-only',
            'naive-ts', 'fusion-add', 'fusion-conv', 'fusion-concat')


def last_checkpoint(config: Path, work_dir: Path) -> Path:
    """Where a finished run of a config leaves its weights."""
    return work_dir / f'iter_{Config.fromfile(config).train_cfg.max_iters}.pth'


def run(config: Path, work_dir: Path, seed: int, source: Path | None = None) -> Path:
    """Trains a config unless it is done already; returns its last checkpoint."""
    checkpoint = last_checkpoint(config, work_dir)
    if checkpoint.is_file():
        return checkpoint
    command = [sys.executable, 'tools/train.py', str(config.relative_to(ROOT)), '--work-dir',
               str(work_dir), '--overwrite', '--cfg-options', f'randomness.seed={seed}',
               'val_evaluator.per_class=True']
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
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time')
    parser.add_argument('--variants', action='store_true',
                        help='also the rows of tables 3 and 4 of STPL, first seed, on MiniDrive')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/small_results')
    args = parser.parse_args()

    def folder(data: str, method: str, seed: int) -> Path:
        return (args.work_dir / data / method / f'seed{seed}').resolve()

    def config(data: str, method: str, variant: str = '') -> Path:
        return ROOT / 'configs' / method / f'{NAMES[data]}{variant}.py'

    def chain(data: str, seed: int) -> None:
        source = run(config(data, 'source_only'), folder(data, 'source_only', seed), seed)
        adabn = run(config(data, 'adabn'), folder(data, 'adabn', seed), seed, source)
        run(config(data, 'stpl'), folder(data, 'stpl', seed), seed, adabn)
        if args.variants and data == 'minidrive' and seed == args.seeds[0]:
            for variant in VARIANTS:
                run(config(data, 'stpl', f'_{variant}'), folder(data, variant, seed), seed, adabn)

    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(chain, data, seed) for seed in args.seeds for data in args.data]
        jobs += [pool.submit(run, config(data, 'oracle'), folder(data, 'oracle', seed), seed)
                 for seed in args.seeds for data in args.data]
        for job in jobs:
            job.result()

    for data in args.data:
        print(f'\n{NAMES[data]}, seeds {args.seeds}\n')
        print('| method | mIoU | gap closed |\n|---|---|---|')
        scores = {method: [score(folder(data, method, seed))['mIoU'] for seed in args.seeds]
                  for method in ('source_only', 'adabn', 'stpl', 'oracle')}
        for method, values in scores.items():
            closed = [100 * (v - s) / (o - s) for v, s, o in zip(
                values, scores['source_only'], scores['oracle'], strict=True)]
            print(f'| {method} | {spread(values)} | {spread(closed)} % |')
        if args.variants and data == 'minidrive':
            seed = args.seeds[0]
            print(f'\nseed {seed}\n\n| variant | mIoU |\n|---|---|')
            for variant in ('source_only', 'adabn', *VARIANTS, 'stpl'):
                print(f'| {variant} | {score(folder(data, variant, seed))["mIoU"]:.1f} |')
        print('\nper class, last seed\n')
        rows = {m: score(folder(data, m, args.seeds[-1])) for m in scores}
        classes = [key for key in rows['oracle'] if key.startswith('IoU.')]
        print('| method | ' + ' | '.join(c.removeprefix('IoU.') for c in classes) + ' |')
        print('|---' * (len(classes) + 1) + '|')
        for method, row in rows.items():
            print(f'| {method} | ' + ' | '.join(f'{row[c]:.0f}' for c in classes) + ' |')


if __name__ == '__main__':
    main()
