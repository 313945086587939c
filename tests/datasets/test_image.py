"""What the image data sets share, on the GTAV layout."""

import numpy as np
import pytest

from mmdavss.datasets import GTADataset

LOAD = [dict(type='LoadClip'), dict(type='PackClipInputs')]


def test_an_image_is_a_clip_of_one_frame(gta):
    dataset = GTADataset(str(gta), pipeline=LOAD)
    assert len(dataset) == 3
    info = dataset.get_data_info(1)
    assert info['frame_paths'] == [info['img_path']] == [str(gta / 'images/00002.png')]
    assert info['seg_map_path'] == str(gta / 'labels/00002.png')
    assert info['seq_name'] == info['frame_name'] == '00002'
    assert dataset[1]['inputs']['frames'].shape == (1, 3, 12, 20)


def test_a_longer_clip_repeats_the_image(gta):
    """So that a video net can be trained on images: nothing moves, the flow is zero."""
    flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))
    dataset = GTADataset(str(gta), clip_length=2, pipeline=[LOAD[0], flow, LOAD[1]])
    inputs = dataset[2]['inputs']
    np.testing.assert_array_equal(inputs['frames'][0], inputs['frames'][1])
    assert inputs['flow'].shape == (1, 2, 12, 20) and not inputs['flow'].any()


def test_selection_of_images(gta):
    assert len(GTADataset(str(gta), annotated='*3')) == 1
    (gta / 'split.txt').write_text('00003.png\n00001\n')
    dataset = GTADataset(str(gta), ann_file='split.txt')
    assert [dataset.get_data_info(i)['frame_name'] for i in range(2)] == ['00003', '00001']
    (gta / 'labels/00002.png').unlink()
    assert len(GTADataset(str(gta))) == 2
    assert len(GTADataset(str(gta), with_labels=False)) == 3
    with pytest.raises(FileNotFoundError, match='1 of 3 frames have no label.*00002.png'):
        GTADataset(str(gta), frames='all')
