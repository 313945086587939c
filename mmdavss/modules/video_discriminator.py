"""Discriminator of two consecutive frames beside self-training (UnifiedVideoDA).

Kareer et al., "We're Not Using Videos Effectively", TMLR 2024; in the release ``DACSAdvseg``.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.utils.errors import check_factors

from .discriminators import ImageDiscriminator
from .domain_game import DomainGame

#: Scores (N, K, h, w) of the current and of the previous frame.
FramePair = tuple[Tensor, Tensor]


@MODELS.register_module()
class VideoDiscriminator(BaseModule):
    """An :class:`ImageDiscriminator` of two frames under one softmax, and the losses of its game.

    An option of :class:`DACS` and what builds on it. Both frames of the target get a gradient.

    Args:
        in_channels: Channels K of the scores.
        channels: Width of the first layer; it doubles up to the fourth.
        adversarial_weight: Factor of the student's loss, lambda_adv.
        scale: Further factor of the losses of both players, of which those of the discriminator
            have no other but a half for each domain.
        resolution: The scores are resized to this share of the image, as published for a network of
            two scales; None leaves them as they are, as for others.
        gan_loss: Config of the adversarial loss, by default least squares with 0 for the source.

    Raises:
        ValueError: If a value is outside its range, or leaves nothing of an image.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 64,
        adversarial_weight: float = 0.001,
        scale: float = 0.1,
        resolution: float | None = 0.5,
        gan_loss: ConfigType | None = None,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f'VideoDiscriminator: channels={channels} must be 1 or more.')
        if resolution is not None and not resolution > 0:
            raise ValueError(f'VideoDiscriminator: resolution={resolution} must be above 0.')
        check_factors('VideoDiscriminator', adversarial_weight=adversarial_weight, scale=scale)
        self.network = ImageDiscriminator(2 * in_channels, channels)
        self.resolution = resolution
        self.game = DomainGame(
            MODELS.build(gan_loss or dict(type='DomainGANLoss', kind='lsgan', source_label=0)),
            dict(decode=scale * adversarial_weight),
            view='joint',
            discriminator_weight=scale / 2,
        )

    def student_loss(self, target: FramePair, size: tuple[int, int]) -> Tensor:
        """The student's adversarial loss; freezes the discriminator, see :class:`DomainGame`.

        Args:
            target: Scores of target frames.
            size: (H, W) of their image.
        """
        return self.game.student_loss(self.network, dict(decode=self._resized(target, size)))

    def discriminator_losses(
        self, source: FramePair, target: FramePair, size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The discriminator's losses, ``loss_source`` and ``loss_target``; makes it trainable.

        Args:
            source: Scores of source frames. They get no gradient.
            target: Those of target frames. Neither do they.
            size: (H, W) of the images.
        """
        scores = dict(source=source, target=target)
        return self.game.discriminator_losses(
            self.network,
            {domain: dict(decode=self._resized(of, size)) for domain, of in scores.items()},
        )

    def _resized(self, scores: FramePair, size: tuple[int, int]) -> FramePair:
        if self.resolution is None:
            return scores
        share = tuple(int(side * self.resolution) for side in size)
        if min(share) < 1:
            raise ValueError(
                f'VideoDiscriminator: resolution={self.resolution} leaves nothing of images of '
                f'{size[1]}x{size[0]}.'
            )
        current, previous = (
            resize(maps, share, mode='bilinear', align_corners=False) for maps in scores
        )
        return current, previous
