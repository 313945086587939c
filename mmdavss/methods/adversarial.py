"""What methods with a domain discriminator share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, ClassVar

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner.checkpoint import get_state_dict
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, add_prefix
from torch import Tensor

from mmdavss.modules import DomainGame
from mmdavss.modules.domain_game import ScoreMaps
from mmdavss.structures import DomainBatch
from mmdavss.utils.errors import check_factors
from mmdavss.utils.wrappers import check_players, step_if_due

from .mean_teacher import MeanTeacher

#: What a method can show of each head: scores of single frames (N, K, H, W), of clips
#: (N, T, K, H, W), or of the current and of the previous frame, (N, K, H, W) each; and the views of
#: these. A discriminator lists in ``takes`` what it can be shown.
VIEWS_OF = dict(
    frame=('softmax', 'self_information'),
    clip=('softmax', 'self_information'),
    pair=('pair', 'joint'),
)


class AdversarialAdapter(MeanTeacher):
    """A student in a :class:`DomainGame`: discriminators of its score maps play against it.

    In each iteration the student learns first, with the discriminators frozen, then the
    discriminators on the same scores, detached. Each player has an optimiser and a schedule of its
    own, under the names ``student`` and ``discriminator``
    (:class:`PlayerOptimWrapperConstructor`). Under several processes the config sets
    ``model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')``: each player reduces its
    own gradients.

    Subclasses implement :meth:`student_losses`. The student's passes of the two domains share
    nothing: each is backpropagated before the next, as :meth:`BaseAdapter.loss_groups` are. With
    several processes its gradients are reduced once, after the last.

    With `masked` it has a teacher of its own, which labels the target clips, and the student learns
    these labels from masked clips in the last of its passes (MIC, section 4.1).

    Args:
        discriminator: Config of the discriminators, without ``in_channels`` and ``heads``; None for
            none.
        gan_loss: Config of the adversarial loss.
        adversarial_weight: Factor of the student's adversarial loss.
        auxiliary_adversarial_weight: That for the scores of auxiliary classifiers. None if the
            discriminator sees the decode head only; otherwise it is one for several heads
            (``HeadDiscriminators``, ``SpatioTemporalDiscriminator``).
        discriminator_weight: Factor of each domain in the discriminators' loss. Half, as published
            by AdaptSegNet: one domain is one half of the discriminator's batch.
        view: What discriminators see of scores, see :class:`DomainGame`.
        sum_frames: As of :class:`DomainGame`.
        likeness_weight: As of :class:`DomainGame`.
        kwargs: Those of :class:`MeanTeacher`, which have no effect without `masked`, and those of
            :class:`BaseAdapter`.

    Raises:
        ValueError: If a factor is negative, or a view, an option or a discriminator does not fit
            what the method shows.
    """

    always_taught = False
    #: What the method shows its discriminators, of :data:`VIEWS_OF`; None if that is not checked.
    shown: ClassVar[str | None] = None

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
        check_factors(
            type(self).__name__,
            adversarial_weight=adversarial_weight,
            auxiliary_adversarial_weight=auxiliary_adversarial_weight,
            discriminator_weight=discriminator_weight,
        )
        kind = (discriminator or {}).get('type')
        kind = MODELS.get(kind) if isinstance(kind, str) else kind  # a class in Python configs
        if getattr(kind, 'single', False) and auxiliary_adversarial_weight is not None:
            raise ValueError(
                f'{type(self).__name__}: {getattr(kind, "__name__", kind)} judges one head: set '
                'auxiliary_adversarial_weight=None, or take a discriminator of several.'
            )
        weights = dict(decode=adversarial_weight)
        inputs: dict[str, Any] = dict(in_channels=self.num_classes)
        if auxiliary_adversarial_weight is not None:
            heads = tuple(self.net.heads)
            weights = dict.fromkeys(heads, auxiliary_adversarial_weight) | weights
            inputs['heads'] = heads
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
        if self.shown is not None:
            self._check_shown(self.shown)

    def _check_shown(self, shown: str) -> None:
        """Raises ValueError for what would fail in a step, or have no effect."""
        name, game, kind = type(self).__name__, self.game, type(self.discriminator).__name__
        if game.view not in VIEWS_OF[shown]:
            raise ValueError(
                f'{name}: view={game.view!r} is not one of {VIEWS_OF[shown]}, those of a {shown}.'
            )
        if shown not in getattr(self.discriminator, 'takes', (shown,)):
            raise ValueError(
                f'{name}: {kind} does not take the scores of a {shown}, which are shown here.'
            )
        if game.sum_frames and shown != 'clip':
            raise ValueError(f'{name}: sum_frames has no effect on the scores of a {shown}.')
        if (
            game.likeness_weight is not None
            and self.discriminator is not None
            and not hasattr(self.discriminator, 'likeness')
        ):
            raise ValueError(f'{name}: likeness_weight is not for {kind}: remove it.')

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
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, dict[str, ScoreMaps]]]]:
        """The student's own losses in groups, and the scores that the discriminators are shown.

        Yields:
            Losses of a group, of a graph that no other group needs, without the adversarial one;
            and for ``source`` or ``target`` or both the score maps of each head
            (:data:`ScoreMaps`), which are not looked at without a discriminator.
        """

    def _student_groups(
        self, batch: DomainBatch, shown: dict[str, dict[str, ScoreMaps]]
    ) -> Iterator[dict[str, Tensor]]:
        """All losses of the student in groups; adds to `shown` what discriminators are shown."""
        for losses, scores in self.student_losses(batch):
            if self.discriminator is not None and 'target' in scores:
                losses['loss_adversarial'] = self.game.student_loss(
                    self.discriminator, scores['target']
                )
            shown |= scores
            if losses:
                yield losses
        if self.masked is not None:
            yield self.taught_losses(self.masked, batch)

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One step of each player.

        Raises:
            TypeError: If one has none, or there are others.
        """
        check_players(type(self).__name__, optim_wrapper, self.players)
        batch = self.domain_batch(**self.data_preprocessor(data, True))
        batch = self.with_flow_for_all(batch)
        student = optim_wrapper['student']
        shown: dict[str, dict[str, ScoreMaps]] = {}
        network: Any = self.student
        with network.no_sync() if is_model_wrapper(network) else nullcontext():
            groups = self._student_groups(batch, shown)
            log = self._backpropagate(groups, dict(student=student), network)
        if student.should_update() and is_model_wrapper(network):
            network(None).backward()
        step_if_due(student)
        if self.discriminator is None:
            return log

        adversary = optim_wrapper['discriminator']
        with adversary.optim_context(self.discriminator):
            losses = self.game.discriminator_losses(self.discriminator, shown)
        total, own = self.parse_losses(add_prefix(losses, 'discriminator'))
        adversary.update_params(total)
        log.update({key: value for key, value in own.items() if key != 'loss'})
        return log
