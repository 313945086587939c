"""DA-VSN: domain adaptive video segmentation network (Guan et al., ICCV 2021).

======================================  ======================================================
what                                    here
======================================  ======================================================
cross-domain temporal consistency       ``discriminator``: SpatioTemporalDiscriminator, and
regularisation                          ``loss_adversarial``
its weight discrepancy                  ``discriminator.loss_likeness``
intra-domain temporal consistency       :meth:`DAVSN.consistency`, ``loss_itcr``,
regularisation                          ``TemporalConsistencyLoss``
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmseg.registry import MODELS
from mmseg.utils import ConfigType, add_prefix
from torch import Tensor

from mmdavss.ops import chain_flow, forward_splat, resize_flow
from mmdavss.structures import Clip, DomainBatch
from mmdavss.utils.errors import check_factors
from mmdavss.video_nets import HeadScores
from mmdavss.video_nets.base import SINGLE_FRAMES

from .adversarial import AdversarialAdapter

#: Scores of the current and of the previous frame for each classifier.
FramePairs = dict[str, tuple[Tensor, Tensor]]


@MODELS.register_module()
class DAVSN(AdversarialAdapter):
    """Labelled source clips, discriminators of pairs of frames, and consistency over time.

    The discriminators see the single-frame scores of two frames, at the size of the image: those
    of the current and the previous frame (spatio-temporal), or those of the current one twice
    (spatial). In the target uncertain predictions of the current frame are pulled to those of the
    previous one, carried along the flow. All this for every classifier. The previous frame's
    scores get no gradient.

    Without source clips (``source=None`` of the data set, ``discriminator=None``) only the
    consistency is left: the source-free form of STPL's tables. What fuses the frames then gets no
    gradient.

    Args:
        consistency_loss: Config of the loss of the consistency. Its factor is lambda_u, 0.001.
        auxiliary_weight: Further factor of it for the auxiliary classifier. The release has none.
        auxiliary_adversarial_weight: As in :class:`AdversarialAdapter`.
        likeness_weight: Factor of the likeness of the two discriminators' weights in their loss,
            which the weight discrepancy lowers: lambda_u times lambda_wd in the release.
        kwargs: Those of :class:`AdversarialAdapter`; ``discriminator`` is a
            ``SpatioTemporalDiscriminator``.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    shown = 'pair'
    #: As in :class:`CrossFrameAdapter`.
    STATISTICS = ('all', 'target')

    def __init__(
        self,
        consistency_loss: ConfigType | None = None,
        auxiliary_weight: float = 1.0,
        auxiliary_adversarial_weight: float | None = 0.0002,
        likeness_weight: float = 0.001,
        **kwargs,
    ) -> None:
        super().__init__(
            view='pair',
            auxiliary_adversarial_weight=auxiliary_adversarial_weight,
            likeness_weight=likeness_weight,
            **kwargs,
        )
        self.consistency_loss = MODELS.build(
            consistency_loss or dict(type='TemporalConsistencyLoss', loss_weight=0.001)
        )
        check_factors(type(self).__name__, auxiliary_weight=auxiliary_weight)
        self.auxiliary_weight = auxiliary_weight

    def student_losses(
        self, batch: DomainBatch
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, FramePairs]]]:
        target = batch.target.clip
        flow = self.temporal_flow(target, 2)  # first, see given_flow
        if batch.has_source or self.discriminator is not None:
            clip = batch.source.clip
            if self.discriminator is not None and clip.frames.shape[1] < 2:
                raise ValueError(
                    f'{type(self).__name__}: its discriminators see two frames, and the source '
                    'clips have one: set clip_length=2 of the source.'
                )
            seen = SINGLE_FRAMES if self.discriminator is not None else ()
            with self.counts_for('all'):
                # The discriminators alone see single frames of the source: without gradient.
                scores = self.student(
                    clip.frames,
                    self.clip_flow(clip),
                    heads=True,
                    parts=('fused', 'losses', *seen),
                    detached=seen,
                    single=self.game.weights,
                )
            losses = add_prefix(self.net.supervise(scores, batch.source.labels), 'source')
            yield losses, dict(source=self.frame_pairs(scores, clip)) if seen else {}

        scores = self.student(
            target.frames, self.for_student(flow), heads=True, parts=SINGLE_FRAMES
        )
        judged = self.discriminator is not None
        yield (
            self.consistency(scores, flow),
            dict(target=self.frame_pairs(scores, target)) if judged else {},
        )

    def frame_pairs(self, scores: Mapping[str, HeadScores], clip: Clip) -> FramePairs:
        """The single-frame scores (N, K, H, W) at the size of the image."""
        size = clip.frames.shape[-2:]
        # Further maps of a net, which only its supervised loss needs, are of the current frame.
        pairs = {name: _frames(scores[name]) for name in self.game.weights}
        return {
            name: (self.resized(current, size), self.resized(previous, size))
            for name, (current, previous) in pairs.items()
        }

    def consistency(self, scores: Mapping[str, HeadScores], flow: Tensor) -> dict[str, Tensor]:
        """Intra-domain temporal consistency of each classifier, at the resolution of the scores.

        Args:
            scores: Those of the student for target clips.
            flow: (N, T-1, 2, H, W).
        """
        losses = {}
        whole = chain_flow(flow)
        for name, head in scores.items():
            current, previous = _frames(head)
            to_previous = resize_flow(whole, previous.shape[-2:])
            # The negated flow stands in for the flow previous -> current, as in the release.
            propagated, reached = forward_splat(
                previous.float().softmax(1), -to_previous, return_mask=True
            )
            losses[f'{name}.loss_itcr'] = self.head_weight(name) * self.consistency_loss(
                current.float().softmax(1), propagated, reached
            )
        return losses


def _frames(head: HeadScores) -> tuple[Tensor, Tensor]:
    """The single-frame scores of the current and of the previous frame."""
    assert head.current is not None and head.key is not None  # both were asked for
    return head.current, head.key
