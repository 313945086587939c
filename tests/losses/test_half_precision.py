"""Under autocast losses are what they are in float32."""

import pytest
import torch
from torch import nn

from mmdavss.losses import (
    BankCLLoss,
    BatchCrossEntropyLoss,
    DistCLLoss,
    DomainGANLoss,
    FlowEPELoss,
    ProtoCLLoss,
    PseudoLabelRegulariser,
    RobustEntropyLoss,
    STPLLoss,
    TemporalConsistencyLoss,
    TubeDiceLoss,
    clip_cross_entropy,
)
from mmdavss.modules import ClassStatistics, probability_cross_entropy

K, A = 4, 8
LABELS = torch.randint(K, (2, 2, 6, 8), generator=torch.Generator().manual_seed(0))
LABELS[:, :, :2] = 255


def statistics():
    made = ClassStatistics(K, A, bank_size=3)
    made.update(maps(100, A), torch.arange(100) % K)
    return made


def maps(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def contrast(loss):
    return (2, A, 6, 8), lambda x: loss(
        nn.functional.normalize(x.float(), dim=1).to(x.dtype), LABELS[:, 0], statistics()
    )


#: The shape of what a loss is of, and the loss, or several.
LOSSES = {
    'cross_entropy': ((2, K, 6, 8), lambda x: BatchCrossEntropyLoss()(x, LABELS[:, 0])),
    'clip_cross_entropy': ((2, 2, K, 6, 8), lambda x: clip_cross_entropy(x, LABELS)),
    'probability_cross_entropy': (
        (2, K, 6, 8),
        lambda x: probability_cross_entropy(x.sigmoid(), LABELS[:, 0]),
    ),
    'stpl': (
        (2, 48, A),
        lambda x: STPLLoss()(
            nn.functional.normalize(x.float(), dim=2).to(x.dtype),
            x.flip(1) / 4,
            LABELS[:, 0].flatten(1),
            LABELS[:, 1].flatten(1),
            K,
        ),
    ),
    'proto': contrast(ProtoCLLoss()),
    'bank': contrast(BankCLLoss()),
    'dist': contrast(DistCLLoss()),
    'vanilla': ((2, 1, 6, 8), lambda x: DomainGANLoss()(x, True)),
    'lsgan': ((2, 1, 6, 8), lambda x: DomainGANLoss('lsgan')(x, False)),
    'epe': ((2, 2, 6, 8), lambda x: FlowEPELoss()(x, x.flip(0) + 1, labels=LABELS[:, 0])),
    'robust_entropy': ((2, K, 6, 8), RobustEntropyLoss()),
    'regulariser': ((2, K, 6, 8), lambda x: PseudoLabelRegulariser()(x, LABELS[:, 0])),
    'temporal_consistency': (
        (2, K, 6, 8),
        lambda x: TemporalConsistencyLoss()(
            x.sigmoid() / K, (x.flip(0) * 3).sigmoid() / K, LABELS[:, :1] < 255
        ),
    ),
    'tube_dice': ((2, 2, K, 6, 8), lambda x: TubeDiceLoss()(x, LABELS)),
}


def losses(name, x, autocast=False):
    """The losses, and the gradient of their sum, which is taken outside of autocast."""
    x = x.clone().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        made = LOSSES[name][1](x)
    made = dict(made) if isinstance(made, dict) else dict(loss=made)
    (grad,) = torch.autograd.grad(sum(made.values()), x)
    return made, grad


@pytest.mark.parametrize('name', LOSSES)
def test_autocast_changes_nothing(name):
    x = maps(*LOSSES[name][0]) * 3
    torch.testing.assert_close(losses(name, x, autocast=True), losses(name, x), rtol=0, atol=0)


@pytest.mark.parametrize(
    'name',
    [
        'cross_entropy',
        'clip_cross_entropy',
        'stpl',
        'proto',
        'bank',
        'dist',
        'vanilla',
        'lsgan',
        'regulariser',
        'tube_dice',
    ],
)
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_inputs_are_computed_in_float32(name, dtype):
    """The value is that of the very numbers in float32."""
    x = (maps(*LOSSES[name][0]) * 3).to(dtype)
    if name == 'stpl':  # or the inputs of the two were not the same numbers
        loss = STPLLoss()
        args = (LABELS[:, 0].flatten(1), LABELS[:, 1].flatten(1), K)
        made, expected = (
            loss(x / 8, x.flip(1) / 8, *args),
            loss(x.float() / 8, x.float().flip(1) / 8, *args),
        )
    elif name in ('proto', 'bank', 'dist'):
        loss = dict(proto=ProtoCLLoss, bank=BankCLLoss, dist=DistCLLoss)[name]()
        made, expected = (loss(value, LABELS[:, 0], statistics()) for value in (x, x.float()))
    else:
        made, expected = losses(name, x)[0], losses(name, x.float())[0]
    torch.testing.assert_close(made, expected, rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_probabilities_and_flow(dtype):
    """What is no score comes in half precision where a user brings it so."""
    p, flow = maps(2, K, 6, 8).softmax(1).to(dtype), (maps(2, 2, 6, 8) * 5).to(dtype)
    reached = LABELS[:, :1] < 255
    for loss in (
        lambda p, _: probability_cross_entropy(p, LABELS[:, 0]),
        lambda p, _: TemporalConsistencyLoss()(p, p.flip(0), reached),
        lambda _, flow: FlowEPELoss()(flow, flow.flip(0)),
    ):
        torch.testing.assert_close(loss(p, flow), loss(p.float(), flow.float()), rtol=0, atol=0)
