from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch

from mmdavss.utils.quiet import QuietRunner
from mmdavss.utils.work_dir_lock import NAME

THREE_ITERATIONS = ['--cfg-options', 'train_cfg.max_iters=3']


def weight(path: Path) -> float:
    return torch.load(path, weights_only=False)['state_dict']['weight'].item()


def scalars(work_dir: Path) -> list[dict]:
    """Lines of the scalar logs; runs that start in the same second share one."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_trains_and_logs(run_tool, toy_config, tmp_path):
    run_tool('train.py', toy_config, '--work-dir', tmp_path, *THREE_ITERATIONS)
    # x = 0, 1, 2 at lr 1.
    assert weight(tmp_path / 'iter_3.pth') == -3
    # `max_keep_ckpts=2`, and the checkpoint that is best on the validation set beside them: it was
    # seen after iteration 2, at w = -1.
    assert not (tmp_path / 'iter_1.pth').exists()
    assert weight(tmp_path / 'best_mIoU_iter_2.pth') == -1
    last = [line for line in scalars(tmp_path) if 'loss' in line][-1]
    assert last['step'] == 3
    assert last['lr'] == 1
    # The log smooths over ten steps; the losses are 0 * 0, 0 * 1 and -1 * 2.
    assert last['loss'] == pytest.approx(-2 / 3)
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'eta:' in log and 'Iter(train) [3/3]' in log


def test_data_with_other_classes(run_tool, toy_config, tmp_path, monkeypatch):
    task = import_module('toy_task')
    metainfo = dict(classes=('a', 'b', 'c'))
    monkeypatch.setattr(task.ToyNumbers, 'metainfo', metainfo, raising=False)
    monkeypatch.setattr(task.ToyWeight, 'num_classes', 2, raising=False)
    with pytest.raises(SystemExit, match='1'):
        run_tool('train.py', toy_config, '--work-dir', tmp_path)
    error = 'error: the data set of train_dataloader has 3 classes, the model 2: set num_classes'
    assert error in next(tmp_path.glob('*/*.log')).read_text()
    assert not list(tmp_path.glob('*.pth'))


def test_moving_average_of_the_weights(run_tool, toy_config, tmp_path):
    """EMAHook, as PixMatch's configs have it: validations and checkpoints have the average."""
    config = tmp_path / 'with_average.py'
    config.write_text(
        f'_base_ = {toy_config!r}\ncustom_hooks = [dict(type="EMAHook", momentum=0.5)]\n'
    )
    out = tmp_path / 'run'
    run_tool('train.py', config, '--work-dir', out)
    # Weights 0 and -1, of which the first one starts the average.
    assert weight(out / 'iter_2.pth') == -0.5
    saved = torch.load(out / 'iter_2.pth', weights_only=False)
    assert saved['ema_state_dict']['module.weight'].item() == -1
    assert [line['mIoU'] for line in scalars(out) if 'mIoU' in line] == [-0.5]
    run_tool('test.py', config, out / 'iter_2.pth', '--work-dir', tmp_path / 'test')
    assert json.loads(next((tmp_path / 'test').glob('*/*.json')).read_text())['mIoU'] == -0.5
    # A resumed run goes on from the weights themselves: -3, and from their average.
    run_tool('train.py', config, '--work-dir', out, '--resume', *THREE_ITERATIONS)
    assert weight(out / 'iter_3.pth') == -1.75


def test_tensorboard_is_one_line(run_tool, toy_config, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = tmp_path / 'with_tensorboard.py'
    config.write_text(
        f'_base_ = {toy_config!r}\n'
        "visualizer = dict(vis_backends=[dict(type='TensorboardVisBackend')])\n"
    )
    run_tool('train.py', config, '--work-dir', tmp_path / 'run')
    folder = next((tmp_path / 'run').glob('*/vis_data'))
    events = EventAccumulator(str(folder))
    events.Reload()
    # w = 0 at the first step and still 0 at the second, as the first x is 0.
    assert [(event.step, event.value) for event in events.Scalars('loss')] == [(1, 0), (2, 0)]


def test_earlier_checkpoints_are_kept(run_tool, toy_config, tmp_path, capsys):
    run_tool('train.py', toy_config, '--work-dir', tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob('*.pth')}
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', toy_config, '--work-dir', tmp_path)
    error = capsys.readouterr().err
    assert all(word in error for word in (str(tmp_path), '--resume', '--overwrite', '--work-dir'))
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob('*.pth')} == before


def test_overwrite_starts_again(run_tool, toy_config, tmp_path):
    run_tool('train.py', toy_config, '--work-dir', tmp_path, *THREE_ITERATIONS)
    run_tool('train.py', toy_config, '--work-dir', tmp_path, '--overwrite')
    assert {path.name for path in tmp_path.glob('*.pth')} == {
        'iter_1.pth',
        'iter_2.pth',
        'best_mIoU_iter_2.pth',
    }
    assert weight(tmp_path / 'iter_2.pth') == -1


def test_resume_goes_on_from_the_work_dir(run_tool, toy_config, tmp_path):
    """`load_from`, the source model, must not be what an adaptation is resumed from."""
    source = tmp_path / 'source.pth'
    torch.save(dict(state_dict=dict(weight=torch.tensor(100.0)), meta={}), source)
    work_dir = tmp_path / 'run'
    options = ['--work-dir', work_dir, '--resume', '--cfg-options', f'load_from={source}']
    # Nothing to resume yet: starts from the source model. x = 0, 1.
    run_tool('train.py', toy_config, *options)
    assert weight(work_dir / 'iter_2.pth') == 99
    # x = 2, 3.
    run_tool('train.py', toy_config, *options, 'train_cfg.max_iters=4')
    assert weight(work_dir / 'iter_4.pth') == 94
    assert [line['step'] for line in scalars(work_dir) if 'loss' in line] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['nowhere.py'], ['config file not found', 'nowhere.py']),
        (['TOY', '--cfg-options', 'load_from=gone.pth'], ['load_from', 'gone.pth']),
        (['TOY', '--cfg-options', 'model.type.deep=1'], ['--cfg-options', 'toy_config.py']),
        (['TOY', '--resume', '--overwrite'], ['--resume', '--overwrite']),
        (['TOY', '--launcher', 'pytorch'], ['dist_train.sh']),
        (['TOY', '--launcher', 'magic'], ['--launcher', 'magic']),
        (['TOY', '--work-dir', __file__], ['--work-dir', __file__]),
        ([], ['config']),
    ],
)
def test_mistakes_give_one_message(
    args, words, run_tool, toy_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', *[toy_config if arg == 'TOY' else arg for arg in args])
    error = capsys.readouterr().err
    assert all(word in error for word in words)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_one_line(run_tool, toy_config, tmp_path, monkeypatch, capfd):
    def press(runner):
        raise KeyboardInterrupt

    monkeypatch.setattr(QuietRunner, 'train', press)
    with pytest.raises(SystemExit, match='130'):
        run_tool('train.py', toy_config, '--work-dir', tmp_path / 'run')
    assert capfd.readouterr().err.endswith(
        '\ninterrupted: --resume continues from the last checkpoint\n'
    )
    assert not (tmp_path / 'run' / NAME).exists()
