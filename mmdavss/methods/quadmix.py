"""QuadMix: four mixing paths between and within the domains (UDASS, TPAMI 2025), for video.

======================================  ======================================================
what                                    here
======================================  ======================================================
base                                    :class:`TPS`: ``loss_tps``, labels of an earlier pair
templates of the last step, S' and T'   ``memory``: :class:`ClipMemory`
their classes                           ``source_template``, ``target_template``
patches of rare classes                 ``rare_patches`` of the batch, ``still_layers``
paths S-T and T-T, S-S and T-S          ``mix.loss_into_target``, ``mix.loss_into_source``
fusion of mixed clips                   ``Accel.pasted_scores``
temporal aggregation of class vectors   :meth:`QuadMix.aggregated`, ``class_mean_scores``
their alignment                         ``loss_mmd``, ``maximum_mean_discrepancy``
frozen TPS model that labels at first   ``labeller``, until ``StudentLabelsHook`` says otherwise
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, add_prefix
from torch import Tensor

from mmdavss.losses import cross_entropy, maximum_mean_discrepancy
from mmdavss.modules import (
    ClipLayer,
    ClipMemory,
    class_mean_scores,
    crop_layer,
    paste_layers,
    random_rescale,
    recomputed,
)
from mmdavss.modules.class_templates import source_template, still_layers, target_template
from mmdavss.modules.temporal_labels import labels_of_pair
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.utils.errors import check_factors
from mmdavss.video_nets import Accel, HeadScores
from mmdavss.video_nets.base import fused_scores
from mmdavss.video_nets.loading import load_student

from .tps import TPS, mirror

CLIPS = 'QuadMix: the source clips'


@MODELS.register_module()
class QuadMix(TPS):
    """TPS, and clips of both domains with classes of both domains pasted in.

    Two classes of the last step's source clip and all rare ones, patches of rare classes, and two
    other classes of the last target clip where their labels are sure are pasted into the source
    clip and into the augmented target clip, each frame by labels of its own. The mean scores of
    the pixels of each class, in the target those of two pairs of frames, are aligned between the
    domains. In the first step the templates are of its own clips.

    Source clips have two labelled frames (``label_clips=True``), target clips three, or more.

    Args:
        rare_classes: Numbers of the rare classes; without them there are no patches.
        template_confidence: Pixels of a target template exceed it: by their probability, in the
            previous frame, as released, by their score.
        mmd_weight: Factor of the alignment.
        aggregate_earlier: Whether the pair of the target's current and first frame takes part.
        source_size: (height, width) that source frames are resized to for their own pass, or None.
        labeller: Config of the frozen video net that labels the target at first; None: a copy of
            the student as training starts.
        labeller_checkpoint: Its checkpoint.
        new_classifier: Whether ``source_checkpoint`` has another decode head, which is left out.
        kwargs: Those of :class:`TPS`.

    Raises:
        TypeError: If the student is no Accel that joins scores along given flow.
        ValueError: If only one of labeller and its checkpoint is set, an untrained classifier would
            label, the labeller has other classes or heads, a rare class is unknown, or a value is
            outside its range.
    """

    labeller: Any
    is_rare: Tensor

    def __init__(
        self,
        rare_classes: Sequence[int] = (),
        template_confidence: float = 0.9,
        mmd_weight: float = 0.01,
        aggregate_earlier: bool = True,
        source_size: tuple[int, int] | None = None,
        labeller: OptConfigType = None,
        labeller_checkpoint: str | None = None,
        new_classifier: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.net, Accel) or not self.net.fuses_given_scores:
            raise TypeError(
                'QuadMix mixes flow and joins scores along it: its student must be an Accel with '
                "fusion='score', without flow_net, stage and HRDA."
            )
        if (labeller is None) != (labeller_checkpoint is None):
            raise ValueError('QuadMix: set both labeller and labeller_checkpoint, or neither.')
        if new_classifier and labeller is None:
            raise ValueError('QuadMix: with new_classifier a copy cannot label: set a labeller.')
        check_factors('QuadMix', mmd_weight=mmd_weight)
        if source_size is not None and (len(source_size) != 2 or min(source_size) < 1):
            raise ValueError(
                f'QuadMix: source_size={tuple(source_size)} must be (height, width) in pixels.'
            )
        if unknown := [k for k in rare_classes if not 0 <= k < self.num_classes]:
            raise ValueError(f'QuadMix: rare_classes={unknown} are no classes of the network.')
        self.rare_classes = tuple(rare_classes)
        rare = torch.tensor([k in rare_classes for k in range(256)])
        self.register_buffer('is_rare', rare, persistent=False)
        self.template_confidence = template_confidence
        self.mmd_weight = mmd_weight
        self.aggregate_earlier = aggregate_earlier
        self.source_size = source_size
        self.labeller_checkpoint = labeller_checkpoint
        self.new_classifier = new_classifier
        self.memory = ClipMemory('source', 'target')
        self.add_companion(
            'labeller',
            kind='fixed' if labeller is None else 'pretrained',
            persistent=labeller is None,  # else it has a checkpoint of its own
            module=None if labeller is None else MODELS.build(labeller),
        )
        if (
            self.labeller.num_classes != self.num_classes
            or self.net.heads.keys() - self.labeller.heads.keys()
        ):
            raise ValueError(
                'QuadMix: the labeller must have the classes and heads of the student.'
            )
        self.schedule_labels(by_student=False)

    def start_from_weights(self) -> None:
        """As in :class:`BaseAdapter`; and the labeller's checkpoint is read."""
        super().start_from_weights()
        if self.labeller_checkpoint is not None:
            load_student(self.labeller, self.labeller_checkpoint, option='labeller_checkpoint')

    def load_source(self, path: str) -> None:
        load_student(self.net, path, new_classifier=self.new_classifier)

    @property
    def moved_by(self) -> Mapping[str, str]:
        return {**super().moved_by, 'schedule_labels': 'StudentLabelsHook'}

    def schedule_labels(self, by_student: bool) -> None:
        """Chooses whether the student or the frozen net labels the target in the next step."""
        self._student_labels = by_student

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        target = batch.target.clip
        flow = self.temporal_flow(target, 3)[:, -2:]  # all flow before the first pass
        target = target._replace(frames=target.frames[:, -3:])
        source = self.source_layer(batch.source, target)
        losses, of_source = self.source_losses(source)
        pseudo, current, sure = self.target_layer(target, flow)

        last = self.memory.recall(dict(source=source.frames, target=current.frames))
        last_source, drawn = source_template(last['source'] if last else source, self.is_rare)
        current = target_template(current, sure, drawn)
        last_target = last['target'] if last else current
        strong = self.augmented_frames(target)[:, -2:]
        yield from self.mix_losses(
            batch.source, source, current._replace(frames=strong), last_source, last_target
        )

        strong = random_rescale(strong, self.rescale, self.align_corners)
        scores = self.fused(strong, flow[:, -1:], again=self.aggregate_earlier)
        scores = {n: self.resized(own, pseudo[n].shape[-2:]) for n, own in scores.items()}
        of_target = self.aggregated(scores['decode'], target, flow)
        mmd = self.mmd_weight * maximum_mean_discrepancy(of_source, of_target)
        yield losses | self.pseudo_losses(scores, pseudo, 'loss_tps') | dict(loss_mmd=mmd)
        self.memory.remember(source, current)

    def source_layer(self, source: DomainClips, target: Clip) -> ClipLayer:
        """The current pair of the source, maybe in the colours of the target."""
        flow = self.temporal_flow(source.clip, 2, 'source')
        matching = self.histogram_matching
        frames = self.matched(source.clip, target) if matching else source.clip.frames
        return ClipLayer(frames[:, -2:], source.clip_labels(CLIPS)[:, -2:], flow[:, -1:])

    def source_losses(self, source: ClipLayer) -> tuple[dict[str, Tensor], Tensor]:
        """Cross-entropy of the source, and its class vectors (K, K)."""
        frames, flow = source.frames, cast(Tensor, source.flow)
        if self.source_size is not None:
            frames = self.resized(frames.flatten(0, 1), self.source_size).unflatten(0, (-1, 2))
        # The alignment joins the graphs of three passes: they are computed again, one at a time.
        scores = self.fused(frames, flow, again=True)
        maps = {name: HeadScores(own) for name, own in scores.items()}
        losses = add_prefix(self.net.supervise(maps, source.labels[:, -1]), 'source')
        return losses, class_mean_scores(scores['decode'], source.labels[:, -1])

    def mix_losses(
        self,
        clips: DomainClips,
        source: ClipLayer,
        target: ClipLayer,
        last_source: ClipLayer,
        last_target: ClipLayer,
    ) -> Iterator[dict[str, Tensor]]:
        """Cross-entropy of both domains' pairs with the same templates, one graph at a time.

        Args:
            clips: Those of the source, with patches of rare classes.
            source: The current pair of the source.
            target: That of the target, augmented, with pseudo-labels.
            last_source: The source template.
            last_target: The target template.
        """
        size = target.frames.shape[-2:]
        corners = [sample.get('mix_box') for sample in clips.samples]
        rare = []
        if self.rare_classes:
            rare = still_layers(*clips.rare_patches(CLIPS), 2, size)
        source, last_source = (crop_layer(own, corners, size) for own in (source, last_source))
        layers = (last_source, *rare, last_target)
        yield {'mix.loss_into_source': self.mixed_loss(paste_layers(source, layers))}
        mix = paste_layers(target, layers)
        yield {'mix.loss_into_target': self.pseudo_weight * self.mixed_loss(mix)}

    def fused(self, frames: Tensor, flow: Tensor, again: bool = False) -> dict[str, Tensor]:
        """Scores of every classifier.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W).
            again: Whether the backward pass repeats the backbone's.
        """
        with self.counts_for('all'):
            levels = recomputed(self.net, self.net.levels, frames[:, -1]) if again else None
            return fused_scores(self.net, frames, flow, levels)

    def mixed_loss(self, mix: ClipLayer) -> Tensor:
        """Cross-entropy of the current frames of a mix, at their size."""
        with self.counts_for('all'):
            flow, still = cast(Tensor, mix.flow), cast(Tensor, mix.mask)
            scores = cast(Accel, self.net).pasted_scores(mix.frames, flow, still)
        return cross_entropy(scores, mix.labels[:, -1])

    def aggregated(self, scores: Tensor, target: Clip, flow: Tensor) -> Tensor:
        """Class vectors (K, K) of the target; `scores` (N, K, h, w) are of its augmented pair."""
        vectors = class_mean_scores(scores)
        if not self.aggregate_earlier:
            return vectors
        # The student's only pass of plain clips while the frozen net labels.
        with self.counts_for('all', *([] if self._student_labels else ['target'])):
            plain = cast(Accel, self.net).pasted_scores(target.frames, flow)
        return (vectors + class_mean_scores(self.resized(plain, scores.shape[-2:]))) / 2

    @torch.no_grad()
    def target_layer(self, target: Clip, flow: Tensor) -> tuple[dict, ClipLayer, Tensor]:
        """Labels by classifier, from scores of the earlier pair; the pair; where it is sure."""
        net = self.net if self._student_labels else self.labeller
        with self.counts_for('all', 'target'):
            scores, mirrored = self.earlier_scores(net, target, flow)
        labels = self.carried_labels(scores, flow[:, -1])
        size = target.frames.shape[-2:]
        maps = resize(scores['decode'].float(), size, None, 'bilinear', net.align_corners)
        classes, sure = (mirror(own, mirrored) for own in labels_of_pair(maps, flow[:, -1]))
        labels = {name: mirror(own, mirrored) for name, own in labels.items()}
        pair = ClipLayer(target.frames[:, -2:], classes, flow[:, -1:])
        return labels, pair, sure > self.template_confidence
