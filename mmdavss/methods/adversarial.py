"""What methods with a domain discriminator share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from mmengine.optim import OptimWrapperDict
from mmengine.runner.checkpoint import get_state_dict
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, add_prefix
from torch import Tensor, nn

from mmdavss.engine import unwrapped
from mmdavss.modules import SequenceDiscriminator
from mmdavss.ops import at_least_float32
from mmdavss.structures import DomainBatch

from .base import BaseAdapter

PLAYERS = ('student', 'discriminator')


class AdversarialAdapter(BaseAdapter):
    """A student that a discriminator of its soft segmentation maps plays against.

    In each iteration the student learns first, with the discriminator fixed, then the
    discriminator on the same predictions, cut off from the student. Each has an optimiser and a
    schedule of its own, under the names ``student`` and ``discriminator``
    (:class:`PlayerOptimWrapperConstructor`). Under several processes the config sets
    ``model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')``: each player reduces its
    own gradients.

    Subclasses implement :meth:`student_losses`.

    Args:
        discriminator: Config of the discriminator, without ``in_channels``; None for none.
        gan_loss: Config of the adversarial loss.
        adversarial_weight: Factor of the student's adversarial loss.
        discriminator_weight: Factor of each domain in the discriminator's loss. Half, as published
            by AdaptSegNet: one domain is one half of the discriminator's batch.
        kwargs: Those of :class:`BaseAdapter`.
    """

    def __init__(
        self,
        discriminator: OptConfigType = None,
        gan_loss: ConfigType | None = None,
        adversarial_weight: float = 0.001,
        discriminator_weight: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.gan_loss = MODELS.build(gan_loss or dict(type='DomainGANLoss'))
        self.adversarial_weight = adversarial_weight
        self.discriminator_weight = discriminator_weight
        self.discriminator = (
            None
            if discriminator is None
            else MODELS.build(dict(discriminator, **self.discriminator_inputs()))
        )
        self._sequence = isinstance(self.discriminator, SequenceDiscriminator)

    def discriminator_inputs(self) -> dict:
        """Arguments of the discriminator that follow from the student."""
        return dict(in_channels=self.num_classes)

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
    def student_losses(self, batch: DomainBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The student's own losses, and what the discriminator is shown.

        Returns:
            Losses without the adversarial one; and the scores ``source`` and ``target`` of frames
            (N, K, H, W) or of clips (N, T, K, H, W), before the softmax, which are not looked at
            where there is no discriminator. A subclass that shows the discriminator something
            else overrides :meth:`adversarial_loss` and :meth:`discriminator_losses`.
        """

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One step of each player.

        Raises:
            TypeError: If there is no optimiser for each.
        """
        players = PLAYERS if self.discriminator is not None else PLAYERS[:1]
        if not isinstance(optim_wrapper, OptimWrapperDict) or set(optim_wrapper.keys()) != set(
            players
        ):
            raise TypeError(
                f'{type(self).__name__}: optim_wrapper must hold an optimiser for each of '
                f"{players}: optim_wrapper=dict(constructor='PlayerOptimWrapperConstructor', "
                'student=dict(optimizer=...), discriminator=dict(optimizer=...)).'
            )
        batch = DomainBatch(**self.data_preprocessor(data, True))

        student = optim_wrapper['student']
        if self.discriminator is not None:
            self.discriminator.requires_grad_(False)
        with student.optim_context(self.student):
            losses, scores = self.student_losses(batch)
            if self.discriminator is not None:
                # Its weights get no gradient here, so that its DDP wrapper has nothing to reduce.
                losses['loss_adversarial'] = self.adversarial_loss(
                    unwrapped(self.discriminator), scores['target']
                )
        total, log = self.parse_losses(losses)
        student.update_params(total)
        if self.discriminator is None:
            return log

        adversary = optim_wrapper['discriminator']
        self.discriminator.requires_grad_(True)
        with adversary.optim_context(self.discriminator):
            losses = add_prefix(self.discriminator_losses(scores), 'discriminator')
        total, own = self.parse_losses(losses)
        adversary.update_params(total)
        log.update({key: value for key, value in own.items() if key != 'loss'})
        return log

    def adversarial_loss(self, discriminator: nn.Module, scores: Tensor) -> Tensor:
        """The student's: the target is to be taken for the source.

        Args:
            discriminator: With its weights fixed.
            scores: Those of the target, as :meth:`student_losses` gives them.
        """
        return self.adversarial_weight * self.gan_loss(
            self._judge(discriminator, scores), is_source=True
        )

    def discriminator_losses(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The discriminator's, which takes each domain for what it is.

        Args:
            scores: Those of :meth:`student_losses`.
        """
        return {
            f'loss_{name}': self.discriminator_weight
            * self.gan_loss(
                self._judge(self.discriminator, scores[name].detach()), is_source=name == 'source'
            )
            for name in ('source', 'target')
        }

    def _judge(self, discriminator: nn.Module, scores: Tensor) -> Tensor:
        """A discriminator's output for frames, for clips, or for each of their frames."""
        maps = at_least_float32(scores).softmax(-3)
        return discriminator(maps.flatten(0, 1) if maps.ndim == 5 and not self._sequence else maps)


def clip_scores(
    net: nn.Module, frames: Tensor, align_corners: bool, flow: Tensor | None = None
) -> Tensor:
    """Scores of all frames of clips, at their size.

    A net that predicts frame by frame sees each by itself. A video net sees what a video up to the
    frame gives it: the clip's frames before it, of the first frame none.

    Args:
        net: The video net.
        frames: (N, T, 3, H, W).
        align_corners: How scores are resized.
        flow: (N, T-1, 2, H, W) for a video net that needs it.

    Returns:
        (N, T, K, H, W).
    """
    if unwrapped(net).temporal:
        maps = torch.stack(
            [
                net(frames[:, : t + 1], None if flow is None or t == 0 else flow[:, :t])
                for t in range(frames.shape[1])
            ],
            dim=1,
        ).flatten(0, 1)
    else:
        maps = net(frames.flatten(0, 1)[:, None])
    scores = resize(maps, frames.shape[-2:], mode='bilinear', align_corners=align_corners)
    return scores.unflatten(0, frames.shape[:2])
