"""Means over the global batch, computed by two processes and at once."""

import pytest
import torch
import torch.distributed as distributed

from mmdavss.utils.distributed import (
    mean_log,
    mean_over_batch,
    mean_over_processes,
    sum_over_processes,
)

TERMS = ([1.0, 2.0, 6.0], [4.0])


def losses(weight, terms):
    """A mean, and what is not linear in a mean."""
    x = weight * torch.tensor(terms)
    count = torch.tensor(len(terms))
    mean = sum_over_processes(x.sum()) / sum_over_processes(count)
    return mean_over_batch(x.square().sum(), count), mean.exp()


def work(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    made = []
    for i in range(2):
        weight = torch.tensor(0.5, requires_grad=True)
        loss = losses(weight, TERMS[rank])[i]
        # What DDP does with the gradients.
        made.append(
            (mean_over_processes(loss), mean_over_processes(torch.autograd.grad(loss, weight)[0]))
        )
    value = torch.tensor([rank, 5])
    torch.save(
        dict(
            losses=made,
            mean=mean_over_processes(value),
            same=value,
            half=mean_over_processes(torch.tensor(1.0 + rank, dtype=torch.bfloat16)),
            nobody=mean_over_batch(torch.zeros(()), torch.tensor(0)),
            one=mean_over_batch(torch.tensor(float(rank)), torch.tensor(rank)),
            log=mean_log(
                dict(loss=torch.tensor(1.0 + rank, requires_grad=True), share=torch.tensor(0.25))
            ),
        ),
        f'{folder}/{rank}.pth',
    )
    distributed.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    torch.multiprocessing.start_processes(work, (folder,), 2, start_method='fork')
    return [torch.load(folder / f'{rank}.pth') for rank in range(2)]


@pytest.mark.parametrize('i', range(2))
def test_losses_and_gradients_are_those_of_the_whole(ranks, i):
    weight = torch.tensor(0.5, requires_grad=True)
    x = weight * torch.tensor(sum(TERMS, []))
    loss = (x.square().mean(), x.mean().exp())[i]
    expected = loss, torch.autograd.grad(loss, weight)[0]
    for rank in ranks:
        torch.testing.assert_close(rank['losses'][i], expected)


def test_what_each_process_gets(ranks):
    for number, rank in enumerate(ranks):
        assert rank['mean'].tolist() == [0.5, 5.0] and rank['mean'].dtype == torch.float32
        assert rank['same'].tolist() == [number, 5]
        assert rank['half'] == 1.5 and rank['half'].dtype == torch.float32
        assert rank['nobody'] == 0
        assert {key: value.item() for key, value in rank['log'].items()} == dict(
            loss=1.5, share=0.25
        )
    # One term, 1, in one of two processes: the mean over both is 1.
    assert [rank['one'] for rank in ranks] == [0, 2]


def test_one_process():
    weight = torch.tensor(0.5, requires_grad=True)
    assert sum_over_processes(weight) is weight
    assert mean_over_batch(weight * 6, torch.tensor(3)) == 1
    assert mean_over_batch(weight * 0, torch.tensor(0)) == 0
    assert not mean_over_processes(weight).requires_grad
    log = dict(loss=weight)
    assert mean_log(log) == log
