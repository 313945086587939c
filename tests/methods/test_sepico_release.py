"""SePiCo, DACS and DAFormer as their releases run, built from the shipped configs.

Networks are made small by width and depth alone. What arrays were computed with is set after an
assertion that the config has the release's value; no test sets another weight of a loss, a rate or
a momentum. Reference values are golden arrays of the published code, or written down from it.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import shlex
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, DictAction
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS, PARAM_SCHEDULERS
from mmseg.structures import SegDataSample
from torch import nn

from mmdavss.datasets.rare_class import class_probabilities
from mmdavss.methods.mean_teacher import Labelled
from mmdavss.modules import class_mix_masks, downscale_labels
from mmdavss.structures import Clip, DomainBatch
from tests.published import whole_cells

pytestmark = pytest.mark.sampled
ROOT = Path(__file__).parents[2] / 'configs'
GOLDEN = Path(__file__).parents[1] / 'data/golden'
RARE = np.load(GOLDEN / 'daformer_rcs.npz')
DRAWN = '_sample_class_stats_json'
DLV2 = 'sepico/distcl_deeplabv2-r101_gta2city.py'
MIT = 'sepico/distcl_daformer-mitb5_gta2city.py'
DARK = 'sepico/distcl_deeplabv2-r101_city2darkzurich.py'
DACS = 'dacs/deeplabv2-r101_gta2city.py'
DAFORMER = 'dacs/daformer-mitb5_gta2city.py'
VIDEO = 'sepico/distcl_accel_viper2city.py'
FULL = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ('sepico', 'dacs')
    for path in (ROOT / folder).glob('*.py')
    if not any(net in path.name for net in ('r18', 'effnet', 'dinov2'))
)
#: Supervised training in SePiCo's setting.
SUPERVISED = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ('source_only', 'oracle')
    for net in ('deeplabv2-r101', 'daformer-mitb5')
    for data in ('gta2city', 'synthia-rand2city', 'city2darkzurich')
    for path in (ROOT / folder).glob(f'{net}_{data}.py')
)


def golden(name):
    with np.load(GOLDEN / f'{name}.npz') as arrays:
        return {
            key: torch.from_numpy(arrays[key])
            for key in arrays.files
            if arrays[key].dtype.kind in 'fiub'
        }


def config(name, classes=None):
    """A shipped config with a narrow, shallow network of `classes` classes."""
    cfg = Config.fromfile(ROOT / name)
    segmentor = cfg.model.student.segmentor
    backbone = segmentor.backbone
    heads = [segmentor.decode_head, segmentor.get('auxiliary_head')]
    if 'MixVision' in backbone.type:
        backbone.update(embed_dims=8, num_layers=[2, 1, 1, 1])
        heads[0].update(in_channels=[8, 16, 40, 64], channels=16, embed_channels=8)
        heads = heads[:1]
    else:
        backbone.update(depth=50, base_channels=4, stem_channels=4)
        for head, width in zip(heads, (128, 64), strict=True):
            if head is not None:
                head.in_channels = width
    backbone.init_cfg = None
    for head in heads:
        if head is not None and classes is not None:
            head.num_classes = classes
    return cfg


def build(name, classes=None, **options):
    torch.manual_seed(0)
    cfg = config(name, classes)
    cfg.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    model = MODELS.build(cfg.model)
    for part, module in model.named_modules():
        if 'conv_seg' in part and isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.1)  # scores that differ
    model.update_teacher(0.0)
    return model.train()


def preprocessed(model, batch, **kwargs):
    data = batch('source', 'target', augmented=False, **dict(dict(length=1), **kwargs))
    if model.day_reference is not None:
        for sample in data['data_samples']['target']:
            sample.set_metainfo(dict(reference_path='day.png'))
    return model.data_preprocessor(data, True)


SMALL_CROP = {'ignore_top': 3, 'ignore_bottom': 5, 'target_crop.crop_size': (32, 48)}


# ------------------------------------------------------------------------------ rates, schedule


@pytest.mark.slow
@pytest.mark.parametrize('name', FULL + SUPERVISED)
def test_rates(name):
    """Names with `head` at ten times the rate, nothing else; only MiT's norms do not decay."""
    cfg = config(name)
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    names = {id(p): n for n, p in model.named_parameters()}
    groups = {names[id(group['params'][0])]: group for group in wrapper.optimizer.param_groups}
    assert groups.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    norms = {n for n, m in model.named_modules() if isinstance(m, nn.LayerNorm)}
    for part, group in groups.items():
        head = 'head.' in part or part.startswith('projection.')
        assert group['lr'] == pytest.approx(6e-4 if head else 6e-5), part
        assert group['weight_decay'] == (0 if part.rpartition('.')[0] in norms else 0.01), part
        assert group['betas'] == (0.9, 0.999)
    assert bool(norms) == ('mitb5' in name)
    assert any(n.startswith('projection.') for n in groups) == name.startswith('sepico')


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, key, iterations',
    [
        (DLV2, 'daformer_hrda_mic_sepico_40k_encoder', 40000),
        (DARK, 'sepico_dark_60k_encoder', 60000),
    ],
)
def test_schedule(name, key, iterations):
    """Warm-up and poly together, at every iteration of the golden array."""
    cfg = Config.fromfile(ROOT / name)
    arrays = golden('release_schedules')
    expected = dict(zip(arrays['iterations'].tolist(), arrays[key].tolist(), strict=True))
    base = cfg.optim_wrapper.optimizer.lr
    optimiser = torch.optim.SGD(
        [dict(params=[nn.Parameter(torch.zeros(1))], lr=rate) for rate in (base, 10 * base)]
    )
    schedulers = [PARAM_SCHEDULERS.build(dict(s, optimizer=optimiser)) for s in cfg.param_scheduler]
    assert cfg.train_cfg.max_iters == iterations
    for step in range(iterations):
        if step in expected:
            rates = [group['lr'] for group in optimiser.param_groups]
            assert rates == pytest.approx([expected[step], 10 * expected[step]], rel=1e-6), step
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()


@pytest.mark.parametrize('name', FULL + SUPERVISED)
def test_all_configs_have_a_tested_schedule(name):
    cfg = Config.fromfile(ROOT / name)
    tested = Config.fromfile(ROOT / (DARK if 'darkzurich' in name else DLV2))
    assert cfg.param_scheduler == tested.param_scheduler and cfg.train_cfg == tested.train_cfg


@pytest.mark.parametrize('name', [DLV2, DAFORMER])
def test_teacher_of_the_hook(name):
    """shared golden array ema_teacher."""
    arrays = golden('ema_teacher')
    cfg = Config.fromfile(ROOT / name)
    (hook,) = (HOOKS.build(h) for h in cfg.custom_hooks if h.type == 'EMATeacherHook')
    assert hook.momentum == 0.999
    hook.momentum = float(arrays['alpha'])

    class Toy(nn.Module):
        def __init__(self, w, s):
            super().__init__()
            self.w, self.s = nn.Parameter(w.clone()), nn.Parameter(s.clone())

    model = build(DACS)
    model.teacher = Toy(arrays['w_init'], arrays['s_init'])
    wrapper = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0))
    for step in arrays['iters'].tolist():
        model.student = Toy(arrays[f'student_w_{step}'], arrays[f'student_s_{step}'])
        runner = SimpleNamespace(model=model, iter=step, optim_wrapper=wrapper)
        hook.before_train(runner)
        hook.before_train_iter(runner, step)
        for part in 'ws':
            torch.testing.assert_close(
                getattr(model.teacher, part).data, arrays[f'ema_{part}_{step}'], rtol=0, atol=1e-6
            )


@pytest.mark.parametrize('name', [DLV2, DAFORMER])
@pytest.mark.parametrize(
    'case', [key.removesuffix(DRAWN) for key in RARE.files if key.endswith(DRAWN)]
)
def test_rare_class_sampling(name, case):
    sampling = Config.fromfile(ROOT / name).train_dataloader.dataset.rare_class_sampling
    expected = RARE[f'{case}_T{sampling.temperature}_classes']
    pixels = np.zeros(expected.max() + 1)
    for image in json.loads(str(RARE[case + DRAWN])):
        for key, count in image.items():
            if key != 'file':
                pixels[int(key)] += count
    classes, probabilities = class_probabilities(pixels, sampling.temperature)
    np.testing.assert_array_equal(classes, expected)
    expected = RARE[f'{case}_T{sampling.temperature}_probs']
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4)
    assert sampling.temperature == 0.01
    assert sampling.min_pixels == 3000


# --------------------------------------------------------------------------------- one whole step


def dist_contrast(features, labels, model):
    """Equation 19 and 13 as published, unit weights, over the classes seen."""
    rows = features.permute(0, 2, 3, 1)[labels != 255].double()
    classes = labels[labels != 255]
    seen = model.statistics.count > 0
    mean, covariance = model.statistics.mean, model.statistics.covariance
    if not len(rows):
        return rows.sum(), rows.sum()
    kept = seen[classes]
    rows, classes = rows[kept], classes[kept]
    logits = rows @ mean.T / 100 + 0.5 * rows.square() @ covariance.T / 100**2
    logits = logits.masked_fill(~seen, -torch.inf)
    own = 0.5 * (rows.square() * covariance[classes]).sum(1) / 100**2
    contrast = (F.cross_entropy(logits, classes, reduction='none') + own).mean()
    log = (rows.mean(0) @ mean[seen].T / 100).log_softmax(0)
    count = seen.sum()
    return contrast, log.sum() / (count * count.double().log())


def samples_of(labels):
    made = []
    for label in labels:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=label[None])
        made.append(sample)
    return made


class Given(nn.Module):
    """A teacher with given outputs."""

    def __init__(self, scores, stage):
        super().__init__()
        self.outputs = scores, stage
        self.seen = []

    def forward(self, frames, flow):
        return self.outputs[0].float()

    def levels(self, frames):
        self.seen.append(frames)
        return [None, None, None, self.outputs[1].float()]


def test_step_of_sepico(monkeypatch):
    """shared golden array sepico_selftrain_step, and the losses of equation 20 that follow."""
    arrays = golden('sepico_selftrain_step')
    features = arrays['teacher_source_aux_feat']
    model = build(
        DLV2,
        int(arrays['num_classes']),
        **{
            'ignore_top': int(arrays['ignore_top']),
            'ignore_bottom': int(arrays['ignore_bottom']),
            'target_crop': None,
            'relabel_crop': False,
            'projection.channels': features.shape[1],
        },
    )
    assert model.confidence_threshold == 0.968
    model.confidence_threshold = float(arrays['pseudo_threshold'])
    model.teacher = Given(arrays['teacher_target_logits'], features)
    model.teacher_projection = nn.Identity()
    raw = {
        name: arrays[key][:, None].float()
        for name, key in (('source', 'src_img'), ('target', 'trg_img'))
    }
    normalise = model.data_preprocessor.normalise
    views, decided, seen = [], [], dict(scores=[], features=[], frames=[], labels=[], mixed=[])

    def augment(clips, decisions):
        views.append(clips)
        decided.append(decisions)
        return clips / 2  # so that views can be told from what they are made of

    monkeypatch.setattr(model.augment, 'forward', augment)
    monkeypatch.setattr(
        'mmdavss.methods.dacs.class_mix_masks', lambda labels: arrays['mix_mask'].bool()
    )
    head, backbone = model.student.segmentor.decode_head, model.student.segmentor.backbone
    head.conv_seg.register_forward_hook(lambda *a: seen['scores'].append(a[-1]))
    model.projection.register_forward_hook(lambda *a: seen['features'].append(a[-1]))
    backbone.register_forward_pre_hook(lambda _, a: seen['frames'].append(a[0]))
    downscale, weighted = model._downscale, model.weighted_losses
    monkeypatch.setattr(
        model,
        '_downscale',
        lambda labels, maps: (
            seen['labels'].append(labels),
            downscale(whole_cells(labels, maps.shape[-2:]), maps),
        )[1],
    )
    monkeypatch.setattr(
        model,
        'weighted_losses',
        lambda frames, flow, *args: (seen['mixed'].append(args), weighted(frames, flow, *args))[1],
    )
    losses = model.loss(
        {name: Clip(normalise(clip), clip) for name, clip in raw.items()},
        dict(
            source=samples_of(arrays['src_gt'][:, 0]),
            target=[SegDataSample()] * len(arrays['trg_img']),
        ),
    )

    # The student sees strong views only, the teacher plain ones; what whether is drawn is shared.
    expected = [raw['source'], arrays['mixed_img'][:, None].float(), raw['target']]
    assert len(views) == len(seen['frames']) == 3
    for view, frames, wanted in zip(views, seen['frames'], expected, strict=True):
        torch.testing.assert_close(view, wanted, rtol=0, atol=1e-6)
        torch.testing.assert_close(frames, normalise(wanted[:, 0] / 2))
    torch.testing.assert_close(model.teacher.seen[0], normalise(raw['source'][:, 0]))
    assert decided[0] is not None and all(d is decided[0] for d in decided)
    # Labels, weights and statistics.
    ((labels, weights),) = seen['mixed']
    assert torch.equal(labels, arrays['mixed_label'][:, 0])
    torch.testing.assert_close(weights.double(), arrays['mixed_pixel_weight'], rtol=0, atol=1e-6)
    teachers, source, target = seen['labels']
    assert torch.equal(teachers, arrays['src_gt'][:, 0]) and torch.equal(source, teachers)
    assert torch.equal(target, arrays['target_contrast_label'][:, 0])
    torch.testing.assert_close(model.statistics.mean, arrays['contrast_mean'], rtol=0, atol=1e-6)
    torch.testing.assert_close(
        model.statistics.covariance, arrays['contrast_cov_diag'], rtol=0, atol=1e-6
    )
    # Equation 20 with both weights 1; cross-entropy over all pixels.
    total = 0.0
    for scores, label, weight in zip(
        seen['scores'],
        (arrays['src_gt'], arrays['mixed_label']),
        (torch.ones_like(weights), weights),
        strict=True,
    ):
        scores = F.interpolate(scores, label.shape[-2:], mode='bilinear')
        ce = F.cross_entropy(scores, label[:, 0], ignore_index=255, reduction='none')
        total = total + (ce * weight).sum() / weight.numel()
    for maps, label in zip(seen['features'], (source, target), strict=True):
        size = maps.shape[-2:]
        cells = downscale_labels(whole_cells(label, size), size, int(arrays['num_classes']), 0.75)
        assert maps.min() >= 0  # behind a ReLU
        total = total + sum(dist_contrast(maps, cells, model))
    loss, _ = model.parse_losses(losses)
    torch.testing.assert_close(loss.double(), total.double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    'case',
    sorted(n.removesuffix('_mask') for n in golden('daformer_class_mix') if n.endswith('_mask')),
)
def test_mix_of_daformer(case, monkeypatch):
    """shared golden array daformer_class_mix, and the loss of DAFormer on it."""
    arrays = {
        key.removeprefix(f'{case}_'): value
        for key, value in golden('daformer_class_mix').items()
        if key.startswith(f'{case}_')
    }
    model = build(DAFORMER, augment=None)
    chosen = torch.zeros(len(arrays['mask']), 257, dtype=torch.bool)
    for row, values in zip(chosen, arrays['chosen_label_values_padded_minus1'], strict=True):
        row[values] = True  # -1 is the last one, which is cut off
    module = importlib.import_module('mmdavss.modules.class_mix')
    monkeypatch.setattr(module, 'draw_classes', lambda labels, generator: chosen[:, :256])
    seen = []
    scores = torch.randn(len(chosen), model.num_classes, 3, 4)
    monkeypatch.setattr(
        model.student, 'forward', lambda frames, flow: (seen.append(frames), scores)[1]
    )
    clips = [arrays[key][:, None].float() for key in ('source_img', 'target_img')]
    labels = arrays['source_label'][:, 0], arrays['target_pseudo_label']
    weights = torch.ones_like(arrays['target_weight']), arrays['target_weight']
    losses = model.mix_loss(
        *(
            Labelled(Clip(clip, clip), None, label, weight)
            for clip, label, weight in zip(clips, labels, weights, strict=True)
        )
    )
    torch.testing.assert_close(
        seen[0][:, 0], model.data_preprocessor.normalise(arrays['mixed_img'].float())
    )
    ce = F.cross_entropy(
        F.interpolate(scores, labels[0].shape[-2:], mode='bilinear'),
        arrays['mixed_label'][:, 0],
        ignore_index=255,
        reduction='none',
    )
    expected = (ce * arrays['mixed_weight'][:, 0]).sum() / ce.numel()
    torch.testing.assert_close(losses['mix.loss_ce'], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize('name', [DLV2, MIT, DARK, DACS, DAFORMER])
def test_source_loss_is_over_all_pixels(name, batch):
    model = build(name, augment=None, **({} if name == DAFORMER else SMALL_CROP))
    data = preprocessed(model, batch, length=1 + (name == DARK), size=(64, 96))
    inputs = data['inputs']
    inputs['source'] = Clip(*(part[:, -1:] for part in inputs['source'][:2]))
    scores = []
    head = model.student.segmentor.decode_head
    head.conv_seg.register_forward_hook(lambda *a: scores.append(a[-1]))
    if name != DAFORMER:
        model.target_crop = None
        model.relabel_crop = False
    losses = model.loss(inputs, data['data_samples'])
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    found = F.interpolate(scores[0], labels.shape[-2:], mode='bilinear')
    factors = None
    if name == DARK:
        factors = torch.tensor(published_class_weight()).float()
    expected = F.cross_entropy(found, labels, factors, ignore_index=255, reduction='sum')
    assert (labels == 255).any()
    torch.testing.assert_close(
        losses['source.decode.loss_ce'], expected / labels.numel(), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize('kind', ['protocl', 'bankcl', 'distcl'])
def test_contrast_of_the_shipped_loss(kind):
    """shared golden arrays: weights and temperature are the config's."""
    cfg = Config.fromfile(ROOT / f'sepico/{kind}_deeplabv2-r101_gta2city.py').model
    arrays = golden(f'sepico_{kind}')
    features = arrays['feat'].requires_grad_()
    classes, channels = arrays['mean'].shape
    statistics = MODELS.build(dict(cfg.statistics, num_classes=classes, channels=channels))
    statistics.mean.copy_(arrays['mean'])
    statistics.count.fill_(1)  # in the arrays all take part, absent ones as well
    if kind == 'distcl':
        statistics.covariance.copy_(arrays['covariance_diag'])
    if kind == 'bankcl':
        assert statistics.bank.shape[1] == 200
        length = arrays['bank_padded'].shape[1]
        statistics.bank[:, :length] = arrays['bank_padded'].float()
        statistics.bank_added.copy_(arrays['bank_len'])
    assert cfg.label_ratio == 0.75
    labels = downscale_labels(
        whole_cells(arrays['mask'][:, 0], features.shape[-2:]),
        features.shape[-2:],
        classes,
        float(arrays['scale_min_ratio']),
    )
    losses = MODELS.build(cfg.contrastive_loss)(features, labels, statistics)
    loss = losses['loss_contrast'] + losses['loss_reg']
    assert loss.item() == pytest.approx(float(arrays['loss_T100_reg1']), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, features)
    expected = arrays['grad_T100_reg1']
    assert (gradient - expected).abs().max() <= 1e-5 * expected.abs().max()


# ------------------------------------------------------------------------------------ small faults


@pytest.mark.parametrize('name', [DLV2, MIT, VIDEO])
def test_labels_that_weigh_nothing_are_not_contrasted(name, batch, monkeypatch):
    model = build(name, **dict(SMALL_CROP, confidence_threshold=0.01))  # all weigh something
    data = preprocessed(model, batch, length=2 if name == VIDEO else 1, size=(64, 96))
    model.target_crop, model.relabel_crop = None, False
    seen = []
    downscale = model._downscale
    monkeypatch.setattr(
        model, '_downscale', lambda labels, maps: (seen.append(labels), downscale(labels, maps))[1]
    )
    model.loss(data['inputs'], data['data_samples'])
    target = seen[-1]
    assert target[:, :3].eq(255).all() and target[:, -5:].eq(255).all()
    assert target[:, 3:-5].ne(255).all()


def test_flow_of_the_mix_follows_its_pixels(batch, monkeypatch):
    """Where a source pixel is pasted, the flow is the source's: Accel carries it along."""
    model = build(VIDEO, **SMALL_CROP)
    model.target_crop, model.relabel_crop = None, False
    data = preprocessed(model, batch, length=2)
    flows = []
    forward = model.student.forward
    monkeypatch.setattr(
        model.student,
        'forward',
        lambda frames, flow: (flows.append(flow), forward(frames, flow))[1],
    )
    model.schedule_contrast(update=False, contrast=False)
    torch.manual_seed(5)
    model.augment = None
    model.loss(data['inputs'], data['data_samples'])
    torch.manual_seed(5)
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    mask = class_mix_masks(labels).expand(-1, 2, -1, -1)[:, None]
    source, target = (data['inputs'][domain].flow for domain in ('source', 'target'))
    assert 0 < mask.float().mean() < 1
    assert torch.equal(flows[-1][mask], source[mask])
    assert torch.equal(flows[-1][~mask], target[~mask])


@pytest.mark.parametrize('name', [DLV2, DACS])
def test_the_crop_is_labelled_anew(name, batch):
    """Labels and the share of sure pixels are the teacher's on the crop."""
    model = build(
        name, confidence_threshold=0.2, **dict(SMALL_CROP, **{'target_crop.crop_size': (32, 40)})
    )
    data = preprocessed(model, batch, size=(48, 64))
    target = model.target(DomainBatch(**data).target)
    assert target.clip.frames.shape[-2:] == (32, 40)
    with torch.no_grad():
        scores = F.interpolate(model.teacher(target.clip.frames, None), (32, 40), mode='bilinear')
    probability, labels = scores.softmax(1).max(1)
    assert torch.equal(target.labels, labels)
    share = (probability >= 0.2).float().mean()
    assert 0 < share < 1
    torch.testing.assert_close(target.weights[:, 3:-5], share.expand(2, 24, 40))
    assert not target.weights[:, :3].any() and not target.weights[:, -5:].any()
    with pytest.raises(ValueError, match='relabel_crop=True needs'):
        build(name, target_crop=None)


def test_strong_views_draw_once_for_a_batch():
    """Whether is of the batch, how much is of the sample."""
    augment = build(DLV2).augment
    clips = torch.rand(1, 1, 3, 40, 40).expand(4, -1, -1, -1, -1).contiguous()
    found = set()
    for seed in range(60):
        torch.manual_seed(seed)
        changed = [
            not torch.equal(view, clip) for view, clip in zip(augment(clips), clips, strict=True)
        ]
        assert len(set(changed)) == 1
        found.add(changed[0])
        decisions = augment.decide(clips)
        for whether, change in zip(decisions, (augment.jitter, augment.blur), strict=True):
            view = change(clips, whether)
            assert bool(whether) != torch.equal(view, clips)
            assert not bool(whether) or not torch.equal(view[0], view[1])
    assert found == {True, False}
    torch.manual_seed(0)
    draws = torch.tensor([[bool(d) for d in augment.decide(clips)] for _ in range(2000)])
    assert draws.float().mean(0).tolist() == pytest.approx([0.8, 0.5], abs=0.05)


# ------------------------------------------------------------------------- networks and dark data


@pytest.mark.parametrize(
    'name, widths', [(DLV2, (2048, 2048, 512)), (MIT, (1024, 256, 512)), (VIDEO, (2048, 2048, 512))]
)
def test_projection_head(name, widths):
    """Conv, BN, ReLU twice, of the published widths; the input's follows from the stages."""
    cfg = Config.fromfile(ROOT / name).model
    backbone = cfg.student.segmentor.backbone
    backbone.init_cfg = None
    backbone.update(dict(num_layers=[1, 1, 1, 1]) if name == MIT else dict(depth=50))
    model = MODELS.build(cfg)
    kinds = [type(part) for module in model.projection for part in module.children()]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    shapes = [tuple(module.conv.weight.shape) for module in model.projection]
    assert shapes == [(widths[1], widths[0], 1, 1), (widths[2], widths[1], 1, 1)]
    assert not any(module.conv.bias is not None for module in model.projection)
    assert model.statistics.channels == 512


@pytest.mark.parametrize('stages', [(0,), (1,), (2,), (3,), (0, 1, 2, 3)])
def test_stages_of_table_8(stages, batch):
    model = build(DLV2, contrast_stages=stages, **SMALL_CROP)
    assert model.projection[0].conv.in_channels == sum(16 * 2**i for i in stages)
    losses = model(**preprocessed(model, batch), mode='loss')
    assert all(torch.isfinite(value).all() for value in losses.values())


def ablations():
    """Rows of the README: table, and overrides as --cfg-options takes them."""
    for line in (ROOT / 'sepico/README.md').read_text().splitlines():
        cells = [cell.strip() for cell in line.strip('|').split(' | ')]
        if len(cells) == 4 and cells[0].strip().isdigit():
            yield pytest.param(
                int(cells[0]),
                shlex.split(cells[2].strip('`')),
                id=f'{cells[0].strip()}: {cells[1]}',
            )


@pytest.mark.parametrize('table, overrides', list(ablations()))
def test_ablations(table, overrides):
    """Each override of the README is known, changes something, and leaves a model that builds."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    changes = parser.parse_args(['--cfg-options', *overrides]).cfg_options
    name = DLV2.replace('distcl', 'bankcl') if table == 7 else DLV2
    cfg, before = config(name), config(name)
    cfg.merge_from_dict(changes)
    for key in changes:
        values = [before, cfg]
        for part in key.split('.'):
            values = [
                value[int(part)] if part.isdigit() else value.get(part, 'default')
                for value in values
            ]
        assert values[0] != values[1], key
    model = MODELS.build(cfg.model)
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)
    assert model.self_training == ('model.self_training' not in changes)
    if table == 8:
        assert model.contrast_stages != (3,)
    if table == 9:
        loss = model.contrastive_loss
        assert loss.loss_weight * loss.reg_weight == 1


def test_every_ablation_has_a_row():
    tables = [row.values[0] for row in ablations()]
    assert {table: tables.count(table) for table in tables} == {
        5: 7,
        6: 1,
        7: 1,
        8: 2,
        9: 1,
        10: 1,
        11: 1,
    }


def test_dilation_is_contracted():
    for name in (DLV2, DACS, DARK):
        backbone = build(name).student.segmentor.backbone
        found = [
            [block.conv2.dilation[0] for block in layer][:3]
            for layer in (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4)
        ]
        assert found == [[1, 1, 1], [1, 1, 1], [1, 2, 2], [2, 4, 4]], name


def published_class_weight():
    """The release's frequencies of the classes, and what it makes of them."""
    frequency = torch.tensor(
        [
            0.36869696,
            0.06084986,
            0.22824049,
            0.00655399,
            0.00877272,
            0.01227341,
            0.00207795,
            0.0055127,
            0.15928651,
            0.01157818,
            0.04018982,
            0.01218957,
            0.00135122,
            0.06994545,
            0.00267456,
            0.00235192,
            0.00232904,
            0.00098658,
            0.00413907,
        ]
    ).log()
    return ((frequency.mean() - frequency) / frequency.std() * 0.05 + 1).tolist()


@pytest.mark.parametrize('net', ['deeplabv2-r101', 'daformer-mitb5'])
@pytest.mark.parametrize('kind', ['protocl', 'bankcl', 'distcl'])
def test_dark_zurich(net, kind, batch):
    name = f'sepico/{kind}_{net}_city2darkzurich.py'
    cfg = Config.fromfile(ROOT / name)
    assert (cfg.model.ignore_top, cfg.model.ignore_bottom) == (0, 0)
    assert cfg.train_dataloader.dataset.target.day_pairs == 'corresp'
    model = build(name, **{'target_crop.crop_size': (64, 96)})
    factors = torch.tensor(published_class_weight())
    for head in (model.student, model.teacher):
        torch.testing.assert_close(
            head.segmentor.decode_head.loss_decode.class_factors, factors, rtol=0, atol=1e-6
        )
    # Pseudo-labels: night and day mixed, then weighed, on the whole crop.
    data = preprocessed(model, batch, length=2, size=(64, 96))
    pairs = data['inputs']['target']
    target = model.target(DomainBatch(**data).target)
    with torch.no_grad():
        day, night = (
            F.interpolate(
                model.teacher(pairs.frames[:, i : i + 1], None), (64, 96), mode='bilinear'
            ).softmax(1)
            for i in (0, 1)
        )
    mixed = night.clone()
    for k in (0, 1, 2, 3, 4, 8, 9, 10):
        share = torch.where(day[:, k] > 0.4, 0.8, 0.2)
        mixed[:, k] = share * day[:, k] + (1 - share) * night[:, k]
    probability, labels = (mixed * factors.view(1, -1, 1, 1)).max(1)
    assert torch.equal(target.labels, labels)
    assert not torch.equal(labels, mixed.argmax(1))
    torch.testing.assert_close(
        target.weights, (probability >= 0.968).float().mean().expand_as(target.weights)
    )
    assert torch.equal(target.clip.frames, pairs.frames[:, 1:])
    # And the cross-entropy of the mix.
    scores, weights = torch.randn(2, 19, 8, 12), torch.rand(2, 64, 96)
    expected = (
        F.cross_entropy(
            F.interpolate(scores, (64, 96), mode='bilinear'), labels, factors, reduction='none'
        )
        * weights
    )
    (loss,) = model.net.supervise(scores, labels, weights, labels.numel()).values()
    torch.testing.assert_close(loss, expected.mean())


def test_night_only():
    """As printed: no day images, in the data neither."""
    cfg = Config.fromfile(ROOT / DARK.replace('.py', '_night-only.py'))
    assert cfg.model.day_reference is None
    assert cfg.train_dataloader.dataset.target.day_pairs is None


def test_sizes():
    """(width, height) before the crop, and crops, of sections 4 and 5 of the releases."""
    crop, whole = (640, 640), None
    for name, source, target, sizes, scored in (
        (DLV2, (1280, 720), (1280, 640), (crop, whole), (1280, 640)),
        (DACS, (1280, 720), (1280, 640), (crop, whole), (1280, 640)),
        (DARK, (1280, 640), (1280, 720), (crop, whole), (1280, 720)),
        (DAFORMER, (1280, 720), (1024, 512), ((512, 512), (512, 512)), (1024, 512)),
    ):
        cfg = Config.fromfile(ROOT / name)
        pair = cfg.train_dataloader.dataset
        pipelines = [
            pair.source.pipeline,
            pair.target.pipeline,
            cfg.val_dataloader.dataset.pipeline,
        ]
        for pipeline, scale in zip(pipelines, (source, target, scored), strict=True):
            (resize,) = (t for t in pipeline if t.type == 'ClipResize')
            assert tuple(resize.scale) == scale, name
        for pipeline, size, share in zip(pipelines[:2], sizes, (0.75, 1.0), strict=True):
            crops = [t for t in pipeline if t.type == 'ClipCrop']
            assert [tuple(t.crop_size) for t in crops] == ([size] if size else [])
            assert all(t.get('cat_max_ratio', 1.0) == share for t in crops)
            assert [t.prob for t in pipeline if t.type == 'ClipFlip'] == [0.5]
        assert (cfg.model.get('target_crop') is None) == (name == DAFORMER)
        assert cfg.train_dataloader.batch_size == 2
        assert cfg.model.get('augment_source', False) == name.startswith('sepico')


# ----------------------------------------------------------------------------- options and memory


def test_without_self_training(batch):
    """Table 5: source and contrast alone, each as before."""

    def losses(contrast=True, **options):
        model = build(DLV2, augment=None, **dict(SMALL_CROP, **options))
        model.schedule_contrast(update=True, contrast=contrast)
        return model(**preprocessed(model, batch), mode='loss')

    full, without = losses(), losses(self_training=False)
    assert full.keys() - without.keys() == {'mix.loss_ce', 'pseudo_label_weight'}
    assert all(
        torch.equal(value, full[key]) for key, value in without.items() if key.startswith('source')
    )
    assert {'target.loss_contrast', 'target.loss_reg'} < without.keys()
    assert not any('contrast' in key for key in losses(contrast=False, self_training=False))


@pytest.mark.slow
@pytest.mark.parametrize('name', [DLV2, MIT, DACS, DAFORMER, VIDEO])
def test_groups_make_the_step_of_the_sum(name, batch):
    """Losses backpropagated one after the other: weights and all statistics as from their sum."""
    model = build(name, **({} if name == DAFORMER else SMALL_CROP)).double()
    video = name == VIDEO
    data = batch('source', 'target', augmented=False, length=1 + video, size=(32, 48))
    if name in (MIT, DAFORMER):
        data = batch('source', 'target', augmented=False, length=1, size=(64, 96))
    if name != DAFORMER:
        model.target_crop, model.relabel_crop = None, False
    other = copy.deepcopy(model)
    results = []
    for net, grouped in ((model, True), (other, False)):
        wrapper = OptimWrapper(
            torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        )
        passes = []
        backward = wrapper.backward
        wrapper.backward = lambda loss, backward=backward, passes=passes: (
            passes.append(loss),
            backward(loss),
        )
        torch.manual_seed(3)
        if grouped:
            net.train_step(copy.deepcopy(data), wrapper)
        else:
            loss, _ = net.parse_losses(
                net(**net.data_preprocessor(copy.deepcopy(data), True), mode='loss')
            )
            wrapper.update_params(loss)
        results.append(len(passes))
    assert results == [3 if name.startswith('sepico') else 2, 1]
    before = build(name, **({} if name == DAFORMER else SMALL_CROP)).double().state_dict()
    for (key, ours), theirs in zip(
        model.state_dict().items(), other.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11, msg=key)
    moved = [key for key, value in model.named_parameters() if not torch.equal(value, before[key])]
    assert any(key.startswith('student.') for key in moved)


def test_scores_are_resized_twice(batch):
    """To the input, then to the image, as mmseg does; ADVENT's one step where it is off."""
    model = build(DLV2).eval()
    assert model.resize_to_input
    data = model.data_preprocessor(batch(augmented=False, length=1), False)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(ori_shape=(90, 130)))
    with torch.no_grad():
        scores = model.encode_decode(data['inputs'])
        twice = F.interpolate(
            F.interpolate(scores, (32, 48), mode='bilinear'), (90, 130), mode='bilinear'
        )
        once = F.interpolate(scores, (90, 130), mode='bilinear')
        for expected, flag in ((twice, True), (once, False)):
            model.resize_to_input = flag
            found = model.predict(data['inputs'], copy.deepcopy(data['data_samples']))
            for sample, wanted in zip(found, expected, strict=True):
                torch.testing.assert_close(sample.seg_logits.data, wanted)
    assert not torch.allclose(once, twice, atol=1e-3)


@pytest.mark.parametrize('name', [DLV2, MIT])
def test_a_group_is_gone_when_the_next_one_comes(name, batch):
    """Nothing of the graph of one pass is in memory during the next: what groups are for."""
    model = build(name, **SMALL_CROP)
    model.target_crop, model.relabel_crop = None, False
    data = batch('source', 'target', augmented=False, length=1, size=(64, 96))
    saved, alive = [], []
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor):
        # Parameters and slices of them outlive every step.
        if tensor.grad_fn is not None and tensor.untyped_storage().data_ptr() not in own:
            saved.append(weakref.ref(tensor.untyped_storage()))
        return tensor

    def count(*args):
        alive.append(sum(ref() is not None for ref in saved))

    model.student.segmentor.backbone.register_forward_pre_hook(count)
    wrapper = OptimWrapper(
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    )
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.train_step(data, wrapper)
        assert alive == [0, 0, 0] and len(saved) > 100
        # A sum keeps all: the count sees them.
        loss, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    assert 0 < alive[4] < alive[5] and torch.isfinite(loss)
