"""STPL: spatio-temporal pixel-level contrastive learning (Lo et al., CVPR 2023).

Source-free: it sees target clips only. The paper's symbols:

====================  ==================================================================
E                     ``student.features``
O, o_{t-1 -> t}       ``given_flow`` (current to previous, which is what W samples along)
W                     ``backward_warp``
F, f                  :meth:`STPL.fuse`, ``self.fusion``
T                     the pipeline's ``TPSAugment`` or ``CrossFrameAugment``,
                      ``clip.augmented``
H                     ``self.projection``
y^*, topk             ``most_confident``
q, P_q, N_q           queries, and keys of the same and of other classes, in ``stpl_loss``
====================  ==================================================================
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType
from torch import Tensor

from mmdavss.modules import (
    class_entropy,
    has_dropout,
    most_confident,
    predicting,
    unmoved_statistics,
)
from mmdavss.ops import backward_warp, chain_flow, resize_flow
from mmdavss.structures import Clip, DomainBatch
from mmdavss.utils.errors import check_factors, check_share, number_of
from mmdavss.video_nets import VideoNet

from .base import BaseAdapter

#: What stands on the two sides of the contrast (section 3.3 and table 3).
CONTRASTS = ('spatio_temporal', 'spatial', 'temporal', 'spatial+temporal', 'duplicate')


class Confident(NamedTuple):
    """The pixels that serve as pseudo-labels.

    Attributes:
        positions: (N, M), flat positions in the feature map.
        labels: (N, M), their classes.
    """

    positions: Tensor
    labels: Tensor


@MODELS.register_module()
class STPL(BaseAdapter):
    """STPL and the variants of its table 3.

    Pseudo-labels are those of a prediction: of running batch-norm statistics, nothing dropped. The
    student predicts from the whole clip; the contrast looks at the last frames of it, two in the
    paper, so that the previous frame is the one before the current one in clips of any length.

    Of an Accel of two networks (``reference_segmentor``) the contrast sees the current frame's
    only: the reference branch stays as it is, which a warning says, unless the anchor trains it.

    Args:
        projection: Config of the projection head H, without ``in_channels``.
        fusion: Config of the fusion operation f, without ``in_channels``; only the contrast
            ``spatio_temporal`` fuses. Its ``num_frames`` (2) is the number of frames that it sees.
        loss: Config of the contrastive loss.
        contrast: ``spatio_temporal``: fused features against those of the augmented clip
            (equations 3 and 4). ``spatial``: current frame against augmented current frame.
            ``temporal``: current frame against previous frame. ``spatial+temporal``: the sum of
            both, "naive combination". ``duplicate``: current frame against itself.
        confident_ratio: k, share of pixels whose pseudo-labels are used.
        confident_per_class: Whether that share is taken of each class, not of all together.
        anchor_weight: Weight of an addition to the paper: cross-entropy of the augmented clip with
            the confident labels of the model that adaptation starts from. It ties the features to
            the classifier, which then is trained too; the contrast takes the same labels. 0, the
            paper: no such term, labels of the current model, the classifier stays the source's.
        norm_eval: Whether batch-norm statistics stay as the source left them.
        kwargs: Those of :class:`BaseAdapter`.
    """

    source_free = True

    fusion: Any
    anchor: VideoNet | None

    def __init__(
        self,
        projection: ConfigType,
        loss: ConfigType,
        fusion: OptConfigType = None,
        contrast: str = 'spatio_temporal',
        confident_ratio: float = 0.7,
        confident_per_class: bool = False,
        anchor_weight: float = 0.0,
        norm_eval: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(norm_eval=norm_eval, **kwargs)
        if contrast not in CONTRASTS:
            raise ValueError(f'STPL: contrast={contrast!r} is not one of {CONTRASTS}.')
        if (fusion is not None) != (contrast == 'spatio_temporal'):
            raise ValueError(
                f'STPL: contrast={contrast!r} and fusion={fusion} do not go together: '
                'spatio_temporal needs a fusion, the others have none.'
            )
        check_share('STPL', 'confident_ratio', confident_ratio)
        check_factors('STPL', anchor_weight=anchor_weight)
        self.contrast = contrast
        self.confident_ratio = confident_ratio
        self.confident_per_class = confident_per_class
        self.anchor_weight = anchor_weight
        channels = self.student.feature_channels
        self.fusion = None
        if fusion is not None:
            self.fusion = MODELS.build(dict(fusion, in_channels=channels))
            channels = self.fusion.out_channels
        self.projection = MODELS.build(dict(projection, in_channels=channels))
        self.contrastive_loss = MODELS.build(loss)
        self.anchor = None
        if anchor_weight:
            self.add_companion('anchor', kind='fixed')
            self.student.freeze_auxiliary()
        else:
            # The contrast gives no gradient to what follows the features.
            self.student.freeze_classifier()

    def init_weights(self) -> None:
        super().init_weights()
        for reference in self.student.segmentors[1:]:
            if not any(parameter.requires_grad for parameter in reference.parameters()):
                print_log(
                    f'STPL: {type(self.student).__name__} has a reference branch of its own '
                    '(reference_segmentor), which stays as the source model left it: the contrast '
                    "sees the current frame's network only. The configs' Accel shares one network "
                    '(reference_segmentor=None).',
                    logger='current',
                    level=logging.WARNING,
                )

    def losses(self, batch: DomainBatch) -> dict[str, Tensor]:
        clip = batch.target.clip
        flow = self._flow(clip)
        z = self._features(clip.frames[:, -self._frames_seen() :])
        labelled, before = self._label(clip, self.for_student(flow), z)
        z_aug = self._augmented_features(clip)
        if self.fusion is not None:
            assert flow is not None and z_aug is not None
            losses = dict(loss_stpl=self.contrast_fused(z, z_aug, flow, labelled))
        else:
            losses = self.contrast_frames(z, z_aug, labelled, before)
        if self.anchor is not None:
            losses['loss_anchor'] = self.anchor_loss(
                clip, self.for_student(flow), z, z_aug, labelled
            )
        losses['pseudo_label_entropy'] = class_entropy(labelled.labels, self.num_classes)
        return losses

    def contrast_fused(self, z: Tensor, z_aug: Tensor, flow: Tensor, labelled: Confident) -> Tensor:
        """The paper's loss (equations 3 and 4): fused features of the clip and of its other view.

        Args:
            z: (N, F, C, h, w), of the last F frames.
            z_aug: (N, A, C, h, w), of the last A >= F frames of the augmented clip.
            flow: (N, T-1, 2, H, W).
            labelled: The pixels of the current frame, which label both.
        """
        q = self._project(self.fuse(z, flow), labelled)
        k = self._project(self.fuse(z_aug[:, -z.shape[1] :], flow), labelled)
        return self._contrast(q, k, labelled, labelled)

    def contrast_frames(
        self,
        z: Tensor,
        z_aug: Tensor | None,
        labelled: Confident,
        before: Confident | None,
    ) -> dict[str, Tensor]:
        """The other rows of table 3, without fusion: the current frame against another view.

        Args:
            z: (N, F, C, h, w), of the last F frames.
            z_aug: (N, A, C, h, w), of augmented frames, the current one last, or None.
            labelled: The pixels of the current frame.
            before: Those of the previous frame, for the temporal contrast.
        """
        q = self._project(z[:, -1], labelled)
        losses = {}
        if self.contrast == 'duplicate':
            losses['loss_duplicate'] = self._contrast(q, q, labelled, labelled)
        if 'spatial' in self.contrast:
            assert z_aug is not None
            k = self._project(z_aug[:, -1], labelled)
            losses['loss_spatial'] = self._contrast(q, k, labelled, labelled)
        if 'temporal' in self.contrast:
            # Without the fusion block nothing is warped: a pixel of the previous frame has the
            # label that the net gives it there.
            assert before is not None
            k = self._project(z[:, -2], before)
            losses['loss_temporal'] = self._contrast(q, k, labelled, before)
        return losses

    def anchor_loss(
        self,
        clip: Clip,
        flow: Tensor | None,
        z: Tensor,
        z_aug: Tensor | None,
        labelled: Confident,
    ) -> Tensor:
        """Not the paper's: cross-entropy of the augmented clip with the anchor's labels.

        Args:
            clip: The target clips.
            flow: What the student is given, (N, T-1, 2, H, W) or None.
            z: (N, F, C, h, w), of the last F frames.
            z_aug: (N, A, C, h, w), of augmented frames, among them all that the student reads.
            labelled: The pixels of the current frame.
        """
        scores = self._like_features(self.student(self.augmented_frames(clip), flow, z_aug), z)
        chosen = _chosen(scores, labelled.positions).float()
        return self.anchor_weight * F.cross_entropy(chosen, labelled.labels)

    def fuse(self, features: Tensor, flow: Tensor) -> Tensor:
        """The fusion block F (figure 3a): aligns all frames with the current one, then fuses.

        Args:
            features: (N, F, C, h, w), of the last F frames of the clips.
            flow: (N, T-1, 2, H, W) of the original clips: the augmentation moves nothing.

        Returns:
            z_(t-1,t), (N, C', h, w).
        """
        *earlier, current = features.unbind(1)
        aligned = [
            backward_warp(maps, resize_flow(chain_flow(flow[:, -back:]), maps.shape[-2:]))
            for back, maps in zip(range(len(earlier), 0, -1), earlier, strict=True)
        ]
        return self.fusion(torch.stack([*aligned, current], dim=1))

    def _flow(self, clip: Clip) -> Tensor | None:
        """The flow that the fusion, or else the student, needs; checks the length of the clips."""
        seen = self._frames_seen()
        if clip.frames.shape[1] < seen:
            raise ValueError(
                f'STPL: target clips have {number_of(clip.frames.shape[1], "frame")} and '
                f'need {seen} or more for contrast={self.contrast!r}: set clip_length='
                f'{seen} in the target data set.'
            )
        return self.clip_flow(clip) if self.fusion is None else self.temporal_flow(clip, seen)

    def _frames_seen(self) -> int:
        """Frames at the end of a clip that the contrast looks at."""
        if self.fusion is not None:
            return self.fusion.num_frames
        return 2 if 'temporal' in self.contrast else 1

    def _features(self, frames: Tensor) -> Tensor:
        """Frames (N, T, 3, H, W) to z (N, T, C, h, w)."""
        return self.student.features(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def _augmented_features(self, clip: Clip) -> Tensor | None:
        """Those (N, A, C, h, w) of the augmented frames that something looks at, in order."""
        length = clip.frames.shape[1]
        seen: set[int] = set()
        if self.fusion is not None:
            seen |= set(range(length - self._frames_seen(), length))
        elif 'spatial' in self.contrast:
            seen |= {length - 1}
        if self.anchor is not None and (read := self.student.frames_read(length)):
            # All frames take part in the statistics of a batch.
            seen |= set(read if self.norm_eval else range(length))
        if not seen:
            return None
        frames = self.augmented_frames(clip)
        # What the net predicts later looks like the original, not like the augmented clip.
        if len(seen) < length:
            frames = torch.stack([frames[:, t] for t in sorted(seen)], dim=1)
        with unmoved_statistics(self.student):
            return self._features(frames)

    def _label(
        self, clip: Clip, flow: Tensor | None, z: Tensor
    ) -> tuple[Confident, Confident | None]:
        """y^*: the confident pixels of the prediction for the original clip, which labels all.

        Each frame goes through a backbone once: the features of training serve the prediction too
        where they are the same.

        Returns:
            Those of the current frame, and those of the previous frame, seen by itself, where they
            are contrasted.
        """
        net = self.student if self.anchor is None else self.anchor
        length = clip.frames.shape[1]
        read, before = net.frames_read(length), None
        compared = {length - 2} if self.fusion is None and 'temporal' in self.contrast else set()
        shared = self.anchor is None and self._predicts()
        with predicting(net):
            known = {
                t: (
                    z[:, t - length].detach()
                    if shared and t >= length - z.shape[1]
                    else net.features(clip.frames[:, t])
                )
                for t in sorted({*read, *compared})
            }
            features = torch.stack([known[t] for t in read], dim=1) if read else None
            scores = net(clip.frames, flow, features)
            for t in compared:
                before = self._confident(net.classify(known[t]))
        return self._confident(self._like_features(scores, z)), before

    def _predicts(self) -> bool:
        """Whether the features of training are those of a prediction."""
        segmentor = self.student.segmentor
        # The dropout of the head is part of the classifier, which labels in evaluation mode.
        drops = any(
            has_dropout(child)
            for net in (segmentor, segmentor.decode_head)
            for name, child in net.named_children()
            if name not in ('decode_head', 'auxiliary_head', 'dropout')
        )
        return self.norm_eval and not drops

    def _like_features(self, scores: Tensor, z: Tensor) -> Tensor:
        """Scores at the resolution of the features: some nets predict at a higher one."""
        if scores.shape[-2:] == z.shape[-2:]:
            return scores
        return self.resized(scores, z.shape[-2:])

    def _confident(self, scores: Tensor) -> Confident:
        """The pixels of scores (N, K, h, w) that are used."""
        self.watch('the prediction that labels', scores)
        return Confident(*most_confident(scores, self.confident_ratio, self.confident_per_class))

    def _project(self, features: Tensor, labelled: Confident) -> Tensor:
        """z (N, C, h, w) to the confident z^{*h} (N, M, D); pixels are chosen first."""
        chosen = _chosen(features, labelled.positions)[..., None]
        return self.projection(chosen).squeeze(-1).transpose(1, 2)

    def _contrast(
        self, queries: Tensor, keys: Tensor, query_pixels: Confident, key_pixels: Confident
    ) -> Tensor:
        return self.contrastive_loss(
            queries, keys, query_pixels.labels, key_pixels.labels, self.num_classes
        )


def _chosen(maps: Tensor, positions: Tensor) -> Tensor:
    """Maps (N, C, h, w) at flat positions (N, M), as (N, C, M)."""
    return maps.flatten(2).gather(2, positions[:, None].expand(-1, maps.shape[1], -1))
