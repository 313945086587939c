"""Equations 6 and 7 of VAT-VST: by hand, and class by class."""

import pytest
import torch

from mmdavss.losses import TubeDiceLoss, tube_dice_loss


def test_by_hand():
    """Two frames of two pixels, class 0 in three of them: Dice 2 * 2.1 / (1.83 + 3) for class 0."""
    p0 = torch.tensor([[0.9, 0.8], [0.4, 0.4]])
    labels = torch.tensor([[0, 0], [0, 1]])
    probabilities = torch.stack([p0, 1 - p0], dim=1)[None, :, :, None]
    squares = 0.81 + 0.64 + 0.16 + 0.16
    dice = [2 * 2.1 / (squares + 3), 2 * 0.6 / (0.01 + 0.04 + 0.36 + 0.36 + 1)]
    loss = tube_dice_loss(probabilities, labels[None, :, None])
    assert loss.item() == pytest.approx(2 - sum(dice), rel=1e-5)


def literal(probabilities, labels, present_only):
    losses = []
    for p, y in zip(probabilities, labels, strict=True):
        total = 0.0
        for k in range(p.shape[1]):
            counts = y != 255
            pk, qk = p[:, k][counts], (y[counts] == k).double()
            if present_only and not qk.any():
                continue
            total = total + 1 - 2 * (pk * qk).sum() / ((pk**2).sum() + (qk**2).sum())
        losses.append(total)
    return sum(losses) / len(losses)


@pytest.mark.parametrize('present_only', [True, False])
def test_value_and_gradient_against_a_loop(present_only):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 2, 4, 3, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (2, 2, 3, 5), generator=generator)  # class 3 is absent
    labels[0, 1, 0] = 255
    ours, theirs = (scores.clone().requires_grad_() for _ in range(2))
    loss = tube_dice_loss(ours.softmax(2), labels, present_only=present_only)
    expected = literal(theirs.softmax(2), labels, present_only)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_absent_class_only_adds_a_constant():
    scores = torch.randn(1, 2, 3, 2, 2).requires_grad_()
    labels = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    p = scores.softmax(2)
    assert (
        tube_dice_loss(p, labels, present_only=False) - tube_dice_loss(p, labels)
    ).item() == pytest.approx(2)


def test_single_frames_are_tubes_of_one_frame():
    scores, labels = torch.randn(2, 2, 3, 4, 4), torch.randint(3, (2, 2, 4, 4))
    frames = [
        tube_dice_loss(scores[n : n + 1, t : t + 1].softmax(2), labels[n : n + 1, t : t + 1])
        for n in range(2)
        for t in range(2)
    ]
    torch.testing.assert_close(TubeDiceLoss(single_frame=True)(scores, labels), sum(frames) / 4)
    torch.testing.assert_close(
        TubeDiceLoss(loss_weight=0.5)(scores, labels),
        0.5 * tube_dice_loss(scores.softmax(2), labels),
    )


def test_nothing_labelled():
    scores = torch.randn(1, 2, 3, 2, 2).requires_grad_()
    loss = TubeDiceLoss()(scores, torch.full((1, 2, 2, 2), 255))
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(scores.grad).all()
