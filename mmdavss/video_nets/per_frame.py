"""A plain image segmentor as a video net."""
from __future__ import annotations

from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor

from .base import HeadScores, VideoNet


@MODELS.register_module()
class PerFrame(VideoNet):
    """Segments the current frame alone; any mmseg ``EncoderDecoder`` becomes a video net."""

    def forward(self, frames: Tensor, flow: Tensor | None = None,
                features: Tensor | None = None, heads: bool = False
                ) -> Tensor | dict[str, HeadScores]:
        if heads:
            return self.head_scores(frames, flow)
        current = self.features(frames[:, -1]) if features is None else features[:, -1]
        return self.classify(current)

    def loss(self, frames: Tensor, flow: Tensor | None, data_samples: SampleList,
             stages: tuple[Tensor, ...] | None = None) -> dict:
        stages = self.stages(frames[:, -1]) if stages is None else stages
        net = self.segmentor
        losses = net._decode_head_forward_train(stages, data_samples)
        if net.with_auxiliary_head:
            losses.update(net._auxiliary_head_forward_train(stages, data_samples))
        return losses
