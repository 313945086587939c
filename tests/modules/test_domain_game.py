"""Both players' losses for named score maps, and that gradients stay with their player."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.losses import DomainGANLoss, entropy_loss
from mmdavss.modules import DomainGame, HeadDiscriminators, ImageDiscriminator
from mmdavss.modules.domain_game import self_information

GOLDEN = Path(__file__).parents[1] / 'data/golden/advent_entropy_adversarial.npz'


def test_self_information_equals_that_of_advent():
    with np.load(GOLDEN) as arrays:
        scores = torch.from_numpy(arrays['logits'])
        expected = torch.from_numpy(arrays['weighted_self_information'])
    torch.testing.assert_close(self_information(scores), expected, rtol=1e-5, atol=1e-8)
    # A certain prediction has none of it, and a gradient that is a number.
    certain = torch.tensor([300.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    seen = self_information(certain)
    seen.sum().backward()
    assert seen.abs().max() == 0 and torch.isfinite(certain.grad).all()


def test_entropy_equals_that_of_advent():
    with np.load(GOLDEN) as arrays:
        scores = torch.from_numpy(arrays['logits']).requires_grad_()
        loss = entropy_loss(scores)
        torch.testing.assert_close(loss.item(), float(arrays['entropy_loss']), rtol=1e-5, atol=0)
        loss.backward()
        expected = torch.from_numpy(arrays['grad_entropy_loss_wrt_logits'])
    limit = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(scores.grad, expected, rtol=0, atol=limit)


def two_levels():
    """Scores by domain and head, and discriminators of both heads."""
    shapes = dict(source=(2, 3, 64, 96), target=(2, 3, 32, 64))
    scores = {
        domain: {head: torch.randn(shape, requires_grad=True) for head in ('decode', 'aux')}
        for domain, shape in shapes.items()
    }
    return scores, HeadDiscriminators(3, ('decode', 'aux'), channels=4)


@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
@pytest.mark.parametrize('view', ['softmax', 'self_information'])
def test_two_levels_by_hand(view, kind):
    """AdaptSegNet and ADVENT with the main and the auxiliary classifier."""
    scores, discriminator = two_levels()
    game = DomainGame(
        DomainGANLoss(kind), dict(decode=0.3, aux=0.2), view=view, discriminator_weight=0.5
    )

    def loss(head, maps, label):
        p = maps.softmax(1)
        seen = p if view == 'softmax' else -p * p.log2() / np.log2(3)
        judged = discriminator[head](seen)
        if kind == 'lsgan':
            return ((judged - label) ** 2).mean()
        return F.binary_cross_entropy_with_logits(judged, torch.full_like(judged, label))

    target = scores['target']
    torch.testing.assert_close(
        game.student_loss(discriminator, target),
        0.3 * loss('decode', target['decode'], 1.0) + 0.2 * loss('aux', target['aux'], 1.0),
    )
    losses = game.discriminator_losses(discriminator, scores)
    assert set(losses) == {'loss_source', 'loss_target'}
    for domain, label in (('source', 1.0), ('target', 0.0)):
        torch.testing.assert_close(
            losses[f'loss_{domain}'],
            0.5 * sum(loss(head, maps, label) for head, maps in scores[domain].items()),
        )


def test_gradients_stay_with_their_player():
    """Also where the discriminators have gradients of an iteration before: they accumulate."""
    scores, discriminator = two_levels()
    game = DomainGame(DomainGANLoss(), dict(decode=1.0, aux=1.0))
    for _ in range(2):
        before = [p.grad if p.grad is None else p.grad.clone() for p in discriminator.parameters()]
        game.student_loss(discriminator, scores['target']).backward()
        for old, parameter in zip(before, discriminator.parameters(), strict=True):
            assert parameter.grad is None if old is None else torch.equal(parameter.grad, old)
        learnt = {name: maps.grad.clone() for name, maps in scores['target'].items()}
        assert all(grad.abs().sum() > 0 for grad in learnt.values())
        sum(game.discriminator_losses(discriminator, scores).values()).backward()
        assert all(torch.equal(maps.grad, learnt[name]) for name, maps in scores['target'].items())
        assert all(maps.grad is None for maps in scores['source'].values())
        assert all(p.grad.abs().sum() > 0 for p in discriminator.parameters())


def test_frames_of_clips():
    """Each frame is judged; the student's loss is their mean, or their sum."""
    discriminator = ImageDiscriminator(3, channels=4)
    clips = torch.randn(2, 3, 3, 32, 64)
    frames = [F.softplus(-discriminator(clips[:, t].softmax(1))).mean() for t in range(3)]
    for sum_frames, expected in ((False, sum(frames) / 3), (True, sum(frames))):
        game = DomainGame(DomainGANLoss(), dict(decode=1.0), sum_frames=sum_frames)
        torch.testing.assert_close(game.student_loss(discriminator, dict(decode=clips)), expected)


def test_unknown_view():
    with pytest.raises(ValueError, match=r"view='entropy' is not one of \('softmax'"):
        DomainGame(DomainGANLoss(), dict(decode=1.0), view='entropy')
