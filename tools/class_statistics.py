"""Counts the pixels of each class in every source label, for rare-class sampling.

The source data set is that of a training config. Only its labels are read, with its ids and
classes. The result is written where the config looks for it, or to OUT (if the data are read-only;
the config then needs its path, rare_class_sampling.statistics):

    python tools/class_statistics.py CONFIG
    python tools/class_statistics.py CONFIG --out data/gta/class_statistics.json --workers 8

Existing statistics that fit are left unchanged. With --spatial-prior it writes no statistics, but
how often each class is at which place, the spatial priors of CBST (docs/methods/cbst.md):

    python tools/class_statistics.py CONFIG --spatial-prior data/gta/spatial_prior.npy
"""

from __future__ import annotations

import argparse
import os.path as osp
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.datasets.clip import ClipSegDataset
from mmdavss.datasets.label_maps import LabelSet
from mmdavss.datasets.rare_class import (
    class_probabilities,
    count_pixels,
    label_sets,
    read_statistics,
    write_statistics,
)
from mmdavss.datasets.spatial_prior import small_label, spatial_prior
from mmdavss.launch.config_file import load_config, require, without_pipeline
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import check_writable, refuse_existing, refuse_folder, unfinished_file
from mmdavss.utils.processes import cores
from mmdavss.utils.progress import progress
from mmdavss.utils.worker_pool import WorkerPool

T = TypeVar('T')
ADVICE = (
    'write elsewhere with --out FILE, and train with --cfg-options train_dataloader.dataset.'
    'rare_class_sampling.statistics=FILE (rare_patches.statistics for QuadMix)'
)
#: Number of label files that a process gets at a time.
CHUNK = 8


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the training')
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        '--out',
        metavar='FILE',
        help='json file to write; by default '
        'rare_class_sampling.statistics of the config, or class_statistics.json '
        'in the data_root of the source',
    )
    made.add_argument(
        '--spatial-prior',
        metavar='FILE.npy',
        help='write spatial priors (K, H, W) and no statistics',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=min(8, cores()),
        metavar='N',
        help='number of processes',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='replace values of the config',
    )
    args = parser.parse_args()
    if args.workers < 1:
        parser.error('--workers must be 1 or more')
    return args


def source_of(cfg: Config) -> tuple[ClipSegDataset, str]:
    """The source data set of a config, and the path of its statistics.

    Raises:
        UserError: If there is no source data set.
    """
    require(cfg, 'train_dataloader.dataset')
    pair = cfg.train_dataloader.dataset
    source = pair.get('source') if pair.get('type') == 'DomainPairDataset' else pair
    if not source:
        raise UserError(f'{cfg.filename}: train_dataloader.dataset has no source.')
    dataset = DATASETS.build(without_pipeline(cfg.filename, source))
    sampling = pair.get('rare_class_sampling') or pair.get('rare_patches') or {}
    own = osp.join(dataset.data_root, 'class_statistics.json')
    return dataset, sampling.get('statistics') or own


def _count(file: tuple[str, LabelSet]) -> list[int]:
    return count_pixels(*file)


def _small(file: tuple[str, LabelSet]) -> np.ndarray:
    return small_label(*file)


def of_each(
    function: Callable[[tuple[str, LabelSet]], T], dataset: ClipSegDataset, workers: int
) -> Iterator[tuple[str, T]]:
    """The name of every label and what a function makes of it, with a progress bar."""
    files = label_sets(dataset)

    def shown(results: Iterable[T]) -> Iterator[tuple[str, T]]:
        return zip(files, progress('count', results, len(files), 'labels'), strict=True)

    if workers == 1:
        yield from shown(map(function, files.values()))
    else:
        with WorkerPool(workers) as pool:
            yield from shown(pool.map(function, list(files.values()), CHUNK))


def write_prior(file: str, dataset: ClipSegDataset, workers: int, overwrite: bool) -> None:
    """Writes spatial priors.

    Raises:
        UserError: If the file is there already and is not to be replaced, or cannot be written.
    """
    if not file.endswith('.npy'):
        raise UserError(f'--spatial-prior {file}: the name of such a file ends in .npy')
    refuse_existing([file], overwrite, '--spatial-prior')
    check_writable(osp.dirname(file) or '.', 'write elsewhere with --spatial-prior FILE.npy')
    labels = (label for _, label in of_each(_small, dataset, workers))
    prior = spatial_prior(labels, len(dataset.metainfo['classes']))
    with unfinished_file(file) as opened:
        np.save(opened, prior)
    print(
        f'\nwrote {file}; labels are made with it by --cfg-options '
        f'pseudo_label_generator.prior={file}'
    )


def summary(dataset: ClipSegDataset, pixels: np.ndarray) -> str:
    """One line for each class, the rarest first."""
    total = pixels.sum(0)
    order, probabilities = class_probabilities(total)
    names = dataset.metainfo['classes']
    lines = [
        f'{names[c]:12} {total[c] / total.sum():9.4%} of the labelled pixels, '
        f'drawn with probability {p:.3f} (temperature 0.01)'
        for c, p in zip(order, probabilities, strict=True)
    ]
    absent = [names[c] for c in np.flatnonzero(total == 0)]
    return '\n'.join(lines + ([f'absent: {", ".join(absent)}'] if absent else []))


def main() -> None:
    args = parse_args()
    with one_line('interrupted: nothing is written; the same command starts again'):
        cfg = load_config(args.config, args.cfg_options, None)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        dataset, file = source_of(cfg)
        if args.spatial_prior:
            write_prior(args.spatial_prior, dataset, args.workers, args.overwrite)
            return
        file = args.out or file
        refuse_folder(file)
        if osp.exists(file) and not args.overwrite:
            pixels = read_statistics(file, dataset)
            print(f'{file} is there already, and fits.')
        else:
            check_writable(osp.dirname(file) or '.', ADVICE)
            rows = dict(of_each(_count, dataset, args.workers))
            write_statistics(file, dataset.metainfo['classes'], rows)
            pixels = read_statistics(file, dataset)
            print(f'\nwrote {file}')
    print(summary(dataset, pixels))


if __name__ == '__main__':
    main()
