"""HCL: historical contrastive learning (Huang et al., NeurIPS 2021), source-free.

==========================  ==============================================================
the method                  here
==========================  ==============================================================
G, its projector            ``student``, ``projection`` of a level of its backbone
G_ma (EMA)                  ``teacher``, ``teacher_projection``
G_h (historical)            ``history``: the student when ``HistoryHook`` last recorded it
pseudo-labels               labels of ``tools/generate_pseudo_labels.py``
HCCD                        ``*.loss_hccd``: :func:`historical_agreement`,
                            ``class_weights``: RareClassWeights
HCID                        ``loss_hcid``, ``contrast``: HistoricalContrastLoss
==========================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType
from torch import Tensor

from mmdavss.losses import cross_entropy, historical_agreement
from mmdavss.modules import RareClassWeights
from mmdavss.modules.domain_game import self_information
from mmdavss.structures import Clip, DomainBatch
from mmdavss.video_nets import VideoNet
from mmdavss.video_nets.base import fused_scores

from .base import BaseAdapter


@MODELS.register_module()
class HCL(BaseAdapter):
    """Pseudo-labels weighted by what a historical model remembers, and contrast with its features.

    The student sees the augmented view of a target clip (``clip.augmented``), the EMA model and the
    historical one the plain clip; both have the same pixels, so that labels and weights fit. Target
    clips need pseudo-labels (``pseudo_labels`` of the data set). ``EMATeacherHook`` and
    ``HistoryHook`` decide when the two models move.

    Args:
        projection: Config of the projection head of the contrast, without ``in_channels``.
        contrast: Config of the contrastive loss (HCID).
        contrast_level: Level of the backbone whose features are contrasted; 2 is stage 4 of a
            ResNet, as released.
        class_weights: Arguments of :class:`RareClassWeights` without the number of classes, None
            for no weights.
        auxiliary_weight: Factor of HCCD of the auxiliary classifier.
        teacher_norm: Of both other models: ``batch``, their batch norm uses the statistics of the
            batch, as released; ``student``, they are in evaluation mode with the running statistics
            of what they follow, which suits small batches.
        kwargs: Those of :class:`BaseAdapter`.
    """

    source_free = True

    teacher: VideoNet
    history: VideoNet
    teacher_projection: Any

    def __init__(
        self,
        projection: ConfigType,
        contrast: ConfigType,
        contrast_level: int = 2,
        class_weights: OptConfigType = None,
        auxiliary_weight: float = 0.5,
        teacher_norm: str = 'batch',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        channels = self.student.level_channels()
        if not -len(channels) <= contrast_level < len(channels):
            raise ValueError(
                f'HCL: contrast_level={contrast_level}, but the backbone gives '
                f'{len(channels)} levels.'
            )
        self.contrast_level = contrast_level
        self.auxiliary_weight = auxiliary_weight
        self.projection = MODELS.build(dict(projection, in_channels=channels[contrast_level]))
        self.contrast = MODELS.build(contrast)
        self.class_weights = (
            None if class_weights is None else RareClassWeights(self.num_classes, **class_weights)
        )
        self.add_companion('teacher', kind='ema', norm=teacher_norm)
        self.add_companion(
            'teacher_projection', kind='ema', follows='projection', norm=teacher_norm
        )
        self.add_companion('history', kind='copy', norm=teacher_norm)

    @property
    def moved_by(self) -> Mapping[str, str]:
        return dict(update_teacher='EMATeacherHook', record_history='HistoryHook')

    def update_teacher(self, momentum: float) -> None:
        """The EMA model moves towards the student."""
        self.move_companions('ema', momentum)

    def record_history(self) -> None:
        """Today's student becomes the historical model; the EMA model starts from it anew."""
        self.move_companions('copy')
        self.move_companions('ema')

    def losses(self, batch: DomainBatch) -> dict[str, Tensor]:
        clip, labels = batch.target.clip, batch.target.labels
        flow = self.clip_flow(clip)
        frames = self.augmented_frames(clip)
        with torch.no_grad():
            past = self._enlarged(fused_scores(self.history, clip.frames, flow), clip)
            today, level = self._scores_and_level(self.teacher, clip.frames, flow)
            today = self._enlarged(today, clip)
            keys = self.teacher_projection(level)
            self.watch('the prediction of the teacher', today['decode'])
            weights = None if self.class_weights is None else self.class_weights(labels)
            agreement = {name: historical_agreement(past[name], today[name]) for name in today}
            # As released that of the auxiliary classifier, where there is one; of several the last.
            entropy = self_information([*today.values()][-1]).sum(1)
        scores, level = self._scores_and_level(self.student, frames, flow)
        losses = {}
        for name, maps in self._enlarged(scores, clip).items():
            loss = cross_entropy(maps, labels, agreement[name], weights, avg_factor=labels.numel())
            losses[f'{name}.loss_hccd'] = self.head_weight(name) * loss
        losses['loss_hcid'] = self.contrast(
            self.projection(level), keys, labels, labels, entropy, self.num_classes
        )
        return losses | dict(agreement=agreement['decode'].mean())

    def _scores_and_level(
        self, net: VideoNet, frames: Tensor, flow: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Scores of every classifier, and the contrasted level of the current frame."""
        levels = net.levels(frames[:, -1])
        return fused_scores(net, frames, flow, levels), levels[self.contrast_level]

    def _enlarged(self, scores: dict[str, Tensor], clip: Clip) -> dict[str, Tensor]:
        """Score maps at the size of the frames."""
        return {name: self.resized(maps, clip.frames.shape[-2:]) for name, maps in scores.items()}
