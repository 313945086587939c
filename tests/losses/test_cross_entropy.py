import pytest
import torch
import torch.nn.functional as F
from mmseg.models.losses import CrossEntropyLoss

from mmdavss.losses import BatchCrossEntropyLoss


@pytest.fixture
def scores():
    return torch.randn(2, 4, 6, 8, requires_grad=True)


@pytest.fixture
def labels():
    labels = torch.randint(4, (2, 6, 8))
    labels[:, :2] = 255
    return labels


@pytest.mark.parametrize('avg_non_ignore', [True, False])
def test_equals_that_of_mmseg(scores, labels, avg_non_ignore):
    ours = BatchCrossEntropyLoss(avg_non_ignore, loss_weight=0.5)
    theirs = CrossEntropyLoss(avg_non_ignore=avg_non_ignore, loss_weight=0.5)
    weight = torch.rand(2, 6, 8)
    for args in ((), (weight,)):
        torch.testing.assert_close(
            ours(scores, labels, *args, ignore_index=255),
            theirs(scores, labels, *args, ignore_index=255),
            rtol=0,
            atol=0,
        )
    assert ours.loss_name == 'loss_ce'


def test_by_torch(scores, labels):
    torch.testing.assert_close(
        BatchCrossEntropyLoss()(scores, labels), F.cross_entropy(scores, labels, ignore_index=255)
    )


def test_no_label_at_all(scores, labels):
    loss = BatchCrossEntropyLoss()(scores, torch.full_like(labels, 255))
    assert loss == 0 and torch.autograd.grad(loss, scores)[0].eq(0).all()


def test_losses_of_pixels_equal_those_of_mmseg(scores, labels):
    ours = BatchCrossEntropyLoss(loss_weight=0.5, class_weight=[1.0, 2.0, 0.5, 3.0])
    theirs = CrossEntropyLoss(
        loss_weight=0.5, class_weight=[1.0, 2.0, 0.5, 3.0], avg_non_ignore=True
    )
    options = dict(ignore_index=255, reduction_override='none')
    for weight in (None, torch.rand(2, 6, 8)):
        found = ours(scores, labels, weight, **options)
        assert found.shape == labels.shape
        assert torch.equal(found, theirs(scores, labels, weight, **options))
    with pytest.raises(ValueError, match="reduction_override='sum' is neither"):
        ours(scores, labels, reduction_override='sum')
