"""AdaptSegNet: learning to adapt structured output space (Tsai et al., CVPR 2018).

=======================  ================================================================
the paper                here
=======================  ================================================================
G                        ``student``
P_s, P_t                 softmax of its scores, at the size of the image
D_i                      ``discriminator``: HeadDiscriminators, one for each level i
levels i                 the classifiers of the student: ``decode``, and ``aux`` if there is one
L_seg, lambda_seg        ``supervise``; ``loss_weight`` of the auxiliary head
L_adv, lambda_adv        ``loss_adversarial``: :meth:`DomainGame.student_loss`;
                         ``adversarial_weight``, ``auxiliary_adversarial_weight``
L_d                      :meth:`DomainGame.discriminator_losses`
=======================  ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor

from mmdavss.structures import DomainBatch, DomainClips
from mmdavss.video_nets import HeadScores

from .adversarial import AdversarialAdapter

#: Scores (N, K, H, W) of each level.
Levels = dict[str, Tensor]


@MODELS.register_module()
class AdaptSegNet(AdversarialAdapter):
    """Labelled source clips, and discriminators of the current frame's segmentation.

    The levels are the classifiers of the student; one without an auxiliary head is AdaptSegNet with
    a single level. Discriminators see the scores of the current frame alone, at the size of the
    image, as in :class:`DAVSN`: those of a video net before frames are fused, which the source
    labels train.

    Args:
        auxiliary_adversarial_weight: Factor of the student's adversarial loss for the auxiliary
            classifier, as released; None shows the discriminators the decode head only.
        kwargs: Those of :class:`AdversarialAdapter`; ``discriminator`` is a
            ``HeadDiscriminators``.
    """

    shown = 'frame'
    #: As in :class:`CrossFrameAdapter`.
    STATISTICS = ('all', 'target')

    def __init__(self, auxiliary_adversarial_weight: float | None = 0.0002, **kwargs) -> None:
        super().__init__(auxiliary_adversarial_weight=auxiliary_adversarial_weight, **kwargs)

    def student_losses(
        self, batch: DomainBatch
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, Levels]]]:
        losses, source = self.source_losses(batch.source)
        yield losses, dict(source=source)
        if self.discriminator is not None:
            frames = batch.target.clip.frames
            yield {}, dict(target=self.enlarged(self.current_scores(frames), frames))

    def source_losses(self, source: DomainClips) -> tuple[dict[str, Tensor], Levels]:
        """The supervised losses of the source, and the scores of it that discriminators see."""
        frames = source.clip.frames
        flow = self.clip_flow(source.clip)
        with self.counts_for('all'):
            scores = self.student(
                frames,
                flow,
                heads=True,
                parts=('fused', 'losses', 'current'),
                detached=('current',),
                single=self.game.weights,
            )
        losses = add_prefix(self.net.supervise(scores, source.labels), 'source')
        return losses, self.enlarged(self._current(scores), frames)

    def current_scores(self, frames: Tensor) -> Levels:
        """The single-frame scores (N, K, h, w) of each level for clips (N, T, 3, H, W)."""
        seen = self.student(frames, heads=True, parts=('current',), single=self.game.weights)
        return self._current(seen)

    def _current(self, scores: Mapping[str, HeadScores]) -> Levels:
        return {name: cast(Tensor, scores[name].current) for name in self.game.weights}

    def enlarged(self, scores: Levels, maps: Tensor) -> Levels:
        """The scores of each level at the size of other maps (..., H, W)."""
        return {name: self.resized(own, maps.shape[-2:]) for name, own in scores.items()}
