import re

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import DarkZurichImageDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def test_night_images_without_labels(dark_zurich):
    dataset = DATASETS.build(
        dict(
            type='DarkZurichImageDataset',
            data_root=str(dark_zurich),
            with_labels=False,
            pipeline=[LOAD[0], LOAD[2]],
        )
    )
    names = [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]
    assert names == ['GOPR0351_frame_000001', 'GOPR0351_frame_000002', 'GOPR0352_frame_000001']
    assert dataset[0]['inputs']['frames'].shape == (1, 3, 12, 20)
    assert 'gt_sem_seg' not in dataset[0]['data_samples']
    assert len(DarkZurichImageDataset(str(dark_zurich), time='day', with_labels=False)) == 2
    with pytest.raises(FileNotFoundError, match='none of the 3 frames has a label'):
        DarkZurichImageDataset(str(dark_zurich))


def test_several_times_of_day(dark_zurich, write):
    dataset = DarkZurichImageDataset(str(dark_zurich), time=('day', 'night'), with_labels=False)
    names = [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]
    assert sorted(names) == [
        'GOPR0345_frame_000081',
        'GOPR0345_frame_000082',
        'GOPR0351_frame_000001',
        'GOPR0351_frame_000002',
        'GOPR0352_frame_000001',
    ]
    # Each label is in the folder of its own time.
    label = 'gt/train/{}_gt_labelTrainIds.png'.format
    paths = [
        dark_zurich / label(name)
        for name in (
            'day/GOPR0345/GOPR0345_frame_000081',
            'night/GOPR0352/GOPR0352_frame_000001',
        )
    ]
    for path in paths:
        write(path, np.zeros((12, 20), np.uint8))
    labelled = DarkZurichImageDataset(str(dark_zurich), time=['night', 'day'])
    found = {labelled.get_data_info(i)['seg_map_path'] for i in range(len(labelled))}
    assert found == {str(path) for path in paths}
    with pytest.raises(FileNotFoundError, match='rgb_anon/train/twilight does not exist'):
        DarkZurichImageDataset(str(dark_zurich), time=('day', 'twilight'), with_labels=False)


def test_images_of_one_name(dark_zurich, write):
    """Images are told apart by their names: one of the two would be lost."""
    name = 'GOPR0345/GOPR0345_frame_000081_rgb_anon.png'
    write(dark_zurich / 'rgb_anon/train/twilight' / name, np.zeros((12, 20, 3), np.uint8))
    with pytest.raises(ValueError, match=f'day/{name} and .*twilight/{name} .* same name'):
        DarkZurichImageDataset(str(dark_zurich), time=('day', 'twilight'), with_labels=False)


def test_labels_hold_train_ids(dark_zurich, write):
    dataset = DarkZurichImageDataset(str(dark_zurich), split='val', pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:20]
    np.testing.assert_array_equal(label, [*range(19), 255])
    path = dark_zurich / 'gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png'
    write(path, np.full((12, 20), 26, np.uint8))
    with pytest.raises(ValueError, match=r'labelTrainIds.png.*\[26\].*0 to 18, 255'):
        dataset[0]


@pytest.mark.parametrize('day_pairs', ['corresp', 'pairs.csv'])
def test_day_image_comes_before_the_night_image(dark_zurich, day_pairs):
    """The list of DANNet is one file, those of the release are in a folder."""
    lines = [file.read_text() for file in sorted((dark_zurich / 'corresp').rglob('*.csv'))]
    (dark_zurich / 'pairs.csv').write_text('\n'.join(lines))
    (dark_zurich / 'corresp/train/night/twilight.csv').write_text(
        'train/night/GOPR0351/GOPR0351_frame_000001,train/twilight/GOPR0348/x\n'
    )
    dataset = DarkZurichImageDataset(
        str(dark_zurich), day_pairs=day_pairs, with_labels=False, pipeline=[LOAD[0], LOAD[2]]
    )
    images = dark_zurich / 'rgb_anon/train'
    night, day = images / 'night', images / 'day/GOPR0345'
    assert [dataset.get_data_info(i)['frame_paths'] for i in range(3)] == [
        [
            str(day / 'GOPR0345_frame_000082_rgb_anon.png'),
            str(night / 'GOPR0351/GOPR0351_frame_000001_rgb_anon.png'),
        ],
        [
            str(day / 'GOPR0345_frame_000081_rgb_anon.png'),
            str(night / 'GOPR0351/GOPR0351_frame_000002_rgb_anon.png'),
        ],
        [
            str(day / 'GOPR0345_frame_000082_rgb_anon.png'),
            str(night / 'GOPR0352/GOPR0352_frame_000001_rgb_anon.png'),
        ],
    ]
    assert dataset.get_data_info(0)['img_path'] == dataset.get_data_info(0)['frame_paths'][1]
    item = dataset[0]
    assert item['inputs']['frames'].shape == (2, 3, 12, 20)
    assert item['data_samples'].reference_path == item['data_samples'].frame_paths[0]


def test_broken_lists_of_pairs(dark_zurich):
    def build(day_pairs='corresp', **options):
        return DarkZurichImageDataset(
            str(dark_zurich), day_pairs=day_pairs, with_labels=False, **options
        )

    with pytest.raises(FileNotFoundError, match='none.csv .day_pairs. is neither.*"Dark Zurich"'):
        build('none.csv')
    with pytest.raises(ValueError, match='day and a night'):
        build(clip_length=2)
    (dark_zurich / 'short.csv').write_text('train/night/GOPR0351/GOPR0351_frame_000001\n')
    with pytest.raises(ValueError, match='short.csv, line 1.*NIGHT_IMAGE,DAY_IMAGE'):
        build('short.csv')
    day = dark_zurich / 'rgb_anon/train/day/GOPR0345/GOPR0345_frame_000081_rgb_anon.png'
    day.unlink()
    with pytest.raises(FileNotFoundError, match='000081_rgb_anon.png is missing.*GOPR0351'):
        build()
    (dark_zurich / 'corresp/train/night/GOPR0352.csv').unlink()
    with pytest.raises(FileNotFoundError, match="no line for 'train/night/GOPR0352/"):
        build(sequences=['GOPR0352_frame_000001'])


def test_bad_options(dark_zurich):
    for time in ('noon', ('day', 'noon'), ()):
        with pytest.raises(ValueError, match=re.escape(f'time={time!r} must name at least one')):
            DarkZurichImageDataset(str(dark_zurich), time=time)
    with pytest.raises(FileNotFoundError, match='rgb_anon/test/night does not exist'):
        DarkZurichImageDataset(str(dark_zurich), split='test', with_labels=False)
