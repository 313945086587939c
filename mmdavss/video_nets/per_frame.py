"""A plain image segmentor as a video net."""
from __future__ import annotations

from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor

from .base import VideoNet, single_frame_loss


@MODELS.register_module()
class PerFrame(VideoNet):
    """Segments the current frame alone; any mmseg ``EncoderDecoder`` becomes a video net."""

    def scores(self, frames: Tensor, flow: Tensor | None = None,
               features: Tensor | None = None) -> Tensor:
        current = self.features(frames[:, -1]) if features is None else features[:, -1]
        return self.classify(current)

    def loss(self, frames: Tensor, flow: Tensor | None, data_samples: SampleList,
             stages: tuple[Tensor, ...] | None = None) -> dict:
        stages = self.stages(frames[:, -1]) if stages is None else stages
        return single_frame_loss(self.segmentor, stages, data_samples)

    def step(self, frame: Tensor, flow: Tensor | None = None, state: None = None,
             clip_length: int = 2) -> tuple[Tensor, None]:
        return self.classify(self.features(frame)), None
