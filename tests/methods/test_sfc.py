"""SFC and its pretraining, against the published step (golden arrays) and by hand."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmdavss.flow import BaseFlowProvider
from mmdavss.ops import resize_flow
from mmdavss.structures import Clip
from mmdavss.testing import PREPROCESSOR

pytestmark = pytest.mark.sampled

GOLDEN = Path(__file__).parents[1] / 'data/golden'
CONFIGS = Path(__file__).parents[2] / 'configs/sfc'
FLOW_NET = dict(type='FlowNetS', base_channels=2)
SFM = dict(type='SFM', flow_net=FLOW_NET)


class StandIn(nn.Module):
    """The flow networks of the golden arrays."""

    def __init__(self, data, name):
        super().__init__()
        self.weights = {
            k.removeprefix(f'w.{name}.'): v for k, v in data.items() if k.startswith(f'w.{name}.')
        }

    def forward(self, current, previous):
        w = self.weights
        frames = torch.cat([current, previous], 1).to(w['c1.weight'])
        x = F.conv2d(frames, w['c1.weight'], w['c1.bias'], 2, 1)
        return 5 * F.conv2d(F.leaky_relu(x, 0.1), w['c2.weight'], w['c2.bias'], 2, 1)


class Provider(BaseFlowProvider):
    """Any network as a provider."""

    def __init__(self, network):
        super().__init__()
        self.hold(network)

    def _estimate(self, frame_a, frame_b, paths):
        return self._networks[0](frame_a, frame_b)


def golden(name, dtype=None):
    """The arrays, those of floats as `dtype`, if one is given."""
    arrays = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / f'{name}.npz').items()}
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in arrays.items()}


def noisy(module, std=0.1):
    for name, p in module.named_parameters():
        if 'bn' not in name and 'downsample.1' not in name:
            nn.init.normal_(p, std=std)
    return module


def pretraining(seed=0, **options):
    torch.manual_seed(seed)
    return MODELS.build(
        dict(
            dict(type='SFMPretraining', sfm=SFM, num_classes=4, data_preprocessor=PREPROCESSOR),
            **options,
        )
    )


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
        model = MODELS.build(
            dict(
                dict(
                    type='SFC',
                    student=copy.deepcopy(accel),
                    sfm=SFM,
                    sfm_checkpoint=sfm_checkpoint,
                    data_preprocessor=PREPROCESSOR,
                ),
                **options,
            )
        )
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


class Backbone(nn.Module):
    """One convolution of stride 8 in the place of a backbone, or the maps that it is given."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, frames):
        return (self.maps(frames),) * 4


def shipped(name, num_classes=None, **changed):
    """The method of a shipped config, its networks but narrow ones. Nothing of it is pretrained."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    init_default_scope('mmseg')
    for key in ('segmentor', 'reference_segmentor'):
        net = cfg.model.get('student', {}).get(key)
        if net is not None:
            net.backbone.update(base_channels=1, stem_channels=1, init_cfg=None)
            net.decode_head.in_channels, net.auxiliary_head.in_channels = 32, 16
            if num_classes is not None:
                net.decode_head.num_classes = net.auxiliary_head.num_classes = num_classes
    for key, value in changed.items():
        cfg.model[key] = value
    return MODELS.build(cfg.model).train()


def with_networks(model, data):
    """The networks of the golden arrays in it."""
    model.sfm.flow_net = StandIn(data, 'SFM')
    model.flow = Provider(StandIn(data, 'flownet_global'))
    return model


def with_maps(segmentor, maps):
    """Its scores are these maps; its heads keep their losses and how they resize."""
    segmentor.backbone = Backbone(maps)
    segmentor.decode_head.conv_seg = segmentor.auxiliary_head.conv_seg = nn.Identity()


def in_bgr_range(model):
    """The golden frames are images, their networks see them at -1 to 1, channels in one order."""
    model.student.set_normalisation(
        MODELS.build(
            dict(type='DomainDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True)
        )
    )


def golden_clips(data):
    """Source clips (t-1, t) with a label, and target clips (t-2, t-1, t)."""
    seen, raw = data['seg_input'][None], data['frames'][None]
    torch.testing.assert_close(seen, 2 * raw - 1)
    label = data['gt'].where(data['gt'] >= 0, 255)
    sample = SegDataSample(gt_sem_seg=PixelData(data=label))
    return (
        dict(source=Clip(seen[:, 1:], raw[:, 1:]), target=Clip(seen, raw)),
        dict(source=[sample], target=[SegDataSample()]),
    )


@pytest.mark.parametrize('scale', [1, 100])
def test_stage_two_equals_published(scale):
    """All of a step of the shipped config: both losses, and the gradient of L_flow."""
    data = golden('sfc_stage2_step', torch.float64)
    model = with_networks(shipped('accel_viper2city_stage2', int(data['num_classes'])), data)
    model.double()
    assert model.softmax_scale == 100  # the other one of the golden arrays is not released
    model.softmax_scale = scale
    student = model.student
    student.flow_net = StandIn(data, 'flownet')
    for net, name in ((student.segmentor, 'update'), (student.reference_segmentor, 'ref')):
        weights = [data[f'w.net_{name}.c.{part}'] for part in ('weight', 'bias')]
        with_maps(net, lambda frames, w=weights: F.conv2d(frames, *w, stride=8, padding=1))
    in_bgr_range(model)
    # There the reference's scores come first.
    own, reference = data['w.merge.weight'].chunk(2, 1)[::-1]
    student.fusion.load_state_dict(
        {'weight': torch.cat([own, reference], 1), 'bias': data['w.merge.bias']}
    )
    fused = []
    student.fusion.register_forward_hook(lambda *args: fused.append(args[2]))
    losses = model.loss(*golden_clips(data))
    assert {name for name in losses if 'loss' in name} == {
        'source.decode.loss_ce',
        'decode.loss_sfc',
    }
    torch.testing.assert_close(
        losses['source.decode.loss_ce'], data['ce_loss'][0], rtol=1e-5, atol=0
    )
    loss = losses['decode.loss_sfc']
    torch.testing.assert_close(loss, data[f'loss_flow_scale{scale}'], rtol=1e-5, atol=0)
    # The source's; the pair that ends with t, then that of t-1.
    _, current, previous = fused
    for name, scores in (('tm1', previous), ('t', current)):
        torch.testing.assert_close(scores, data[f'merge_out_{name}'], rtol=0, atol=1e-5)
    clip = golden_clips(data)[0]['target']
    torch.testing.assert_close(
        model.segmentation_flow(clip, previous, current),
        data[f'flow_pred_scale{scale}'],
        rtol=0,
        atol=1e-5,
    )
    weight, *maps = torch.autograd.grad(loss, [student.fusion.weight, previous, current])
    own, reference = weight.chunk(2, 1)
    for name, gradient in (
        ('weight', torch.cat([reference, own], 1)),
        ('out_tm1', maps[0]),
        ('out_t', maps[1]),
    ):
        expected = data[f'grad_merge_{name}_scale{scale}']
        # Rounding of float32, which the softmax at a scale of 100 makes larger; in the arrays too.
        atol = (1e-4 if scale == 100 else 1e-5) * expected.abs().max().item()
        torch.testing.assert_close(gradient, expected, rtol=0, atol=atol)


def test_stage_one_equals_published():
    """The same maps as scores of each classifier: 0.005, of the auxiliary ones 0.1 times that."""
    data = golden('sfc_stage2_step', torch.float64)
    model = with_networks(shipped('accel_viper2city_stage1', int(data['num_classes'])), data)
    model.double()
    previous, current = data['merge_out_tm1'], data['merge_out_t']
    maps = [previous.requires_grad_(True), current.requires_grad_(True)]
    inputs, samples = golden_clips(data)
    before = inputs['target'].frames[:, 1]

    def of_frame(frames):
        assert len(frames) == 1
        return previous if torch.equal(frames, before) else current

    for net in model.student.segmentors:
        with_maps(net, of_frame)
    losses = model.loss(
        dict(inputs, source=Clip(inputs['source'].frames[:, 1:], inputs['source'].raw[:, 1:])),
        samples,
    )
    assert len([name for name in losses if 'loss' in name]) == 8
    unweighted = data['loss_flow_scale100'] / data['loss_flow_weight']
    gradient = [data[f'grad_merge_out_{t}_scale100'] for t in ('tm1', 't')]
    for branch in ('', 'reference.'):
        for name, weight in (('decode', 1.0), ('aux', 0.1)):
            torch.testing.assert_close(
                losses[f'source.{branch}{name}.loss_ce'].double(),
                weight * data['ce_loss'][0].double(),
                rtol=1e-5,
                atol=0,
            )
            loss = losses[f'{branch}{name}.loss_sfc']
            torch.testing.assert_close(
                loss.double(), 0.005 * weight * unweighted.double(), rtol=1e-5, atol=0
            )
            for own, published in zip(
                torch.autograd.grad(loss, maps, retain_graph=True), gradient, strict=True
            ):
                expected = 0.005 * weight / data['loss_flow_weight'] * published
                torch.testing.assert_close(
                    own, expected, rtol=0, atol=1e-5 * expected.abs().max().item()
                )


def test_pretraining_equals_published():
    """A step of the shipped config; classes that no frame has are nothing."""
    data = golden('sfc_sfm_pretrain_step')
    model = with_networks(shipped('sfm_viper'), data)
    frames = data['frames_tm1_t'][None]
    labels = torch.cat([data['label_tm1'], data['label_t']])
    assert model.num_classes == 15
    model.num_classes = max(15, int(labels.max()) + 1)
    sample = SegDataSample(gt_clip_seg=PixelData(data=labels.where(labels >= 0, 255)))
    losses = model(Clip(frames, frames), [sample], mode='loss')
    torch.testing.assert_close(losses['loss_epe'], data['epe_masked'], rtol=0, atol=1e-4)
    torch.testing.assert_close(losses['epe'], data['epe_masked'], rtol=0, atol=1e-4)
    length = data['flow_label'].norm(dim=1)[data['label_quarter'] != -1].mean()
    torch.testing.assert_close(losses['epe_zero'], length, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        model(Clip(frames, frames), [sample]), data['flow_pred'], rtol=0, atol=1e-4
    )


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
        before
    )
    assert all(name.startswith('sfm.flow_net.') for name in before)


def test_flow_pretraining(batch, tmp_path):
    """What it trains is what FlowNetS and SFM start from."""
    model = MODELS.build(
        dict(type='FlowPretraining', flow_net=FLOW_NET, data_preprocessor=PREPROCESSOR)
    ).train()
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
    total = 0.0
    before, now = (
        (
            100
            * F.interpolate(
                model.student(clip.frames[:, t : t + 2], clip.flow[:, t : t + 1]),
                (32, 48),
                mode='bilinear',
                align_corners=True,
            )
        ).softmax(1)
        for t in range(2)
    )
    for n in range(2):
        sf = 0.0
        for c in range(4):
            if c in before[n].argmax(0) or c in now[n].argmax(0):
                sf = sf + model.sfm.flow_net(
                    clip.raw[n : n + 1, 2] * now[n, c], clip.raw[n : n + 1, 1] * before[n, c]
                )
        target = resize_flow(clip.flow[n : n + 1, 1], sf.shape[-2:])
        total = total + ((sf - target) ** 2).sum(1).sqrt().mean()
    return total / 2


@pytest.mark.parametrize('norm_eval', [True, False])
@pytest.mark.parametrize('empty_classes', ['skip', 'mask'])
def test_equals_the_equations(sfc, batch, empty_classes, norm_eval):
    """Batch norm, in training too, sees one of both clips at a time."""
    model = sfc(sfm=dict(SFM, empty_classes=empty_classes), norm_eval=norm_eval)
    data = both(batch)
    expected = by_hand(model, data)
    losses = forward(model, data)
    torch.testing.assert_close(losses['decode.epe'], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['decode.loss_sfc'], 0.005 * expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses['aux.loss_sfc'], 0.0005 * losses['aux.epe'])
    assert {'source.decode.loss_ce', 'source.aux.loss_ce'} <= set(losses)


def test_gradient_goes_through_sfm_not_into_it(sfc, batch):
    model = sfc(softmax_scale=1.0, flow=None)
    provider = Provider(noisy(MODELS.build(FLOW_NET), 0.2))
    model.flow = provider
    frozen = {n: v.clone() for n, v in model.sfm.state_dict().items()}
    flow_net = copy.deepcopy(provider._networks[0])
    data = both(batch)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    both_scores = [
        model.student(clip.frames[:, t : t + 2], clip.flow[:, t : t + 1]) for t in range(2)
    ]
    for scores in both_scores:
        scores.retain_grad()
    model.score_groups = lambda *clips: iter(
        [
            tuple(
                dict(decode=both_scores[0 if torch.equal(frames, clip.frames[:, :2]) else 1])
                for frames, _ in clips
            )
        ]
    )
    forward(model, data)['decode.loss_sfc'].backward()
    # Both frames of both samples.
    assert all(grad.abs().max() > 0 for scores in both_scores for grad in scores.grad)
    assert model.student.segmentor.backbone.conv1.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in model.sfm.parameters())
    assert all(p.grad is None for p in provider._networks[0].parameters())

    del model.score_groups
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
    model = MODELS.build(
        dict(
            type='SourceOnly',
            student=dict(type='PerFrame', segmentor=segmentor, allow_random_init=True),
        )
    )
    save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'source.pth'))
    return str(tmp_path / 'source.pth')


@pytest.mark.parametrize('pseudo_weight', [0.0, 1.0])
@pytest.mark.parametrize(
    'kind, options, length',
    [
        ('Accel', dict(flow_net=FLOW_NET), 3),
        ('Accel', {}, 4),
        ('Accel', dict(two=True, stage=1), 2),
        ('Accel', dict(two=True, stage=2, flow_net=FLOW_NET, key_grad=True), 3),
        ('DFF', dict(flow_net=FLOW_NET), 3),
        ('DFF', dict(stage=2), 3),
        ('DistortionAwareVSS', dict(flow_net=FLOW_NET), 3),
        ('PerFrame', {}, 2),
    ],
    ids=str,
)
def test_every_video_net(
    sfc, segmentor, source_checkpoint, batch, kind, options, length, pseudo_weight
):
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
            names if there else set()
        )
    model.parse_losses(forward(model, data))[0].backward()
    # DDP stops at a parameter without gradient.
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    assert all(n.startswith('student.') for n, p in model.named_parameters() if p.requires_grad)
    model.zero_grad()
    log = model.train_step(data, optimiser(model))
    assert all(torch.isfinite(v).all() for v in log.values())


@pytest.mark.parametrize('kind', ['DFF', 'DistortionAwareVSS'])
def test_current_frames_are_not_run_for_nothing(sfc, segmentor, batch, kind):
    """Of DFF the key frames go through the backbone: of the source, of each pair of the target."""
    student = dict(type=kind, segmentor=segmentor, flow_net=FLOW_NET, allow_random_init=True)
    model = sfc(student=student)
    seen = []
    model.student.segmentor.backbone.register_forward_hook(
        lambda module, frames, stages: seen.append(len(frames[0]))
    )
    forward(model, both(batch))
    # The source's current frame supervises the distortion network.
    assert seen == ([2, 2, 2] if kind == 'DFF' else [2, 2, 2, 2])


GROUPS = {
    'stage one': (
        dict(stage=1),
        2,
        [
            'source.decode',
            'source.reference.decode',
            'decode',
            'reference.decode',
            'decode.loss_tpl',
            'reference.decode.loss_tpl',
        ],
    ),
    'stage two': (dict(stage=2), 3, ['source.decode', 'decode', 'decode.loss_tpl']),
    'one stage': ({}, 3, ['source.decode', 'decode', 'decode.loss_tpl']),
}


def doubled(model):
    """All in float64, the frames too."""
    prepare = model.data_preprocessor.forward

    def forward(data, training=False):
        data = prepare(data, training)
        for domain, clip in data['inputs'].items():
            data['inputs'][domain] = Clip(
                *(None if maps is None else maps.double() for maps in clip)
            )
        return data

    model.data_preprocessor.forward = forward
    return model.double()


@pytest.mark.slow
@pytest.mark.parametrize('case', GROUPS)
def test_a_backward_pass_for_each_group(
    sfc, segmentor, source_checkpoint, batch, case, monkeypatch
):
    """Gradients and weights after two steps are those of one backward pass; the groups are these.

    What a group needs for its backward pass is gone before the next one is run.
    """
    options, length, expected = GROUPS[case]
    student = dict(
        type='Accel',
        segmentor=segmentor,
        reference_segmentor=segmentor,
        key_grad=True,
        flow_net=FLOW_NET,
        fusion_bias=True,
        allow_random_init=True,
        **options,
    )
    data = both(batch, length=length, augmented=True)
    states, gradients, logs = [], [], []
    for grouped in (True, False):
        model = doubled(
            sfc(student=student, source_checkpoint=source_checkpoint, pseudo_weight=0.1)
        )
        model._has_groups = lambda grouped=grouped: grouped
        wrapper = OptimWrapper(
            torch.optim.SGD(
                [p for p in model.parameters() if p.requires_grad], lr=0.05, momentum=0.9
            )
        )
        passes = []
        parse = model.parse_losses
        model.parse_losses = lambda losses, parse=parse, passes=passes: (
            passes.append(list(losses)),
            parse(losses),
        )[1]
        step = wrapper.optimizer.step
        found = {}

        def note(*args, step=step, model=model, found=found, **kwargs):
            found.update(
                {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
            )
            return step(*args, **kwargs)

        wrapper.optimizer.step = note
        logs.append([model.train_step(copy.deepcopy(data), wrapper) for _ in range(2)])
        states.append(model.state_dict())
        gradients.append(found)
        if grouped:
            assert len(passes) == 2 * len(expected)
            for losses, name in zip(passes, expected, strict=False):
                assert any(own.startswith(name) for own in losses)
                assert (
                    len(
                        {
                            own.split('.loss_')[0].replace('aux', 'decode')
                            for own in losses
                            if '.loss_' in own
                        }
                    )
                    == 1
                )
        else:
            assert len(passes) == 2
    assert gradients[0].keys() == gradients[1].keys()
    for own, other in ((gradients[0], gradients[1]), (states[0], states[1])):
        for name, value in own.items():
            torch.testing.assert_close(value, other[name], rtol=1e-9, atol=1e-12)
    for own, other in zip(*logs, strict=True):
        assert own.keys() == other.keys()
        for name, value in own.items():
            torch.testing.assert_close(value, other[name], rtol=1e-9, atol=1e-12)


def held(model, data):
    """Largest number of bytes that are kept for backward passes at a time, parameters not counted.

    ``train_step`` of the base class runs the groups' backward passes, which let go of them.
    """
    parameters = {p.data_ptr() for p in model.parameters()}
    kept, peak = {}, [0]

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            self.key = tensor.untyped_storage().data_ptr()
            if self.key not in parameters:
                count, size = kept.get(self.key, (0, tensor.untyped_storage().nbytes()))
                kept[self.key] = count + 1, size
                peak[0] = max(peak[0], sum(size for _, size in kept.values()))

        def __del__(self):
            if self.key in kept:
                count, size = kept.pop(self.key)
                if count > 1:
                    kept[self.key] = count - 1, size

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda own: own.tensor):
        model.train_step(data, optimiser(model))
    return peak[0]


@pytest.mark.slow
def test_stage_one_holds_one_branch_at_a_time(sfc, segmentor, source_checkpoint, batch):
    """The largest group is one of four: of the target, whose frames are twice as many."""
    student = dict(
        type='Accel',
        segmentor=segmentor,
        reference_segmentor=segmentor,
        stage=1,
        allow_random_init=True,
    )
    peaks = []
    for grouped in (True, False):
        model = sfc(student=student, source_checkpoint=source_checkpoint)
        model._has_groups = lambda grouped=grouped: grouped
        peaks.append(held(model, both(batch, length=2)))
    assert peaks[0] < 0.45 * peaks[1]


@pytest.mark.parametrize('threshold', [None, 0.28])
def test_temporal_pseudo_labels(sfc, batch, threshold):
    """Those of t-1 at each of its pixels, carried by flow of whole cells to the augmented t."""
    model = sfc(pseudo_weight=2.0, confidence_threshold=threshold, norm_eval=True)
    data = both(batch, augmented=True)
    flow = torch.zeros(2, 2, 32, 48)
    flow[:, 0] = 8
    data['inputs']['target']['flow'] = [flow.clone() for _ in range(2)]
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    losses = forward(model, data)
    net = model.student
    before = net.head_scores(clip.frames[:, :2], clip.flow[:, :1])
    now = net.head_scores(clip.augmented[:, 1:], clip.flow[:, 1:])
    for name, weight in (('decode', 2.0), ('aux', 0.2)):
        p = before[name].fused.softmax(1)
        shift = round(8 * p.shape[-1] / 48)
        columns = (torch.arange(p.shape[-1]) + shift).clamp(max=p.shape[-1] - 1)
        confidence, labels = p[..., columns].max(1)
        keep = (
            torch.ones_like(labels, dtype=torch.bool)
            if threshold is None
            else confidence >= threshold
        )
        assert keep.any()
        expected = F.cross_entropy(now[name].fused, labels, reduction='none')[keep].mean()
        torch.testing.assert_close(
            losses[f'{name}.loss_tpl'], weight * expected, rtol=1e-3, atol=1e-4
        )
        if name == 'decode':
            torch.testing.assert_close(losses['labelled'], keep.float().mean())
    with pytest.raises(KeyError, match='TPSAugment or CrossFrameAugment'):
        forward(model, both(batch))


@pytest.mark.parametrize('statistics', ['all', 'target'])
def test_running_statistics(sfc, batch, statistics):
    """Whether source and augmented clips move them."""
    model = sfc(running_statistics=statistics, pseudo_weight=1.0)
    data = both(batch, augmented=True)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    other = sfc()
    with torch.no_grad():
        for t in (1, 0):  # the pair that ends with the current frame comes first
            other.student(clip.frames[:, t : t + 2], clip.flow[:, t : t + 1])
    forward(model, data)
    own, alone = (m.student.segmentor.backbone.bn1.running_mean for m in (model, other))
    assert torch.equal(own, alone) == (statistics == 'target')


ONE_FRAME_AT_A_TIME = {
    # Kind and options of the net, length of the clips, frames of the passes: of clips t-2, t-1, t
    # the pair that ends with t comes first, of single frames t-1.
    'per frame': (dict(type='PerFrame'), 2, [0, 1]),
    'stage one': (dict(type='Accel', two=True, stage=1), 2, [0, 1]),
    'stage two': (dict(type='Accel', two=True, stage=2), 3, [2, 1]),
    'DFF': (dict(type='DFF'), 3, [1, 0]),
}


@pytest.mark.parametrize('case', ONE_FRAME_AT_A_TIME)
def test_batch_norm_sees_one_frame_at_a_time(sfc, segmentor, source_checkpoint, batch, case):
    """As released: it normalises by the statistics of a pass, and each moves the running ones."""
    options, length, order = ONE_FRAME_AT_A_TIME[case]
    student = dict(
        {k: v for k, v in options.items() if k != 'two'},
        segmentor=segmentor,
        allow_random_init=True,
    )
    if 'two' in options:
        student |= dict(reference_segmentor=segmentor, key_grad=True)
    model = sfc(
        student=student, source_checkpoint=source_checkpoint, running_statistics='target'
    ).train()
    data = both(batch, length=length)
    clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
    # The frames of a sequence become ever darker: the statistics of both together are others.
    for t, factor in enumerate((1.0, 0.6, 0.2)[:length]):
        clip.frames[:, t] *= factor
    prepare = model.data_preprocessor.forward

    def forward_darker(data, training=False):
        data = prepare(data, training)
        data['inputs']['target'] = clip
        return data

    model.data_preprocessor.forward = forward_darker
    by_itself = copy.deepcopy(model)
    model.flow_losses = lambda clip, motion, previous, current: (
        found.update({name: (previous[name], current[name]) for name in previous}) or dict(loss=0.0)
    )
    nets = model.student.segmentors
    seen, found = {net: [] for net in nets}, {}
    for net in nets:
        net.backbone.register_forward_hook(
            lambda module, frames, stages, own=seen[net]: own.append(frames[0])
        )
    forward(model, data)
    # Of each clip the update branch of Accel sees the last frame, the reference the first one. The
    # source's pass comes before them.
    order = {net: order for net in nets}
    if case == 'stage two':
        order[nets[1]] = [t - 1 for t in order[nets[0]]]
    for net in nets:
        assert [len(frames) for frames in seen[net]] == [2] * 3
        for frames, t in zip(seen[net][1:], order[net], strict=True):
            assert torch.equal(frames, clip.frames[:, t])

    # By hand: a network alone, a frame after the other; momentum 0.1.
    alone = by_itself.student.segmentors
    for own, other in zip(nets, alone, strict=True):
        norm = other.backbone.bn1
        mean, var = norm.running_mean.clone(), norm.running_var.clone()
        scores = {}
        for t in order[own]:
            maps = other.backbone.conv1(clip.frames[:, t]).transpose(0, 1).flatten(1)
            mean, var = 0.9 * mean + 0.1 * maps.mean(1), 0.9 * var + 0.1 * maps.var(1)
            scores[t] = other.decode_head(other.backbone(clip.frames[:, t]))
        torch.testing.assert_close(own.backbone.bn1.running_mean, mean)
        torch.testing.assert_close(own.backbone.bn1.running_var, var)
        if case in ('per frame', 'stage one'):
            prefix = '' if own is nets[0] else 'reference.'
            for t, score in enumerate(found[f'{prefix}decode']):
                torch.testing.assert_close(score, scores[t])


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
    with pytest.raises(ValueError, match='does not fit `model.sfm`.*of another shape, such as'):
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
