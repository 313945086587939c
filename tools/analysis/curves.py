"""A validation score against the iteration, for several runs: a plot and a csv beside it.

Folders are work dirs of tools/train.py, or folders of several (seed0, seed1, ...) that are runs of
one method. Runs of one name become one curve of means with the range between the lowest and the
highest. A resumed run is read as one.

With --against a value of the training log is drawn too, dashed, on a second axis: its mean since
the previous validation. Figure 5 of SFC, the error of the segmentation-based flow beside mIoU:

    python tools/analysis/curves.py work_dirs/sfc/accel_viper2city_stage1 --against decode.epe \
        --out work_dirs/sfc_figure5.png

Any score:

    python tools/analysis/curves.py work_dirs/i2vda/A work_dirs/i2vda/B --names proxy "no proxy" \
        --metric mIoU --out work_dirs/curves.png
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdavss.analysis.results import find_runs, scores_of, training_means
from mmdavss.cli.analysis import check_picture, run, save

#: {name: {iteration: the score of each run}}
Curves = dict[str, dict[int, list[float]]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument(
        '--names', nargs='+', help='names of the runs, by default those of the folders'
    )
    parser.add_argument('--metric', default='mIoU', help='name of the score in the log')
    parser.add_argument('--against', metavar='NAME', help='name of a value of the training log')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/curves.png'), help='the plot')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing plot')
    args = parser.parse_args()
    check_picture(parser, args.out, args.overwrite)
    return args


def collect(work_dirs: Sequence[Path], names: Sequence[str] | None, metric: str) -> Curves:
    """The scores of all runs by name."""
    curves: Curves = {}
    for name, folders in find_runs(work_dirs, names).items():
        for folder in folders:
            for step, row in scores_of(folder, metric).items():
                curves.setdefault(name, {}).setdefault(step, []).append(row[metric])
    return curves


def collect_training(
    work_dirs: Sequence[Path], names: Sequence[str] | None, metric: str, value: str
) -> Curves:
    """A value of the training log, averaged up to each validation of all runs, by name."""
    curves: Curves = {}
    for name, folders in find_runs(work_dirs, names).items():
        for folder in folders:
            for step, mean in training_means(folder, value, [*scores_of(folder, metric)]).items():
                curves.setdefault(name, {}).setdefault(step, []).append(mean)
    return curves


def draw(
    axes: Axes, curves: Mapping[str, Mapping[int, list[float]]], label: str, style: str
) -> None:
    """Draws the curves of means, and the range of several runs."""
    for number, (name, curve) in enumerate(curves.items()):
        steps = sorted(curve)
        means = [sum(curve[step]) / len(curve[step]) for step in steps]
        (line,) = axes.plot(
            steps,
            means,
            style,
            color=f'C{number}',
            marker='o',
            markersize=3,
            label=f'{name}, {label}' if label else name,
        )
        if any(len(curve[step]) > 1 for step in steps):
            axes.fill_between(
                steps,
                [min(curve[step]) for step in steps],
                [max(curve[step]) for step in steps],
                color=line.get_color(),
                alpha=0.2,
            )


def write(
    curves: Curves, metric: str, out: Path, others: Curves | None = None, against: str | None = None
) -> None:
    """Draws the curves, and writes all values into a csv of the same name."""
    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    draw(axes, curves, '' if others is None else metric, '-')
    axes.set(xlabel='iteration', ylabel=metric)
    axes.grid(alpha=0.3)
    lines = axes.get_lines()
    if others is not None:
        second = axes.twinx()
        draw(second, others, against, '--')
        second.set(ylabel=against)
        lines = [*lines, *second.get_lines()]
    axes.legend(handles=lines)
    runs = max(len(values) for curve in curves.values() for values in curve.values())
    rows = [[name, step, *curve[step]] for name, curve in curves.items() for step in sorted(curve)]
    if others is None:
        save(figure, out, ['name', 'iteration', *['run'] * runs], rows)
        return
    rows = [[name, metric, *row] for name, *row in rows] + [
        [name, against, step, *curve[step]]
        for name, curve in others.items()
        for step in sorted(curve)
    ]
    save(figure, out, ['name', 'value', 'iteration', *['run'] * runs], rows)


def main() -> None:
    args = parse_args()
    others = None
    if args.against is not None:
        others = collect_training(args.work_dirs, args.names, args.metric, args.against)
    write(
        collect(args.work_dirs, args.names, args.metric),
        args.metric,
        args.out,
        others,
        args.against,
    )


if __name__ == '__main__':
    run(main)
