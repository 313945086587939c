"""Training on pseudo-labels that were written before: CBST, CRST, IAST and LD.

These methods are a rule for the labels, a regulariser and rounds; the rest is one class. ``rule``
stands for ``pseudo_label_generator`` of a config, whose rules are in ``pseudo_labels/rules.py``.

================================  ================================================================
CBST (Zou et al., ECCV 2018)
y^_t, k_c, portion p              labels, ``loss_ce``; rule ``cbst``, its ``portion``, in ``rounds``
                                  larger; ``source_portion`` of the data set pair
source in the sum of losses       ``source_weight``
CRST (Zou et al., ICCV 2019)
alpha of MRKLD, r(p) on y^_t      ``regulariser``: PseudoLabelRegulariser, ``kld_weight``
y^_t, alpha of LRENT              ``soft_labels=True``; rule ``lrent``, its ``temperature``
IAST (Mei et al., ECCV 2020)
theta, alpha, beta, gamma         rule ``iast``, its options of the same names
R_c and R_i, lambda               ``regulariser``: ``kld_weight`` and ``entropy_weight``
G_0                               ``source_checkpoint``, a warm-up with AdaptSegNet
LD (You et al., ACM MM 2021)
positive learning                 ``loss_ce``; rule ``ccm``
negative learning, entropy        ``regulariser``: NegativeLearning
IntraDA (Pan et al., CVPR 2020)
labels of the easy split X_te     rule ``all``, ``split``; they are learnt by AdvEnt, not here
================================  ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, add_prefix
from torch import Tensor

from mmdavss.losses import clip_cross_entropy, soft_cross_entropy
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.utils.errors import check_factors

from .base import BaseAdapter


@MODELS.register_module()
class OfflineSelfTraining(BaseAdapter):
    """One round of self-training: a run with labels of ``tools/generate_pseudo_labels.py``.

    Target clips need such labels (``pseudo_labels`` of the data set). The next round labels the
    target with this run's checkpoint, which then is the ``source_checkpoint``:
    ``tools/run_phases.py`` walks through the ``rounds`` of a config.

    Subclasses override what their paper does otherwise: :meth:`labels`, :meth:`scores`. They name
    in :attr:`WITHOUT` the options that their losses do not have.

    Args:
        source_weight: Factor of the supervised losses of source clips; 0 trains without a source:
            the method is source-free then.
        regulariser: Config of losses that the target's predictions get besides, such as
            ``PseudoLabelRegulariser``, None for none.
        soft_labels: Whether the labels are soft ones (CRST's LRENT), of the current frames.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: If `source_weight` is negative, or the method has no such option.
    """

    #: Options of this class that have no meaning here: ``soft_labels``, ``regulariser``.
    WITHOUT: tuple[str, ...] = ()

    def __init__(
        self,
        source_weight: float = 0.0,
        regulariser: OptConfigType = None,
        soft_labels: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**{'source_free': not source_weight, **kwargs})
        check_factors(type(self).__name__, source_weight=source_weight)
        given = dict(soft_labels=soft_labels, regulariser=regulariser)
        for name in self.WITHOUT:
            if given[name]:
                raise ValueError(
                    f'{type(self).__name__}: its losses have no {name}: remove model.{name}.'
                )
        if not source_weight:
            # Nothing but the source trains the auxiliary classifier.
            self.student.freeze_auxiliary()
        self.source_weight = source_weight
        self.soft_labels = soft_labels
        self.regulariser = None if regulariser is None else MODELS.build(regulariser)

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        # All flow before the first pass, see :meth:`given_flow`.
        target = self.with_flow(batch.target)
        if self.source_weight:
            yield self.source_loss(self.with_flow(batch.source))
        yield self.target_loss(target)

    def with_flow(self, clips: DomainClips) -> DomainClips:
        """As all methods; flow that the student does not take stays, for refinements (VST)."""
        given = super().with_flow(clips)
        return clips if given.clip.flow is None else given

    def source_loss(self, source: DomainClips) -> dict[str, Tensor]:
        """The supervised losses of the source, weighted."""
        clip, samples = source
        losses = self.student.loss(clip.frames, self.clip_flow(clip), samples)
        return {
            name: self.source_weight * value if 'loss' in name else value
            for name, value in add_prefix(losses, 'source').items()
        }

    def target_loss(self, target: DomainClips) -> dict[str, Tensor]:
        """Cross-entropy with the pseudo-labels, and what the regulariser adds."""
        return self.label_losses(target, self.scores(target.clip))

    def label_losses(self, target: DomainClips, scores: Tensor) -> dict[str, Tensor]:
        """:meth:`target_loss` of scores (N, L, K, H, W) at hand."""
        labels, log = self.labels(target)
        soft = None
        if self.soft_labels:
            soft = target.soft_labels(f'{type(self).__name__}: the target clips')
        return self.pseudo_losses(scores, labels, soft) | log

    def pseudo_losses(
        self, scores: Tensor, labels: Tensor, soft: tuple[Tensor, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The losses of labelled frames.

        Args:
            scores: (N, L, K, H, W).
            labels: (N, L, H, W), int64.
            soft: :meth:`DomainClips.soft_labels`, with L = 1, or None for hard ones.
        """
        if soft is None:
            losses = dict(loss_ce=clip_cross_entropy(scores, labels))
        else:
            losses = dict(loss_ce=soft_cross_entropy(scores[:, 0], *soft, labels[:, 0] != IGNORE))
        if self.regulariser is not None:
            frames = [self.regulariser(scores[:, t], labels[:, t]) for t in range(labels.shape[1])]
            losses |= {name: sum(frame[name] for frame in frames) for name in frames[0]}
        return losses

    def labels(self, target: DomainClips) -> tuple[Tensor, dict[str, Tensor]]:
        """The labels that are learnt: those of the current frames, as they were written.

        Returns:
            Labels (N, L, H, W), int64, of the L frames that :meth:`scores` are of, and what is
            logged of them.
        """
        labels = target.labels[:, None]
        return labels, dict(labelled=labelled_share(labels))

    def scores(self, clip: Clip) -> Tensor:
        """Scores (N, L, K, H, W) of the frames that have labels: here of the current one."""
        scores = self.student(clip.frames, self.clip_flow(clip))
        return self.resized(scores, clip.frames.shape[-2:])[:, None]


def labelled_share(labels: Tensor) -> Tensor:
    """Share of the pixels of labels, of any shape, that have one."""
    return (labels != IGNORE).float().mean()
