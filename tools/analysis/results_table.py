"""Compares runs in the table of the papers: IoU of each class, mIoU, difference to source-only and
the share of the gap to the oracle that is closed.

Folders are work dirs of tools/train.py, or folders of several (seed0, seed1, ...) that are runs of
one method; runs of one name become mean ± standard deviation. Runs are compared with those of
source-only and the oracle that have the same seed, by the names of their folders. The last
validation and the best one are two tables: the best one is chosen on the frames that it is scored
on. Runs that have not ended, and seeds that are left out, are named below them. Prints markdown,
and writes it and LaTeX.

    python tools/analysis/results_table.py work_dirs/small_results/mini/{source-only,adabn,stpl,oracle} \
        --source source-only --oracle oracle --out work_dirs/results.md
"""  # noqa: E501

from __future__ import annotations

import argparse
from pathlib import Path

from mmdavss.analysis.results import (
    best_validation,
    compare,
    comparison_table,
    find_runs,
    last_validation,
    seeds_of,
    unfinished_runs,
    unpaired_runs,
)
from mmdavss.cli.exits import one_line
from mmdavss.utils.files import check_writable, refuse_existing, replace_file

PICKS = {'last validation': last_validation, 'best validation': best_validation}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument(
        '--names', nargs='+', help='names of the folders, by default the ends of their paths'
    )
    parser.add_argument('--source', metavar='NAME', help='name of source-only')
    parser.add_argument(
        '--oracle', metavar='NAME', help='name of the oracle, trained on target labels'
    )
    parser.add_argument('--metric', default='mIoU', help='name of the mean score in the log')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/results.md'),
        help='markdown file; LaTeX is written beside it (.tex)',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace existing tables')
    args = parser.parse_args()
    if args.out.suffix != '.md':
        parser.error(f'--out {args.out}: must end in .md')
    return args


def main() -> None:
    args = parse_args()
    markdown, latex = [], ['% needs the packages booktabs and graphicx']
    with one_line():
        refuse_existing((args.out, args.out.with_suffix('.tex')), args.overwrite)
        runs = find_runs(args.work_dirs, args.names)
        for title, pick in PICKS.items():
            rows = compare(
                {
                    name: [pick(folder, args.metric) for folder in folders]
                    for name, folders in runs.items()
                },
                args.metric,
                args.source,
                args.oracle,
                {name: seeds_of(folders) for name, folders in runs.items()},
            )
            table = comparison_table(rows, args.metric, args.source, args.oracle)
            markdown.append(f'## {title.capitalize()}\n\n{table.markdown()}\n')
            latex.append(f'% {title}\n{table.latex()}\n')
        without = [row.name for row in rows if not row.classes]
        if without and args.metric == 'mIoU':
            markdown.append(
                f'Logs of {", ".join(without)} hold no classes: validate with '
                '`--cfg-options val_evaluator.per_class=True`, or `val_evaluator.0.per_class=True` '
                'if the config has a list of evaluators.\n'
            )
        folders = [folder for own in runs.values() for folder in own]
        said = unpaired_runs(runs, args.source, args.oracle)
        said += unfinished_runs(folders, args.metric)
        markdown += [f'{line}\n' for line in said]
        check_writable(args.out.parent, 'write the tables elsewhere (--out)')
        replace_file(args.out, '\n'.join(markdown).encode())
        replace_file(args.out.with_suffix('.tex'), '\n'.join(latex).encode())
        print('\n'.join(markdown))
        print(f'wrote {args.out} and {args.out.with_suffix(".tex")}')


if __name__ == '__main__':
    main()
