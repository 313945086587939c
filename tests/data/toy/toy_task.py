"""A task of one weight, small enough to follow by hand: loss = w * x, so that SGD subtracts x."""

from __future__ import annotations

import atexit
import os
import sys

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmseg.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset


@atexit.register
def say_finalisation() -> None:
    """Threads of a process group may abort a process that Python ends."""
    if 'RANK' in os.environ:
        print('ended by Python', file=sys.stderr)


@DATASETS.register_module()
class ToyNumbers(Dataset):
    """The numbers 0 to 15."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        return dict(x=torch.tensor(float(index)))


@MODELS.register_module()
class ToyWeight(BaseModel):
    """One weight, zero at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, mode: str = 'tensor') -> dict | list:
        if mode == 'loss':
            return dict(loss=(self.weight * x).mean())
        return [dict(value=self.weight.item())]


@METRICS.register_module()
class ToyValue(BaseMetric):
    """Reports the weight, under the name that the checkpoint hook looks for."""

    def __init__(self, output_dir: str | None = None) -> None:
        super().__init__()
        self.output_dir = output_dir

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        self.results.extend(sample['value'] for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return dict(mIoU=results[0], count=float(len(results)))
