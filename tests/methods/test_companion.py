"""Copies that follow a part of a method: when they move, how they normalise, what saves them."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.runner.checkpoint import get_state_dict
from mmseg.registry import MODELS
from torch import nn

from mmdavss.methods import TENT, SourceOnly
from mmdavss.modules import norm_layers
from tests.methods.table import FLOW_NET

PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3)


@pytest.fixture
def method(accel):

    def make(seed=0, **companion):
        torch.manual_seed(seed)
        model = SourceOnly(student=copy.deepcopy(accel), data_preprocessor=PREPROCESSOR)
        model.add_companion('companion', **companion)
        model.init_weights()
        return model.train()

    return make


def step(model, batch):
    wrapper = OptimWrapper(
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    )
    model.train_step(batch('source'), wrapper)


def tensors(module):
    return [value.clone() for value in module.state_dict().values()]


def equal(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize('kind', ['fixed', 'copy', 'ema'])
def test_starts_as_what_it_follows_and_moves_when_told(method, batch, kind):
    model = method(kind=kind)
    start = tensors(model.student)
    assert equal(start, tensors(model.companion))
    step(model, batch)
    assert equal(start, tensors(model.companion)) and not equal(start, tensors(model.student))
    model.move_companions('copy')
    assert equal(tensors(model.student), tensors(model.companion)) == (kind == 'copy')
    model.move_companions('ema', 0.75)
    weight, first = (next(net.parameters()) for net in (model.companion, model.student))
    if kind == 'ema':
        torch.testing.assert_close(weight, 0.75 * start[0] + 0.25 * first)
        assert norm_layers(model.companion)[0].running_mean.any()
    elif kind == 'fixed':
        assert torch.equal(weight, start[0])
        # A model of an earlier moment enters: what it is from now on.
        model.companions['companion'].move(model)
        assert equal(tensors(model.student), tensors(model.companion))


@pytest.mark.parametrize('norm', ['student', 'batch'])
def test_normalisation(method, batch, norm):
    model = method(kind='ema', norm=norm)
    layers = norm_layers(model.companion)
    assert all(layer.training == (norm == 'batch') for layer in layers)
    step(model, batch)
    model.move_companions('ema', 0.9)
    # Of the student only where it normalises by them.
    assert torch.equal(layers[0].running_mean, norm_layers(model.student)[0].running_mean) == (
        norm == 'student'
    )
    assert not model.eval().companion.training and not any(layer.training for layer in layers)


@MODELS.register_module()
class SettledFlow(nn.Sequential):
    """A flow branch with batch norm whose statistics stay, as those of RAFT."""

    def __init__(self):
        super().__init__(nn.Conv2d(6, 2, 1), nn.BatchNorm2d(2))

    def train(self, mode=True):
        super().train(mode)
        self[1].eval()
        return self


def test_a_flow_branch_keeps_its_statistics(accel):
    """It says itself which those are, whoever puts batch norm into training mode."""
    options = dict(student=dict(accel, flow_net=dict(type='SettledFlow')))
    options['data_preprocessor'] = PREPROCESSOR
    tent = TENT(batch_statistics=True, **copy.deepcopy(options))
    taught = SourceOnly(train_norm_only=True, **copy.deepcopy(options))
    taught.add_companion('companion', kind='ema', norm='batch')
    for net in (tent.train().student, taught.train().companion):
        assert norm_layers(net.segmentor)[0].training
        assert not norm_layers(net.flow_net)[0].training
    assert norm_layers(tent.student.flow_net)[0].track_running_stats
    for net in (tent.student, taught.student):
        trained = {name.split('.')[0] for name, p in net.named_parameters() if p.requires_grad}
        assert trained == {'segmentor'}


def test_a_network_of_its_own_knows_the_normalisation(method, accel, batch):
    """As a flow branch needs it, which looks at images."""
    accel['flow_net'] = FLOW_NET
    model = method(kind='pretrained', module=MODELS.build(accel))
    frames = model.data_preprocessor(batch('target'))['inputs']['target'].frames
    assert torch.equal(model.companion.images(frames), model.student.images(frames))
    model.companion(frames)


def test_pretrained_backbone_outside_of_checkpoints(method, batch, tmp_path):
    """What DAFormer compares features with: never trained, and made again by init_weights."""
    options = dict(kind='fixed', follows='student.segmentor.backbone', persistent=False)
    model = method(**options)
    start = {n: v.clone() for n, v in model.companion.named_parameters()}
    assert start and not any(p.requires_grad for p in model.companion.parameters())
    step(model, batch)
    for saved in (model.state_dict(), get_state_dict(model)):
        assert saved.keys() == method(**options).student.state_dict(prefix='student.').keys()
    path = str(tmp_path / 'iter_1.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    other = method(**options)
    load_checkpoint(other, path, strict=True)
    assert other.load_state_dict(torch.load(path)['state_dict']).missing_keys == []
    assert equal(tensors(model.student), tensors(other.student))
    for name, value in other.companion.named_parameters():
        assert torch.equal(value, start[name])
    # A copy of the method keeps its own.
    assert not any(name.startswith('companion') for name in copy.deepcopy(other).state_dict())


def test_pretrained_weights_in_spite_of_a_source_checkpoint(accel, tmp_path):
    """The student starts from the source model, the companion from the backbone's own weights."""
    source = SourceOnly(student=copy.deepcopy(accel), data_preprocessor=PREPROCESSOR)
    for value in source.parameters():
        torch.nn.init.normal_(value)
    paths = [str(tmp_path / name) for name in ('source.pth', 'backbone.pth')]
    save_checkpoint(dict(state_dict=source.state_dict()), paths[0])
    pretrained = {
        name: torch.full_like(value, 2)
        for name, value in source.student.segmentor.backbone.state_dict().items()
    }
    save_checkpoint(dict(state_dict=pretrained), paths[1])
    accel['segmentor']['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint=paths[1])
    model = SourceOnly(student=accel, data_preprocessor=PREPROCESSOR, source_checkpoint=paths[0])
    model.add_companion('companion', 'pretrained', 'student.segmentor.backbone', persistent=False)
    model.init_weights()
    assert equal(tensors(model.student), tensors(source.student))
    assert model.companion.conv1.weight.eq(2).all()


@pytest.mark.parametrize('options', [dict(kind='slow'), dict(kind='ema', norm='eval')])
def test_bad_options(method, options):
    with pytest.raises(ValueError, match='Companion companion: .* is not one of'):
        method(**options)


def test_running_statistics_are_an_option_of_the_methods_that_have_them(accel):
    cfg = dict(type='SourceOnly', student=accel, data_preprocessor=PREPROCESSOR)
    with pytest.raises(ValueError, match='SourceOnly: running_statistics'):
        MODELS.build(dict(cfg, running_statistics='target'))
