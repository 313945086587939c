"""Share of pixels of the same class among the k nearest neighbours in the feature space, for one or
several checkpoints (STPL, figure 7).

The features are the classifier's input for the current frame, on the labelled data of the config's
test_dataloader; 500 pixels of each class are drawn at random, the same ones for all checkpoints. A
class with too few pixels for the largest k is left out and reported. Prints a table, draws curves
and writes a csv.

    python tools/analysis/neighbours.py CONFIG CHECKPOINT [CHECKPOINT ...] \
        --names source-only STPL --k 1 10 50 100 200 --out work_dirs/neighbours.png
"""

from __future__ import annotations

from matplotlib.figure import Figure

from mmdavss.analysis.features import labelled_features, sample_pixels
from mmdavss.analysis.results import Table
from mmdavss.cli.analysis import CheckpointParser, models, read_config, run, save, test_data
from mmdavss.evaluation import neighbour_purity


def draw(shares: dict[str, dict[int, float]], chance: float) -> Figure:
    """Curves of all checkpoints over k."""
    figure = Figure(figsize=(5.5, 4), layout='constrained')
    axes = figure.subplots()
    for name, curve in shares.items():
        axes.plot(
            list(curve), [100 * v for v in curve.values()], marker='o', markersize=3, label=name
        )
    axes.axhline(100 * chance, color='grey', linestyle=':', label='chance')
    axes.set(xlabel='nearest neighbours k', ylabel='of the same class, %', ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    parser = CheckpointParser(__doc__, 'work_dirs/neighbours.png')
    parser.add_argument(
        '--k',
        type=int,
        nargs='+',
        default=[1, 5, 10, 20, 50, 100, 200],
        help='numbers of neighbours (1 5 10 20 50 100 200)',
    )
    parser.add_argument('--per-class', type=int, default=500, metavar='N', help='pixels (500)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the drawn pixels')
    args = parser.parse_args()
    ks = sorted(set(args.k))
    if ks[0] < 1 or ks[-1] >= args.per_class:
        parser.error(f'--k {ks}: must be from 1 to {args.per_class - 1}, below --per-class')
    cfg = read_config(args)
    loader = test_data(cfg)
    classes = loader.dataset.metainfo['classes']
    shares = {}
    for name, model in models(cfg, args, loader.dataset.metainfo):
        features, labels = sample_pixels(
            labelled_features(model, loader), model.num_classes, args.per_class, args.seed
        )
        shares[name], dropped = neighbour_purity(
            features.to(args.device), labels.to(args.device), ks
        )
    # The drawn pixels are the same for all.
    counts = {
        classes[k]: int(n)
        for k, n in zip(*(t.tolist() for t in labels.unique(return_counts=True)), strict=True)
    }
    dropped = [classes[k] for k in dropped]
    used = [counts[name] for name in counts if name not in dropped]
    # Purity of random neighbours; unequal counts raise it above 1/M.
    chance = sum(n * (n - 1) for n in used) / (sum(used) * (sum(used) - 1))
    print(
        Table(
            ['k', *map(str, ks)],
            [[name, *(f'{100 * v:.1f}' for v in row.values())] for name, row in shares.items()],
        ).markdown()
    )
    print(
        f'{len(used)} classes, {min(used)} to {max(used)} pixels each; chance is '
        f'{100 * chance:.1f} %'
    )
    if dropped:
        named = ', '.join(f'{name} ({counts[name]})' for name in dropped)
        print(f'left out, fewer than {ks[-1] + 1} pixels: {named}')
    save(
        draw(shares, chance),
        args.out,
        ['name', *(f'k={k}' for k in ks)],
        [[name, *row.values()] for name, row in shares.items()],
    )


if __name__ == '__main__':
    run(main)
