from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from mmdavss.engine.hooks.run_report import fingerprint, revision


class Files:
    """A data set of two items, which share a file."""

    def __init__(self, root):
        self.data_root = str(root)

    def __len__(self):
        return 2

    def get_data_info(self, index):
        names = ['a.png', 'sub/b.png', 'c.png']
        paths = [f'{self.data_root}/{name}' for name in names[index : index + 2]]
        return dict(frame_paths=paths, img_path=paths[-1], seg_map_path=None)


@pytest.fixture
def make(tmp_path):

    def make(name, sizes=(1, 2, 3)):
        root = tmp_path / name
        (root / 'sub').mkdir(parents=True)
        for file, size in zip(('a.png', 'sub/b.png', 'c.png'), sizes, strict=True):
            (root / file).write_bytes(bytes(size))
        return Files(root)

    return make


def test_fingerprint(make):
    found = fingerprint(make('one'))
    assert (found['items'], found['files'], found['bytes']) == (2, 3, 6)
    assert found['hash'] == hashlib.sha256(b'a.png\t1\nc.png\t3\nsub/b.png\t2\n').hexdigest()
    assert fingerprint(make('elsewhere')) == found
    assert fingerprint(make('other', (1, 2, 4)))['hash'] != found['hash']
    assert fingerprint([1, 2]) is None


def test_fingerprint_of_names_that_are_not_utf8(tmp_path):
    root = os.fsencode(tmp_path) + b'/fahrt_\xe4'
    os.makedirs(root + b'/sub')
    found = fingerprint(Files(os.fsdecode(root)))
    assert found['files'] == 3 and found['bytes'] == 0
    files = Files(os.fsdecode(root))
    files.data_root = str(tmp_path)  # the name is below the root
    files.get_data_info = lambda index: dict(img_path=os.fsdecode(root))
    assert fingerprint(files)['hash'] == hashlib.sha256(b'fahrt_\xe4\t-1\n').hexdigest()


def test_revision(tmp_path):
    assert revision(tmp_path) is None

    def git(*args):
        return subprocess.run(
            ['git', '-C', tmp_path, '-c', 'user.name=a', '-c', 'user.email=a@b', *args],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git('init', '-q')
    (tmp_path / 'code.py').write_text('1')
    git('add', 'code.py')
    git('commit', '-qm', 'one')
    assert revision(tmp_path) == dict(commit=git('rev-parse', 'HEAD'), changed=False)
    # A package that is installed into somebody's repository is none of its files.
    (tmp_path / 'installed.py').write_text('1')
    assert revision(tmp_path, 'installed.py') is None
    (tmp_path / 'code.py').write_text('2')
    assert revision(tmp_path, 'code.py')['changed'] is True
