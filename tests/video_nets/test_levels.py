"""Levels of the backbone that a method has computed are not computed again."""

import copy

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample


@pytest.mark.parametrize('net', ['accel', 'per_frame'])
def test_loss_from_given_levels(net, request, build):
    net = build(request.getfixturevalue(net)).train()
    frames, flow = torch.randn(2, 2, 3, 32, 48), torch.randn(2, 1, 2, 32, 48)
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.randint(4, (1, 32, 48)))) for _ in range(2)
    ]
    expected = net.loss(frames, flow, samples)
    given = net.loss(frames, flow, samples, net.levels(frames[:, -1]))
    assert expected.keys() == given.keys()
    for key in expected:
        torch.testing.assert_close(given[key], expected[key])
    calls = []
    net.segmentor.backbone.register_forward_hook(lambda *args: calls.append(len(args[1][0])))
    net.loss(frames, flow, samples, net.levels(frames[:, -1]))
    # The levels given, and for Accel those of the key frame.
    assert len(calls) == (2 if net.needs_flow else 1)


def test_levels_are_the_features_of_the_classifier(accel, build):
    net = build(accel).eval()
    frames = torch.randn(2, 3, 32, 48)
    levels = net.levels(frames)
    assert [level.shape[1] for level in levels] == [8, 16, 32, 64]
    torch.testing.assert_close(levels[3], net.features(frames))


BEIT = dict(
    backbone=dict(
        type='BEiT',
        img_size=(32, 48),
        embed_dims=16,
        num_layers=2,
        num_heads=2,
        out_indices=(0, 1),
    ),
    decode_head=dict(type='FCNHead', in_channels=16, in_index=1, num_convs=0),
)
LRASPP = dict(
    backbone=dict(type='MobileNetV3', arch='small', out_indices=(0, 1, 12)),
    decode_head=dict(
        type='LRASPPHead',
        in_channels=(16, 16, 576),
        in_index=(0, 1, 2),
        input_transform='multiple_select',
    ),
)


@pytest.mark.parametrize(
    'parts, channels', [(BEIT, (16, 16)), (LRASPP, (16, 16, 576))], ids=['BEiT', 'LRASPP']
)
def test_channels_of_networks_that_take_few_sizes(parts, channels, per_frame, build):
    parts = copy.deepcopy(parts)
    parts['decode_head'].update(channels=16, num_classes=4)
    per_frame['segmentor'].update(parts, auxiliary_head=None)
    assert build(per_frame).level_channels() == channels


@pytest.mark.parametrize('output_stride', [4, 12])
def test_channels_of_two_scales(output_stride, per_frame, build):
    segmentor = per_frame['segmentor']
    head = dict(segmentor['decode_head'], align_corners=False)
    segmentor.update(
        type='HRDA',
        decode_head=head,
        attention_head=copy.deepcopy(head),
        auxiliary_head=None,
        output_stride=output_stride,
        detail_size=(24, 24),
    )
    assert build(per_frame).level_channels() == (8, 16, 32, 64)
