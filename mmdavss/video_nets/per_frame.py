"""A plain image segmentor as a video net."""

from __future__ import annotations

import math

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor

from mmdavss.structures import sample_labels

from .base import VideoNet, not_one_map, segmentor_heads, segmentor_losses
from .hrda import HRDA
from .main_head import is_query_head, log_scores, open_head, refines


@MODELS.register_module()
class PerFrame(VideoNet):
    """Segments the current frame alone; any mmseg ``EncoderDecoder`` becomes a video net.

    So do cascades, and heads that are no classifier of a feature map, see :func:`open_head`. A
    head with one channel for two classes gives two scores: 0, and what it says, less what it says
    at its threshold, so that the larger one is the class that mmseg predicts.
    """

    takes_scales = True

    def split(self, segmentor: EncoderDecoder) -> None:
        open_head(segmentor)

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        own = segmentor_heads(self.segmentor)
        if self.segmentor.out_channels != self.num_classes or not all(
            isinstance(head, BaseDecodeHead) for head in own.values()
        ):
            raise not_one_map(self.segmentor.decode_head)
        return super().heads

    def classify(self, features: Tensor) -> Tensor:
        scores = super().classify(features)
        if self.segmentor.out_channels == self.num_classes:
            return scores
        threshold = min(max(self.segmentor.decode_head.threshold, 1e-6), 1 - 1e-6)
        logit = math.log(threshold / (1 - threshold))
        return torch.cat([torch.zeros_like(scores), scores - logit], dim=1)

    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        if isinstance(self.segmentor, HRDA):
            return self.segmentor.scales(self.levels(frames[:, -1]), frames[:, -1]).fused
        current = self.features(frames[:, -1]) if features is None else features[:, -1]
        return self.classify(current)

    def predict(self, frames: Tensor, flow: Tensor | None = None) -> Tensor:
        scores = super().predict(frames, flow)
        # mmseg averages what its queries sum up to over windows, not the logarithms.
        return log_scores(scores) if is_query_head(self.segmentor.decode_head) else scores

    def predicted(self, frames: Tensor, flow: Tensor | None = None) -> Tensor:
        """Scores (N, K, h, w) as mmseg predicts them; (N, K, H, W) where heads refine them."""
        if not refines(self.segmentor.decode_head):
            return self(frames, flow)
        size = frames.shape[-2:]
        self.check_size(*size)
        metas = [dict(img_shape=size, pad_shape=tuple(size)) for _ in frames]
        return self.segmentor.encode_decode(frames[:, -1], metas)

    def loss(
        self,
        frames: Tensor,
        flow: Tensor | None,
        data_samples: SampleList,
        levels: tuple[Tensor, ...] | None = None,
    ) -> dict:
        if isinstance(self.segmentor, HRDA):
            scores = self.head_scores(frames, flow, levels, parts=('fused', 'losses'))
            return self.supervise(scores, sample_labels(data_samples))
        levels = self.levels(frames[:, -1]) if levels is None else levels
        return segmentor_losses(self.segmentor, levels, data_samples)

    def step(
        self, frame: Tensor, flow: Tensor | None = None, state: None = None, clip_length: int = 2
    ) -> tuple[Tensor, None]:
        return self.predict(frame[:, None]), None

    predict_next = step
