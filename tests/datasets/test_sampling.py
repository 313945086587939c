import itertools
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler, pseudo_collate
from torch.utils.data import DataLoader

from mmdavss.datasets import DomainPairDataset, Draw, DrawSampler


class Noise(torch.utils.data.Dataset):
    """Items with random numbers of all generators, as transforms draw them."""

    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return dict(inputs=(index, np.random.rand(), torch.rand(()).item()), data_samples=index)


@pytest.fixture
def dataset():
    return DomainPairDataset(target=Noise())


def loader(dataset, workers=0, skip=0, seed=0):
    sampler = DrawSampler(dataset, seed=seed)
    sampler.skip(skip)
    return DataLoader(
        dataset, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate
    )


def batches(count, **kwargs):
    found = itertools.islice(iter(loader(**kwargs)), count)
    return [batch['inputs']['target'] for batch in found]


def test_order_is_that_of_the_plain_sampler():
    data = range(10)
    ours, theirs = (
        list(itertools.islice(kind(data, seed=3), 25)) for kind in (DrawSampler, InfiniteSampler)
    )
    assert ours == theirs
    assert [draw.position for draw in ours] == [(3, number) for number in range(25)]


def test_ranks_share_the_draws(monkeypatch):
    draws = {}
    for rank in (0, 1):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        draws[rank] = list(itertools.islice(DrawSampler(range(10), seed=3), 5))
    assert [draw.position[1] for draw in draws[0]] == [0, 2, 4, 6, 8]
    assert [draw.position[1] for draw in draws[1]] == [1, 3, 5, 7, 9]


def test_draw_reaches_a_worker():
    draw = pickle.loads(pickle.dumps(Draw(5, (1, 2))))
    assert (draw, draw.position, type(draw)) == (5, (1, 2), Draw)


def test_items_are_the_same_for_all_workers_and_after_a_resume(dataset):
    whole = batches(6, dataset=dataset)
    assert batches(6, dataset=dataset, workers=2) == whole
    assert batches(2, dataset=dataset, workers=1, skip=8) == whole[4:]
    # Ever new ones, also of an index that was drawn before, and others for another seed.
    numbers = [number for batch in whole for field in batch[1:] for number in field]
    assert len(set(numbers)) == len(numbers)
    assert batches(6, dataset=dataset, seed=1) != whole


def test_nothing_else_is_moved(dataset):
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    dataset[Draw(1, (0, 0))]
    assert np.random.rand() == expected


def test_plain_index_takes_the_numbers_of_the_process(dataset):
    np.random.seed(0)
    first, second = dataset[1], dataset[1]
    assert first['inputs']['target'][1] != second['inputs']['target'][1]
