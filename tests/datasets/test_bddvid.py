import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import BDDVidDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def test_clips_end_at_the_labelled_frame(bddvid):
    dataset = DATASETS.build(
        dict(type='BDDVidDataset', data_root=str(bddvid), clip_length=3, pipeline=LOAD)
    )
    images = bddvid / 'train/images'
    assert [dataset.get_data_info(i)['frame_paths'] for i in range(len(dataset))] == [
        [str(images / f'{video}_{n}.jpg') for n in (303, 305, 307)]
        for video in ('00054602-3bf57337', 'fe1f2409-5b415eb7')
    ]
    assert dataset[1]['inputs']['frames'].shape == (3, 3, 12, 20)
    assert dataset[1]['data_samples'].seq_name == 'fe1f2409-5b415eb7'


def test_original_images_have_the_labels_of_their_split(bddvid):
    dataset = BDDVidDataset(str(bddvid), 'val_orig_10k')
    info = dataset.get_data_info(0)
    assert info['img_path'] == str(bddvid / 'val_orig_10k/images/0010bf16-a457685b_307.jpg')
    assert info['seg_map_path'] == str(bddvid / 'val/labels/0010bf16-a457685b_307.png')
    # or their own, as in the configs of UnifiedVideoDA
    (bddvid / 'val/labels').rename(bddvid / 'val_orig_10k/labels')
    info = BDDVidDataset(str(bddvid), 'val_orig_10k').get_data_info(0)
    assert info['seg_map_path'] == str(bddvid / 'val_orig_10k/labels/0010bf16-a457685b_307.png')


@pytest.mark.parametrize(
    'classes_from, expected',
    [
        ('gta', [*range(19), 255]),
        # wall, pole, rider and train are ignored
        ('viper', [0, 1, 2, 255, 3, 255, 4, 5, 6, 7, 8, 9, 255, 10, 11, 12, 255, 13, 14, 255]),
        # wall, terrain, truck, bus, train and two-wheelers
        ('synthia', [0, 1, 2, 255, 3, 4, 5, 6, 7, 255, 8, 9, 10, 11] + 6 * [255]),
    ],
)
def test_classes(bddvid, classes_from, expected):
    dataset = BDDVidDataset(str(bddvid), classes_from=classes_from, pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:20]
    np.testing.assert_array_equal(label, expected)
    assert len(dataset.metainfo['classes']) == len(set(expected)) - 1


def test_adaptation_needs_no_labels(bddvid):
    (bddvid / 'train/labels').rename(bddvid / 'elsewhere')
    assert len(BDDVidDataset(str(bddvid), with_labels=False)) == 2
    assert len(BDDVidDataset(str(bddvid), with_labels=False, frames='all')) == 18
    with pytest.raises(FileNotFoundError, match='2 of 2 frames have no label.*fe1f2409.*labels'):
        BDDVidDataset(str(bddvid))


def test_published_lists(bddvid):
    (bddvid / 'splits').mkdir()
    (bddvid / 'splits/valid_imgs_train.txt').write_text('fe1f2409-5b415eb7_307\n')
    dataset = BDDVidDataset(str(bddvid), ann_file='splits/valid_imgs_train.txt')
    assert [dataset.get_data_info(i)['frame_number'] for i in range(len(dataset))] == [307]


def test_bad_options(bddvid):
    with pytest.raises(ValueError, match="split='test'.*val_orig_10k"):
        BDDVidDataset(str(bddvid), 'test')
    with pytest.raises(ValueError, match="classes_from='cityscapes'"):
        BDDVidDataset(str(bddvid), classes_from='cityscapes')
    with pytest.raises(ValueError, match='_301.jpg, and the clips of BDDVid begin at frame 303'):
        BDDVidDataset(str(bddvid), clip_length=4)
    (bddvid / 'train/images/fe1f2409-5b415eb7_305.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='fe1f2409-5b415eb7_305.jpg is missing'):
        BDDVidDataset(str(bddvid))
    with pytest.raises(FileNotFoundError, match='val/images does not exist.*"BDDVid"'):
        BDDVidDataset(str(bddvid / 'train'), 'val')
