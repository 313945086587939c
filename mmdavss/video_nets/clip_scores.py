"""Scores of all frames of clips."""

from __future__ import annotations

from typing import cast

import torch
from mmseg.models.utils import resize
from torch import Tensor, nn

from mmdavss.utils.wrappers import unwrapped

from .base import VideoNet


def clip_scores(
    net: nn.Module, frames: Tensor, align_corners: bool, flow: Tensor | None = None
) -> Tensor:
    """Scores of all frames of clips, at their size.

    A net that predicts frame by frame sees each by itself. A video net sees what a video up to the
    frame gives it: the clip's frames before it, of the first frame none.

    Args:
        net: The video net.
        frames: (N, T, 3, H, W).
        align_corners: How scores are resized.
        flow: (N, T-1, 2, H, W) for a video net that needs it.

    Returns:
        (N, T, K, H, W).
    """

    def enlarged(maps: Tensor) -> Tensor:
        # Of a clip without flow a net may have maps of another size.
        return resize(maps, frames.shape[-2:], mode='bilinear', align_corners=align_corners)

    video_net = cast(VideoNet, unwrapped(net))
    if video_net.temporal:
        # Each frame goes through the backbone once, whatever number of scores it serves.
        features: dict[int, Tensor] = {}
        of_frames = []
        for t in range(frames.shape[1]):
            read = video_net.frames_read(t + 1)
            features |= {r: video_net.features(frames[:, r]) for r in read if r not in features}
            of_frames.append(
                enlarged(
                    net(
                        frames[:, : t + 1],
                        None if flow is None or t == 0 else flow[:, :t],
                        _stacked([features[r] for r in read]),
                    )
                )
            )
        return torch.stack(of_frames, dim=1)
    return enlarged(net(frames.flatten(0, 1)[:, None])).unflatten(0, frames.shape[:2])


def _stacked(features: list[Tensor]) -> Tensor | None:
    """(N, F, C, h, w); of one frame without a copy; None of none."""
    if not features:
        return None
    return features[0][:, None] if len(features) == 1 else torch.stack(features, dim=1)
