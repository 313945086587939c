"""Tables of docs/results.md and README.md, from the objects of docs/results.json."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from small_methods import ABLATIONS, BENCHMARKS, EXPECTED, MAIN, METHODS, WAYS

from mmdavss.analysis.results import DASH, Table, gap_closed, sign_test, spread, with_part

ROOT = Path(__file__).resolve().parents[1]
RESULTS_PAGE = ROOT / 'docs/results.md'
README = ROOT / 'README.md'
BEGIN = '<!-- {}: written by `python benchmarks/small_results.py --tables` -->'
END = '<!-- End of {} -->'
NOTHING = 'Not measured yet.'
#: Rows that are bounds and not adaptations.
BOUNDS = ('source-only', 'oracle')
CONFIRMED, REFUTED, UNDECIDED = 'confirmed', 'refuted', 'undecided'
#: p at which differences decide, or the smallest that their number allows if that is larger.
LEVEL = 0.05
#: Differences that are needed at least.
FEWEST = 3
#: mIoU between source-only and oracle, below which a share of it would be one of noise.
LEAST_GAP = 1.0
#: Percent of the gap that the goals ask for.
STPL_GOAL, SOURCE_GOAL = 30, 60

#: Scores of the tables of methods, and their columns.
SCORES = {'mIoU': 'mIoU', 'aAcc': 'right pixels, %', 'VPQ': 'VPQ^s', 'TC': 'TC'}

#: An object of docs/results.json.
Entry = Mapping[str, Any]


class Scores:
    """The objects, by what they are about."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {
            (entry['benchmark'], entry['method'], entry['row'], entry['seed']): entry
            for entry in entries
        }

    def by_seed(self, benchmark: str, method: str, row: str = MAIN) -> dict[int, Entry]:
        """Objects of a row, by seed."""
        return {
            key[3]: entry
            for key, entry in sorted(self._entries.items())
            if key[:3] == (benchmark, method, row)
        }

    def methods(self, benchmark: str) -> list[str]:
        """Methods that were measured on a benchmark."""
        return [method for method in METHODS if self.by_seed(benchmark, method)]

    def gap(self, benchmark: str, method: str) -> float | None:
        """Percent of the gap between source-only and oracle that is closed.

        Of means over the seeds that all three have: where the gap of a seed is small, as that of
        `day2dusk`, the percentage of that seed says nothing. None without figures, and of a gap
        below :data:`LEAST_GAP`.
        """
        low, high = (self.by_seed(benchmark, bound) for bound in BOUNDS)
        found = self.by_seed(benchmark, method)
        seeds = found.keys() & low.keys() & high.keys()
        if not seeds:
            return None
        means = [mean([entries[seed]['mIoU'] for seed in seeds]) for entries in (found, low, high)]
        return None if abs(means[2] - means[1]) < LEAST_GAP else gap_closed(*means)

    def above(self, benchmark: str, method: str) -> dict[int, bool]:
        """Whether a method is above source-only, for each seed."""
        low = self.by_seed(benchmark, BOUNDS[0])
        return {
            seed: entry['mIoU'] > low[seed]['mIoU']
            for seed, entry in self.by_seed(benchmark, method).items()
            if seed in low
        }

    def differences(
        self, benchmark: str, one: tuple[str, str], other: tuple[str, str]
    ) -> list[float]:
        """mIoU of one row less that of another, for each seed and way that both have.

        Args:
            benchmark: Name of the benchmark.
            one: Method and row.
            other: Method and row.
        """
        found = []
        others = self.by_seed(benchmark, *other)
        for seed, entry in self.by_seed(benchmark, *one).items():
            if seed in others:
                pairs = (
                    [(entry['ways'][way], others[seed]['ways'][way]) for way in entry['ways']]
                    if benchmark in WAYS
                    else [(entry, others[seed])]
                )
                # Scores have two digits: what rounding leaves is a tie.
                found += [round(a['mIoU'] - b['mIoU'], 2) for a, b in pairs]
        return found


def values(entries: Mapping[int, Entry], name: str) -> list[float]:
    """A score of the seeds that have it."""
    return [entry[name] for entry in entries.values() if entry.get(name) is not None]


def title(method: str) -> str:
    """Name of a method in a table."""
    return METHODS[method].title.replace('*', r'\*')


def best(columns: Mapping[int, Sequence[float]], allowed: Sequence[bool]) -> set[tuple[int, int]]:
    """Cells of the highest rounded value of each column, if it is above 0.

    Args:
        columns: A value for each row, by index of the column; NaN has none.
        allowed: Whether a row may win.
    """
    cells = set()
    for j, column in columns.items():
        found = {
            i: round(value, 1)
            for i, (value, may) in enumerate(zip(column, allowed, strict=True))
            if may and not math.isnan(value)
        }
        if len(found) > 1 and max(found.values()) > 0:
            cells |= {(i, j) for i, value in found.items() if value == max(found.values())}
    return cells


def mean(found: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return statistics.mean(found) if found else math.nan


# ----------------------------------------------------------------------------------------- tables


def method_table(scores: Scores, benchmark: str) -> str:
    """All methods on a benchmark."""
    methods = scores.methods(benchmark)
    if not methods:
        return NOTHING
    found = {method: scores.by_seed(benchmark, method) for method in methods}
    shown = {
        name: column
        for name, column in SCORES.items()
        if any(values(entries, name) for entries in found.values())
    }
    header = ['method', 'net', 'seeds', *shown.values()]
    header += ['gap closed, %', 'above source-only', 'minutes']
    rows = []
    for method, entries in found.items():
        above = scores.above(benchmark, method)
        adapted = method not in BOUNDS
        row = [title(method), METHODS[method].net, str(len(entries))]
        row += [spread(values(entries, name)) for name in shown]
        row += [
            _percent(scores.gap(benchmark, method)) if adapted else '',
            f'{sum(above.values())} of {len(above)}' if adapted and above else '',
            f'{mean(values(entries, "minutes")):.1f}',
        ]
        rows.append(row)
    columns = {
        header.index(column): [mean(values(entries, name)) for entries in found.values()]
        for name, column in shown.items()
    }
    bold = best(columns, [method != 'oracle' for method in methods])
    return Table(header, rows, frozenset(bold)).markdown()


def class_table(scores: Scores, benchmark: str) -> str:
    """IoU of all methods by class, means of the seeds."""
    methods = scores.methods(benchmark)
    if not methods:
        return NOTHING
    found = {method: scores.by_seed(benchmark, method).values() for method in methods}
    names = list(
        dict.fromkeys(
            name for each in found.values() for entry in each for name in entry['classes']
        )
    )

    def value(method: str, name: str) -> float:
        each = [entry['classes'].get(name) for entry in found[method]]
        return mean([iou for iou in each if iou is not None])

    columns = {j: [value(method, name) for method in methods] for j, name in enumerate(names, 1)}
    rows = [
        [title(method)]
        + [DASH if math.isnan(column[i]) else f'{column[i]:.1f}' for column in columns.values()]
        for i, method in enumerate(methods)
    ]
    bold = best(columns, [method != 'oracle' for method in methods])
    return Table(['method', *names], rows, frozenset(bold)).markdown()


def outcome(differences: Sequence[float], expected: float) -> str:
    """What a sign test says about the order of a paper.

    Args:
        differences: Of the same two rows, for each seed and way.
        expected: Their difference in the paper, of which only the sign counts.
    """
    count = len(differences)
    if count < FEWEST or sign_test(differences) > max(LEVEL, smallest_p(count)):
        return UNDECIDED
    signs = sum(d > 0 for d in differences) - sum(d < 0 for d in differences)
    return CONFIRMED if signs * expected > 0 else REFUTED


def smallest_p(count: int) -> float:
    """The smallest two-sided p that a sign test of so many differences can have."""
    return min(1.0, 2.0 ** (1 - count))


def ablation_outcomes(scores: Scores, method: str) -> dict[str, str]:
    """What follows for each measured row of which the paper has a score."""
    found = {}
    for name, row in METHODS[method].rows.items():
        differences, expected = ablation_differences(scores, method, name)
        if differences and expected:
            found[row.title] = outcome(differences, expected)
    return found


def ablation_differences(
    scores: Scores, method: str, name: str
) -> tuple[list[float], float | None]:
    """Differences of a row to the main row: measured ones, and that of the paper."""
    kind = METHODS[method]
    row = kind.rows[name]
    own = (method, name) if row.method is None else (row.method, MAIN)
    expected = None if None in (row.paper, kind.paper) else row.paper - kind.paper
    return scores.differences(ABLATIONS, own, (method, MAIN)), expected


def ablation_table(scores: Scores, method: str) -> str:
    """The rows of a method's ablation, with the main row as the last one."""
    kind = METHODS[method]
    header = ['row', 'seeds', 'mIoU', 'right pixels, %', f'to {title(method)}', 'above', 'p']
    header += ['in the paper', "the paper's order"]
    rows = []
    for name, row in kind.rows.items():
        own = (method, name) if row.method is None else (row.method, MAIN)
        entries = scores.by_seed(ABLATIONS, *own)
        if not entries:
            continue
        differences, expected = ablation_differences(scores, method, name)
        rows.append(
            [
                row.title,
                str(len(entries)),
                spread(values(entries, 'mIoU')),
                spread(values(entries, 'aAcc')),
                spread(differences, sign='+'),
                f'{sum(d > 0 for d in differences)} of {len(differences)}' if differences else '',
                f'{sign_test(differences):.2g}' if differences else '',
                '' if row.paper is None else f'{row.paper:.1f}',
                outcome(differences, expected) if differences and expected else '',
            ]
        )
    if not rows:
        return NOTHING
    entries = scores.by_seed(ABLATIONS, method)
    main = [title(method), str(len(entries))]
    main += [spread(values(entries, name)) for name in ('mIoU', 'aAcc')]
    main += ['', '', '', '' if kind.paper is None else f'{kind.paper:.1f}', '']
    return Table(header, [*rows, main]).markdown()


def ablations(scores: Scores) -> str:
    """All ablations."""
    parts = [
        f'### {METHODS[method].title}: rows of the ablation\n\n{ablation_table(scores, method)}'
        for method, kind in METHODS.items()
        if kind.rows
    ]
    return '\n\n'.join(parts)


def short_table(scores: Scores) -> str:
    """mIoU of all methods on the benchmarks."""
    methods = [
        method for method in METHODS if any(scores.by_seed(name, method) for name in BENCHMARKS)
    ]
    if not methods:
        return NOTHING
    found = [
        [values(scores.by_seed(benchmark, method), 'mIoU') for benchmark in BENCHMARKS]
        for method in methods
    ]
    rows = [
        [title(method), *(spread(cell) for cell in cells)]
        for method, cells in zip(methods, found, strict=True)
    ]
    columns = {j: [mean(cells[j - 1]) for cells in found] for j in range(1, 1 + len(BENCHMARKS))}
    bold = best(columns, [method != 'oracle' for method in methods])
    return Table(['mIoU', *BENCHMARKS.values()], rows, frozenset(bold)).markdown()


# ------------------------------------------------------------------------------------------ goals


def goals(scores: Scores) -> str:
    """The goals, and what was measured."""
    lines = ['Every method above source-only on each benchmark in each seed:', '']
    for benchmark, name in BENCHMARKS.items():
        lines.append(f'- {name}: {_all_above(scores, benchmark)}')
    lines += ['', f'STPL closes at least {STPL_GOAL} % of the gap:', '']
    for benchmark in ('mini2camvid', 'day2dusk'):
        lines.append(
            f'- {BENCHMARKS[benchmark]}: {_closed(scores, benchmark, ["stpl"], STPL_GOAL)}'
        )
    lines += [
        '',
        f'The best method with source data at hand closes at least {SOURCE_GOAL} % of the gap:',
        '',
    ]
    with_source = [name for name, kind in METHODS.items() if kind.source and name not in BOUNDS]
    for benchmark in ('mini', 'mini2camvid'):
        closed = _closed(scores, benchmark, with_source, SOURCE_GOAL)
        lines.append(f'- {BENCHMARKS[benchmark]}: {closed}')
    lines += ['', 'AdaBN, on which no recipe depends, to source-only:', '']
    for benchmark, name in BENCHMARKS.items():
        found = scores.differences(benchmark, ('adabn', MAIN), ('source-only', MAIN))
        text = f'{spread(found, sign="+")} mIoU.' if found else NOTHING
        lines.append(f'- {name}: {text}')
    lines += ['', 'What published figures lead to expect, differences in mIoU:', '']
    lines += [f'- {_expected(scores, one, other)}' for one, other in EXPECTED]
    lines += [
        '',
        f"The papers' orders, on {BENCHMARKS[ABLATIONS]}, each row to the whole method:",
        '',
    ]
    for method, kind in METHODS.items():
        if kind.rows and kind.paper is not None:
            lines.append(f'- {kind.title}: {_orders(scores, method)}')
    return '\n'.join(lines)


def _all_above(scores: Scores, benchmark: str) -> str:
    above = {
        method: found
        for method in scores.methods(benchmark)
        if method not in BOUNDS and (found := scores.above(benchmark, method))
    }
    if not above:
        return NOTHING
    below = [
        f'{title(method)} in {sum(not up for up in found.values())} of {len(found)}'
        for method, found in above.items()
        if not all(found.values())
    ]
    text = f'{len(above) - len(below)} of {len(above)} methods are'
    return f'{text}. Not: {", ".join(below)}.' if below else f'{text}.'


def _closed(scores: Scores, benchmark: str, methods: Sequence[str], goal: int) -> str:
    gaps = {method: scores.gap(benchmark, method) for method in methods}
    found = {method: gap for method, gap in gaps.items() if gap is not None}
    if not found:
        return NOTHING
    method = max(found, key=found.__getitem__)
    reached = 'reached' if found[method] >= goal else 'not reached'
    return f'{reached}, {title(method)} closes {_percent(found[method])} %.'


def _percent(gap: float | None) -> str:
    return DASH if gap is None else f'{gap:.0f}'


def _expected(scores: Scores, one: tuple[str, str], other: tuple[str, str]) -> str:
    parts = []
    for benchmark, name in BENCHMARKS.items():
        if found := scores.differences(benchmark, one, other):
            above = f'above in {sum(d > 0 for d in found)} of {len(found)}'
            parts.append(f'{name} {spread(found, sign="+")}, {above} ({outcome(found, 1)})')
    titles = [
        title(method) + ('' if row == MAIN else f' ({METHODS[method].rows[row].title})')
        for method, row in (one, other)
    ]
    text = f'{"; ".join(parts)}.' if parts else NOTHING
    return f'{" above ".join(titles)}: {text}'


def _orders(scores: Scores, method: str) -> str:
    outcomes = ablation_outcomes(scores, method)
    if not outcomes:
        return NOTHING
    parts = []
    for kind in (CONFIRMED, REFUTED, UNDECIDED):
        rows = [row for row, found in outcomes.items() if found == kind]
        if rows:
            parts.append(f'{kind} for {len(rows)} ({"; ".join(rows)})')
    return f'{", ".join(parts)}.'


# ------------------------------------------------------------------------------------------ pages


def pages(entries: Sequence[Entry]) -> dict[Path, dict[str, str]]:
    """The generated parts of each page, by name."""
    scores = Scores(entries)
    parts = {'goals': goals(scores), 'ablations': ablations(scores)}
    for benchmark in BENCHMARKS:
        parts[benchmark] = method_table(scores, benchmark)
        parts[f'{benchmark} classes'] = class_table(scores, benchmark)
    return {RESULTS_PAGE: parts, README: {'results': short_table(scores)}}


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """A page with its generated parts.

    Args:
        text: The page; each part has a line where it begins and one where it ends.
        parts: The parts by name.

    Raises:
        ValueError: If a line is missing.
    """
    for name, part in parts.items():
        text = with_part(text, BEGIN.format(name), END.format(name), part)
    return text


def write_pages(entries: Sequence[Entry]) -> None:
    """Writes the generated parts of the pages."""
    for path, parts in pages(entries).items():
        path.write_text(with_parts(path.read_text(encoding='utf-8'), parts), encoding='utf-8')
