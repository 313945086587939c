"""Self-training with an EMA teacher: what DACS, SePiCo and their like share."""

from __future__ import annotations

import torch
from mmseg.models.utils import resize
from torch import Tensor

from mmdavss.modules import PseudoLabels
from mmdavss.structures import Clip
from mmdavss.utils.distributed import mean_over_processes
from mmdavss.video_nets import VideoNet

from .base import BaseAdapter

TEACHER_NORMS = ('batch', 'student')


class MeanTeacher(BaseAdapter):
    """A student and its exponentially moving average, which makes the pseudo-labels.

    ``EMATeacherHook`` decides when the teacher follows. The teacher's dropout is off, its weights
    are in the checkpoint, get no gradient and are not tested: testing is testing the student.

    Args:
        confidence_threshold: alpha of SePiCo's equation 3.
        ignore_top: Rows at the top of a target image whose pseudo-labels weigh nothing.
        ignore_bottom: The same at the bottom.
        teacher_norm: ``batch``: the teacher's batch norm uses the statistics of its batch, as
            published; its running ones are its own and nothing reads them. ``student``: it is in
            evaluation mode with the student's running statistics, which suits small batches.
        kwargs: Those of :class:`BaseAdapter`.
    """

    teacher: VideoNet

    def __init__(
        self,
        confidence_threshold: float = 0.968,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        teacher_norm: str = 'batch',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if teacher_norm not in TEACHER_NORMS:
            raise ValueError(
                f'{type(self).__name__}: teacher_norm={teacher_norm!r} is not one of '
                f'{TEACHER_NORMS}.'
            )
        self.confidence_threshold = confidence_threshold
        self.ignore_top = ignore_top
        self.ignore_bottom = ignore_bottom
        self.teacher_norm = teacher_norm
        self.add_companion('teacher', kind='ema', norm=teacher_norm)

    def update_teacher(self, momentum: float) -> None:
        """teacher <- momentum * teacher + (1 - momentum) * student (SePiCo, equation 5)."""
        self.move_companions('ema', momentum)

    @torch.no_grad()
    def pseudo_labels(self, clip: Clip, flow: Tensor | None) -> tuple[Tensor, Tensor]:
        """The teacher's labels of the current frames and their weights.

        The weight is one number for the whole batch, as published (that of all processes): the
        share of its pixels whose probability reaches the threshold (SePiCo, equation 3). It is 0 in
        the rows left out and in margins (:class:`PseudoLabelMargins`).

        Returns:
            Labels (N, H, W), int64, and weights (N, H, W).
        """
        labelled = self.labels_with_confidence(clip, flow)
        return labelled.labels, labelled.weights

    @torch.no_grad()
    def labels_with_confidence(self, clip: Clip, flow: Tensor | None) -> PseudoLabels:
        """:meth:`pseudo_labels`, with the probability of each."""
        probability, labels = self.teacher_probabilities(clip, flow).max(1)
        return PseudoLabels(labels, self.label_weights(probability, clip.valid), probability)

    @torch.no_grad()
    def teacher_probabilities(self, clip: Clip, flow: Tensor | None) -> Tensor:
        """The teacher's class probabilities (N, K, H, W) of the current frames."""
        scores = self.teacher(clip.frames, flow)
        scores = resize(
            scores.float(),
            clip.frames.shape[-2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )
        return scores.softmax(1)

    def label_weights(self, probability: Tensor, valid: Tensor | None = None) -> Tensor:
        """Weights (N, H, W) of pseudo-labels.

        Args:
            probability: (N, H, W), those of the labels.
            valid: (N, H, W), factors, 0 where the labels weigh nothing, or None.
        """
        self.watch('the prediction of the teacher', probability)
        confident = mean_over_processes((probability >= self.confidence_threshold).float().mean())
        weights = confident.expand(probability.shape).clone()
        weights[:, : self.ignore_top] = 0
        if self.ignore_bottom:
            weights[:, -self.ignore_bottom :] = 0
        return weights if valid is None else weights * valid
