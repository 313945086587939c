"""The tables of the papers, and what was measured beside what they print."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from mmdavss.utils.configs import shipped_folder
from mmdavss.utils.errors import InputError

from .results import DASH, LOGS, Table, find_runs, scores_of, spread

#: Papers, notes, tables, and the methods of the tables that are not here.
FILE = Path(__file__).with_name('published.json')


@dataclass(frozen=True)
class PublishedRow:
    """A row of a paper's table.

    Attributes:
        title: The method's name, as far as possible the paper's.
        method: The same for a method in all tables; the name of its folder of configs, if any.
        means: Score for each metric of the table, None where the paper has none.
        config: Name of its config below ``configs/``, without ``.py``, or None if there is none.
        iou: Score for each class of the table; empty where there are none.
        notes: Names of the notes on it.
    """

    title: str
    method: str
    means: tuple[float | None, ...]
    config: str | None = None
    iou: tuple[float | None, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        paper: The paper's short name.
        table: Its number there.
        benchmark: Source and target.
        net: Network.
        metrics: Names of the means, as validations name them.
        classes: Names of the classes, in the paper's order.
        rows: In the paper's order.
        notes: Names of the notes on all of it.
        tool: What measures its figures, in ``tools/analysis``, if validations do not have them.
    """

    paper: str
    table: str
    benchmark: str
    net: str
    metrics: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[PublishedRow, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    tool: str | None = None

    @property
    def name(self) -> str:
        """``PAPER:TABLE``."""
        return f'{self.paper}:{self.table}'

    @property
    def prefix(self) -> str:
        """What the score of a class is called in a validation, before its name."""
        return 'VPQ.' if self.metrics[0] == 'VPQ' else 'IoU.'


@cache
def _content() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding='utf-8'))


def published_papers() -> dict[str, str]:
    """Authors, place and year of each paper, by its short name."""
    return dict(_content()['papers'])


def published_notes() -> dict[str, str]:
    """The notes on rows and tables, by name."""
    return dict(_content()['notes'])


def absent_methods() -> dict[str, tuple[str, str]]:
    """Title of each method that is not here, and why."""
    return {name: (entry['title'], entry['why']) for name, entry in _content()['absent'].items()}


def published_tables() -> Iterator[PublishedTable]:
    """All tables, in the papers' order.

    A row's config is the one that the file names, or else the table's in the folder of the method
    (there under the row's ``file``, if it has one), where it exists.
    """
    configs = shipped_folder('configs')
    for entry in _content()['tables']:
        rows = []
        for row in entry['rows']:
            config = row.get('config')
            if config is None and 'config' in entry:
                name = row.get('file', '{}').format(entry['config'])
                config = f'{row["method"]}/{name}'
                config = config if (configs / f'{config}.py').is_file() else None
            rows.append(
                PublishedRow(
                    row['title'],
                    row['method'],
                    tuple(row['means']),
                    config,
                    tuple(row.get('iou', ())),
                    tuple(row.get('notes', ())),
                )
            )
        yield PublishedTable(
            entry['paper'],
            entry['table'],
            entry['benchmark'],
            entry.get('net', ''),
            tuple(entry['metrics']),
            tuple(entry['classes']),
            tuple(rows),
            tuple(entry.get('notes', ())),
            entry.get('tool'),
        )


def work_dirs_of(table: PublishedTable, work_dirs: Path) -> dict[str, list[Path]]:
    """The work dirs of the runs of a table's configs.

    Args:
        table: The table.
        work_dirs: Folder of work dirs in the places of their configs, ``work_dirs/stpl/...``;
            folders in such a work dir (``seed0``, ...) are several runs of the config.

    Returns:
        Work dirs by config, without configs that have no run there.
    """
    found = {}
    for config in dict.fromkeys(row.config for row in table.rows if row.config is not None):
        folder = work_dirs / config
        if any(folder.glob(LOGS)) or any(folder.glob(f'*/{LOGS}')):
            (found[config],) = find_runs([folder]).values()
    return found


def measured_runs(table: PublishedTable, work_dirs: Path) -> dict[str, list[Mapping[str, float]]]:
    """The last validations of the runs of a table's configs; see :func:`work_dirs_of`.

    Returns:
        Validations by config, without configs and runs of which no validation has the table's first
        mean.
    """
    found = {}
    for config, runs in work_dirs_of(table, work_dirs).items():
        scored = [own for own in map(partial(_last, metric=table.metrics[0]), runs) if own]
        if scored:
            found[config] = scored
    return found


def _last(run: Path, metric: str) -> Mapping[str, float] | None:
    """The last validation of a run with a score, None without one."""
    try:
        validations = scores_of(run, metric)
    except InputError:
        raise
    except ValueError:  # a run that has just begun, or validates something else
        return None
    return validations[max(validations)]


def classes_without_iou(
    table: PublishedTable, runs: Mapping[str, Sequence[Mapping[str, float]]]
) -> list[str]:
    """Classes of a table that no validation of its runs has a score of.

    Args:
        table: The table.
        runs: Validations of the runs of each config, see :func:`measured_runs`.

    Returns:
        Their names; empty without runs.
    """
    scored = {key for validations in runs.values() for own in validations for key in own}
    return [name for name in table.classes if runs and table.prefix + name not in scored]


def side_by_side(table: PublishedTable, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Table:
    """A paper's table with a line of what was measured below each line that it prints.

    Args:
        table: The table.
        runs: Validations of the runs of each config, see :func:`measured_runs`; several are
            averaged, and their means have a standard deviation.

    Returns:
        Columns ``method``, ``runs`` (``published``, or their number), the classes, the means.
    """
    header = ['method', 'runs', *table.classes, *table.metrics]
    lines = []
    for row in table.rows:
        published = [*(row.iou or [None] * len(table.classes)), *row.means]
        lines.append([row.title, 'published', *map(score_text, published)])
        validations = runs.get(row.config or '', ())
        if not validations:
            continue
        classes = [
            statistics.mean([own.get(table.prefix + name, math.nan) for own in validations])
            for name in table.classes
        ]
        means = [
            spread([own.get(metric, math.nan) for own in validations]) for metric in table.metrics
        ]
        lines.append(['', str(len(validations)), *map(score_text, classes), *means])
    return Table(header, lines)


def score_text(value: float | None) -> str:
    """A score as papers print it: with one or two decimals."""
    if value is None or math.isnan(value):
        return DASH
    return f'{value:.2f}'.removesuffix('0')
