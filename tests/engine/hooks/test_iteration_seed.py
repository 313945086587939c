from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.logging import MessageHub

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


def started(sampler, seed, iteration, **noted):
    hub = MessageHub('test_iteration_seed')
    for key, value in noted.items():
        hub.update_info(key, value)
    loop = SimpleNamespace(dataloader=SimpleNamespace(sampler=sampler))
    return SimpleNamespace(seed=seed, iter=iteration, message_hub=hub, train_loop=loop)


def test_another_seed_is_refused():
    """mmengine takes over the seed of the checkpoint, 0, when the data are in order already."""
    runner = started(InfiniteSampler(range(4), seed=1), seed=0, iteration=3)
    with pytest.raises(ValueError, match=r'--cfg-options randomness\.seed=0'):
        IterationSeedHook().before_train(runner)
    runner.seed = 1
    IterationSeedHook().before_train(runner)


def test_a_seed_of_the_sampler_alone():
    """A run may start with one; a resumed run must have the same one."""
    sampler = InfiniteSampler(range(4), seed=5)
    runner = started(sampler, seed=0, iteration=0)
    IterationSeedHook().before_train(runner)
    noted = runner.message_hub.runtime_info
    IterationSeedHook().before_train(started(sampler, seed=0, iteration=3, **noted))
    other = InfiniteSampler(range(4), seed=0)
    with pytest.raises(ValueError, match=r'--cfg-options train_dataloader\.sampler\.seed=5'):
        IterationSeedHook().before_train(started(other, seed=0, iteration=3, **noted))
