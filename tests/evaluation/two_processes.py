"""Metrics in two processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.structures import SegDataSample
from torch import distributed


def in_two_processes(
    metric: BaseMetric, meta: Mapping[str, Any], samples: Sequence[SegDataSample], folder: Path
) -> list[dict[str, float]]:
    """The result of each process; both get as many samples, as DefaultSampler does it.

    Args:
        metric: The metric; ``collect_dir`` is set to a folder of its own.
        meta: Meta information of the data set.
        samples: Of the whole data set.
        folder: An empty folder.
    """
    metric.collect_dir = str(folder / 'results')
    metric.dataset_meta = dict(meta)
    # Forked, like the workers of a data loader: metric and samples need not be pickled.
    torch.multiprocessing.start_processes(
        _evaluate, (folder, metric, samples), 2, start_method='fork'
    )
    return [torch.load(folder / f'{rank}.pth', weights_only=False) for rank in range(2)]


def _evaluate(rank: int, folder: Path, metric: BaseMetric, samples: Sequence) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    share = samples[rank::2]
    if rank:
        share = [*share, samples[0]]
    metric.process({}, [one.to_dict() for one in share])
    torch.save(metric.evaluate(len(samples)), folder / f'{rank}.pth')
    distributed.destroy_process_group()
