"""Vanilla self-training: the first baseline of STPL's table 3."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.modules import class_entropy, frozen_forward, most_confident
from mmdavss.structures import DomainBatch
from mmdavss.utils.errors import check_share

from .base import BaseAdapter


@MODELS.register_module()
class SelfTraining(BaseAdapter):
    """Source-free self-training on the net's own confident predictions.

    One pass labels and learns where it is that of a prediction (``norm_eval=True``, no dropout).

    "Simply computes the cross-entropy loss between predictions and pseudo-labels with a confident
    threshold" (STPL, section 4.3). The threshold is the same share of most confident pixels that
    STPL keeps.

    Args:
        confident_ratio: Share k of each image's pixels that serve as pseudo-labels.
        kwargs: Those of :class:`BaseAdapter`.
    """

    source_free = True

    def __init__(self, confident_ratio: float = 0.7, **kwargs) -> None:
        super().__init__(**kwargs)
        check_share(type(self).__name__, 'confident_ratio', confident_ratio)
        self.confident_ratio = confident_ratio
        self.student.freeze_auxiliary()

    def losses(self, batch: DomainBatch) -> dict[str, Tensor]:
        clip = batch.target.clip
        flow = self.clip_flow(clip)
        # Before the pass that trains, which may move the running statistics.
        labelling = (
            None
            if self.net.trains_as_it_predicts()
            else frozen_forward(self.student, clip.frames, flow)
        )
        logits = self.student(clip.frames, flow)
        labelling = logits.detach() if labelling is None else labelling
        self.watch('the prediction that labels', labelling)
        positions, labels = most_confident(labelling, self.confident_ratio)
        logits = logits.flatten(2)
        kept = logits.gather(2, positions[:, None].expand(-1, logits.shape[1], -1))
        return dict(
            loss_self_training=F.cross_entropy(kept.float(), labels),
            pseudo_label_entropy=class_entropy(labels, self.num_classes),
        )
