"""Which errors end a tool with one line, and which keep their traceback."""

from __future__ import annotations

import errno
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_sharer

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch.utils.data import DataLoader, Dataset

from mmdavss.cli.exits import one_line
from mmdavss.evaluation.health import class_drift
from mmdavss.flow import read_flow
from mmdavss.launch import faults
from mmdavss.launch.config_file import check_part
from mmdavss.launch.faults import explain, explained_faults
from mmdavss.ops import backward_warp
from mmdavss.pseudo_labels.rules import LabelRule
from mmdavss.structures import DomainBatch
from mmdavss.testing import small_net
from mmdavss.utils.errors import UserError


def ours(folder) -> None:
    (folder / 'a.flo').write_bytes(b'nothing')
    read_flow(folder / 'a.flo')


def other_library(folder) -> None:
    np.ones(3) + np.ones(4)


def no_purpose(folder) -> None:
    """A ValueError in a line of this package that raises none: shapes that do not fit."""
    class_drift(np.ones(3), np.ones(4))


def no_clips(folder) -> object:
    return DomainBatch({}, {}).source


def ids_between(folder) -> None:
    backward_warp(torch.ones(1, 1, 2, 2, dtype=torch.long), torch.zeros(1, 2, 2, 2))


def no_flow_branch(folder) -> None:
    MODELS.build(small_net('DFF')).estimate_flow(torch.zeros(1, 2, 3, 32, 32))


def no_such_key(folder) -> None:
    """A KeyError in a line of this package that looks something up."""
    check_part(MODELS, {}, '--flow')


def not_written_yet(folder) -> None:
    LabelRule().start(4)


def system(code: int, name: str | None = '/data/a.png'):
    def fail(folder) -> None:
        raise OSError(code, os.strerror(code), name)

    return fail


def raises(error: Exception):
    def fail(folder) -> None:
        raise error

    return fail


class Base:
    def __init__(self, size):
        self.size = size


class Wrong(Base):
    """Each `call` is wrong in the class itself, whatever the config has."""

    def __init__(self, call, **kwargs):
        if call == 'base':
            super().__init__(size=1, colour=2)
        elif call == 'lost':
            kwargs.pop('size')
            super().__init__(**kwargs)
        elif call == 'other':
            read_flow(**kwargs)
        else:
            super().__init__(call=call, **kwargs)


class Right(Base):
    def __init__(self, colour, **kwargs):
        super().__init__(**kwargs)


class Sets(Base):
    def __init__(self, **kwargs):
        super().__init__(size=2, **kwargs)


def built(kind, **options):
    return lambda folder: MODELS.build(ConfigDict(type=kind, **options))


def built_by_code(folder) -> None:
    MODELS.build(dict(type=Base, sice=1))


def built_with_more(folder) -> None:
    """What the code adds to a config is not in it."""
    MODELS.build(ConfigDict(type=Base, size=1), default_args=dict(sice=1))


def loaded(**options):
    loader = dict(dataset=[1, 2], sampler=dict(type='DefaultSampler', shuffle=False), batch_size=1)
    return lambda folder: Runner.build_dataloader(ConfigDict(loader, **options))


def of_a_run(**options):
    return lambda folder: Runner(torch.nn.Identity(), str(folder), **options)


def after_another(folder) -> None:
    """What torch makes of a full disk."""
    try:
        raise OSError(errno.ENOSPC, 'No space left on device')
    except OSError:
        raise RuntimeError('PytorchStreamWriter failed writing file data/1') from None


LINES = [
    (raises(UserError('say so')), 'say so'),
    (ours, 'a.flo'),
    (no_clips, 'The batch has no source clips, only []'),
    (ids_between, "needs mode='nearest'"),
    (no_flow_branch, 'set `flow_net`'),
    (lambda folder: (folder / 'gone').read_text(), 'gone: does not exist'),
    (lambda folder: folder.read_text(), 'is a folder'),
    (lambda folder: (folder / ('n' * 300)).write_text(''), 'shorten it'),
    (system(errno.EACCES), '/data/a.png: you have no permission'),
    (system(errno.EIO), '/data/a.png: the disk or the network share'),
    (system(errno.EIO, None), 'the disk or the network share'),
    (system(errno.EROFS), 'read-only: write elsewhere (--work-dir, --out)'),
    (system(errno.ENOSPC), '/data/a.png: the disk is full'),
    (system(errno.EBUSY), '/data/a.png: Device or resource busy'),
    (after_another, 'the disk is full'),
]
#: What is wrong in a config, of which the main process builds everything.
SETTINGS = [
    (built(Base, sice=1), r"Base: Base.__init__() got an unexpected keyword argument 'sice'"),
    (built(Right, colour=1, sice=1), 'Right: Base.__init__() got an unexpected keyword'),
    (built(Right, colour=1), 'Right: Base.__init__() missing 1 required positional argument'),
    (built(Right), "Right.__init__() missing 1 required positional argument: 'colour'"),
    (built(Sets, size=1), "Sets sets 'size' itself: remove it from the config"),
    (loaded(worker=1), "DataLoader.__init__() got an unexpected keyword argument 'worker'"),
    (loaded(num_workers=0, persistent_workers=True), 'the data loader: persistent_workers option'),
    (loaded(batch_size=0), 'batch_size should be a positive integer value'),
    (of_a_run(val_cfg=dict()), 'all None or not None, and val_dataloader, val_evaluator is None'),
]
TRACEBACKS = [
    other_library,
    no_purpose,
    no_such_key,
    not_written_yet,
    raises(KeyError('x')),
    raises(TypeError('x')),
    raises(AttributeError('x')),
    raises(RuntimeError('x')),
    raises(ValueError('of others')),
    system(errno.EACCES, None),
    raises(OSError('nothing is known')),
    built_by_code,
    built_with_more,
    built(Wrong, call='base'),
    built(Wrong, call='lost', size=1),
    built(Wrong, call='other', width=1),
    built(Wrong, call='more', size=1),
]


def fault(call, argument) -> BaseException:
    with pytest.raises(Exception) as raised:
        call(argument)
    return raised.value


@pytest.mark.parametrize(('call', 'words'), LINES + SETTINGS)
def test_line(call, words, tmp_path):
    message = explain(fault(call, tmp_path))
    assert words in message and '\n' not in message
    with pytest.raises(SystemExit) as raised, one_line():
        call(tmp_path)
    assert raised.value.code == f'\nerror: {message}' and raised.value.__suppress_context__


@pytest.mark.parametrize('call', TRACEBACKS)
def test_traceback(call, tmp_path):
    error = fault(call, tmp_path)
    assert explain(error) is None
    with pytest.raises(type(error)), one_line():
        call(tmp_path)
    with pytest.raises(type(error)), explained_faults(tmp_path):
        call(tmp_path)


class Calls(Dataset):
    """Items that raise."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = [call for call, _ in LINES if call is not after_another] + TRACEBACKS

    def __len__(self):
        return len(self.calls)

    def __getitem__(self, index):
        folder = self.folder / str(index)
        folder.mkdir()
        try:
            return self.calls[index](folder)
        finally:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def test_the_same_from_a_process_that_loads_data(tmp_path):
    data = Calls(tmp_path)
    alone = [explain(fault(data.__getitem__, index)) for index in range(len(data))]
    items = iter(DataLoader(data, num_workers=1))
    assert [explain(fault(next, items)) for _ in range(len(data))] == alone


def test_the_same_from_a_pool(tmp_path):
    with ProcessPoolExecutor(1) as pool:
        found = [
            explain(fault(lambda work: work.result(), pool.submit(call, tmp_path)))
            for call in (ours, no_clips, other_library, no_purpose, no_such_key)
        ]
    assert 'a.flo' in found[0] and found[1].startswith('The batch has no source clips')
    assert found[2:] == [None] * 3


def test_where_to_go_on(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('run/iter_4.pth')
    for call, kept in ((system(errno.EIO), True), (ours, False), (raises(UserError('x')), False)):
        with pytest.raises(UserError) as raised, explained_faults(tmp_path):
            call(tmp_path)
        assert ('run/iter_4.pth; continue with --resume' in str(raised.value)) == kept


def test_the_signal_of_a_dead_process_interrupts_the_report(tmp_path, monkeypatch):
    """torch's handler raises wherever it is called, here while the checkpoint is looked for."""
    killed = 'DataLoader worker (pid 7) is killed by signal: Bus error. It is possible ...'
    kept = faults._kept

    def interrupted(*args):
        monkeypatch.setattr(faults, '_kept', kept)
        raise RuntimeError(killed)

    monkeypatch.setattr(faults, '_kept', interrupted)
    with pytest.raises(UserError, match=r'Bus error.*no checkpoint of this run yet'):
        with explained_faults(tmp_path):
            raise RuntimeError('DataLoader worker (pid(s) 7) exited unexpectedly')


@pytest.mark.parametrize('killed', [None, 'Bus error'])
def test_a_process_that_is_gone_before_its_batch_is_taken(tmp_path, monkeypatch, killed):
    """How it ended may be told a moment later."""
    monkeypatch.setattr(faults, 'TOLD', 0.2)

    def told(*args):
        raise RuntimeError(f'DataLoader worker (pid 7) is killed by signal: {killed}. It is ...')

    file = os.open(tmp_path, os.O_RDONLY)
    batch = resource_sharer.DupFd(file)
    resource_sharer.stop(timeout=5)
    before = signal.signal(signal.SIGALRM, told)
    words = 'ended unexpectedly' if killed is None else r'was killed \(Bus error\)'
    try:
        with pytest.raises(UserError, match=f'a data-loading process {words}'):
            with explained_faults(tmp_path):
                try:
                    batch.detach()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0.05 if killed else 0)
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(file)


def test_interrupted(capfd):
    with pytest.raises(SystemExit, match='130'), one_line('the same command goes on'):
        raise KeyboardInterrupt
    assert capfd.readouterr().err == '\nthe same command goes on\n'
