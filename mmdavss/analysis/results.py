"""Scores in the logs of trainings, and tables that compare runs."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdavss.utils.errors import InputError, number_of
from mmdavss.utils.inputs import natural, read_text
from mmdavss.utils.journal import last_report

#: Logs that a training writes into its work dir, one for each start.
LOGS = '*/vis_data/scalars.json'
DASH = '–'
#: The seed in the name of a run's folder: ``seed0``, ``stpl_seed-1``.
_SEED = re.compile(r'seed[-_]?(\d+)$')
#: Scores of a validation by their names, with ``step``, its iteration.
Validation = Mapping[str, float]


# ------------------------------------------------------------------------------------------ logs


def _read_log(work_dir: str | Path) -> list[dict[str, float]]:
    """Reads all rows of a run's logs, from all its starts.

    Rows beyond the point where the next start began were repeated and are dropped.

    Raises:
        FileNotFoundError: If the folder holds no log of a training.
    """
    logs = sorted(Path(work_dir).glob(LOGS))
    if not logs:
        raise FileNotFoundError(f'{work_dir} holds no log of a training ({LOGS})')
    found: list[dict[str, float]] = []
    for log in logs:
        rows = _rows(log)
        if rows:
            # A start that first repeats a validation continues after that iteration.
            begin = rows[0]['step'] + (not _of_training(rows[0]))
            found = [
                row
                for row in found
                if row['step'] < begin and (row['step'] < rows[0]['step'] or _of_training(row))
            ]
        found += rows
    return found


def _rows(log: Path) -> list[dict[str, float]]:
    text = read_text(log, 'log')
    lines = text.splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and not text.endswith('\n'):
                break  # a run that was killed may leave half a line
            raise InputError(f'{log}, line {number} is not json ({error}): delete it.') from error
        if not isinstance(row, dict) or type(row.get('step')) is not int:
            raise InputError(f'{log}, line {number} has no step: delete it.')
        rows.append(row)
    return rows


def _of_training(row: Mapping[str, float]) -> bool:
    return any(key.split('.')[-1] == 'lr' for key in row)


def read_validations(work_dir: str | Path) -> dict[int, dict[str, float]]:
    """Reads all validations of a run, from the logs of all its starts.

    Returns:
        ``{iteration: scores}``, in order.

    Raises:
        FileNotFoundError: If the folder holds no log of a training.
        ValueError: If there was no validation.
    """
    found = {int(row['step']): row for row in _read_log(work_dir) if not _of_training(row)}
    if not found:
        raise ValueError(f'{work_dir}: its log holds no validation')
    return dict(sorted(found.items()))


def training_means(work_dir: str | Path, name: str, steps: Sequence[int]) -> dict[int, float]:
    """Averages a logged value between each of the given iterations and the one before.

    Args:
        work_dir: Work dir of the run.
        name: Name of the value, such as ``decode.epe``.
        steps: Iterations, in order; the first mean runs from the start to the first of them.

    Returns:
        ``{iteration: mean up to it}``, without iterations for which nothing was logged.

    Raises:
        FileNotFoundError: If the folder holds no log of a training.
        ValueError: If nothing of that name was logged; lists the logged names.
    """
    rows = [row for row in _read_log(work_dir) if _of_training(row)]
    if not any(name in row for row in rows):
        raise ValueError(
            f'{work_dir}: no row of its training has {name!r}, there are '
            f'{sorted(set().union(*rows) - {"step"})}'
        )
    means = {}
    for before, step in zip([0, *steps], steps, strict=False):
        values = [row[name] for row in rows if name in row and before < row['step'] <= step]
        if values:
            means[step] = statistics.mean(values)
    return means


def find_runs(folders: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, list[Path]]:
    """Finds work dirs by name; several of one name are runs of one method, such as seeds.

    Args:
        folders: Work dirs, or folders of work dirs that are all runs of one method
            (``stpl/seed0``, ``stpl/seed1``, ...).
        names: Names for the folders; by default their own, each with as many folders above it as
            tell it from the others.

    Raises:
        FileNotFoundError: If a folder is neither of them.
        ValueError: If there are more or fewer names than folders, or no names and a folder twice.
    """
    names = _distinct_names(folders) if names is None else names
    if len(names) != len(folders):
        raise ValueError(f'{number_of(len(names), "name")} for {number_of(len(folders), "folder")}')
    runs: dict[str, list[Path]] = {}
    for name, folder in zip(names, folders, strict=True):
        found = (
            [folder]
            if any(folder.glob(LOGS))
            else sorted(
                {log.parents[2] for log in folder.glob(f'*/{LOGS}')},
                key=lambda run: natural(run.name),
            )
        )
        if not found:
            raise FileNotFoundError(
                f'{folder} holds no log of a training ({LOGS}), nor do the folders in it'
            )
        runs.setdefault(name, []).extend(found)
    return runs


def _distinct_names(folders: Sequence[Path]) -> list[str]:
    """The shortest end of each path that no other has: ``accel``, or ``stpl/accel``."""
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for folder, own in zip(folders, paths, strict=True):
        if paths.count(own) > 1:
            raise ValueError(f'{folder} is given twice: give it once, or name each (--names)')
    return [
        next(
            str(Path(*own[-count:]))
            for count in range(1, len(own) + 1)
            if sum(other[-count:] == own[-count:] for other in paths) == 1
        )
        for own in paths
    ]


def last_validation(work_dir: str | Path, metric: str = 'mIoU') -> dict[str, float]:
    """The last validation of a run; see :func:`scores_of` for the errors."""
    steps = scores_of(work_dir, metric)
    return steps[max(steps)]


def best_validation(work_dir: str | Path, metric: str = 'mIoU') -> dict[str, float]:
    """The validation with the highest score, or the first of several."""
    return max(scores_of(work_dir, metric).values(), key=lambda row: row[metric])


def scores_of(work_dir: str | Path, metric: str) -> dict[int, dict[str, float]]:
    """Same as :func:`read_validations`, only those with a given score.

    Raises:
        ValueError: If none has it; lists the available scores.
    """
    found = read_validations(work_dir)
    with_it = {step: row for step, row in found.items() if metric in row}
    if not with_it:
        known = sorted(set().union(*found.values()) - {'step'})
        raise ValueError(f'{work_dir}: no validation has {metric!r}, there are {known}')
    return with_it


def seeds_of(work_dirs: Sequence[Path]) -> list[int] | None:
    """The seeds of runs by the names of their folders; None if they do not tell one for each."""
    found = [_SEED.search(Path(os.path.abspath(folder)).name) for folder in work_dirs]
    seeds = [int(match[1]) for match in found if match]
    return seeds if len(seeds) == len(set(seeds)) == len(work_dirs) else None


def unpaired_runs(
    runs: Mapping[str, Sequence[Path]], source: str | None = None, oracle: str | None = None
) -> list[str]:
    """Seeds that :func:`compare` leaves out because the other method has no run of them.

    Args:
        runs: Work dirs of each method.
        source: Name of source-only among them.
        oracle: Name of the oracle.

    Returns:
        A line for each method and what it is compared with.
    """
    if source is None:
        return []
    lines = []
    seeds = {name: seeds_of(folders) for name, folders in runs.items()}
    for reference in filter(None, (source, oracle)):
        other = seeds[reference]
        for name, own in seeds.items():
            if own is None or other is None or set(own) == set(other) or name == source:
                continue
            if set(own).isdisjoint(other):
                lines.append(
                    f'{name} and {reference} have no seed in common: {name} is compared with the '
                    f'mean of {reference}.'
                )
                continue
            alone = [
                f'{", ".join(map(str, sorted(left)))} of {whose}'
                for whose, left in ((name, {*own} - {*other}), (reference, {*other} - {*own}))
                if left
            ]
            lines.append(
                f'The comparison of {name} with {reference} is of the seeds that both have; it '
                f'leaves out seed {" and seed ".join(alone)}.'
            )
    return lines


def unfinished_runs(work_dirs: Sequence[Path], metric: str) -> list[str]:
    """Runs whose last score is not of the end of their training, by their reports.

    Args:
        work_dirs: Work dirs.
        metric: Name of the mean score; runs that have none are left out.

    Returns:
        A line for each. Of runs without a ``report.json`` nothing is known.
    """
    found = []
    for work_dir in work_dirs:
        try:
            step = max(scores_of(work_dir, metric))
        except InputError:
            raise
        except ValueError:
            continue
        config = last_report(work_dir).get('config', {})
        end = (config.get('train_cfg') or {}).get('max_iters')
        if end is not None and step < end:
            found.append(f'{work_dir} has no score of its end: of iteration {step} of {end}.')
    return found


# ---------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Row:
    """A method in a comparison; the lists have one value for each of its runs.

    Attributes:
        name: Name of the method.
        steps: Iterations of the validations.
        classes: IoU by class.
        scores: Mean score.
        differences: Differences to source-only, of the runs that are compared with it; empty
            without source-only.
        gaps: Percent of the gap between source-only and oracle that is closed; empty without them.
    """

    name: str
    steps: list[int]
    classes: dict[str, list[float]]
    scores: list[float]
    differences: list[float]
    gaps: list[float]


def compare(
    runs: Mapping[str, Sequence[Validation]],
    metric: str = 'mIoU',
    source: str | None = None,
    oracle: str | None = None,
    seeds: Mapping[str, Sequence[int] | None] | None = None,
) -> list[Row]:
    """Compares methods with source-only and the oracle.

    Runs of the same seed are compared, and those whose seed the other has not are left out (see
    :func:`unpaired_runs`). Where no seeds are known, a method with as many runs as source-only (or
    the oracle) is compared run by run, in order. Otherwise, and where no seed is common, the means
    are used.

    Args:
        runs: The validations of each method's runs.
        metric: Name of the mean score.
        source: Name of source-only among them.
        oracle: Name of the oracle.
        seeds: The seeds of each method's runs where they are known, see :func:`seeds_of`.

    Raises:
        ValueError: If there is no such method, or runs have different classes.
    """
    for option, name in (('source', source), ('oracle', oracle)):
        if name is not None and name not in runs:
            raise ValueError(
                f'--{option} {name}: there is no run of this name, only {", ".join(runs)}'
            )
    classes: dict[str, tuple[str, ...]] = {}
    for name, validations in runs.items():
        for row in validations:
            own = tuple(sorted(key for key in row if key.startswith('IoU.')))
            if own:
                classes[name] = own
    if len(set(classes.values())) > 1:
        one, other = next((a, b) for a in classes for b in classes if classes[a] != classes[b])
        raise ValueError(
            f'{one} and {other} have different classes: their scores cannot be compared'
        )

    seeds = seeds or {}

    def partners(name: str, reference: str | None) -> dict[int, float]:
        """What the runs of a method are compared with, by their places."""
        if reference is None:
            return {}
        own, other = seeds.get(name), seeds.get(reference)
        count, found = len(runs[name]), [row[metric] for row in runs[reference]]
        if own and other and (common := {*own} & {*other}):
            return {i: found[other.index(seed)] for i, seed in enumerate(own) if seed in common}
        if len(found) == count and not (own and other):
            return dict(enumerate(found))
        return dict.fromkeys(range(count), statistics.mean(found))

    rows = []
    for name, validations in runs.items():
        scores = [row[metric] for row in validations]
        floor, top = partners(name, source), partners(name, oracle)
        # The order of the log.
        keys = [key for key in validations[0] if key.startswith('IoU.')]
        rows.append(
            Row(
                name,
                [int(row['step']) for row in validations],
                {
                    key.removeprefix('IoU.'): [row.get(key, math.nan) for row in validations]
                    for key in keys
                },
                scores,
                [scores[i] - value for i, value in floor.items()],
                [gap_closed(scores[i], floor[i], top[i]) for i in floor if i in top],
            )
        )
    return rows


def gap_closed(score: float, source: float, oracle: float) -> float:
    """Percent of the way from source-only to the oracle; NaN if both are equal."""
    return math.nan if oracle == source else 100 * (score - source) / (oracle - source)


def sign_test(differences: Sequence[float]) -> float:
    """Two-sided p of the sign test of paired differences; zeros are left out.

    It is the probability that the less frequent sign is as rare or rarer, if both are equally
    likely: with n differences of one sign 2 / 2^n, thus 0.25 with three.
    """
    up, down = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    tail = sum(math.comb(up + down, k) for k in range(min(up, down) + 1))
    return min(1.0, 2 * tail / 2 ** (up + down))


def spread(values: Sequence[float], digits: int = 1, sign: str = '') -> str:
    """Mean and sample standard deviation, or a dash if a value is missing."""
    if not values or any(math.isnan(value) for value in values):
        return DASH
    mean = f'{statistics.mean(values):{sign}.{digits}f}'
    return mean if len(values) == 1 else f'{mean} ± {statistics.stdev(values):.{digits}f}'


@dataclass(frozen=True)
class Table:
    """Cells of a table.

    Attributes:
        header: Names of the columns.
        rows: Cells of each row.
        bold: (row, column) of highlighted cells.
    """

    header: list[str]
    rows: list[list[str]]
    bold: frozenset[tuple[int, int]] = frozenset()

    def markdown(self) -> str:
        """Formats the table as markdown."""
        body = [
            [f'**{cell}**' if (i, j) in self.bold else cell for j, cell in enumerate(row)]
            for i, row in enumerate(self.rows)
        ]
        head, *lines = (
            '|' + '|'.join(f' {cell} ' if cell else ' ' for cell in cells) + '|'
            for cells in (self.header, *body)
        )
        return '\n'.join([head, '|---' * len(self.header) + '|', *lines])

    def text(self) -> str:
        """Formats the table as plain text in columns."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[j]) for line in lines) for j in range(len(self.header))]
        return '\n'.join(
            '  '.join(
                cell.rjust(width) if j else cell.ljust(width)
                for j, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def csv(self) -> str:
        """Formats the table as comma-separated values."""
        out = io.StringIO(newline='')
        csv.writer(out, lineterminator='\n').writerows([self.header, *self.rows])
        return out.getvalue()

    def latex(self) -> str:
        """Formats the table as a LaTeX tabular, for the packages booktabs and graphicx."""
        turned = [rf'\rotatebox{{90}}{{{_tex(name)}}}' for name in self.header[1:]]
        lines = [[_tex(self.header[0]), *turned]] + [
            [
                rf'\textbf{{{_tex(cell)}}}' if (i, j) in self.bold else _tex(cell)
                for j, cell in enumerate(row)
            ]
            for i, row in enumerate(self.rows)
        ]
        head, *body = (' & '.join(cells) + r' \\' for cells in lines)
        return '\n'.join(
            [
                rf'\begin{{tabular}}{{l{"c" * (len(self.header) - 1)}}}',
                r'\toprule',
                head,
                r'\midrule',
                *body,
                r'\bottomrule',
                r'\end{tabular}',
            ]
        )


def comparison_table(
    rows: Sequence[Row], metric: str = 'mIoU', source: str | None = None, oracle: str | None = None
) -> Table:
    """Makes the table of the papers: classes, mean, difference to source-only, gap closed.

    Classes are means over the runs, the rest is mean ± standard deviation. The best of each column,
    apart from the oracle, is bold.
    """
    classes = list(dict.fromkeys(name for row in rows for name in row.classes))
    header = ['method', 'runs', 'iteration', *classes, metric]
    header += [f'to {source}'] if any(row.differences for row in rows) else []
    header += ['gap closed, %'] if any(row.gaps for row in rows) else []
    cells, columns = [], []
    for row in rows:
        lo, hi = min(row.steps), max(row.steps)
        means = [statistics.mean(row.classes.get(name, [math.nan])) for name in classes]
        line = [
            row.name,
            str(len(row.steps)),
            str(lo) if lo == hi else f'{lo}-{hi}',
            *(DASH if math.isnan(mean) else f'{mean:.1f}' for mean in means),
            spread(row.scores),
        ]
        if row.differences:
            line.append(spread(row.differences, sign='+') if row.name != source else '')
        if any(one.gaps for one in rows):  # a method may have no seed that both others have
            line.append(spread(row.gaps, 0) if row.name not in (source, oracle) else '')
        cells.append(line)
        columns.append([*means, statistics.mean(row.scores)])
    bold = set()
    for j in range(len(classes) + 1):
        column = {
            i: round(columns[i][j], 1)
            for i, row in enumerate(rows)
            if row.name != oracle and not math.isnan(columns[i][j])
        }
        if len(column) > 1:
            bold |= {(i, 3 + j) for i, value in column.items() if value == max(column.values())}
    return Table(header, cells, frozenset(bold))


def with_part(page: str, begin: str, end: str, part: str) -> str:
    """A page with another text between two of its lines, which stay.

    Args:
        page: The page, in markdown.
        begin: The line before the part.
        end: The line after it.
        part: The new text.

    Raises:
        ValueError: If the page has no such lines.
    """
    head, found, rest = page.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise ValueError(f'the page has no {begin} ... {end}')
    return f'{head}{begin}\n\n{part}\n\n{end}{tail}'


def _tex(text: str) -> str:
    text = re.sub(r'([&%$#_{}])', r'\\\1', text)
    for sign, macro in (('±', r'$\pm$'), (DASH, '--'), ('~', r'\textasciitilde{}')):
        text = text.replace(sign, macro)
    return re.sub(r'^-(?=\d)', '$-$', text)
