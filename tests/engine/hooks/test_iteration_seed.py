from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import InfiniteSampler

from mmdavss.engine import IterationSeedHook


def drawn(seed, iteration):
    IterationSeedHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
    return torch.rand(3).tolist()


def test_iteration_decides():
    first = drawn(0, 5)
    torch.rand(100)  # a validation in between
    assert drawn(0, 5) == first
    assert len({tuple(drawn(*position)) for position in ((0, 5), (0, 6), (1, 5))}) == 3


def test_each_process_draws_others(monkeypatch):
    first = drawn(0, 5)
    monkeypatch.setattr('mmdavss.engine.hooks.iteration_seed.get_rank', lambda: 1)
    assert drawn(0, 5) not in (first, drawn(0, 6))


def test_another_seed_is_refused():
    """mmengine takes over the seed of the checkpoint, 0, when the data are in order already."""
    sampler = InfiniteSampler(range(4), seed=1)
    runner = SimpleNamespace(
        seed=0, train_loop=SimpleNamespace(dataloader=SimpleNamespace(sampler=sampler))
    )
    with pytest.raises(ValueError, match=r'--cfg-options randomness\.seed=0'):
        IterationSeedHook().before_train(runner)
    runner.seed = 1
    IterationSeedHook().before_train(runner)
