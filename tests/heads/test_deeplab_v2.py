"""The multi-dilation classifier against a sum written out by hand."""

import pytest
import torch
import torch.nn.functional as F

from mmdavss.heads import DeepLabV2Head


def test_sum_of_dilated_convolutions():
    head = DeepLabV2Head(6, 3, in_index=1, dilations=(1, 2, 5))
    features = torch.randn(2, 6, 9, 11)
    expected = sum(
        F.conv2d(features, b.weight, b.bias, padding=d, dilation=d)
        for b, d in zip(head.conv_seg.branches, (1, 2, 5), strict=True)
    )
    torch.testing.assert_close(head([None, features]), expected)
    assert head._forward_feature([None, features]) is features
    assert head.channels == 6


def test_initialised_as_published():
    torch.manual_seed(0)
    head = DeepLabV2Head(256, 15)
    assert [b.dilation for b in head.conv_seg.branches] == [(d, d) for d in (6, 12, 18, 24)]
    head.init_weights()
    for b in head.conv_seg.branches:
        assert b.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert b.bias.abs().max() == 0


def test_unknown_option_is_refused():
    with pytest.raises(TypeError, match='dilation'):
        DeepLabV2Head(6, 3, dilation=(1, 2))
