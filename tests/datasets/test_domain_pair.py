import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler, pseudo_collate
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader, Dataset

from mmdavss.datasets import DomainPairDataset, domain_pair


class Numbers(Dataset):
    """Stands in for a clip data set: item i is i."""

    def __init__(self, length, classes=('road', 'sky')):
        self.length = length
        self.metainfo = dict(classes=classes) if classes else {}

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return dict(inputs=dict(frames=torch.tensor(index)), data_samples=index)


def drawn(dataset, count, workers=0, seed=3):
    """The first pairs that a data loader gives."""
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=InfiniteSampler(dataset, seed=seed),
        num_workers=workers,
        collate_fn=pseudo_collate,
    )
    pairs = []
    for batch in itertools.islice(loader, count // 2):
        pairs += zip(*(batch['data_samples'][name] for name in ('source', 'target')), strict=True)
    return pairs


def test_builds_both_branches(camvid):
    pipeline = [dict(type='LoadClip'), dict(type='PackClipInputs')]
    config = dict(type='CamVidDataset', data_root=str(camvid), pipeline=pipeline)
    dataset = DATASETS.build(
        dict(
            type='DomainPairDataset',
            source=dict(config, sequences=['0006R0', '0016E5']),
            target=dict(config, sequences=['0001TP'], with_labels=False),
        )
    )
    item = dataset[0]
    assert set(item) == {'inputs', 'data_samples'}
    for name, sequences in (('source', {'0006R0', '0016E5'}), ('target', {'0001TP'})):
        assert item['inputs'][name]['frames'].shape == (2, 3, 12, 20)
        assert item['data_samples'][name].seq_name in sequences
    assert dataset.metainfo['classes'] == dataset.branches['source'].metainfo['classes']
    assert len(dataset) == 6 * 2


@pytest.mark.parametrize(
    'options',
    [
        dict(source_portion=0.5),
        dict(rare_class_sampling=dict(statistics='statistics.json')),
        dict(rare_patches=dict(classes=[1], count=1, size=(8, 8))),
    ],
    ids=lambda options: next(iter(options)),
)
def test_several_source_data_sets(camvid, options):
    pipeline = [dict(type='LoadClip'), dict(type='PackClipInputs')]
    config = dict(type='CamVidDataset', data_root=str(camvid), pipeline=pipeline)
    both = [dict(config, sequences=[name]) for name in ('0006R0', '0016E5')]
    source = dict(type='ConcatDataset', datasets=both)
    pair = dict(type='DomainPairDataset', source=source, target=dict(config))
    dataset = DATASETS.build(pair)
    found = {dataset[i]['data_samples']['source'].seq_name for i in range(len(dataset))}
    assert found == {'0006R0', '0016E5'}
    with pytest.raises(ValueError, match=f'{next(iter(options))} chooses among .*ConcatDataset'):
        DATASETS.build(dict(pair, **options))


@pytest.mark.parametrize('name', ['source', 'target'])
def test_clips_that_are_not_packed(camvid, name):
    config = dict(type='CamVidDataset', data_root=str(camvid), sequences=['0006R0'])
    loads, packs = dict(type='LoadClip'), dict(type='PackClipInputs')
    branches = dict.fromkeys(('source', 'target'), dict(config, pipeline=[loads, packs]))
    branches[name] = dict(config, pipeline=[loads])
    dataset = DATASETS.build(dict(type='DomainPairDataset', **branches))
    with pytest.raises(KeyError, match=f'dataset.{name} must end with PackClipInputs'):
        dataset[0]


@pytest.mark.parametrize('name', ['source', 'target'])
def test_one_branch(name):
    dataset = DomainPairDataset(**{name: Numbers(7)})
    assert len(dataset) == 7
    for i in range(7):
        assert dataset[i] == dict(
            inputs={name: dict(frames=torch.tensor(i))}, data_samples={name: i}
        )
    with pytest.raises(IndexError):
        dataset[7]


def test_each_source_clip_gets_ever_new_partners():
    dataset = DomainPairDataset(Numbers(20), Numbers(30))
    pairs = [tuple(dataset.indices(i).values()) for i in range(len(dataset))]
    assert len(pairs) == 20 * 30
    assert set(Counter(s for s, _ in pairs).values()) == {30}
    # Independent draws of 30 targets in 600 tries: each about 20 times, all within 5 sigma.
    counts = Counter(t for _, t in pairs)
    assert len(counts) == 30 and max(abs(c - 20) for c in counts.values()) < 5 * 20**0.5
    # Knowing the source clip tells nothing about the target clip: about 19 distinct partners,
    # 30 (1 - (29/30)^30) = 19.2, for each of the 20.
    partners = [len({t for s, t in pairs if s == k}) for k in range(20)]
    assert 17 < np.mean(partners) < 21.5
    assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < 0.15


def test_draws_do_not_depend_on_workers():
    dataset = DomainPairDataset(Numbers(9), Numbers(5))
    pairs = drawn(dataset, 24)
    assert len(set(pairs)) > 12
    assert drawn(dataset, 24, workers=1) == drawn(dataset, 24, workers=2) == pairs
    assert drawn(dataset, 24, seed=4) != pairs


@pytest.mark.parametrize('world_size', [2, 3])
def test_draws_do_not_depend_on_ranks(monkeypatch, world_size):
    dataset = DomainPairDataset(Numbers(9), Numbers(5))
    alone = list(itertools.islice(InfiniteSampler(dataset, seed=3), 60))
    together = []
    for rank in range(world_size):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, world_size)
        )
        sampler = InfiniteSampler(dataset, seed=3)
        together.append(list(itertools.islice(sampler, 60 // world_size)))
    assert [i for step in zip(*together, strict=True) for i in step] == alone


def test_seed_changes_the_partners():
    one, two = (DomainPairDataset(Numbers(50), Numbers(50), seed=seed) for seed in (0, 1))
    assert one.indices(7) == DomainPairDataset(Numbers(50), Numbers(50)).indices(7)
    assert [one.indices(i)['target'] for i in range(50)] != [
        two.indices(i)['target'] for i in range(50)
    ]


def test_number_of_pairs_is_bounded():
    """VIPER and Cityscapes form 4e8 pairs; a sampler shuffles at most 2**20."""
    dataset = DomainPairDataset(Numbers(133670), Numbers(2975))
    assert len(dataset) == 7 * 133670 <= domain_pair.MAX_PAIRS
    huge = DomainPairDataset(Numbers(2 << 20), Numbers(10))
    assert len(huge) == 2 << 20


def test_errors():
    with pytest.raises(ValueError, match='both None'):
        DomainPairDataset()
    with pytest.raises(ValueError, match='target data set is empty'):
        DomainPairDataset(Numbers(3), Numbers(0))
    with pytest.raises(ValueError, match='different classes.*sky.*tree.*classes_from'):
        DomainPairDataset(Numbers(3), Numbers(3, ('road', 'tree')))


def test_target_without_classes_takes_those_of_the_source():
    dataset = DomainPairDataset(Numbers(3), Numbers(3, None))
    assert dataset.metainfo['classes'] == ('road', 'sky')


class Portion(Numbers):
    def get_subset_(self, indices):
        self.indices = indices
        self.length = len(indices)

    def __getitem__(self, index):
        return super().__getitem__(self.indices[index])


def subset(**options):
    return DomainPairDataset(Portion(40), Numbers(3), **options).branches['source'].indices


def test_portion_of_the_source_grows():
    small, large = subset(source_portion=0.1), subset(source_portion=0.3)
    assert len(small) == 4 and len(large) == 12 and set(small) < set(large)
    assert small == sorted(small) == subset(source_portion=0.1)
    assert set(subset(source_portion=0.3, portion_seed=1)) != set(large)
    pairs = DomainPairDataset(Portion(40), Numbers(3), source_portion=0.1)
    assert len(pairs) == 4 * 3
    assert {pairs[i]['data_samples']['source'] for i in range(12)} == set(small)


@pytest.mark.parametrize(
    'portion, words', [(0, 'between 0 and 1'), (1, 'between 0 and 1'), (0.01, 'leaves none')]
)
def test_bad_portions(portion, words):
    with pytest.raises(ValueError, match=f'source_portion={portion} .*{words}'):
        subset(source_portion=portion)
