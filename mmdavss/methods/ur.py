"""UR: uncertainty reduction (Sivaprasad and Fleuret, CVPR 2021), source-free.

==========================  ==============================================================
the method                  here
==========================  ==============================================================
main decoder                the classifier of ``student``
auxiliary decoders          ``decoders``, behind :func:`drop_channels` of the features
pseudo-labels               labels of ``tools/generate_pseudo_labels.py``; ``loss_ce``
entropy, lambda_ent         ``regulariser``: EntropyLoss
uncertainty, lambda_unc     ``loss_uncertainty``: :func:`decoder_disagreement`;
                            ``uncertainty_weight``
==========================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.heads.deeplab_v2 import MultiDilationClassifier
from mmdavss.losses import decoder_disagreement
from mmdavss.structures import Clip, DomainClips
from mmdavss.video_nets.base import graph_for

from .offline_self_training import OfflineSelfTraining


@MODELS.register_module()
class UR(OfflineSelfTraining):
    """Self-training of features that predict the same when a part of them is missing.

    Auxiliary decoders, which only training has, see the features of the current frame with dropped
    channels. They are to predict what the student predicts, whose prediction is their target and
    gets no gradient from them; the features do. A video net's prediction is that of the fused
    frames.

    Args:
        num_decoders: Number of auxiliary decoders.
        dropout_ratio: Probability that a channel is dropped, for each decoder anew.
        dilations: Those of a decoder, which is a classifier of DeepLab-v2 with random weights. The
            release has two of the four, in its main decoder too: it returns inside of a loop.
        uncertainty_weight: Factor of the disagreement.
        kwargs: Those of :class:`OfflineSelfTraining`; ``regulariser`` is the entropy.

    Raises:
        ValueError: If an option has an invalid value, or the student predicts from other features
            than those of the current frame.
    """

    WITHOUT = ('soft_labels',)

    def __init__(
        self,
        num_decoders: int = 4,
        dropout_ratio: float = 0.5,
        dilations: Sequence[int] = (6, 12, 18, 24),
        uncertainty_weight: float = 0.1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if num_decoders < 1 or not 0 <= dropout_ratio < 1:
            raise ValueError(
                f'UR: num_decoders={num_decoders} must be 1 or more and '
                f'dropout_ratio={dropout_ratio} in [0, 1).'
            )
        if 1 not in self.student.frames_read(2):
            raise ValueError(
                f'UR: {type(self.student).__name__} does not predict from the features of the '
                'current frame, which the decoders see: use PerFrame or Accel, without an HRDA.'
            )
        self.dropout_ratio = dropout_ratio
        self.uncertainty_weight = uncertainty_weight
        self.decoders = nn.ModuleList(
            MultiDilationClassifier(self.student.feature_channels, self.num_classes, dilations)
            for _ in range(num_decoders)
        )
        for module in self.decoders.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)

    def target_loss(self, target: DomainClips) -> dict[str, Tensor]:
        labels, log = self.labels(target)
        scores, features = self.scores_with_features(target.clip)
        auxiliary = [
            self.resized(decoder(self.drop_channels(features)), scores.shape[-2:])
            for decoder in self.decoders
        ]
        uncertainty = decoder_disagreement(scores, auxiliary)
        losses = self.pseudo_losses(scores[:, None], labels)
        return losses | dict(loss_uncertainty=self.uncertainty_weight * uncertainty) | log

    def scores_with_features(self, clip: Clip) -> tuple[Tensor, Tensor]:
        """Scores (N, K, H, W) and features (N, C, h, w) of the current frames, from one pass."""
        frames, flow = clip.frames, self.clip_flow(clip)
        *earlier, _ = self.student.frames_read(frames.shape[1])
        with graph_for(getattr(self.student, 'key_grad', False)):
            seen = [self.student.features(frames[:, t]) for t in earlier]
        features = self.student.features(frames[:, -1])
        scores = self.student(frames, flow, torch.stack([*seen, features], dim=1))
        return self.resized(scores, frames.shape[-2:]), features

    def drop_channels(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) with some channels set to 0 and the others scaled up, each time
        others."""
        drawn = torch.rand((*features.shape[:2], 1, 1), device=features.device)
        return features * (drawn >= self.dropout_ratio) / (1 - self.dropout_ratio)
