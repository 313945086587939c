import shutil

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import CityscapesSeqDataset, SynthiaSeqDataset, ViperSeqDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def numbers(dataset):
    return [
        [int(path.split('_')[-2]) for path in dataset.get_data_info(i)['frame_paths']]
        for i in range(len(dataset))
    ]


def test_clips_end_at_the_annotated_frames(cityscapes):
    """The annotated frame has any number in drives with many snippets."""
    dataset = DATASETS.build(dict(type='CityscapesSeqDataset', data_root=str(cityscapes)))
    assert numbers(dataset) == [[18, 19], [41, 42], [103, 104]]
    info = dataset.get_data_info(1)
    assert info['seg_map_path'].endswith(
        'gtFine/train/hamburg/hamburg_000000_000042_gtFine_labelIds.png'
    )
    assert info['frame_name'] == 'hamburg_000000_000042'


def test_without_labels(cityscapes):
    dataset = CityscapesSeqDataset(str(cityscapes), with_labels=False)
    assert numbers(dataset) == [[18, 19], [41, 42], [103, 104]]
    assert dataset.get_data_info(0)['seg_map_path'] is None
    shutil.rmtree(cityscapes / 'gtFine')
    with pytest.raises(FileNotFoundError, match="none of the 9.*gtFine_labelIds.*frames='all'"):
        CityscapesSeqDataset(str(cityscapes), with_labels=False)
    dataset = CityscapesSeqDataset(str(cityscapes), with_labels=False, frames='all')
    # Each snippet starts with its own first frame.
    assert numbers(dataset)[:3] == [[17, 17], [17, 18], [18, 19]]
    assert numbers(dataset)[6:] == [[102, 102], [102, 103], [103, 104]]


def test_split_file_as_da_vsn_has_it(cityscapes):
    (cityscapes / 'list.txt').write_text('hamburg/hamburg_000000_000104_leftImg8bit.png\n')
    dataset = CityscapesSeqDataset(str(cityscapes), ann_file='list.txt', clip_length=3)
    assert numbers(dataset) == [[102, 103, 104]]


def test_first_frames_of_snippets_in_a_split_file(cityscapes):
    """They have no label, and no frame before them."""
    (cityscapes / 'list.txt').write_text('hamburg_000000_000102\nhamburg_000000_000104\n')
    dataset = CityscapesSeqDataset(str(cityscapes), ann_file='list.txt', with_labels=False)
    assert numbers(dataset) == [[102, 102], [103, 104]]


def test_annotated_frames_alone_are_not_enough(cityscapes):
    for path in (cityscapes / 'leftImg8bit_sequence').rglob('*.png'):
        if path.name.split('_')[2] not in ('000019', '000042', '000104'):
            path.unlink()
    with pytest.raises(FileNotFoundError, match='aachen_000000_000018_.*leftImg8bit_sequence'):
        CityscapesSeqDataset(str(cityscapes))
    assert len(CityscapesSeqDataset(str(cityscapes), clip_length=1)) == 3


@pytest.mark.parametrize(
    ('options', 'first'),
    [(dict(clip_length=4), 16), (dict(clip_length=2, frame_distance=5), 14)],
)
def test_clips_that_need_more_than_was_unpacked(cityscapes, options, first):
    """The frames that there are, 17 to 19, do not begin the snippet."""
    with pytest.raises(
        FileNotFoundError, match=f'aachen_000000_0000{first}_leftImg8bit.png is mis'
    ):
        CityscapesSeqDataset(str(cityscapes), **options)
    assert len(CityscapesSeqDataset(str(cityscapes), clip_length=3)) == 3
    # Those before the snippet do not exist.
    folder = cityscapes / 'leftImg8bit_sequence/train/aachen'
    image = folder / 'aachen_000000_000017_leftImg8bit.png'
    for number in range(17):
        shutil.copy(image, folder / f'aachen_000000_0000{number:02d}_leftImg8bit.png')
    (cityscapes / 'list.txt').write_text('aachen_000000_000019\n')
    whole = CityscapesSeqDataset(str(cityscapes), ann_file='list.txt', clip_length=22)
    assert numbers(whole) == [[0, 0, *range(20)]]


def test_splits(cityscapes):
    with pytest.raises(ValueError, match="split='vall' is not one of"):
        CityscapesSeqDataset(str(cityscapes), 'vall')
    with pytest.raises(ValueError, match="split='test' are not public.*split='val'"):
        CityscapesSeqDataset(str(cityscapes), 'test')


def test_gap_inside_a_snippet(cityscapes):
    (cityscapes / 'leftImg8bit_sequence/train/aachen/aachen_000000_000018_leftImg8bit.png').unlink()
    with pytest.raises(FileNotFoundError, match='aachen_000000_000018_leftImg8bit.png is missing'):
        CityscapesSeqDataset(str(cityscapes))


def test_class_subsets(cityscapes, viper, synthia):
    label = CityscapesSeqDataset(str(cityscapes), pipeline=LOAD)[0]
    label = label['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:34]
    # Label ids 0 to 33 in a row, by hand: 15 classes, rider (25) joins person (24).
    expected = [255] * 7 + [
        0,
        1,
        255,
        255,
        2,
        255,
        3,
        255,
        255,
        255,
        255,
        255,
        4,
        5,
        6,
        7,
        8,
        9,
        9,
        10,
        11,
        12,
        255,
        255,
        255,
        13,
        14,
    ]
    np.testing.assert_array_equal(label, expected)
    dataset = CityscapesSeqDataset(str(cityscapes), classes_from='synthia', pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:34]
    expected = (
        [255] * 7
        + [0, 1, 255, 255, 2, 255, 3, 255, 255, 255, 4, 255, 5, 6, 7, 255, 8, 9, 10, 11]
        + [255] * 7
    )
    np.testing.assert_array_equal(label, expected)
    assert dataset.metainfo['classes'] == SynthiaSeqDataset(str(synthia)).metainfo['classes']
    assert (
        CityscapesSeqDataset(str(cityscapes)).metainfo['classes']
        == ViperSeqDataset(str(viper)).metainfo['classes']
    )
    dataset = CityscapesSeqDataset(str(cityscapes), classes_from='gta', pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:34]
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
    with pytest.raises(ValueError, match='classes_from'):
        CityscapesSeqDataset(str(cityscapes), classes_from='kitti')


def test_snippets_ten_frames_apart(tmp_path):
    """As 012680 to 012709 and 012719 to 012748 of Frankfurt; a gap within one stays a gap."""
    folder = tmp_path / 'leftImg8bit_sequence/val/frankfurt'
    folder.mkdir(parents=True)
    first, second = range(12680, 12710), range(12719, 12749)
    for number in (*first, *second):
        (folder / f'frankfurt_000001_{number:06d}_leftImg8bit.png').touch()
    options = dict(split='val', frames='all', with_labels=False)
    dataset = CityscapesSeqDataset(str(tmp_path), **options)
    assert {name: [*found] for name, found in dataset.scan().items()} == {
        'frankfurt_000001_012680': [*first],
        'frankfurt_000001_012719': [*second],
    }
    assert numbers(dataset)[30] == [12719, 12719]
    (folder / 'frankfurt_000001_012690_leftImg8bit.png').unlink()
    with pytest.raises(FileNotFoundError, match='012690_leftImg8bit.png is missing'):
        CityscapesSeqDataset(str(tmp_path), **options)
