"""The tables of the papers in ``docs/rivals.md``, from ``mmdavss/analysis/published.json``.

python -m tests.rivals          # writes them
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmdavss.analysis.published import (
    PublishedRow,
    PublishedTable,
    absent_methods,
    published_notes,
    published_papers,
    published_tables,
    score_text,
)
from mmdavss.analysis.results import DASH, with_part

PAGE = Path(__file__).parents[1] / 'docs/rivals.md'
BEGIN = '<!-- Tables: written by `python -m tests.rivals` from mmdavss/analysis/published.json -->'
END = '<!-- End of tables -->'


def row_cells(row: PublishedRow, numbers: dict[str, int]) -> list[str]:
    """Method with its notes, figures, and where it is."""
    marks = ''.join(f'<sup>{numbers[name]}</sup>' for name in row.notes)
    means = [score_text(value) for value in row.means]
    if row.config is not None:
        where = f'[`{row.config}`](../configs/{row.config}.py)'
    else:
        where = 'not here' if row.method in absent_methods() else DASH
    return [row.title + marks, *means, where]


def table_lines(table: PublishedTable, numbers: dict[str, int]) -> Iterator[str]:
    """A table in markdown, with its heading."""
    marks = ''.join(f'<sup>{numbers[name]}</sup>' for name in table.notes)
    yield f'### {table.paper}, table {table.table}: {table.benchmark}'
    yield ''
    if table.net:
        yield f'{table.net}.{marks}'
        yield ''
    if table.tool:
        yield f'Measured by [tools/analysis/{table.tool}](analyses.md), not by a validation.'
        yield ''
    yield f'| method | {" | ".join(table.metrics)} | config |'
    yield '|' + '---|' * (len(table.metrics) + 2)
    for row in table.rows:
        yield f'| {" | ".join(row_cells(row, numbers))} |'
    yield ''


def part() -> str:
    """What stands between the two lines of the page."""
    notes = published_notes()
    numbers = {name: i for i, name in enumerate(notes, 1)}
    lines = []
    for paper, reference in published_papers().items():
        lines += [f'## Tables of {paper}', '', f'{reference}.', '']
        for table in published_tables():
            if table.paper == paper:
                lines += table_lines(table, numbers)
    lines += ['## Notes', '']
    lines += [f'{numbers[name]}. {note}' for name, note in notes.items()]
    absent = absent_methods()
    lines += ['', '## Not here', '', f'{len(absent)} methods of the tables:', '']
    lines += ['| method | why |', '|---|---|']
    lines += [f'| {title} | {why} |' for title, why in absent.values()]
    return '\n'.join(lines)


def with_tables(page: str) -> str:
    """The page with the tables of today."""
    return with_part(page, BEGIN, END, part())


if __name__ == '__main__':
    PAGE.write_text(with_tables(PAGE.read_text()))
