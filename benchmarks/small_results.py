"""Makes the tables of docs/results.md: every method on small data.

    python benchmarks/small_results.py [--data minidrive camvid] [--seeds 0 1 2] [--jobs 2] \
        [--methods source-only adabn stpl ...]

Runs tools/train.py once for every method and seed (finished runs are skipped), each on one thread,
and prints the mean and standard deviation over the seeds, and the share of the gap between
source-only and oracle that is closed, as markdown. CamVid is expected in data/camvid. SFC needs its
SFM, one for all seeds:

    python tools/run_phases.py configs/sfc/{flownets,sfm}_{miniviper,camvid-day}.py
    python tools/run_phases.py configs/sfc/{raft,sfm-raft}_miniviper.py  # for sfc-raft
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from mmengine.config import Config

from mmdavss.analysis.results import compare, comparison_table, gap_closed, last_validation, spread
from mmdavss.launch.config_file import final_checkpoint

ROOT = Path(__file__).parents[1]
NAMES = {
    'minidrive': 'accel-r18_miniviper2minicity',
    'camvid': 'accel-r18_camvid-day2dusk',
    # Per-frame nets.
    'minivps': 'deeplabv2-r18_miniviper2minivps',
    'camvid-frames': 'deeplabv2-r18_camvid-day2dusk',
    # The other nets of SFC's table 4.
    'minidrive-dff': 'dff-r18_miniviper2minicity',
    'minidrive-distortion-aware': 'distortion-aware-r18_miniviper2minicity',
    'camvid-dff': 'dff-r18_camvid-day2dusk',
    'camvid-distortion-aware': 'distortion-aware-r18_camvid-day2dusk',
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
STPL_VARIANTS = (
    'anchor-only',
    'self-training',
    'duplicate',
    'temporal-only',
    'spatial-only',
    'naive-ts',
    'fusion-add',
    'fusion-conv',
    'fusion-concat',
)
METHODS |= {f'stpl-{v}': (f'stpl/{{}}_{v}.py', 'adabn') for v in STPL_VARIANTS}
#: Those of per-frame nets.
FRAME_METHODS = {
    'source-only': METHODS['source-only'],
    'adabn': METHODS['adabn'],
    'vat': ('vat_vst/vat_{}.py', 'source-only'),
    'vst': ('vat_vst/vst_{}.py', 'vat'),
    'i2vda': ('i2vda/{}.py', 'source-only'),
    'oracle': METHODS['oracle'],
}
#: Rows of tables 3 to 6 of VAT-VST.
VAT_VARIANTS = ('image-adv', 'single-dice', 'tube-image-adv')
VST_VARIANTS = (
    'class-balanced',
    'instance-adaptive',
    'clip-adaptive',
    'aggregated',
    'regularised',
    'fill-in',
)
FRAME_METHODS |= {f'vat-{v}': (f'vat_vst/vat_{{}}_{v}.py', 'source-only') for v in VAT_VARIANTS}
FRAME_METHODS |= {f'vst-{v}': (f'vat_vst/vst_{{}}_{v}.py', 'vat') for v in VST_VARIANTS}
FRAME_METHODS |= {
    f'vst-from-{v}': (f'vat_vst/vst_{{}}_from-{v}.py', f'vat-{v}') for v in VAT_VARIANTS
}
#: Rows of table 3 of I2VDA.
I2VDA_VARIANTS = (
    'adversarial-only',
    'no-augmentation',
    'no-consistency',
    'no-occlusion',
    'no-entropy',
)
FRAME_METHODS |= {f'i2vda-{v}': (f'i2vda/{{}}_{v}.py', 'source-only') for v in I2VDA_VARIANTS}
#: Rows of table 4 of SFC.
NET_METHODS = {
    'source-only': METHODS['source-only'],
    'adabn': METHODS['adabn'],
    'davsn': ('davsn/{}.py', 'source-only'),
    'davsn-source-free': ('davsn/{}_source-free.py', 'source-only'),
    'tps': ('tps/{}.py', 'source-only'),
    'tps-source-free': ('tps/{}_source-free.py', 'source-only'),
    'sfc': ('sfc/{}.py', 'source-only'),
    'sfc-tpl': ('sfc/{}_tpl.py', 'source-only'),
    'oracle': METHODS['oracle'],
}
METHODS |= {
    name: (config.replace('sfc/', 'sfc/shared-'), start)
    for name, (config, start) in NET_METHODS.items()
}
#: SFC's table 5, on MiniDrive.
METHODS['sfc-raft'] = ('sfc/shared-{}_raft.py', 'source-only')
FAMILIES = {
    name: METHODS
    if name in ('minidrive', 'camvid')
    else FRAME_METHODS
    if name in ('minivps', 'camvid-frames')
    else NET_METHODS
    for name in NAMES
}
MAIN = (
    'source-only',
    'adabn',
    'stpl',
    'dacs',
    'sepico-protocl',
    'sepico-bankcl',
    'sepico-distcl',
    'vat',
    'vst',
    'i2vda',
    'davsn',
    'davsn-source-free',
    'tps',
    'tps-source-free',
    'sfc',
    'sfc-tpl',
    'oracle',
)
#: One process makes the labels that several methods train on.
LABELLING = threading.Lock()


def call(command: list[str], log: Path, mode: str = 'w') -> None:
    """Runs a tool on one thread, its output in a file."""
    print('$', ' '.join(command), flush=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, mode) as file:
        subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            check=True,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, OMP_NUM_THREADS='1'),
        )


def run(config: Path, work_dir: Path, seed: int, source: Path | None = None) -> Path:
    """Trains a config unless that is done already; returns its last checkpoint."""
    cfg = Config.fromfile(config)
    checkpoint = final_checkpoint(cfg, work_dir)
    if checkpoint.is_file():
        return checkpoint
    name, log = str(config.relative_to(ROOT)), work_dir / 'run.log'
    evaluator = 'val_evaluator.0' if isinstance(cfg.val_evaluator, list) else 'val_evaluator'
    options = [f'randomness.seed={seed}', f'{evaluator}.per_class=True']
    if source is not None:
        options.append(f'model.source_checkpoint={source}')
    if 'pseudo_label_generator' in cfg:
        folder = Path(cfg.train_dataloader.dataset.target.pseudo_labels)
        folder = work_dir.parents[1] / folder.name / work_dir.name
        with LABELLING:
            call(
                [
                    'tools/generate_pseudo_labels.py',
                    name,
                    str(source),
                    '--out',
                    str(folder),
                    '--workers',
                    '1',
                    '--score',
                ],
                work_dir / 'pseudo_labels.log',
            )
        options.append(f'train_dataloader.dataset.target.pseudo_labels={folder}')
    call(
        [
            'tools/train.py',
            name,
            '--work-dir',
            str(work_dir),
            '--overwrite',
            '--cfg-options',
            *options,
        ],
        log,
    )
    return checkpoint


def print_table(scores: dict[str, list[float]], seeds: Sequence[int]) -> None:
    """Prints a row for each method, as markdown."""
    print(
        '| method |'
        + ''.join(f' seed {s} |' for s in seeds)
        + ' mean ± std | gap closed |\n'
        + '|---' * (len(seeds) + 3)
        + '|'
    )
    for method, values in scores.items():
        closed = (
            ''
            if not {'source-only', 'oracle'} <= scores.keys()
            else spread(
                [
                    gap_closed(*row)
                    for row in zip(values, scores['source-only'], scores['oracle'], strict=True)
                ]
            )
            + ' %'
        )
        print(
            f'| {method} |'
            + ''.join(f' {v:.1f} |' for v in values)
            + f' {spread(values)} | {closed} |'
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data',
        nargs='+',
        choices=NAMES,
        default=['minidrive', 'camvid', 'minivps', 'camvid-frames'],
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=METHODS | FRAME_METHODS,
        default=MAIN,
        help='methods to report, if they have a config; those that they start from are trained too',
    )
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/small_results')
    args = parser.parse_args()

    def folder(data: str, method: str, seed: int) -> Path:
        return (args.work_dir / data / method / f'seed{seed}').resolve()

    def config(data: str, method: str) -> Path:
        return ROOT / 'configs' / FAMILIES[data][method][0].format(NAMES[data])

    def train(data: str, method: str, seed: int, sources: dict[str, Future]) -> Path:
        start = FAMILIES[data][method][1]
        source = None if start is None else sources[start].result()
        return run(config(data, method), folder(data, method, seed), seed, source)

    def depth(data: str, method: str) -> int:
        start = FAMILIES[data][method][1]
        return 0 if start is None else 1 + depth(data, start)

    wanted = set()
    for data in args.data:
        for method in FAMILIES[data].keys() & set(args.methods):
            while method is not None:
                wanted.add((data, method))
                method = FAMILIES[data][method][1]
    # A run waits for its source, which was submitted earlier, so there is no deadlock. Runs without
    # a source come first.
    tasks = sorted(
        (
            (depth(data, method), seed, data, method)
            for data, method in wanted
            for seed in args.seeds
        )
    )
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs: dict[tuple[str, int], dict[str, Future]] = {}
        for _, seed, data, method in tasks:
            submitted = jobs.setdefault((data, seed), {})
            submitted[method] = pool.submit(train, data, method, seed, submitted)
        for submitted in jobs.values():
            for job in submitted.values():
                job.result()

    for data in args.data:
        methods = [method for method in args.methods if method in FAMILIES[data]]
        rows = {
            method: [last_validation(folder(data, method, seed)) for seed in args.seeds]
            for method in methods
        }
        for metric in ('mIoU', 'VPQ'):
            if metric in rows[methods[0]][0]:
                print(f'\n{NAMES[data]}, {metric}\n')
                print_table(
                    {method: [row[metric] for row in rows[method]] for method in methods},
                    args.seeds,
                )
        table = comparison_table(compare(rows), oracle='oracle')
        print(f'\nper class, mean of the seeds\n\n{table.markdown()}')


if __name__ == '__main__':
    main()
