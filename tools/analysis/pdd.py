"""Pixel-wise discrimination distance (SePiCo, equation 21) of one or several checkpoints.

For each class how much nearer the features of its pixels are to the mean feature of their own class
than to those of the others; higher is better. The features are the classifier's input for the
current frame, on the labelled data of the config's test_dataloader; a feature cell has the class
that holds most of it. Prints a table and draws a bar plot.

    python tools/analysis/pdd.py CONFIG CHECKPOINT [CHECKPOINT ...] \
        --names source-only DACS SePiCo --out work_dirs/pdd.png
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import track_iter_progress
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmdavss.apis.inference import load_model
from mmdavss.evaluation import PixelDiscrimination
from mmdavss.modules import downscale_labels

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='its student is the network, its test_dataloader the data')
    parser.add_argument('checkpoints', nargs='+', help='of any method with that network')
    parser.add_argument('--names', nargs='+', help='of the checkpoints, for table and plot')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/pdd.png'), help='the plot')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing plot')
    args = parser.parse_args()
    if args.names is None:
        args.names = [Path(path).parent.name for path in args.checkpoints]
    if len(args.names) != len(args.checkpoints):
        parser.error(f'{len(args.names)} names for {len(args.checkpoints)} checkpoints')
    for path in (args.config, *args.checkpoints):
        if not Path(path).is_file():
            parser.error(f'{path} does not exist')
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} exists: choose another --out, or --overwrite')
    return args


@torch.no_grad()
def features(model: nn.Module, loader: DataLoader, classes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (1, A, h, w) and their labels (1, h, w) of all current frames."""
    for data in track_iter_progress((loader, len(loader))):
        batch = model.data_preprocessor(data, False)
        maps = model.extract_feat(batch['inputs'])
        for one, sample in zip(maps, batch['data_samples'], strict=True):
            labels = sample.gt_sem_seg.data.long()
            yield one[None], downscale_labels(labels, one.shape[-2:], classes, min_ratio=0.5)


def measure(cfg: Config, checkpoint: str, device: str) -> tuple[Tensor, float]:
    """PDD (K,) of a checkpoint and the share of pixels without a ratio."""
    model = load_model(cfg, checkpoint, device)
    loader = Runner.build_dataloader(cfg.test_dataloader)
    distance = PixelDiscrimination(model.num_classes, model.student.feature_channels)
    for maps, labels in features(model, loader, model.num_classes):
        distance.add_to_means(maps, labels)
    for maps, labels in features(model, loader, model.num_classes):
        distance.add(maps, labels)
    print()
    return distance.result()


def draw(values: dict[str, Tensor], classes: tuple[str, ...], out: Path) -> None:
    """Bars of all checkpoints, class by class, and their mean."""
    figure, axes = pyplot.subplots(figsize=(1.5 + 0.6 * len(classes), 4), layout='constrained')
    width = 0.8 / len(values)
    for i, (name, pdd) in enumerate(values.items()):
        bars = [*pdd.tolist(), pdd.nanmean().item()]
        places = [k + (i - (len(values) - 1) / 2) * width for k in range(len(bars))]
        axes.bar(places, bars, width, label=name)
    axes.set_xticks(range(len(classes) + 1), [*classes, 'mean'], rotation=45, ha='right')
    axes.set_ylabel('pixel-wise discrimination distance')
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, 1), ncols=len(values), frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.default_scope)
    values, rows = {}, []
    for name, checkpoint in zip(args.names, args.checkpoints, strict=True):
        print(name)
        values[name], share = measure(cfg, checkpoint, args.device)
        cells = ' | '.join(f'{v:.3f}' for v in [*values[name].tolist(), values[name].nanmean()])
        rows.append(f'| {name} | {cells} | {100 * share:.1f} % |')
    classes = Runner.build_dataloader(cfg.test_dataloader).dataset.metainfo['classes']
    print(f'\n| | {" | ".join(classes)} | mean | without ratio |')
    print('|---' * (len(classes) + 3) + '|')
    print('\n'.join(rows))
    draw(values, classes, args.out)
    print(f'\nPlot: {args.out}')


if __name__ == '__main__':
    main()
