from __future__ import annotations

import json
import runpy
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from torch.nn import functional as F

from mmdavss.engine.hooks import MeanPredictionHook
from mmdavss.launch.model import load_model

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


def test_data_with_other_classes(run_tool, toy_config, checkpoint, tmp_path, monkeypatch):
    task = import_module('toy_task')
    metainfo = dict(classes=('a', 'b', 'c'))
    monkeypatch.setattr(task.ToyNumbers, 'metainfo', metainfo, raising=False)
    monkeypatch.setattr(task.ToyWeight, 'num_classes', 2, raising=False)
    with pytest.raises(SystemExit, match='of test_dataloader has 3 classes, the model 2: set num'):
        run_tool('test.py', toy_config, checkpoint, '--work-dir', tmp_path)


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['nowhere.py', 'CHECKPOINT'], ['config file not found', 'nowhere.py']),
        (['TOY', 'gone.pth'], ['checkpoint file not found', 'gone.pth']),
        (['TOY', 'CHECKPOINT', 'gone.pth'], ['checkpoint file not found', 'gone.pth']),
        (['TOY', 'CHECKPOINT', '--cfg-options', 'test_evaluator=None'], ['test_evaluator']),
        (['TOY', 'CHECKPOINT', '--cfg-options', 'model=None'], ['toy_config.py has no model: ']),
        (
            ['TOY', 'CHECKPOINT', '--cfg-options', 'test_dataloader.dataset=None'],
            ['toy_config.py has no test_dataloader.dataset: '],
        ),
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
    prepare_testing(cfg, [str(checkpoint)], out, 'pictures')
    first = cfg.test_evaluator[0] if several else cfg.test_evaluator
    # mmseg's metric would write all sequences into one folder.
    assert first == dict(type='IoUMetric')
    assert not several or cfg.test_evaluator[1] == dict(type='Other')
    assert cfg.custom_hooks == [
        dict(type='SavePredictionsHook', out=out or 'own', show_dir='pictures', overwrite=False)
    ]


def test_the_mean_of_several(run_tool, analysed, tmp_path):
    """Class of each pixel by a plain loop over the networks, and no network's own classes."""
    config, one = analysed
    state = torch.load(one, weights_only=True)['state_dict']
    paths = [one]
    for seed in (1, 2):
        torch.manual_seed(seed)
        paths.append(tmp_path / f'{seed}.pth')
        other = {
            name: value + 0.05 * torch.randn(value.shape) if value.is_floating_point() else value
            for name, value in state.items()
        }
        other = {n: v.abs() if n.endswith('running_var') else v for n, v in other.items()}
        torch.save(dict(state_dict=other), paths[-1])

    def predicted(*checkpoints):
        out = tmp_path / '_'.join(path.stem for path in checkpoints)
        run_tool('test.py', config, *checkpoints, '--work-dir', out / 'log', '--out', out / 'maps')
        return [np.array(Image.open(file)) for file in sorted((out / 'maps').rglob('*.png'))]

    found = predicted(*paths)
    nets = [load_model(config, path) for path in paths]
    expected = []
    for data in Runner.build_dataloader(Config.fromfile(config).test_dataloader):
        batch = nets[0].data_preprocessor(data, False)
        with torch.no_grad():
            mean = sum(net.encode_decode(batch['inputs']).softmax(1) for net in nets) / 3
        size = batch['data_samples'][0].ori_shape
        mean = F.interpolate(mean, size, mode='bilinear', align_corners=nets[0].align_corners)
        expected.append(mean[0].argmax(0).numpy())
    assert len(found) == len(expected) == 2
    np.testing.assert_array_equal(found, expected)
    for path in paths:
        assert any((a != b).any() for a, b in zip(predicted(path), found, strict=True))


def test_checkpoints_of_another_network_have_no_mean(run_tool, analysed, checkpoint, tmp_path):
    config, one = analysed
    with pytest.raises(SystemExit, match='model.pth'):
        run_tool('test.py', config, one, checkpoint, '--work-dir', tmp_path / 'log')
    with pytest.raises(ValueError, match='names no further checkpoint'):
        MeanPredictionHook([])
