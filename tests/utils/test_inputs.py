"""Which files are frames, and what reading them says about what is wrong."""

import errno
import os
from pathlib import Path

import pytest

from mmdavss.datasets.transforms.loading import read_image
from mmdavss.inference.videos import VideoReader
from mmdavss.utils import inputs
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.inputs import list_frames


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


HIDDEN = (
    '._1.png',
    '.hidden.jpg',
    '.ipynb_checkpoints/1-checkpoint.png',
    '__MACOSX/._1.png',
    '@eaDir/SYNOPHOTO_THUMB_M.jpg',
    '.Trash-1000/1.png',
)


def walked(root):
    return [(os.path.relpath(folder, root), files) for folder, _, files in inputs.walk(root)]


def test_what_is_hidden_is_no_frame(tmp_path):
    touch(tmp_path, '1.png', '2.JPG', 'a/3.png', *HIDDEN)
    assert walked(tmp_path) == [('.', ['1.png', '2.JPG']), ('a', ['3.png'])]
    assert inputs.subfolders(tmp_path) == ['a']
    assert [path.name for path in list_frames(tmp_path)] == ['1.png', '2.JPG']


def test_every_folder_is_walked_once(tmp_path):
    root = touch(tmp_path / 'data', 'b/1.png', 'c/d/2.png')
    touch(tmp_path / 'elsewhere', '3.png', 'deep/4.png')
    touch(tmp_path / 'other', 'not/mine.png')
    for link, target in (
        ('a', 'b'),
        ('c/loop', 'c'),
        ('itself', '.'),
        ('above', '..'),
        ('c/again', 'b'),
        ('linked', '../elsewhere'),
        ('twice', '../elsewhere/deep'),
    ):
        (root / link).symlink_to((root / target).resolve())
    (tmp_path / 'elsewhere/back').symlink_to(root)
    # Under its own name rather than that of a link, whatever comes first by name.
    assert [(folder, files) for folder, files in walked(root) if files] == [
        ('b', ['1.png']),
        ('c/d', ['2.png']),
        ('linked', ['3.png']),
        ('linked/deep', ['4.png']),
    ]
    assert inputs.subfolders(root) == ['b', 'c', 'linked', 'twice']


def test_two_frames_of_one_name(tmp_path):
    touch(tmp_path, '1.jpg', '1.png', '2.jpg', '2.png')
    for read in (list_frames, VideoReader):
        with pytest.raises(UserError, match=r'1.jpg and 1.png are two images.*which suffix'):
            read(tmp_path)
    assert [path.name for path in list_frames(tmp_path, '.JPG')] == ['1.jpg', '2.jpg']


def test_a_folder_with_the_name_of_a_frame(tmp_path):
    touch(tmp_path, '1.png', '2.png/readme')
    with pytest.raises(InputError, match='2.png is a folder with the name of a frame.*move'):
        list_frames(tmp_path)
    with pytest.raises(InputError, match='2.png is a folder, where a frame should be.*move'):
        read_image(str(tmp_path / '2.png'))


@pytest.mark.parametrize(
    'number, words',
    [
        (errno.EACCES, 'x.png: this frame may not be read by you .*chmod'),
        (errno.EIO, 'x.png: this frame cannot be read .Input/output error.. The disk .*copy'),
        (errno.ESTALE, 'x.png: this frame cannot be read .Stale file handle.. The disk'),
        (errno.ENOENT, 'x.png: this frame does not exist'),
    ],
)
def test_frames_that_the_system_does_not_give(monkeypatch, number, words):
    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, 'read_bytes', refuse)
    with pytest.raises(InputError, match=words) as raised:
        read_image('a/x.png')
    assert isinstance(raised.value, FileNotFoundError) == (number == errno.ENOENT)


@pytest.mark.parametrize(
    'text',
    [
        b'a/1\nb/2\n',
        '\ufeffa/1\r\n\r\nb/2\r\n'.encode(),
        'a/1\r\nb/2'.encode('utf-16'),
        b'\xfe\xff' + 'a/1\nb/2\n'.encode('utf-16-be'),
        '\ufeffa/1\n\ufeffb/2\n'.encode(),
    ],
)
def test_lists_of_other_systems(tmp_path, text):
    (tmp_path / 'l.txt').write_bytes(text)
    lines = inputs.read_lines(tmp_path / 'l.txt', 'list')
    assert [line for _, line in lines] == ['a/1', 'b/2'] and lines[0][0] == 1


@pytest.mark.parametrize('text', [b'\xff\xfe\x00', b'\x00\x01', b'\x89PNG', b'a\xfcb'])
def test_what_is_no_text(tmp_path, text):
    (tmp_path / 'l.txt').write_bytes(text)
    with pytest.raises(InputError, match='the list .*l.txt is not text in UTF-8'):
        inputs.read_lines(tmp_path / 'l.txt', 'list')


@pytest.mark.parametrize(
    'text',
    [
        '',
        '{',
        '[' * 100_000,
        '{"a": NaN}',
        '[-1e999]',
        '{"a": 1, "a": 2}',
        '[1' + '0' * 5000 + ']',
        '\x00',
    ],
)
def test_what_is_no_json(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(InputError, match='a.json'):
        inputs.read_json(tmp_path / 'a.json', 'table', 'Make it anew.')


@pytest.mark.parametrize(
    'name, outside',
    [
        ('a/b.png', False),
        ('a/../b.png', False),
        ('..a/b.png', False),
        ('../data/a.png', False),
        ('../b.png', True),
        ('a/../../b.png', True),
        ('/etc/passwd', True),
        ('C:\\b.png', True),
        ('D:/b.png', True),
    ],
)
def test_what_leads_outside(tmp_path, name, outside):
    assert inputs.leads_outside(name, tmp_path / 'data') == outside
    assert not inputs.leads_outside(str(tmp_path / 'data/b.png'), tmp_path / 'data')
