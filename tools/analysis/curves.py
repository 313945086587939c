"""A validation score against the iteration, for several runs: a plot and a csv beside it.

Folders are work dirs of tools/train.py, or folders of several (seed0, seed1, ...) that are runs of
one method. Runs of one name become one curve of means with the range between the lowest and the
highest, at the iterations at which all of them have a value. A resumed run is read as one.

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdavss.analysis.results import find_runs, scores_of, training_means
from mmdavss.cli.analysis import check_picture, run, save

#: {name: {iteration: the score of each run, None where it has none}}
Curves = dict[str, dict[int, list[float | None]]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument(
        '--names', nargs='+', help='names of the runs, by default the ends of their paths'
    )
    parser.add_argument('--metric', default='mIoU', help='name of the score in the log')
    parser.add_argument('--against', metavar='NAME', help='name of a value of the training log')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/curves.png'), help='the plot')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing plot')
    args = parser.parse_args()
    check_picture(parser, args.out, args.overwrite)
    return args


def collect(
    work_dirs: Sequence[Path],
    names: Sequence[str] | None,
    values: Callable[[Path], Mapping[int, float]],
) -> Curves:
    """The values of all runs by name.

    Args:
        work_dirs: As for :func:`find_runs`.
        names: As for :func:`find_runs`.
        values: Reads those of a run, by iteration.
    """
    curves: Curves = {}
    for name, folders in find_runs(work_dirs, names).items():
        runs = [values(folder) for folder in folders]
        steps = sorted(set().union(*runs))
        curves[name] = {step: [run.get(step) for run in runs] for step in steps}
    return curves


def draw(axes: Axes, curves: Curves, label: str, style: str) -> None:
    """Draws the curves of means, and the range of several runs.

    A mean over some of the runs would jump where another one is missing.
    """
    for number, (name, curve) in enumerate(curves.items()):
        title = f'{name}, {label}' if label else name
        found = {
            step: [value for value in values if value is not None] for step, values in curve.items()
        }
        found = {step: own for step, own in found.items() if len(own) == len(curve[step])}
        if len(found) < len(curve):
            print(
                f'{title}: not drawn at {len(curve) - len(found)} of {len(curve)} iterations, '
                'where not all of its runs have a value'
            )
        (line,) = axes.plot(
            [*found],
            [sum(own) / len(own) for own in found.values()],
            style,
            color=f'C{number}',
            marker='o',
            markersize=3,
            label=title,
        )
        if any(len(own) > 1 for own in found.values()):
            axes.fill_between(
                [*found],
                [min(own) for own in found.values()],
                [max(own) for own in found.values()],
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
    rows = [[name, step, *own] for name, curve in curves.items() for step, own in curve.items()]
    if others is None:
        save(figure, out, ['name', 'iteration', *['run'] * runs], rows)
        return
    rows = [[name, metric, *row] for name, *row in rows] + [
        [name, against, step, *own] for name, curve in others.items() for step, own in curve.items()
    ]
    save(figure, out, ['name', 'value', 'iteration', *['run'] * runs], rows)


def main() -> None:
    args = parse_args()

    def scores(folder: Path) -> dict[int, float]:
        return {step: row[args.metric] for step, row in scores_of(folder, args.metric).items()}

    def training(folder: Path) -> dict[int, float]:
        return training_means(folder, args.against, [*scores(folder)])

    others = None
    if args.against is not None:
        others = collect(args.work_dirs, args.names, training)
    curves = collect(args.work_dirs, args.names, scores)
    write(curves, args.metric, args.out, others, args.against)


if __name__ == '__main__':
    run(main)
