"""Random numbers that depend on the position of a run, not on its history."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(*position: int) -> None:
    """Seeds the generators of Python, NumPy and PyTorch, on all devices, from a position.

    Args:
        position: Non-negative numbers, for example the run's seed and an iteration. Different
            positions give unrelated random numbers; trailing zeros do not count.
    """
    torch.manual_seed(_seed_hosts(position))


@contextmanager
def randomness_of(*position: int) -> Iterator[None]:
    """Context manager: seeds the host's generators from a position, then restores their state.

    Args:
        position: Same as in :func:`seed_everything`.
    """
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    # Not torch.manual_seed: loading data does not involve devices.
    torch.default_generator.manual_seed(_seed_hosts(position))
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)


def _seed_hosts(position: tuple[int, ...]) -> int:
    """Seeds Python and NumPy.

    Returns:
        The seed for PyTorch.
    """
    words = np.random.SeedSequence(position).generate_state(6)
    np.random.seed(words[:4])
    random.seed(int(words[4]))
    return int(words[5])
