"""DA-VSN: published numbers, a step by hand, players kept apart, both forms."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.model import MMSeparateDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import PREPROCESSOR, build_optimisers
from mmdavss.video_nets import HeadScores, VideoNet
from tests.methods.groups import student_losses
from tests.published import scaled_by_height
from tests.shipped import shipped, shipped_config

pytestmark = pytest.mark.sampled

GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/davsn_step.npz')
HEADS = {'decode': '', 'aux': '_aux'}


def golden(key):
    return torch.from_numpy(GOLDEN[key].astype(np.float64))


def close(value, expected, **kwargs):
    torch.testing.assert_close(
        torch.as_tensor(value).double(),
        torch.as_tensor(expected).double(),
        **dict(dict(rtol=1e-5, atol=1e-6), **kwargs),
    )


def build(accel, **kwargs):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            dict(
                type='DAVSN',
                student=dict(copy.deepcopy(accel), propagation='splat'),
                data_preprocessor=PREPROCESSOR,
                discriminator=dict(type='SpatioTemporalDiscriminator', channels=4),
            ),
            **kwargs,
        )
    ).train()
    for head in model.student.heads.values():
        for branch in head.conv_seg.branches:
            nn.init.normal_(branch.weight, std=0.1)
    return model


@pytest.fixture
def davsn(accel):
    return lambda **kwargs: build(accel, **kwargs)


@pytest.fixture
def pairs(batch):

    def make(*branches, seed=0, label=False, **kwargs):
        target = batch('target', seed=seed + 50, label=label, augmented=False, **kwargs)
        if 'source' not in branches:
            return target
        source = batch('source', size=(40, 56), augmented=False, seed=seed)
        return {key: source[key] | target[key] for key in ('inputs', 'data_samples')}

    return make


class Published(nn.Module):
    """Says what the published network said, of the source and then of the target."""

    num_classes = int(GOLDEN['num_classes'])
    align_corners, needs_flow = True, True
    supervise = VideoNet.supervise

    def __init__(self, heads):
        super().__init__()
        self.heads = heads
        self.maps = nn.ParameterDict(
            {
                f'{domain}_{kind}{suffix}': golden(f'{domain}_{kind}{suffix}')
                for domain in ('src', 'trg')
                for kind in ('fused', 'cf', 'kf')
                for suffix in HEADS.values()
            }
        )
        self.domains = ['trg', 'src']

    def forward(self, frames, flow, heads, parts, detached=(), single=None):
        domain = self.domains.pop()
        return {
            name: HeadScores(
                self.maps[f'{domain}_fused{suffix}'],
                self.maps[f'{domain}_cf{suffix}'],
                self.maps[f'{domain}_kf{suffix}'].detach(),
            )
            for name, suffix in HEADS.items()
        }


@pytest.fixture(params=['davsn/accel_viper2city', 'davsn/accel_synthia2city'])
def published(request):
    """A shipped config's method with the published scores and discriminators, and their clips."""
    width = len(GOLDEN['d_sta_main.0.weight'])
    model = shipped(request.param, int(GOLDEN['num_classes']), width)
    model.student = Published(model.student.heads)
    assert model.consistency_loss.loss_weight == 0.001
    model.consistency_loss.loss_weight = float(GOLDEN['lambda_u'])
    model.discriminator.double()
    for kind, child in (('sta', 'spatio_temporal'), ('sa', 'spatial')):
        for head, suffix in (('decode', 'main'), ('aux', 'aux')):
            key = f'd_{kind}_{suffix}.'
            weights = {k[len(key) :]: golden(k) for k in GOLDEN.files if k.startswith(key)}
            # Published, the source is 0 and the target 1: here it is the other way round.
            for last in ('8.weight', '8.bias'):
                weights[last] = -weights[last]
            getattr(model.discriminator, child)[head].layers.load_state_dict(weights)
    flow = golden('flow_int16_x10').permute(2, 0, 1)[None, None] / 10
    flow = scaled_by_height(flow, GOLDEN['trg_cf'].shape[-2:])
    label = golden('src_label').long()
    sample = SegDataSample(metainfo=dict(img_shape=tuple(label.shape[-2:])))
    sample.gt_sem_seg = PixelData(data=label)
    source, target = (torch.zeros(1, 2, 3, *maps.shape[-2:]) for maps in (label, flow))
    clips = dict(source=Clip(source, source, flow), target=Clip(target, target, flow))
    return model, clips, dict(source=[sample], target=[])


def test_equals_the_published_losses_of_the_student(published):
    model, inputs, samples = published
    losses, scores = student_losses(model, DomainBatch(inputs, samples))
    for name, suffix in HEADS.items():
        factor = dict(decode=1.0, aux=0.1)[name]
        close(
            losses[f'source.{name}.loss_ce'].detach(),
            factor * GOLDEN[f'out_loss_src{suffix}'],
            rtol=3e-6,
            atol=0,
        )
        # The same factor for both classifiers, unlike that of the cross-entropy.
        close(
            losses[f'{name}.loss_itcr'].detach(),
            GOLDEN['lambda_u'] * GOLDEN[f'out_loss_itcr{suffix}'],
            rtol=3e-6,
            atol=0,
        )
    model.discriminator.requires_grad_(False)
    adversarial = model.game.student_loss(model.discriminator, scores['target'])
    expected = sum(
        weight * (GOLDEN[f'out_loss_sta{suffix}'] + GOLDEN[f'out_loss_sa{suffix}'])
        for suffix, weight in (('', 0.001), ('_aux', 0.0002))
    )
    close(adversarial.detach(), expected, rtol=3e-6, atol=0)
    # Nothing is said to the previous frames; what is said to the target is said to the current.
    (losses['decode.loss_itcr'] + losses['aux.loss_itcr'] + adversarial).backward()
    assert {name for name, maps in model.student.maps.items() if maps.grad is not None} == {
        'trg_cf',
        'trg_cf_aux',
    }


def test_gradient_of_the_published_consistency(published):
    """The gradient of a mean of weighted differences: the weight times the difference's sign."""
    model, inputs, samples = published
    losses, _ = student_losses(model, DomainBatch(inputs, samples))
    losses['decode.loss_itcr'].backward()
    maps = golden('trg_cf').requires_grad_()
    p = maps.softmax(1)
    propagated = golden('itcr_target_propagated_prob')
    weight = golden('itcr_weight')[:, None]
    # |d - 0.5| < 1e-6: published weights are 1 up to rounding.
    assert ((weight.round() - weight).abs() < 1e-6).all()
    assert set(weight.round().flatten().tolist()) == {0, 1}
    lambda_u = float(GOLDEN['lambda_u'])
    (lambda_u * weight * (p - propagated).sign() * p).sum().div(p.numel()).backward()
    close(model.student.maps['trg_cf'].grad, maps.grad, rtol=1e-4, atol=1e-10)


def test_equals_the_published_losses_of_the_discriminators(published):
    model, inputs, samples = published
    _, scores = student_losses(model, DomainBatch(inputs, samples))
    losses = model.game.discriminator_losses(model.discriminator, scores)
    target = sum(
        GOLDEN[f'out_loss_d_{kind}{suffix}'] for kind in ('sta', 'sa') for suffix in HEADS.values()
    )
    close(losses['loss_target'].detach(), target, rtol=3e-6, atol=0)
    close(
        losses['loss_likeness'].detach(),
        0.001 * sum(GOLDEN[f'out_loss_wd{suffix}'] for suffix in HEADS.values()),
        rtol=3e-6,
        atol=0,
    )
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.discriminator.parameters())
    assert all(maps.grad is None for maps in model.student.maps.values())


def test_one_step_of_the_shipped_config(published, request):
    """All losses, the clipping of five gradients, and the first step of each optimiser."""
    model, inputs, samples = published
    losses, scores = student_losses(model, DomainBatch(inputs, samples))
    total = sum(losses.values()) + model.game.student_loss(model.discriminator, scores['target'])
    maps = dict(model.student.maps)
    learning = {
        name: grad
        for name, grad in zip(
            maps, torch.autograd.grad(total, maps.values(), allow_unused=True), strict=True
        )
        if grad is not None
    }
    norm = torch.stack([grad.norm() for grad in learning.values()]).norm()
    expected = {
        n: maps[n].detach() - 2.5e-4 * (g / max(norm, 1) + 5e-4 * maps[n].detach())
        for n, g in learning.items()
    }
    parts = {
        f'{kind}.{head}': list(getattr(model.discriminator, kind)[head].parameters())
        for kind in ('spatio_temporal', 'spatial')
        for head in HEADS
    }
    total = sum(model.game.discriminator_losses(model.discriminator, scores).values())
    norms = {
        part: torch.stack(
            [g.norm() for g in torch.autograd.grad(total, weights, retain_graph=True)]
        ).norm()
        for part, weights in parts.items()
    }
    before = {n: p.detach().clone() for n, p in model.discriminator.named_parameters()}

    model.student.domains = ['trg', 'src']
    model.data_preprocessor.forward = lambda data, training: data
    wrappers = build_optim_wrapper(
        model, shipped_config(request.node.callspec.params['published']).optim_wrapper
    )
    log = model.train_step(dict(inputs=inputs, data_samples=samples), wrappers)
    close(
        log['loss'],
        sum(
            factor * GOLDEN[f'out_loss_src{suffix}']
            + GOLDEN['lambda_u'] * GOLDEN[f'out_loss_itcr{suffix}']
            + weight * (GOLDEN[f'out_loss_sta{suffix}'] + GOLDEN[f'out_loss_sa{suffix}'])
            for suffix, factor, weight in (('', 1, 0.001), ('_aux', 0.1, 0.0002))
        ),
        rtol=3e-6,
        atol=0,
    )
    for n, value in model.student.maps.items():
        close(value.detach(), expected.get(n, maps[n].detach()), rtol=1e-9, atol=1e-10)
    scalars = MessageHub.get_current_instance().log_scalars
    close(scalars['train/student.grad_norm'].current(), norm)
    for part, value in norms.items():
        close(scalars[f'train/discriminator.{part}.grad_norm'].current(), value)
    # The first step of Adam is the rate, whatever the gradient is.
    for n, value in model.discriminator.named_parameters():
        assert (value.detach() - before[n]).abs().max().item() == pytest.approx(1e-4, rel=1e-3)


def test_losses_by_hand(davsn, pairs):
    model = davsn(
        adversarial_weight=0.3,
        auxiliary_adversarial_weight=0.2,
        auxiliary_weight=0.4,
        likeness_weight=0.7,
        norm_eval=True,
        consistency_loss=dict(type='TemporalConsistencyLoss', loss_weight=0.5),
    )
    data = model.data_preprocessor(pairs('source'), True)
    log = copy.deepcopy(model).train_step(pairs('source'), build_optimisers(model, lr=0.0))
    net, total = model.student, {}
    for domain, size in (('source', (40, 56)), ('target', (32, 48))):
        clip = data['inputs'][domain]
        heads = net.head_scores(clip.frames, clip.flow)
        judged = []
        for name, scores in heads.items():
            now, before = (
                F.interpolate(maps, size, mode='bilinear', align_corners=True)
                for maps in (scores.current, scores.key)
            )
            for kind, other in (('spatio_temporal', before), ('spatial', now)):
                judged.append(
                    getattr(model.discriminator, kind)[name](torch.cat([now, other], 1).softmax(1))
                )
        label = float(domain == 'source')
        close(
            log[f'discriminator.loss_{domain}'],
            0.5
            * sum(F.binary_cross_entropy_with_logits(j, torch.full_like(j, label)) for j in judged),
        )
        if domain == 'target':
            total['loss_adversarial'] = sum(
                weight * -F.logsigmoid(j).mean()
                for j, weight in zip(judged, (0.3, 0.3, 0.2, 0.2), strict=True)
            )
            for name, weight in (('decode', 0.5), ('aux', 0.5 * 0.4)):
                total[f'{name}.loss_itcr'] = weight * consistency(heads[name], clip.flow[:, 0])
        else:
            labels = torch.cat([s.gt_sem_seg.data for s in data['data_samples']['source']])
            for name, weight in (('decode', 1.0), ('aux', 0.1)):
                fused = F.interpolate(heads[name].fused, size, mode='bilinear', align_corners=True)
                total[f'source.{name}.loss_ce'] = weight * F.cross_entropy(
                    fused, labels, ignore_index=255
                )
    for name, value in total.items():
        close(log[name], value, rtol=1e-4)
    close(log['loss'], sum(total.values()), rtol=1e-4)
    close(log['discriminator.loss_likeness'], 0.7 * model.discriminator.likeness())


def test_consistency_of_classifiers_with_different_resolutions(davsn):
    """As of those of PSPNet-like nets: each at its own."""
    model, generator = davsn(), torch.Generator().manual_seed(0)
    scores = {
        name: HeadScores(
            current=torch.randn(2, 4, *size, generator=generator),
            key=3 * torch.randn(2, 4, *size, generator=generator),
        )
        for name, size in (('decode', (8, 12)), ('aux', (4, 6)))
    }
    flow = 8 * torch.randn(2, 1, 2, 32, 48, generator=generator)
    losses = model.consistency(scores, flow)
    for name, heads in scores.items():
        close(losses[f'{name}.loss_itcr'], 0.001 * consistency(heads, flow[:, 0]))


def consistency(scores, flow):
    """Pixel by pixel: each of the previous frame goes to round(p - flow), the last one wins."""
    (count, classes, height, width) = scores.current.shape
    flow = F.interpolate(flow, (height, width), mode='bilinear', align_corners=True)
    flow = flow * torch.tensor([width / 48, height / 32]).view(2, 1, 1)
    total = 0.0
    for n in range(count):
        carried = {}
        for x in range(width):
            for y in range(height):
                to = (round(y - flow[n, 1, y, x].item()), round(x - flow[n, 0, y, x].item()))
                carried[to] = scores.key[n, :, y, x].softmax(0)
        for y in range(height):
            for x in range(width):
                p, q = scores.current[n, :, y, x].softmax(0), carried.get((y, x))
                if q is not None and -(q * q.log()).sum() < -(p * p.log()).sum():
                    total = total + (p - q).abs().sum()
    return total / (count * classes * height * width)


@pytest.mark.parametrize('player', ['student', 'discriminator'])
def test_gradients_stay_with_their_player(davsn, pairs, player):
    model = davsn()
    grads, wrappers = {}, build_optimisers(model, lr=0.0)
    for name, wrapper in wrappers.items():

        def record(loss, name=name):
            loss.backward()
            grads[name] = {
                child: [p.grad is not None for p in module.parameters()]
                for child, module in model.named_children()
            }

        wrapper.backward = record
    model.train_step(pairs('source'), wrappers)
    other = 'discriminator' if player == 'student' else 'student'
    assert all(grads[player][player]) and not any(grads[player][other])


def test_source_free(davsn, pairs):
    """Consistency alone; target labels are not seen, and what fuses the frames stays."""
    model = davsn(discriminator=None, norm_eval=True)
    before = {name: p.clone() for name, p in model.student.named_parameters()}
    with_source = copy.deepcopy(model).train_step(pairs('source'), build_optimisers(model, lr=0.0))
    labelled = copy.deepcopy(model).train_step(pairs(label=True), build_optimisers(model, lr=0.0))
    log = model.train_step(pairs(), build_optimisers(model, lr=100.0))
    assert set(log) == {'loss', 'decode.loss_itcr', 'aux.loss_itcr'}
    assert all(
        log[key] == labelled[key] == with_source.get(key, log[key]) or key == 'loss' for key in log
    )
    still = {name for name, p in model.student.named_parameters() if torch.equal(p, before[name])}
    assert 'fusion.weight' in still and len(still) < len(before) / 2


@pytest.mark.parametrize('running_statistics', ['all', 'target'])
def test_running_statistics(davsn, pairs, running_statistics):
    model = davsn(running_statistics=running_statistics)
    reference = copy.deepcopy(model)
    target = model.data_preprocessor(pairs(), True)['inputs']['target']
    reference.student(target.frames, target.flow, heads=True)
    model.train_step(pairs('source'), build_optimisers(model, lr=0.0))
    same = all(
        torch.allclose(a, b)
        for a, b in zip(
            (b for n, b in model.student.named_buffers() if 'running' in n),
            (b for n, b in reference.student.named_buffers() if 'running' in n),
            strict=True,
        )
    )
    assert same == (running_statistics == 'target')


def work(rank, folder, accel, data):
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    states = []
    for discriminator in (dict(type='SpatioTemporalDiscriminator', channels=4), None):
        model = build(accel, discriminator=discriminator)
        wrapped = MMSeparateDistributedDataParallel(
            model, find_unused_parameters=discriminator is None
        )
        wrappers = build_optimisers(model, lr=1e-2)
        for i in range(2):
            batch = data[2 * i + rank]
            if discriminator is None:
                batch = {key: dict(target=value['target']) for key, value in batch.items()}
            wrapped.train_step(batch, wrappers)
        states.append(wrapped.module.state_dict())
    torch.save(states, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes(accel, pairs, tmp_path):
    """Forked: weights stay the same in both forms."""
    data = [pairs('source', seed=seed) for seed in range(4)]
    torch.multiprocessing.start_processes(work, (tmp_path, accel, data), 2, start_method='fork')
    for first, second in zip(
        *(torch.load(tmp_path / f'{rank}.pth') for rank in range(2)), strict=True
    ):
        different = {name for name in first if not torch.equal(first[name], second[name])}
        assert different and all('running_' in name for name in different)


def test_per_frame_nets_too(davsn, pairs, per_frame):
    model = davsn(student=per_frame)
    log = model.train_step(pairs('source'), build_optimisers(model, lr=0.0))
    assert all(torch.isfinite(value) for value in log.values())


def test_messages(davsn, pairs, batch):
    with pytest.raises(ValueError, match="running_statistics='both'"):
        davsn(running_statistics='both')
    model = davsn()
    with pytest.raises(KeyError, match='no source clips'):
        model.train_step(pairs(), build_optimisers(model, lr=0.0))
    with pytest.raises(TypeError, match='an optimiser for each'):
        model.train_step(pairs('source'), build_optimisers(davsn(discriminator=None), lr=0.0))
    data = pairs('source')
    data['inputs']['target'] = batch('target', length=1, augmented=False)['inputs']['target']
    with pytest.raises(ValueError, match='1 frame and need 2.*clip_length=2'):
        model.train_step(data, build_optimisers(model, lr=0.0))
    data = pairs('source')
    del data['inputs']['target']['flow']
    with pytest.raises(ValueError, match='LoadFlow'):
        model.train_step(data, build_optimisers(model, lr=0.0))
