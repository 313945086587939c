"""Methods on every video net that they can adapt."""

import copy

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.testing import (
    PREPROCESSOR,
    build_method,
    build_optimisers,
    small_net,
    train,
)
from mmdavss.testing.methods import training_batch
from mmdavss.video_nets.base import HEAD_PARTS, SINGLE_FRAMES
from tests.methods.table import CASES

pytestmark = pytest.mark.sampled

FLOW_NET = dict(type='FlowNetS', base_channels=4)
NETS = {
    'accel': dict(type='Accel', fusion_init='xavier'),
    'accel_sfc': dict(
        type='Accel',
        flow_net=FLOW_NET,
        fusion_init='xavier',
        fusion_bias=True,
        enlarge=2,
        padding_mode='border',
        key_grad=True,
        reference_segmentor=...,
    ),
    'dff': dict(type='DFF', flow_net=FLOW_NET, padding_mode='border'),
    'dff_given_flow': dict(type='DFF'),
    'distortion_aware': dict(type='DistortionAwareVSS', flow_net=FLOW_NET, padding_mode='border'),
    'per_frame': dict(type='PerFrame'),
}
OWN_FLOW = ('accel_sfc', 'dff', 'distortion_aware')
SINGLE_FRAME = {'segmentor.backbone', 'segmentor.decode_head', 'segmentor.auxiliary_head'}
#: What is trained by a loss of the prediction.
ALL = {
    'accel': SINGLE_FRAME | {'fusion'},
    'accel_sfc': SINGLE_FRAME
    | {f'reference_{part}' for part in SINGLE_FRAME}
    | {'fusion', 'flow_net'},
    'dff': SINGLE_FRAME | {'flow_net'},
    'dff_given_flow': SINGLE_FRAME,
    'distortion_aware': SINGLE_FRAME | {'flow_net', 'distortion', 'correction'},
    'per_frame': SINGLE_FRAME,
}
DISCRIMINATOR = dict(type='SpatioTemporalDiscriminator', channels=4)
STPL = dict(CASES['stpl'].model)


@pytest.fixture
def method(segmentor):

    def make(net, **kwargs):
        torch.manual_seed(0)
        student = dict(NETS[net], segmentor=segmentor, allow_random_init=True)
        if 'reference_segmentor' in student:
            student['reference_segmentor'] = segmentor
        model = MODELS.build(
            dict(kwargs, student=copy.deepcopy(student), data_preprocessor=PREPROCESSOR)
        )
        model.init_weights()
        # ResNets start with zeroed residual branches, classifiers with scores of next to nothing.
        for module in model.student.modules():
            if isinstance(module, _BatchNorm):
                nn.init.constant_(module.weight, 1.0)
        for parts in model.student.segmentors:
            for head in (parts.decode_head, parts.auxiliary_head):
                for branch in head.conv_seg.branches:
                    nn.init.normal_(branch.weight, std=0.1)
        return model.train()

    return make


def pairs(batch, *branches, length=3):
    target = batch('target', length=length, seed=50, label=False)
    if 'source' not in branches:
        return target
    source = batch('source', size=(40, 56), augmented=False)
    return {key: source[key] | target[key] for key in ('inputs', 'data_samples')}


def train_step(model, data):
    """What is logged, and which parts of the student change."""
    before = {name: value.clone() for name, value in model.student.named_parameters()}
    wrapper = build_optimisers(model, lr=100.0)
    log = model.train_step(data, wrapper)
    assert all(torch.isfinite(value).all() for value in log.values())
    after = dict(model.student.named_parameters())
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    return log, {
        '.'.join(name.split('.')[:2]) if 'segmentor' in name else name.split('.')[0]
        for name in changed
    }


@pytest.mark.parametrize('net', NETS)
def test_davsn(method, batch, net):
    log, changed = train_step(
        method(net, type='DAVSN', discriminator=DISCRIMINATOR), pairs(batch, 'source', length=2)
    )
    assert changed == ALL[net]
    names = {
        'source.decode.loss_ce',
        'source.aux.loss_ce',
        'decode.loss_itcr',
        'aux.loss_itcr',
        'loss_adversarial',
        'discriminator.loss_source',
        'discriminator.loss_target',
        'discriminator.loss_likeness',
    }
    # The net's own loss belongs to its supervision.
    own = {'source.loss_distortion'} if net == 'distortion_aware' else set()
    assert {name for name in log if 'loss_' in name} == names | own

    log, changed = train_step(method(net, type='DAVSN'), pairs(batch, length=2))
    assert {name for name in log if 'loss_' in name} == {'decode.loss_itcr', 'aux.loss_itcr'}
    assert changed == SINGLE_FRAME


@pytest.mark.parametrize('net', NETS)
def test_tps(method, batch, net):
    for branches, options in (
        (('source', 'target'), dict(rescale=(0.8, 0.9), mirror_prob=1.0)),
        (('target',), {}),
    ):
        log, changed = train_step(method(net, type='TPS', **options), pairs(batch, *branches))
        assert changed == ALL[net]
        assert log['decode.loss_tps'] > 0 and log['aux.loss_tps'] > 0
        assert ('source.decode.loss_ce' in log) == ('source' in branches)
        assert ('source.loss_distortion' in log) == (
            'source' in branches and net == 'distortion_aware'
        )


@pytest.mark.parametrize('net', NETS)
def test_stpl(method, batch, net):
    model = method(net, **STPL)
    data = pairs(batch, length=2)
    frames = model.data_preprocessor(copy.deepcopy(data))['inputs']['target'].frames
    for segmentor in model.student.segmentors:  # let all classes occur
        head = segmentor.decode_head
        with torch.no_grad():
            scores = head(segmentor.eval().extract_feat(frames.flatten(0, 1)))
            head.conv_seg.branches[0].bias -= scores.mean((0, 2, 3))
    log, changed = train_step(model.train(), data)
    assert log['loss_stpl'] > 0 and changed == {'segmentor.backbone'}


@pytest.mark.parametrize('net', NETS)
def test_adabn(method, batch, net):
    """All statistics that a prediction reads are those of the target, in both branches."""
    model = method(net, type='AdaBN')
    data = pairs(batch, length=2)
    frames = model.data_preprocessor(copy.deepcopy(data))['inputs']['target'].frames
    _, changed = train_step(model, data)
    assert not changed
    for segmentor in model.student.segmentors:
        x = segmentor.backbone.conv1(frames.flatten(0, 1))
        torch.testing.assert_close(
            segmentor.backbone.bn1.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6
        )
    assert all(norm.num_batches_tracked == 1 for norm in model.norms)


@pytest.mark.parametrize('net', OWN_FLOW)
@pytest.mark.parametrize(
    'kind, options',
    [
        ('DAVSN', dict(discriminator=DISCRIMINATOR)),
        ('TPS', {}),
        ('STPL', STPL),
        ('SelfTraining', {}),
    ],
)
def test_own_flow_in_training_as_in_testing(method, batch, net, kind, options):
    """A method may know the flow of the data: a net with a flow branch is not given it."""
    model = method(net, **dict(options, type=kind))
    given = []
    model.student.key_flow = lambda frames, flow, known=model.student.key_flow: (
        given.append(flow),
        known(frames, flow),
    )[1]
    branches = ('source',) if kind in ('DAVSN', 'TPS') else ()
    train_step(model, pairs(batch, *branches, length=3 if kind == 'TPS' else 2))
    clip = model.data_preprocessor(batch(augmented=False))['inputs']
    model.eval().encode_decode(clip)
    assert len(given) > 1 and all(flow is None for flow in given)


@pytest.mark.parametrize(
    'net, parts, passes',
    [
        # Key and current frame; and the current frame where something of it alone is wanted.
        ('accel', ('fused',), 2),
        ('accel', ('fused', 'current', 'key', 'losses'), 2),
        ('dff', ('fused',), 1),
        ('dff', ('fused', 'losses'), 1),
        ('dff', ('key',), 1),
        ('dff', ('current', 'key'), 2),
        ('dff', ('fused', 'current', 'key', 'losses'), 2),
        ('distortion_aware', ('fused',), 1),
        ('distortion_aware', ('fused', 'losses'), 2),
        ('per_frame', ('fused',), 1),
        ('per_frame', ('key',), 1),
        ('per_frame', ('fused', 'current', 'key', 'losses'), 2),
    ],
)
def test_head_scores_computes_what_is_asked(method, batch, net, parts, passes):
    """Passes through the backbone; what is asked for is what all parts have."""
    model = method(net, type='SourceOnly').eval()
    clip = model.data_preprocessor(batch(augmented=False))['inputs']
    student = model.student
    flow = model.clip_flow(clip)
    whole = student.head_scores(clip.frames, flow)
    seen = []
    student.segmentor.backbone.register_forward_hook(lambda *args: seen.append(None))
    scores = student.head_scores(clip.frames, flow, parts=parts)
    assert len(seen) == passes
    for name, score in scores.items():
        for part in set(parts) - {'losses'}:
            torch.testing.assert_close(getattr(score, part), getattr(whole[name], part))
        if 'losses' in parts:
            assert score.losses.keys() == whole[name].losses.keys()


@pytest.mark.parametrize('net', ['per_frame', 'accel', 'dff', 'distortion_aware'])
def test_head_scores_of_single_frames_of_some_classifiers(method, batch, net):
    model = method(net, type='SourceOnly').eval()
    clip = model.data_preprocessor(batch(augmented=False))['inputs']
    student, flow = model.student, model.clip_flow(clip)
    whole = student.head_scores(clip.frames, flow)
    seen = []
    student.segmentor.auxiliary_head.register_forward_hook(lambda *args: seen.append(None))
    for parts in (HEAD_PARTS, ('fused', 'losses', 'current'), SINGLE_FRAMES):
        scores = student.head_scores(clip.frames, flow, parts=parts, single=('decode',))
        for part in parts:
            torch.testing.assert_close(
                getattr(scores['decode'], part), getattr(whole['decode'], part)
            )
        if 'fused' in parts:
            torch.testing.assert_close(scores['aux'].fused, whole['aux'].fused)
    # What is fused takes those of the current frame, in Accel of the key frame too.
    assert len(seen) == dict(per_frame=2, accel=4).get(net, 0)


def test_features_of_the_key_frame_are_computed_once(method, batch):
    model = method('dff', type='SourceOnly').eval()
    clip = model.data_preprocessor(batch(augmented=False))['inputs']
    seen = []
    head = model.student.segmentor.decode_head
    feature = head._forward_feature
    head._forward_feature = lambda levels: seen.append(None) or feature(levels)
    model.student.head_scores(clip.frames, model.clip_flow(clip), parts=('fused', 'key'))
    assert len(seen) == 1


@pytest.mark.parametrize('net', ['dff', 'distortion_aware'])
@torch.no_grad()
def test_head_scores(method, batch, net):
    """The prediction; each classifier on single frames; and the losses, are the net's own."""
    model = method(net, type='SourceOnly').eval()
    data = model.data_preprocessor(batch(augmented=False))
    student, frames = model.student, data['inputs'].frames
    scores = student(frames, heads=True)
    torch.testing.assert_close(scores['decode'].fused, student(frames))
    for name, head in student.heads.items():
        torch.testing.assert_close(scores[name].current, head(student.levels(frames[:, 1])))
        torch.testing.assert_close(scores[name].key, head(student.levels(frames[:, 0])))
    carried = student.carry(student.levels(frames[:, 0])[2], student.key_flow(frames, None))
    torch.testing.assert_close(
        scores['aux'].fused, student.segmentor.auxiliary_head.cls_seg(carried)
    )
    losses = student.loss(frames, None, data['data_samples'])
    labels = torch.cat([sample.gt_sem_seg.data for sample in data['data_samples']])
    supervised = student.supervise(scores, labels)
    assert losses.keys() == supervised.keys()
    for name, value in losses.items():
        torch.testing.assert_close(supervised[name], value)


@pytest.mark.parametrize(
    'name', ['advent', 'minent', 'davsn', 'tps', 'cmom', 'pixmatch', 'hcl', 'sfc', 'daformer']
)
def test_a_list_of_auxiliary_heads(name, segmentor):
    """A list of one is that one, under mmseg's name."""
    case = CASES[name]
    results = []
    for listed in (False, True):
        head = segmentor['auxiliary_head']
        parts = dict(segmentor, auxiliary_head=[head] if listed else head)
        model = build_method(case, student=small_net(case.student, segmentor=parts))
        logs, state = train(case, model, [training_batch(case)])
        results.append((logs[0], state))
    (log, state), (own_log, own_state) = results
    renamed = {key.replace('aux_0', 'aux'): value for key, value in own_log.items()}
    torch.testing.assert_close(renamed, log, rtol=0, atol=0)
    state = {
        key.replace('auxiliary_head.', 'auxiliary_head.0.').replace('.aux.', '.aux_0.'): value
        for key, value in state.items()
    }
    torch.testing.assert_close(own_state, state, rtol=0, atol=0)


@pytest.mark.parametrize('net', ['Accel', 'DFF', 'PerFrame'])
def test_two_auxiliary_heads(net, segmentor, batch):
    heads = [dict(segmentor['auxiliary_head']) for _ in range(2)]
    parts = dict(segmentor, auxiliary_head=heads)
    model = build_method(CASES['source_only'], student=small_net(net, segmentor=parts))
    log = model.train_step(batch('source'), build_optimisers(model))
    assert {'decode.loss_ce', 'aux_0.loss_ce', 'aux_1.loss_ce'} < log.keys()
    heads[1]['num_classes'] = 3
    model = MODELS.build(small_net(net, segmentor=parts))
    with pytest.raises(TypeError, match=f'{net}: auxiliary_head: .* 3 channels for 4 classes: le'):
        model.head_scores(torch.randn(1, 1, 3, 32, 48))
