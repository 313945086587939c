"""Health figures of models, without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from mmdavss.utils.progress import progress
from mmdavss.utils.quiet import without_loss_warnings

#: Wider frames are reduced to this width to estimate their flow.
FLOW_WIDTH = 512


def measure(
    models: Mapping[str, tuple[Config, str | Path]],
    pairs: Sequence[tuple[Path, Path]],
    num_classes: int,
    checked: int,
    device: torch.device,
) -> dict[str, HealthFigures]:
    """Health figures of models on pairs of successive frames.

    Args:
        models: Config and checkpoint of each model, by name; ``before`` is what the others are
            compared with.
        pairs: Image files, the earlier frame first.
        num_classes: Number of classes.
        checked: Maximum number of pairs, spread evenly over `pairs`.
        device: Where the models compute.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(checked, len(pairs))).round().astype(int))
    with without_loss_warnings():
        segmenters = {name: VideoSegmenter(*model, device) for name, model in models.items()}
    health = {name: Health(num_classes) for name in models}
    provider = DISFlowEstimator()
    with progress('health', chosen, unit='pairs') as bar:
        for number in bar:
            images = [read_image(str(file)) for file in pairs[number]]
            flow, visible = flow_to_previous(provider, *images)
            scores = {}
            for name, segment in segmenters.items():
                maps = []
                for sample in segment.samples(images):
                    labels = sample.pred_sem_seg.data.float()[None]
                    maps.append(
                        torch.nn.functional.interpolate(
                            labels, visible.shape, mode='nearest-exact'
                        )[0, 0]
                        .byte()
                        .cpu()
                    )
                scores[name] = sample.seg_logits.data
                *_, mirrored = segment.samples(
                    [cv2.flip(image, 1) for image in images[-segment.clip_length :]]
                )
                health[name].add_frame(scores[name])
                before, current = maps
                health[name].add_pair(before, current, flow, visible)
                health[name].add_mirrored(scores[name], mirrored.seg_logits.data)
                health[name].add_reference(scores[name], scores['before'])
    return {name: value.figures() for name, value in health.items()}


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
