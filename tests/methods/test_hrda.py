"""Every method of the table on HRDA."""

import pytest
import torch
from mmengine.registry import init_default_scope

from mmdavss.modules import frozen_forward
from mmdavss.testing import build_method, build_optimisers, small_net
from mmdavss.testing.method_tests import gradients_of_step
from mmdavss.testing.methods import SIZE, Training, part_of, training_batch
from tests.methods.table import CASES, HRDA

NETS = dict(
    PerFrame=dict(type='PerFrame', segmentor=HRDA),
    Accel=dict(type='Accel', segmentor=HRDA, propagation='truncate'),
)
ROWS = [(name, net) for name, case in CASES.items() if case.student is not None for net in NETS]
#: What they say, of a network or of an option that does not go with it.
REFUSALS = {
    ('quadmix', net): (TypeError, 'QuadMix .* without flow_net, stage and HRDA') for net in NETS
} | {
    (name, net): (TypeError, 'CMOM: .* HRDA .* alignment=None')
    for name in ('cmom', 'cmom_released')
    for net in NETS
}
REFUSALS |= {
    (name, 'Accel'): (ValueError, 'I2VDA: .* cannot be Accel') for name in ('i2vda', 'i2vda_masked')
}
REFUSALS |= {
    ('ur', net): (ValueError, f'UR: {net} does not predict from the features .* without an HRDA')
    for net in NETS
}
#: Options without which a row trains on it.
OPTIONS = {'rda_released': dict(rescale=None)}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.mark.parametrize(('name', 'net'), ROWS)
def test_trains_or_says_why_not(name, net):
    """Each trainable part gets a gradient; only labelled clips train the detail by itself."""
    case = CASES[name]
    options = dict(OPTIONS.get(name, {}), student=small_net(NETS[net]))
    if (name, net) in REFUSALS:
        kind, words = REFUSALS[name, net]
        with pytest.raises(kind, match=words) as told:
            build_method(case, **options)
        assert '\n' not in str(told.value)
        return
    model = build_method(case, **options)
    required = {n for n, p in model.named_parameters() if p.requires_grad}
    wrapper = build_optimisers(model)
    reached = gradients_of_step(model, wrapper)
    log = Training(case, model, wrapper)(training_batch(case))
    assert {part_of(n) for n in required - reached.keys()} <= set(case.idle)
    assert all(value.isfinite().all() for value in log.values())
    of_detail = {n for n in log if 'detail' in n}
    assert of_detail <= {f'{p}detail.{n}' for p in ('', 'source.') for n in ('loss_ce', 'acc_seg')}
    assert 'source' in case.labelled or not of_detail


@pytest.mark.parametrize('net', NETS)
def test_maps_that_only_supervised_losses_need(net):
    model = build_method(CASES['tps'], student=small_net(NETS[net]))
    clip = model.data_preprocessor(training_batch(CASES['tps']), True)['inputs']['target']
    for parts, names in (
        (('fused', 'losses'), {'decode', 'detail'}),
        (('fused',), {'decode'}),
        (('current', 'key'), {'decode'}),
    ):
        assert model.student.head_scores(clip.frames, clip.flow, parts=parts).keys() == names


@pytest.mark.parametrize('training', [True, False])
def test_key_scores_are_of_the_network_that_sees_the_key_frame(training):
    """Of two networks, whatever else is asked for: the same scores, without gradient."""
    model = build_method(
        CASES['davsn'], student=small_net(dict(NETS['Accel'], reference_segmentor=HRDA))
    )
    net = model.net.train(training)
    clip = model.data_preprocessor(training_batch(CASES['davsn']), True)['inputs']['target']
    keys = []
    for parts in (('fused', 'key'), ('current', 'key'), ('key',)):
        torch.manual_seed(0)
        # Boxes are drawn for the current frame first.
        with torch.random.fork_rng():
            if parts == ('key',):
                net.head_scores(clip.frames, clip.flow, parts=('current',))
            found = net.head_scores(clip.frames, clip.flow, parts=parts)
        assert found.keys() == {'decode'}
        assert (found['decode'].current is None) == (parts == ('key',))
        assert not found['decode'].key.requires_grad
        keys.append(found['decode'].key)
    assert torch.equal(keys[0], keys[1]) and torch.equal(keys[0], keys[2])
    own = net.segmentor.scales(net.levels(clip.frames[:, 0]), clip.frames[:, 0]).fused
    assert not torch.allclose(keys[0], own)


def test_labels_of_a_prediction():
    """Scores of training see one detail: self-training labels by those of a prediction."""
    case = CASES['self_training']
    model = build_method(case, student=small_net(NETS['PerFrame']), norm_eval=True)
    assert not model.net.trains_as_it_predicts() and model.net.eval().trains_as_it_predicts()
    model.train()
    seen = []
    model.watch = lambda name, maps: seen.append(maps)
    batch = model.data_preprocessor(training_batch(case), True)
    model.loss(**batch)
    clip = batch['inputs']['target']
    assert torch.equal(seen[-1], frozen_forward(model.student, clip.frames, None))


def test_single_frames_of_sfc_are_joined_scores():
    """L_flow is of what is predicted, not of the context alone."""
    model = build_method(CASES['sfc'], student=small_net(NETS['PerFrame'])).eval()
    clip = model.data_preprocessor(training_batch(CASES['sfc']), True)['inputs']['target']
    ((scores,),) = model.score_groups((clip.frames, None))
    torch.testing.assert_close(scores['decode'], model.net.scores(clip.frames))


@pytest.mark.parametrize('key_grad', [False, True])
def test_a_frame_alone_is_its_own_key_frame(key_grad):
    """By one pass over context and details, unless a box is drawn for it in training."""
    case = CASES['mic_accel_hrda']
    net = build_method(case, student=small_net(dict(NETS['Accel'], key_grad=key_grad))).net.eval()
    frames = torch.randn(2, 1, 3, *SIZE)
    passes = []
    net.segmentor.backbone.register_forward_hook(lambda *_: passes.append(1))
    scores = net.head_scores(frames)['decode']
    assert len(passes) == 2
    own = net.segmentor.scales(net.levels(frames[:, 0]), frames[:, 0]).fused
    assert torch.equal(scores.current, own)
    assert torch.equal(scores.key, own) and not scores.key.requires_grad
    key = own if key_grad else own.detach()
    expected = net.fusion(torch.cat([own, key], dim=1))
    assert torch.equal(scores.fused, expected) and torch.equal(net(frames), expected)
    weights = torch.randn_like(expected)
    ours, theirs = (
        torch.autograd.grad((maps * weights).sum(), net.segmentor.backbone.conv1.weight)[0]
        for maps in (scores.fused, expected)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    passes.clear()
    net.train()(frames)
    assert len(passes) == 4


@pytest.mark.parametrize('name', ['vst', 'stpl', 'stpl_anchor'])
def test_no_features_of_which_no_scores_come(name):
    """Frames go through the backbone as often as calls with the frames alone take."""
    case = CASES[name]
    model = build_method(case, student=small_net(NETS['Accel']), norm_eval=False)
    clip = model.data_preprocessor(training_batch(case), True)['inputs']['target']
    net = model.net if getattr(model, 'anchor', None) is None else model.anchor
    calls = []
    net.segmentor.backbone.register_forward_hook(lambda *_: calls.append(1))
    if name == 'vst':
        model.scores(clip)
        made = len(calls)
        for t in range(2):
            net(clip.frames[:, : t + 1], clip.flow if t else None)
    else:
        z = model._features(clip.frames)
        calls.clear()
        model._label(clip, clip.flow, z)
        made = len(calls)
        frozen_forward(net, clip.frames, clip.flow)
    assert made == len(calls) - made
