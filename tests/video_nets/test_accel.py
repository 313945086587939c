"""Accel against the published fusion (golden arrays) and in its forms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.ops import carry_by_truncation
from mmdavss.video_nets import Accel, PerFrame
from tests.published import scaled_by_height

GOLDEN = Path(__file__).parents[1] / 'data/golden/accel_fusion.npz'


def clip(length=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, length, 3, 32, 48, generator=generator),
        3 * torch.randn(2, length - 1, 2, 32, 48, generator=generator),
    )


@pytest.mark.parametrize(
    'peer, options',
    [
        ('tps', dict(padding_mode='border')),
        ('davsn', dict(propagation='splat')),
    ],
)
def test_fusion_equals_published(accel, build, peer, options):
    """Score fusion of TPS and DA-VSN; their flow lies on the current frame's grid."""
    data = {k: torch.tensor(v) for k, v in np.load(GOLDEN).items()}
    for head in ('decode_head', 'auxiliary_head'):
        accel['segmentor'][head]['num_classes'] = data['score_cf'].shape[1]
    net = build(dict(accel, **options))
    flow = scaled_by_height(data['flow_full_res'], data['score_cf'].shape[-2:])
    torch.testing.assert_close(
        net.fusion.weight.detach(), data['sf_weight_initial'], rtol=0, atol=0
    )
    fused = net._fuse(data['score_cf'], data['score_kf'], flow)
    torch.testing.assert_close(fused, data[f'{peer}_fused_initial'], rtol=0, atol=1e-5)
    net.fusion.weight.data.copy_(data['sf_weight'])
    for aux in ('', '_aux'):
        fused = net._fuse(data[f'score_cf{aux}'], data[f'score_kf{aux}'], flow)
        torch.testing.assert_close(fused, data[f'{peer}_fused{aux}'], rtol=0, atol=1e-5)


UNIFIED = Path(__file__).parents[1] / 'data/golden/unifiedvda_accel_fusion.npz'


@pytest.mark.parametrize('weights', ['initial', 'random'])
@pytest.mark.parametrize('maps', ['fused', 'context', 'detail'])
def test_fusion_of_unified_video_da(accel, build, maps, weights):
    """Scores at the flow's size, carried by truncation.

    Where nothing is carried the release fuses the number 255 in every channel, and we 0.
    """
    data = {k: torch.tensor(v) for k, v in np.load(UNIFIED).items()}
    net = build(dict(accel, propagation='truncate'))
    net.segmentor.align_corners = False
    net.fusion.weight.data = data[f'fusion_weight_{weights}']
    flow, previous = data['flow'], data[f'previous_{maps}']
    fused = net._fuse(data[f'current_{maps}'], previous, flow)
    _, valid = carry_by_truncation(
        previous.new_zeros(len(flow), 1, *flow.shape[-2:]), flow, int(0.7 * flow.shape[-2])
    )
    assert valid.any() and not valid.all()
    nothing = 255 * net.fusion.weight[:, previous.shape[1] :].sum(1).view(1, -1, 1, 1)
    expected = torch.where(valid[:, None], fused, fused + nothing)
    torch.testing.assert_close(expected, data[f'{weights}_{maps}'], rtol=0, atol=1e-4)


def test_carries_by_truncation_above_a_row_and_trains(accel, build):
    """The own car does not move; what is carried gets a gradient where the key frame has one."""
    net = build(dict(accel, propagation='truncate', carry_rows=0.5, key_grad=True))
    maps = torch.randn(1, net.num_classes, 4, 6, requires_grad=True)
    flow = torch.zeros(1, 2, 32, 48)
    flow[:, 1] = -1.0
    carried = net.carry(
        torch.nn.functional.interpolate(maps, (32, 48), mode='bilinear', align_corners=False), flow
    )
    assert carried[:, :, 0].eq(0).all() and carried[:, :, 17:].eq(0).all()
    assert carried[:, :, 1:16].ne(0).all()
    carried.sum().backward()
    assert maps.grad.ne(0).any()


def test_starts_as_the_single_frame_net(accel, per_frame, build):
    net, single = build(accel).eval(), build(per_frame).eval()
    single.load_state_dict(net.state_dict(), strict=False)
    frames, flow = clip()
    torch.testing.assert_close(net(frames, flow), single(frames))


@pytest.mark.parametrize('separate', [False, True])
@pytest.mark.parametrize('fusion', ['score', 'feature'])
def test_given_features_change_nothing(accel, segmentor, build, fusion, separate):
    net = build(
        dict(
            accel,
            fusion=fusion,
            fusion_init='xavier',
            reference_segmentor=segmentor if separate else None,
        )
    ).eval()
    frames, flow = clip()
    features = net.features(frames.flatten(0, 1)).unflatten(0, (2, 2))
    assert features.shape[2] == net.feature_channels
    torch.testing.assert_close(net(frames, flow, features), net(frames, flow))


def test_uses_the_key_frame_and_chains_flow(accel, build):
    """Shifts of whole cells: the key frame's scores arrive where two flows of 8 pixels put them."""
    net = build(accel).eval()
    k = net.num_classes
    with torch.no_grad():  # the fusion hands on the key frame alone
        net.fusion.weight.zero_()
        net.fusion.weight[:, k:, 0, 0] = torch.eye(k)
    frames, _ = clip(length=3)
    flow = torch.zeros(2, 2, 2, 32, 48)
    flow[:, :, 0] = 8.0  # what is at x now was at x + 8 in each frame before
    key = net.classify(net.features(frames[:, 0]))
    out = net(frames, flow)
    torch.testing.assert_close(out[..., :-2], key[..., 2:], rtol=1e-4, atol=1e-5)
    # Outside the key frame: left to the current one. A position that is rounded to just inside, as
    # it may be where products and sums are fused, has a share of the size of that rounding.
    torch.testing.assert_close(out[..., -2:], torch.zeros_like(out[..., -2:]), rtol=0, atol=1e-5)


@pytest.mark.parametrize('key_grad', [False, True])
def test_gradient_of_the_reference_branch(accel, segmentor, build, batch, key_grad):
    net = build(dict(accel, reference_segmentor=segmentor, fusion_init='xavier', key_grad=key_grad))
    frames, flow = clip()
    losses = net.loss(frames, flow, batch()['data_samples'])
    sum(v for n, v in losses.items() if 'loss' in n).backward()
    assert set(losses) == {'decode.loss_ce', 'decode.acc_seg', 'aux.loss_ce', 'aux.acc_seg'}
    got = {n for n, p in net.named_parameters() if p.grad is not None}
    reference = {n for n, _ in net.named_parameters() if n.startswith('reference_segmentor')}
    assert (reference & got == reference) if key_grad else not reference & got
    assert got - reference == {n for n, _ in net.named_parameters()} - reference


def test_loss_is_mmsegs_for_the_identity(accel, per_frame, build, batch):
    """With the identity fusion the losses are those of the plain segmentor."""
    net, single = build(accel).eval(), build(per_frame).eval()
    single.load_state_dict(net.state_dict(), strict=False)
    frames, flow = clip()
    samples = batch()['data_samples']
    for name, value in single.segmentor.loss(frames[:, -1], samples).items():
        torch.testing.assert_close(net.loss(frames, flow, samples)[name], value)


def test_freeze_classifier(accel, build):
    net = build(accel)
    net.freeze_classifier()
    trained = {n.split('.')[1] for n, p in net.named_parameters() if p.requires_grad}
    assert trained == {'backbone'}


@pytest.mark.parametrize('option', ['fusion', 'fusion_init', 'propagation'])
def test_errors(accel, build, option):
    with pytest.raises(ValueError, match=f'{option}='):
        build(dict(accel, **{option: 'other'}))
    frames, _ = clip()
    with pytest.raises(ValueError, match='without flow'):
        build(accel)(frames)


@pytest.mark.parametrize(
    'options',
    [
        dict(carry_rows=840, propagation='truncate'),
        dict(carry_rows=-0.1, propagation='truncate'),
        dict(enlarge=2, propagation='truncate'),
        dict(padding_mode='border', propagation='truncate'),
        dict(padding_mode='border', propagation='splat'),
    ],
    ids=str,
)
def test_options_that_would_have_no_effect_or_another_one(accel, build, options):
    with pytest.raises(ValueError, match=f'^Accel: {next(iter(options))}'):
        build(dict(accel, **options))


def test_names():
    assert Accel.needs_flow and not PerFrame.needs_flow


@pytest.mark.parametrize(
    'peer, options', [('tps', dict(padding_mode='border')), ('davsn', dict(propagation='splat'))]
)
def test_auxiliary_scores_are_fused_as_published(accel, build, peer, options):
    """With the same fusion as the main ones."""
    data = {k: torch.tensor(v) for k, v in np.load(GOLDEN).items()}
    net = build(dict(accel, **options))
    net.fusion.weight.data = data['sf_weight']
    heads = [lambda x: x[0]] * 2  # what a classifier gives is given here
    flow = scaled_by_height(data['flow_full_res'], data['score_cf_aux'].shape[-2:])
    scores = net._head_scores(*heads, [data['score_cf_aux']], [data['score_kf_aux']], flow)
    torch.testing.assert_close(scores.fused, data[f'{peer}_fused_aux'], rtol=0, atol=1e-5)
    assert torch.equal(scores.current, data['score_cf_aux'])
    assert torch.equal(scores.key, data['score_kf_aux'])


@pytest.mark.parametrize('options', [dict(), dict(fusion='feature'), None], ids=str)
def test_head_scores(accel, per_frame, build, options):
    """The net's own prediction, and what each classifier says of single frames."""
    net = build(per_frame if options is None else dict(accel, **options)).eval()
    for head in net.heads.values():
        for branch in head.conv_seg.branches:
            torch.nn.init.normal_(branch.weight, std=0.1)
    if options is not None:
        torch.nn.init.normal_(net.fusion.weight)
    frames, flow = clip()
    scores = net(frames, flow, heads=True)
    assert set(scores) == {'decode', 'aux'}
    torch.testing.assert_close(scores['decode'].fused, net(frames, flow))
    for index, kind in ((1, 'current'), (0, 'key')):
        stages = net.levels(frames[:, index])
        for name, head in (
            ('decode', net.segmentor.decode_head),
            ('aux', net.segmentor.auxiliary_head),
        ):
            torch.testing.assert_close(getattr(scores[name], kind), head(stages))
    assert scores['decode'].current.requires_grad and not scores['decode'].key.requires_grad


@pytest.mark.parametrize('options', [{}, dict(propagation='truncate'), dict(key_grad=True)])
def test_pasted_scores_where_nothing_is_pasted(accel, build, options):
    """The decode head's scores and gradients are those of all heads."""
    frames, flow = clip(3)
    net = build(dict(accel, **options)).eval()
    found = []
    for scores in (
        net.pasted_scores(frames, flow),
        net.head_scores(frames, flow, parts=('fused',))['decode'].fused,
    ):
        net.zero_grad()
        scores.square().mean().backward()
        found.append((scores, {n: p.grad for n, p in net.named_parameters() if p.grad is not None}))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize('stage', [None, 2])
def test_joined_features_train_no_classifier_of_the_reference(
    accel, segmentor, build, batch, stage
):
    """It has no loss: what requires a gradient gets one."""
    options = dict(fusion='feature', fusion_init='xavier', key_grad=True, stage=stage)
    net = build(dict(accel, reference_segmentor=segmentor, **options))
    losses = net.loss(*clip(), batch()['data_samples'])
    sum(v for n, v in losses.items() if 'loss' in n).backward()
    trained = {n for n, p in net.named_parameters() if p.requires_grad}
    assert trained == {n for n, p in net.named_parameters() if p.grad is not None}
    assert any(n.startswith('reference_segmentor.backbone') for n in trained) == (stage is None)
    first = build(dict(accel, reference_segmentor=segmentor, **dict(options, stage=1)))
    assert all(p.requires_grad for p in first.reference_segmentor.parameters())


def test_key_scores_come_from_trained_classifiers(accel, segmentor, build):
    """Where features are joined, those of the update branch."""
    options = dict(reference_segmentor=segmentor, fusion='feature', fusion_init='xavier')
    net = build(dict(accel, **options)).eval()
    for parameter in net.reference_segmentor.parameters():
        torch.nn.init.normal_(parameter)
    frames, flow = clip()
    levels = net.levels(frames[:, 0])
    for scores in (net.head_scores(frames, flow), net.head_scores(frames, flow, parts=('key',))):
        for name, head in net.heads.items():
            torch.testing.assert_close(scores[name].key, head(levels))
    torch.testing.assert_close(net.head_scores(frames, flow)['decode'].fused, net(frames, flow))


def narrower(head):
    return dict(head, type='FCNHead', channels=8, num_convs=1, concat_input=False)


@pytest.mark.parametrize(
    'change, options, words',
    [
        (dict(num_classes=3), dict(), 'num_classes: 4 of segmentor, 3 of reference_segmentor'),
        (None, dict(), "'aux': 4} of segmentor, .*'aux': None} of reference_segmentor"),
        (narrower, dict(fusion='feature'), 'features: 64 of segmentor, 8 of reference_segmentor'),
    ],
)
def test_networks_that_do_not_fit(accel, segmentor, build, change, options, words):
    other = dict(segmentor)
    if change is None:
        del other['auxiliary_head']
    elif callable(change):
        own = {k: v for k, v in segmentor['decode_head'].items() if k != 'dilations'}
        other['decode_head'] = change(own)
    else:
        other['decode_head'] = dict(segmentor['decode_head'], **change)
    with pytest.raises(ValueError, match=f'^Accel: .*{words}'):
        build(dict(accel, reference_segmentor=other, **options))


def test_joined_features_need_no_auxiliary_head_of_the_reference(accel, segmentor, build, batch):
    other = {name: part for name, part in segmentor.items() if name != 'auxiliary_head'}
    net = build(dict(accel, reference_segmentor=other, fusion='feature', key_grad=True))
    assert 'aux.loss_ce' in net.loss(*clip(), batch()['data_samples'])
