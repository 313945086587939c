"""TPS: temporal pseudo supervision (Xing et al., ECCV 2022).

======================================  ======================================================
what                                    here
======================================  ======================================================
cross-frame pseudo labelling            :meth:`TPS.pseudo_labels`, ``temporal_pseudo_labels``
cross-frame augmentation                the pipeline's ``TPSAugment`` or ``CrossFrameAugment``,
                                        ``clip.augmented``; ``random_rescale``
consistency with the pseudo-labels      ``loss_tps``
======================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor

from mmdavss.modules import match_histograms, random_rescale
from mmdavss.modules.random_resize import check_rescale
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import chain_flow, mirrored_flow
from mmdavss.structures import Clip, DomainBatch
from mmdavss.utils.errors import check_unit
from mmdavss.video_nets.base import fused_scores

from .cross_frame import CrossFrameAdapter


@MODELS.register_module()
class TPS(CrossFrameAdapter):
    """Labelled source clips, and target clips that learn what they were an instant before.

    The first two frames of a target clip are segmented as they are, without gradient; their
    prediction is carried to the current frame along the flow and labels it. The last two frames,
    augmented, are to be segmented so: cross-entropy of every classifier with labels of its own,
    at the resolution of the scores. In a clip of three frames, that of the release, the pairs share
    the middle one; with four they have no frame in common.

    Without source clips (``source=None`` of the data set) nothing is supervised: the source-free
    form of STPL's tables.

    Args:
        histogram_matching: Whether source clips get the colour histograms of the target clips of
            the batch.
        rescale: Range of a factor that the augmented pair's size is multiplied by, drawn in steps
            of a hundredth; the upper end is never drawn, as released (0.8 to 1.2). None for none.
        mirror_prob: Probability that the pair that labels is mirrored left to right before it is
            segmented, and its prediction mirrored back.
        released_mirror: As the release does that: u of the mirrored flow keeps its sign, and the
            prediction is mirrored back after it has been carried, along a flow that is not
            mirrored. Half of the labels are then those of other places.
        kwargs: Those of :class:`CrossFrameAdapter`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    def __init__(
        self,
        histogram_matching: bool = True,
        rescale: tuple[float, float] | None = None,
        mirror_prob: float = 0.0,
        released_mirror: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.histogram_matching = histogram_matching
        check_rescale('TPS', rescale)
        check_unit('TPS', mirror_prob=mirror_prob)
        self.rescale = rescale
        self.mirror_prob = mirror_prob
        self.released_mirror = released_mirror

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        target = batch.target.clip
        flow = self.temporal_flow(target, 3)  # first, see given_flow
        if batch.has_source:
            source, samples = batch.source
            frames = self.matched(source, target) if self.histogram_matching else source.frames
            with self.counts_for('all'):
                losses = add_prefix(
                    self.student.loss(frames, self.clip_flow(source), samples), 'source'
                )
            yield losses

        frames = self.augmented_frames(target)
        labels = self.pseudo_labels(target, flow)
        with self.counts_for('all'):
            scores = fused_scores(
                self.student,
                random_rescale(frames[:, -2:], self.rescale, self.align_corners),
                self.for_student(flow[:, -1:]),
            )
        scores = {
            name: self.resized(maps, labels[name].shape[-2:]) for name, maps in scores.items()
        }
        labelled = (labels['decode'] != IGNORE).float().mean()
        yield self.pseudo_losses(scores, labels, 'loss_tps') | dict(labelled=labelled)

    @torch.no_grad()
    def pseudo_labels(self, clip: Clip, flow: Tensor) -> dict[str, Tensor]:
        """Labels (N, h, w) of the current frames for each classifier, from the earlier pair.

        Args:
            clip: Of the target, three frames or more.
            flow: (N, T-1, 2, H, W).
        """
        scores, mirrored = self.earlier_scores(self.student, clip, flow)
        labels = self.carried_labels(scores, chain_flow(flow[:, 1:]))
        return {name: mirror(maps, mirrored) for name, maps in labels.items()}

    @torch.no_grad()
    def earlier_scores(
        self, net: Any, clip: Clip, flow: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Scores (N, K, h, w) of the earlier pair for each classifier.

        Args:
            net: The video net that segments it.
            clip: As of :meth:`pseudo_labels`.
            flow: Likewise.

        Returns:
            The scores, and for which samples (N,) what is made of them is still to be mirrored
            back: none, unless it is as released.
        """
        frames, own = clip.frames[:, :2], flow[:, :1]
        mirrored = torch.rand(len(frames)) < self.mirror_prob  # of the host's generator
        if mirrored.any():
            frames = mirror(frames, mirrored)
            turned = own.flip(-1) if self.released_mirror else mirrored_flow(own)
            own = torch.where(_like(mirrored, own), turned, own)
        scores = fused_scores(net, frames, self.for_student(own))
        if self.released_mirror:
            return scores, mirrored
        scores = {name: mirror(maps, mirrored) for name, maps in scores.items()}
        return scores, torch.zeros_like(mirrored)

    def matched(self, source: Clip, target: Clip) -> Tensor:
        """Frames (N, T, 3, H, W) of source clips with the colours of the target's current ones."""
        reference = target.raw[:, -1:].expand(-1, source.raw.shape[1], -1, -1, -1)
        raw = match_histograms(source.raw.flatten(0, 1), reference.flatten(0, 1))
        return self.data_preprocessor.normalise(raw.view_as(source.raw))


def mirror(maps: Tensor, mirrored: Tensor) -> Tensor:
    """Maps (N, ..., W), left to right for the samples where `mirrored` (N,) is true.

    `mirrored` is on the CPU, where nothing waits for it.
    """
    if not mirrored.any():
        return maps
    return torch.where(_like(mirrored, maps), maps.flip(-1), maps)


def _like(mirrored: Tensor, maps: Tensor) -> Tensor:
    """(N, 1, ...) on the device of maps (N, ...)."""
    chosen = mirrored.view(-1, *[1] * (maps.ndim - 1))
    return chosen.to(maps.device, non_blocking=True)
