"""The EMA teacher, DACS and SePiCo: against the published steps, and as they train."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.methods.mean_teacher import Labelled
from mmdavss.modules import (
    ClassStatistics,
    class_mix,
    class_mix_masks,
    day_guided,
    downscale_labels,
)
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import build_method, small_net, train
from mmdavss.testing.methods import training_batch
from tests.methods.table import CASES
from tests.published import whole_cells

GOLDEN = Path(__file__).parents[1] / 'data/golden'
FACTORS = [1.0, 2.0, 0.5, 3.0]


def golden(name):
    with np.load(GOLDEN / f'{name}.npz') as arrays:
        return {
            key: torch.from_numpy(arrays[key])
            for key in arrays.files
            if arrays[key].dtype.kind in 'fiub'
        }


@pytest.fixture
def method():

    def make(name, **options):
        model = build_method(CASES[name], init_weights=True, **options)
        model.update_teacher(0.0)
        return model

    return make


class Toy(nn.Module):
    def __init__(self, w, s, buffer):
        super().__init__()
        self.w, self.s = nn.Parameter(w.clone()), nn.Parameter(s.clone())
        self.register_buffer('buffer', buffer.clone())


class TestTeacher:
    @pytest.mark.parametrize('moved', [True, False])
    def test_that_nothing_moves_is_said_once(self, monkeypatch, moved):
        """Scripts other than tools/train.py do not check the hooks."""
        said = []
        monkeypatch.setattr('mmdavss.methods.base.print_log', lambda text, **_: said.append(text))
        case = CASES['dacs']
        train(
            case if moved else replace(case, hooks=()),
            build_method(case),
            [training_batch(case, step) for step in range(2)],
        )
        assert len(said) == (not moved)
        assert all('EMATeacherHook' in text for text in said)

    def test_equals_the_published_average(self, method):
        """shared golden array ema_teacher: successive updates of the published implementation."""
        arrays = golden('ema_teacher')
        model = method('dacs')
        model.teacher = Toy(arrays['w_init'], arrays['s_init'], arrays['ema_buf_initial'])
        for step in arrays['iters'].tolist():
            model.student = Toy(
                arrays[f'student_w_{step}'], arrays[f'student_s_{step}'], arrays['student_buf']
            )
            model.update_teacher(min(1 - 1 / (step + 1), float(arrays['alpha'])))
            torch.testing.assert_close(model.teacher.w.data, arrays[f'ema_w_{step}'])
            torch.testing.assert_close(model.teacher.s.data, arrays[f'ema_s_{step}'])
        torch.testing.assert_close(model.teacher.buffer, arrays['ema_buf_initial'])

    def test_init_weights_makes_the_teacher_the_student(self):
        """Also where the student's weights are drawn anew after the teacher was copied."""
        model = build_method(CASES['dacs'])
        for value in model.student.state_dict().values():
            value.add_(1)
        model.init_weights()
        for (name, a), b in zip(
            model.student.state_dict().items(), model.teacher.state_dict().values(), strict=True
        ):
            assert torch.equal(a, b), name

    def test_starts_as_the_student_with_its_statistics(self, method):
        model = method('sepico_dist')
        assert list(model.companions) == ['teacher', 'teacher_projection']
        for companion in model.companions.values():
            online, average = companion.modules(model)
            for (name, a), b in zip(
                online.state_dict().items(), average.state_dict().values(), strict=True
            ):
                assert torch.equal(a, b), name

    @pytest.mark.parametrize('norm', ['batch', 'student'])
    def test_batch_norm(self, method, batch, norm):
        model = method('dacs', teacher_norm=norm)
        layers = [m for m in model.teacher.modules() if isinstance(m, _BatchNorm)]
        assert all(layer.training == (norm == 'batch') for layer in layers)
        with torch.no_grad():
            model.student.segmentor.backbone.bn1.running_mean.fill_(5.0)
        model.update_teacher(0.9)
        mean = model.teacher.segmentor.backbone.bn1.running_mean
        assert torch.all(mean == 5) == (norm == 'student')
        # Whatever the norm, the passes of the teacher leave the student's statistics alone.
        data = model.data_preprocessor(batch('target'), True)['inputs']['target']
        model.pseudo_labels(data, data.flow)
        assert torch.all(model.student.segmentor.backbone.bn1.running_mean == 5)

    def test_dropout_is_off(self, method, accel):
        accel['segmentor']['decode_head']['dropout_ratio'] = 0.5
        model = method('dacs', student=accel)
        assert model.student.segmentor.decode_head.dropout.training
        assert not model.teacher.segmentor.decode_head.dropout.training

    def test_unknown_norm(self, method):
        with pytest.raises(ValueError, match="teacher_norm='none'"):
            method('dacs', teacher_norm='none')

    @pytest.mark.parametrize(
        'options',
        [
            dict(confidence_threshold=2.0),
            dict(confidence_threshold=float('nan')),
            dict(ignore_top=-3),
            dict(ignore_bottom=-3),
        ],
        ids=str,
    )
    def test_values_outside_their_range(self, method, options):
        with pytest.raises(ValueError, match=f'^DACS: .*{next(iter(options))}='):
            method('dacs', **options)

    def test_rows_that_leave_nothing(self, method, monkeypatch):
        said = []
        monkeypatch.setattr(
            'mmdavss.methods.mean_teacher.print_log', lambda text, **_: said.append(text)
        )
        probability = torch.ones(1, 32, 48)
        model = method('dacs', ignore_top=12, ignore_bottom=19)
        weights = model.label_weights(probability)
        assert weights[:, 12].all() and weights.count_nonzero() == 48
        assert not said
        for _ in range(2):
            assert not model.label_weights(probability[:, 1:]).any()
        (text,) = said
        assert 'leave none of 31 rows' in text
        with pytest.raises(ValueError, match='PseudoLabelMargins in the pipeline has left out'):
            model.label_weights(probability, torch.ones(1, 32, 48))

    def test_refined_labels_that_nothing_learns(self, method):
        refinement = dict(type='LabelRefinement', mode='consistency')
        with pytest.raises(ValueError, match='not learned with self_training=False'):
            method('sepico_dist', self_training=False, target_crop=None, refinement=refinement)


class TestPublishedStep:
    """shared golden array sepico_selftrain_step: one step with given outputs of the network."""

    def test_labels_and_weights(self, method):
        arrays = golden('sepico_selftrain_step')
        top, bottom = int(arrays['ignore_top']), int(arrays['ignore_bottom'])
        model = method(
            'dacs',
            ignore_top=top,
            ignore_bottom=bottom,
            confidence_threshold=float(arrays['pseudo_threshold']),
        )
        probability, labels = arrays['teacher_target_logits'].softmax(1).max(1)
        weights = model.label_weights(probability)
        assert torch.equal(labels, arrays['pseudo_label'])
        share, end = float(arrays['pseudo_conf_fraction']), weights.shape[1] - bottom
        assert (
            weights[:, top:end].eq(share).all()
            if share in (0.0, 1.0)
            else torch.allclose(weights[:, top:end], torch.tensor(share, dtype=weights.dtype))
        )
        assert not weights[:, :top].any() and not weights[:, end:].any()
        contrast = labels.masked_fill(weights == 0, 255)
        assert torch.equal(contrast, arrays['target_contrast_label'][:, 0])
        mask = arrays['mix_mask'].bool()
        source = arrays['src_gt'][:, 0]
        torch.testing.assert_close(
            class_mix(mask, arrays['src_img'], arrays['trg_img']), arrays['mixed_img']
        )
        assert torch.equal(class_mix(mask[:, 0], source, labels), arrays['mixed_label'][:, 0])
        torch.testing.assert_close(
            class_mix(mask[:, 0], torch.ones_like(weights), weights).double(),
            arrays['mixed_pixel_weight'],
            rtol=0,
            atol=1e-6,
        )

    def test_statistics(self):
        arrays = golden('sepico_selftrain_step')
        features = arrays['teacher_source_aux_feat']
        classes = int(arrays['num_classes'])
        size = features.shape[-2:]
        labels = whole_cells(arrays['src_gt'][:, 0], size)
        labels = downscale_labels(labels, size, classes, 0.75)
        statistics = ClassStatistics(classes, features.shape[1], covariance='diagonal')
        statistics.update(features.transpose(0, 1).flatten(1).T, labels.flatten())
        torch.testing.assert_close(statistics.mean, arrays['contrast_mean'], rtol=0, atol=1e-6)
        torch.testing.assert_close(
            statistics.covariance, arrays['contrast_cov_diag'], rtol=0, atol=1e-6
        )
        assert torch.equal(statistics.count, arrays['amount'])


class TestDACS:
    def test_mix_equals_the_equations(self, method, batch):
        """Equation 4 on a mix made by hand, with the labels and weights of its pixels."""
        model = method('dacs', augment=None)
        data = model.data_preprocessor(batch('source', 'target'), True)
        source = model.source(DomainBatch(**data).source)
        target = model.target(DomainBatch(**data).target)
        target = target._replace(weights=torch.rand_like(target.weights))
        torch.manual_seed(3)
        losses = model.mix_loss(source, target)
        torch.manual_seed(3)
        mask = class_mix_masks(source.labels)[:, 0]
        raw = torch.where(mask[:, None, None], source.clip.raw, target.clip.raw)
        frames = (raw.flip(2) * 255 - 120) / 60
        flow = torch.where(mask[:, None, None], source.flow, target.flow)
        labels = torch.where(mask, source.labels, target.labels)
        weights = torch.where(mask, torch.ones_like(target.weights), target.weights)
        scores = nn.functional.interpolate(
            model.student(frames, flow), labels.shape[-2:], mode='bilinear', align_corners=True
        )
        logs = scores.log_softmax(1)
        total, count = 0.0, 0
        for n in range(labels.shape[0]):
            for y in range(labels.shape[1]):
                for x in range(labels.shape[2]):
                    count += 1
                    if labels[n, y, x] != 255:
                        total -= weights[n, y, x] * logs[n, labels[n, y, x], y, x]
        torch.testing.assert_close(losses['mix.loss_ce'], total / count, rtol=1e-4, atol=1e-5)

    def test_sizes_that_differ(self, method):
        model = method('dacs')

        def labelled(width):
            raw = torch.rand(1, 2, 3, 32, width)
            return Labelled(
                Clip(raw, raw), None, torch.zeros(1, 32, width).long(), torch.ones(1, 32, width)
            )

        with pytest.raises(ValueError, match='give both pipelines one crop size'):
            model.mix_loss(labelled(48), labelled(40))

    @pytest.mark.slow
    @pytest.mark.parametrize('name', ['dacs', 'sepico_dist'])
    def test_source_leaves_the_running_statistics_alone(self, method, batch, name):
        """Two source batches, the same target batch: the same statistics, if so configured."""

        def statistics(seed, **kwargs):
            model = method(name, augment=None, **kwargs)
            data = model.data_preprocessor(batch('source', 'target'), True)
            other = model.data_preprocessor(batch('source', seed=seed), True)
            source, samples = other['inputs']['source'], other['data_samples']['source']
            # No pixel of the source is in the mix.
            for sample in [*samples, *data['data_samples']['source']]:
                sample.gt_sem_seg.data.fill_(0)
            model.mix_loss = lambda source, target, *_: dict(
                mix=model.student(target.clip.frames, target.flow).mean()
            )
            model.loss(
                dict(data['inputs'], source=source), dict(data['data_samples'], source=samples)
            )
            return model.student.segmentor.backbone.bn1.running_mean.clone()

        torch.testing.assert_close(
            statistics(1, running_statistics='mixed'),
            statistics(2, running_statistics='mixed'),
            rtol=0,
            atol=0,
        )
        assert not torch.equal(statistics(1), statistics(2))

    @pytest.mark.parametrize('name', ['dacs', 'sepico_dist'])
    def test_running_statistics_of_plain_target_clips(self, method, batch, name):
        model = method(name, running_statistics='target')
        data = model.data_preprocessor(batch('source', 'target'), True)
        reference = copy.deepcopy(model.student)
        reference.features(data['inputs']['target'].frames.flatten(0, 1))
        model(**data, mode='loss')
        for (key, ours), theirs in zip(
            model.student.named_buffers(), reference.buffers(), strict=True
        ):
            if not key.endswith('num_batches_tracked'):
                torch.testing.assert_close(ours, theirs, msg=key)
        with pytest.raises(ValueError, match='running_statistics'):
            method(name, running_statistics='some')

    def test_day_reference(self, method, batch, per_frame):
        """The day image helps to label, and is not mixed: only the night image is left."""
        model = method('dacs', student=per_frame, day_reference=dict(static=[0, 1]))
        data = model.data_preprocessor(batch('source', 'target'), True)
        for sample in data['data_samples']['target']:
            sample.set_metainfo(dict(reference_path='day.png'))
        pairs = data['inputs']['target']
        night = model.target(DomainBatch(**data).target)
        assert torch.equal(night.clip.frames, pairs.frames[:, 1:])
        assert night.clip.raw.shape[1] == 1 and night.flow is None
        with torch.no_grad():
            at_day, at_night = (
                nn.functional.interpolate(
                    model.teacher(pairs.frames[:, i : i + 1]),
                    (32, 48),
                    mode='bilinear',
                    align_corners=True,
                ).softmax(1)
                for i in (0, 1)
            )
        assert torch.equal(night.labels, day_guided(at_night, at_day, [0, 1]).argmax(1))
        assert not torch.equal(night.labels, at_night.argmax(1))

    @pytest.mark.parametrize(
        'losses',
        [
            dict(type='BatchCrossEntropyLoss', class_weight=FACTORS),
            dict(type='CrossEntropyLoss', class_weight=FACTORS),
            [
                dict(type='CrossEntropyLoss', avg_non_ignore=True),
                dict(type='BatchCrossEntropyLoss', class_weight=FACTORS),
            ],
        ],
        ids=['ours', 'mmseg', 'several'],
    )
    def test_day_reference_weighs_classes_as_the_loss(self, method, batch, per_frame, losses):
        per_frame['segmentor']['decode_head']['loss_decode'] = losses
        model = method('dacs', student=per_frame, day_reference=dict(static=[0, 1]))
        assert not any('class_factors' in name for name in model.state_dict())
        data = model.data_preprocessor(batch('source', 'target'), True)
        for sample in data['data_samples']['target']:
            sample.set_metainfo(dict(reference_path='day.png'))
        pairs = data['inputs']['target']
        day, night = (Clip(pairs.frames[:, i : i + 1], pairs.raw[:, i : i + 1]) for i in (0, 1))
        mixed = day_guided(
            model.teacher_probabilities(night, None),
            model.teacher_probabilities(day, None),
            [0, 1],
        )
        weighed = mixed * torch.tensor(FACTORS)[:, None, None]
        labels = model.target(DomainBatch(**data).target).labels
        assert torch.equal(labels, weighed.argmax(1))
        assert not torch.equal(labels, mixed.argmax(1))

    def test_day_reference_that_cannot_be(self, method, batch, per_frame):
        with pytest.raises(ValueError, match='day_reference has treshold.*: static, ratio'):
            method('dacs', student=per_frame, day_reference=dict(treshold=0.4))
        model = method('dacs', student=per_frame, day_reference=dict(static=[0, 1]))
        # The frame before is no day image.
        for length in (1, 2):
            data = model.data_preprocessor(batch('source', 'target', length=length), True)
            with pytest.raises(ValueError, match='100.png has no day image: set day_pairs'):
                model(**data, mode='loss')

    def test_no_labelled_pixel(self, method, batch):
        model = method('sepico_dist')
        data = batch('source', 'target')
        for sample in data['data_samples']['source']:
            sample.gt_sem_seg.data.fill_(255)
        losses = model(**model.data_preprocessor(data, True), mode='loss')
        assert all(torch.isfinite(value).all() for value in losses.values())
        assert not model.statistics.count.any()


class TestSePiCo:
    def test_schedule(self, method, batch):
        model = method('sepico_dist')
        data = model.data_preprocessor(batch('source', 'target'), True)
        model.schedule_contrast(update=False, contrast=False)
        assert not any('contrast' in key for key in model(**data, mode='loss'))
        assert not model.statistics.count.any()
        model.schedule_contrast(update=True, contrast=False)
        model(**data, mode='loss')
        assert model.statistics.count.any()
        model.schedule_contrast(update=True, contrast=True)
        keys = model(**data, mode='loss').keys()
        assert {'source.loss_contrast', 'target.loss_contrast'} <= keys

    def test_statistics_come_from_the_teacher(self, method, batch):
        model = method('sepico_dist', label_ratio=0.0)
        data = model.data_preprocessor(batch('source', 'target'), True)
        source = model.source(DomainBatch(**data).source)
        with torch.no_grad():
            stage = model.teacher.levels(source.clip.frames[:, -1])[3]
            features = model.teacher_projection(stage)
        labels = downscale_labels(source.labels, features.shape[-2:], 4, 0.0)
        model(**data, mode='loss')
        for k in range(4):
            rows = features.permute(0, 2, 3, 1)[labels == k].double()
            assert model.statistics.count[k] == len(rows)
            if len(rows):
                torch.testing.assert_close(
                    model.statistics.mean[k], rows.mean(0), rtol=1e-4, atol=1e-6
                )


def test_a_teacher_that_is_nan_is_seen(method, batch):
    """It is sure of nothing, so that its labels weigh nothing: the losses stay finite."""
    model = method('dacs')
    data = batch('source', 'target')
    optimiser = OptimWrapper(torch.optim.SGD(model.student.parameters(), 0.0))
    model.train_step(data, optimiser)
    assert model.watched and all(value.isfinite() for value in model.watched.values())
    model.watched.clear()
    for parameter in model.teacher.parameters():
        parameter.fill_(torch.nan)
    log = model.train_step(data, optimiser)
    assert log['loss'].isfinite()
    assert model.watched['the prediction of the teacher'].isnan()


def test_features_of_statistics_that_are_nan_are_seen(method, batch):
    """The statistics leave them out."""
    model = method('sepico_dist')
    nn.init.constant_(next(model.teacher_projection.parameters()), torch.nan)
    model.train_step(
        batch('source', 'target'), OptimWrapper(torch.optim.SGD(model.student.parameters(), 0.0))
    )
    assert model.watched['the features of the statistics'].isnan()
    assert model.statistics.mean.isfinite().all()


@MODELS.register_module()
class PixelwiseOfAProject(nn.Module):
    """A focal loss that multiplies each pixel by its weight."""

    loss_name = 'loss_own'

    def forward(self, scores, labels, weight=None, ignore_index=255, avg_factor=None):
        losses = nn.functional.cross_entropy(
            scores, labels, ignore_index=ignore_index, reduction='none'
        )
        losses = losses * (1 - (-losses).exp()) ** 2
        losses = losses if weight is None else losses * weight
        return losses.sum() / (avg_factor or labels.numel())


CE = dict(type='CrossEntropyLoss', avg_non_ignore=True)
LOVASZ = dict(type='LovaszLoss', per_image=True)


def student_with(*losses):
    student = small_net('PerFrame')
    student['segmentor']['decode_head']['loss_decode'] = list(losses)
    return student


@pytest.mark.parametrize(
    ('loss', 'words'),
    [
        (LOVASZ, 'LovaszLoss of the decode head ignores them'),
        (dict(LOVASZ, per_image=False, reduction='none'), 'LovaszLoss .* ignores them'),
        (dict(type='TverskyLoss'), 'TverskyLoss .* ignores them'),
        (dict(type='HuasdorffDisstanceLoss'), 'HuasdorffDisstanceLoss .* ignores them'),
        (dict(type='DiceLoss'), r'DiceLoss .* cannot take them \(AssertionError'),
        (dict(type='BoundaryLoss'), r'BoundaryLoss .* cannot take them \(TypeError'),
        (dict(type='OhemCrossEntropy'), r'OhemCrossEntropy .* cannot take them \(TypeError'),
        (dict(CE, reduction='sum'), r'CrossEntropyLoss .* cannot take them \(ValueError'),
    ],
)
def test_losses_that_do_not_obey_weights_are_refused(loss, words):
    """Where there are such weights: in the mix and with `masked`."""
    student = student_with(CE, loss)
    for name in ('dacs', 'mic', 'sepico_dist', 'adaptsegnet_masked', 'minent_masked'):
        with pytest.raises(ValueError, match=words):
            build_method(CASES[name], student=copy.deepcopy(student))
    for name in ('adaptsegnet', 'minent'):
        build_method(CASES[name], student=copy.deepcopy(student))
    build_method(CASES['sepico_dist'], student=student, self_training=False)


@pytest.mark.parametrize(
    'losses',
    [
        [CE],
        [
            dict(CE, avg_non_ignore=False, class_weight=FACTORS),
            dict(type='BatchCrossEntropyLoss', class_weight=FACTORS),
        ],
        [dict(type='BatchCrossEntropyLoss', avg_non_ignore=False), dict(CE, use_sigmoid=True)],
        [dict(type='PixelwiseOfAProject'), CE],
    ],
)
def test_losses_that_obey_weights(losses, batch):
    """Trying them draws nothing and leaves no gradient."""
    plain = build_method(CASES['dacs'], student=small_net('PerFrame'))
    following = torch.rand(1)
    model = build_method(CASES['dacs'], student=student_with(*losses))
    assert torch.equal(torch.rand(1), following)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert ours.grad is None and torch.equal(ours, theirs)
    log = model.train_step(
        batch('source', 'target'), OptimWrapper(torch.optim.SGD(model.student.parameters(), 0.0))
    )
    assert log['mix.loss_ce'].isfinite()
