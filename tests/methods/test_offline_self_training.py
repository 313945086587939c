"""Training on written pseudo-labels, with the source and without it."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS

PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3)


@pytest.fixture
def method(accel):

    def make(**options):
        torch.manual_seed(0)
        model = MODELS.build(
            dict(
                dict(type='OfflineSelfTraining') | options,
                student=copy.deepcopy(accel),
                data_preprocessor=PREPROCESSOR,
            )
        )
        return model.train()

    return make


def test_equals_its_parts(method, batch):
    """The supervised losses of the source, weighted, and cross-entropy with the labels given."""
    model = method(
        source_weight=0.5, regulariser=dict(type='PseudoLabelRegulariser'), norm_eval=True
    )
    data = batch('source', 'target')
    for sample in data['data_samples']['target']:
        sample.gt_sem_seg.data[:, :10] = 255
    data = model.data_preprocessor(data, True)
    losses = model(**data, mode='loss')
    clip, samples = (data[key]['source'] for key in ('inputs', 'data_samples'))
    for name, value in model.student.loss(clip.frames, clip.flow, samples).items():
        factor = 0.5 if 'loss' in name else 1
        torch.testing.assert_close(losses[f'source.{name}'], factor * value)
    assert 'source.aux.loss_ce' in losses
    clip, samples = (data[key]['target'] for key in ('inputs', 'data_samples'))
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
    scores = F.interpolate(
        model.student(clip.frames, clip.flow), (32, 48), mode='bilinear', align_corners=True
    )
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(scores, labels, ignore_index=255))
    for name, value in model.regulariser(scores, labels).items():
        torch.testing.assert_close(losses[name], value)
    torch.testing.assert_close(losses['labelled'], (labels != 255).float().mean())


@pytest.mark.parametrize('source_weight', [0.0, 1.0])
def test_what_is_trained(method, batch, source_weight):
    """Every parameter in training gets a gradient; without the source none is asked for."""
    model = method(source_weight=source_weight)
    domains = ('source', 'target') if source_weight else ('target',)
    data = batch(*domains)
    losses = model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')
    model.parse_losses(losses)[0].backward()
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for n, p in model.named_parameters() if p.grad is not None} == trained
    assert any('auxiliary_head' in name for name in trained) == bool(source_weight)
    wrapper = OptimWrapper(
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    )
    assert torch.isfinite(model.train_step(data, wrapper)['loss'])
    if source_weight:
        with pytest.raises(KeyError, match='no source clips'):
            model.train_step(batch('target'), wrapper)


def test_bad_weight(method):
    with pytest.raises(ValueError, match='source_weight=-1'):
        method(source_weight=-1)


@pytest.mark.parametrize('kind', ['VST', 'UR', 'CCM'])
def test_labels_that_a_method_cannot_learn(method, kind):
    with pytest.raises(ValueError, match=f'{kind}: .* remove model.soft_labels'):
        method(type=kind, soft_labels=True)


def test_a_regulariser_that_ccm_would_not_use(method):
    with pytest.raises(ValueError, match='CCM: .* remove model.regulariser'):
        method(type='CCM', regulariser=dict(type='EntropyLoss'))
