"""Adversarial game: discriminators separate a student's source scores from its target scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmdavss.ops import at_least_float32
from mmdavss.utils.wrappers import unwrapped

from .discriminators import HeadDiscriminators, SequenceDiscriminator, SpatioTemporalDiscriminator

#: Scores of one head before the softmax: (N, K, H, W) of frames, (N, T, K, H, W) of clips; for
#: the views ``pair`` and ``joint``, those of the current and of the previous frame, (N, K, H, W)
#: each.
ScoreMaps = Tensor | tuple[Tensor, Tensor]


def softmax(scores: Tensor) -> Tensor:
    """Class probabilities (..., K, H, W), float32 at least (AdaptSegNet)."""
    return at_least_float32(scores).softmax(-3)


def self_information(scores: Tensor) -> Tensor:
    """Weighted self-information -p log p / log K of each class (ADVENT, section 3.2).

    Args:
        scores: (..., K, H, W), before the softmax.

    Returns:
        (..., K, H, W), float32 at least, from 0 to 1; the sum over the classes is the normalised
        entropy.
    """
    logarithms = at_least_float32(scores).log_softmax(-3)
    return logarithms.exp() * logarithms / -math.log(scores.shape[-3])


def pair(scores: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two frames under one softmax (DA-VSN).

    Args:
        scores: Scores of the current and of the previous frame, (N, K, H, W) each.

    Returns:
        (N, 2K, H, W) each, float32 at least: the current and the previous frame; the current frame
        twice.
    """
    current, previous = scores
    return joint((current, previous)), joint((current, current))


def joint(scores: tuple[Tensor, Tensor]) -> Tensor:
    """Two frames under one softmax, (N, 2K, H, W), float32 at least: the first of :func:`pair`."""
    return softmax(torch.cat(scores, dim=1))


#: Views of scores for discriminators.
VIEWS: dict[str, Callable] = dict(
    softmax=softmax, self_information=self_information, pair=pair, joint=joint
)


class DomainGame:
    """Losses of both players for named score maps of each domain.

    Names are those of the heads: ``decode``, ``aux``. The discriminators are one module, which
    the owner keeps and passes in, with or without a DDP wrapper: :class:`HeadDiscriminators` and
    :class:`SpatioTemporalDiscriminator` take the maps of all heads,
    :class:`ImageDiscriminator` and :class:`SequenceDiscriminator` those of a single one. Image
    discriminators score each frame of a clip.

    Gradients only reach their own player, regardless of wrapper and gradient accumulation:
    :meth:`student_loss` freezes the discriminators, :meth:`discriminator_losses` makes them
    trainable again and detaches the scores.

    Args:
        gan_loss: ``loss(scores, is_source)``, such as :class:`DomainGANLoss`.
        weights: Factor of the student's loss for each head.
        view: Input of the discriminators: ``softmax``, ``self_information``, ``pair`` or
            ``joint``.
        discriminator_weight: Factor of each domain in the discriminators' loss.
        sum_frames: Whether to sum the student's loss over the frames of a clip, not average it.
        likeness_weight: Factor of :meth:`SpatioTemporalDiscriminator.likeness` in the
            discriminators' loss; None for other discriminators.

    Raises:
        ValueError: For an unknown view.
    """

    def __init__(
        self,
        gan_loss: nn.Module,
        weights: Mapping[str, float],
        view: str = 'softmax',
        discriminator_weight: float = 0.5,
        sum_frames: bool = False,
        likeness_weight: float | None = None,
    ) -> None:
        if view not in VIEWS:
            raise ValueError(f'DomainGame: view={view!r} is not one of {tuple(VIEWS)}.')
        self.gan_loss = gan_loss
        self.weights = dict(weights)
        self.view = view
        self.discriminator_weight = discriminator_weight
        self.sum_frames = sum_frames
        self.likeness_weight = likeness_weight

    def student_loss(self, discriminator: nn.Module, scores: Mapping[str, ScoreMaps]) -> Tensor:
        """The student's adversarial loss: target scores should be classified as source.

        Args:
            discriminator: The discriminators; frozen from now on.
            scores: Target scores, by head.

        Returns:
            Scalar.
        """
        # Not through the DDP wrapper: there is no gradient to reduce.
        judged = self._judge(unwrapped(discriminator).requires_grad_(False), scores)
        return sum(
            self._frames(scores[name])
            * (self.weights[name] * self.gan_loss(judgement, is_source=True))
            for name, judgements in judged.items()
            for judgement in judgements
        )

    def discriminator_losses(
        self, discriminator: nn.Module, scores: Mapping[str, Mapping[str, ScoreMaps]]
    ) -> dict[str, Tensor]:
        """The discriminators' losses: each domain should be classified correctly.

        Args:
            discriminator: The discriminators; trainable from now on.
            scores: Scores of ``source`` and ``target``, by head. They get no gradient.

        Returns:
            ``loss_source`` and ``loss_target``, sums over the heads, and ``loss_likeness`` if
            `likeness_weight` is given.
        """
        discriminator.requires_grad_(True)
        losses = {}
        for domain, maps in scores.items():
            detached = {name: _detached(of_head) for name, of_head in maps.items()}
            losses[f'loss_{domain}'] = self.discriminator_weight * sum(
                self.gan_loss(judgement, is_source=domain == 'source')
                for judgements in self._judge(discriminator, detached).values()
                for judgement in judgements
            )
        if self.likeness_weight is not None:
            pairs: Any = unwrapped(discriminator)
            losses['loss_likeness'] = self.likeness_weight * pairs.likeness()
        return losses

    def _frames(self, scores: ScoreMaps) -> int:
        if self.sum_frames and isinstance(scores, Tensor) and scores.ndim == 5:
            return scores.shape[1]
        return 1

    def _judge(
        self, discriminator: nn.Module, scores: Mapping[str, ScoreMaps]
    ) -> dict[str, tuple[Tensor, ...]]:
        """Discriminator outputs for the scores of a domain, by head."""
        views = {name: VIEWS[self.view](maps) for name, maps in scores.items()}
        kind = unwrapped(discriminator)
        if isinstance(kind, HeadDiscriminators | SpatioTemporalDiscriminator):
            judged = discriminator(views)
        else:
            ((name, maps),) = views.items()
            if maps.ndim == 5 and not isinstance(kind, SequenceDiscriminator):
                maps = maps.flatten(0, 1)
            judged = {name: discriminator(maps)}
        return {name: of if isinstance(of, tuple) else (of,) for name, of in judged.items()}


def _detached(scores: ScoreMaps) -> ScoreMaps:
    if isinstance(scores, Tensor):
        return scores.detach()
    current, previous = scores
    return current.detach(), previous.detach()
