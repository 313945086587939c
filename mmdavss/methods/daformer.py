"""DAFormer: DACS, held near the ImageNet features of things (Hoyer et al., CVPR 2022).

The paper's symbols:

===========================  ===============================================================
g_theta, h_phi               ``student``, ``teacher`` (section 3.1)
F_theta                      last level of the student's backbone
F_ImageNet                   the same of ``pretrained``, a copy that is never trained
L_FD, lambda_FD              ``feature_distance``, a :class:`FeatureDistance` (equations 10, 12)
r, M_things                  its ``min_ratio`` and its ``classes`` (equation 11)
===========================  ===============================================================

Rare classes are sampled by the data set (``rare_class_sampling``), rates warm up by the schedule.
"""

from __future__ import annotations

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, add_prefix
from torch import Tensor

from mmdavss.modules import Decisions
from mmdavss.video_nets.base import levels_of
from mmdavss.video_nets.loading import has_pretrained

from .dacs import DACS, Labelled


@MODELS.register_module()
class DAFormer(DACS):
    """DACS with the feature distance of DAFormer on the source.

    Args:
        feature_distance: Config of the :class:`FeatureDistance`.
        kwargs: Those of :class:`DACS`.

    Raises:
        ValueError: If the distance is of classes that the network does not have, or the network has
            a neck, whose maps have no pretrained weights.
    """

    pretrained: EncoderDecoder

    def __init__(self, feature_distance: ConfigType, **kwargs) -> None:
        super().__init__(**kwargs)
        self.feature_distance = MODELS.build(feature_distance)
        unknown = [k for k in feature_distance.get('classes') or () if k >= self.num_classes]
        if unknown:
            raise ValueError(
                f'{type(self).__name__}: feature_distance.classes={unknown} are not among the '
                f'{self.num_classes} classes of the network: name its things.'
            )
        if self.net.segmentor.with_neck:
            raise ValueError(
                f'{type(self).__name__}: the feature distance is one of the last map of the '
                f'backbone, and the heads see a neck, {type(self.net.segmentor.neck).__name__}, '
                'which is random in the pretrained copy: leave `neck` out of '
                '`model.student.segmentor`.'
            )
        # With its heads, which rest: a net of several scales decides what the backbone sees.
        self.add_companion(
            'pretrained', kind='pretrained', follows='student.segmentor', persistent=False
        )

    def init_weights(self) -> None:
        """Initialises the student and the pretrained copy, see :meth:`BaseAdapter.init_weights`.

        Raises:
            ValueError: If the copy has no pretrained weights, and random ones are not allowed.
        """
        # Without a source checkpoint the student is checked, which has the same weights.
        allowed = self.source_checkpoint is None or self.net.allow_random_init
        if not allowed and not has_pretrained(self.pretrained):
            raise ValueError(
                f'{type(self).__name__}: the feature distance is one to pretrained features, which '
                '`model.source_checkpoint` does not have. Set `init_cfg=dict(type="Pretrained", '
                'checkpoint=...)` in the backbone too, or say `allow_random_init=True` in '
                '`model.student`, for a distance to random features.'
            )
        super().init_weights()

    def source_loss(self, source: Labelled, decisions: Decisions | None) -> dict[str, Tensor]:
        """Cross-entropy of the source and the distance of its features, from one pass."""
        frames = self.source_frames(source)
        with self.counts_for('all'):
            levels = self.student.levels(frames[:, -1])
            losses = self.student.loss(frames, source.flow, source.samples, levels)
        losses['loss_distance'] = self.feature_distance(
            levels[-1], self._pretrained_level(frames[:, -1]), source.labels, self.num_classes
        )
        return add_prefix(losses, 'source')

    @torch.no_grad()
    def _pretrained_level(self, frames: Tensor) -> Tensor:
        return levels_of(self.pretrained, frames)[-1]
