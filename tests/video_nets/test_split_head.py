"""Plain mmseg nets frame by frame: features and classifier are what the net itself does."""
from __future__ import annotations

import copy

import pytest
import torch

NORM = dict(type='BN')
ONE = dict(in_channels=64, in_index=3, channels=8)
ALL = dict(in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=8)
HEADS = dict(
    fcn=dict(type='FCNHead', num_convs=1, **ONE),
    deeplabv2=dict(type='DeepLabV2Head', in_channels=64, in_index=3, dilations=(1, 2)),
    deeplabv3=dict(type='ASPPHead', dilations=(1, 2), **ONE),
    deeplabv3plus=dict(type='DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=8,
                       c1_channels=4, **ONE),
    pspnet=dict(type='PSPHead', pool_scales=(1, 2), **ONE),
    upernet=dict(type='UPerHead', pool_scales=(1, 2), **ALL),
    segformer=dict(type='SegformerHead', **ALL),
    daformer=dict(type='DAFormerHead', embed_channels=4, dilations=(1, 2), **ALL),
    fpn=dict(type='FPNHead', feature_strides=[4, 8, 8, 8], **ALL),
    nonlocal_=dict(type='NLHead', **ONE))  # yapf: disable


@pytest.mark.parametrize('name', HEADS)
def test_as_the_net_itself(name, segmentor, build):
    segmentor.update(auxiliary_head=None, decode_head=dict(
        HEADS[name], num_classes=4, dropout_ratio=0.5,
        **({} if name == 'deeplabv2' else dict(norm_cfg=NORM))))
    net = build(dict(type='PerFrame', segmentor=segmentor, allow_random_init=True)).eval()
    frames = torch.randn(2, 1, 3, 32, 48)
    with torch.no_grad():
        expected = net.segmentor._forward(frames[:, 0])
        assert torch.equal(net(frames), expected)
        assert net.features(frames[:, 0]).shape[1] == net.feature_channels
        # The classifier is there afterwards, and a copy has its own.
        assert torch.equal(net.segmentor._forward(frames[:, 0]), expected)
        other = copy.deepcopy(net)
        for parameter in other.parameters():
            parameter.zero_()
        assert (other(frames) == 0).all() and torch.equal(net(frames), expected)
    net.train()(frames).sum().backward()
    assert all(p.grad is not None for p in net.segmentor.decode_head.conv_seg.parameters())


@pytest.mark.parametrize('head', [
    dict(type='DAHead', pam_channels=4, **ONE),  # three results
    dict(type='EncHead', num_codes=2, **ALL)])
def test_other_heads(head, segmentor, build):
    segmentor.update(auxiliary_head=None, decode_head=dict(head, num_classes=4, norm_cfg=NORM))
    with pytest.raises(TypeError, match=f'{head["type"]} does not end in its classifier'):
        build(dict(type='PerFrame', segmentor=segmentor)).eval()(torch.randn(1, 1, 3, 32, 48))
