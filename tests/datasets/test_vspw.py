import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import VSPWDataset
from mmdavss.datasets.label_maps import VSPW_124, colour_map

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def test_videos_of_the_list_in_its_order(vspw):
    dataset = DATASETS.build(dict(type='VSPWDataset', data_root=str(vspw), pipeline=LOAD))
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    first, second = '1001_5z_ijQjUf_0', '0_wHCy0fpbqiE'
    assert [(i['seq_name'], i['frame_name'], i['frame_number']) for i in found] == [
        (first, '00000001', 0),
        (first, '00000003', 1),
        (first, '00000008', 2),
        (second, '00000012', 0),
        (second, '00000013', 1),
    ]
    # The frame before, whatever its number in the name is.
    assert [path[-12:] for path in found[2]['frame_paths']] == ['00000003.jpg', '00000008.jpg']
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:126]
    np.testing.assert_array_equal(label, [255, *range(124), 255])


def test_classes_by_hand():
    """Some of the 124, by their ids in the table of the release."""
    assert len(VSPW_124.classes) == len(set(VSPW_124.classes)) == 124
    for i, name in {
        1: 'wall',
        19: 'road',
        29: 'sky',
        49: 'car',
        61: 'person',
        67: 'tree',
        91: 'chair_or_seat',
        110: 'clock',
        124: 'train',
    }.items():
        assert VSPW_124.classes[VSPW_124.train_ids[i]] == name
    # PASCAL VOC: background, aeroplane, bicycle, ..., person, ..., tv.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    colours = colour_map(125)
    assert {i: colours[i] for i in known} == known and len(set(colours)) == 125
    assert VSPW_124.palette == colours[1:]
    assert len(set(colour_map(151))) == 151


def test_masks_of_some_copies():
    """253 is void, and a palette, here grey but for the first ids, says nothing."""
    ids = np.array([[0, 1, 64, 124, 253, 255]], np.uint8)
    np.testing.assert_array_equal(
        VSPW_124.to_train_ids(ids, 'a.png'), [[255, 0, 63, 123, 255, 255]]
    )
    colours = [*colour_map(22), *((i, i, i) for i in range(22, 256))]
    VSPW_124.check_palette(range(125), [value for colour in colours for value in colour], 'a.png')
    with pytest.raises(ValueError, match=r'ids \[125, 252\].*0 to 124, 253, 255'):
        VSPW_124.to_train_ids(np.array([[125, 252]], np.uint8), 'a.png')


def test_test_has_no_masks(vspw):
    with pytest.raises(FileNotFoundError, match='1 of 1 frames have no label file'):
        VSPWDataset(str(vspw), 'test')
    assert len(VSPWDataset(str(vspw), 'test', with_labels=False)) == 1


def test_broken_folders(vspw):
    with pytest.raises(ValueError, match="split='trian'"):
        VSPWDataset(str(vspw), 'trian')
    (vspw / 'val.txt').write_text('gone\n')
    with pytest.raises(FileNotFoundError, match='data/gone/origin does not exist.*"VSPW"'):
        VSPWDataset(str(vspw), 'val')
    (vspw / 'val.txt').write_text('../..\n')
    with pytest.raises(ValueError, match=r'val.txt.*line 1.*leads out'):
        VSPWDataset(str(vspw), 'val')
    (vspw / 'val.txt').unlink()
    with pytest.raises(FileNotFoundError, match='val.txt does not exist.*"VSPW"'):
        VSPWDataset(str(vspw), 'val')
    with pytest.raises(FileNotFoundError, match='data does not exist'):
        VSPWDataset(str(vspw / 'data'))
