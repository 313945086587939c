"""CPU time of several forms of one computation, for the benchmarks of this folder."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import torch


def one_thread() -> None:
    """Makes torch and OpenCV compute on one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def medians(forms: Mapping[str, Callable[[], Any]], rounds: int = 11) -> dict[str, float]:
    """Milliseconds of CPU time of each form, the median over the rounds.

    The forms alternate, after a first round that is not counted, so that a busy machine slows them
    alike: only ratios are meaningful there.
    """
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds + 1):
        for name, form in forms.items():
            start = time.process_time()
            form()
            times[name].append(time.process_time() - start)
    return {name: 1e3 * statistics.median(values[1:]) for name, values in times.items()}
