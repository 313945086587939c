"""Groups of losses under DDP, in two processes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.distributed as distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODEL_WRAPPERS, init_default_scope
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from mmdavss.engine import GroupedDistributedDataParallel
from mmdavss.methods import BaseAdapter
from mmdavss.structures import DomainBatch
from mmdavss.testing import PREPROCESSOR, make_batch, small_net
from mmdavss.utils.memory_format import use_channels_last

WORLD = 2
SCALE = 1024.0
KINDS = dict(
    plain=dict(type='OptimWrapper'),
    channels_last=dict(type='OptimWrapper'),
    bf16=dict(type='Bfloat16OptimWrapper'),
    scaled=dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=SCALE),
)
CASES = list(itertools.product((False, True), (1, 2), KINDS))


class TwoPasses(BaseAdapter):
    """Both domains supervised, each by itself, and parts that few or no losses train.

    Args:
        first: Whether the process trains what only the first one trains.
        idle: Whether there are such parts.
    """

    def __init__(self, first: bool, idle: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.first = first
        self.seldom = nn.Linear(2, 1, bias=False) if idle else None
        self.never = nn.Linear(2, 1) if idle else None

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict]:
        for name, (clip, samples) in dict(source=batch.source, target=batch.target).items():
            losses = self.student.loss(clip.frames, self.clip_flow(clip), samples)
            if self.seldom is not None and name == 'target':
                ones = clip.frames.new_ones(2)
                losses['loss_seldom'] = (self.seldom(ones) if self.first else ones).mean()
            yield {f'{name}.{key}': value for key, value in losses.items()}


def build(rank: int, idle: bool, kind: str) -> TwoPasses:
    torch.manual_seed(0)
    model = TwoPasses(
        first=rank == 0, idle=idle, student=small_net('Accel'), data_preprocessor=PREPROCESSOR
    )
    if kind == 'channels_last':
        use_channels_last(model)
    return model.train()


def optimiser(model: nn.Module, counts: int, kind: str):
    """The wrapper, and the gradients of each of its steps."""
    cfg = dict(KINDS[kind], accumulative_counts=counts, optimizer=dict(type='SGD', lr=0.01))
    # mmengine's wrapper for mixed precision insists on a GPU, its scaler works without one.
    name = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    with (
        mock.patch(f'{name}.is_cuda_available', lambda: True),
        mock.patch(f'{name}.GradScaler', partial(torch.amp.GradScaler, 'cpu')),
    ):
        wrapper = build_optim_wrapper(model, cfg)
    gradients = []
    plain = wrapper.optimizer.step

    def step(*args, **kwargs):
        gradients.append(
            {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
        )
        return plain(*args, **kwargs)

    wrapper.optimizer.step = step
    return wrapper, gradients


def batches(rank: int, counts: int) -> list[dict]:
    return [make_batch('source', 'target', count=1, seed=10 * i + rank) for i in range(counts)]


def results_of(rank: int, idle: bool, counts: int, kind: str, grouped: bool) -> dict:
    model = build(rank, idle, kind)
    cls = GroupedDistributedDataParallel if grouped else MMDistributedDataParallel
    trainer = cls(model, broadcast_buffers=False, find_unused_parameters=idle)
    reduced: list[int] = []

    def note(state, bucket):  # torch wants the annotations themselves, not their names
        reduced.append(bucket.is_last())
        return allreduce_hook(None, bucket)

    trainer.register_comm_hook(None, note)
    wrapper, gradients = optimiser(model, counts, kind)
    backward, passes = wrapper.backward, []

    def counted(loss: Tensor, **kwargs) -> None:
        passes.append(sum(reduced))
        backward(loss, **kwargs)

    wrapper.backward = counted
    trainer.train_step(batches(rank, counts)[0], wrapper)
    for data in batches(rank, counts)[1:]:
        trainer.train_step(data, wrapper)
    return dict(gradients=gradients, reductions=sum(reduced), passes=passes)


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=100),
    )
    torch.save(
        {
            (case, grouped): results_of(rank, *case, grouped)
            for case in CASES
            for grouped in ((True, False) if case[2] == 'plain' else (True,))
        },
        folder / f'{rank}.pth',
    )
    distributed.destroy_process_group()


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp('grouped')
    torch.multiprocessing.start_processes(work, (folder,), WORLD, start_method='fork')
    return [torch.load(folder / f'{rank}.pth') for rank in range(WORLD)]


def gradients_alone(rank: int, idle: bool, counts: int, kind: str) -> dict:
    """Those of one process by itself."""
    model = build(rank, idle, kind)
    wrapper, gradients = optimiser(model, counts, kind)
    for data in batches(rank, counts):
        model.train_step(data, wrapper)
    assert len(gradients) == 1
    return gradients[0]


@pytest.mark.slow
@pytest.mark.parametrize(('idle', 'counts', 'kind'), CASES)
def test_gradients_are_the_mean_over_processes(results, idle, counts, kind):
    """Each process by itself gives the terms; what no process trains keeps no gradient."""
    alone = [gradients_alone(rank, idle, counts, kind) for rank in range(WORLD)]
    for own in results:
        (gradients,) = own[(idle, counts, kind), True]['gradients']
        assert gradients.keys() == alone[0].keys()
        for name, gradient in gradients.items():
            terms = [grad for grad in (a[name] for a in alone) if grad is not None]
            assert (gradient is None) == (not terms) == name.startswith('never'), name
            if terms:
                expected = sum(terms) / WORLD
                torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7, msg=name)
        if idle:
            assert gradients['seldom.weight'].abs().min() > 0


@pytest.mark.slow
@pytest.mark.parametrize(('idle', 'counts'), [(False, 1), (False, 2), (True, 1), (True, 2)])
def test_gradients_are_those_of_one_backward_pass(results, idle, counts):
    """Those of mmengine's wrapper."""
    for own in results:
        (gradients,), (others,) = (
            own[(idle, counts, 'plain'), grouped]['gradients'] for grouped in (True, False)
        )
        for name, gradient in gradients.items():
            assert (gradient is None) == (others[name] is None)
            if gradient is not None:
                torch.testing.assert_close(gradient, others[name], rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(('idle', 'counts', 'kind'), CASES)
def test_one_reduction_a_step(results, idle, counts, kind):
    """After the last backward pass of the last of the accumulated iterations."""
    for own in results:
        found = own[(idle, counts, kind), True]
        assert found['passes'] == [0] * 2 * counts
        assert found['reductions'] == 1


def test_the_runner_finds_it():
    assert MODEL_WRAPPERS.get('GroupedDistributedDataParallel') is GroupedDistributedDataParallel
