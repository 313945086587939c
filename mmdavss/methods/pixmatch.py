"""PixMatch: pixelwise consistency (Melas-Kyriazi and Manrai, CVPR 2021).

======================================  ======================================================
what                                    here
======================================  ======================================================
source loss                             ``source.*``
pseudo-labels of the plain image        :meth:`PixMatch.pseudo_labels`
perturbations: data augmentation        :meth:`PixMatch.augmented`, ``augmentation.*``
Fourier transform                       :meth:`PixMatch.styled`, ``fourier.*``
CutMix with the source                  :meth:`PixMatch.cut_mixed`, ``cutmix.*``
their weights lambda                    ``augmentation_weight``, ``fourier_weight``, ...
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType, add_prefix
from torch import Tensor

from mmdavss.losses import cross_entropy
from mmdavss.modules import RandomResizedCrop, random_cut
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import at_least_float32, fourier_swap, window_half_width
from mmdavss.structures import DomainBatch, DomainClips
from mmdavss.utils.errors import check_factors
from mmdavss.video_nets.base import fused_scores

from .base import BaseAdapter
from .cross_frame import check_confidence
from .offline_self_training import labelled_share

#: Labels (N, H, W), int64, for each classifier.
Labels = Mapping[str, Tensor]


class View(NamedTuple):
    """A perturbed view of target clips: normalised frames, their flow or None, and labels."""

    frames: Tensor
    flow: Tensor | None
    labels: Labels


@MODELS.register_module()
class PixMatch(BaseAdapter):
    """Labelled source clips, and target clips whose perturbed views learn the plain prediction.

    The student labels plain target clips in training mode, without gradient. Each perturbation
    with a weight above 0 takes a pass of its own: cross-entropy of every classifier at the size of
    the image. For the Fourier and the CutMix perturbation source and target frames have one size.

    Args:
        augmentation_weight: Factor of the losses of augmented clips.
        fourier_weight: That of clips with the low-frequency amplitudes of the source.
        cutmix_weight: That of clips mixed with the source and its labels by a box.
        confidence_threshold: Probability that pseudo-labels exceed; None for no limit.
        auxiliary_weight: Further factor of target losses of auxiliary classifiers.
        augment: Config of the colours of augmented clips, :class:`StrongAugment`; None for none.
        crop: Arguments of the :class:`RandomResizedCrop` of augmented clips, None for none.
        beta: As in :class:`FDA`.
        window: As in :class:`FDA`.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    #: ``all`` passes of training, as released, or those of plain ``target`` clips.
    STATISTICS = ('all', 'target')

    def __init__(
        self,
        augmentation_weight: float = 0.1,
        fourier_weight: float = 0.0,
        cutmix_weight: float = 0.0,
        confidence_threshold: float | None = None,
        auxiliary_weight: float = 0.1,
        augment: OptConfigType = None,
        crop: OptConfigType = None,
        beta: float = 0.01,
        window: str = 'symmetric',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.weights = dict(
            augmentation=augmentation_weight, fourier=fourier_weight, cutmix=cutmix_weight
        )
        check_factors('PixMatch', **{f'{name}_weight': own for name, own in self.weights.items()})
        if not any(self.weights.values()):
            raise ValueError('PixMatch: augmentation, fourier and cutmix have no weight above 0.')
        check_confidence('PixMatch', confidence_threshold)
        window_half_width((2**20, 2**20), beta, window)  # says what is wrong before training
        self.confidence_threshold = confidence_threshold
        self.auxiliary_weight = auxiliary_weight
        self.augment = None if augment is None else MODELS.build(augment)
        self.crop = None if crop is None else RandomResizedCrop(**crop)
        self.beta = beta
        self.window = window

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        source, target = self.with_flow(batch.source), self.with_flow(batch.target)
        with self.counts_for('all'):
            yield add_prefix(
                self.student.loss(source.clip.frames, source.clip.flow, source.samples), 'source'
            )
        labels = self.pseudo_labels(target)
        views = dict(augmentation=self.augmented, fourier=self.styled, cutmix=self.cut_mixed)
        for name, weight in self.weights.items():
            if weight:
                with self.counts_for('all'):
                    losses = self.view_losses(views[name](source, target, labels), weight)
                yield add_prefix(losses, name)

    @torch.no_grad()
    def pseudo_labels(self, target: DomainClips) -> Labels:
        """Labels of the current frames.

        The main classifier's are its own. Another one's are those of the mean of its probabilities
        and the main ones, where either is confident.
        """
        clip = target.clip
        scores = fused_scores(self.student, clip.frames, clip.flow)
        probabilities = {}
        for name, maps in scores.items():
            self.watch(f'the prediction of {name} that labels', maps)
            probabilities[name] = self.enlarged(maps, clip.frames.shape[-2:]).softmax(1)
        main = probabilities['decode']
        labels = {}
        for name, own in probabilities.items():
            labels[name] = (main + own).argmax(1)
            if self.confidence_threshold is not None:
                confident = torch.maximum(main, own).amax(1) > self.confidence_threshold
                labels[name] = torch.where(confident, labels[name], IGNORE)
        return labels

    def view_losses(self, view: View, weight: float) -> dict[str, Tensor]:
        """Cross-entropy of each classifier with its labels of a perturbed view."""
        losses = {}
        for name, maps in fused_scores(self.student, view.frames, view.flow).items():
            labels = view.labels[name]
            loss = cross_entropy(self.enlarged(maps, labels.shape[-2:]), labels)
            losses[f'{name}.loss_ce'] = weight * self.head_weight(name) * loss
        return losses | dict(labelled=labelled_share(view.labels['decode']))

    def enlarged(self, scores: Tensor, size: torch.Size) -> Tensor:
        """Scores (N, K, H, W) at the size of the image, at least float32."""
        return self.resized(at_least_float32(scores), size)

    def augmented(self, source: DomainClips, target: DomainClips, labels: Labels) -> View:
        """Target clips in other colours, and random parts of them; the labels of these parts."""
        raw, flow = target.clip.raw, target.clip.flow
        if self.crop is not None:
            boxes = self.crop.draw(raw)
            raw = self.crop.frames(raw, boxes)
            flow = None if flow is None else self.crop.flow(flow, boxes)
            labels = {name: self.crop.labels(own, boxes) for name, own in labels.items()}
        if self.augment is not None:
            raw = self.augment(raw)
        return View(self.data_preprocessor.normalise(raw), flow, labels)

    def styled(self, source: DomainClips, target: DomainClips, labels: Labels) -> View:
        """Target clips with the amplitudes of the source's current frames, both normalised."""
        clip, style = target.clip, source.clip.frames[:, -1:]
        width = window_half_width(style.shape[-2:], self.beta, self.window)
        return View(fourier_swap(clip.frames, style, width, self.window), clip.flow, labels)

    def cut_mixed(self, source: DomainClips, target: DomainClips, labels: Labels) -> View:
        """A box of the target in the source or the reverse, with labels of both.

        As released, auxiliary classifiers get the labels of the main one.

        Raises:
            ValueError: If source and target clips have different sizes.
        """
        ours, theirs = target.clip, source.clip
        if ours.frames.shape != theirs.frames.shape:
            raise ValueError(
                f'PixMatch: CutMix of a source batch of {tuple(theirs.frames.shape)} and a target '
                f'batch of {tuple(ours.frames.shape)}: give both pipelines one crop size and clip '
                'length, or set cutmix_weight=0.'
            )
        mask = random_cut(ours.frames.shape[-2:], ours.frames.device)
        flow = None
        if ours.flow is not None and theirs.flow is not None:
            flow = torch.where(mask, ours.flow, theirs.flow)
        mixed = torch.where(mask, labels['decode'], source.labels)
        return View(
            torch.where(mask, ours.frames, theirs.frames), flow, dict.fromkeys(labels, mixed)
        )
