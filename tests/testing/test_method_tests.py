"""The tests that every method passes fail for the fault that each is for."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS, MODELS

from mmdavss.methods import BaseAdapter
from mmdavss.testing import MethodCase, build_method, train
from mmdavss.testing.method_tests import MethodTests, drawing_by_part
from mmdavss.testing.methods import training_batch

#: Fault, and the test that sees it.
FAULTS = {
    'auxiliary': 'test_trains_what_it_should',
    'labels': 'test_needs_no_other_labels',
    'norm': 'test_batch_norm_stays_in_evaluation_mode',
    'counter': 'test_resumes_exactly',
    'prediction': 'test_exports_its_student',
    'flow': 'test_flow_comes_before_all_passes',
    'item': 'test_never_waits_for_the_device',
    'batch': 'test_two_halves_equal_one_batch',
    'memory': 'test_channels_last',
    'coarse': 'test_bfloat16',
}


class Entropy(BaseAdapter):
    """Minimises the entropy of predictions for target clips."""

    def __init__(self, fault: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.fault = fault
        self.steps = 0
        if fault != 'auxiliary':
            self.student.freeze_auxiliary()

    def train(self, mode=True):
        super().train(mode)
        if self.fault == 'norm':
            self.student.train(mode)
        return self

    def encode_decode(self, inputs, data_samples=None):
        scores = super().encode_decode(inputs)
        return scores + 1 if self.fault == 'prediction' else scores

    _forward = encode_decode

    def losses(self, batch):
        clip, samples = batch.target
        if self.fault == 'flow':
            self.student.features(clip.frames[:, -1])
        scores = self.student(clip.frames, self.clip_flow(clip))
        if self.fault != 'coarse':
            scores = scores.float()
        log_p = scores.log_softmax(1)
        loss = -(log_p.exp() * log_p).sum(1).mean()
        self.steps += 1
        if self.fault == 'counter':
            loss = loss * self.steps
        if self.fault == 'labels' and 'gt_sem_seg' in samples[0]:
            loss = 2 * loss
        if self.fault == 'item':
            loss = loss / max(loss.item(), 1e-3)
        if self.fault == 'batch':
            loss = loss.sqrt()
        if self.fault == 'memory':
            loss = loss + scores.as_strided((scores.shape[-1],), (1,)).mean()
        return dict(loss_entropy=loss)


@pytest.fixture
def case(monkeypatch) -> MethodCase:
    monkeypatch.setitem(MODELS.module_dict, 'Entropy', Entropy)
    return MethodCase(
        model=dict(type='Entropy'),
        trains=(
            'student.segmentor.backbone',
            'student.segmentor.decode_head',
            'student.fusion',
        ),
        domains=('target',),
        labelled=(),
    )


def take(test: str, case: MethodCase, tmp_path) -> None:
    arguments = dict(case=case)
    if test in ('test_resumes_exactly', 'test_exports_its_student'):
        arguments['tmp_path'] = tmp_path
    getattr(MethodTests(), test)(**arguments)


@pytest.mark.sampled
@pytest.mark.parametrize('fault, test', FAULTS.items())
def test_a_fault_is_seen(case, fault, test, tmp_path):
    take(test, case, tmp_path)
    faulty = dataclasses.replace(case, model=dict(type='Entropy', fault=fault))
    with pytest.raises(AssertionError):
        take(test, faulty, tmp_path)


def test_all_tests_have_a_fault():
    """But for two processes, whose faults are those of single methods."""
    tests = {name for name in vars(MethodTests) if name.startswith('test_')}
    assert tests - set(FAULTS.values()) == {
        'test_batch_norm_trains',
        'test_two_processes_equal_one',
    }


def test_parts_of_a_batch_draw_what_the_whole_batch_does():
    """For each clip and for all of them, anew for the next batch."""

    def drawn(parts):
        step = drawing_by_part(lambda: (torch.rand(4 // parts, 3), torch.randint(999, ())), parts)
        return [step() for _ in range(2 * parts)]

    whole, halves = drawn(1), drawn(2)
    for (clips, number), *both in zip(whole, halves[::2], halves[1::2], strict=True):
        assert torch.equal(torch.cat([own for own, _ in both]), clips)
        assert {number.item()} == {own.item() for _, own in both}
    assert not torch.equal(whole[0][0], whole[1][0])


def test_rows_choose_their_tests(case):
    applies = MethodTests.test_two_halves_equal_one_batch.applies
    assert applies(case)
    assert not applies(dataclasses.replace(case, halves=None))
    assert not applies(dataclasses.replace(case, thorough=False))
    # All options can wait in other places.
    assert not hasattr(MethodTests.test_never_waits_for_the_device, 'applies')


@HOOKS.register_module()
class NotesItsCalls(Hook):
    """Writes down who is called when."""

    calls: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def before_train_iter(self, runner: object, *_: object, **__: object) -> None:
        self.calls.append(f'{self.name} before {runner.iter}')

    def after_train_iter(self, runner: object, *_: object, **__: object) -> None:
        self.calls.append(f'{self.name} after {runner.iter}')


@HOOKS.register_module()
class ComesFirst(NotesItsCalls):
    """Has a priority of its own."""

    priority = 'VERY_HIGH'


def test_hooks_are_called_as_by_a_runner(case):
    hooks = [
        dict(type='NotesItsCalls', name='late', priority='LOW'),
        dict(type='ComesFirst', name='first'),
        dict(type='NotesItsCalls', name='early', priority=20),
    ]
    case = dataclasses.replace(case, hooks=hooks)
    NotesItsCalls.calls.clear()
    train(case, build_method(case), [training_batch(case)])
    assert NotesItsCalls.calls == [
        f'{name} {when} 0' for when in ('before', 'after') for name in ('first', 'early', 'late')
    ]
