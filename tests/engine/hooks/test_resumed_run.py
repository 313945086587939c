"""Runs that are resumed with another config or other data than they had."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmdavss.engine import RunReportHook
from mmdavss.engine.hooks import run_report
from mmdavss.utils.errors import UserError

CONFIG = dict(
    model=dict(
        type='SourceOnly',
        student=dict(
            type='Accel',
            segmentor=dict(
                decode_head=dict(
                    type='FCNHead', num_classes=19, loss_decode=dict(type='CrossEntropyLoss')
                )
            ),
        ),
    ),
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    param_scheduler=[dict(type='PolyLR', end=100)],
    train_cfg=dict(max_iters=100),
    train_dataloader=dict(num_workers=2),
    default_hooks=dict(checkpoint=dict(interval=10)),
    work_dir='a',
)
DATA = {
    'train.source': dict(items=2, files=4, bytes=9, hash='a'),
    'train.target': None,
    'val': dict(items=1, files=2, bytes=5, hash='b'),
}


@pytest.fixture
def runner(tmp_path):
    """Is resumed from a run with `CONFIG` and `DATA`."""
    folder = tmp_path / 'run/20260101_000000'
    folder.mkdir(parents=True)
    (folder / 'report.json').write_text(json.dumps(dict(config=CONFIG, data=DATA)))
    warned = []
    return SimpleNamespace(
        cfg=Config(json.loads(json.dumps(CONFIG))),
        _resume=True,
        warned=warned,
        _load_from=str(tmp_path / 'run/iter_10.pth'),
        log_dir=str(tmp_path / 'run/20260101_000001'),
        logger=SimpleNamespace(warning=warned.append),
        train_dataloader=SimpleNamespace(
            dataset=SimpleNamespace(metainfo=dict(classes=('road', 'car')))
        ),
    )


def state(**meta) -> dict:
    return dict(meta=dict(iter=10, epoch=0, **meta), message_hub={}, optimizer={})


def check(runner, checkpoint=None) -> None:
    RunReportHook().after_load_checkpoint(runner, checkpoint or state())


def test_the_same_run(runner):
    runner.cfg.merge_from_dict(dict(work_dir='b', resume=True))
    check(runner, state(dataset_meta=dict(classes=['road', 'car'])))
    assert runner.warned == []


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'model.type': 'STPL'}, 'model.type: SourceOnly -> STPL'),
        ({'model.student.type': 'DFF'}, 'student.type: Accel -> DFF'),
        ({'model.student.segmentor.decode_head.num_classes': 5}, 'num_classes: 19 -> 5'),
        ({'optim_wrapper.optimizer.type': 'AdamW'}, 'optimizer.type: SGD -> AdamW'),
        (
            {'optim_wrapper': dict(_delete_=True, student=dict(optimizer=dict(type='SGD')))},
            'student.optimizer.type: None -> SGD',
        ),
        ({'param_scheduler.0.type': 'StepLR'}, 'PolyLR -> StepLR'),
        ({'param_scheduler': []}, '0.type: PolyLR -> None'),
    ],
)
def test_what_cannot_be_right(options, words, runner):
    runner.cfg.merge_from_dict(options)
    if 'optim_wrapper' in options:
        runner.cfg.optim_wrapper = options['optim_wrapper']
    with pytest.raises(UserError) as raised:
        check(runner)
    for word in (words, 'iter_10.pth', '--work-dir'):
        assert word in str(raised.value)


def test_a_run_that_finds_its_last_checkpoint(runner, tmp_path):
    """As mmengine resumes a run that names none."""
    runner._load_from, runner.work_dir = None, str(tmp_path / 'run')
    (tmp_path / 'run/last_checkpoint').write_text(str(tmp_path / 'run/iter_10.pth'))
    check(runner)
    runner.cfg.model.type = 'STPL'
    with pytest.raises(UserError, match='iter_10.pth.*model.type: SourceOnly -> STPL'):
        check(runner)


def test_other_classes(runner):
    with pytest.raises(UserError, match='classes: road, sky -> road, car'):
        check(runner, state(dataset_meta=dict(classes=('road', 'sky'))))


@pytest.mark.parametrize(
    ('key', 'value', 'effect'),
    [
        ('optim_wrapper.optimizer.lr', 0.2, False),
        ('param_scheduler.0.end', 200, False),
        ('train_cfg.max_iters', 200, True),
        ('train_dataloader.num_workers', 4, True),
        ('default_hooks.checkpoint.interval', 20, True),
        ('optim_wrapper.type', 'AmpOptimWrapper', True),
        ('model.student.segmentor.decode_head.loss_decode.type', 'DiceLoss', True),
    ],
)
def test_what_may_be_meant(key, value, effect, runner):
    runner.cfg.merge_from_dict({key: value})
    check(runner)
    assert f'{key}: ' in runner.warned[0] and f'-> {value}' in runner.warned[0]
    assert len(runner.warned) == 1 if effect else 'have no effect' in runner.warned[1]


@pytest.mark.parametrize(('before', 'warns'), [(1, False), (4, True), (None, False)])
def test_another_number_of_processes(before, warns, runner, tmp_path):
    report = dict(config=CONFIG, data=DATA, devices=dict(processes=before))
    (tmp_path / 'run/20260101_000000/report.json').write_text(json.dumps(report))
    check(runner)
    assert ['processes: 4 -> 1' in text for text in runner.warned] == [True] * warns


def test_without_a_report(runner, tmp_path):
    runner.cfg.model.type = 'STPL'
    report = tmp_path / 'run/20260101_000000/report.json'
    for text in ('{"config', '[]', '{}', '{"config": 3, "data": []}'):
        report.write_text(text)
        check(runner)
    report.unlink()
    check(runner)
    runner._resume = False
    check(runner, {})


@pytest.mark.parametrize(
    ('name', 'key', 'raises'),
    [
        ('train.source', 'hash', True),
        ('train.target', None, False),
        ('val', 'hash', False),
        ('gone', None, True),
    ],
)
def test_other_data(name, key, raises, runner, monkeypatch, tmp_path):
    now = json.loads(json.dumps(DATA))
    if name == 'gone':
        del now['train.source']
    elif key:
        now[name] = dict(now[name], hash='c', files=5)
    monkeypatch.setattr(run_report, 'report', lambda runner: dict(data=now))
    written = tmp_path / 'run/20260101_000001/report.json'
    if raises:
        with pytest.raises(UserError, match='iter_10.pth .*train.source: '):
            RunReportHook().before_train(runner)
        assert not written.exists()
    else:
        RunReportHook().before_train(runner)
        assert written.is_file() and len(runner.warned) == (name == 'val')
    runner._resume = False
    RunReportHook().before_train(runner)
