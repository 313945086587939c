import random

import numpy as np
import torch

from mmdavss.utils.randomness import randomness_of, seed_everything


def numbers() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_position_decides():
    drawn = {}
    for position in ((0, 1), (1, 0), (0, 2), (0, 1, 1)):
        seed_everything(*position)
        drawn[position] = numbers()
    seed_everything(0, 1)
    assert numbers() == drawn[0, 1]
    # Every generator gets another seed at every position.
    assert all(len(set(values)) == 4 for values in zip(*drawn.values(), strict=True))


def test_outside_goes_on_as_before():
    seed_everything(7)
    first, second = numbers(), numbers()
    seed_everything(7)
    assert numbers() == first
    with randomness_of(3, 4):
        inside = numbers()
    assert numbers() == second
    seed_everything(3, 4)
    assert numbers() == inside
