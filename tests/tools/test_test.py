from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

SCRIPT = Path(__file__).parents[2] / 'tools' / 'test.py'


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=dict(weight=torch.tensor(7.0)), meta={}), path)
    return path


def test_scores_the_checkpoint(run_tool, toy_config, checkpoint, tmp_path):
    # A training config that says where it resumes from or loads from does not matter here.
    run_tool(
        'test.py',
        toy_config,
        checkpoint,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'resume=True',
        'load_from=gone.pth',
    )
    result = json.loads(next((tmp_path / 'run').glob('*/*.json')).read_text())
    assert result['mIoU'] == 7
    assert result['count'] == 16


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['nowhere.py', 'CHECKPOINT'], ['config file not found', 'nowhere.py']),
        (['TOY', 'gone.pth'], ['checkpoint file not found', 'gone.pth']),
        (['TOY', 'CHECKPOINT', '--cfg-options', 'test_evaluator=None'], ['test_evaluator']),
        (['TOY'], ['checkpoint']),
    ],
)
def test_mistakes_give_one_message(args, words, run_tool, toy_config, checkpoint, capsys):
    values = dict(TOY=toy_config, CHECKPOINT=checkpoint)
    with pytest.raises(SystemExit, match='2'):
        run_tool('test.py', *[values.get(arg, arg) for arg in args])
    error = capsys.readouterr().err
    assert all(word in error for word in words)


@pytest.mark.parametrize('several', [False, True])
@pytest.mark.parametrize('out', [None, 'labels'])
def test_outputs(out, several, checkpoint):
    prepare_testing = runpy.run_path(str(SCRIPT))['prepare_testing']
    metric = dict(type='IoUMetric', output_dir='own')
    cfg = Config(
        dict(
            test_dataloader=dict(),
            test_evaluator=[metric, dict(type='Other')] if several else metric,
            visualizer=dict(type='SegLocalVisualizer'),
        )
    )
    prepare_testing(cfg, str(checkpoint), out, 'pictures')
    first = cfg.test_evaluator[0] if several else cfg.test_evaluator
    # mmseg's metric would write all sequences into one folder.
    assert first == dict(type='IoUMetric')
    assert not several or cfg.test_evaluator[1] == dict(type='Other')
    assert cfg.custom_hooks == [
        dict(type='SavePredictionsHook', out=out or 'own', show_dir='pictures')
    ]
