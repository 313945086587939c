"""DACS: self-training on images mixed across domains (Tranheden et al., WACV 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, add_prefix
from torch import Tensor

from mmdavss.losses import FeatureDistillation
from mmdavss.modules import (
    ClassBalancedCrop,
    Decisions,
    LabelRefinement,
    StrongAugment,
    VideoDiscriminator,
    class_mix,
    class_mix_masks,
    day_guided,
)
from mmdavss.modules.day_reference import STATIC_19
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.utils.errors import check_unit
from mmdavss.utils.wrappers import check_players
from mmdavss.video_nets import scores_of_last
from mmdavss.video_nets.base import class_factors

from .mean_teacher import Labelled, MeanTeacher

#: Options of :func:`day_guided` that a config may set.
DAY_OPTIONS = ('static', 'ratio', 'threshold')


@MODELS.register_module()
class DACS(MeanTeacher):
    """Supervised source, and pseudo-labelled target with source classes pasted in (ClassMix).

    One iteration: cross-entropy on the source clips (SePiCo, equation 1); the teacher labels the
    target clips (equation 2); half of the classes of a source clip are pasted onto a target clip,
    with their labels; the mix is augmented strongly; the student's cross-entropy on it weighs
    each pixel (equations 3 and 4). A method that builds on DACS overrides one of these steps, or
    adds :meth:`extra_losses`. Classes are pasted in all frames of a clip at the pixels that
    they have in the current one, the only one with labels, and so is the flow.

    Args:
        augment: Config of the strong augmentation, None for none.
        source_augment: Config of the augmentation of the source clips for their own loss; None for
            plain clips, as published. What is pasted is plain in any case.
        target_augment: Config of the augmentation of the target clips that are pasted onto, before
            `augment` (VFM-UDA++); None for none.
        distillation: Config of a :class:`FeatureDistillation`, without ``in_channels``, of the last
            map of the backbone, source and target (VFM-UDA++); None for none.
        target_crop: Config of the class-balanced crop of the target (SePiCo, algorithm 1), None
            where the pipeline gives source and target one size.
        relabel_crop: Whether the teacher labels that crop anew, so that its labels and the share
            of sure pixels are those of the crop, as published; otherwise the labels of the whole
            image are cropped, which saves a pass.
        day_reference: Arguments of :func:`day_guided`, for single night images that come with a
            day image of the same place (``DarkZurichImageDataset(day_pairs=...)``,
            ``ACDCDataset(reference_pairs=True)``): the day image helps to label the night image and
            is not seen otherwise. Where the classifier's loss weighs the classes, so are the
            probabilities, as published. None for none.
        refinement: Config of a :class:`LabelRefinement` of the pseudo-labels of the mix, by the
            teacher's labels of the clip without its last frame; None for none. A
            ``SelfTrainingHook`` lets it start later.
        discriminator: Config of a :class:`VideoDiscriminator`, without ``in_channels``, which plays
            against the student after everything else; None for none. It has an optimiser of its own
            (:class:`PlayerOptimWrapperConstructor`), and clips of both domains have two frames or
            more: it sees the scores of a clip, and of that clip without its last frame.
        kwargs: Those of :class:`MeanTeacher`. The loss of `masked` comes after that of the mix and
            takes the pseudo-labels as they are.
    """

    #: ``all`` clips of training, as published; ``mixed``, not the source clips; ``target``, plain
    #: target clips, which costs a pass without gradient. It matters where training is short or
    #: mixes look unlike the target; in any case every clip is normalised by its own batch while
    #: training.
    STATISTICS = ('all', 'mixed', 'target')
    #: Whether the student learns the mix.
    self_training: bool = True
    #: Those that a `day_reference` mixes; or None.
    static_classes: Tensor | None
    #: (K,), how the loss of the classifier weighs the classes, for a `day_reference`; or None.
    class_factors: Tensor | None
    #: Whether all strong views of a batch share what is drawn for them.
    shared_augmentation: bool = False

    def __init__(
        self,
        augment: OptConfigType = None,
        source_augment: OptConfigType = None,
        target_augment: OptConfigType = None,
        distillation: OptConfigType = None,
        target_crop: OptConfigType = None,
        relabel_crop: bool = False,
        day_reference: OptConfigType = None,
        refinement: OptConfigType = None,
        discriminator: OptConfigType = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if self.self_training:
            self.net.check_weights()
        self.augment, self.source_augment, self.target_augment = (
            None if own is None else MODELS.build(own)
            for own in (augment, source_augment, target_augment)
        )
        self.distillation: FeatureDistillation | None = None
        if distillation is not None:
            channels = self.student.level_channels()[-1]
            self.distillation = MODELS.build(dict(distillation, in_channels=channels))
        self.target_crop = None if target_crop is None else ClassBalancedCrop(**target_crop)
        if relabel_crop and target_crop is None:
            raise ValueError(f'{type(self).__name__}: relabel_crop=True needs a `target_crop`.')
        self.relabel_crop = relabel_crop
        unknown = sorted(set(day_reference or ()) - set(DAY_OPTIONS))
        if unknown:
            raise ValueError(
                f'{type(self).__name__}: day_reference has {", ".join(unknown)}, which is none of '
                f'its options: {", ".join(DAY_OPTIONS)}.'
            )
        for name in ('ratio', 'threshold'):
            check_unit(
                type(self).__name__, **{f'day_reference.{name}': (day_reference or {}).get(name)}
            )
        self.day_reference = day_reference
        static = factors = None
        if day_reference is not None:
            static = torch.tensor(day_reference.get('static', STATIC_19))
            factors = class_factors(self.net.segmentor.decode_head)
        self.register_buffer('static_classes', static, persistent=False)
        self.register_buffer('class_factors', factors, persistent=False)
        self.refinement: LabelRefinement | None = (
            None if refinement is None else MODELS.build(refinement)
        )
        if refinement is not None and not (target_crop is None and day_reference is None):
            raise ValueError(
                f'{type(self).__name__}: refinement does not go with target_crop or day_reference: '
                'crop the target in its pipeline.'
            )
        if refinement is not None and not self.self_training:
            raise ValueError(
                f'{type(self).__name__}: refinement is one of the labels of the mix, which is not '
                'learned with self_training=False: leave it out.'
            )
        for name in ('rare_classes', 'classes'):
            unknown = [k for k in (refinement or {}).get(name) or () if k >= self.num_classes]
            if unknown:
                raise ValueError(
                    f'{type(self).__name__}: refinement.{name}={unknown} are not among the '
                    f'{self.num_classes} classes of the network.'
                )
        self.discriminator: VideoDiscriminator | None = None
        if discriminator is not None and distillation is not None:
            raise ValueError(
                f'{type(self).__name__}: discriminator and distillation are mutually exclusive: no '
                'optimiser would train the head of the distillation.'
            )
        if discriminator is not None:
            self.discriminator = MODELS.build(dict(discriminator, in_channels=self.num_classes))
        self.schedule_self_training(True)

    def schedule_self_training(self, learns: bool) -> None:
        """Whether the next iteration learns the mix, where that is configured."""
        self._learns_mix = learns

    @property
    def _mixes(self) -> bool:
        return self.self_training and self._learns_mix

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        source, target = self.source(batch.source), self.target(batch.target)
        decisions = None
        if self.shared_augmentation and self.augment is not None:
            decisions = self.augment.decide(source.clip.raw)
        yield self.source_loss(source, decisions)
        if self._mixes:
            yield self.mix_loss(source, target.for_mix(), decisions)
        yield from self.extra_losses(source, target, decisions)
        if self.masked is not None:
            yield self.masked_loss(self.masked, source, target)
        if self.distillation is not None:
            for name, seen in (('source', source), ('target', target)):
                loss = self.distillation_loss(self.distillation, seen)
                yield {f'distillation.loss_{name}': loss}
        if self.discriminator is not None:
            yield from self.adversarial_losses(self.discriminator, source, target)
        self.follow_target(target.clip)

    def source_loss(self, source: Labelled, decisions: Decisions | None) -> dict[str, Tensor]:
        """Cross-entropy on the source clips (equation 1).

        Args:
            source: The clips.
            decisions: As of :meth:`strong`.
        """
        with self.counts_for('all'):
            return add_prefix(
                self.student.loss(self.source_frames(source), source.flow, source.samples), 'source'
            )

    def source_frames(self, source: Labelled) -> Tensor:
        """Source clips (N, T, 3, H, W) as their own loss sees them: plain or augmented."""
        if self.source_augment is None:
            return source.clip.frames
        return self.view(source.clip.raw, self.source_augment)

    def distillation_loss(self, distillation: FeatureDistillation, seen: Labelled) -> Tensor:
        """Distance of the current frames' last map from the features of the frozen network."""
        with self.counts_for('all'):
            frames = self.view(seen.clip.raw[:, -1:], distillation.augment)
            levels = self.student.levels(frames[:, 0])
        if self.running_statistics == 'all' and not self.norm_eval:
            # The released pass is of the whole network: the decoder's statistics move too.
            with torch.no_grad():
                self.student.level_features(levels)
        return distillation(levels[-1], seen.clip.frames[:, -1])

    def extra_losses(
        self, source: Labelled, target: Labelled, decisions: Decisions | None
    ) -> Iterator[dict[str, Tensor]]:
        """Further losses of a method that builds on DACS, in groups like :meth:`loss_groups`.

        Args:
            source: The source clips.
            target: The target clips with the teacher's labels.
            decisions: As of :meth:`strong`.
        """
        yield from ()

    def backpropagate(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """As all methods; with a discriminator each player needs an optimiser.

        Raises:
            TypeError: If one has none.
        """
        if self.discriminator is not None:
            check_players(type(self).__name__, optim_wrapper, self.players)
        return super().backpropagate(data, optim_wrapper)

    def adversarial_losses(
        self, discriminator: VideoDiscriminator, source: Labelled, target: Labelled
    ) -> Iterator[dict[str, Tensor]]:
        """Those of both players, from passes of their own (UnifiedVideoDA).

        Args:
            discriminator: The student's adversary.
            source: The source clips, not augmented.
            target: The target clips, likewise.
        """
        with self.counts_for('all'):
            with torch.no_grad():
                of_source = self._frame_pair(source)
            of_target = self._frame_pair(target)
        height, width = target.clip.frames.shape[-2:]
        size = (height, width)
        yield dict(loss_adversarial=discriminator.student_loss(of_target, size))
        losses = discriminator.discriminator_losses(of_source, of_target, size)
        yield add_prefix(losses, 'discriminator')

    def _frame_pair(self, seen: Labelled) -> tuple[Tensor, Tensor]:
        """Scores (N, K, h, w) of the current and of the previous frame, each with those before."""
        frames, flow = seen.clip.frames, seen.flow
        if frames.shape[1] < 2:
            raise ValueError(
                f'{type(self).__name__}: its discriminator sees two frames: set clip_length=2 in '
                'the source and in the target data set.'
            )
        previous, current = scores_of_last(self.student, frames, flow, 2)
        return current, previous

    @torch.no_grad()
    def follow_target(self, clip: Clip) -> None:
        """Moves the running statistics by plain target clips, if that is what they are of."""
        if self.running_statistics == 'target':
            self.student.features(clip.frames.flatten(0, 1))

    def target(self, target: DomainClips) -> Labelled:
        """Target clips with the teacher's labels, cropped or refined if so configured."""
        if self.refinement is not None:
            return self._refined_target(target, self.refinement)
        clip = target.clip
        guided = self.day_reference is not None
        if guided:
            self._check_pairs(target)
        flow = None if guided else self.clip_flow(clip)
        label = self._night_labels if guided else self.pseudo_labels
        labels, weights = label(clip, flow)
        if self.target_crop is not None:
            crop = self.target_crop.draw(labels)
            valid = None if clip.valid is None else crop(clip.valid)
            clip = Clip(crop(clip.frames), crop(clip.raw), valid=valid)
            flow = None if flow is None else crop(flow)
            labels, weights = (
                label(clip, flow) if self.relabel_crop else (crop(labels), crop(weights))
            )
        if guided:
            clip = Clip(clip.frames[:, 1:], clip.raw[:, 1:])
        return Labelled(clip, flow, labels, weights)

    @torch.no_grad()
    def _refined_target(self, target: DomainClips, refinement: LabelRefinement) -> Labelled:
        """Target clips with the teacher's labels, and those of the mix refined by the video."""
        clip = target.clip
        flow = self.temporal_flow(clip, 2)
        given = self.for_student(flow)
        *before, own = self.labels_of_last(clip, given, 1 + self._mixes)
        refined = None
        if self._mixes:
            truth = target.labels if refinement.mode == 'oracle' else None
            refined = refinement(own, before[0], flow[:, -1], truth)
        return Labelled(clip, given, own.labels, own.weights, refined=refined)

    def _check_pairs(self, target: DomainClips) -> None:
        """Raises ValueError if a target clip is no night image behind its day image."""
        for sample in target.samples:
            if 'reference_path' not in sample:
                raise ValueError(
                    f'{type(self).__name__}: day_reference needs pairs of a day and a night image, '
                    f'and {sample.get("img_path", "a target clip")} has no day image: set '
                    'day_pairs or reference_pairs of the target data set, or '
                    'model.day_reference=None.'
                )

    @torch.no_grad()
    def _night_labels(self, pairs: Clip, flow: Tensor | None) -> tuple[Tensor, Tensor]:
        """:meth:`pseudo_labels` of the night images of (day, night) pairs."""
        assert self.day_reference is not None
        day, night = (Clip(pairs.frames[:, i : i + 1], pairs.raw[:, i : i + 1]) for i in (0, 1))
        probability, labels = day_guided(
            self.teacher_probabilities(night, flow),
            self.teacher_probabilities(day, flow),
            class_weight=self.class_factors,
            **dict(self.day_reference, static=self.static_classes),
        ).max(1)
        return labels, self.label_weights(probability, pairs.valid)

    def strong(self, raw: Tensor, decisions: Decisions | None = None) -> Tensor:
        """Raw clips (N, T, 3, H, W), strongly augmented and normalised.

        Args:
            raw: The clips.
            decisions: What they share with other views of the batch, see :class:`StrongAugment`.
        """
        return self.view(raw, self.augment, decisions)

    def view(
        self, raw: Tensor, augment: StrongAugment | None, decisions: Decisions | None = None
    ) -> Tensor:
        """Raw clips (N, T, 3, H, W), augmented if there is an augmentation, and normalised."""
        return self.data_preprocessor.normalise(raw if augment is None else augment(raw, decisions))

    def mix_loss(
        self, source: Labelled, target: Labelled, decisions: Decisions | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy on the mix (equation 4).

        Args:
            source: The clips that classes are taken from.
            target: The clips that they are pasted onto.
            decisions: As of :meth:`strong`.

        Raises:
            ValueError: If source and target clips have different sizes.
        """
        if source.clip.raw.shape != target.clip.raw.shape:
            raise ValueError(
                f'{type(self).__name__} mixes source and target, but the source batch is '
                f'{tuple(source.clip.raw.shape)} and the target batch '
                f'{tuple(target.clip.raw.shape)}: give both pipelines one crop size and clip '
                'length, or set `target_crop`.'
            )
        mask = class_mix_masks(source.labels)
        onto = target.clip.raw
        if self.target_augment is not None:
            onto = self.target_augment(onto)
        raw = class_mix(mask[:, None], source.clip.raw, onto)
        flow = None
        if source.flow is not None and target.flow is not None:
            flow = class_mix(mask[:, None], source.flow, target.flow)
        labels = class_mix(mask[:, 0], source.labels, target.labels)
        weights = class_mix(mask[:, 0], source.weights, target.weights)
        losses = self.weighted_losses(self.strong(raw, decisions), flow, labels, weights)
        return {
            'mix.loss_ce': reduce(torch.add, losses.values()),
            'pseudo_label_weight': target.weights.mean(),
        }
