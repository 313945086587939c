"""DAFormer's feature distance against the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.losses import FeatureDistance, feature_distance
from mmdavss.testing import NUM_CLASSES, build_method
from tests.methods.table import CASES
from tests.published import whole_cells

GOLDEN = Path(__file__).parents[1] / 'data/golden/daformer_feature_distance.npz'


@pytest.fixture
def data():
    arrays = np.load(GOLDEN)
    return {name: torch.tensor(arrays[name]) for name in arrays.files}


def num_classes(data):
    """The published code counts to 19; here only that no label is beyond matters."""
    return 1 + max(data['label'][data['label'] != 255].max(), data['thing_classes'].max()).item()


def distance(data, dtype=torch.float64, classes=None, labels=None):
    """Loss and gradient of a configured distance."""
    features = data['feat'].to(dtype).requires_grad_()
    loss = MODELS.build(
        dict(
            type='FeatureDistance',
            classes=classes,
            loss_weight=float(data['loss_weight']),
            min_ratio=float(data['scale_min_ratio']),
        )
    )
    value = loss(
        features,
        data['imagenet_feat'].to(dtype),
        whole_cells(data['label'][:, 0] if labels is None else labels, features.shape[-2:]),
        num_classes=num_classes(data),
    )
    return value, torch.autograd.grad(value, features)[0]


@pytest.mark.parametrize(('dtype', 'rtol'), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
def test_published_on_things(data, dtype, rtol):
    value, gradient = distance(data, dtype, data['thing_classes'].tolist())
    torch.testing.assert_close(value, data['loss'].to(dtype), rtol=rtol, atol=0)
    torch.testing.assert_close(
        gradient, data['grad'].to(dtype), rtol=0, atol=rtol * data['grad'].abs().max().item()
    )


def test_published_on_all_pixels(data):
    features = data['feat'].requires_grad_()
    everywhere = torch.ones(data['mask'][:, 0].shape, dtype=torch.bool)
    value = data['loss_weight'] * feature_distance(features, data['imagenet_feat'], everywhere)
    torch.testing.assert_close(value, data['loss_all_pixels'], rtol=1e-6, atol=0)
    gradient = torch.autograd.grad(value, features)[0]
    torch.testing.assert_close(gradient, data['grad_all_pixels'], rtol=1e-6, atol=0)


def test_labelled_cells_of_all_classes(data):
    """Without `classes`, every cell with a label counts: here by hand."""
    value, _ = distance(data)
    where = data['label_rescaled'][:, 0] != 255
    norms = (data['feat'] - data['imagenet_feat']).square().sum(1).sqrt()
    torch.testing.assert_close(value, data['loss_weight'] * norms[where].mean(), rtol=1e-6, atol=0)


def test_nothing_counts(data):
    """The published code has the mean of nothing, NaN."""
    things = data['thing_classes'].tolist()
    value, gradient = distance(
        data, classes=things, labels=torch.full_like(data['label'][:, 0], 255)
    )
    assert value == 0 and gradient.eq(0).all()


def test_features_that_are_still_those_of_imagenet(data):
    """As at the start of training: the norm has no gradient there, and must not be NaN."""
    data['feat'] = data['imagenet_feat'].clone()
    value, gradient = distance(data)
    assert value == 0 and gradient.eq(0).all()


def test_height_and_width_with_different_factors(data):
    """The published factor is W // w for both; sizes need not be multiples here."""
    features = torch.randn(1, 3, 2, 4)
    labels = torch.full((1, 64, 32), 255)
    labels[:, 32:, 8:16] = 5
    loss = FeatureDistance(classes=[5], loss_weight=1.0)
    value = loss(features, torch.zeros_like(features), labels, 19)
    torch.testing.assert_close(value, features[0, :, 1, 1].norm())


def test_a_cell_that_does_not_count_gives_no_gradient():
    features = torch.zeros(1, 2, 1, 2)
    features[..., 1] = torch.nan
    features.requires_grad_()
    value = feature_distance(features, torch.ones(1, 2, 1, 2), torch.tensor([[[True, False]]]))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(features.grad).all()


@pytest.mark.parametrize('classes', [[255], [-1], [1.5], []])
def test_classes_that_labels_cannot_have(classes):
    with pytest.raises(ValueError, match='classes'):
        FeatureDistance(classes=classes)


@pytest.mark.parametrize(
    'options', [dict(min_ratio=1.5), dict(loss_weight=-1.0), dict(loss_weight=float('nan'))]
)
def test_values_outside_their_range(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))}='):
        FeatureDistance(classes=[1], **options)


def test_classes_that_the_network_does_not_have():
    """Those of 19 classes left for a network of fewer would mean other things, in silence."""
    distance = dict(CASES['daformer'].model['feature_distance'], classes=(1, NUM_CLASSES))
    with pytest.raises(
        ValueError, match=rf'classes=\[{NUM_CLASSES}\] are not among the {NUM_CLASSES}'
    ):
        build_method(CASES['daformer'], feature_distance=distance)
