"""Distillation, teacher of two views and masks of VFM-UDA++ against the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.losses import FeatureDistillation, feature_distillation
from mmdavss.modules import MaskedConsistency
from mmdavss.structures import Clip
from mmdavss.testing import build_method
from mmdavss.testing.numerics import double_precision
from tests.methods.table import CASES, DISTILLATION

GOLDEN = Path(__file__).parents[1] / 'data/golden/vfmuda_pieces.npz'


@pytest.fixture
def data():
    arrays = np.load(GOLDEN)
    return {name: torch.tensor(arrays[name]) for name in arrays.files}


@pytest.mark.parametrize(('dtype', 'rtol'), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
def test_published(data, dtype, rtol):
    features = data['features'].to(dtype).requires_grad_()
    loss = feature_distillation(features, data['features_frozen'].to(dtype))
    torch.testing.assert_close(loss, data['feature_loss'].to(dtype), rtol=rtol, atol=0)
    (gradient,) = torch.autograd.grad(loss, features)
    expected = data['grad_features'].to(dtype)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=rtol * expected.abs().max().item())


def test_published_mask(data):
    masked = MaskedConsistency(int(data['block']), float(data['mask_ratio']))
    torch.manual_seed(int(data['torch_seed']))
    assert torch.equal(masked.mask(data['img'][:, None])[:, 0], data['masked_img'])


def test_blocks_of_the_config():
    """18 along 1024 pixels, which the release has along the 1120 that it resizes them to."""
    mask = MaskedConsistency(57, 0.5).mask(torch.ones(1, 1, 1, 1024, 1024))[0, 0, 0]
    first_rows = torch.tensor([-(-1024 * block // 18) for block in range(18)])
    assert torch.equal(
        mask[first_rows].repeat_interleave(first_rows.diff(append=torch.tensor([1024])), 0), mask
    )
    assert round(1120 / 64) == 18


def test_published_labels_of_two_views(data, monkeypatch):
    with double_precision():
        model = build_method(CASES['dacs_distilled'], mirrored=True)
    model.confidence_threshold = float(data['pseudo_threshold'])
    size = data['ignore'].shape
    frames = torch.zeros(size[0], 1, 3, *size[1:], dtype=torch.float64)
    frames[..., : size[2] // 2] = 1  # tells the two views apart

    def scores(view, flow):
        plain = bool(view[0, 0, 0, 0, 0] == 1)
        logits = data['logits_plain' if plain else 'logits_mirrored_back'].double()
        return logits if plain else logits.flip(-1)

    monkeypatch.setattr(model.teacher, 'forward', scores)
    valid = (data['ignore'] != 255).double()
    labels, weights = model.pseudo_labels(Clip(frames, frames, valid=valid), None)
    assert torch.equal(labels, data['pseudo_label'].long())
    torch.testing.assert_close(weights.float(), data['pseudo_weight'], rtol=1e-6, atol=0)


def test_mirrored_teacher_turns_the_flow(monkeypatch):
    model = build_method(CASES['dacs'], mirrored=True)
    frames, flow = torch.randn(1, 2, 3, 32, 48), torch.randn(1, 1, 2, 32, 48)
    seen = []

    def scores(view, own):
        seen.append((view, own))
        return view[:, -1, :1].repeat(1, 4, 1, 1)

    monkeypatch.setattr(model.teacher, 'forward', scores)
    model.teacher_probabilities(Clip(frames, frames), flow)
    (_, plain), (view, turned) = seen
    assert torch.equal(plain, flow) and torch.equal(view, frames.flip(-1))
    assert torch.equal(turned[:, :, 0], -flow[:, :, 0].flip(-1))
    assert torch.equal(turned[:, :, 1], flow[:, :, 1].flip(-1))


def test_the_frozen_network_is_in_no_checkpoint_and_stays():
    init_cfg = dict(type='Pretrained', checkpoint='file.pth')
    config = dict(
        DISTILLATION, in_channels=8, backbone=dict(DISTILLATION['backbone'], init_cfg=init_cfg)
    )
    module = MODELS.build(config).train()
    assert not module.backbone.training and module.head.training
    assert all(name.startswith('head.') for name in module.state_dict())
    other = MODELS.build(config)
    before = other.backbone.cls_token.clone()
    assert not other.load_state_dict(module.state_dict()).missing_keys
    assert torch.equal(other.backbone.cls_token, before)
    module(torch.randn(2, 8, 3, 4), torch.randn(2, 3, 32, 48)).backward()
    trained = {name for name, own in module.named_parameters() if own.grad is not None}
    assert trained == {name for name, _ in module.named_parameters() if name.startswith('head.')}


def test_the_frozen_network_has_the_weights_of_its_file(tmp_path):
    given = MODELS.build(DISTILLATION['backbone'])
    path = tmp_path / 'dinov2.pth'
    torch.save(given.state_dict(), path)
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    backbone = dict(DISTILLATION['backbone'], init_cfg=init_cfg)
    module = MODELS.build(dict(DISTILLATION, in_channels=8, backbone=backbone))
    module.init_weights()
    loaded = dict(module.backbone.named_parameters())
    assert all(torch.equal(own, loaded[name]) for name, own in given.named_parameters())
    backbone['num_registers'] = 4
    with pytest.raises(ValueError, match='does not fit DINOv2'):
        MODELS.build(dict(DISTILLATION, in_channels=8, backbone=backbone)).init_weights()


def test_a_frozen_network_without_a_file_is_in_the_checkpoint():
    """Or a resumed run would have another one."""
    module, other = (MODELS.build(dict(DISTILLATION, in_channels=8)) for _ in '01')
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.backbone.cls_token, module.backbone.cls_token)


def test_weight_and_size(monkeypatch):
    module = MODELS.build(dict(DISTILLATION, in_channels=8, loss_weight=0.25))
    features, images = torch.randn(2, 8, 3, 4), torch.randn(2, 3, 32, 48)
    seen = []
    handle = module.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    loss = module(features, images)
    handle.remove()
    assert seen[0].shape[-2:] == DISTILLATION['size'] == (42, 56)
    module.loss_weight = 1.0
    torch.testing.assert_close(loss, module(features, images) / 4)


def test_a_frozen_network_needs_weights():
    backbone = dict(type='DINOv2', arch=(16, 2, 2))
    with pytest.raises(ValueError, match='teaches nothing: set backbone.init_cfg'):
        FeatureDistillation(backbone, 8)
    # Another start is no file: the network would be random and in no checkpoint.
    with pytest.raises(ValueError, match='teaches nothing'):
        FeatureDistillation(dict(backbone, init_cfg=dict(type='TruncNormal', layer='Linear')), 8)


def test_no_discriminator_beside_it():
    with pytest.raises(ValueError, match='discriminator and distillation are mutually exclusive'):
        build_method(CASES['dacs_discriminator'], distillation=DISTILLATION)
