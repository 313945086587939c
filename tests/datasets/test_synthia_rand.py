import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import CityscapesImageDataset, SynthiaDataset
from mmdavss.datasets.label_maps import CLASSES_16

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def first_ids(dataset):
    return dataset[1]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:23]


def test_id_is_in_the_red_channel_of_16_bits(synthia_rand):
    dataset = DATASETS.build(
        dict(type='SynthiaDataset', data_root=str(synthia_rand), pipeline=LOAD)
    )
    assert len(dataset) == 2
    # Ids 0 to 22 in a row, by hand from the table of DAFormer.
    expected = [
        255,
        10,
        2,
        0,
        1,
        4,
        8,
        5,
        13,
        7,
        11,
        18,
        17,
        255,
        255,
        6,
        9,
        12,
        14,
        15,
        16,
        3,
        255,
    ]
    np.testing.assert_array_equal(first_ids(dataset), expected)


def test_16_classes(synthia_rand, cityscapes):
    """Source and target with the 16 classes alone, in their order."""
    options = dict(metainfo=dict(classes=CLASSES_16), pipeline=LOAD)
    source = SynthiaDataset(str(synthia_rand), **options)
    expected = [
        255,
        9,
        2,
        0,
        1,
        4,
        8,
        5,
        12,
        7,
        10,
        15,
        14,
        255,
        255,
        6,
        255,
        11,
        255,
        13,
        255,
        3,
        255,
    ]
    np.testing.assert_array_equal(first_ids(source), expected)
    target = CityscapesImageDataset(str(cityscapes), **options)
    assert source.metainfo['classes'] == target.metainfo['classes'] == CLASSES_16


def test_other_label_files_are_refused(synthia_rand, write):
    write(synthia_rand / 'GT/LABELS/0000001.png', np.zeros((19, 32), np.uint8))
    with pytest.raises(ValueError, match='0000001.png.*16-bit.*red channel.*mode L'):
        SynthiaDataset(str(synthia_rand), pipeline=LOAD)[1]


def test_not_the_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match='RGB does not exist.*SYNTHIA-RAND-CITYSCAPES'):
        SynthiaDataset(str(tmp_path))
