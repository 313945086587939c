"""The pyramid decoder: what it computes, and what it starts from."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

HEAD = dict(
    type='PyramidHead',
    in_channels=[24, 20, 12, 32],
    in_index=[0, 1, 2, 3],
    num_classes=5,
    norm_cfg=dict(type='BN', momentum=0.01),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss'),
)


def levels(height, width):
    """Maps whose sides are halves, rounded up."""
    maps = []
    for channels in HEAD['in_channels']:
        maps.append(torch.randn(2, channels, height, width))
        height, width = -(-height // 2), -(-width // 2)
    return maps


def test_written_out():
    """The decoder of VFM-UDA++'s release, line by line."""
    head = MODELS.build(HEAD).train()
    head.init_weights()
    f1, f2, f3, f4 = levels(16, 24)
    joined = f4
    for number, finer in enumerate((f3, f2, f1)):
        up, lateral = head.up[number], head.lateral[number]
        joined = F.conv_transpose2d(joined, up.weight, up.bias, stride=2)
        joined = joined + F.conv2d(finer, lateral.weight, lateral.bias)
        conv, norm, _ = head.smooth[number]
        joined = F.conv2d(joined, conv.weight, conv.bias, padding=1)
        joined = F.relu(F.batch_norm(joined, None, None, norm.weight, norm.bias, training=True))
    features = F.conv2d(joined, head.last.weight, head.last.bias, padding=1)
    assert features.shape == (2, 4, 16, 24) and head.channels == 4
    torch.testing.assert_close(head._forward_feature([f1, f2, f3, f4]), features)
    scores = F.conv2d(features, head.conv_seg.weight)
    torch.testing.assert_close(head([f1, f2, f3, f4]), scores)


def test_sides_that_are_no_multiples():
    assert MODELS.build(HEAD)(levels(25, 19)).shape == (2, 5, 25, 19)
    # Rounded down, as by the pooling of mmseg's Feature2Pyramid.
    sides = ((25, 19), (12, 9), (6, 4), (3, 2))
    maps = [torch.randn(2, n, *size) for n, size in zip(HEAD['in_channels'], sides, strict=True)]
    assert MODELS.build(HEAD)(maps).shape == (2, 5, 25, 19)


def test_start():
    """Uniform as the release draws them: bounds by the fan of each layer, no bias."""
    head = MODELS.build(dict(HEAD, in_channels=[64] * 4))
    head.init_weights()
    for layer, fan in (
        (head.up[0], 64 * 4),
        (head.lateral[1], 64),
        (head.smooth[0][0], 32 * 9),
        (head.last, 8 * 9),
    ):
        bound = (6 / fan) ** 0.5
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
    assert head.conv_seg.bias is None
    assert 0.05 < float(head.conv_seg.weight.std()) < 0.15


def test_four_maps():
    with pytest.raises(ValueError, match='must be those of four maps'):
        MODELS.build(dict(HEAD, in_channels=[8, 8, 8], in_index=[0, 1, 2]))
