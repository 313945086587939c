import shutil

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import CityscapesImageDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
NAMES = ['aachen_000000_000019', 'hamburg_000000_000042', 'hamburg_000000_000104']


def names(dataset):
    return [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]


def test_19_classes(cityscapes):
    dataset = DATASETS.build(
        dict(type='CityscapesImageDataset', data_root=str(cityscapes), pipeline=LOAD)
    )
    assert names(dataset) == NAMES
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:34]
    # Label ids 0 to 33 in a row, by hand.
    expected = [255] * 7 + [
        0,
        1,
        255,
        255,
        2,
        3,
        4,
        255,
        255,
        255,
        5,
        255,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        255,
        255,
        16,
        17,
        18,
    ]
    np.testing.assert_array_equal(label, expected)


def test_split(cityscapes):
    assert names(CityscapesImageDataset(str(cityscapes), split='val')) == ['munster_000000_000019']
    with pytest.raises(FileNotFoundError, match='leftImg8bit/test does not exist'):
        CityscapesImageDataset(str(cityscapes), split='test', with_labels=False)
    with pytest.raises(ValueError, match="split='test' are not public"):
        CityscapesImageDataset(str(cityscapes), split='test')
    with pytest.raises(ValueError, match="split='vall' is not one of"):
        CityscapesImageDataset(str(cityscapes), split='vall')


def test_annotated_frames_of_the_snippets(cityscapes):
    shutil.rmtree(cityscapes / 'leftImg8bit')
    for labelled in (True, False):
        dataset = CityscapesImageDataset(
            str(cityscapes), image_folder='leftImg8bit_sequence', with_labels=labelled
        )
        assert names(dataset) == NAMES
    with pytest.raises(FileNotFoundError, match='leftImg8bit/train does not exist.*"Cityscapes"'):
        CityscapesImageDataset(str(cityscapes))


def test_without_label_files(cityscapes):
    shutil.rmtree(cityscapes / 'gtFine')
    with pytest.raises(FileNotFoundError, match="none of the 3.*labelIds.*frames='all'"):
        CityscapesImageDataset(str(cityscapes), with_labels=False)
    assert len(CityscapesImageDataset(str(cityscapes), with_labels=False, frames='all')) == 3
