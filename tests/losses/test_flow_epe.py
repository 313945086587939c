"""The end-point error against the published one (golden arrays)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.losses import FlowEPELoss, flow_epe

GOLDEN = Path(__file__).parents[1] / 'data/golden/sfc_epe.npz'


@pytest.mark.parametrize(
    'value, gradient, options, labelled',
    [
        ('epe_mean', 'grad_mean', {}, False),
        ('epe_sum_over_batch', 'grad_sum_over_batch', dict(reduction='sum'), False),
        ('epe_sparse_mean', 'grad_sparse_mean', dict(sparse=True), False),
        (
            'epe_sparse_sum_over_batch',
            'grad_sparse_sum_over_batch',
            dict(sparse=True, reduction='sum'),
            False,
        ),
        ('epe_label_masked_mean', 'grad_label_masked_mean', dict(ignore_index=-1), True),
    ],
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_published(value, gradient, options, labelled, dtype):
    data = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN).items()}
    flow = data['input_flow'].to(dtype).requires_grad_()
    loss = MODELS.build(dict(type='FlowEPELoss', **options))(
        flow, data['target_flow'].to(dtype), labels=data['label_for_mask'] if labelled else None
    )
    torch.testing.assert_close(loss.double(), data[value], rtol=1e-5, atol=0)
    loss.backward()
    torch.testing.assert_close(flow.grad.double(), data[gradient], rtol=1e-5, atol=1e-7)


def test_zero_error_has_zero_gradient():
    data = np.load(GOLDEN)
    flow = torch.from_numpy(data['target_flow']).requires_grad_()
    loss = flow_epe(flow, flow.detach())
    loss.backward()
    assert loss == 0
    assert torch.equal(flow.grad, torch.from_numpy(data['grad_at_zero_error']))


def test_masks_by_hand():
    """Three, four, five: pixels of errors 5, 10, 13 and one that is not a number."""
    flow = torch.zeros(1, 2, 2, 2, requires_grad=True)
    target = torch.tensor([[[[3.0, 6.0], [5.0, torch.nan]], [[4.0, 8.0], [12.0, torch.inf]]]])
    valid = torch.tensor([[[True, True], [True, False]]])
    loss = FlowEPELoss(loss_weight=2.0)
    assert loss(flow, target, valid).item() == pytest.approx(2 * 28 / 3)
    assert loss(flow, target, valid[:, None]).item() == pytest.approx(2 * 28 / 3)
    labels = torch.tensor([[[255, 0], [7, 1]]])
    total = loss(flow, target, valid, labels)
    assert total.item() == pytest.approx(23)
    total.backward()
    assert torch.isfinite(flow.grad).all() and (flow.grad[0, :, 1, 1] == 0).all()
    # No pixel counts: zero, and still a graph.
    flow.grad = None
    nothing = loss(flow, target, torch.zeros_like(valid))
    nothing.backward()
    assert nothing == 0 and flow.grad.abs().max() == 0


def test_half_precision():
    flow = torch.full((1, 2, 4, 4), 300.0, dtype=torch.float16)
    assert flow_epe(flow, torch.zeros_like(flow)) == pytest.approx(300 * 2**0.5)


def test_messages():
    flow = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match='resize_flow'):
        flow_epe(flow, flow[..., :2])
    with pytest.raises(ValueError, match='resize_flow'):
        flow_epe(flow[:, :1], flow[:, :1])
    with pytest.raises(ValueError, match="'max'"):
        flow_epe(flow, flow, reduction='max')
    with pytest.raises(ValueError, match="FlowEPELoss: reduction='max'"):
        FlowEPELoss('max')


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_flow_that_is_nan_is_seen(reduction):
    """It is not greater than 0, and not equal to the target either."""
    flow = torch.zeros(1, 2, 2, 2)
    flow[0, 0, 1, 1] = torch.nan
    assert flow_epe(flow, torch.zeros_like(flow), reduction=reduction).isnan()
    valid = torch.tensor([[[True, True], [True, False]]])
    assert flow_epe(flow, torch.zeros_like(flow), valid, reduction) == 0
