import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import KITTISTEPDataset

LOAD = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='LoadTracks'),
    dict(type='PackClipInputs'),
]


def test_frames_and_labels(kitti_step):
    dataset = DATASETS.build(
        dict(type='KITTISTEPDataset', data_root=str(kitti_step), pipeline=LOAD)
    )
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [(info['seq_name'], info['frame_name']) for info in found] == [
        *(('0000', f'{n:06d}') for n in range(4)),
        *(('0001', f'{n:06d}') for n in range(2)),
    ]
    item = dataset[2]
    assert item['inputs']['frames'].shape == (2, 3, 12, 20)
    sample = item['data_samples']
    ids = [*range(19), 255]
    np.testing.assert_array_equal(sample.gt_sem_seg.data.numpy().reshape(-1)[:20], ids)
    # 302 is above a byte: green and blue.
    tracks = [302 if i == 13 else 0 for i in ids]
    np.testing.assert_array_equal(sample.gt_tracks.data.numpy().reshape(-1)[:20], tracks)
    assert sample.gt_tracks.data.shape == (1, 12, 20)


def test_tracked_classes(kitti_step):
    dataset = KITTISTEPDataset(str(kitti_step), 'val')
    assert dataset.metainfo['thing_classes'] == ('person', 'car')
    few = KITTISTEPDataset(str(kitti_step), metainfo=dict(classes=('car', 'road')))
    assert few.metainfo['thing_classes'] == ('car',) and few.metainfo['classes'] == ('car', 'road')


def test_test_has_no_labels(kitti_step):
    with pytest.raises(ValueError, match="labels of split='test' are not public.*with_labels"):
        KITTISTEPDataset(str(kitti_step), 'test')
    assert len(KITTISTEPDataset(str(kitti_step), 'test', with_labels=False)) == 2


def test_masks_of_another_kind(kitti_step, write):
    path = kitti_step / 'panoptic_maps/val/0002/000000.png'
    dataset = KITTISTEPDataset(str(kitti_step), 'val', pipeline=LOAD)
    write(path, np.zeros((12, 20), np.uint8))
    with pytest.raises(ValueError, match='000000.png.*mode RGB.*mode L.*official'):
        dataset[0]
    write(path, np.full((12, 20, 3), 26, np.uint8))
    with pytest.raises(ValueError, match=r'000000.png.*\[26\].*0 to 18, 255'):
        dataset[0]


def test_folder_that_is_not_prepared(kitti_step):
    (kitti_step / 'images').rename(kitti_step / 'training')
    with pytest.raises(FileNotFoundError, match='images/train does not exist.*"KITTI-STEP"'):
        KITTISTEPDataset(str(kitti_step))
    with pytest.raises(ValueError, match="split='trian'"):
        KITTISTEPDataset(str(kitti_step), 'trian')
    (kitti_step / 'training').rename(kitti_step / 'images')
    # Every frame has a label: one that lacks is no frame to skip.
    mask = kitti_step / 'panoptic_maps/train/0000/000001.png'
    content = mask.read_bytes()
    mask.unlink()
    with pytest.raises(FileNotFoundError, match='no label file'):
        KITTISTEPDataset(str(kitti_step))
    mask.write_bytes(content)
    (kitti_step / 'panoptic_maps').rename(kitti_step / 'maps')
    with pytest.raises(FileNotFoundError, match='panoptic_maps/train/0000/000000.png'):
        KITTISTEPDataset(str(kitti_step))


def test_tracks_of_other_data_sets(camvid):
    dataset = DATASETS.build(dict(type='CamVidDataset', data_root=str(camvid), pipeline=LOAD))
    with pytest.raises(ValueError, match='LoadTracks: .*no numbers of objects.*KITTISTEPDataset'):
        dataset[0]


@pytest.mark.parametrize(
    'steps', [[0, 2, 3], [0, 1, 'resize', 2, 3]], ids=['without label', 'after a resize']
)
def test_misplaced_tracks(kitti_step, steps):
    resize = dict(type='ClipResize', scale=(10, 6))
    pipeline = [resize if step == 'resize' else LOAD[step] for step in steps]
    with pytest.raises(ValueError, match='LoadTracks: place it directly after'):
        KITTISTEPDataset(str(kitti_step), pipeline=pipeline)[0]
