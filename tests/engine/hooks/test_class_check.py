"""Runs whose data have other classes than their model."""

from types import SimpleNamespace

import pytest
from mmengine.evaluator import BaseMetric, Evaluator
from mmseg.evaluation.metrics import IoUMetric
from torch import nn

from mmdavss.engine import ClassCheckHook
from mmdavss.evaluation import (
    ClassSubsetIoU,
    STQMetric,
    TemporalConsistencyMetric,
    VideoConsistencyMetric,
    VPQMetric,
)
from mmdavss.utils.errors import UserError


def loop(*classes: str) -> SimpleNamespace:
    return SimpleNamespace(dataloader=SimpleNamespace(dataset=data(*classes)))


def data(*classes: str) -> SimpleNamespace:
    return SimpleNamespace(metainfo=dict(classes=classes or None))


def run(step: str, classes: int | None = 2, **loops: SimpleNamespace | None) -> None:
    model = nn.Identity()
    if classes is not None:  # flow networks have none
        model.num_classes = classes
    getattr(ClassCheckHook(), step)(SimpleNamespace(model=model, **loops))


@pytest.mark.parametrize(
    ('step', 'key', 'loops'),
    [
        ('before_train', 'train', dict(train_loop=loop('a'), val_loop=None)),
        ('before_train', 'val', dict(train_loop=loop('a', 'b'), val_loop=loop('a', 'b', 'c'))),
        ('before_test', 'test', dict(test_loop=loop('a'))),
    ],
)
def test_other_classes(step, key, loops):
    with pytest.raises(UserError, match=f'of {key}_dataloader has . classes, the model 2: set num'):
        run(step, **loops)


def test_what_fits_or_is_not_known():
    run('before_train', train_loop=loop('a', 'b'), val_loop=None)
    run('before_train', None, train_loop=loop('a'), val_loop=loop('a', 'b'))
    run('before_train', train_loop=loop(), val_loop=loop('a', 'b'))
    for dataset in (data(), SimpleNamespace()):
        run('before_test', test_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)))


class OwnMetric(BaseMetric):
    """A metric that needs no names."""

    def process(self, data_batch: dict, data_samples: list) -> None:
        pass

    def compute_metrics(self, results: list) -> dict:
        return {}


def evaluated(metric: BaseMetric, *classes: str) -> SimpleNamespace:
    """The loop of a metric, on data with these classes."""
    found = loop(*classes)
    found.evaluator = Evaluator([OwnMetric(), metric])
    found.evaluator.dataset_meta = found.dataloader.dataset.metainfo
    return found


@pytest.mark.parametrize(
    'metric',
    [
        *(ClassSubsetIoU(), IoUMetric(), STQMetric(), VideoConsistencyMetric(), VPQMetric()),
        TemporalConsistencyMetric(flow=None),
    ],
)
def test_metrics_that_need_names(metric):
    """Known before the first batch, not after the last one."""
    name = type(metric).__name__
    words = rf'{name}: the data set names no classes: set its metainfo=dict\(classes=\['
    with pytest.raises(UserError, match=words):
        run('before_test', test_loop=evaluated(metric))
    with pytest.raises(UserError, match=words):
        run('before_train', train_loop=loop('a', 'b'), val_loop=evaluated(metric))
    run('before_test', test_loop=evaluated(metric, 'a', 'b'))
    run('before_test', test_loop=evaluated(OwnMetric()))


def test_a_mean_over_unknown_classes():
    with pytest.raises(ValueError, match=r"\['tram'\] of `subset`"):
        run('before_test', test_loop=evaluated(ClassSubsetIoU(subset=['a', 'tram']), 'a', 'b'))


@pytest.mark.parametrize(('rare', 'fits'), [((3, 1), True), ((1,), False), ((), False)])
def test_patches_of_rare_classes(rare, fits):
    train = loop('a', 'b')
    train.dataloader.dataset.rare_patches = SimpleNamespace(classes=[1, 3])
    model = nn.Identity()
    model.num_classes, model.rare_classes = 2, rare
    runner = SimpleNamespace(model=model, train_loop=train, val_loop=None)
    if fits:
        return ClassCheckHook().before_train(runner)
    with pytest.raises(UserError, match=r'classes \(1, 3\), and model.rare_classes is \('):
        ClassCheckHook().before_train(runner)
