import numpy as np
import torch
from torch.utils.data._utils.pin_memory import pin_memory

from mmdavss.datasets.transforms import PackClipInputs


def test_packs_everything(clip):
    clip['imgs_aug'] = [255 - img for img in clip['imgs']]
    clip['seq_name'] = 'a'
    clip['forward_flows'] = [-flow for flow in clip['flows']]
    packed = PackClipInputs()(clip)
    inputs, sample = packed['inputs'], packed['data_samples']
    assert set(inputs) == {'frames', 'flow', 'forward_flow', 'augmented'}
    assert inputs['frames'].shape == (2, 3, 16, 24) and inputs['frames'].dtype == torch.uint8
    assert inputs['flow'].shape == (1, 2, 16, 24) and inputs['flow'].dtype == torch.float32
    assert inputs['frames'][1, 2, 5, 7] == int(clip['imgs'][1][5, 7, 2])
    assert inputs['augmented'][0, 0, 5, 7] == 255 - int(clip['imgs'][0][5, 7, 0])
    assert inputs['flow'][0, :, 3, 4].tolist() == [-2, 1]
    assert inputs['forward_flow'][0, :, 3, 4].tolist() == [2, -1]
    assert sample.gt_sem_seg.data.dtype == torch.int64
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0], clip['gt_seg_map'])
    assert sample.img_path == 'a/2.png' and sample.frame_paths == ['a/1.png', 'a/2.png']
    assert sample.ori_shape == (16, 24) and sample.seq_name == 'a'


def test_packs_frames_alone(clip):
    packed = PackClipInputs(meta_keys=('img_path',))(
        dict(imgs=clip['imgs'][:1], flows=[], img_path='a/2.png', seq_name='a')
    )
    assert set(packed['inputs']) == {'frames'}
    assert packed['inputs']['frames'].shape == (1, 3, 16, 24)
    assert 'gt_sem_seg' not in packed['data_samples']
    assert packed['data_samples'].metainfo == dict(img_path='a/2.png')


def test_a_loader_that_pins_memory_pins_all_maps(clip, monkeypatch):
    """Without a GPU there is no pinned memory: the tensors that would be pinned."""
    pinned = []

    def pin(self, device=None):
        pinned.append(self.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, 'pin_memory', pin)
    clip['gt_soft_map'] = np.zeros((16, 24, 4), np.uint8)
    clip['gt_track_map'] = clip['gt_seg_map'] * 0
    packed = PackClipInputs()(clip)
    sample = pin_memory(packed)['data_samples']
    assert sample is packed['data_samples']
    maps = [fields.data for fields in sample.values()]
    assert len(maps) == 3 and all(any(one is own for own in pinned) for one in maps)
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0], clip['gt_seg_map'])
