"""SFC and its pretraining, against the published step (golden arrays) and by hand."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmengine.runner import save_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmdavss.engine import Clip
from mmdavss.flow import BaseFlowProvider
from mmdavss.ops import resize_flow

GOLDEN = Path(__file__).parents[1] / 'data/golden'
PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.] * 3, std=[60.] * 3)
FLOW_NET = dict(type='FlowNetS', base_channels=2)
SFM = dict(type='SFM', flow_net=FLOW_NET)


class StandIn(nn.Module):
    """The flow networks of the golden arrays."""

    def __init__(self, data, name):
        super().__init__()
        self.weights = {k.removeprefix(f'w.{name}.'): v for k, v in data.items()
                        if k.startswith(f'w.{name}.')}

    def forward(self, current, previous):
        w = self.weights
        x = F.conv2d(torch.cat([current, previous], 1), w['c1.weight'], w['c1.bias'], 2, 1)
        return 5 * F.conv2d(F.leaky_relu(x, 0.1), w['c2.weight'], w['c2.bias'], 2, 1)


class Provider(BaseFlowProvider):
    """Any network as a provider."""

    def __init__(self, network):
        super().__init__()
        self.hold(network)

    def _estimate(self, frame_a, frame_b, paths):
        return self._networks[0](frame_a, frame_b)


def golden(name):
    return {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / f'{name}.npz').items()}


def noisy(module, std=0.1):
    for name, p in module.named_parameters():
        if 'bn' not in name and 'downsample.1' not in name:
            nn.init.normal_(p, std=std)
    return module


def pretraining(seed=0, **options):
    torch.manual_seed(seed)
    return MODELS.build(dict(dict(
        type='SFMPretraining', sfm=SFM, num_classes=4, data_preprocessor=PREPROCESSOR), **options))


@pytest.fixture
def sfm_checkpoint(tmp_path):
    path = str(tmp_path / 'sfm.pth')
    model = noisy(pretraining())
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def sfc(accel, sfm_checkpoint):

    def make(**options):
        torch.manual_seed(0)
        model = MODELS.build(dict(dict(
            type='SFC', student=copy.deepcopy(accel), sfm=SFM, sfm_checkpoint=sfm_checkpoint,
            data_preprocessor=PREPROCESSOR), **options))
        model.init_weights()
        noisy(model.student.segmentor.decode_head)
        return model.train()

    return make


def optimiser(model, lr=0.1):
    return OptimWrapper(torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr))


def forward(model, data):
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


def both(batch, **kwargs):
    return batch('source', 'target', **dict(dict(length=3, augmented=False), **kwargs))


# ------------------------------------------------------------------------------------ golden


@pytest.mark.parametrize('scale', [1, 100])
def test_flow_consistency_equals_published(sfc, segmentor, scale):
    """Flow, loss and gradient from the scores of t and t-1; empty classes count there."""
    data = golden('sfc_stage2_step')
    segmentor['decode_head'].update(num_classes=15, align_corners=False)
    segmentor['auxiliary_head'].update(num_classes=15, align_corners=False)
    model = sfc(student=dict(type='PerFrame', segmentor=segmentor, allow_random_init=True),
                softmax_scale=scale, sfm=dict(SFM, empty_classes='add'), flow_weight=0.001)
    model.sfm.flow_net = StandIn(data, 'SFM')
    model.flow = Provider(StandIn(data, 'flownet_global'))
    frames = data['frames'][None]
    clip = Clip(frames, frames)
    weight = data['w.merge.weight'].requires_grad_(True)
    current, previous = (F.conv2d(data[f'merge_input_{t}'], weight, data['w.merge.bias'])
                         for t in ('t', 'tm1'))
    model.class_scores = lambda frames, flow: dict(decode=torch.cat([previous, current]))
    model.student.loss = lambda *args: {}
    losses = model.loss(dict(source=clip, target=clip), dict(source=[], target=[]))
    loss = losses['decode.loss_sfc']
    torch.testing.assert_close(loss, data[f'loss_flow_scale{scale}'], rtol=1e-4, atol=0)
    torch.testing.assert_close(
        model.segmentation_flow(clip, previous, current), data[f'flow_pred_scale{scale}'],
        rtol=0, atol=1e-4)
    gradients = torch.autograd.grad(loss, [weight, current, previous])
    for name, gradient in zip(('weight', 'out_t', 'out_tm1'), gradients, strict=True):
        expected = data[f'grad_merge_{name}_scale{scale}']
        torch.testing.assert_close(
            gradient, expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def test_pretraining_equals_published():
    data = golden('sfc_sfm_pretrain_step')
    model = pretraining(num_classes=15)
    model.sfm.flow_net = StandIn(data, 'SFM')
    model.flow = Provider(StandIn(data, 'flownet_global'))
    frames = data['frames_tm1_t'][None]
    labels = torch.cat([data['label_tm1'], data['label_t']])
    sample = SegDataSample(gt_clip_seg=PixelData(data=labels.where(labels >= 0, 255)))
    losses = model(Clip(frames, frames), [sample], mode='loss')
    torch.testing.assert_close(losses['loss_epe'], data['epe_masked'], rtol=0, atol=1e-4)
    torch.testing.assert_close(losses['epe'], data['epe_masked'], rtol=0, atol=1e-4)
    length = data['flow_label'].norm(dim=1)[data['label_quarter'] != -1].mean()
    torch.testing.assert_close(losses['epe_zero'], length, rtol=0, atol=1e-4)
    torch.testing.assert_close(model(Clip(frames, frames), [sample]), data['flow_pred'],
                               rtol=0, atol=1e-4)


# -------------------------------------------------------------------------------- pretraining


def labelled_clips(batch, **kwargs):
    data = batch('source', **dict(dict(augmented=False), **kwargs))
    generator = torch.Generator().manual_seed(1)
    for sample in data['data_samples']['source']:
        earlier = torch.randint(4, (1, 32, 48), generator=generator)
        sample.gt_clip_seg = PixelData(data=torch.cat([earlier, sample.gt_sem_seg.data]))
    return data


def test_pretraining_trains_sfm(batch):
    """And nothing else: every parameter of SFM, on the flow that the clips come with."""
    model = noisy(pretraining()).train()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    data = labelled_clips(batch)
    flow = torch.stack(data['inputs']['source']['flow'])[:, -1]
    target = resize_flow(flow, (8, 12))
    # Label rows 0 to 2 are ignored: of the nearest ones of eight rows the first.
    losses = forward(model, data)
    torch.testing.assert_close(losses['epe_zero'], target[:, :, 1:].norm(dim=1).mean())
    log = model.train_step(data, optimiser(model))
    assert set(log) == {'loss', 'loss_epe', 'epe', 'epe_zero'}
    assert {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])} == set(
        before)
    assert all(name.startswith('sfm.flow_net.') for name in before)


def test_flow_pretraining(batch, tmp_path):
    """What it trains is what FlowNetS and SFM start from."""
    model = MODELS.build(dict(
        type='FlowPretraining', flow_net=FLOW_NET, data_preprocessor=PREPROCESSOR)).train()
    data = batch('source', label=False, augmented=False)
    first = model.train_step(data, optimiser(model, 1e-3))
    for _ in range(5):
        last = model.train_step(data, optimiser(model, 1e-3))
    assert last['epe'] < first['epe'] and last['epe_zero'] == first['epe_zero']
    path = str(tmp_path / 'flow.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    other = pretraining(sfm=dict(SFM, flow_net=dict(FLOW_NET, checkpoint=path)))
    other.init_weights()
    for name, value in model.flow_net.state_dict().items():
        assert torch.equal(value, other.sfm.flow_net.state_dict()[name])


def test_pretraining_messages(batch):
    model = pretraining()
    with pytest.raises(ValueError, match='0.png comes without.*label_clips=True'):
        forward(model, batch('source', augmented=False))
    with pytest.raises(KeyError, match='no source clips'):
        forward(model, batch('target', augmented=False))
    data = labelled_clips(batch)
    with pytest.raises(ValueError, match="no mode 'predict'.*val_cfg"):
        model(**model.data_preprocessor(copy.deepcopy(data), True), mode='predict')
    del data['inputs']['source']['flow']
    with pytest.raises(ValueError, match='SFMPretraining: clips come without flow'):
        forward(model, data)


# ---------------------------------------------------------------------------------------- SFC


def by_hand(model, data):
    """Equations 3 to 5 and 7, sample by sample and class by class."""
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    net, total = model.student, 0.
    flow = clip.flow if net.needs_flow else None
    part = dict(previous=slice(0, 2), current=slice(1, 3))
    frames = torch.cat([clip.frames[:, p] for p in part.values()])
    scores = net(frames, None if flow is None else torch.cat([flow[:, :1], flow[:, 1:]]))
    scores = F.interpolate(scores, (32, 48), mode='bilinear', align_corners=True)
    before, now = (100 * scores).softmax(1).chunk(2)
    for n in range(2):
        sf = 0.
        for c in range(4):
            if c in before[n].argmax(0) or c in now[n].argmax(0):
                sf = sf + model.sfm.flow_net(clip.raw[n:n + 1, 2] * now[n, c],
                                             clip.raw[n:n + 1, 1] * before[n, c])
        target = resize_flow(clip.flow[n:n + 1, 1], sf.shape[-2:])
        total = total + ((sf - target)**2).sum(1).sqrt().mean()
    return total / 2


@pytest.mark.parametrize('empty_classes', ['skip', 'mask'])
def test_equals_the_equations(sfc, batch, empty_classes):
    model = sfc(sfm=dict(SFM, empty_classes=empty_classes), norm_eval=True)
    data = both(batch)
    expected = by_hand(model, data)
    losses = forward(model, data)
    torch.testing.assert_close(losses['decode.epe'], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['decode.loss_sfc'], 0.005 * expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses['aux.loss_sfc'], 0.0005 * losses['aux.epe'])
    assert {'source.decode.loss_ce', 'source.aux.loss_ce'} <= set(losses)


def test_gradient_goes_through_sfm_not_into_it(sfc, batch):
    model = sfc(softmax_scale=1., flow=None)
    provider = Provider(noisy(MODELS.build(FLOW_NET), 0.2))
    model.flow = provider
    frozen = {n: v.clone() for n, v in model.sfm.state_dict().items()}
    flow_net = copy.deepcopy(provider._networks[0])
    data = both(batch)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    scores = model.class_scores(torch.cat([clip.frames[:, :2], clip.frames[:, 1:]]),
                                torch.cat([clip.flow[:, :1], clip.flow[:, 1:]]))['decode']
    scores.retain_grad()
    model.class_scores = lambda frames, flow: dict(decode=scores)
    forward(model, data)['decode.loss_sfc'].backward()
    # Both frames of both samples.
    assert all(grad.abs().max() > 0 for grad in scores.grad)
    assert model.student.segmentor.backbone.conv1.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in model.sfm.parameters())
    assert all(p.grad is None for p in provider._networks[0].parameters())

    del model.class_scores
    model.train_step(data, optimiser(model))
    assert not model.sfm.training and not any(m.training for m in model.sfm.modules())
    assert not provider.training and not any(m.training for m in provider._networks[0].modules())
    for name, value in model.sfm.state_dict().items():
        assert torch.equal(value, frozen[name])
    for a, b in zip(provider._networks[0].parameters(), flow_net.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture
def source_checkpoint(segmentor, tmp_path):
    """A single-frame model."""
    model = MODELS.build(dict(type='SourceOnly', student=dict(
        type='PerFrame', segmentor=segmentor, allow_random_init=True)))
    save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'source.pth'))
    return str(tmp_path / 'source.pth')


@pytest.mark.parametrize('pseudo_weight', [0., 1.])
@pytest.mark.parametrize('kind, options, length', [
    ('Accel', dict(flow_net=FLOW_NET), 3), ('Accel', {}, 4), ('Accel', dict(two=True, stage=1), 2),
    ('Accel', dict(two=True, stage=2, flow_net=FLOW_NET, key_grad=True), 3),
    ('DFF', dict(flow_net=FLOW_NET), 3), ('DFF', dict(stage=2), 3),
    ('DistortionAwareVSS', dict(flow_net=FLOW_NET), 3), ('PerFrame', {}, 2)], ids=str)
def test_every_video_net(sfc, segmentor, source_checkpoint, batch, kind, options, length,
                         pseudo_weight):
    if options.get('two'):
        options = {k: v for k, v in options.items() if k != 'two'}
        options['reference_segmentor'] = segmentor
    student = dict(type=kind, segmentor=segmentor, allow_random_init=True, **options)
    model = sfc(student=student, pseudo_weight=pseudo_weight, source_checkpoint=source_checkpoint)
    data = both(batch, length=length, augmented=bool(pseudo_weight))
    losses = forward(model, data)
    names = {'decode'} | (set() if options.get('stage') == 2 else {'aux'})
    if options.get('stage') == 1:
        names |= {'reference.decode', 'reference.aux'}
    for part, there in (('loss_sfc', True), ('loss_tpl', bool(pseudo_weight)), ('epe', True)):
        assert {n.removesuffix(f'.{part}') for n in losses if n.endswith(part)} == (
            names if there else set())
    model.parse_losses(forward(model, data))[0].backward()
    # DDP stops at a parameter without gradient.
    assert {n for n, p in model.named_parameters() if p.grad is not None} == \
        {n for n, p in model.named_parameters() if p.requires_grad}
    assert all(n.startswith('student.') for n, p in model.named_parameters() if p.requires_grad)
    model.zero_grad()
    log = model.train_step(data, optimiser(model))
    assert all(torch.isfinite(v).all() for v in log.values())


@pytest.mark.parametrize('threshold', [None, 0.28])
def test_temporal_pseudo_labels(sfc, batch, threshold):
    """Those of t-1 at each of its pixels, carried by flow of whole cells to the augmented t."""
    model = sfc(pseudo_weight=2., confidence_threshold=threshold, norm_eval=True)
    data = both(batch, augmented=True)
    flow = torch.zeros(2, 2, 32, 48)
    flow[:, 0] = 8
    data['inputs']['target']['flow'] = [flow.clone() for _ in range(2)]
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    losses = forward(model, data)
    net = model.student
    before = net.head_scores(clip.frames[:, :2], clip.flow[:, :1])
    now = net.head_scores(clip.augmented[:, 1:], clip.flow[:, 1:])
    for name, weight in (('decode', 2.), ('aux', 0.2)):
        p = before[name].fused.softmax(1)
        shift = round(8 * p.shape[-1] / 48)
        columns = (torch.arange(p.shape[-1]) + shift).clamp(max=p.shape[-1] - 1)
        confidence, labels = p[..., columns].max(1)
        keep = torch.ones_like(labels, dtype=torch.bool) if threshold is None \
            else confidence >= threshold
        assert keep.any()
        expected = F.cross_entropy(now[name].fused, labels, reduction='none')[keep].mean()
        torch.testing.assert_close(losses[f'{name}.loss_tpl'], weight * expected,
                                   rtol=1e-3, atol=1e-4)
        if name == 'decode':
            torch.testing.assert_close(losses['labelled'], keep.float().mean())
    with pytest.raises(KeyError, match='CrossFrameAugment'):
        forward(model, both(batch))


@pytest.mark.parametrize('statistics', ['all', 'target'])
def test_running_statistics(sfc, batch, statistics):
    """Whether source and augmented clips move them."""
    model = sfc(running_statistics=statistics, pseudo_weight=1.)
    data = both(batch, augmented=True)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    other = sfc()
    with torch.no_grad():
        other.class_scores(torch.cat([clip.frames[:, :2], clip.frames[:, 1:]]),
                           torch.cat([clip.flow[:, :1], clip.flow[:, 1:]]))
    forward(model, data)
    own, alone = (m.student.segmentor.backbone.bn1.running_mean for m in (model, other))
    assert torch.equal(own, alone) == (statistics == 'target')


def test_prediction_is_the_students(sfc, batch):
    model = sfc().eval()
    model.sfm = None
    data = model.data_preprocessor(batch(augmented=False))
    clip = data['inputs']
    assert torch.equal(model(**data, mode='tensor'), model.student(clip.frames, clip.flow))


def test_the_providers_flow_comes_first(sfc, batch):
    """Before that of the clips, which is the student's."""
    model = sfc(flow=dict(type='ZeroFlow'))
    data = both(batch)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    losses = forward(model, data)
    assert torch.equal(model.clip_flow(clip), clip.flow)
    zero = copy.deepcopy(data)
    zero['inputs']['target']['flow'] = [f * 0 for f in zero['inputs']['target']['flow']]
    assert losses['decode.epe'] != forward(sfc(), data)['decode.epe']


def test_messages(sfc, accel, batch, sfm_checkpoint, tmp_path):
    with pytest.raises(ValueError, match='`model.sfm_checkpoint` is not set'):
        sfc(sfm_checkpoint=None)
    with pytest.raises(FileNotFoundError, match='sfm_checkpoint .*gone.pth.*SFMPretraining'):
        sfc(sfm_checkpoint='gone.pth')
    with pytest.raises(ValueError, match="does not fit `model.sfm`.*of another shape, such as"):
        sfc(sfm=dict(SFM, flow_net=dict(FLOW_NET, base_channels=4)))
    other = str(tmp_path / 'other.pth')
    save_checkpoint(dict(state_dict={'student.x': torch.zeros(1)}), other)
    with pytest.raises(ValueError, match='other.pth holds no SFM'):
        sfc(sfm_checkpoint=other)
    for option in (dict(running_statistics='none'), dict(confidence_threshold=1.5)):
        with pytest.raises(ValueError, match=f'SFC: {next(iter(option))}='):
            sfc(**option)
    with pytest.raises(ValueError, match='2 frames and need 3 or more for Accel: set clip_len'):
        forward(sfc(), both(batch, length=2))
    data = both(batch)
    del data['inputs']['target']['flow']
    accel['flow_net'] = FLOW_NET
    with pytest.raises(ValueError, match='SFC: clips come without flow and there is no provider'):
        forward(sfc(student=accel), data)
    # SFC's own checkpoint holds an SFM too.
    model = sfc()
    save_checkpoint(dict(state_dict=model.state_dict()), other)
    sfc(sfm_checkpoint=other)
