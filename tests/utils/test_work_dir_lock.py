"""The lock of a folder, with processes of this machine, of others, and of none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mmdavss.utils import work_dir_lock
from mmdavss.utils.errors import UserError
from mmdavss.utils.work_dir_lock import NAME, Owner, WorkDirLock


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'a/run'


@pytest.fixture
def looks(monkeypatch):
    """Does not wait between two looks; what is in the list is done then."""
    does = []
    monkeypatch.setattr(work_dir_lock.time, 'sleep', lambda seconds: does and does.pop(0)())
    return does


def leave(folder: Path, owner: Owner | str) -> Path:
    """A lock, as another run would have left it."""
    folder.mkdir(parents=True)
    path = folder / NAME
    path.write_text(owner if isinstance(owner, str) else json.dumps(asdict(owner)))
    return path


@pytest.fixture
def gone() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


@pytest.mark.skipif(sys.platform != 'linux', reason='asks /proc')
def test_second_run_is_told_of_the_first(folder):
    with WorkDirLock(folder):
        with pytest.raises(UserError) as error:
            WorkDirLock(folder, '--out').__enter__()
        for word in (str(folder), f'process {os.getpid()} on {os.uname().nodename}', '--out'):
            assert word in str(error.value)
        # The first one is not harmed by it.
        assert json.loads((folder / NAME).read_text())['pid'] == os.getpid()
    with WorkDirLock(folder):
        pass


def test_nothing_is_left(folder):
    with WorkDirLock(folder):
        assert (folder / NAME).is_file()
    assert not folder.parent.exists()
    with pytest.raises(RuntimeError, match='mine'), WorkDirLock(folder):
        (folder / 'result').touch()
        raise RuntimeError('mine')
    assert [path.name for path in folder.iterdir()] == ['result']


@pytest.mark.skipif(sys.platform != 'linux', reason='asks /proc')
@pytest.mark.parametrize('what', ['ended', 'number used again', 'waiting to be asked'])
def test_lock_of_a_process_that_is_gone_is_taken_over(what, folder, gone):
    owner, process = replace(Owner.here(), token='x'), None
    if what == 'ended':
        owner = replace(owner, pid=gone)
    elif what == 'number used again':
        owner = replace(owner, began='17')
    else:
        process = subprocess.Popen([sys.executable, '-c', ''])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        owner = replace(owner, pid=process.pid, began='17')
    leave(folder, owner)
    with WorkDirLock(folder):
        assert 'x' != json.loads((folder / NAME).read_text())['token']
        assert [path.name for path in folder.iterdir()] == [NAME]
    if process is not None:
        process.wait()


OTHERS = [replace(Owner.here(), host='elsewhere', place='another kernel'), '', '[]', '{"pid": "1"}']


@pytest.mark.parametrize('owner', OTHERS)
def test_other_machine_that_lives(owner, folder, looks):
    path = leave(folder, owner)
    looks += [lambda: None, lambda: os.utime(path)]
    with pytest.raises(UserError, match='in use by .*(elsewhere|does not name)'):
        WorkDirLock(folder).__enter__()
    assert looks == [] and path.is_file()


@pytest.mark.parametrize('owner', OTHERS)
def test_other_machine_that_does_not(owner, folder, looks, monkeypatch):
    leave(folder, owner)
    looks += [lambda: None] * work_dir_lock.LOOKS
    with WorkDirLock(folder) as lock:
        lock.check()
    assert looks == []


def test_lock_that_is_given_back_while_it_is_watched(folder, looks):
    path = leave(folder, OTHERS[0])
    looks += [path.unlink]
    with WorkDirLock(folder) as lock:
        lock.check()


def test_sign_of_life(folder, monkeypatch):
    monkeypatch.setattr(work_dir_lock, 'BEAT', 0.01)
    with WorkDirLock(folder):
        os.utime(folder / NAME, (1, 1))
        for _ in range(3000):
            if (folder / NAME).stat().st_mtime != 1:
                break
            time.sleep(0.01)
        else:
            pytest.fail('There is no sign of life after 30 seconds.')


def test_two_that_take_over_at_once(folder, gone, monkeypatch):
    """The slower one catches the lock of the faster one, and puts it back."""
    leave(folder, replace(Owner.here(), pid=gone))
    slow, fast = WorkDirLock(folder), WorkDirLock(folder)
    take = slow._take_away

    def late(state):
        monkeypatch.setattr(slow, '_take_away', take)
        fast.__enter__()
        take(state)

    monkeypatch.setattr(slow, '_take_away', late)
    with pytest.raises(UserError, match='in use'):
        slow.__enter__()
    fast.check()
    fast.__exit__(None, None, None)


@pytest.mark.parametrize('when', ['before the file', 'in mkdir'])
def test_folder_that_another_run_removes_at_its_end(when, folder, monkeypatch):
    """Between the creation of the folder and that of the file in it."""
    make, calls = work_dir_lock._make, []

    def removed(path):
        calls.append(path)
        if len(calls) > 1:
            return make(path)
        if when == 'in mkdir':
            raise FileExistsError(path)
        made = make(path)
        for one in made:
            one.rmdir()
        return []  # they were the other run's

    monkeypatch.setattr(work_dir_lock, '_make', removed)
    with WorkDirLock(folder) as lock:
        lock.check()
    assert len(calls) == 2 and not folder.parent.exists()


def test_folder_that_cannot_be_created(folder, monkeypatch):
    def fails(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(work_dir_lock, '_make', fails)
    with pytest.raises(FileNotFoundError):
        WorkDirLock(folder).__enter__()


def test_run_that_lost_its_folder(folder):
    with WorkDirLock(folder) as lock:
        other = json.dumps(asdict(OTHERS[0]))
        (folder / NAME).write_text(other)
        with pytest.raises(UserError, match='taken over by process .* on elsewhere'):
            lock.check()
    assert (folder / NAME).read_text() == other  # it is not this run's to remove
    (folder / NAME).unlink()
    with WorkDirLock(folder) as lock:
        (folder / NAME).unlink()  # somebody tidied up
        lock.check()
        assert (folder / NAME).is_file()


def test_signals(folder):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match='143'), WorkDirLock(folder):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    assert signal.getsignal(signal.SIGTERM) == before
    assert not folder.exists()


def test_fork_does_not_give_it_back(folder):
    with WorkDirLock(folder) as lock:
        child = os.fork()
        if child == 0:
            lock.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        lock.check()
        assert (folder / NAME).is_file()


def test_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / 'run').touch()
    with pytest.raises(UserError, match='run is a file .*--work-dir'):
        WorkDirLock(tmp_path / 'run').__enter__()


@pytest.mark.parametrize('target', ['gone', 'run'])
def test_folder_that_is_a_link_to_nothing(tmp_path, target):
    (tmp_path / 'run').symlink_to(target)
    with pytest.raises(UserError, match=f'run is a link to {target} and not a folder.*--work-dir'):
        WorkDirLock(tmp_path / 'run').__enter__()
