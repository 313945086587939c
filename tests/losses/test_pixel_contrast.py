"""STPL equations 3 and 4 against a literal float64 form, golden arrays and hand computation."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmdavss.losses import STPLLoss, stpl_loss
from mmdavss.ops import rows_per_block

GOLDEN = Path(__file__).parents[1] / 'data/golden/stpl_eq3_eq4_literal.npz'


def literal(q, k, yq, yk, temperature, denominator='negatives', ignore=255):
    """Equation 3 with Python loops over queries and positives; None where it has no meaning."""
    losses = []
    for i in range(len(q)):
        valid = [j for j in range(len(k)) if yk[j] != ignore]
        positives = [j for j in valid if yk[j] == yq[i]]
        others = [j for j in valid if denominator == 'all' or yk[j] != yq[i]]
        if yq[i] == ignore or not positives or not others:
            losses.append(None)
            continue
        total = sum(torch.exp(q[i] @ k[j] / temperature) for j in others)
        terms = [torch.log(torch.exp(q[i] @ k[j] / temperature) / total) for j in positives]
        losses.append(-sum(terms) / len(positives))
    return losses


def rows(count, dim=6, seed=0, requires_grad=True):
    generator = torch.Generator().manual_seed(seed)
    x = F.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=1)
    return x.requires_grad_(requires_grad)


@pytest.mark.sampled
@pytest.mark.parametrize('denominator', ['negatives', 'all'])
@pytest.mark.parametrize('case', ['plain', 'ignored', 'no_positive', 'one_class'])
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_equals_literal_form(case, denominator, device, monkeypatch):
    # Blocks as on that device: several on a CPU, the last one smaller.
    monkeypatch.setattr(
        'mmdavss.losses.pixel_contrast.rows_per_block',
        lambda _, *args: rows_per_block(torch.device(device), *args),
    )
    monkeypatch.setattr('mmdavss.losses.pixel_contrast.BLOCK', 4)
    q, k = rows(11), rows(9, seed=1)
    yq = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 2])
    yk = torch.tensor([0, 0, 1, 2, 1, 2, 0, 1, 2])
    if case == 'ignored':
        yq[3], yk[5], yk[0] = 255, 255, 255
    elif case == 'no_positive':
        yk[yk == 2] = 1
    elif case == 'one_class':
        yq[:], yk[:] = 1, 1
    expected = literal(q, k, yq.tolist(), yk.tolist(), 0.07, denominator)
    kept = [loss for loss in expected if loss is not None]
    loss = stpl_loss(q, k, yq, yk, 3, denominator=denominator)
    each = stpl_loss(q, k, yq, yk, 3, denominator=denominator, reduction='none')
    assert each.tolist() == pytest.approx(
        [0.0 if value is None else value.item() for value in expected], rel=1e-10
    )
    grads = torch.autograd.grad(loss, (q, k))
    if not kept:
        assert case == 'one_class' and denominator == 'negatives'
        assert loss.item() == 0 and all(g.abs().max() == 0 for g in grads)
        return
    mean = sum(kept) / len(kept)
    assert loss.item() == pytest.approx(mean.item(), rel=1e-10)
    for ours, theirs in zip(grads, torch.autograd.grad(mean, (q, k)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('temperature', [0.07, 0.5, 1.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_golden(temperature, dtype):
    """A literal reading of the paper, computed in float64 by others (no public code exists)."""
    data = np.load(GOLDEN)
    q, k = (torch.tensor(data[n], dtype=dtype, requires_grad=True) for n in 'qk')
    yq, yk = (torch.tensor(data[f'label_{n}']) for n in 'qk')
    classes = int(max(yq.max(), yk.max())) + 1
    loss = stpl_loss(q, k, yq, yk, classes, temperature)
    loss.backward()
    each = stpl_loss(q, k, yq, yk, classes, temperature, reduction='none')
    tag = f'T{temperature}'
    rtol = 1e-5 if dtype == torch.float32 else 1e-9
    np.testing.assert_allclose(loss.item(), data[f'loss_{tag}'], rtol=rtol)
    # Single queries can lie near zero: measured against the size of the values.
    expected = data[f'per_query_{tag}']
    np.testing.assert_allclose(
        each.detach(), expected, rtol=rtol, atol=rtol / 10 * np.abs(expected).max()
    )
    for grad, name in ((q.grad, 'q'), (k.grad, 'k')):
        expected = data[f'grad_{name}_{tag}']
        np.testing.assert_allclose(grad, expected, atol=rtol * np.abs(expected).max(), rtol=0)


def test_by_hand():
    # Query at 0 degrees, positive at 60, negatives at 90 and 180, tau 1:
    # -log(e^.5 / (e^0 + e^-1)).
    angle = torch.deg2rad(torch.tensor([60.0, 90.0, 180.0], dtype=torch.float64))
    keys = torch.stack([angle.cos(), angle.sin()], 1)
    loss = stpl_loss(
        torch.tensor([[1.0, 0.0]], dtype=torch.float64),
        keys,
        torch.tensor([0]),
        torch.tensor([0, 1, 1]),
        2,
        temperature=1.0,
    )
    assert loss.item() == pytest.approx(-0.5 + math.log(1 + math.exp(-1)), rel=1e-12)


def test_lowest_value_of_the_papers_denominator():
    """Two classes at opposite points reach -2/tau plus log of the number of negatives."""
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    y = torch.tensor([0, 1])
    assert stpl_loss(q, q, y, y, 2).item() == pytest.approx(-2 / 0.07, rel=1e-5)
    # With all keys in the denominator the loss cannot fall below 0.
    assert stpl_loss(q, q, y, y, 2, denominator='all').item() == pytest.approx(0, abs=1e-5)


def test_module_is_the_mean_over_clips_and_survives_autocast():
    q = torch.stack([rows(8, seed=2), rows(8, seed=3)]).float()
    k = torch.stack([rows(8, seed=4), rows(8, seed=5)]).float()
    y = torch.tensor([[0, 1, 2, 0, 1, 2, 0, 1], [1, 1, 1, 1, 2, 2, 2, 2]])
    loss = STPLLoss(temperature=0.5, loss_weight=3.0)(q, k, y, y, 3)
    expected = (
        sum(stpl_loss(q[i].double(), k[i].double(), y[i], y[i], 3, 0.5) for i in range(2)) * 3 / 2
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = STPLLoss(temperature=0.5, loss_weight=3.0)(q, k, y, y, 3)
    assert half.dtype == torch.float32
    assert half.item() == loss.item()


def test_gradient_follows_its_factor():
    """The gradient is computed in the forward pass, before the factor of the loss is known."""
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    q, k = rows(8), rows(8, seed=1)
    grads = torch.autograd.grad(stpl_loss(q, k, y, y, 3), (q, k))
    for ours, once in zip(
        torch.autograd.grad(-2.5 * stpl_loss(q, k, y, y, 3), (q, k)), grads, strict=True
    ):
        torch.testing.assert_close(ours, -2.5 * once)


class Products(TorchDispatchMode):
    """Multiplications in matrix products."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.mm.out, torch.ops.aten.mm.default):
            self.count += args[0].numel() * args[1].shape[1]
        elif func in (torch.ops.aten.addmm_.default, torch.ops.aten.addmm.default):
            self.count += args[1].numel() * args[2].shape[1]
        return func(*args, **(kwargs or {}))


def test_no_product_is_computed_twice():
    q, k = rows(600, 16), rows(500, 16, seed=1)
    with Products() as products:
        stpl_loss(q, k, torch.arange(600) % 4, torch.arange(500) % 4, 4).backward()
    assert products.count == 3 * 600 * 500 * 16


def test_unknown_denominator():
    with pytest.raises(ValueError, match="denominator='positives'"):
        STPLLoss(denominator='positives')


@pytest.mark.parametrize('option', ['denominator', 'reduction'])
def test_unknown_options_of_the_function(option):
    rows, labels = torch.eye(2), torch.arange(2)
    with pytest.raises(ValueError, match=f"stpl_loss: {option}='sum' is not one of"):
        stpl_loss(rows, rows, labels, labels, 2, **{option: 'sum'})


@pytest.mark.parametrize('broken', [[3], range(8)])
@pytest.mark.parametrize('side', ['queries', 'keys'])
@pytest.mark.parametrize('denominator', ['negatives', 'all'])
def test_a_nan_is_seen(denominator, side, broken):
    """Left out, as it exceeds nothing, it would leave a loss of 0 and a gradient of NaN."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1])
    rows = dict(queries=torch.randn(8, 16), keys=torch.randn(8, 16))
    rows[side][list(broken)] = torch.nan
    loss = stpl_loss(
        **rows, query_labels=labels, key_labels=labels, num_classes=3, denominator=denominator
    )
    assert loss.isnan()
