import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import CamVidDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def clips(dataset):
    return [
        [path.split('/')[-1].split('.')[0] for path in dataset.get_data_info(i)['frame_paths']]
        for i in range(len(dataset))
    ]


def test_clips_by_position(camvid):
    dataset = DATASETS.build(
        dict(type='CamVidDataset', data_root=str(camvid), sequences=['0006R0', '0016E5'])
    )
    assert clips(dataset) == [
        ['0006R0_f00930', '0006R0_f00930'],
        ['0006R0_f00930', '0006R0_f00960'],
        ['0006R0_f00960', '0006R0_f01020'],
        ['0016E5_00390', '0016E5_00390'],
        ['0016E5_00390', '0016E5_07959'],
        ['0016E5_07959', '0016E5_07961'],
    ]
    dataset = CamVidDataset(str(camvid), sequences=['0016E5'], frame_distance=2)
    assert clips(dataset)[2] == ['0016E5_00390', '0016E5_07961']
    assert len(CamVidDataset(str(camvid))) == 9


def test_id_masks(camvid):
    dataset = CamVidDataset(str(camvid), pipeline=LOAD)
    assert len(dataset.metainfo['classes']) == 11
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:12]
    np.testing.assert_array_equal(label, [*range(11), 255])


def test_official_colour_masks(tmp_path, write, texture):
    colours = np.array([[(128, 128, 128), (64, 192, 0), (0, 0, 0), (192, 128, 192)]], np.uint8)
    for name in ('0001TP_006690', '0001TP_006720'):
        write(tmp_path / '701_StillsRaw_full' / f'{name}.png', texture(0, (1, 4)))
        write(tmp_path / 'LabeledApproved_full' / f'{name}_L.png', colours[..., ::-1])
    dataset = CamVidDataset(str(tmp_path), pipeline=LOAD)
    assert clips(dataset)[1] == ['0001TP_006690', '0001TP_006720']
    label = dataset[1]['data_samples'].gt_sem_seg.data.numpy()
    np.testing.assert_array_equal(label, [[[0, 1, 255, 8]]])  # sky, wall, void, truck

    (tmp_path / 'images').mkdir()
    with pytest.raises(ValueError, match='both forms'):
        CamVidDataset(str(tmp_path))


def test_unlabelled_target(camvid):
    dataset = CamVidDataset(str(camvid), sequences=['0001TP'], with_labels=False)
    assert len(dataset) == 2 and dataset.get_data_info(0)['seg_map_path'] is None


def test_not_camvid(tmp_path):
    with pytest.raises(FileNotFoundError, match='701_StillsRaw_full.*docs/datasets.md.*"CamVid"'):
        CamVidDataset(str(tmp_path))


def test_halves_of_each_sequence(camvid):
    def names(half):
        dataset = CamVidDataset(str(camvid), sequences=['0006R0', '0016E5'], half=half)
        return [clip[-1] for clip in clips(dataset)]

    assert names('first') == ['0006R0_f00930', '0016E5_00390']
    assert names('second') == ['0006R0_f00960', '0006R0_f01020', '0016E5_07959', '0016E5_07961']
    # The first clip of the later half does not reach into the earlier one.
    second = CamVidDataset(str(camvid), sequences=['0006R0'], half='second')
    assert clips(second)[0] == ['0006R0_f00960', '0006R0_f00960']
    with pytest.raises(ValueError, match="half='third' is not one of"):
        CamVidDataset(str(camvid), half='third')
