"""Quality of the pseudo-labels of one or several checkpoints: P-mIoU against the proportion of
labelled pixels that get one (VAT-VST, table 7).

CONFIG is a config of self-training, with `pseudo_label_generator` and `target_train_labelled`. Each
selection rule runs with many alphas, and with more until the requested proportions are met; the
other options are those of the config. No pseudo-labels are written. Prints a table, draws curves
and writes a csv of all points.

    python tools/analysis/pseudo_labels.py configs/vat_vst/vst_deeplabv2-r18_miniviper2minivps.py \
        CHECKPOINT [CHECKPOINT ...] --names source-only VAT --out work_dirs/pseudo_labels.png
"""

from __future__ import annotations

from matplotlib.figure import Figure

from mmdavss.analysis.results import DASH, Table
from mmdavss.cli.analysis import CheckpointParser, check_checkpoints, read_config, run, save
from mmdavss.pseudo_labels.quality import WAYS, Quality, QualityMeter, reach


def draw(curves: dict[tuple[str, str], list[Quality]]) -> Figure:
    """Curves: a colour for each checkpoint, a line style for each way."""
    figure = Figure(figsize=(6.5, 4.2), layout='constrained')
    axes = figure.subplots()
    names, ways = ([*dict.fromkeys(key[i] for key in curves)] for i in range(2))
    for (name, way), points in curves.items():
        points = sorted((q for q in points if q.alpha), key=lambda q: q.proportion)
        axes.plot(
            [100 * q.proportion for q in points],
            [q.p_miou for q in points],
            marker='o',
            markersize=3,
            color=f'C{names.index(name)}',
            linestyle=['-', '--', ':', '-.'][ways.index(way) % 4],
            label=f'{name}, {way}' if len(names) > 1 else way,
        )
    axes.set(xlabel='pixels with a pseudo-label, %', ylabel='P-mIoU, %')
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def main() -> None:
    parser = CheckpointParser(__doc__, 'work_dirs/pseudo_labels.png', 'config of self-training')
    parser.add_argument(
        '--ways',
        nargs='+',
        choices=WAYS,
        default=['class-balanced', 'instance-adaptive', 'aggregated'],
        help='to select pseudo-labels; aggregated is clip-adaptive with the '
        'predictions of neighbouring frames (VAT-VST)',
    )
    parser.add_argument(
        '--proportions',
        nargs='+',
        type=float,
        default=[0.3, 0.4],
        metavar='P',
        help='proportions at which to compare (0.3 0.4)',
    )
    parser.add_argument(
        '--tolerance', type=float, default=0.001, help='tolerance of the proportions'
    )
    parser.add_argument(
        '--rounds', type=int, default=6, help='largest number of passes over the target (6)'
    )
    args = parser.parse_args()
    if not all(0 < p < 1 for p in args.proportions):
        parser.error(f'--proportions {args.proportions}: must lie between 0 and 1')
    if args.rounds < 1 or args.tolerance < 0:
        parser.error('--rounds must be 1 or more, --tolerance not negative')
    cfg = read_config(args)
    check_checkpoints(cfg, args)
    curves, rows = {}, []
    for name, checkpoint in zip(args.names, args.checkpoints, strict=True):
        meter = QualityMeter(cfg, checkpoint, args.device)
        for way in args.ways:
            print(f'{name}, {way}', flush=True)
            curves[name, way], found = reach(
                lambda alphas, meter=meter, way=way: meter.measure(way, alphas),
                args.proportions,
                args.tolerance,
                args.rounds,
            )
            reached = [q.proportion for q in curves[name, way]]
            rows.append(
                [
                    name,
                    way,
                    *(DASH if q is None else f'{q.p_miou:.1f}' for q in found),
                    f'{min(reached):.3f} to {max(reached):.3f}',
                ]
            )
    head = [
        '',
        'pseudo-labels',
        *(f'P-mIoU at p = {p:g}' for p in args.proportions),
        'p that alpha reaches',
    ]
    print(Table(head, rows).markdown())
    if any(DASH in row for row in rows):
        print(
            f'{DASH}: no alpha gave that proportion. Thresholds that adapt give more labels with '
            'a smaller gamma and fewer with a higher start (--cfg-options '
            'pseudo_label_generator.gamma=... pseudo_label_generator.start=...)'
        )
    save(
        draw(curves),
        args.out,
        [
            'name',
            'pseudo-labels',
            'alpha',
            'proportion',
            'P-mIoU',
            *(f'IoU.{name}' for name in meter.classes),
        ],
        [
            [*key, q.alpha, q.proportion, q.p_miou, *q.iou.tolist()]
            for key, points in curves.items()
            for q in points
        ],
    )


if __name__ == '__main__':
    run(main)
