"""STPL: spatio-temporal pixel-level contrastive learning (Lo et al., CVPR 2023).

Source-free: it sees target clips only. The paper's symbols:

====================  ==================================================================
E                     ``student.features``
O, o_{t-1 -> t}       ``clip_flow`` (current to previous, which is what W samples along)
W                     ``backward_warp``
F, f                  :meth:`STPL.fuse`, ``self.fusion``
T                     the pipeline's ``CrossFrameAugment``, ``clip.augmented``
H                     ``self.projection``
y^*, topk             ``most_confident``
q, P_q, N_q           queries, and keys of the same and of other classes, in ``stpl_loss``
====================  ==================================================================
"""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList
from torch import Tensor

from mmdavss.engine import Clip
from mmdavss.modules import class_entropy, most_confident
from mmdavss.ops import backward_warp, resize_flow

from .base import BaseAdapter, branch, frozen_forward, unmoved_statistics

#: What stands on the two sides of the contrast (section 3.3 and table 3).
CONTRASTS = ('spatio_temporal', 'spatial', 'temporal', 'spatial+temporal', 'duplicate')


@MODELS.register_module()
class STPL(BaseAdapter):
    """STPL and the variants of its table 3.

    Args:
        projection: Config of the projection head H, without ``in_channels``.
        fusion: Config of the fusion operation f, without ``in_channels``; only the contrast
            ``spatio_temporal`` fuses.
        loss: Config of the contrastive loss.
        contrast: ``spatio_temporal``: fused features against those of the augmented clip
            (equations 3 and 4). ``spatial``: current frame against augmented current frame.
            ``temporal``: current frame against previous frame. ``spatial+temporal``: the sum of
            both, "naive combination". ``duplicate``: current frame against itself.
        confident_ratio: k, share of pixels whose pseudo-labels are used.
        norm_eval: Whether batch-norm statistics stay as the source left them.
        kwargs: Those of :class:`BaseAdapter`.
    """

    def __init__(self,
                 projection: ConfigType,
                 loss: ConfigType,
                 fusion: OptConfigType = None,
                 contrast: str = 'spatio_temporal',
                 confident_ratio: float = 0.7,
                 norm_eval: bool = True,
                 **kwargs) -> None:
        super().__init__(norm_eval=norm_eval, **kwargs)
        if contrast not in CONTRASTS:
            raise ValueError(f'STPL: contrast={contrast!r} is not one of {CONTRASTS}.')
        if (fusion is not None) != (contrast == 'spatio_temporal'):
            raise ValueError(f'STPL: contrast={contrast!r} and fusion={fusion} do not go together: '
                             'spatio_temporal needs a fusion, the others have none.')
        self.contrast = contrast
        self.confident_ratio = confident_ratio
        channels = self.student.feature_channels
        self.fusion = None
        if fusion is not None:
            self.fusion = MODELS.build(dict(fusion, in_channels=channels))
            channels = self.fusion.out_channels
        self.projection = MODELS.build(dict(projection, in_channels=channels))
        self.contrastive_loss = MODELS.build(loss)
        # The contrast gives no gradient to what follows the features: it stays the source's.
        self.student.freeze_classifier()

    def _needs_flow(self) -> bool:
        return super()._needs_flow() or self.fusion is not None

    def loss(self, inputs: Clip | Mapping[str, Clip],
             data_samples: SampleList | Mapping[str, SampleList]) -> dict[str, Tensor]:
        clip, _ = branch(inputs, data_samples, 'target')
        flow = self.clip_flow(clip)
        z = self._features(clip.frames if self._sees_previous() else clip.frames[:, -1:])
        positions, labels = most_confident(
            self._pseudo_scores(clip, flow, z), self.confident_ratio)

        if self.contrast == 'spatio_temporal':
            z_aug = self._augmented_features(clip.augmented)
            q = self._project(self.fuse(z, flow), positions)
            k = self._project(self.fuse(z_aug, flow), positions)
            losses = dict(loss_stpl=self._contrast(q, k, labels, labels))
        else:
            q = self._project(z[:, -1], positions)
            losses = {}
            if self.contrast == 'duplicate':
                losses['loss_duplicate'] = self._contrast(q, q, labels, labels)
            if 'spatial' in self.contrast:
                z_aug = self._augmented_features(clip.augmented, current_only=True)
                k = self._project(z_aug[:, -1], positions)
                losses['loss_spatial'] = self._contrast(q, k, labels, labels)
            if 'temporal' in self.contrast:
                # Without the fusion block nothing is warped: a pixel of the previous frame has the
                # label that the net gives it there.
                with torch.no_grad():
                    before = self.student.classify(z[:, 0])
                positions_before, labels_before = most_confident(before, self.confident_ratio)
                k = self._project(z[:, 0], positions_before)
                losses['loss_temporal'] = self._contrast(q, k, labels, labels_before)
        losses['pseudo_label_entropy'] = class_entropy(labels, self.num_classes)
        return losses

    def fuse(self, features: Tensor, flow: Tensor) -> Tensor:
        """The fusion block F (figure 3a): aligns all frames with the current one, then fuses.

        Args:
            features: (N, T, C, h, w).
            flow: (N, T-1, 2, H, W) of the original clip: the augmentation moves nothing.

        Returns:
            z_(t-1,t), (N, C', h, w).
        """
        previous, current = features.unbind(1)
        warped = backward_warp(previous, resize_flow(flow[:, -1], previous.shape[-2:]))
        return self.fusion(torch.stack([warped, current], dim=1))

    def _sees_previous(self) -> bool:
        return self.contrast in ('spatio_temporal', 'temporal', 'spatial+temporal')

    def _features(self, frames: Tensor) -> Tensor:
        """Frames (N, T, 3, H, W) to z (N, T, C, h, w)."""
        return self.student.features(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def _augmented_features(self, frames: Tensor | None, current_only: bool = False) -> Tensor:
        if frames is None:
            raise KeyError(f'STPL: contrast={self.contrast!r} needs an augmented view: add '
                           'CrossFrameAugment to the target pipeline.')
        # What the net predicts later looks like the original, not like the augmented clip.
        with unmoved_statistics(self.student):
            return self._features(frames[:, -1:] if current_only else frames)

    def _pseudo_scores(self, clip: Clip, flow: Tensor | None, z: Tensor) -> Tensor:
        """Prediction for the original clip, which labels both views."""
        # With fixed statistics the features of training are those of a prediction.
        known = z.detach() if self.norm_eval and self._sees_previous() else None
        return frozen_forward(self.student, clip.frames, flow, known)

    def _project(self, features: Tensor, positions: Tensor) -> Tensor:
        """z (N, C, h, w) to the confident z^{*h} (N, M, D); pixels are chosen first."""
        chosen = features.flatten(2).gather(
            2, positions[:, None].expand(-1, features.shape[1], -1))
        return self.projection(chosen[..., None]).squeeze(-1).transpose(1, 2)

    def _contrast(self, queries: Tensor, keys: Tensor, query_labels: Tensor,
                  key_labels: Tensor) -> Tensor:
        return self.contrastive_loss(queries, keys, query_labels, key_labels, self.num_classes)

