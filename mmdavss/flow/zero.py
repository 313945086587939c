"""No motion."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from .base import BaseFlowProvider, PathPairs


@MODELS.register_module()
class ZeroFlow(BaseFlowProvider):
    """Flow 0 everywhere: for ablations, still cameras and tests."""

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        return frame_a.new_zeros(len(frame_a), 2, *frame_a.shape[-2:])
