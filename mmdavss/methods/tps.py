"""TPS: temporal pseudo supervision (Xing et al., ECCV 2022).

======================================  ======================================================
what                                    here
======================================  ======================================================
cross-frame pseudo labelling            :meth:`TPS.pseudo_labels`, ``temporal_pseudo_labels``
cross-frame augmentation                the pipeline's ``CrossFrameAugment``, ``clip.augmented``
consistency with the pseudo-labels      ``loss_tps``
======================================  ======================================================
"""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmseg.registry import MODELS
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmdavss.engine import Clip
from mmdavss.modules import match_histograms, temporal_pseudo_labels
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import chain_flow

from .adversarial import clip_cross_entropy
from .base import BaseAdapter, branch, check_confidence, check_statistics


@MODELS.register_module()
class TPS(BaseAdapter):
    """Labelled source clips, and target clips that learn what they were an instant before.

    The first two frames of a target clip are segmented as they are, without gradient; their
    prediction is carried to the current frame along the flow and labels it. The last two frames,
    augmented, are to be segmented so: cross-entropy of every classifier with labels of its own,
    at the resolution of the scores. A clip of four frames is that of the release, with pairs that
    have no frame in common; with three the pairs share the middle one.

    Without source clips (``source=None`` of the data set) nothing is supervised: the source-free
    form of STPL's tables.

    Args:
        pseudo_weight: Factor of the losses with pseudo-labels.
        auxiliary_weight: Further factor of that of the auxiliary classifier.
        confidence_threshold: Probability that pseudo-labels have at least; None, as released, for
            no such limit.
        histogram_matching: Whether source clips get the colour histograms of the target clips of
            the batch.
        running_statistics: What moves the running batch-norm statistics, which only prediction
            reads: ``all`` passes of training, as released, or those of plain ``target`` clips. It
            matters where training is short; in any case every clip is normalised by its own batch
            while training.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    def __init__(self,
                 pseudo_weight: float = 1.,
                 auxiliary_weight: float = 0.1,
                 confidence_threshold: float | None = None,
                 histogram_matching: bool = True,
                 running_statistics: str = 'all',
                 **kwargs) -> None:
        super().__init__(**kwargs)
        self.pseudo_weight = pseudo_weight
        self.auxiliary_weight = auxiliary_weight
        self.confidence_threshold = check_confidence(self, confidence_threshold)
        self.histogram_matching = histogram_matching
        self.running_statistics = check_statistics(self, running_statistics)

    def loss(self, inputs: Clip | Mapping[str, Clip],
             data_samples: SampleList | Mapping[str, SampleList]) -> dict[str, Tensor]:
        target, _ = branch(inputs, data_samples, 'target')
        losses = {}
        if isinstance(inputs, Mapping) and 'source' in inputs:
            source, samples = branch(inputs, data_samples, 'source')
            frames = self.matched(source, target) if self.histogram_matching else source.frames
            with self.counts_for('all'):
                losses = add_prefix(
                    self.student.loss(frames, self.clip_flow(source), samples), 'source')

        flow = self.temporal_flow(target, 3)
        if target.augmented is None:
            raise KeyError('TPS needs an augmented view of the target clips: add CrossFrameAugment '
                           'to their pipeline.')
        labels = self.pseudo_labels(target, flow)
        with self.counts_for('all'):
            scores = self.student.head_scores(
                target.augmented[:, -2:], self.for_student(flow[:, -1:]))
        weights = dict(decode=1., aux=self.auxiliary_weight)
        for name, score in scores.items():
            losses[f'{name}.loss_tps'] = self.pseudo_weight * weights[name] * clip_cross_entropy(
                score.fused[:, None], labels[name][:, None])
        losses['labelled'] = (labels['decode'] != IGNORE).float().mean()
        return losses

    @torch.no_grad()
    def pseudo_labels(self, clip: Clip, flow: Tensor) -> dict[str, Tensor]:
        """Labels (N, h, w) of the current frames for each classifier, from the earlier pair.

        Args:
            clip: Of the target, three frames or more.
            flow: (N, T-1, 2, H, W).
        """
        scores = self.student.head_scores(clip.frames[:, :2], self.for_student(flow[:, :1]))
        to_earlier = chain_flow(flow[:, 1:])
        return {name: temporal_pseudo_labels(score.fused, to_earlier, self.confidence_threshold)
                for name, score in scores.items()}

    def matched(self, source: Clip, target: Clip) -> Tensor:
        """Frames (N, T, 3, H, W) of source clips with the colours of the target's current ones."""
        reference = target.raw[:, -1:].expand(-1, source.raw.shape[1], -1, -1, -1)
        raw = match_histograms(source.raw.flatten(0, 1), reference.flatten(0, 1))
        return self.data_preprocessor.normalise(raw.view_as(source.raw))
