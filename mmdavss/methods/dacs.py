"""DACS: self-training on images mixed across domains (Tranheden et al., WACV 2021)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, SampleList, add_prefix
from torch import Tensor

from mmdavss.engine import Clip
from mmdavss.modules import ClassBalancedCrop, class_mix, class_mix_masks, day_guided
from mmdavss.ops import at_least_float32

from .base import branch, check_statistics
from .mean_teacher import MeanTeacher

STATISTICS = ('all', 'mixed', 'target')


class Labelled(NamedTuple):
    """Clips with labels of their current frames.

    Attributes:
        clip: The clips.
        flow: (N, T-1, 2, H, W) or None, given with the clips or estimated.
        labels: (N, H, W), int64, 255 where ignored.
        weights: (N, H, W), weight of each pixel's label.
    """
    clip: Clip
    flow: Tensor | None
    labels: Tensor
    weights: Tensor


@MODELS.register_module()
class DACS(MeanTeacher):
    """Supervised source, and pseudo-labelled target with source classes pasted in (ClassMix).

    One iteration: cross-entropy on the source clips (SePiCo, equation 1); the teacher labels the
    target clips (equation 2); half of the classes of a source clip are pasted onto a target clip,
    with their labels; the mix is augmented strongly; the student's cross-entropy on it weighs
    each pixel (equations 3 and 4). Classes are pasted in all frames of a clip at the pixels that
    they have in the current one, the only one with labels, and so is the flow.

    Args:
        augment: Config of the strong augmentation, None for none.
        target_crop: Config of the class-balanced crop of the target (SePiCo, algorithm 1), None
            where the pipeline gives source and target one size.
        day_reference: Arguments of :func:`day_guided`, for single night images that come with a
            day image of the same place (``DarkZurichImageDataset(day_pairs=...)``): the day image
            helps to label the night image and is not seen otherwise. None for none.
        running_statistics: What the student's running batch-norm statistics follow, which only
            prediction reads: ``all`` clips of training, as published; ``mixed``, not the source
            clips; ``target``, plain target clips, which costs a pass without gradient. It
            matters where training is short or mixes look unlike the target; in any case every
            clip is normalised by its own batch while training.
        kwargs: Those of :class:`MeanTeacher`.
    """

    def __init__(self,
                 augment: OptConfigType = None,
                 target_crop: OptConfigType = None,
                 day_reference: OptConfigType = None,
                 running_statistics: str = 'all',
                 **kwargs) -> None:
        super().__init__(**kwargs)
        self.augment = None if augment is None else MODELS.build(augment)
        self.target_crop = None if target_crop is None else ClassBalancedCrop(**target_crop)
        self.day_reference = day_reference
        self.running_statistics = check_statistics(self, running_statistics, STATISTICS)

    def loss(self, inputs: Clip | Mapping[str, Clip],
             data_samples: SampleList | Mapping[str, SampleList]) -> dict[str, Tensor]:
        source, samples = self.source(inputs, data_samples)
        target = self.target(inputs, data_samples)
        with self.counts_for('all'):
            losses = add_prefix(
                self.student.loss(source.clip.frames, source.flow, samples), 'source')
        losses.update(self.mix_loss(source, target))
        self.follow_target(target.clip)
        return losses

    @torch.no_grad()
    def follow_target(self, clip: Clip) -> None:
        """Moves the running statistics by plain target clips, if that is what they are of."""
        if self.running_statistics == 'target':
            self.student.features(clip.frames.flatten(0, 1))

    def source(self, inputs: Mapping[str, Clip], data_samples: Mapping[str, SampleList]
               ) -> tuple[Labelled, SampleList]:
        """The source branch, with the labels as one tensor and as mmseg's losses take them."""
        clip, samples = branch(inputs, data_samples, 'source')
        labels = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in samples]).long()
        return Labelled(clip, self.clip_flow(clip), labels, clip.raw.new_ones(labels.shape)), \
            samples

    def target(self, inputs: Mapping[str, Clip], data_samples: Mapping[str, SampleList]
               ) -> Labelled:
        """The target branch with the teacher's labels, cropped if so configured."""
        clip, _ = branch(inputs, data_samples, 'target')
        if self.day_reference is None:
            flow = self.clip_flow(clip)
            labels, weights = self.pseudo_labels(clip, flow)
        else:
            flow = None
            clip, labels, weights = self._night(clip)
        if self.target_crop is None:
            return Labelled(clip, flow, labels, weights)
        crop = self.target_crop.draw(labels)
        return Labelled(
            Clip(crop(clip.frames), crop(clip.raw)), None if flow is None else crop(flow),
            crop(labels), crop(weights))

    @torch.no_grad()
    def _night(self, pairs: Clip) -> tuple[Clip, Tensor, Tensor]:
        """The night images of (day, night) pairs, their labels and weights."""
        day, night = (Clip(pairs.frames[:, i:i + 1], pairs.raw[:, i:i + 1]) for i in (0, 1))
        probability, labels = day_guided(
            self.teacher_probabilities(night, None), self.teacher_probabilities(day, None),
            **self.day_reference).max(1)
        return night, labels, self.label_weights(probability)

    def strong(self, raw: Tensor) -> Tensor:
        """Raw clips (N, T, 3, H, W), strongly augmented and normalised."""
        if self.augment is not None:
            raw = self.augment(raw)
        return self.data_preprocessor.normalise(raw)

    def mix_loss(self, source: Labelled, target: Labelled) -> dict[str, Tensor]:
        """Cross-entropy on the mix (equation 4).

        Raises:
            ValueError: If source and target clips have different sizes.
        """
        if source.clip.raw.shape != target.clip.raw.shape:
            raise ValueError(
                f'{type(self).__name__} mixes source and target, but the source batch is '
                f'{tuple(source.clip.raw.shape)} and the target batch '
                f'{tuple(target.clip.raw.shape)}: give both pipelines one crop size and clip '
                'length, or set `target_crop`.')
        mask = class_mix_masks(source.labels)
        raw = class_mix(mask[:, None], source.clip.raw, target.clip.raw)
        flow = None
        if source.flow is not None and target.flow is not None:
            flow = class_mix(mask[:, None], source.flow, target.flow)
        labels = class_mix(mask[:, 0], source.labels, target.labels)
        weights = class_mix(mask[:, 0], source.weights, target.weights)
        with self.counts_for('all', 'mixed'):
            scores = self.student(self.strong(raw), flow)
        return {'mix.loss_ce': self.weighted_cross_entropy(scores, labels, weights),
                'pseudo_label_weight': target.weights.mean()}

    def weighted_cross_entropy(self, scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Mean over all pixels, those ignored included, as published.

        Args:
            scores: (N, K, h, w).
            labels: (N, H, W).
            weights: (N, H, W).
        """
        scores = resize(at_least_float32(scores), labels.shape[-2:], mode='bilinear',
                        align_corners=self.align_corners)
        loss = F.cross_entropy(scores, labels, ignore_index=255, reduction='none')
        return (loss * weights).mean()
