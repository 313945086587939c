"""tools/class_statistics.py as it is called, on a MiniDrive."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmdavss.minidrive.generate import Settings, generate

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/_base_/datasets/minigta2minicity.py'


@pytest.fixture
def minidrive(tmp_path, monkeypatch):
    generate(
        tmp_path / 'data/minidrive',
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=1,
            cityscapes_val=0,
            gta=3,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
        progress=False,
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path / 'data/minidrive'


def test_counts_what_the_labels_hold(minidrive, run_tool, capfd):
    """In several processes."""
    run_tool('class_statistics.py', CONFIG, '--workers', 2)
    said = capfd.readouterr()
    assert '3/3' in said.err
    assert 'wrote data/minidrive/gta/class_statistics.json' in said.out
    assert 'absent: wall, train' in said.out
    written = json.loads((minidrive / 'gta/class_statistics.json').read_text())
    assert len(written['classes']) == 19
    for n in (1, 2, 3):
        ids = np.asarray(Image.open(minidrive / f'gta/labels/{n:05d}.png'))
        row = written['pixels'][f'labels/{n:05d}.png']
        assert [row[0], row[2], row[13]] == [(ids == 7).sum(), (ids == 11).sum(), (ids == 26).sum()]

    # What a config says is drawn by it.
    pair = DATASETS.build(
        dict(
            type='DomainPairDataset',
            source=dict(type='GTADataset', data_root='data/minidrive/gta'),
            rare_class_sampling=dict(
                statistics='data/minidrive/gta/class_statistics.json', min_pixels=1
            ),
        )
    )
    assert 0 <= pair.indices(0)['source'] < 3


def test_nothing_is_overwritten_unasked(minidrive, run_tool, capsys):
    out = minidrive / 'gta/statistics/new.json'
    command = ('class_statistics.py', CONFIG, '--workers', '1', '--out', out)
    run_tool(*command)
    before = out.read_bytes()
    stamp = out.stat().st_mtime_ns
    capsys.readouterr()
    run_tool(*command)
    said = capsys.readouterr().out
    assert 'is there already, and fits' in said and 'absent: wall, train' in said
    assert out.stat().st_mtime_ns == stamp
    out.write_text('mine')
    with pytest.raises(SystemExit, match='new.json holds no class statistics.*--overwrite'):
        run_tool(*command)
    assert out.read_text() == 'mine'
    run_tool(*command, '--overwrite')
    assert out.read_bytes() == before


def test_the_config_says_where(minidrive, run_tool):
    option = 'train_dataloader.dataset.rare_class_sampling.statistics=elsewhere/x.json'
    run_tool('class_statistics.py', CONFIG, '--workers', '1', '--cfg-options', option)
    assert Path('elsewhere/x.json').is_file()


def test_flow_is_not_needed(minidrive, run_tool):
    """Neither are other files that only the transforms of frames read."""
    pipeline = '[{"type":"LoadFlow","provider":{"type":"PrecomputedFlow","root":"none"}}]'
    run_tool(
        'class_statistics.py',
        *(CONFIG, '--workers', '1', '--cfg-options'),
        f'train_dataloader.dataset.source.pipeline={pipeline}',
    )
    assert Path('data/minidrive/gta/class_statistics.json').is_file()


def test_rare_patches_without_a_file(minidrive, run_tool):
    """They count the labels themselves; the tool still says what there is."""
    run_tool(
        'class_statistics.py',
        *(CONFIG, '--workers', '1', '--cfg-options'),
        'train_dataloader.dataset.rare_class_sampling=None',
        'train_dataloader.dataset.rare_patches.statistics=None',
    )
    assert Path('data/minidrive/gta/class_statistics.json').is_file()


def test_data_that_are_read_only(minidrive, run_tool, monkeypatch):
    """Known before anything is counted, with what to do."""

    def refuse(**kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, 'TemporaryFile', refuse)
    monkeypatch.setattr('mmdavss.datasets.rare_class.count_pixels', None)
    with pytest.raises(
        SystemExit,
        match='data/minidrive/gta cannot be written to .Read-only file '
        'system.*--out FILE.*rare_class_sampling.statistics=FILE',
    ):
        run_tool('class_statistics.py', CONFIG, '--workers', '1')


@pytest.mark.parametrize('out', ['there', 'there/', 'gone/'])
@pytest.mark.parametrize('options', [(), ('--overwrite',)])
def test_a_folder_is_no_file(minidrive, run_tool, monkeypatch, out, options):
    """Known before anything is counted."""
    Path('there').mkdir()
    monkeypatch.setattr('mmdavss.datasets.rare_class.count_pixels', None)
    with pytest.raises(SystemExit, match=f'error: {out} is a folder, .*name a file .--out'):
        run_tool('class_statistics.py', CONFIG, '--workers', '1', '--out', out, *options)
    assert not Path('gone').exists() and not [*Path('there').iterdir()]


def test_spatial_priors(minidrive, run_tool, capfd):
    """Hand-made labels of three sizes; a third of each frame has no label anywhere."""
    for n, size in enumerate([(96, 60), (48, 30), (192, 120)], start=1):
        ids = np.zeros(size[::-1], np.uint8)  # unlabelled
        ids[: size[1] // 3] = 23  # sky, class 10
        ids[size[1] // 3 : size[1] * 2 // 3] = 7  # road, class 0
        ids[size[1] // 3 : size[1] * 2 // 3, size[0] // 2 :] = 26 if n == 1 else 7  # car, 13
        Image.fromarray(ids).save(minidrive / f'gta/labels/{n:05d}.png')
    out = minidrive / 'priors/sp.npy'
    command = ('class_statistics.py', CONFIG, '--workers', 2, '--spatial-prior', out)
    run_tool(*command)
    said = capfd.readouterr()
    assert '3/3' in said.err and f'pseudo_label_generator.prior={out}' in said.out
    assert not (minidrive / 'gta/class_statistics.json').exists()
    prior = np.load(out)
    assert prior.shape == (19, 128, 256) and prior.dtype == np.float32
    np.testing.assert_allclose(prior.sum(0), 1, rtol=1e-5)

    def at(row, column):
        return {k: round(float(p), 3) for k, p in enumerate(prior[:, row, column]) if p > 5e-4}

    assert at(10, 20) == at(30, 250) == {10: 1}
    assert at(64, 20) == {0: 1} and at(64, 230) == {0: 0.667, 13: 0.333}
    # Smoothed between them, by 4 places to each side.
    edge = prior[10, 30:56, 20]
    assert (np.diff(edge) <= 0).all() and 0 < edge[12] < 1
    assert [*edge[:5]] == [1] * 5 and not edge[-5:].any()
    # Unlabelled places have what the whole frames have: sky in 43, road and car in 42 of 128 rows.
    assert at(120, 20) == at(110, 200) == {0: 0.412, 10: 0.506, 13: 0.082}

    before = out.read_bytes()
    with pytest.raises(SystemExit, match='sp.npy is there already: .*--overwrite'):
        run_tool(*command)
    run_tool(*command, '--overwrite')
    assert out.read_bytes() == before
    with pytest.raises(SystemExit, match='sp.json: .*ends in .npy'):
        run_tool('class_statistics.py', CONFIG, '--spatial-prior', 'sp.json')
    for n in (1, 2, 3):
        Image.fromarray(np.zeros((30, 48), np.uint8)).save(minidrive / f'gta/labels/{n:05d}.png')
    with pytest.raises(SystemExit, match='no pixel of the labels is of a class'):
        run_tool(*command, '--overwrite')
    assert [*out.parent.iterdir()] == [out] and out.read_bytes() == before


def test_errors(minidrive, run_tool, capsys):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            run_tool('class_statistics.py', *args, '--workers', '1')
        return f'{stop.value}{capsys.readouterr().err}'

    assert 'none.py' in run('none.py')
    assert 'has no source' in run(CONFIG, '--cfg-options', 'train_dataloader.dataset.source=None')
    several = 'train_dataloader.dataset.source.type=ConcatDataset'
    more = 'train_dataloader.dataset.source.datasets=[]'
    assert 'ConcatDataset is made of other data sets' in run(CONFIG, '--cfg-options', several, more)
    assert 'has no train_dataloader: ' in run(CONFIG, '--cfg-options', 'train_dataloader=None')
    assert 'has no labels' in run(
        CONFIG, '--cfg-options', 'train_dataloader.dataset.source.with_labels=False'
    )
    assert 'data/gone' in run(
        CONFIG, '--cfg-options', 'train_dataloader.dataset.source.data_root=data/gone'
    )
    label = minidrive / 'gta/labels/00002.png'
    label.write_bytes(label.read_bytes()[:200])
    assert '00002.png: this label cannot be decoded' in run(CONFIG)
    assert not (minidrive / 'gta/class_statistics.json').exists()
