import errno
import os
import signal
import stat
from contextlib import nullcontext

import pytest
from mmengine.fileio import get_file_backend

from mmdavss.utils import atomic_backend
from mmdavss.utils.files import left_unfinished, replace_file, unfinished_path

UMASK = os.umask(0)
os.umask(UMASK)
OLD, NEW = b'old' * 1000, b'new' * 2000


@pytest.fixture
def backend():
    return get_file_backend(backend_args=dict(backend='atomic'))


def test_writes(backend, tmp_path):
    path = tmp_path / 'new folder' / 'file'
    backend.put(NEW, str(path))
    assert path.read_bytes() == NEW
    backend.put_text('ä', path)
    assert path.read_text(encoding='utf-8') == 'ä'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_killed_while_writing(call, backend, tmp_path, monkeypatch):
    """A process that really dies."""
    path = tmp_path / 'file'
    backend.put(OLD, path)
    child = os.fork()
    if child == 0:
        setattr(os, call, lambda *args: os.kill(os.getpid(), signal.SIGKILL))
        backend.put(NEW, path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_bytes() == OLD
    # What is left behind is no obstacle, and is known.
    (left,) = left_unfinished(tmp_path)
    backend.put(NEW, path)
    assert path.read_bytes() == NEW
    assert sorted(tmp_path.iterdir()) == [path, left]


def test_full_disk_leaves_the_old_file(backend, tmp_path, monkeypatch):
    path = tmp_path / 'file'
    backend.put(OLD, path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(atomic_backend.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        backend.put(NEW, path)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('code', [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_file_systems_without_fsync_of_folders(code, backend, tmp_path, monkeypatch):
    def refuse_folders(descriptor, fsync=os.fsync):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(atomic_backend.os, 'fsync', refuse_folders)
    with pytest.raises(OSError, match='error') if code == errno.EIO else nullcontext():
        backend.put(NEW, tmp_path / 'file')
    assert (tmp_path / 'file').read_bytes() == NEW


def test_names_cannot_be_guessed(tmp_path):
    """Somebody who may write into the folder could put a link there."""
    path = tmp_path / 'file'
    names = {unfinished_path(path).name for _ in range(50)}
    assert len(names) == 50
    assert all(unfinished_path(path).parent == tmp_path for _ in names)


@pytest.mark.parametrize('ending', ['.part', '.tmp'])
def test_links_are_not_followed(ending, backend, tmp_path):
    """At the names that earlier versions wrote to."""
    victim = tmp_path / 'victim'
    victim.write_bytes(OLD)
    for name, write in (('a', backend.put), ('b', None)):
        path = tmp_path / name
        path.with_name(name + ending).symlink_to(victim)
        write(NEW, path) if write else replace_file(path, NEW)
        assert path.read_bytes() == NEW and victim.read_bytes() == OLD
        # As any new file, not for the owner alone.
        assert path.stat().st_mode & 0o777 == 0o666 & ~UMASK
