from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub
from torch import nn

from mmdavss.engine import CollapseWarningHook
from mmdavss.engine.hooks import collapse_warning
from mmdavss.testing.numerics import Waits
from mmdavss.utils.errors import NotFiniteError

CLASSES = ('road', 'sky', 'car', 'person')


class Predicts(nn.Module):
    """Predicts the classes that its batch says."""

    num_classes = len(CLASSES)

    def data_preprocessor(self, data, training):
        assert training  # pads as for the method's own pass
        return data

    def encode_decode(self, clip):
        assert not self.training and not torch.is_grad_enabled()
        return nn.functional.one_hot(clip, self.num_classes).permute(0, 3, 1, 2).float()


class Loader(list):
    """Has a data set."""


class Runs:
    """Calls the hook as a Runner does; the history of its warnings is in `records`."""

    def __init__(self, branches=('target',), **options):
        self.hook = CollapseWarningHook(**options)
        self.records = []
        logger = logging.Logger('collapse')
        handler = logging.Handler()
        handler.emit = lambda record: self.records.append(record.getMessage())
        logger.addHandler(handler)
        loader = Loader(range(1000))
        loader.dataset = SimpleNamespace(
            branches=dict.fromkeys(branches), metainfo=dict(classes=CLASSES)
        )
        self.runner = SimpleNamespace(
            iter=0,
            model=Predicts(),
            logger=logger,
            message_hub=MessageHub(name='collapse'),
            train_dataloader=loader,
            hooks=[LoggerHook(interval=3)],
            max_iters=1000,
            max_epochs=1,
            epoch=0,
        )
        self.hook.before_train(self.runner)

    def step(self, shares, count=1):
        """Iterations in which so many of 100 pixels are of each class."""
        labels = torch.cat([torch.full((n,), k) for k, n in enumerate(shares)]).view(1, 10, 10)
        for _ in range(count):
            step = self.runner.iter
            self.hook.before_train_iter(self.runner, step, dict(inputs=dict(target=labels)))
            assert self.runner.model.training
            self.hook.after_train_iter(self.runner, step)
            self.runner.iter += 1


def test_warns_once_for_each_number_of_classes():
    runs = Runs(interval=2, batches=2)
    runs.step([50, 30, 20, 0], 2)
    assert runs.runner.message_hub.get_info('collapse_reference') == pytest.approx([1, 0.6, 0.4, 0])
    runs.step([80, 20, 0, 0], 4)  # one class of three is lost
    assert not runs.records
    runs.step([100, 0, 0, 0], 8)
    assert len(runs.records) == 1
    assert 'of 3 classes' in runs.records[0] and '(sky, car)' in runs.records[0]
    assert 'road has 100%' in runs.records[0]
    runs.step([50, 30, 20, 0], 4)  # it has recovered
    runs.step([100, 0, 0, 0], 4)
    assert len(runs.records) == 2


def test_one_odd_batch_is_no_collapse():
    runs = Runs(interval=1, batches=4)
    runs.step([50, 30, 20, 0], 8)
    runs.step([100, 0, 0, 0])
    runs.step([50, 30, 20, 0], 3)
    assert not runs.records


def test_a_resumed_run_knows_what_it_started_from():
    runs = Runs(interval=1, batches=2)
    runs.step([50, 30, 20, 0], 2)
    later = Runs(interval=1, batches=2)
    later.runner.message_hub.load_state_dict(runs.runner.message_hub.state_dict())
    later.runner.iter = 2
    later.step([100, 0, 0, 0], 2)
    assert len(later.records) == 1


def test_a_resumed_run_goes_on_where_it_was():
    """Checks before it count, and what was said is not said again."""
    runs = Runs(interval=2, batches=2)
    runs.step([50, 30, 20, 0], 2)
    for checks, warnings in ((1, 0), (1, 1), (2, 1)):
        runs.hook = CollapseWarningHook(interval=2, batches=2)
        runs.hook.before_train(runs.runner)
        runs.step([100, 0, 0, 0], 2 * checks)
        assert len(runs.records) == warnings


def test_a_resumed_run_without_a_reference_is_not_checked():
    runs = Runs(interval=1, batches=2)
    runs.runner.iter = 2
    runs.hook.before_train(runs.runner)
    runs.step([100, 0, 0, 0], 4)
    (line,) = runs.records
    assert 'no class shares of the start' in line


def test_a_run_with_source_is_left_alone():
    runs = Runs(branches=('source', 'target'), interval=1, batches=1)
    runs.step([50, 30, 20, 0])
    runs.step([100, 0, 0, 0], 3)
    assert not runs.records


def test_a_look_changes_nothing(per_frame, batch, build):
    """Weights, running statistics, modes and random numbers of a real method."""
    model = build(
        dict(
            type='SelfTraining',
            student=per_frame,
            norm_eval=False,
            data_preprocessor=dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3),
        )
    )
    model.train()
    runs = Runs(interval=1, batches=1)
    runs.runner.model = model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    runs.hook.before_train_iter(runs.runner, 0, batch('target'))
    assert sum(runs.runner.message_hub.get_info('collapse_reference')) == pytest.approx(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frames_of_several_sizes_are_padded(per_frame, batch, build):
    preprocessor = dict(type='DomainDataPreprocessor', size=(32, 48))
    model = build(dict(type='SelfTraining', student=per_frame, data_preprocessor=preprocessor))
    runs = Runs(interval=1, batches=1)
    runs.runner.model = model
    data = batch('target')
    frames = data['inputs']['target']['frames']
    frames[1] = frames[1][..., :24, :40]
    for key in set(data['inputs']['target']) - {'frames'}:
        del data['inputs']['target'][key]
    for sample in data['data_samples']['target']:
        for key in sample.keys():
            delattr(sample, key)
    runs.hook.before_train_iter(runs.runner, 0, data)
    assert sum(runs.runner.message_hub.get_info('collapse_reference')) == pytest.approx(1)


@pytest.mark.parametrize('options', [dict(interval=0), dict(batches=0)])
def test_options(options):
    with pytest.raises(ValueError, match='1 or more'):
        CollapseWarningHook(**options)


def test_a_prediction_that_is_nan_is_no_class(monkeypatch):
    runs = Runs()
    monkeypatch.setattr(
        Predicts, 'encode_decode', lambda self, clip: torch.full((1, 4, 10, 10), torch.nan)
    )
    with pytest.raises(NotFiniteError, match='iteration 1: what the student predicts'):
        runs.step([25] * 4)


@pytest.fixture
def remote(monkeypatch):
    """All tensors count as on a device."""
    monkeypatch.setattr(collapse_warning, 'on_device', lambda value: True)


def test_checks_on_a_device_are_read_with_the_log(remote):
    """In the third iteration of each three; what is remembered and said is the same."""
    runs = Runs(interval=2, batches=2)
    runs.step([50, 30, 20, 0], 2)
    assert not runs.runner.message_hub.runtime_info
    runs.step([100, 0, 0, 0])  # a check is due, and the log
    assert runs.runner.message_hub.get_info('collapse_reference') == pytest.approx([1, 0.6, 0.4, 0])
    assert runs.runner.message_hub.get_info('collapse_recent') == [[1, 0, 0, 0]]
    runs.step([100, 0, 0, 0], 2)
    assert not runs.records
    runs.step([100, 0, 0, 0])
    assert len(runs.records) == 1 and 'of 3 classes' in runs.records[0]


def test_a_checkpoint_has_all_checks_of_a_device(remote):
    runs = Runs(interval=2, batches=2)
    runs.step([50, 30, 20, 0], 2)
    checkpoint = dict(message_hub=None)
    runs.hook.before_save_checkpoint(runs.runner, checkpoint)
    saved = checkpoint['message_hub']['runtime_info']['collapse_reference']
    assert saved == pytest.approx([1, 0.6, 0.4, 0])
    checkpoint = {}
    runs.hook.before_save_checkpoint(runs.runner, checkpoint)
    assert not checkpoint


def test_a_prediction_on_a_device_that_is_nan_is_found_with_the_log(remote, monkeypatch):
    """The message names the iteration that was checked."""
    runs = Runs(interval=1, batches=2)
    runs.step([25] * 4)
    plain = Predicts.encode_decode
    monkeypatch.setattr(
        Predicts, 'encode_decode', lambda self, clip: torch.full((1, 4, 10, 10), torch.nan)
    )
    runs.step([25] * 4)
    monkeypatch.setattr(Predicts, 'encode_decode', plain)
    with pytest.raises(NotFiniteError, match='iteration 2: what the student predicts'):
        runs.step([25] * 4)


def test_waits_only_when_the_log_is_written(per_frame, batch, build):
    preprocessor = dict(type='DomainDataPreprocessor')
    model = build(dict(type='SelfTraining', student=per_frame, data_preprocessor=preprocessor))
    runs = Runs(interval=1, batches=4)
    runs.runner.model = model.to('meta')
    for step in range(6):
        with Waits() as waits:
            runs.hook.before_train_iter(runs.runner, step, batch('target'))
            runs.hook.after_train_iter(runs.runner, step)
        runs.runner.iter += 1
        assert {file for file, *_ in waits.found} == (
            {'collapse_warning.py'} if step % 3 == 2 else set()
        )
