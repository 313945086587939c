"""Makes the tables of the papers from work dirs: their rows in their order, what was measured below
what they print.

WORK_DIRS is the folder that tools/train.py writes into: the run of configs/stpl/accel_viper2city.py
is looked for in WORK_DIRS/stpl/accel_viper2city, and several runs of it (seed0, seed1, ...) in
folders there. The last validation counts, never the best one; runs that have not ended are named
below the table. Classes have the scores that this validation logged (per_class=True of its metrics,
which the configs of the tables have). Prints text, and writes it (.txt), markdown, LaTeX and one
csv for each table.

Tables whose figures are of no validation (--list marks them) are made with the published ones only:
another command measures them, which is named below the table.

    python tools/analysis/paper_tables.py work_dirs --tables STPL:1 STPL:2 --out work_dirs/papers.md
    python tools/analysis/paper_tables.py work_dirs            # all that have a run
    python tools/analysis/paper_tables.py --list
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdavss.analysis.published import (
    PublishedTable,
    classes_without_iou,
    measured_runs,
    published_notes,
    published_papers,
    published_tables,
    side_by_side,
    work_dirs_of,
)
from mmdavss.analysis.results import unfinished_runs
from mmdavss.cli.exits import one_line
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import refuse_existing, replace_file


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'work_dirs', nargs='?', type=Path, default=Path('work_dirs'), metavar='WORK_DIRS'
    )
    parser.add_argument(
        '--tables',
        nargs='+',
        metavar='PAPER:TABLE',
        help='which; by default those of which a config has been trained',
    )
    parser.add_argument('--list', action='store_true', help='only list the tables')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/papers.md'),
        help='markdown file; text (.txt), LaTeX (.tex) and csv files are written beside it',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace existing files')
    args = parser.parse_args()
    if args.out.suffix != '.md':
        parser.error(f'--out {args.out}: must end in .md')
    return args


def chosen(names: list[str] | None) -> list[PublishedTable]:
    """The tables of these names, or all.

    Raises:
        UserError: If there is no such table.
    """
    tables = {table.name: table for table in published_tables()}
    unknown = [name for name in names or () if name not in tables]
    if unknown:
        raise UserError(f'--tables {unknown[0]}: there are {", ".join(tables)}')
    return [tables[name] for name in names or tables]


def title_of(table: PublishedTable) -> str:
    """The heading of a table."""
    paper = published_papers()[table.paper]
    return f'{table.paper} ({paper}), table {table.table}: {table.benchmark}'


def remarks(
    table: PublishedTable, runs: Mapping[str, Sequence[Mapping[str, float]]], work_dirs: Path
) -> list[str]:
    """What to know about a table: the notes on it and its rows, what no run can or did fill, and
    which runs have not ended."""
    named = dict.fromkeys([*table.notes, *(n for row in table.rows for n in row.notes)])
    found = [published_notes()[name] for name in named]
    if table.tool:
        found.append(f'Not from runs: tools/analysis/{table.tool} measures these figures.')
    missing = classes_without_iou(table, runs)
    if missing and len(missing) == len(table.classes):
        found.append(
            f'The validations have no {table.prefix}<class>: `per_class=True` of the metric '
            '(`--cfg-options val_evaluator.per_class=True`, in a list of them '
            '`val_evaluator.0.per_class=True`) logs it.'
        )
    elif missing:
        found.append(f'Classes that the validations do not have: {", ".join(missing)}.')
    for folders in work_dirs_of(table, work_dirs).values():
        found += unfinished_runs(folders, table.metrics[0])
    return found


def write_tables(args: argparse.Namespace) -> None:
    """Makes the tables and writes the files."""
    if not args.work_dirs.is_dir():
        raise UserError(f'{args.work_dirs} is no folder')
    found = [(table, measured_runs(table, args.work_dirs)) for table in chosen(args.tables)]
    if args.tables is None:
        found = [(table, runs) for table, runs in found if runs]
    if not found:
        raise UserError(
            f'{args.work_dirs} holds no run of a config of the tables: --tables names some to make '
            'with the published figures alone'
        )
    text, markdown, latex = [], [], ['% needs the packages booktabs and graphicx']
    files = {}
    for table, runs in found:
        made, title = side_by_side(table, runs), title_of(table)
        notes = remarks(table, runs, args.work_dirs)
        text.append('\n'.join([title, made.text(), *notes, '']))
        markdown.append('\n\n'.join([f'## {title}', made.markdown(), *notes]) + '\n')
        latex.append(f'% {title}\n{made.latex()}\n')
        part = f'{table.paper}_{table.table}'.lower()
        files[args.out.with_name(f'{args.out.stem}_{part}.csv')] = made.csv()
    files[args.out] = '\n'.join(markdown)
    files[args.out.with_suffix('.txt')] = '\n'.join(text)
    files[args.out.with_suffix('.tex')] = '\n'.join(latex)
    refuse_existing(files, args.overwrite)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        replace_file(path, content.encode())
    print('\n'.join(text))
    print(f'wrote {", ".join(map(str, files))}')


def main() -> None:
    args = parse_args()
    with one_line():
        if args.list:
            for table in published_tables():
                tool = f' (of tools/analysis/{table.tool})' if table.tool else ''
                print(f'{table.name:12}{table.benchmark}: {", ".join(table.metrics)}{tool}')
        else:
            write_tables(args)


if __name__ == '__main__':
    main()
