"""Losses of full-size frames in float32 are what they are in float64.

Sums over a million pixels lose digits where they are taken one after the other, and what is left of
large sums in a difference is small. The float64 run gets the very numbers of the float32 one, so
that only the arithmetic differs.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

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
from mmdavss.modules import (
    ClassStatistics,
    class_entropy,
    normalised_entropy,
    probability_cross_entropy,
)
from mmdavss.video_nets.base import head_losses

pytestmark = pytest.mark.slow

SIZE = (720, 1280)
#: Classes, one of which fills most of the frame as a road does; channels of features.
K, A = 3, 8


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def labels(size: tuple[int, int] = SIZE) -> Tensor:
    """(1, 2, H, W)."""
    maps = torch.multinomial(
        torch.tensor([0.8, 0.15, 0.05]),
        2 * size[0] * size[1],
        replacement=True,
        generator=generator(),
    ).view(1, 2, *size)
    maps[..., : size[0] // 10, :] = 255
    return maps


LABELS = labels()


def maps(channels: int, scale: float = 2.0, size: tuple[int, int] = SIZE) -> Tensor:
    """(1, 2, C, H, W), normal numbers."""
    return scale * torch.randn(1, 2, channels, *size, generator=generator())


def unsure() -> Tensor:
    """Scores (1, 2, K, H, W) that know nothing of the labels."""
    return maps(K)


def sure() -> Tensor:
    """Scores of a trained network: the label has a probability of 99.9 %."""
    return maps(K, 0.5) + 8 * F.one_hot(LABELS.clamp(max=K - 1), K).movedim(-1, 2)


def weights() -> Tensor:
    return torch.rand(2, *SIZE, generator=generator())


def cross_entropy(scores: Tensor) -> Tensor:
    """mmseg's, whose float64 form is that of PyTorch: the registered loss computes in float32."""
    if scores.dtype == torch.float64:
        return F.cross_entropy(scores[0], LABELS[0], ignore_index=255)
    return BatchCrossEntropyLoss()(scores[0], LABELS[0])


def all_pixels_cross_entropy(scores: Tensor) -> Tensor:
    """As :func:`cross_entropy`, the mean over all pixels, each with its weight."""
    if scores.dtype == torch.float64:
        loss = F.cross_entropy(scores[0], LABELS[0], ignore_index=255, reduction='none')
        return (loss * weights()).mean()
    return BatchCrossEntropyLoss(avg_non_ignore=False)(scores[0], LABELS[0], weights())


def chosen_cross_entropy(scores: Tensor) -> Tensor:
    """Of the confident pixels, as STPL's anchor and vanilla self-training take it."""
    flat = scores[0].flatten(2)[..., 72 * 1280 :]
    return F.cross_entropy(flat, LABELS[0].flatten(1)[..., 72 * 1280 :])


def temporal_consistency(scores: Tensor) -> Tensor:
    """The pixels where neither the comparison of entropies nor a sign hangs on the rounding."""
    exact = scores.detach().double()[0]
    p, q = exact.softmax(1), exact.roll(1, dims=-1).mul(1.5).softmax(1)
    clear = ((p - q).abs().amin(1) > 1e-5) & (
        (normalised_entropy(p) - normalised_entropy(q)).abs() > 1e-4
    )
    return TemporalConsistencyLoss()(scores[0].softmax(1), q.to(scores), clear[:, None])


def entropy_of_adversary(scores: Tensor) -> Tensor:
    """The mean of the normalised entropy (I2VDA, equation 6)."""
    return normalised_entropy(scores[0].softmax(1)).mean()


def weighted(scores: Tensor) -> Tensor:
    """With a weight for each pixel and the mean over all pixels, as DACS takes it."""
    head = SimpleNamespace(
        align_corners=False,
        sampler=None,
        ignore_index=255,
        loss_decode=BatchCrossEntropyLoss(),
    )
    losses = head_losses(head, scores[0], LABELS[0], weights().to(scores), LABELS[0].numel())
    return losses['loss_ce']


SCORES = {
    'cross_entropy': cross_entropy,
    'all_pixels_cross_entropy': all_pixels_cross_entropy,
    'chosen_cross_entropy': chosen_cross_entropy,
    'clip_cross_entropy': lambda x: clip_cross_entropy(x, LABELS),
    'probability_cross_entropy': lambda x: probability_cross_entropy(x[0].softmax(1), LABELS[0]),
    'weighted_cross_entropy': weighted,
    'robust_entropy': lambda x: RobustEntropyLoss()(x[0]),
    'regulariser': lambda x: sum(PseudoLabelRegulariser()(x[0], LABELS[0]).values()),
    'temporal_consistency': temporal_consistency,
    'normalised_entropy': entropy_of_adversary,
    'tube_dice': lambda x: TubeDiceLoss()(x, LABELS),
    'tube_dice_of_all_classes': lambda x: TubeDiceLoss(present_only=False)(x, LABELS),
    'single_dice': lambda x: TubeDiceLoss(single_frame=True)(x, LABELS),
    'vanilla': lambda x: DomainGANLoss()(x[0, :, :1], True),
    'lsgan': lambda x: DomainGANLoss('lsgan')(x[0, :, :1], False),
    'epe': lambda x: FlowEPELoss()(
        x[0, :, :2], 0.5 - x[0].detach().flip(0)[:, :2], labels=LABELS[0]
    ),
    'epe_sum': lambda x: FlowEPELoss('sum')(x[0, :, :2], 0.5 - x[0].detach().flip(0)[:, :2]),
}


def compare(loss, inputs: Tensor) -> None:
    """Values to 1e-4 of them, gradients to 1e-3 of the largest and of their length."""
    values, grads = [], []
    for dtype in (torch.float64, torch.float32):
        x = inputs.to(dtype).requires_grad_()
        value = loss(x)
        grads.append(torch.autograd.grad(value, x)[0].double())
        values.append(value.item())
    assert values[1] == pytest.approx(values[0], rel=1e-4)
    error, exact = grads[1] - grads[0], grads[0]
    assert exact.abs().max() > 0
    assert error.abs().max() <= 1e-3 * exact.abs().max()
    assert error.norm() <= 1e-3 * exact.norm()


@pytest.mark.parametrize('scores', [unsure, sure])
@pytest.mark.parametrize('name', SCORES)
def test_full_size(name, scores):
    compare(SCORES[name], scores())


#: Of the features of 1280x720 at stride 8.
FEATURES = (90, 160)


def statistics(dtype: torch.dtype) -> ClassStatistics:
    """Those of the features that the test is of, which so are near their means."""
    made = ClassStatistics(K, A, bank_size=3)
    rows = F.normalize(maps(A, size=FEATURES)[0], dim=1).movedim(1, -1).flatten(0, 2)
    for _ in range(2):
        made.update(rows.to(dtype), labels(FEATURES).flatten())
    return made


@pytest.mark.parametrize('loss', [ProtoCLLoss, BankCLLoss, DistCLLoss])
def test_semantic_contrasts(loss):
    """SePiCo's at the temperature of the paper; the gradient of each term alone."""
    classes = labels(FEATURES)[0]
    for term in ('loss_contrast', 'loss_reg'):
        compare(
            lambda x, term=term: loss()(F.normalize(x[0], dim=1), classes, statistics(x.dtype))[
                term
            ],
            maps(A, size=FEATURES),
        )


def test_stpl():
    """At 1024x512 and stride 8, 70 % of the pixels; the temperature of the paper."""
    count = int(0.7 * 64 * 128)
    classes = labels((64, 128))[0, :1, 7:].flatten(1)[:, :count]
    features = maps(A, size=(64, 128))[0].flatten(2)[..., :count].transpose(1, 2)
    compare(lambda x: STPLLoss()(*F.normalize(x, dim=2).split(1), classes, classes, K), features)


def test_statistics_and_entropy_of_classes():
    """What is counted and averaged over all pixels, without a gradient."""
    rows = F.normalize(maps(A)[0], dim=1).movedim(1, -1).flatten(0, 2)
    classes = LABELS.flatten()
    made = {dtype: ClassStatistics(K, A) for dtype in (torch.float32, torch.float64)}
    for dtype, one in made.items():
        one.update(rows.to(dtype), classes)
    for name in ('mean', 'covariance', 'count'):
        torch.testing.assert_close(
            *(getattr(one, name) for one in made.values()), rtol=1e-6, atol=1e-9
        )
    share = torch.bincount(classes[classes < K]).double() / (classes < K).sum()
    assert class_entropy(classes[classes < K], K).item() == pytest.approx(
        -(share * share.log()).sum().item(), rel=1e-4
    )
