import shutil

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmdavss.datasets import GTADataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def test_palette_indices_are_the_ids(gta):
    dataset = DATASETS.build(dict(type='GTADataset', data_root=str(gta), pipeline=LOAD))
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 19
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:35]
    # Ids 0 to 34 in a row, by hand from the table of DAFormer; 34 is a licence plate.
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
        255,
    ]
    np.testing.assert_array_equal(label, expected)


def test_converted_masks_are_not_read(gta):
    cv2.imwrite(str(gta / 'labels/00001_labelTrainIds.png'), np.zeros((12, 20), np.uint8))
    cv2.imwrite(str(gta / 'images/preview.png'), np.zeros((12, 20, 3), np.uint8))
    assert len(GTADataset(str(gta))) == 3


def test_masks_in_colours_are_refused(gta):
    path = gta / 'labels/00001.png'
    Image.open(path).convert('RGB').save(path)
    with pytest.raises(ValueError, match='00001.png.*one channel.*palette.*mode RGB'):
        GTADataset(str(gta), pipeline=LOAD)[0]


def test_not_the_data_set(tmp_path, gta):
    with pytest.raises(FileNotFoundError, match='images does not exist.*docs/datasets.md.*"GTAV"'):
        GTADataset(str(tmp_path))
    shutil.rmtree(gta / 'labels')
    with pytest.raises(FileNotFoundError, match='none of the 3 frames has a label'):
        GTADataset(str(gta))
