"""t-SNE of the pixel features of one or several checkpoints, with the variance in and between the
classes (STPL, figures 6 and 8).

The features are the classifier's input for the current frame, on the labelled data of the config's
test_dataloader; the same number of pixels per class is drawn at random, the same ones for all
checkpoints. The variances (docs/analyses.md) are of the drawn features, not of the picture. Draws a
panel for each checkpoint; the variances go into a csv, the points into another (_points.csv).

    python tools/analysis/tsne.py CONFIG CHECKPOINT [CHECKPOINT ...] --names source-only STPL \
        --classes road light car bicycle --out work_dirs/tsne.png
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from mmdavss.analysis.features import labelled_features, sample_pixels
from mmdavss.analysis.results import Table
from mmdavss.cli.analysis import (
    CheckpointParser,
    chosen_classes,
    models,
    read_config,
    run,
    save,
    test_data,
    write_csv,
)
from mmdavss.evaluation import class_variances
from mmdavss.evaluation.feature_space import Variances
from mmdavss.utils.errors import UserError, not_installed, number_of
from mmdavss.utils.files import refuse_existing


def draw(
    panels: dict[str, tuple[np.ndarray, np.ndarray, Variances]],
    classes: list[str],
    palette: np.ndarray,
) -> Figure:
    """The points of all checkpoints in the colours of their classes."""
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.6 * rows + 0.4), layout='constrained')
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (name, (places, labels, variances)) in zip(grid, panels.items(), strict=False):
        for k in np.unique(labels):
            own = places[labels == k]
            axes.scatter(*own.T, s=7, linewidths=0, color=palette[k] / 255, label=classes[k])
        axes.set_title(
            f'{name}\n$\\sigma_{{intra}}$ = {variances.intra:.3f}, '
            f'$\\sigma_{{inter}}$ = {variances.inter:.3f}',
            fontsize=10,
        )
        middle = (places.max(0) + places.min(0)) / 2
        half = 0.53 * np.ptp(places, axis=0).max()
        axes.set(
            xticks=[],
            yticks=[],
            box_aspect=1,
            xlim=(middle[0] - half, middle[0] + half),
            ylim=(middle[1] - half, middle[1] + half),
        )
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc='outside lower center',
        frameon=False,
        markerscale=2.5,
        ncols=min(len(names), 4 * columns),
        fontsize=9,
    )
    return figure


def main() -> None:
    parser = CheckpointParser(__doc__, 'work_dirs/tsne.png')
    parser.add_argument('--classes', nargs='+', help='classes to draw; default: all')
    parser.add_argument('--per-class', type=int, default=200, metavar='N', help='pixels (200)')
    parser.add_argument('--perplexity', type=float, default=30.0, help='perplexity of t-SNE (30)')
    parser.add_argument(
        '--iterations', type=int, default=750, help='iterations of t-SNE (750), at least 250'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the drawn pixels')
    args = parser.parse_args()
    if args.per_class < 1 or not args.perplexity > 0:
        parser.error('--per-class must be 1 or more, --perplexity positive')
    if args.iterations < 250 or not 0 <= args.seed < 2**32:  # of scikit-learn
        parser.error('--iterations must be 250 or more, --seed from 0 to 2^32 - 1')
    points_file = args.out.with_name(f'{args.out.stem}_points.csv')
    refuse_existing([points_file], args.overwrite)
    if find_spec('sklearn') is None:
        raise not_installed('t-SNE', 'sklearn')
    from sklearn.manifold import TSNE

    cfg = read_config(args)
    loader = test_data(cfg)
    classes = list(loader.dataset.metainfo['classes'])
    wanted = torch.tensor(chosen_classes(args.classes, classes))
    panels, points = {}, []
    for name, model in models(cfg, args, loader.dataset.metainfo):
        features, labels = sample_pixels(
            labelled_features(model, loader), model.num_classes, args.per_class, args.seed
        )
        kept = torch.isin(labels, wanted)
        features, labels = features[kept], labels[kept]
        if len(labels.unique()) < 2:
            raise UserError(
                f'{args.config}: of the classes {args.classes or classes} fewer than '
                'two occur in the labels of test_dataloader'
            )
        print(f't-SNE of {number_of(len(labels), "pixel")}')
        if len(labels) <= 3 * args.perplexity:
            raise UserError(
                f'{len(labels)} pixels are too few for --perplexity {args.perplexity:g}, which can '
                'be at most a third of them; draw more (--per-class) or lower it'
            )
        places = TSNE(
            perplexity=args.perplexity, max_iter=args.iterations, init='pca', random_state=args.seed
        ).fit_transform(F.normalize(features, dim=1).numpy())
        panels[name] = places, labels.numpy(), class_variances(features, labels)
        points += [
            [name, classes[k], *place]
            for k, place in zip(labels.tolist(), places.tolist(), strict=True)
        ]
    header = ['name', 'intra', 'inter', 'inter / intra']
    rows = [[name, v.intra, v.inter, v.ratio] for name, (_, _, v) in panels.items()]
    print(Table(header, [[name, *(f'{v:.4f}' for v in row)] for name, *row in rows]).markdown())
    write_csv(points_file, ['name', 'class', 'x', 'y'], points)
    save(
        draw(panels, classes, np.array(loader.dataset.metainfo['palette'])), args.out, header, rows
    )


if __name__ == '__main__':
    run(main)
