import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import SynthiaSeqDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations')]
PACK = [dict(type='PackClipInputs')]


def test_id_is_in_the_red_channel_of_16_bits(synthia):
    dataset = DATASETS.build(
        dict(type='SynthiaSeqDataset', data_root=str(synthia), pipeline=LOAD + PACK)
    )
    assert len(dataset) == 4 and len(dataset.metainfo['classes']) == 12
    label = dataset[2]['data_samples'].gt_sem_seg.data.numpy()[0]
    # Ids 0 to 15 in a row, by hand from the table of DA-VSN.
    expected = [255, 8, 2, 0, 1, 3, 7, 4, 11, 6, 9, 10, 255, 255, 255, 5]
    np.testing.assert_array_equal(label.reshape(-1)[:16], expected)


def test_lowest_rows_are_cut(synthia):
    """120 of 760 rows are 3 of the 19 of the miniature, also after a resize."""
    crop = dict(type='ClipCrop', crop_size=(640 / 760, 1.0), mode='top')
    whole = SynthiaSeqDataset(str(synthia), pipeline=LOAD + PACK)[0]
    cut = SynthiaSeqDataset(str(synthia), pipeline=[*LOAD, crop, *PACK])[0]
    assert cut['inputs']['frames'].shape[-2:] == (16, 32)
    np.testing.assert_array_equal(cut['inputs']['frames'], whole['inputs']['frames'][..., :16, :])
    np.testing.assert_array_equal(
        cut['data_samples'].gt_sem_seg.data, whole['data_samples'].gt_sem_seg.data[..., :16, :]
    )
    resize = dict(type='ClipResize', scale=(64, 38))
    cut = SynthiaSeqDataset(str(synthia), pipeline=[*LOAD, resize, crop, *PACK])[0]
    assert cut['inputs']['frames'].shape[-2:] == (32, 64)


def test_other_label_files_are_refused(synthia, write):
    path = synthia / 'SYNTHIA-SEQS-04-DAWN/GT/LABELS/Stereo_Left/Omni_F/000001.png'
    write(path, np.zeros((19, 32), np.uint8))
    dataset = SynthiaSeqDataset(str(synthia), pipeline=LOAD)
    with pytest.raises(ValueError, match='000001.png.*16-bit.*red channel.*mode L'):
        dataset[1]


def test_all_sequences(synthia):
    (synthia / 'SYNTHIA-SEQS-04-DAWN').rename(synthia / 'SYNTHIA-SEQS-05-FOG')
    with pytest.raises(FileNotFoundError, match='SYNTHIA-SEQS-04-DAWN.*docs/datasets.md'):
        SynthiaSeqDataset(str(synthia))
    assert len(SynthiaSeqDataset(str(synthia), sequences=None)) == 4
