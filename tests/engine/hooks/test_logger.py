"""Scores of a test are written by one process."""

import json
from types import SimpleNamespace

import pytest
from mmseg.registry import HOOKS


@pytest.mark.parametrize('rank', [0, 1])
def test_one_process_writes(tmp_path, monkeypatch, rank):
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: rank)
    hook = HOOKS.build(dict(type='MainProcessLoggerHook'))
    hook.json_log_path = 'scores.json'
    runner = SimpleNamespace(
        log_dir=str(tmp_path),
        logger=SimpleNamespace(info=print),
        test_dataloader=[0],
        log_processor=SimpleNamespace(
            get_log_after_epoch=lambda *args, **kwargs: (dict(mIoU=40.0), 'mIoU: 40')
        ),
    )
    hook.after_test_epoch(runner)
    written = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert written == ({'scores.json': dict(mIoU=40.0)} if rank == 0 else {})
