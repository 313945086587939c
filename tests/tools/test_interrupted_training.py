"""Runs that end early, at every file that they write and by signals, on the task of one weight."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
from pathlib import Path

import pytest
import torch
from mmengine.runner import IterBasedTrainLoop, ValLoop

from mmdavss.utils.atomic_backend import AtomicBackend
from mmdavss.utils.checkpoints import damage
from mmdavss.utils.files import left_unfinished, unfinished_path
from mmdavss.utils.work_dir_lock import NAME

# Two checkpoints, each with scores that are better than those before: w = -1 and -6.
OPTIONS = [
    'train_cfg.max_iters=4',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.checkpoint.rule=less',
    'default_hooks.checkpoint.max_keep_ckpts=1',
]
END = {'iter_4.pth': -6.0, 'best_mIoU_iter_4.pth': -6.0}
#: Of such a run: checkpoint and note, the best, again checkpoint and note; that twice.
FILES = 10


class Killed(BaseException):
    """Ends a run wherever it is."""


@pytest.fixture
def train(run_tool, toy_config, tmp_path, monkeypatch):
    # Asking compilers for their versions takes most of the time.
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)

    def run(*options: str) -> None:
        run_tool(
            'train.py',
            toy_config,
            '--work-dir',
            tmp_path / 'run',
            '--resume',
            '--cfg-options',
            *OPTIONS,
            *options,
        )

    return run


@pytest.fixture(autouse=True)
def handlers():
    """A run that was stopped ends its process; this one goes on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def weights(folder: Path) -> dict[str, float]:
    return {
        path.name: torch.load(path, weights_only=False)['state_dict']['weight'].item()
        for path in folder.glob('*.pth*')
    }


def scores(log: Path) -> list[dict]:
    """Rows of the validations in a log."""
    rows = map(json.loads, log.read_text().splitlines())
    return [row for row in rows if 'mIoU' in row]


def noted(path: Path) -> dict:
    """What a checkpoint knows of the scores."""
    return torch.load(path, weights_only=False)['message_hub']['runtime_info']


@pytest.mark.parametrize(
    ('number', 'moved'),
    [*((number, False) for number in range(FILES)), (1, True), (4, True), (6, True), (9, True)],
)
def test_killed_at_every_file(number, moved, train, tmp_path, monkeypatch):
    """In the middle of writing it; and when a note is in place, before files are deleted."""
    put, calls = AtomicBackend.put, []

    def killed(self, content, path):
        calls.append(path)
        if len(calls) <= number + moved:
            put(self, content, path)
        else:
            unfinished_path(path).write_bytes(content[: len(content) // 2])
        if len(calls) > number:
            raise Killed

    run = tmp_path / 'run'
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(AtomicBackend, 'put', killed)
        train()
    # Whatever is there is whole, and something is from the first checkpoint on.
    found = (
        weights(run)
        if not left_unfinished(run)
        else {name for name in (path.name for path in run.glob('*.pth'))}
    )
    assert all(damage(path) is None for path in run.glob('*.pth'))
    if number + moved >= 2:
        note = Path((run / 'last_checkpoint').read_text())
        assert note.name in found and note.name in ('iter_2.pth', 'iter_4.pth')
    if number + moved >= 3:
        assert any(name.startswith('best') for name in found)
    train()
    assert weights(run) == END
    assert Path((run / 'last_checkpoint').read_text()).name == 'iter_4.pth'


def test_files_are_as_many_as_said(train, tmp_path, monkeypatch):
    put, calls = AtomicBackend.put, []
    monkeypatch.setattr(AtomicBackend, 'put', lambda *args: (calls.append(0), put(*args)))
    train()
    assert len(calls) == FILES
    assert weights(tmp_path / 'run') == END


def test_validation_that_was_cut_off_is_made_up_for(train, tmp_path, monkeypatch):
    def killed(self):
        raise Killed

    for at_end in (False, True):
        options = ['train_cfg.val_interval=4'] if at_end else []
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(ValLoop, 'run', killed)
            train(*options)
    last = tmp_path / 'run/iter_4.pth'
    assert weights(tmp_path / 'run') == {'iter_4.pth': -6.0}
    assert 'best_score' not in noted(last)
    train()
    assert weights(tmp_path / 'run') == END
    assert noted(last)['best_score'] == -6
    assert Path(noted(last)['best_ckpt']).name == 'best_mIoU_iter_4.pth'


@pytest.mark.parametrize(('at', 'again'), [(7, [4]), (8, [4]), (9, [])])
def test_scores_that_a_checkpoint_holds_are_not_logged_again(
    at, again, train, tmp_path, monkeypatch
):
    """Of files, 9 is the note after the checkpoint was written with the scores of iteration 4."""
    put, calls, run = AtomicBackend.put, [], tmp_path / 'run'

    def killed(self, content, path):
        if len(calls) == at:
            raise Killed
        calls.append(path)
        put(self, content, path)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(AtomicBackend, 'put', killed)
        train()
    logs = [path.rename(path.with_name('first')) for path in run.glob('*/vis_data/scalars.json')]
    assert [row['step'] for row in scores(logs[0])] == [2, 4]
    train()
    logs = list(run.glob('*/vis_data/scalars.json'))
    assert [row['step'] for path in logs for row in scores(path)] == again
    assert weights(run) == END
    history = torch.load(run / 'iter_4.pth', weights_only=False)['message_hub']['log_scalars']
    assert history['val/mIoU'].data[0].tolist() == [-1.0, -6.0]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_signal_in_an_iteration_saves_and_stops(number, train, tmp_path, monkeypatch):
    step, calls = IterBasedTrainLoop.run_iter, []

    def signalled(self, batch):
        calls.append(0)
        if len(calls) == 3:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        step(self, batch)

    with monkeypatch.context() as patched, pytest.raises(SystemExit, match='75'):
        patched.setattr(IterBasedTrainLoop, 'run_iter', signalled)
        train()
    # x = 0, 1, 2 at lr 1. A checkpoint would have been due after iteration 4.
    assert weights(tmp_path / 'run') == {'iter_3.pth': -3.0, 'best_mIoU_iter_2.pth': -1.0}
    train()
    assert weights(tmp_path / 'run') == END


def test_signal_with_the_hook_of_mmengine(train, tmp_path, monkeypatch):
    """It saves and stops likewise; only that the hook does not know the checkpoint and keeps it."""
    step, calls = IterBasedTrainLoop.run_iter, []

    def signalled(self, batch):
        calls.append(0)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        step(self, batch)

    plain = 'default_hooks.checkpoint.type=CheckpointHook'
    monkeypatch.setattr(IterBasedTrainLoop, 'run_iter', signalled)
    with pytest.raises(SystemExit, match='75'):
        train(plain)
    assert Path((tmp_path / 'run/last_checkpoint').read_text()).name == 'iter_3.pth'
    train(plain)
    assert len(calls) == 4
    assert weights(tmp_path / 'run') == {**END, 'iter_3.pth': -3.0}


def test_what_signals_saved_leaves_again(train, tmp_path, monkeypatch):
    """Two stops between the regular checkpoints, of which both are to be kept."""
    step, calls = IterBasedTrainLoop.run_iter, []

    def signalled(self, batch):
        calls.append(0)
        if len(calls) in (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)
        step(self, batch)

    keep = 'default_hooks.checkpoint.max_keep_ckpts=2'
    monkeypatch.setattr(IterBasedTrainLoop, 'run_iter', signalled)
    for name in ('iter_1.pth', 'iter_3.pth'):
        with pytest.raises(SystemExit, match='75'):
            train(keep)
        assert name in weights(tmp_path / 'run')
    train(keep)
    assert weights(tmp_path / 'run') == {**END, 'iter_2.pth': -1.0}


def test_signal_in_a_validation_saves_and_stops(train, tmp_path, monkeypatch):
    step = ValLoop.run_iter

    def signalled(self, *args):
        os.kill(os.getpid(), signal.SIGTERM)
        step(self, *args)

    with monkeypatch.context() as patched, pytest.raises(SystemExit, match='75'):
        patched.setattr(ValLoop, 'run_iter', signalled)
        train('default_hooks.checkpoint.interval=4', 'train_cfg.val_interval=3')
    assert weights(tmp_path / 'run') == {'iter_3.pth': -3.0}
    train('default_hooks.checkpoint.interval=4', 'train_cfg.val_interval=3')
    assert weights(tmp_path / 'run') == END


def test_steps_of_the_optimiser_are_not_divided(train, tmp_path, monkeypatch, capfd):
    step, calls = IterBasedTrainLoop.run_iter, []

    def signalled(self, batch):
        calls.append(0)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        step(self, batch)

    accumulate = ['optim_wrapper.accumulative_counts=3', 'default_hooks.checkpoint.save_best=None']
    with pytest.raises(SystemExit, match='1'):
        train(*accumulate)
    error = ''.join(capfd.readouterr())
    assert re.search('error: .*interval=2 .*accumulative_counts=3', error)
    assert 'Traceback' not in error
    with monkeypatch.context() as patched, pytest.raises(SystemExit, match='75'):
        patched.setattr(IterBasedTrainLoop, 'run_iter', signalled)
        train(*accumulate, 'default_hooks.checkpoint.interval=6')
    # The mean of x = 0, 1, 2.
    assert weights(tmp_path / 'run') == {'iter_3.pth': -1.0}


@pytest.mark.parametrize('mode', [[], ['--resume'], ['--overwrite']])
def test_second_run_in_the_same_folder(
    mode, run_tool, toy_config, train, tmp_path, monkeypatch, capsys
):
    """It ends with one line, and the first one as if there had been none."""
    step, calls = IterBasedTrainLoop.run_iter, []

    def beside(self, batch):
        calls.append(0)
        if len(calls) == 3:
            before = sorted(run.iterdir())
            with pytest.raises(SystemExit, match='2'):
                run_tool('train.py', toy_config, '--work-dir', run, *mode)
            assert sorted(run.iterdir()) == before
        step(self, batch)

    run = tmp_path / 'run'
    monkeypatch.setattr(IterBasedTrainLoop, 'run_iter', beside)
    train()
    error = capsys.readouterr().err
    assert f'{run} is in use by process {os.getpid()} on {platform.node()}' in error
    assert '--work-dir' in error and len(calls) == 4
    assert weights(run) == END and not (run / NAME).exists()


def test_folder_is_given_back_after_an_error(train, tmp_path, monkeypatch):
    def broken(self, batch):
        raise RuntimeError('mine')

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match='mine'):
        patched.setattr(IterBasedTrainLoop, 'run_iter', broken)
        train()
    train()
    assert weights(tmp_path / 'run') == END


def test_run_that_lost_its_folder_writes_no_checkpoint(train, tmp_path, monkeypatch):
    """Another machine took it over, as this one was suspended."""
    step, calls = IterBasedTrainLoop.run_iter, []

    def lost(self, batch):
        calls.append(0)
        if len(calls) == 3:
            (tmp_path / 'run' / NAME).write_text('{"of": "another"}')
        step(self, batch)

    monkeypatch.setattr(IterBasedTrainLoop, 'run_iter', lost)
    with pytest.raises(SystemExit, match='1'):
        train()
    assert set(weights(tmp_path / 'run')) == {'iter_2.pth', 'best_mIoU_iter_2.pth'}
    assert (tmp_path / 'run' / NAME).read_text() == '{"of": "another"}'


def test_signals_are_given_back(train):
    before = signal.getsignal(signal.SIGTERM)
    train()
    assert signal.getsignal(signal.SIGTERM) == before


def test_damaged_checkpoint_is_named_and_no_other_taken(train, tmp_path, capsys):
    run = tmp_path / 'run'
    keep = 'default_hooks.checkpoint.max_keep_ckpts=2'
    train(keep)
    last = run / 'iter_4.pth'
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(SystemExit, match='2'):
        train(keep)
    error = capsys.readouterr().err
    assert f'{last} is damaged' in error and f'load_from={run / "iter_2.pth"}' in error
    assert last.stat().st_size == 1000
    (run / 'iter_2.pth').unlink()
    with pytest.raises(SystemExit, match='2'):
        train()
    assert '--overwrite' in capsys.readouterr().err


def test_the_one_before_is_taken_on_demand(run_tool, toy_config, train, tmp_path, capsys):
    run, options = tmp_path / 'run', [*OPTIONS[:3], 'default_hooks.checkpoint.max_keep_ckpts=2']
    train(options[-1])
    (run / 'iter_4.pth').write_bytes(b'')
    chosen = ['resume=True', f'load_from={run / "iter_2.pth"}']
    run_tool('train.py', toy_config, '--work-dir', run, '--cfg-options', *options, *chosen)
    assert weights(run) == {**END, 'iter_2.pth': -1.0}
    (run / 'iter_2.pth').write_bytes(b'')
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', toy_config, '--work-dir', run, '--cfg-options', *options, *chosen)
    assert 'iter_2.pth is damaged' in capsys.readouterr().err
