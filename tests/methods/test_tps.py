"""TPS: published numbers, a step by hand, both forms."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from torch import nn

from mmdavss.modules import temporal_pseudo_labels
from mmdavss.ops import backward_warp
from mmdavss.testing import PREPROCESSOR, build_method, build_optimisers
from mmdavss.testing.methods import Training, training_batch
from mmdavss.testing.numerics import Waits
from mmdavss.video_nets import HeadScores
from tests.methods.table import CASES
from tests.shipped import shipped

GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/tps_step.npz')


def golden(key, dtype=torch.float64):
    return torch.from_numpy(GOLDEN[key]).to(dtype)


def close(value, expected, **kwargs):
    torch.testing.assert_close(
        torch.as_tensor(value).double(),
        torch.as_tensor(expected).double(),
        **dict(dict(rtol=1e-5, atol=1e-6), **kwargs),
    )


@pytest.fixture
def tps(accel):

    def make(**kwargs):
        torch.manual_seed(0)
        model = MODELS.build(
            dict(
                dict(type='TPS', student=copy.deepcopy(accel), data_preprocessor=PREPROCESSOR),
                **kwargs,
            )
        ).train()
        for head in model.student.heads.values():
            for branch in head.conv_seg.branches:
                nn.init.normal_(branch.weight, std=0.1)
        return model

    return make


@pytest.fixture
def pairs(batch):

    def make(*branches, length=4, label=False, **kwargs):
        target = batch('target', length=length, seed=50, label=label, **kwargs)
        if 'source' not in branches:
            return target
        source = batch('source', size=(40, 56), augmented=False)
        return {key: source[key] | target[key] for key in ('inputs', 'data_samples')}

    return make


def optimiser(model, lr=0.0):
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr))


class Published(nn.Module):
    """Says what the published network said, of the earlier pair and then of the current one.

    The current pair is larger by an eighth, and so are its scores.
    """

    align_corners, needs_flow = True, True

    def __init__(self):
        super().__init__()
        self.num_classes = golden('score_b').shape[1]
        self.earlier = {'decode': golden('score_b'), 'aux': golden('score_b_aux')}
        self.current = nn.ParameterDict({'decode': golden('score_d'), 'aux': golden('score_d_aux')})

    def head_scores(self, frames, flow, parts):
        assert parts == ('fused',)
        scores = self.current if torch.is_grad_enabled() else self.earlier
        return {name: HeadScores(maps, maps, maps) for name, maps in scores.items()}


@pytest.mark.parametrize('flip', [0, 1])
@pytest.mark.parametrize('source, weight', [('viper', 0.1), ('synthia', 1.0)])
def test_equals_the_published_step(pairs, flip, source, weight):
    """The shipped configs; of the options only those of the mirror are set, to say whether.

    With the resized flow, since its frames (512, 64) were scaled otherwise (1/32) than (1/8).
    """
    flow = golden(f'flip{flip}_flow_score_res')
    for name, suffix in (('decode', ''), ('aux', '_aux')):
        labels = temporal_pseudo_labels(golden(f'score_b{suffix}'), flow)
        expected = golden(f'flip{flip}_pseudo_label{suffix}', torch.int64)
        assert torch.equal(labels.flip(-1) if flip else labels, expected), name
    model = shipped(f'tps/accel_{source}2city', golden('score_b').shape[1])
    assert model.mirror_prob == 0.5 and not model.released_mirror
    model.mirror_prob, model.released_mirror = flip, True
    model.student = Published()
    clip = model.data_preprocessor(pairs(length=3, count=len(flow)), True)
    target = clip['inputs']['target']
    clip['inputs']['target'] = target._replace(flow=flow[:, None].expand(-1, 2, -1, -1, -1))
    losses = model.loss(**clip)
    close(losses['decode.loss_tps'].detach(), weight * GOLDEN[f'flip{flip}_loss_trg'])
    close(losses['aux.loss_tps'].detach(), weight * 0.1 * GOLDEN[f'flip{flip}_loss_trg_aux'])


class Mirror(nn.Module):
    """Fuses the frame before as the flow says: scores are a net's that mirrors what it sees."""

    num_classes, align_corners, needs_flow = 3, True, True

    def __init__(self):
        super().__init__()
        self.given = []

    def head_scores(self, frames, flow, parts):
        self.given.append((frames, flow))
        maps = frames[:, -1] + backward_warp(frames[:, 0], flow[:, 0], padding_mode='border')
        return {'decode': HeadScores(maps, maps, maps)}


def test_mirror_changes_nothing(tps, pairs):
    """Mirrored frames with a mirrored flow, and the prediction mirrored back: the same labels.

    As released u keeps its sign, and labels are those of other places.
    """
    model = tps(mirror_prob=0.5)
    model.student = Mirror()
    clip = model.data_preprocessor(pairs(length=3, count=8), True)['inputs']['target']
    model.mirror_prob = 0.0
    plain = model.pseudo_labels(clip, clip.flow)['decode']
    for released in (False, True):
        model.mirror_prob, model.released_mirror = 0.5, released
        labels = model.pseudo_labels(clip, clip.flow)['decode']
        frames, flow = model.student.given[-1]
        mirrored = (frames == clip.frames[:, :2].flip(-1)).flatten(1).all(1)
        assert 0 < mirrored.sum() < 8  # drawn for each clip
        assert torch.equal(frames[~mirrored], clip.frames[~mirrored, :2])
        expected = clip.flow[:, :1].flip(-1)
        if not released:
            expected = expected * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
        torch.testing.assert_close(flow[mirrored], expected[mirrored])
        same = (labels == plain).flatten(1).float().mean(1)
        assert (same[~mirrored] == 1).all()
        assert (same[mirrored] < 0.9).all() if released else (same[mirrored] > 0.99).all()


def test_histograms_are_those_of_the_current_frame(tps, pairs):
    """Target frames of one colour each: the source takes that of the last one."""
    model = tps()
    data = pairs('source', length=3)
    for frames in data['inputs']['target']['frames']:
        for k, level in enumerate((30, 90, 200)):
            frames[k] = level
    seen = []
    loss = model.student.loss
    model.student.loss = lambda frames, *args: (seen.append(frames), loss(frames, *args))[1]
    model.train_step(data, optimiser(model))
    (source,) = seen
    torch.testing.assert_close(source, torch.full_like(source, (200 - 120) / 60))


def test_warped_probabilities_of_the_published_step():
    """A threshold between two probabilities separates their pixels: the confidence is that one."""
    confidence = golden('flip0_prob_b_warped').max(1).values
    for fifth in confidence.unique().tensor_split(5)[1:4]:
        widest = fifth.diff().argmax()
        threshold = fifth[widest : widest + 2].mean().item()
        labels = temporal_pseudo_labels(
            golden('score_b'), golden('flip0_flow_score_res'), threshold
        )
        expected = golden('flip0_pseudo_label', torch.int64).where(confidence >= threshold, 255)
        assert torch.equal(labels, expected) and 0 < (labels == 255).float().mean() < 1


def test_flow_is_resized():
    """u = 8, v = -4 at four times the size of the scores: sampled at (x + 2, y - 1)."""
    scores = torch.randn(1, 3, 6, 8)
    flow = torch.tensor([8.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 24, 32)
    labels = temporal_pseudo_labels(scores, flow)[0]
    for y in range(6):
        for x in range(8):
            assert labels[y, x] == scores[0, :, max(y - 1, 0), min(x + 2, 7)].argmax()


@pytest.mark.parametrize(
    'options', [dict(), dict(confidence_threshold=0.5, histogram_matching=False)], ids=str
)
def test_losses_by_hand(tps, pairs, options):
    """Four frames a, b, c, d: b, seen with a, labels d, seen with c and augmented."""
    model = tps(pseudo_weight=0.5, auxiliary_weight=0.2, norm_eval=True, **options)
    for head in model.student.heads.values():
        for parameter in head.conv_seg.parameters():
            parameter.data.mul_(20)  # certain of some pixels
    data = model.data_preprocessor(pairs('source'), True)
    source, target = data['inputs']['source'], data['inputs']['target']
    log = copy.deepcopy(model).train_step(pairs('source'), optimiser(model))
    net, expected, flow = model.student, {}, target.flow
    earlier = net.head_scores(target.frames[:, :2], flow[:, :1])
    current = net.head_scores(target.augmented[:, 2:], flow[:, 2:])
    there = flow[:, 2] + F.grid_sample(  # d -> c -> b, step by step
        flow[:, 1],
        torch.stack(
            [
                (flow[:, 2, 0] + torch.arange(48)) * 2 / 47 - 1,
                (flow[:, 2, 1] + torch.arange(32)[:, None]) * 2 / 31 - 1,
            ],
            -1,
        ),
        padding_mode='border',
        align_corners=True,
    )
    for name, factor in (('decode', 0.5), ('aux', 0.5 * 0.2)):
        labels = temporal_pseudo_labels(earlier[name].fused, there, model.confidence_threshold)
        expected[f'{name}.loss_tps'] = factor * F.cross_entropy(
            current[name].fused, labels, ignore_index=255
        )
        if name == 'decode':
            assert (log['labelled'] == 1) == (model.confidence_threshold is None)
            assert log['labelled'] > 0.2
    close(log['decode.loss_tps'], expected['decode.loss_tps'], rtol=1e-4)
    close(log['aux.loss_tps'], expected['aux.loss_tps'], rtol=1e-4)
    frames = model.matched(source, target) if model.histogram_matching else source.frames
    for name, value in net.loss(frames, source.flow, data['data_samples']['source']).items():
        close(log[f'source.{name}'], value.mean(), rtol=1e-4)
    total = sum(value for name, value in log.items() if 'loss_' in name)
    close(log['loss'], total, rtol=1e-4)


def test_labels_get_no_gradient_and_all_else_does(tps, pairs):
    for branches in (('source', 'target'), ('target',)):
        model = tps()
        losses = model(**model.data_preprocessor(pairs(*branches), True), mode='loss')
        model.parse_losses(losses)[0].backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.zero_grad()
    data = model.data_preprocessor(pairs(), True)['inputs']['target']
    assert not model.pseudo_labels(data, data.flow)['decode'].requires_grad


def test_source_free(tps, pairs):
    """The target losses are those with a source, which leaves them alone; labels are not seen."""
    model = tps(norm_eval=True)
    with_source = copy.deepcopy(model).train_step(pairs('source'), optimiser(model))
    without = copy.deepcopy(model).train_step(pairs(), optimiser(model))
    labelled = copy.deepcopy(model).train_step(pairs(label=True), optimiser(model))
    assert {key for key in without if 'loss_' in key} == {'decode.loss_tps', 'aux.loss_tps'}
    for key in ('decode.loss_tps', 'aux.loss_tps'):
        assert without[key] == with_source[key] == labelled[key]


@pytest.mark.parametrize('running_statistics', ['all', 'target'])
def test_running_statistics(tps, pairs, running_statistics):
    model = tps(running_statistics=running_statistics)
    reference = copy.deepcopy(model)
    data = model.data_preprocessor(pairs('source'), True)
    model.loss(**copy.deepcopy(data))
    target = data['inputs']['target']
    reference.pseudo_labels(target, target.flow)
    same = all(
        torch.allclose(a, b)
        for a, b in zip(
            (b for n, b in model.student.named_buffers() if 'running' in n),
            (b for n, b in reference.student.named_buffers() if 'running' in n),
            strict=True,
        )
    )
    assert same == (running_statistics == 'target')


def test_per_frame_nets_too(tps, pairs, per_frame):
    log = tps(student=per_frame).train_step(pairs('source'), optimiser(tps()))
    assert all(torch.isfinite(value) for value in log.values())


def test_messages(tps, pairs):
    for option in (
        dict(confidence_threshold=1.5),
        dict(running_statistics='both'),
        dict(mirror_prob=2),
        dict(rescale=(1.2, 0.8)),
    ):
        ((name, value),) = option.items()
        with pytest.raises(ValueError, match=re.escape(f'{name}={value!r}')):
            tps(**option)
    model = tps()
    with pytest.raises(ValueError, match='2 frames and need 3.*clip_length=3'):
        model.train_step(pairs(length=2), optimiser(model))
    with pytest.raises(KeyError, match='CrossFrameAugment'):
        model.train_step(pairs(augmented=False), optimiser(model))
    data = pairs()
    del data['inputs']['target']['flow']
    with pytest.raises(ValueError, match='LoadFlow'):
        model.train_step(data, optimiser(model))
    with pytest.raises(KeyError, match='no target clips'):
        data = pairs('source')
        del data['inputs']['target'], data['data_samples']['target']
        model.train_step(data, optimiser(model))


def test_mirroring_and_rescaling_do_not_wait_for_the_device():
    case = CASES['tps']
    for released in (False, True):
        model = build_method(
            case, mirror_prob=1.0, released_mirror=released, rescale=(0.8, 1.2)
        ).to('meta')
        run = Training(case, model, build_optimisers(model))
        with Waits() as waits:
            run(training_batch(case))
        assert not waits.found
