"""UR, HCL, TENT and LD: published numbers, with the losses of the shipped configs; errors."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from torch import nn

from mmdavss.engine import HistoryHook
from mmdavss.losses import NegativeLearning, historical_contrast, negative_learning_loss
from mmdavss.methods import AdaBN, BaseAdapter
from mmdavss.modules import RareClassWeights, norm_layers
from mmdavss.structures import Clip, DomainClips
from mmdavss.testing import build_method, small_net
from mmdavss.testing.methods import build_optimisers, training_batch
from mmdavss.video_nets import HeadScores
from tests.methods.table import CASES
from tests.shipped import shipped, shipped_config

GOLDEN = Path(__file__).parents[1] / 'data/golden'
UR = np.load(GOLDEN / 'rivals_ur_loss.npz')
HCL = np.load(GOLDEN / 'rivals_hcl_losses.npz')
TENT = np.load(GOLDEN / 'online_tent_step.npz')


def golden(file, key, dtype=torch.float64):
    return torch.from_numpy(file[key]).to(dtype)


def leaf(file, key):
    return golden(file, key).requires_grad_()


def close(value, file, key, rtol):
    """Compares with an array, up to a fraction of its largest value."""
    expected = golden(file, key)
    atol = rtol * expected.abs().max().item()
    torch.testing.assert_close(value.detach().double(), expected, rtol=rtol, atol=atol)


def target_of(labels):
    """Target clips of which the labels and the size matter."""
    frames = torch.zeros(len(labels), 1, 3, *labels.shape[-2:])
    return SimpleNamespace(clip=Clip(frames, frames, augmented=frames), labels=labels)


class Says(nn.Module):
    """Gives what the test says, whatever it is asked."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, *args):
        return self.output


#: Cases of methods that have no use for a source. Those of methods that have a form with it are
#: marked by their configs.
NEVER = {name for name, case in CASES.items() if tuple(case.domains) == ('target',)} - {
    'davsn_source_free',
    'minent_source_free',
    'tps_source_free',
}


@pytest.mark.parametrize('name', CASES)
def test_source_clips_are_an_error(name):
    """Of source-free methods, and of others that are told so."""
    case = CASES[name]
    model = build_method(case)
    if not isinstance(model, BaseAdapter):
        return  # pretraining of a part of a net, on the source
    assert model.source_free == (name in NEVER)
    data = model.data_preprocessor(training_batch(case, domains=('source', 'target')), True)
    if name in NEVER:
        with pytest.raises(ValueError, match='is source-free, and the batch has source clips'):
            model.domain_batch(**data)
        if not isinstance(model, AdaBN):
            with pytest.raises(ValueError, match='source=None'):
                model(**data, mode='loss')
    model.source_free = True
    only = {key: dict(target=own['target']) for key, own in data.items()}
    assert model.domain_batch(**only).target.clip is only['inputs']['target']
    with pytest.raises(ValueError, match='is source-free'):
        model.domain_batch(**data)


# --------------------------------------------------------------------------------------------- UR


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_ur_equals_its_release(source, monkeypatch):
    """The losses of the shipped configs, and their gradients for all decoders."""
    scores, auxiliary = leaf(UR, 'logits'), leaf(UR, 'aux_logits')
    model = shipped(f'ur/accel_{source}2city', scores.shape[1])
    assert len(model.decoders) == len(auxiliary)
    model.decoders = nn.ModuleList(map(Says, auxiliary))
    monkeypatch.setattr(
        model, 'scores_with_features', lambda clip: (scores, torch.ones(1, 1, 1, 1))
    )
    losses = model.target_loss(target_of(golden(UR, 'label', torch.long)))
    close(losses['loss_ce'], UR, 'ce', 1e-6)
    close(losses['loss_entropy'], UR, 'entropy', 1e-6)
    close(losses['loss_uncertainty'] / 0.1, UR, 'uncertainty', 1e-6)
    total = model.parse_losses(losses)[0]
    close(total, UR, 'total', 1e-6)
    total.backward()
    close(scores.grad, UR, 'total_grad_logits', 1e-6)
    close(auxiliary.grad, UR, 'total_grad_aux', 1e-6)


def clips_of(model, case, **changes):
    data = model.data_preprocessor(training_batch(case, **changes), True)
    return DomainClips(data['inputs']['target'], data['data_samples']['target'])


def test_ur_reads_the_pass_that_predicts():
    """The scores are the student's, the features those of its current frame, which get the
    gradient of the decoders; the frame before is not kept in memory."""
    model = build_method(CASES['ur'], norm_eval=True)
    clip = clips_of(model, CASES['ur']).clip
    flow = model.clip_flow(clip)
    scores, features = model.scores_with_features(clip)
    expected = F.interpolate(
        model.student(clip.frames, flow),
        clip.frames.shape[-2:],
        mode='bilinear',
        align_corners=True,
    )
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(features, model.student.features(clip.frames[:, -1]))
    (grad,) = torch.autograd.grad(features.sum(), model.student.segmentor.backbone.conv1.weight)
    assert grad.abs().max() > 0


@pytest.mark.parametrize('key_grad', [False, True])
def test_ur_has_the_gradient_of_its_student(key_grad):
    """The frame before gets one too if the student is to have it."""
    student = small_net(dict(type='Accel', key_grad=key_grad))
    model = build_method(CASES['ur'], norm_eval=True, student=student)
    clip = clips_of(model, CASES['ur']).clip
    weight = model.student.segmentor.backbone.conv1.weight
    own, expected = (
        torch.autograd.grad(F.interpolate(scores, (4, 6)).square().sum(), weight)[0]
        for scores in (
            model.scores_with_features(clip)[0],
            model.resized(model.student(clip.frames, clip.flow), clip.frames.shape[-2:]),
        )
    )
    torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)


def test_ur_drops_channels():
    """Half of the channels of each image, the others doubled, and others each time."""
    model = build_method(CASES['ur'], dropout_ratio=0.5)
    features = torch.rand(2, 64, 3, 5) + 1
    first, second = model.drop_channels(features), model.drop_channels(features)
    kept = (first != 0).flatten(2)
    assert torch.equal(kept.any(2), kept.all(2))
    torch.testing.assert_close(first, torch.where(first != 0, 2 * features, 0.0))
    assert 40 < kept.any(2).sum() < 88  # of 128
    assert not torch.equal(kept[0], kept[1]) and not torch.equal(first, second)
    model.dropout_ratio = 0.0
    torch.testing.assert_close(model.drop_channels(features), features)


def test_ur_options():
    with pytest.raises(ValueError, match=r'num_decoders=0 .* dropout_ratio=0.5 in \[0, 1\)'):
        build_method(CASES['ur'], num_decoders=0)
    with pytest.raises(ValueError, match='dropout_ratio=1.0'):
        build_method(CASES['ur'], dropout_ratio=1.0)
    with pytest.raises(ValueError, match='DFF does not predict from the features of the current'):
        build_method(CASES['ur'], student=small_net('DFF'))


# -------------------------------------------------------------------------------------------- HCL


class Published(nn.Module):
    """Scores of both classifiers, and features of stage 4, as the published network gave them."""

    num_classes = HCL['scores_student_main'].shape[1]
    align_corners, needs_flow = True, False

    def __init__(self, net, feature=None):
        super().__init__()
        self.maps = {
            name: nn.Parameter(golden(HCL, f'scores_{net}_{key}'))
            for name, key in (('decode', 'main'), ('aux', 'aux'))
        }
        self.feature = None if feature is None else nn.Parameter(golden(HCL, feature))

    def levels(self, frames):
        return (None, None, self.feature)

    def head_scores(self, frames, flow, parts, levels=None):
        return {name: HeadScores(maps) for name, maps in self.maps.items()}


class Unit(nn.Module):
    def forward(self, maps):
        return F.normalize(maps, dim=1)


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_hcl_equals_its_release(source, monkeypatch):
    """The shipped configs: HCCD, with the class weights of the third batch, and HCID.

    The release cuts the crops of student and teacher at different places, with labels of their
    own; here both are the same pixels, so that the labels of the teacher's crop are put in.
    """
    model = shipped(f'hcl/accel_{source}2city', Published.num_classes)
    model.student = Published('student', 'feature_student')
    model.teacher, model.history = Published('ema', 'feature_ema'), Published('hist')
    model.projection = model.teacher_projection = Unit()
    assert model.class_weights.largest == 7.0 and model.contrast.temperature == 0.07
    model.class_weights.largest = float(HCL['max_value'])
    model.contrast.temperature = float(HCL['temperature'])
    labels, others = (
        golden(HCL, f'label_{crop}_crop', torch.long) for crop in ('student', 'teacher')
    )
    for number, crop in enumerate((labels, others)):
        close(model.class_weights(crop), HCL, f'class_weight_{number}', 1e-6)
    contrast = model.contrast.forward
    monkeypatch.setattr(
        model.contrast,
        'forward',
        lambda queries, keys, own, same, *rest: contrast(queries, keys, own, others, *rest),
    )
    losses = model.losses(SimpleNamespace(target=target_of(labels)))
    close(losses['decode.loss_hccd'], HCL, 'hccd_main', 1e-5)
    close(losses['aux.loss_hccd'] / 0.5, HCL, 'hccd_aux', 1e-5)
    close(losses['loss_hcid'] / 0.5, HCL, 'hcid', 1e-6)
    mean = golden(HCL, 'hccd_weight_main').mean()
    torch.testing.assert_close(losses['agreement'].detach(), mean, rtol=1e-5, atol=0)
    (losses['decode.loss_hccd'] + losses['aux.loss_hccd']).backward()
    for name, key in (('decode', 'main'), ('aux', 'aux')):
        close(model.student.maps[name].grad, HCL, f'grad_scores_student_{key}', 1e-5)
    (losses['loss_hcid'] / 0.5).backward()
    close(model.student.feature.grad, HCL, 'grad_feature_student', 1e-6)
    assert all(p.grad is None for net in (model.teacher, model.history) for p in net.maps.values())


def test_contrast_of_the_release():
    """The released function on given vectors, and its gradient by differences of float64."""
    q, k, ql, kl, r = (
        golden(HCL, name) for name in ('x', 'y', 'label_x', 'label_y', 'reliability_y')
    )
    ql, kl = ql.long(), kl.long()
    classes = int(torch.cat([ql, kl], 1).max()) + 1
    temperature = HCL['temperature'].item()

    def contrast(q):
        return torch.stack(
            [
                historical_contrast(*own, classes, temperature)
                for own in zip(q, k, ql, kl, r, strict=True)
            ]
        ).mean()

    close(contrast(q), HCL, 'contrast', 1e-6)
    torch.autograd.gradcheck(contrast, q.requires_grad_(), atol=1e-6)


def test_contrast_leaves_out_what_has_no_label():
    """Ignored pixels are no positives of one another, and negatives of the others."""
    q, k = (F.normalize(torch.randn(5, 3).double(), dim=1) for _ in range(2))
    labels = torch.tensor([0, 0, 255, 255, 1])
    value = historical_contrast(q, k, labels, labels, torch.ones(5).double(), 2, 0.5)
    s = q @ k.T / 0.5
    expected = 0.0
    for i, j in ((0, 1), (1, 0)):
        rest = [n for n in range(5) if n != i]
        expected -= (s[i, j] - s[i, rest].logsumexp(0)) / 5 / 5
    torch.testing.assert_close(value, expected)
    nothing = torch.full((5,), 255)
    assert historical_contrast(q, k, nothing, nothing, torch.ones(5).double(), 2) == 0


def test_history_is_recorded():
    """At the interval's multiples, not at the start; the EMA model then starts from the student."""
    case = CASES['hcl']
    model = build_method(case)
    hook = HistoryHook(interval=3)
    runner = SimpleNamespace(model=model, iter=0, optim_wrapper=build_optimisers(model))
    hook.before_train(runner)
    for step in range(7):
        with torch.no_grad():
            for net in (model.student, model.projection):
                for parameter in net.parameters():
                    parameter += 1
        runner.iter = step
        hook.before_train_iter(runner, step)
        recorded = step and step % 3 == 0
        for name in ('history', 'teacher', 'teacher_projection'):
            followed = model.projection if name == 'teacher_projection' else model.student
            pairs = zip(followed.parameters(), getattr(model, name).parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs) == bool(recorded), (name, step)
    with pytest.raises(ValueError, match='interval=0'):
        HistoryHook(interval=0)


def test_rare_class_weights():
    """Of 8 pixels 6 are of class 0, 2 of class 1; class 2 is missing. A class is rare below 3."""
    weights = RareClassWeights(3, pixels=3, largest=5.0, momentum=0.5)
    labels = torch.tensor([0, 0, 0, 1, 255, 0, 0, 0, 1]).view(1, 3, 3)
    torch.testing.assert_close(weights(labels), torch.tensor([1.0, 5.0, 5.0 * 3.0]))
    torch.testing.assert_close(weights(labels), torch.tensor([1.0, 5.0, 5.0 * 4.0]))
    with pytest.raises(ValueError, match='largest=0.5'):
        RareClassWeights(3, largest=0.5)


def test_hcl_options():
    with pytest.raises(ValueError, match='contrast_level=4, but the backbone gives 4 levels'):
        build_method(CASES['hcl'], contrast_level=4)
    model = build_method(CASES['hcl'])
    target = clips_of(model, CASES['hcl'])
    batch = SimpleNamespace(target=target._replace(clip=target.clip._replace(augmented=None)))
    with pytest.raises(KeyError, match='HCL needs an augmented view'):
        model.losses(batch)


# ------------------------------------------------------------------------------------------- TENT


@MODELS.register_module()
class PublishedTentNet(nn.Module):
    """The network of the published steps, as a student."""

    num_classes = len(TENT['before.head.weight'])
    align_corners, needs_flow, temporal = True, False, False

    def __init__(self):
        super().__init__()
        channels, inputs = TENT['before.conv1.weight'].shape[:2]
        self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.head = nn.Conv2d(channels, self.num_classes, 1)
        prefix = 'before.'
        state = {k.removeprefix(prefix): golden(TENT, k) for k in TENT if k.startswith(prefix)}
        self.double().load_state_dict(state)

    def set_normalisation(self, preprocessor):
        pass

    def freeze_auxiliary(self):
        pass

    def forward(self, frames, flow):
        x = self.bn1(self.conv1(frames[:, -1])).relu()
        return self.head(self.bn2(self.conv2(x)).relu())

    predict = forward


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_tent_equals_its_release(source):
    """Some steps of the shipped config with its optimiser: predictions before each step, which
    take the statistics of the batch in evaluation mode too, losses, gradients and parameters."""
    cfg = shipped_config(f'tent/accel_{source}2city')
    cfg.model.student = dict(type='PublishedTentNet')
    model = MODELS.build(cfg.model).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    trained = {name.removeprefix('student.'): p for name, p in model.named_parameters()}
    trained = {name: p for name, p in trained.items() if p.requires_grad}
    assert list(trained) == TENT['names'].tolist()
    before = {name: own.clone() for name, own in model.student.named_buffers()}
    for step in range(sum(name.startswith('x_') for name in TENT)):
        frames = golden(TENT, f'x_{step}')[:, None]
        clip = Clip(frames, frames)
        with torch.no_grad():
            close(model.eval().encode_decode(clip), TENT, f'adam_out_{step}', 1e-6)
        model.train()
        wrapper.zero_grad()
        losses = model.losses(SimpleNamespace(target=DomainClips(clip, [])))
        close(losses['loss_entropy'], TENT, f'adam_loss_{step}', 1e-6)
        losses['loss_entropy'].backward()
        for name, parameter in trained.items():
            close(parameter.grad, TENT, f'adam_grad_{step}.{name}', 1e-6)
        wrapper.step()
        for name, parameter in trained.items():
            close(parameter, TENT, f'adam_after_{step}.{name}', 1e-7)
    assert all(torch.equal(own, before[name]) for name, own in model.student.named_buffers())


def test_tent_statistics():
    """By default training moves the running statistics, and predictions take them."""
    case = CASES['tent']
    data = training_batch(case)
    for batch_statistics in (False, True):
        model = build_method(case, batch_statistics=batch_statistics)
        norm = norm_layers(model.student)[0]
        clip = clips_of(model, case).clip
        before = norm.running_mean.clone()
        model.loss(**model.data_preprocessor(data, True))
        assert torch.equal(norm.running_mean, before) == batch_statistics
        whole = model.eval().encode_decode(clip)
        part = model.encode_decode(Clip(*(own if own is None else own[:1] for own in clip)))
        # A clip's prediction depends on the others of its batch.
        assert torch.allclose(whole[:1], part, atol=1e-4) != batch_statistics


def test_tent_options():
    with pytest.raises(ValueError, match='batch_statistics=True does not go with norm_eval=True'):
        build_method(CASES['tent'], batch_statistics=True, norm_eval=True)
    student = small_net('PerFrame')
    student['segmentor']['backbone']['norm_cfg'] = dict(type='GN', num_groups=2)
    with pytest.raises(ValueError, match='TENT: the student has no batch-norm layers'):
        build_method(CASES['tent'], student=student)


# --------------------------------------------------------------------------------------------- LD


@pytest.mark.parametrize('rank', [1, 3, 6])
def test_negative_learning(rank):
    """The steps of the release, pixel by pixel in float64."""
    scores = (3 * torch.randn(2, 6, 4, 5)).double().requires_grad_()
    expected = 0.0
    for pixel in scores.permute(0, 2, 3, 1).reshape(-1, 6):
        p = pixel.softmax(0)
        label = p.argsort(descending=True)[rank - 1]
        expected = expected - torch.log(torch.clamp(1 - p[label], min=1e-5)) / 40
    value = negative_learning_loss(scores, rank)
    torch.testing.assert_close(value, expected)
    for ours, theirs in zip(
        torch.autograd.grad(value, scores), torch.autograd.grad(expected, scores), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_negative_learning_of_sure_pixels():
    scores = torch.tensor([100.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    value = negative_learning_loss(scores, 1)
    torch.testing.assert_close(value, torch.tensor(-math.log(1e-5)))
    (grad,) = torch.autograd.grad(value, scores)
    assert (grad == 0).all()


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_ld_has_the_losses_of_its_release(source):
    """All pixels count, labelled or not; the rank is K / 2 plus or minus 3, each equally often."""
    regulariser = shipped(f'ld/accel_{source}2city', 9).regulariser
    scores = torch.randn(1, 9, 6, 7)
    entropy = -(scores.softmax(1) * scores.log_softmax(1)).sum(1).mean()
    values = [negative_learning_loss(scores, rank).item() for rank in range(1, 8)]
    seen = [0] * 7
    for _ in range(350):
        losses = regulariser(scores, torch.full((1, 6, 7), 255))
        torch.testing.assert_close(losses['loss_entropy'], entropy)
        seen[values.index(losses['loss_negative'].item())] += 1
    assert min(seen) > 20
    with pytest.raises(ValueError, match=r'width=3 must be in \[0, 2\) with 4 classes'):
        NegativeLearning()(torch.zeros(1, 4, 2, 2))


# --------------------------------------------------------------------------------- without a source


@pytest.mark.parametrize('name', ['ur', 'hcl', 'tent', 'ld', 'vst'])
def test_they_train_without_a_source(name):
    """A batch that has target clips only; the configs have no source data set."""
    case = CASES[name]
    model = build_method(case)
    batch = training_batch(case)
    assert list(batch['inputs']) == ['target']
    losses = model.loss(**model.data_preprocessor(batch, True))
    assert torch.isfinite(model.parse_losses(losses)[0])
