"""Scores of several frames of clips."""

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
        of_frames = scores_of_last(net, frames, flow, frames.shape[1])
        return torch.stack([enlarged(scores) for scores in of_frames], dim=1)
    return enlarged(net(frames.flatten(0, 1)[:, None])).unflatten(0, frames.shape[:2])


def scores_of_last(net: nn.Module, frames: Tensor, flow: Tensor | None, count: int) -> list[Tensor]:
    """Scores of the last frames of clips, in order; of each as if the clip ended with it.

    Each frame goes through the backbone once, whatever number of scores it serves; but for the two
    scales of an :class:`HRDA` in training, which draws a box for each.

    Args:
        net: The video net.
        frames: (N, T, 3, H, W).
        flow: (N, T-1, 2, H, W) or None.
        count: Number of frames.

    Returns:
        `count` times (N, K, h, w).
    """
    if count == 1:  # nothing is shared
        return [net(frames, flow)]
    video_net = cast(VideoNet, unwrapped(net))
    maps: dict[int, Tensor] = {}
    of_frames = []
    length = frames.shape[1]
    for t in range(length - count, length):
        read = video_net.frames_shared(t + 1)
        maps |= {r: video_net.shared(frames[:, r]) for r in read if r not in maps}
        of_frames.append(
            net(
                frames[:, : t + 1],
                None if flow is None or t == 0 else flow[:, :t],
                _stacked([maps[r] for r in read]),
            )
        )
    return of_frames


def _stacked(features: list[Tensor]) -> Tensor | None:
    """(N, F, C, h, w); of one frame without a copy; None of none."""
    if not features:
        return None
    return features[0][:, None] if len(features) == 1 else torch.stack(features, dim=1)
