import errno
import os
import signal

import pytest
from mmengine.fileio import get_file_backend

from mmdavss.engine import atomic_backend
from mmdavss.engine.atomic_backend import UNFINISHED

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
    # What is left behind is no obstacle.
    assert (tmp_path / f'file{UNFINISHED}').exists()
    backend.put(NEW, path)
    assert path.read_bytes() == NEW
    assert list(tmp_path.iterdir()) == [path]


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
