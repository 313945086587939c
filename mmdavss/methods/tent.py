"""TENT: entropy minimisation of batch-norm layers (Wang et al., ICLR 2021), source-free.

==========================  ==============================================================
the paper                   here
==========================  ==============================================================
H(y^)                       :func:`entropy_loss` times log K: in nats
gamma, beta                 affine parameters of batch norm, all that is trained:
                            ``train_norm_only``
mu, sigma                   statistics of the batch; ``batch_statistics`` for predictions too
==========================  ==============================================================
"""

from __future__ import annotations

import math

from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.losses import entropy_loss
from mmdavss.modules import class_entropy
from mmdavss.structures import DomainBatch
from mmdavss.video_nets.base import segmentor_norms

from .base import BaseAdapter


@MODELS.register_module()
class TENT(BaseAdapter):
    """Confident predictions by the scales and shifts of batch norm alone; no labels are made.

    Adaptation comes before testing and sees the training frames of the target; the published one
    adapts while it predicts.

    Args:
        batch_statistics: Whether predictions normalise by the statistics of their batch, as
            published; the running ones then stay those of the source, and an exported net, which
            has nothing else, predicts differently. By default they are the target's, as training
            moves them, and serve predictions.
        train_norm_only: Whether only batch-norm layers are trained.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: If the student has no batch-norm layers, or `batch_statistics` meets
            ``norm_eval=True``.
    """

    source_free = True

    def __init__(
        self, batch_statistics: bool = False, train_norm_only: bool = True, **kwargs
    ) -> None:
        super().__init__(train_norm_only=train_norm_only, **kwargs)
        norms = segmentor_norms(self.net)
        if not norms:
            raise ValueError('TENT: the student has no batch-norm layers to adapt.')
        if batch_statistics and self.norm_eval:
            raise ValueError('TENT: batch_statistics=True does not go with norm_eval=True.')
        self.student.freeze_auxiliary()
        self.batch_statistics = batch_statistics
        for norm in norms if batch_statistics else ():
            norm.track_running_stats = False  # in training mode: neither read nor moved

    def train(self, mode: bool = True) -> TENT:
        super().train(mode)
        if self.batch_statistics:
            for norm in segmentor_norms(self.net):
                norm.train()
        return self

    def losses(self, batch: DomainBatch) -> dict[str, Tensor]:
        clip = batch.target.clip
        scores = self.student(clip.frames, self.clip_flow(clip))
        return dict(
            loss_entropy=math.log(self.num_classes) * entropy_loss(scores),
            pseudo_label_entropy=class_entropy(scores.argmax(1), self.num_classes),
        )
