"""Plain mmseg nets frame by frame: features and classifier are what the net itself does."""

from __future__ import annotations

import copy

import pytest
import torch
from mmseg.models.utils import resize

NORM = dict(type='BN')
ONE = dict(in_channels=64, in_index=3, channels=8)
ALL = dict(in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=8)
HEADS = dict(
    fcn=dict(type='FCNHead', num_convs=1, **ONE),
    deeplabv2=dict(type='DeepLabV2Head', in_channels=64, in_index=3, dilations=(1, 2)),
    deeplabv3=dict(type='ASPPHead', dilations=(1, 2), **ONE),
    deeplabv3plus=dict(
        type='DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=8, c1_channels=4, **ONE
    ),
    pspnet=dict(type='PSPHead', pool_scales=(1, 2), **ONE),
    upernet=dict(type='UPerHead', pool_scales=(1, 2), **ALL),
    segformer=dict(type='SegformerHead', **ALL),
    daformer=dict(type='DAFormerHead', embed_channels=4, dilations=(1, 2), **ALL),
    fpn=dict(type='FPNHead', feature_strides=[4, 8, 8, 8], **ALL),
    nonlocal_=dict(type='NLHead', **ONE),
)


@pytest.mark.sampled
@pytest.mark.parametrize('name', HEADS)
def test_as_the_net_itself(name, segmentor, build):
    segmentor.update(
        auxiliary_head=None,
        decode_head=dict(
            HEADS[name],
            num_classes=4,
            dropout_ratio=0.5,
            **({} if name == 'deeplabv2' else dict(norm_cfg=NORM)),
        ),
    )
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


@pytest.mark.parametrize('net', ['PerFrame', 'Accel', 'feature', 'DFF', 'segmenter'])
def test_what_is_classified_comes_with_the_scores(net, segmentor, other, build):
    """The features, and their gradient, as of a pass of their own that is not made."""
    head = dict(HEADS['segformer'], num_classes=4, norm_cfg=NORM, dropout_ratio=0.5)
    kind, options = net, {}
    if net == 'feature':
        kind, options = 'Accel', dict(fusion='feature')
    segmentor['decode_head'] = head
    if net == 'segmenter':  # without a classifier of a feature map
        kind, segmentor = 'PerFrame', other('segmenter')
    student = build(dict(type=kind, segmentor=segmentor, allow_random_init=True, **options))
    frames, flow = torch.randn(2, 2, 3, 32, 48), torch.randn(2, 1, 2, 32, 48)
    split = student.train().segmentor
    state = copy.deepcopy(student.state_dict())
    alone = student.features(frames[:, -1])
    weights = torch.randn_like(alone)
    parameters = [*split.backbone.parameters()]
    expected = torch.autograd.grad((alone * weights).sum(), parameters)
    student.load_state_dict(state)
    own = vars(split.decode_head).get('cls_seg')
    passes = []
    split.decode_head.register_forward_hook(lambda *args: passes.append(None))
    scores = student.head_scores(
        frames, flow, parts=('fused', 'current', 'features'), detached=('current',)
    )
    # The key frame of Accel's scores; where features are joined, no head is run as a whole.
    assert len(passes) == dict(Accel=2, feature=0).get(net, 1)
    assert vars(split.decode_head).get('cls_seg') is own
    features = scores['decode'].features
    torch.testing.assert_close(features, alone)
    gradients = torch.autograd.grad((features * weights).sum(), parameters)
    torch.testing.assert_close(gradients, expected)
    assert not scores['decode'].current.requires_grad
    assert all(maps.features is None for name, maps in scores.items() if name != 'decode')
    plain = student.head_scores(frames, flow, parts=('fused', 'current'))
    assert all(maps.features is None for maps in plain.values())


OTHERS = dict(
    danet=dict(type='DAHead', pam_channels=4, **ONE),  # three results
    encnet=dict(type='EncHead', num_codes=2, **ALL),  # two
    segmenter=dict(
        type='SegmenterMaskTransformerHead',
        in_channels=64,
        in_index=3,
        channels=8,
        embed_dims=8,
        num_heads=2,
        num_layers=1,
    ),
    knet=dict(
        type='IterativeDecodeHead',
        num_stages=1,
        kernel_generate_head=dict(type='FCNHead', num_convs=1, num_classes=4, norm_cfg=NORM, **ONE),
        kernel_update_head=[
            dict(
                type='KernelUpdateHead',
                num_classes=4,
                num_heads=2,
                num_mask_fcs=1,
                in_channels=8,
                out_channels=8,
                feedforward_channels=8,
                kernel_updator_cfg=dict(
                    type='KernelUpdator', in_channels=8, feat_channels=8, out_channels=8
                ),
            )
        ],
    ),
    ocrnet=[dict(type='FCNHead', num_convs=1, **ONE), dict(type='OCRHead', ocr_channels=4, **ONE)],
)


@pytest.fixture
def other(segmentor):
    """Config of a segmentor with a head of OTHERS."""

    def make(name):
        heads = OTHERS[name]
        if isinstance(heads, list):
            segmentor.update(type='CascadeEncoderDecoder', num_stages=len(heads))
            heads = [dict(head, num_classes=4, norm_cfg=NORM) for head in heads]
        elif name == 'segmenter':
            heads = dict(heads, num_classes=4)
        elif name != 'knet':
            heads = dict(heads, num_classes=4, norm_cfg=NORM)
        return dict(segmentor, auxiliary_head=None, decode_head=heads, test_cfg=dict(mode='whole'))

    return make


@pytest.mark.sampled
@pytest.mark.parametrize('name', OTHERS)
def test_other_heads(name, other, build):
    segmentor = other(name)
    plain = build(segmentor).eval()
    net = build(dict(type='PerFrame', segmentor=segmentor, allow_random_init=True)).eval()
    net.segmentor.load_state_dict(plain.state_dict())  # the same names, all of them
    frames = torch.randn(2, 1, 3, 32, 48)
    copied = copy.deepcopy(net)
    with torch.no_grad():
        expected = plain.encode_decode(frames[:, 0], [dict(img_shape=(32, 48))])
        assert torch.equal(resize(net(frames), (32, 48), mode='bilinear'), expected)
        assert torch.equal(net.step(frames[:, 0])[0], net(frames))
        for parameter in net.parameters():
            parameter.zero_()
        assert torch.equal(resize(copied(frames), (32, 48), mode='bilinear'), expected)
    features = copied.train().features(frames[:, 0])
    assert features.shape[1] == copied.feature_channels
    copied.classify(features).sum().backward()
    assert copied.segmentor.backbone.conv1.weight.grad is not None
    copied.freeze_classifier()


@pytest.mark.parametrize('name', ['danet', 'encnet'])
def test_video_nets_need_a_plain_head(name, other, build):
    net = build(dict(type='DFF', segmentor=other(name), allow_random_init=True))
    with pytest.raises(TypeError, match='Head does not end in its classifier'):
        net.features(torch.randn(1, 3, 32, 48))


@pytest.mark.parametrize('name', ['segmenter', 'knet', 'ocrnet'])
def test_video_nets_refuse_others(name, other, build):
    with pytest.raises(TypeError, match='does not end in its classifier'):
        build(dict(type='DFF', segmentor=other(name), allow_random_init=True))


def test_losses_for_each_head_need_plain_ones(other, build):
    net = build(dict(type='PerFrame', segmentor=other('ocrnet'), allow_random_init=True))
    with pytest.raises(TypeError, match='Cascade.*AdaBN, SelfTraining and STPL do not'):
        net.head_scores(torch.randn(1, 1, 3, 32, 48))


@pytest.mark.parametrize('name', ['danet', 'encnet', 'knet'])
def test_losses_for_each_head_need_heads_with_one_result(name, other, build):
    net = build(dict(type='PerFrame', segmentor=other(name), allow_random_init=True))
    for parts in (('fused', 'losses'), ('key',)):
        with pytest.raises(TypeError, match='Head: .*one map.*AdaBN, SelfTraining and STPL do not'):
            net.head_scores(torch.randn(2, 1, 3, 32, 48), parts=parts)


@pytest.mark.parametrize('name', ['deeplabv3plus', 'segformer'])
def test_auxiliary_heads_carry_what_their_classifiers_see(name, segmentor, build):
    segmentor['auxiliary_head'] = dict(HEADS[name], num_classes=4, norm_cfg=NORM)
    net = build(dict(type='DFF', segmentor=segmentor, allow_random_init=True)).eval()
    frames, still = torch.randn(1, 2, 3, 32, 48), torch.zeros(1, 1, 2, 32, 48)
    with torch.no_grad():
        scores = net.head_scores(frames, still)['aux']
    torch.testing.assert_close(scores.fused, scores.key)


def test_auxiliary_heads_that_carry_nothing(segmentor, other, build):
    segmentor['auxiliary_head'] = other('segmenter')['decode_head']
    with pytest.raises(TypeError, match='DFF: auxiliary_head: Segmenter.*not end in its classifi'):
        build(dict(type='DFF', segmentor=segmentor, allow_random_init=True))
    build(dict(type='DFF', segmentor=segmentor, allow_random_init=True, stage=2))


@pytest.mark.parametrize('threshold', [0.3, 0.7])
def test_one_channel_for_two_classes(threshold, segmentor, build):
    segmentor.update(
        auxiliary_head=None,
        decode_head=dict(
            HEADS['fcn'],
            num_classes=2,
            out_channels=1,
            threshold=threshold,
            norm_cfg=NORM,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
    )
    net = build(dict(type='PerFrame', segmentor=segmentor, allow_random_init=True)).eval()
    frames = torch.randn(2, 1, 3, 32, 48)
    with torch.no_grad():
        # Half of the pixels are on either side of the threshold.
        scores = net.segmentor._forward(frames[:, 0]).flatten().sort().values
        middle = scores[len(scores) // 2 - 1 : len(scores) // 2 + 1].mean()
        net.segmentor.decode_head.conv_seg.bias += torch.tensor(threshold).logit() - middle
        one = net.segmentor._forward(frames[:, 0])
        two = net(frames)
    assert one.shape[1] == 1 and two.shape[1] == net.num_classes == 2
    expected = (one[:, 0].sigmoid() > threshold).long()
    assert torch.equal(two.argmax(1), expected) and 0 < expected.float().mean() < 1
    with pytest.raises(TypeError, match='PerFrame'):
        build(dict(type='DFF', segmentor=segmentor, allow_random_init=True))
