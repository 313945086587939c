"""An EMA teacher: what DACS, SePiCo and their like share, and MIC on methods without one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, SampleList
from torch import Tensor

from mmdavss.modules import MaskedConsistency, PseudoLabels
from mmdavss.ops import mirrored_flow
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.utils.distributed import mean_over_processes
from mmdavss.utils.errors import check_unit
from mmdavss.video_nets import VideoNet, scores_of_last
from mmdavss.video_nets.base import weighted_losses

from .base import BaseAdapter

TEACHER_NORMS = ('batch', 'student')


class Labelled(NamedTuple):
    """Clips with labels of their current frames.

    Attributes:
        clip: The clips.
        flow: (N, T-1, 2, H, W) or None, given with the clips or estimated.
        labels: (N, H, W), int64, 255 where ignored.
        weights: (N, H, W), weight of each pixel's label.
        samples: The labels as mmseg's losses take them; none where a teacher gave them.
        refined: Labels and weights for the mix, if they are others.
    """

    clip: Clip
    flow: Tensor | None
    labels: Tensor
    weights: Tensor
    samples: SampleList = ()
    refined: tuple[Tensor, Tensor] | None = None

    def for_mix(self) -> Labelled:
        """The same with the labels and weights for the mix."""
        if self.refined is None:
            return self
        labels, weights = self.refined
        return self._replace(labels=labels, weights=weights)


def every_other(source: Labelled, target: Labelled) -> Labelled:
    """Source and target clips at the even places of a batch, by turns.

    Of a batch of two, as published, they are the first of each domain.

    Raises:
        ValueError: If the batches differ in shape, or have an odd number of clips.
    """
    shapes = tuple(source.clip.raw.shape), tuple(target.clip.raw.shape)
    if shapes[0] != shapes[1] or shapes[0][0] % 2:
        raise ValueError(
            f"MaskedConsistency(mode='separate'): the source batch is {shapes[0]} and the target "
            f'batch {shapes[1]}: set an even batch_size (of each process), and give both pipelines '
            'one crop size and clip length.'
        )

    def chosen(of_source: Tensor, of_target: Tensor) -> Tensor:
        return torch.stack([of_source[::2], of_target[::2]], 1).flatten(0, 1)

    clip = Clip(*map(chosen, source.clip[:2], target.clip[:2]))
    flow = None
    if source.flow is not None and target.flow is not None:
        flow = chosen(source.flow, target.flow)
    labels, weights = map(chosen, source[2:4], target[2:4])
    return Labelled(clip, flow, labels, weights)


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
        mirrored: Whether the teacher's probabilities are means of those of a clip and of the
            mirrored clip (VFM-UDA++).
        masked: Config of a :class:`MaskedConsistency`, whose loss takes the pseudo-labels of the
            plain clips; None for none.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: For an unknown `teacher_norm`, a value outside its range, or losses of the
            student that do not obey the weights of pseudo-labels where it learns these.
    """

    #: Whether there is a teacher in any case, or for the sake of `masked` only.
    always_taught: bool = True
    teacher: VideoNet

    def __init__(
        self,
        confidence_threshold: float = 0.968,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        teacher_norm: str = 'batch',
        mirrored: bool = False,
        masked: OptConfigType = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if teacher_norm not in TEACHER_NORMS:
            raise ValueError(
                f'{type(self).__name__}: teacher_norm={teacher_norm!r} is not one of '
                f'{TEACHER_NORMS}.'
            )
        check_unit(type(self).__name__, confidence_threshold=confidence_threshold)
        if min(ignore_top, ignore_bottom) < 0:
            raise ValueError(
                f'{type(self).__name__}: ignore_top={ignore_top} and ignore_bottom={ignore_bottom} '
                'must be 0 or more.'
            )
        self._said_none = False
        self.confidence_threshold = confidence_threshold
        self.ignore_top = ignore_top
        self.ignore_bottom = ignore_bottom
        self.teacher_norm = teacher_norm
        self.mirrored = mirrored
        self.masked: MaskedConsistency | None = None if masked is None else MODELS.build(masked)
        if masked is not None:
            self.net.check_weights()
        if self.always_taught or masked is not None:
            self.add_companion('teacher', kind='ema', norm=teacher_norm)

    @property
    def moved_by(self) -> Mapping[str, str]:
        return dict(update_teacher='EMATeacherHook') if 'teacher' in self.companions else {}

    def update_teacher(self, momentum: float) -> None:
        """teacher <- momentum * teacher + (1 - momentum) * student (SePiCo, equation 5).

        Raises:
            TypeError: If there is none.
        """
        if 'teacher' not in self.companions:
            raise TypeError(
                f'{type(self).__name__} has no teacher: take the EMATeacherHook out of '
                '`custom_hooks`, or set `model.masked`, for which one is needed.'
            )
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
        (labelled,) = self.labels_of_last(clip, flow, 1)
        return labelled.labels, labelled.weights

    @torch.no_grad()
    def labels_of_last(self, clip: Clip, flow: Tensor | None, count: int) -> list[PseudoLabels]:
        """:meth:`pseudo_labels` of the last `count` frames, in order, with the probability of each.

        Each is as if the clip ended with it, but for the margins, which are those of the current
        frame.
        """
        labelled = []
        for probabilities in self._probabilities_of_last(clip.frames, flow, count):
            probability, labels = probabilities.max(1)
            weights = self.label_weights(probability, clip.valid)
            labelled.append(PseudoLabels(labels, weights, probability))
        return labelled

    @torch.no_grad()
    def teacher_probabilities(self, clip: Clip, flow: Tensor | None) -> Tensor:
        """The teacher's class probabilities (N, K, H, W) of the current frames."""
        return self._probabilities_of_last(clip.frames, flow, 1)[0]

    def _probabilities_of_last(
        self, frames: Tensor, flow: Tensor | None, count: int
    ) -> list[Tensor]:
        def predicted(frames: Tensor, flow: Tensor | None) -> list[Tensor]:
            return [
                self.resized(scores.float(), frames.shape[-2:]).softmax(1)
                for scores in scores_of_last(self.teacher, frames, flow, count)
            ]

        plain = predicted(frames, flow)
        if not self.mirrored:
            return plain
        turned = predicted(frames.flip(-1), None if flow is None else mirrored_flow(flow))
        return [(p + t.flip(-1)) / 2 for p, t in zip(plain, turned, strict=True)]

    def label_weights(self, probability: Tensor, valid: Tensor | None = None) -> Tensor:
        """Weights (N, H, W) of pseudo-labels.

        Args:
            probability: (N, H, W), those of the labels.
            valid: (N, H, W), factors, 0 where the labels weigh nothing, or None.

        Raises:
            ValueError: If margins leave some pixels out already.
        """
        rows = self.ignore_top + self.ignore_bottom
        if rows >= probability.shape[1] and not self._said_none:
            self._said_none = True
            print_log(
                f'{type(self).__name__}: ignore_top={self.ignore_top} and ignore_bottom='
                f'{self.ignore_bottom} leave none of {probability.shape[1]} rows: no pseudo-label '
                'weighs anything.',
                logger='current',
                level=logging.WARNING,
            )
        if rows and valid is not None:
            raise ValueError(
                f'{type(self).__name__}: ignore_top={self.ignore_top} and ignore_bottom='
                f'{self.ignore_bottom} are rows of a crop, and PseudoLabelMargins in the pipeline '
                'has left out those of the image: set both to 0, or remove it.'
            )
        self.watch('the prediction of the teacher', probability)
        confident = mean_over_processes((probability >= self.confidence_threshold).float().mean())
        weights = confident.expand(probability.shape).clone()
        weights[:, : self.ignore_top] = 0
        if self.ignore_bottom:
            weights[:, -self.ignore_bottom :] = 0
        return weights if valid is None else weights * valid

    def source(self, source: DomainClips) -> Labelled:
        """Source clips with their flow and labels."""
        clip, labels = source.clip, source.labels
        weights = clip.raw.new_ones(labels.shape)
        return Labelled(clip, self.clip_flow(clip), labels, weights, source.samples)

    def masked_loss(
        self, masked: MaskedConsistency, source: Labelled, target: Labelled
    ) -> dict[str, Tensor]:
        """Cross-entropy on masked clips with the labels of the plain ones (MIC).

        Args:
            masked: What is masked; its mode says which of the clips.
            source: The source clips, with their own labels.
            target: The target clips, with the teacher's labels and weights from before mixing.
        """
        if masked.mode == 'separate':
            seen = every_other(source, target)
        else:
            seen = source if masked.mode == 'source' else target
        raw = seen.clip.raw if masked.augment is None else masked.augment(seen.clip.raw)
        frames = masked.mask(self.data_preprocessor.normalise(raw))
        losses = self.weighted_losses(frames, seen.flow, seen.labels, seen.weights)
        return {
            'masked.loss_ce': reduce(
                torch.add,
                (
                    value * masked.loss_weight if name.startswith('decode.') else value
                    for name, value in losses.items()
                ),
            )
        }

    def with_flow_for_all(self, batch: DomainBatch) -> DomainBatch:
        """A batch whose flow is computed before the first pass and once, if `masked` adds one."""
        if self.masked is None or not self.net.needs_flow:
            return batch
        return batch.with_clips(lambda clip: clip._replace(flow=self.given_flow(clip)))

    def taught_losses(self, masked: MaskedConsistency, batch: DomainBatch) -> dict[str, Tensor]:
        """:meth:`masked_loss` of a method that has a teacher for its sake only (MIC, section 4.1).

        Args:
            masked: What is masked.
            batch: The clips; the teacher labels those of the target, as they are.
        """
        clip = batch.target.clip
        flow = self.clip_flow(clip)
        labels, weights = self.pseudo_labels(clip, flow)
        target = Labelled(clip, flow, labels, weights)
        source = target if masked.mode == 'target' else self.source(batch.source)
        return self.masked_loss(masked, source, target) | dict(pseudo_label_weight=weights.mean())

    def weighted_losses(
        self,
        frames: Tensor,
        flow: Tensor | None,
        labels: Tensor,
        weights: Tensor,
    ) -> dict[str, Tensor]:
        """The net's supervised losses of strong views, divided by all pixels, as published.

        Those ignored are among them. Classes weigh what they weigh in the classifier's loss.

        Args:
            frames: (N, T, 3, H, W), normalised.
            flow: (N, T-1, 2, H, W) or None.
            labels: (N, H, W).
            weights: (N, H, W).
        """
        with self.counts_for('all', 'mixed'):
            return weighted_losses(
                self.student, frames, flow, labels, weights, avg_factor=labels.numel()
            )
