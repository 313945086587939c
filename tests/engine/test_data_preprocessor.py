"""Batching of clips."""

import pytest
import torch
from mmengine.structures import PixelData

from mmdavss.engine import DomainDataPreprocessor
from mmdavss.structures import Clip


def test_values_and_order(batch):
    data = batch('source', 'target')
    frames = data['inputs']['target']['frames'][1]
    data['inputs']['target']['forward_flow'] = [-flow for flow in data['inputs']['target']['flow']]
    pre = DomainDataPreprocessor(mean=[1.0, 2.0, 3.0], std=[2.0, 4.0, 8.0], bgr_to_rgb=True)
    out = pre(data, training=True)
    clip = out['inputs']['target']
    assert isinstance(clip, Clip)
    assert clip.frames.shape == (2, 2, 3, 32, 48) and clip.flow.shape == (2, 1, 2, 32, 48)
    # BGR in: channel 0 of the network's RGB is channel 2 of the file's.
    for c, (mean, std) in enumerate([(1, 2), (2, 4), (3, 8)]):
        torch.testing.assert_close(clip.frames[1, :, c], (frames[:, 2 - c].float() - mean) / std)
        torch.testing.assert_close(clip.raw[1, :, c], frames[:, 2 - c].float() / 255)
    torch.testing.assert_close(clip.flow[1], data['inputs']['target']['flow'][1])
    torch.testing.assert_close(clip.forward_flow, -clip.flow)
    torch.testing.assert_close(
        clip.augmented[0, 0, 0], (data['inputs']['target']['augmented'][0][0, 2] - 1.0) / 2
    )
    assert set(out['data_samples']) == {'source', 'target'}


def test_without_branches_and_plain_images(batch):
    pre = DomainDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    data = batch(augmented=False)
    clip = pre(data)['inputs']
    assert clip.augmented is None
    torch.testing.assert_close(clip.frames[0], data['inputs']['frames'][0].float())
    image = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    clip = pre(dict(inputs=[image]))['inputs']
    assert clip.frames.shape == (1, 1, 3, 8, 8) and clip.flow is None


def test_padding(batch):
    data = batch('source', count=1)
    other = batch('source', count=1, size=(40, 44))
    for key in ('frames', 'flow', 'augmented'):
        data['inputs']['source'][key] += other['inputs']['source'][key]
    data['data_samples']['source'] += other['data_samples']['source']
    for sample in data['data_samples']['source']:
        label = sample.gt_sem_seg.data
        sample.gt_clip_seg = PixelData(data=label.repeat(2, 1, 1))
        sample.gt_soft_seg = PixelData(data=torch.full((4, *label.shape[1:]), 50).byte())
    with pytest.raises(ValueError, match=r'\(32, 48\), \(40, 44\)'):
        DomainDataPreprocessor()(data, training=True)
    pre = DomainDataPreprocessor(mean=[5.0] * 3, std=[1.0] * 3, size_divisor=16)
    out = pre(data, training=True)
    clip = out['inputs']['source']
    assert clip.frames.shape[-2:] == clip.flow.shape[-2:] == (48, 48)
    assert clip.frames[0, :, :, 32:].abs().max() == 0 and clip.flow[1, ..., 44:].abs().max() == 0
    for key, value in dict(gt_sem_seg=255, gt_clip_seg=255, gt_soft_seg=0).items():
        labels = torch.stack([sample.get(key).data for sample in out['data_samples']['source']])
        assert labels.shape[-2:] == (48, 48), key
        assert (labels[0, :, 32:] == value).all() and (labels[1, ..., 44:] == value).all(), key
        assert (labels[0, :, :32] != value).any(), key


def test_a_batch_that_was_not_packed():
    pre = DomainDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    with pytest.raises(KeyError, match='PackClipInputs'):
        pre(dict(img_paths=['a.png'], seq_name='a'))
