import numpy as np
import pytest
from mmseg.registry import DATASETS

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def test_registered_with_15_classes(viper):
    dataset = DATASETS.build(
        dict(type='ViperSeqDataset', data_root=str(viper), split='val', pipeline=LOAD)
    )
    assert len(dataset) == 2
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 15
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0]
    # Ids 0 to 31 in a row, by hand from the VIPER table; 24 (car, 10) is no ego vehicle here.
    expected = [
        255,
        255,
        8,
        0,
        1,
        255,
        7,
        6,
        6,
        2,
        255,
        3,
        255,
        4,
        5,
        255,
        255,
        255,
        255,
        255,
        9,
        255,
        14,
        13,
        10,
        255,
        12,
        11,
        255,
        255,
        255,
        255,
    ]
    np.testing.assert_array_equal(label.reshape(-1)[:32], expected)


@pytest.mark.parametrize('ignore, expected', [(True, 255), (False, 10)])
def test_ego_vehicle_is_an_option(viper, write, ignore, expected):
    ids = np.full((12, 20), 3, np.uint8)
    ids[-2:, 5:15] = 24
    ids[0, 0] = 24
    write(viper / 'val/cls/001/001_00001.png', ids)
    dataset = DATASETS.build(
        dict(
            type='ViperSeqDataset',
            data_root=str(viper),
            split='val',
            ignore_ego_vehicle=ignore,
            pipeline=LOAD,
        )
    )
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0]
    assert (label[-2:, 5:15] == expected).all()
    assert label[0, 0] == 10 and (label[2:-2] == 0).all()


def test_png_frames(viper, write, texture):
    for path in sorted((viper / 'val/img/001').iterdir()):
        write(path.with_suffix('.png'), texture(0))
        path.unlink()
    dataset = DATASETS.build(
        dict(type='ViperSeqDataset', data_root=str(viper), split='val', pipeline=LOAD)
    )
    assert dataset[1]['data_samples'].frame_paths == [
        str(viper / f'val/img/001/001_0000{n}.png') for n in (1, 2)
    ]
