"""The parts of the hook; whole runs that are stopped are in tests/tools/test_train.py."""

import multiprocessing
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from torch import distributed

from mmdavss.engine.hooks.stop_signal import StopSignalHook, _undisturbed

FORK = multiprocessing.get_context('fork')


def _work(ready: Path, files: list[str]) -> None:
    _undisturbed(lambda worker: files[worker].write_text('init'), 0)
    ready.touch()
    time.sleep(60)


def _wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f'{path.name} is not there after 30 seconds.')


def test_worker_obeys_its_parent_alone(tmp_path):
    worker = FORK.Process(target=_work, args=(tmp_path / 'ready', [tmp_path / 'init']))
    worker.start()
    _wait_for(tmp_path / 'ready')
    assert (tmp_path / 'init').read_text() == 'init'
    for name in ('TERM', 'USR1'):
        subprocess.run(['kill', f'-{name}', str(worker.pid)], check=True)
    worker.join(0.3)
    assert worker.is_alive()
    worker.terminate()
    worker.join(30)
    assert worker.exitcode == 0


def _agree(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    hook = StopSignalHook()
    hook._group = distributed.new_group(backend='gloo')
    before = hook._agreed()
    hook._asked = rank == 1
    (folder / str(rank)).write_text(f'{before} {hook._agreed()}')
    distributed.barrier()
    os._exit(0)


def test_all_processes_stop_when_one_is_asked(tmp_path):
    processes = [FORK.Process(target=_agree, args=(rank, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [(tmp_path / name).read_text() for name in '01'] == ['False True'] * 2


def test_checkpoints_by_epoch_are_refused():
    """An iteration's would have the name of a later epoch's."""
    runner = SimpleNamespace(hooks=[CheckpointHook(by_epoch=True)])
    with pytest.raises(ValueError, match='by_epoch=False'):
        StopSignalHook().before_train(runner)
