"""CMOM: cross-domain moving object mixing (Cho et al., WACV 2023).

======================================  ======================================================
what                                    here
======================================  ======================================================
mix of clips                            :meth:`CMOM.mix`: ``draw_share``, ``class_masks``
pseudo-labels of the target             ``pseudo_label_generator``, rule ``pair``
feature alignment with temporal         ``alignment``: FeatureAlignment,
context (FATC)                          :meth:`CMOM.consensus`
L_cls, L_ins                            ``mix.loss_background``, ``mix.loss_foreground``
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, add_prefix
from torch import Tensor

from mmdavss.modules import (
    FeatureAlignment,
    class_mix,
    nearest_labels,
    predicting,
)
from mmdavss.modules.class_mix import class_masks, draw_share
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import chain_flow, forward_splat, resize_flow
from mmdavss.structures import DomainBatch, DomainClips
from mmdavss.utils.errors import check_unit
from mmdavss.video_nets import HRDA, HeadScores

from .base import BaseAdapter
from .offline_self_training import labelled_share


@MODELS.register_module()
class CMOM(BaseAdapter):
    """Labelled source clips, and target clips with moving objects of the source pasted in.

    One iteration: cross-entropy on the source clips, whose features fill banks; most classes of a
    source clip are pasted onto a target clip, in each frame where the source has them, so that what
    moves goes on moving; cross-entropy on the mix, with pseudo-labels of the target that were
    written before; features of the mix are pulled to the banks where the predictions for both
    frames agree. Source clips come with the labels of all frames (``label_clips=True``), in any
    size: the mix has that of the target.

    Args:
        alignment: Config of the :class:`FeatureAlignment`, without ``channels``; None for none.
        mix_share: Share of the classes of a source clip that are pasted.
        released_flow: As the release does that: flow is mixed with the masks of the earlier frames,
            though it is defined on the later ones; and predictions for the mix are carried along
            the flow of the target, though objects of the source move by their own.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        TypeError: If features of an :class:`HRDA` are to be aligned.
        ValueError: If the share is not between 0 and 1, or a class to align is not the network's.
    """

    #: Passes of ``all`` clips, as published, or of ``mixed`` ones.
    STATISTICS = ('all', 'mixed')

    def __init__(
        self,
        alignment: OptConfigType = None,
        mix_share: float = 0.75,
        released_flow: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_unit('CMOM', mix_share=mix_share)
        self.mix_share = mix_share
        self.released_flow = released_flow
        self.alignment: FeatureAlignment | None = None
        if alignment is not None:
            if any(isinstance(net, HRDA) for net in self.student.segmentors):
                raise TypeError(
                    'CMOM: the alignment needs features that the classifier makes all scores of, '
                    'and HRDA joins scores of two scales: set alignment=None, or take an '
                    'EncoderDecoder.'
                )
            aligned = [*alignment.get('background', ()), *alignment.get('foreground', ())]
            if unknown := [k for k in aligned if k >= self.num_classes]:
                raise ValueError(
                    f'CMOM: the classes {unknown} of `alignment` are not among the '
                    f'{self.num_classes} of the network.'
                )
            self.alignment = MODELS.build(dict(alignment, channels=self.student.feature_channels))

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        # All flow before the first pass, see given_flow.
        flows = [
            self.temporal_flow(domain.clip, 2, name)
            for name, domain in (('source', batch.source), ('target', batch.target))
        ]
        with self.counts_for('all'):
            yield add_prefix(self.source_losses(batch.source, flows[0]), 'source')
        with self.counts_for('all', 'mixed'):
            yield add_prefix(self.mix_losses(batch, *flows), 'mix')

    def source_losses(self, source: DomainClips, flow: Tensor) -> dict[str, Tensor]:
        """Cross-entropy on the source clips; their features are written to the banks."""
        labels = source.labels
        scores = self.scores(source.clip.frames, flow)
        if self.alignment is not None:
            features = _features(scores).detach()
            self.watch('the features of the banks', features)
            small = nearest_labels(labels, features.shape[-2:])
            right = small == _current(scores).argmax(1)
            self.alignment.update(features, torch.where(right, small, IGNORE), self.classify)
        return self.net.supervise(scores, labels)

    def mix_losses(
        self, batch: DomainBatch, source_flow: Tensor, target_flow: Tensor
    ) -> dict[str, Tensor]:
        """Cross-entropy on the mix, and the alignment of its features.

        Args:
            batch: The clips; those of the target with pseudo-labels.
            source_flow: (N, T-1, 2, H, W).
            target_flow: (N, T-1, 2, H', W').
        """
        frames, flow, labels = self.mix(batch, source_flow, target_flow)
        scores = self.scores(frames, flow, 'key')
        losses = self.net.supervise(scores, labels)
        if self.alignment is not None:
            agreed = self.consensus(scores, target_flow if self.released_flow else flow)
            losses |= self.alignment(_features(scores), agreed, self.classify)
            losses['agreed'] = labelled_share(agreed)
        return losses

    def mix(
        self, batch: DomainBatch, source_flow: Tensor, target_flow: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Classes of the source clips on the target clips, at the target's size.

        Args:
            batch: As of :meth:`mix_losses`, like the flows.
            source_flow: (N, T-1, 2, H, W).
            target_flow: (N, T-1, 2, H', W').

        Returns:
            Frames (N, T, 3, H', W'), flow (N, T-1, 2, H', W'), and labels (N, H', W') of the
            current frames.

        Raises:
            ValueError: If the clips differ in number or length.
        """
        frames, onto = batch.source.clip.frames, batch.target.clip.frames
        count, size = onto.shape[:2], onto.shape[-2:]
        if frames.shape[:2] != count:
            raise ValueError(
                f'CMOM mixes {len(frames)} source clips of {frames.shape[1]} frames and '
                f'{len(onto)} target clips of {onto.shape[1]}: give both data sets one clip_length.'
            )
        labels = nearest_labels(batch.source.clip_labels('CMOM: the source clips'), size)
        masks = class_masks(labels, draw_share(labels[:, -1], self.mix_share)).transpose(1, 2)
        frames = self.resized(frames.flatten(0, 1), size).unflatten(0, count)
        flow = resize_flow(source_flow.flatten(0, 1), size).view_as(target_flow)
        of_flow = masks[:, :-1] if self.released_flow else masks[:, 1:]
        return (
            class_mix(masks, frames, onto),
            class_mix(of_flow, flow, target_flow),
            class_mix(masks[:, -1, 0], labels[:, -1], batch.target.labels),
        )

    @torch.no_grad()
    def consensus(self, scores: Mapping[str, HeadScores], flow: Tensor) -> Tensor:
        """Classes (N, h, w) that the predictions for both frames agree on, elsewhere 255.

        The first frame's are splatted along the flow (N, T-1, 2, H, W), 0 where nothing arrives.
        """
        current, key = _current(scores), scores['decode'].key
        assert key is not None  # it was asked for
        to_key = resize_flow(chain_flow(flow), key.shape[-2:])
        # The negated flow stands in for the flow key -> current, as in the release.
        carried = forward_splat(key.float().softmax(1), -to_key).argmax(1)
        own = current.argmax(1)
        return torch.where(carried == own, own, IGNORE)

    def scores(self, frames: Tensor, flow: Tensor, *parts: str) -> dict[str, HeadScores]:
        """Scores of clips for the supervised losses and `parts`, and what is classified for them.

        The current frame's get no gradient.
        """
        wanted = ('fused', 'losses', 'current', *parts)
        if self.alignment is not None:
            wanted = (*wanted, 'features')
        return self.net.head_scores(
            frames,
            self.for_student(flow),
            parts=wanted,
            detached=('current',),
            single=('decode',),
        )

    def classify(self, features: Tensor) -> Tensor:
        """Scores (M, K, 1, 1) of features (M, C, 1, 1), without dropout."""
        with predicting(self.net.segmentor.decode_head):
            return self.net.classify(features)


def _current(scores: Mapping[str, HeadScores]) -> Tensor:
    """Single-frame scores (N, K, h, w) of the current frames."""
    current = scores['decode'].current
    assert current is not None  # it was asked for
    return current


def _features(scores: Mapping[str, HeadScores]) -> Tensor:
    """What the classifier got for the current frames, (N, C, h, w)."""
    features = scores['decode'].features
    assert features is not None  # it was asked for
    return features
