"""Pixel-wise discrimination distance (SePiCo, equation 21 and figure 6) of one or several
checkpoints.

Measures for each class how much closer the features of its pixels are to the mean feature of their
own class than to those of the others; higher is better. The features are the classifier's input for
the current frame, on the labelled data of the config's test_dataloader; a feature cell has the
class of most of its pixels. Prints a table, draws bars and writes a csv.

    python tools/analysis/pdd.py CONFIG CHECKPOINT [CHECKPOINT ...] \
        --names source-only DACS SePiCo --out work_dirs/pdd.png
"""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import DataLoader

from mmdavss.analysis.features import labelled_features
from mmdavss.analysis.results import Table, spread
from mmdavss.cli.analysis import CheckpointParser, models, read_config, run, save, test_data
from mmdavss.evaluation import PixelDiscrimination
from mmdavss.methods.base import BaseAdapter


def measure(model: BaseAdapter, loader: DataLoader) -> tuple[Tensor, float]:
    """PDD (K,) of a model and the share of pixels without a ratio."""
    distance = PixelDiscrimination(model.num_classes, model.student.feature_channels)
    for maps, labels in labelled_features(model, loader):
        distance.add_to_means(maps, labels)
    for maps, labels in labelled_features(model, loader):
        distance.add(maps, labels)
    return distance.result()


def draw(values: dict[str, list[float]], columns: list[str]) -> Figure:
    """Bars of all checkpoints, class by class, and their mean."""
    figure = Figure(figsize=(1.5 + 0.6 * len(columns), 4), layout='constrained')
    axes = figure.subplots()
    width = 0.8 / len(values)
    for i, (name, bars) in enumerate(values.items()):
        places = [k + (i - (len(values) - 1) / 2) * width for k in range(len(bars))]
        axes.bar(places, bars, width, label=name)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha='right')
    axes.set_ylabel('pixel-wise discrimination distance')
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, 1), ncols=len(values), frameon=False)
    return figure


def main() -> None:
    args = CheckpointParser(__doc__, 'work_dirs/pdd.png').parse_args()
    cfg = read_config(args)
    loader = test_data(cfg)
    columns = [*loader.dataset.metainfo['classes'], 'mean']
    values, shares = {}, {}
    for name, model in models(cfg, args, loader.dataset.metainfo):
        pdd, shares[name] = measure(model, loader)
        values[name] = [*pdd.tolist(), pdd.nanmean().item()]
    print(
        Table(
            ['', *columns, 'without ratio'],
            [
                [name, *(spread([v], 3) for v in row), f'{100 * shares[name]:.1f} %']
                for name, row in values.items()
            ],
        ).markdown()
    )
    save(
        draw(values, columns),
        args.out,
        ['name', *columns, 'without ratio'],
        [[name, *row, shares[name]] for name, row in values.items()],
    )


if __name__ == '__main__':
    run(main)
