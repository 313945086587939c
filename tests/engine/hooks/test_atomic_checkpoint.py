"""What is on disk while the hook writes; whole runs: tests/tools/test_interrupted_training.py."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.runner import EpochBasedTrainLoop
from torch import distributed

from mmdavss.engine import AtomicCheckpointHook, StopSignalHook


class Runner(SimpleNamespace):
    """Writes empty checkpoints and notes what lay beside each of them."""

    def save_checkpoint(self, folder: str, filename: str, *args: object, **kwargs: object) -> None:
        self.seen.append((filename, names(Path(folder))))
        Path(folder, filename).touch()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob('*.pth')}


@pytest.fixture
def runner(tmp_path):
    return Runner(
        iter=0,
        epoch=0,
        work_dir=str(tmp_path),
        logger=logging.getLogger('test'),
        message_hub=MessageHub('test_atomic_checkpoint'),
        optim_wrapper=SimpleNamespace(),
        model=torch.nn.BatchNorm2d(2),
        seen=[],
    )


def train(hook: AtomicCheckpointHook, runner: Runner, scores: dict[str, float]) -> None:
    """Two iterations, of which the second is saved, and a validation."""
    for _ in range(2):
        hook.after_train_iter(runner, runner.iter)
        runner.iter += 1
    hook.after_val_epoch(runner, scores)


@pytest.mark.parametrize(
    ('save_best', 'kinds'),
    [('mIoU', ['mIoU']), ('auto', ['mIoU']), (['mIoU', 'mAcc'], ['mIoU', 'mAcc']), (None, [])],
)
def test_nothing_is_deleted_before_what_replaces_it_is_there(save_best, kinds, runner, tmp_path):
    hook = AtomicCheckpointHook(
        interval=2, by_epoch=False, max_keep_ckpts=1, save_last=False, save_best=save_best
    )
    hook.before_train(runner)
    train(hook, runner, dict(mIoU=1.0, mAcc=1.0))
    train(hook, runner, dict(mIoU=2.0, mAcc=2.0))
    best = {2: {f'best_{kind}_iter_2.pth' for kind in kinds}}
    best[4] = {f'best_{kind}_iter_4.pth' for kind in kinds}
    assert names(tmp_path) == {'iter_4.pth'} | best[4]
    assert Path(hook.last_ckpt).name == 'iter_4.pth'
    assert Path((tmp_path / 'last_checkpoint').read_text()).name == 'iter_4.pth'
    beside = [there for name, there in runner.seen if name == 'iter_4.pth']
    assert beside[0] == {'iter_2.pth'} | best[2]
    # Once more with the new best score, if there is one.
    assert beside[1:] == [{'iter_4.pth'} | best[4]] * bool(kinds)
    for name, there in runner.seen:
        if name.startswith('best') and name.endswith('_4.pth'):
            assert best[2] <= there


def test_a_score_that_is_not_better_changes_nothing(runner, tmp_path):
    hook = AtomicCheckpointHook(interval=2, by_epoch=False, save_best=['mIoU', 'mAcc'])
    hook.save_last = False
    hook.before_train(runner)
    train(hook, runner, dict(mIoU=2.0, mAcc=1.0))
    before = dict(hook.best_ckpt_path_dict)
    train(hook, runner, dict(mIoU=1.0, mAcc=2.0))
    assert hook.best_ckpt_path_dict['mIoU'] == before['mIoU']
    assert names(tmp_path) == {
        'iter_2.pth',
        'iter_4.pth',
        'best_mIoU_iter_2.pth',
        'best_mAcc_iter_4.pth',
    }
    written = len(runner.seen)
    hook.after_val_epoch(runner, dict(mIoU=0.0, mAcc=0.0))
    assert len(runner.seen) == written


@pytest.mark.parametrize('save_best', ['mIoU', ['mIoU', 'mAcc']])
def test_a_copied_folder_leaves_the_original_alone(save_best, runner, tmp_path):
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    options = dict(interval=2, by_epoch=False, save_last=False, save_best=save_best)
    first.mkdir()
    runner.work_dir = str(first)
    hook = AtomicCheckpointHook(**options)
    hook.before_train(runner)
    train(hook, runner, dict(mIoU=1.0, mAcc=1.0))
    before = names(first)
    shutil.copytree(first, copy)
    runner.work_dir = str(copy)
    hook = AtomicCheckpointHook(**options)
    hook.before_train(runner)
    train(hook, runner, dict(mIoU=2.0, mAcc=2.0))
    assert names(first) == before
    assert 'best_mIoU_iter_4.pth' in names(copy) and 'best_mIoU_iter_2.pth' not in names(copy)


def test_no_checkpoint_between_the_iterations_of_a_step(runner, tmp_path):
    """A validation there writes the best weights only; a resumed run repeats it."""
    runner.optim_wrapper = SimpleNamespace(_accumulative_counts=4)
    hook = AtomicCheckpointHook(interval=4, by_epoch=False, save_last=False, save_best='mIoU')
    hook.before_train(runner)
    for score in (1.0, 2.0, 3.0):
        train(hook, runner, dict(mIoU=score))
    assert names(tmp_path) == {'iter_4.pth', 'best_mIoU_iter_6.pth'}
    assert [name for name, _ in runner.seen].count('iter_4.pth') == 2  # again with its best score
    for wrong in (dict(interval=2), dict(interval=4, save_begin=2)):
        with pytest.raises(ValueError, match=f'{list(wrong)[-1]}=2 is not a multiple'):
            AtomicCheckpointHook(by_epoch=False, **wrong).before_train(runner)


def test_no_validation_is_repeated_where_intervals_are_epochs(runner):
    """Iteration 4 is none at which epochs are validated."""
    runner.iter = 4
    runner.train_loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    runner.val_loop = SimpleNamespace(run=pytest.fail)
    AtomicCheckpointHook(interval=2, by_epoch=False).before_train_epoch(runner)


def _one_model(rank: int, runner: Runner, hook: AtomicCheckpointHook, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    stop = StopSignalHook()
    stop._asked, stop._checkpoints = rank == 1, hook
    stop._group = distributed.new_group(backend='gloo')
    runner.visualizer = SimpleNamespace(close=lambda: None)
    norm, seen = runner.model, []

    def note(*args: object, **kwargs: object) -> None:
        seen.append((norm.running_mean.tolist(), norm.running_var.tolist()))
        norm.running_mean.fill_(rank + len(seen))
        norm.running_var.fill_(rank + 5 * len(seen))

    runner.save_checkpoint = note
    hook.after_train_iter(runner, runner.iter)  # is not saved
    note()
    runner.iter += 1
    hook.after_train_iter(runner, runner.iter)
    hook.before_val_epoch(runner)
    note()
    runner.iter += 1
    with pytest.raises(SystemExit):
        stop.after_train_iter(runner, runner.iter)
    torch.save(seen, folder / f'{rank}.pth')
    distributed.destroy_process_group()


def test_processes_save_and_validate_one_model(runner, tmp_path):
    hook = AtomicCheckpointHook(interval=2, by_epoch=False, save_last=False)
    hook.before_train(runner)
    torch.multiprocessing.start_processes(
        _one_model, (runner, hook, tmp_path), 2, start_method='fork'
    )
    first, second = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    assert first == second
    assert [means for means, _ in first] == [[0, 0], [1, 1], [2, 2], [3, 3]]
