"""What methods with a domain discriminator share."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner.checkpoint import get_state_dict
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, add_prefix
from torch import Tensor

from mmdavss.modules import DomainGame, MaskedConsistency
from mmdavss.modules.domain_game import ScoreMaps
from mmdavss.structures import DomainBatch
from mmdavss.utils.wrappers import check_players, set_iteration, step_if_due

from .base import PLAYERS
from .mean_teacher import Labelled, MeanTeacher


class AdversarialAdapter(MeanTeacher):
    """A student in a :class:`DomainGame`: discriminators of its score maps play against it.

    In each iteration the student learns first, with the discriminators frozen, then the
    discriminators on the same scores, detached. Each player has an optimiser and a schedule of its
    own, under the names ``student`` and ``discriminator``
    (:class:`PlayerOptimWrapperConstructor`). Under several processes the config sets
    ``model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')``: each player reduces its
    own gradients.

    With `masked` it has a teacher of its own, which labels the target clips, and the student learns
    these labels from masked clips after everything else (MIC, section 4.1). That is a backward pass
    of its own: the graphs of the game are gone when it begins.

    Subclasses implement :meth:`student_losses`.

    Args:
        discriminator: Config of the discriminators, without ``in_channels`` and ``heads``; None for
            none.
        gan_loss: Config of the adversarial loss.
        adversarial_weight: Factor of the student's adversarial loss.
        auxiliary_adversarial_weight: That for the scores of the auxiliary classifier. None if the
            discriminator sees the decode head only; otherwise it is one for several heads
            (``HeadDiscriminators``, ``SpatioTemporalDiscriminator``).
        discriminator_weight: Factor of each domain in the discriminators' loss. Half, as published
            by AdaptSegNet: one domain is one half of the discriminator's batch.
        view: What discriminators see of scores, see :class:`DomainGame`.
        sum_frames: As of :class:`DomainGame`.
        likeness_weight: As of :class:`DomainGame`.
        kwargs: Those of :class:`MeanTeacher`, which have no effect without `masked`, and those of
            :class:`BaseAdapter`.
    """

    always_taught = False

    def __init__(
        self,
        discriminator: OptConfigType = None,
        gan_loss: ConfigType | None = None,
        adversarial_weight: float = 0.001,
        auxiliary_adversarial_weight: float | None = None,
        discriminator_weight: float = 0.5,
        view: str = 'softmax',
        sum_frames: bool = False,
        likeness_weight: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        weights = dict(decode=adversarial_weight)
        inputs: dict[str, Any] = dict(in_channels=self.num_classes)
        if auxiliary_adversarial_weight is not None:
            weights['aux'] = auxiliary_adversarial_weight
            inputs['heads'] = tuple(self.net.heads)
        self.game = DomainGame(
            MODELS.build(gan_loss or dict(type='DomainGANLoss')),
            weights,
            view,
            discriminator_weight,
            sum_frames,
            likeness_weight,
        )
        self.discriminator = (
            None if discriminator is None else MODELS.build(dict(discriminator, **inputs))
        )

    def state_dict(
        self, *, destination: dict | None = None, prefix: str = '', keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Without the DDP wrappers of the players: one process loads what several saved."""
        return get_state_dict(self, destination, prefix, keep_vars)

    def losses(self, batch: DomainBatch) -> dict:
        raise RuntimeError(
            f'{type(self).__name__} has two players and no single loss: train it '
            'with its own train_step, under several processes wrapped in '
            'MMSeparateDistributedDataParallel.'
        )

    @abstractmethod
    def student_losses(
        self, batch: DomainBatch
    ) -> tuple[dict[str, Tensor], dict[str, dict[str, ScoreMaps]]]:
        """The student's own losses, and the scores that the discriminators are shown.

        Returns:
            Losses without the adversarial one; and for ``source`` and ``target`` the score maps of
            each head (:data:`ScoreMaps`), which are not looked at without a discriminator.
        """

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One step of each player.

        Raises:
            TypeError: If there is no optimiser for each.
        """
        players = PLAYERS if self.discriminator is not None else PLAYERS[:1]
        check_players(type(self).__name__, optim_wrapper, players)
        batch = DomainBatch(**self.data_preprocessor(data, True))
        if self.masked is not None and self.net.needs_flow:
            # Once for both of the student's passes, and before the first, see given_flow.
            batch = batch.with_clips(lambda clip: clip._replace(flow=self.given_flow(clip)))

        student = optim_wrapper['student']
        with student.optim_context(self.student):
            losses, scores = self.student_losses(batch)
            if self.discriminator is not None:
                losses['loss_adversarial'] = self.game.student_loss(
                    self.discriminator, scores['target']
                )
        log = self._student_step(losses, batch, student)
        if self.discriminator is None:
            return log

        adversary = optim_wrapper['discriminator']
        with adversary.optim_context(self.discriminator):
            losses = self.game.discriminator_losses(self.discriminator, scores)
        total, own = self.parse_losses(add_prefix(losses, 'discriminator'))
        adversary.update_params(total)
        log.update({key: value for key, value in own.items() if key != 'loss'})
        return log

    def _student_step(
        self, losses: dict[str, Tensor], batch: DomainBatch, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """The student's step: its losses, and in a backward pass of their own the masked clips'."""
        total, log = self.parse_losses(losses)
        if self.masked is None:
            optim_wrapper.update_params(total)
            return log
        student: Any = self.student
        wrapped = is_model_wrapper(student)
        iteration = optim_wrapper.inner_count
        # Neither pass reduces gradients, for the second one does not reach all parameters.
        with student.no_sync() if wrapped else nullcontext():
            optim_wrapper.backward(optim_wrapper.scale_loss(total))
            with optim_wrapper.optim_context(student):
                losses = self._masked_losses(self.masked, batch)
            total, own = self.parse_losses(losses)
            set_iteration(optim_wrapper, iteration)
            optim_wrapper.backward(optim_wrapper.scale_loss(total))
        if wrapped and optim_wrapper.should_update():
            student(None).backward()
        step_if_due(optim_wrapper)
        return log | own | dict(loss=log['loss'] + own['loss'])

    def _masked_losses(self, masked: MaskedConsistency, batch: DomainBatch) -> dict[str, Tensor]:
        """The loss of masked clips, with the teacher's labels of the plain ones."""
        clip = batch.target.clip
        flow = self.clip_flow(clip)
        labels, weights = self.pseudo_labels(clip, flow)
        target = Labelled(clip, flow, labels, weights)
        source = target if masked.mode == 'target' else self.source(batch.source)
        return self.masked_loss(masked, source, target) | dict(pseudo_label_weight=weights.mean())
