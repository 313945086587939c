"""Health figures of models, without labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config

from mmdavss.datasets.transforms.loading import read_image
from mmdavss.evaluation.health import Health, HealthFigures
from mmdavss.flow import DISFlowEstimator
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.ops import forward_backward_visible
from mmdavss.utils.errors import NotFiniteError
from mmdavss.utils.progress import progress
from mmdavss.utils.quiet import without_loss_warnings

#: Wider frames are reduced to this width to estimate their flow.
FLOW_WIDTH = 512


def measure(
    models: Sequence[tuple[Config, str | Path]],
    pairs: Sequence[tuple[Path, Path]],
    num_classes: int,
    checked: int,
    device: torch.device,
    size: tuple[int, int],
) -> list[HealthFigures]:
    """Health figures of models on pairs of successive frames.

    Predictions are compared at the size at which the network sees the frames, or at that of the
    frames if they are smaller. Scores at the size of a large video would fill the memory.

    Args:
        models: Config and checkpoint of each model. The first is what all are compared with. One
            at a time is on the device.
        pairs: Image files, the earlier frame first.
        num_classes: Number of classes.
        checked: Maximum number of pairs, spread evenly over `pairs`.
        device: Where the models compute.
        size: (width, height) to which the models resize frames.

    Returns:
        The figures of each model; all NaN if it predicts NaN, which only the first must not.

    Raises:
        NotFiniteError: If the first model predicts NaN.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(checked, len(pairs))).round().astype(int))
    with without_loss_warnings():
        segmenters = [VideoSegmenter(*model) for model in models]
    health = [Health(num_classes) for _ in models]
    provider = DISFlowEstimator()
    with progress('health', chosen, unit='pairs') as bar:
        for number in bar:
            images = [read_image(str(file)) for file in pairs[number]]
            add_pair(segmenters, health, images, device, size, provider)
    return [found.figures() for found in health]


def add_pair(
    segmenters: Sequence[VideoSegmenter],
    health: Sequence[Health],
    images: Sequence[np.ndarray],
    device: torch.device,
    size: tuple[int, int],
    provider: DISFlowEstimator,
) -> None:
    """Adds a pair of successive frames to the figures of each model.

    Args:
        segmenters: The models, on the CPU again afterwards.
        health: Gets what each of them predicts.
        images: Two frames (H, W, 3), uint8, BGR, the earlier one first.
        device: As for :func:`measure`.
        size: As for :func:`measure`.
        provider: Estimates the flow.

    Raises:
        NotFiniteError: If the first model predicts NaN. Another one that does is left out from
            then on, and has no finite figures.
    """
    before, current = images
    flow, visible = flow_to_previous(provider, before, current)
    height, width = current.shape[:2]
    size = min((width, height), size, key=math.prod)
    reference = None
    for segment, found in zip(segmenters, health, strict=True):
        if not found.finite:
            continue
        segment.model.to(device)
        try:
            maps, scores, mirrored = _predicted(segment, images, size, visible.shape)
            found.add_frame(scores)
        except NotFiniteError:
            if reference is None:
                raise
            found.finite = False
            continue
        finally:
            segment.model.to('cpu')
        reference = scores if reference is None else reference
        labels_before, labels_now = maps
        found.add_pair(labels_before, labels_now, flow, visible)
        found.add_mirrored(scores, mirrored)
        found.add_reference(scores, reference)


def _predicted(
    segment: VideoSegmenter,
    images: Sequence[np.ndarray],
    size: tuple[int, int],
    shape: Sequence[int],
) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Classes of the frames, of this shape; scores of the last one, and of it mirrored."""
    maps = []
    for sample in segment.samples(images, size):
        labels = sample.pred_sem_seg.data.float()[None]
        maps.append(
            torch.nn.functional.interpolate(labels, shape, mode='nearest-exact')[0, 0].byte().cpu()
        )
    *_, mirrored = segment.samples(
        [cv2.flip(image, 1) for image in images[-segment.clip_length :]], size
    )
    return maps, sample.seg_logits.data, mirrored.seg_logits.data


def flow_to_previous(
    provider: DISFlowEstimator, before: np.ndarray, current: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow current -> before, and which pixels of the current frame are visible in the other.

    Args:
        provider: Estimates the flow.
        before: (H, W, 3), uint8, BGR.
        current: The next frame.

    Returns:
        Flow (2, h, w) in pixels and visibility (h, w), at most :data:`FLOW_WIDTH` pixels wide.
    """
    height, width = current.shape[:2]
    if width > FLOW_WIDTH:
        size = FLOW_WIDTH, max(1, round(height * FLOW_WIDTH / width))
        before, current = (
            cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, current)
        )
    there, back = (
        torch.tensor(provider.estimate_numpy(*pair)).permute(2, 0, 1)[None]
        for pair in ((current, before), (before, current))
    )
    return there[0], forward_backward_visible(there, back)[0, 0]
