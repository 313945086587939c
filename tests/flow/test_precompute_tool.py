"""tools/precompute_flow.py as it is called, read back by PrecomputedFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmdavss.flow import DISFlowEstimator, ZeroFlow

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / 'tools/precompute_flow.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Calls the tool in this process; gives what it prints, and its error or None."""

    def call(*args):
        # One that exists writes to the output of an earlier test.
        monkeypatch.setattr(MMLogger, '_instance_dict', type(MMLogger._instance_dict)())
        spec = importlib.util.spec_from_file_location('precompute_flow', TOOL)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', ['precompute_flow.py', *map(str, args)])
        error = None
        try:
            tool.main()
        except SystemExit as stop:
            error = str(stop)
        out, err = capsys.readouterr()
        return out, None if error is None else error + err

    return call


@pytest.fixture(scope='module')
def frame_root(tmp_path_factory):
    """Two sequences in one folder, names without leading zeros, and one with a single frame."""
    root = tmp_path_factory.mktemp('img')
    rng = np.random.default_rng(0)
    for name in ('s/a_8_x', 's/a_9_x', 's/a_10_x', 's/b_8_x', 's/b_9_x', 't/a_1_x'):
        (root / name).parent.mkdir(exist_ok=True)
        image = cv2.GaussianBlur(rng.integers(256, size=(40, 64, 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(root / f'{name}.png'), image)
    return root


def test_writes_resumes_and_reads_back(tmp_path, build, frame_root, run):
    command = (frame_root, tmp_path, '--frame-suffix', '_x')
    first = subprocess.run(
        [sys.executable, str(TOOL), *map(str, command), '--workers', '2'],
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
    )
    assert first.returncode == 0, first.stderr
    assert '3 pairs, 0 there already' in first.stdout and '3/3' in first.stderr
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*') if p.is_file()}
    assert files == {'flow.json', 's/a_9__a_8.npy', 's/a_10__a_9.npy', 's/b_9__b_8.npy'}

    provider = build(
        dict(
            type='PrecomputedFlow',
            root=str(tmp_path),
            frame_root=str(frame_root),
            frame_suffix='_x',
        )
    )
    paths = [str(frame_root / f's/a_{k}_x.png') for k in (10, 9)]
    images = [cv2.imread(path) for path in paths]
    expected = build(dict(type='DISFlowEstimator')).estimate_numpy(*images)
    np.testing.assert_array_equal(
        provider.estimate_numpy(*images, *paths), expected.astype(np.float16)
    )

    # What is there is left alone, what is missing is made.
    (tmp_path / 's/a_9__a_8.npy').write_bytes(b'mine')
    (tmp_path / 's/b_9__b_8.npy').unlink()
    out, error = run(*command)
    assert error is None and '3 pairs, 2 there already' in out
    assert (tmp_path / 's/a_9__a_8.npy').read_bytes() == b'mine'
    assert (tmp_path / 's/b_9__b_8.npy').is_file()
    run(*command, '--overwrite')
    assert (tmp_path / 's/a_9__a_8.npy').read_bytes() != b'mine'


def test_files_of_another_provider(tmp_path, frame_root, run, monkeypatch):
    """Are not taken for those of this one, nor are those that an interrupted call left."""
    command = (frame_root, tmp_path, '--frame-suffix', '_x')
    run(*command)
    of_dis = (tmp_path / 's/a_10__a_9.npy').read_bytes()
    for other in (('--provider', 'ZeroFlow'), ('--options', 'preset=fast')):
        _, error = run(*command, *other)
        assert "has flow of {'type': 'DISFlowEstimator'}: name another folder" in error
    other = (frame_root, tmp_path / 'fast', '--frame-suffix', '_x')
    run(*other, '--options', 'preset=fast')
    assert "'preset': 'fast'}: name another folder" in run(*other)[1]
    zero = (*command, '--provider', 'ZeroFlow')
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(ZeroFlow, 'estimate_numpy', Mock(side_effect=ZeroDivisionError))
        run(*zero, '--overwrite')
    assert 'repeat the command with it' in run(*zero)[1]
    assert run(*zero, '--overwrite')[1] is None
    assert (tmp_path / 's/a_10__a_9.npy').read_bytes() != of_dis
    out, error = run(*zero)
    assert error is None and '3 pairs, 3 there already' in out


@pytest.mark.parametrize(
    'content', ['[]', '{}', '5', '{"provider": {"type": "DISFlowEstimator"}}', '{"provider": []}']
)
def test_files_with_a_foreign_record(tmp_path, frame_root, run, content):
    (tmp_path / 'flow.json').write_text(content)
    _, error = run(frame_root, tmp_path, '--frame-suffix', '_x')
    assert 'flow.json is no record of the provider' in error and 'Delete it' in error
    assert (tmp_path / 'flow.json').read_text() == content


@pytest.mark.parametrize('pattern', [(), ('--pattern', '**/*.png')])
def test_flow_is_not_taken_for_frames(tmp_path, run, pattern):
    """Pictures of flow in a folder below the frames: the second call finds the same pairs."""
    root = tmp_path / 'img'
    for name in ('a/1', 'a/2', 'b/1'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f'{name}.png'), np.zeros((8, 8, 3), np.uint8))
    options = ('--format', 'png', '--both-ways', '--provider', 'ZeroFlow', *pattern)
    for there in (0, 2):
        out, error = run(root, root / 'flow', *options)
        assert error is None and f'2 pairs, {there} there already' in out
    before = sorted(root.rglob('*'))
    for folder in (root, root / 'b'):
        _, error = run(root, folder, *options)
        assert f'{folder} is a folder of frames' in error and '--format' in error
    assert sorted(root.rglob('*')) == before
    out, error = run(root / 'a', root / 'a', '--provider', 'ZeroFlow')
    assert error is None and (root / 'a/2__1.npy').is_file()


def test_options(tmp_path, frame_root, run):
    out, error = run(
        frame_root / 's',
        tmp_path,
        '--frame-suffix',
        '_x',
        '--step',
        2,
        '--format',
        'flo',
        '--provider',
        'ZeroFlow',
    )
    assert error is None
    assert {p.name for p in tmp_path.iterdir()} == {'flow.json', 'a_10__a_8.flo'}
    assert "template': '{folder}/{stem}__{stem_b}.flo'" in out


def test_frames_are_read_as_in_training(tmp_path, run):
    """A jpg that is cut off is no frame (OpenCV fills it with grey); hidden files are none."""
    rng = np.random.default_rng(0)
    for k in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f'{k}.JPG'), rng.integers(256, size=(40, 64, 3), dtype=np.uint8))
    data = (tmp_path / '3.JPG').read_bytes()
    (tmp_path / '3.JPG').write_bytes(data[: len(data) * 3 // 4])
    (tmp_path / '._2.JPG').write_bytes(b'resources')
    (tmp_path / '.ipynb_checkpoints').mkdir()
    (tmp_path / '.ipynb_checkpoints/1.jpg').write_bytes(data)
    (tmp_path / '.ipynb_checkpoints/2.jpg').write_bytes(data)
    (tmp_path / 'loop').symlink_to(tmp_path)
    out = tmp_path / 'out'
    for pattern in ((), ('--pattern', '**/*.JPG', '**/*.jpg')):
        said, error = run(tmp_path, out, *pattern)
        assert '2 pairs' in said and '3.JPG: this frame cannot be decoded' in error
        assert 'Traceback' not in error
        assert {path.name for path in out.iterdir()} == {'flow.json', '2__1.npy'}
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((40, 64), np.uint8))
    assert '1.JPG and 1.png are two images of the same name' in run(tmp_path, out)[1]
    assert '--pattern' in run(tmp_path, out)[1]


def test_a_folder_that_cannot_be_written(frame_root, tmp_path, run):
    (tmp_path / 'file').touch()
    _, error = run(frame_root, tmp_path / 'file/flow', '--frame-suffix', '_x')
    assert 'file/flow cannot be written to' in error and 'another folder' in error


def test_errors(tmp_path, frame_root, run):
    assert 'No two frames' in run(frame_root, tmp_path, '--pattern', '*.bmp')[1]
    assert 'none is not a folder' in run(tmp_path / 'none', tmp_path)[1]
    _, error = run(frame_root, tmp_path, '--frame-suffix', '_x', '--options', 'preset=slow')
    assert "preset='slow'" in error
    broken = tmp_path / 'img'
    broken.mkdir()
    for k in (1, 2):
        (broken / f'{k}.png').write_bytes(b'no image')
    assert '2.png: this frame cannot be decoded' in run(broken, tmp_path / 'out')[1]
    assert not list(tmp_path.rglob('*.npy'))


def test_both_ways(tmp_path, frame_root, run):
    command = (frame_root / 's', tmp_path, '--frame-suffix', '_x', '--step', 2)
    out, error = run(*command, '--both-ways')
    assert error is None and '2 pairs, 0 there' in out
    names = {'flow.json', 'a_10__a_8.npy', 'a_8__a_10.npy'}
    assert {p.name for p in tmp_path.iterdir()} == names
    images = [cv2.imread(str(frame_root / f's/a_{k}_x.png')) for k in (8, 10)]
    np.testing.assert_array_equal(
        np.load(tmp_path / 'a_8__a_10.npy'),
        DISFlowEstimator().estimate_numpy(*images).astype(np.float16),
    )
