"""tools/generate_pseudo_labels.py as it is called, on a MiniDrive."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets.transforms.loading import read_label
from mmdavss.utils.work_dir_lock import WorkDirLock

ROOT = Path(__file__).parents[2]


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob('*')
        if path.is_file()
    }


def test_from_the_command_line_to_the_data_set(self_training, run_tool, capfd):
    """In several processes, then in one; what the data set then reads, and its score."""
    run_tool('generate_pseudo_labels.py', 'config.py', 'iter_1.pth', '--workers', 2, '--score')
    said = capfd.readouterr()
    assert '7/7' in said.err
    assert 'has no pseudo-label at all' in said.out
    assert 'pseudo-labels: data/pseudo' in said.out
    first = content('data/pseudo')
    assert sum(name.endswith('.png') for name in first) == 7

    run_tool('generate_pseudo_labels.py', 'config.py', 'iter_1.pth', '--out', 'other', '--score')
    assert content('other') == first
    said = capfd.readouterr().out
    score = json.loads(first['score.json'])
    assert f'P-mIoU {score["p_miou"]:.2f}' in said
    assert f'proportion p = {score["proportion"]:.2%} (2 labelled frames)' in said

    target = dict(
        self_training.train_dataloader.dataset.target,
        pipeline=[
            dict(type='LoadClip'),
            dict(type='LoadClipAnnotations'),
            dict(type='PackClipInputs'),
        ],
    )
    dataset = DATASETS.build(target)
    assert len(dataset) == 7  # all that have a mask, not those with labels
    labels = dataset[3]['data_samples'].gt_clip_seg.data
    assert labels.shape == (2, 32, 64)
    info = dataset.get_data_info(3)
    assert np.array_equal(cv2.imread(info['seg_map_path'], -1), labels[1])

    # The score by hand.
    pairs = []
    labelled = DATASETS.build(self_training.target_train_labelled)
    for i in range(len(labelled)):
        info = labelled.get_data_info(i)
        truth = read_label(info['seg_map_path'], info['label_spec'])
        pseudo = cv2.imread(f'data/pseudo/{info["seq_name"]}/{info["frame_name"]}.png', -1)
        pairs += [
            pair
            for pair in zip(truth.ravel().tolist(), pseudo.ravel().tolist(), strict=True)
            if pair[0] < 255
        ]
    kept = [pair for pair in pairs if pair[1] < 255]
    assert score['proportion'] == pytest.approx(len(kept) / len(pairs)) and 0 < len(kept)
    ious = [
        sum(pair == (k, k) for pair in kept) / sum(k in pair for pair in kept)
        for k in range(15)
        if any(k in pair for pair in kept)
    ]
    assert score['p_miou'] == pytest.approx(100 * sum(ious) / len(ious))
    assert score['classes'] == len(ious) and len(score['iou']) == 15

    stamp = os.stat('other/pseudo_labels.json').st_mtime_ns
    run_tool('generate_pseudo_labels.py', 'config.py', 'iter_1.pth', '--out', 'other')
    assert 'is there already' in capfd.readouterr().out
    assert os.stat('other/pseudo_labels.json').st_mtime_ns == stamp


def test_errors(self_training, run_tool, capsys):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            run_tool('generate_pseudo_labels.py', *args)
        return f'{stop.value}{capsys.readouterr().err}'

    assert 'none.py' in run('none.py', 'iter_1.pth')
    assert 'checkpoint not found: gone.pth' in run('config.py', 'gone.pth')
    assert '--workers' in run('config.py', 'iter_1.pth', '--workers', '0')

    def option(*values):
        return run('config.py', 'iter_1.pth', '--cfg-options', *values)

    assert "pseudo_label_generator: got an unexpected keyword argument 'alfa'" in option(
        'pseudo_label_generator.alfa=1'
    )
    assert 'config.py has no pseudo_label_generator' in option('pseudo_label_generator=None')
    assert 'target.pseudo_labels is not set' in option(
        'train_dataloader.dataset.target.pseudo_labels=None'
    )
    assert 'has no target' in option('train_dataloader.dataset.target=None')
    assert 'config.py has no train_dataloader: ' in option('train_dataloader=None')
    assert 'data/gone' in option('train_dataloader.dataset.target.data_root=data/gone')
    assert 'does not fit' in option('model.student.segmentor.decode_head.num_classes=14')
    assert 'needs target_train_labelled' in run(
        'config.py', 'iter_1.pth', '--score', '--cfg-options', 'target_train_labelled=None'
    )
    assert not Path('data/pseudo').exists()

    Path('data/pseudo').mkdir()
    Path('data/pseudo/mine.png').write_text('mine')
    assert 'data/pseudo exists, is not empty' in run('config.py', 'iter_1.pth', '--overwrite')
    assert Path('data/pseudo/mine.png').read_text() == 'mine'

    frame = next(Path('data/cityscapes_vps/train/img_all').glob('*_000020_*'))
    frame.write_bytes(frame.read_bytes()[:200])
    assert f'{frame.name}: this frame cannot be decoded' in run(
        'config.py', 'iter_1.pth', '--out', 'other'
    )


def test_a_second_one_beside_it(self_training, run_tool):
    for option in ([], ['--overwrite']):
        with WorkDirLock('data/pseudo'), pytest.raises(SystemExit, match='in use by .*--out'):
            run_tool('generate_pseudo_labels.py', 'config.py', 'iter_1.pth', *option)
