"""The decoder of DAFormer: sizes, and what its output depends on."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn


@pytest.fixture
def head():
    return MODELS.build(
        dict(
            type='DAFormerHead',
            in_channels=[8, 16, 24, 32],
            in_index=[0, 1, 2, 3],
            channels=12,
            embed_channels=6,
            dilations=(1, 2, 3),
            num_classes=5,
            dropout_ratio=0.0,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        )
    ).eval()


@pytest.fixture
def stages():
    return [torch.randn(2, c, 16 // s, 24 // s) for c, s in ((8, 1), (16, 2), (24, 4), (32, 8))]


def test_scores_have_the_size_of_the_first_stage(head, stages):
    features = head._forward_feature(stages)
    assert features.shape == (2, 12, 16, 24)
    assert head(stages).shape == (2, 5, 16, 24)
    torch.testing.assert_close(head(stages), head.conv_seg(features))


def normalised(norm, x):
    """Batch norm in evaluation mode, by hand."""
    mean, variance, scale, shift = (
        value.view(1, -1, 1, 1)
        for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (variance + norm.eps).sqrt() * scale + shift


def test_forward_by_hand(head, stages):
    """Published order: stages from the first, branches as the dilations, then 3x3 and classes."""
    head = head.double()
    for module in head.modules():  # no layer is the identity
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(value)
            nn.init.uniform_(module.running_var, 0.5, 2)
    stages = [stage.double() for stage in stages]
    embedded = []
    for embed, stage in zip(head.embeddings, stages, strict=True):
        x = torch.einsum('nchw,dc->ndhw', stage, embed.weight[..., 0, 0])
        x = x + embed.bias.view(1, -1, 1, 1)
        embedded.append(F.interpolate(x, (16, 24), mode='bilinear', align_corners=False))
    joined = torch.cat(embedded, dim=1)
    branches = []
    for dilation, branch in zip((1, 2, 3), head.context, strict=True):
        x = joined
        if dilation > 1:
            depthwise = branch.depthwise_conv
            x = F.conv2d(
                x, depthwise.conv.weight, padding=dilation, dilation=dilation, groups=x.shape[1]
            )
            x = normalised(depthwise.bn, x).relu()
            branch = branch.pointwise_conv
        branches.append(normalised(branch.bn, F.conv2d(x, branch.conv.weight)).relu())
    last = head.bottleneck
    x = F.conv2d(torch.cat(branches, dim=1), last.conv.weight, padding=1)
    x = normalised(last.bn, x).relu()
    expected = F.conv2d(x, head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(head(stages), expected, rtol=1e-9, atol=1e-9)


def test_every_stage_counts_and_context_is_local(head, stages):
    """The reach of a pixel: dilation 3, then the 3x3 bottleneck; no pooling over the image."""
    stages = [stage.requires_grad_() for stage in stages]
    head(stages)[:, :, 8, 12].sum().backward()
    for stage in stages:
        assert stage.grad.abs().sum() > 0
    touched = stages[0].grad.abs().sum((0, 1)).nonzero()
    assert touched.min(0).values.tolist() == [4, 8] and touched.max(0).values.tolist() == [12, 16]


def test_published_size():
    """256 wide on MiT-B5: four linear layers, four separable or 1x1 branches, bottleneck, classes.

    By hand: embeddings (64 + 128 + 320 + 512 + 4) * 256; branch of dilation 1: 1024 * 256 weights
    and 512 of batch norm; the others 1024 * 9 + 2048, then the same as that; bottleneck 1024 * 256
    * 9 + 512; classes 256 * 19 + 19.
    """
    head = MODELS.build(
        dict(
            type='DAFormerHead',
            in_channels=[64, 128, 320, 512],
            in_index=[0, 1, 2, 3],
            num_classes=19,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        )
    )
    point = 1024 * 256 + 512
    expected = (
        1028 * 256 + point + 3 * (1024 * 9 + 2048 + point) + 1024 * 256 * 9 + 512 + 256 * 19 + 19
    )
    assert sum(p.numel() for p in head.parameters()) == expected


def test_without_dilations_one_convolution_takes_their_place(head, stages):
    """HRDA's attention: nothing looks at neighbours but the resizing of the stages."""
    config = dict(
        type='DAFormerHead',
        in_channels=[8, 16, 24, 32],
        in_index=[0, 1, 2, 3],
        channels=12,
        embed_channels=6,
        dilations=(),
        num_classes=5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    small = MODELS.build(config).eval()
    kernels = {
        name: tuple(value.shape)
        for name, value in small.named_parameters()
        if value.ndim == 4 and not name.startswith('embeddings')
    }
    assert kernels == {'bottleneck.conv.weight': (12, 24, 1, 1), 'conv_seg.weight': (5, 12, 1, 1)}
    assert small(stages).shape == (2, 5, 16, 24)
