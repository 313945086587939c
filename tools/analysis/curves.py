"""A validation score against the iteration, for several runs: a plot and a csv beside it.

Folders are work dirs of tools/train.py, or folders of several (seed0, seed1, ...) that are runs of
one method. Runs of one name become one curve of means with the range between the lowest and the
highest. A resumed run is read as one.

    python tools/analysis/curves.py work_dirs/i2vda/A work_dirs/i2vda/B --names proxy "no proxy" \
        --metric mIoU --out work_dirs/curves.png
"""
from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmdavss.apis.analysis import run, save
from mmdavss.apis.results import find_runs, scores_of

#: {name: {iteration: the score of each run}}
Curves = dict[str, dict[int, list[float]]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument('--names', nargs='+', help='of the runs, by default those of the folders')
    parser.add_argument('--metric', default='mIoU', help='name of the score in the log')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/curves.png'), help='the plot')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing plot')
    args = parser.parse_args()
    for path in (args.out, args.out.with_suffix('.csv')):
        if path.exists() and not args.overwrite:
            parser.error(f'{path} exists: choose another --out, or --overwrite')
    return args


def collect(work_dirs: Sequence[Path], names: Sequence[str] | None, metric: str) -> Curves:
    """The scores of all runs by name."""
    curves: Curves = {}
    for name, folders in find_runs(work_dirs, names).items():
        for folder in folders:
            for step, row in scores_of(folder, metric).items():
                curves.setdefault(name, {}).setdefault(step, []).append(row[metric])
    return curves


def write(curves: Mapping[str, Mapping[int, list[float]]], metric: str, out: Path) -> None:
    """Draws the curves, and writes all values into a csv of the same name."""
    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    for name, curve in curves.items():
        steps = sorted(curve)
        means = [sum(curve[step]) / len(curve[step]) for step in steps]
        line, = axes.plot(steps, means, marker='o', markersize=3, label=name)
        if any(len(curve[step]) > 1 for step in steps):
            axes.fill_between(steps, [min(curve[step]) for step in steps],
                              [max(curve[step]) for step in steps],
                              color=line.get_color(), alpha=0.2)
    axes.set(xlabel='iteration', ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend()
    runs = max(len(values) for curve in curves.values() for values in curve.values())
    save(figure, out, ['name', 'iteration', *['run'] * runs],
         [[name, step, *curve[step]] for name, curve in curves.items() for step in sorted(curve)])


def main() -> None:
    args = parse_args()
    write(collect(args.work_dirs, args.names, args.metric), args.metric, args.out)


if __name__ == '__main__':
    run(main)
