"""A trial run of the network, before anything is written."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.config import Config

from mmdavss.evaluation.health import Health
from mmdavss.flow import DISFlowEstimator
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.modules import norm_layers
from mmdavss.utils.errors import UserError
from mmdavss.utils.quiet import without_loss_warnings

from .measuring import add_pair
from .memory import explained_memory
from .settings import Settings


@dataclass(frozen=True)
class Trial:
    """Result of :func:`try_network`.

    Attributes:
        network: Class names of the video net and its head.
        has_norms: Whether the network has batch norm, which AdaBN needs.
        needs_flow: Whether it must be given flow.
        seconds: Time to predict one frame.
    """

    network: str
    has_norms: bool
    needs_flow: bool
    seconds: float


def try_network(
    cfg: Config,
    checkpoint: str,
    device: torch.device,
    image: np.ndarray,
    size: tuple[int, int],
    settings: Settings,
) -> Trial:
    """Builds a network, predicts a frame with it, and takes its figures as after the training.

    Args:
        cfg: Config of the model.
        checkpoint: Its weights.
        device: Where it computes.
        image: (H, W, 3), uint8, BGR, the frame.
        size: (width, height) to which `cfg` resizes it.
        settings: Options of the adaptation.

    Raises:
        UserError: If the frame is too large or too small, or the method needs batch norm and the
            network has none.
        ValueError: If the checkpoint does not fit the network.
    """
    with without_loss_warnings():
        segment = VideoSegmenter(cfg, checkpoint, device)
    net = segment.model.net
    has_norms = any(norm_layers(part) for part in net.segmentors)
    if settings.method == 'adabn' and not has_norms:
        raise UserError(
            'this network has no batch norm, which is all that AdaBN adapts: choose another method'
        )
    times = [time.monotonic()]
    try:
        with explained_memory(size):
            for _ in segment([image, image]):
                times.append(time.monotonic())
            # Two models are compared: the scores of one are kept beside those of the other.
            health = [Health(segment.model.num_classes) for _ in range(2)]
            add_pair([segment] * 2, health, [image] * 2, device, size, DISFlowEstimator())
    except RuntimeError as error:
        if settings.size is None:
            raise
        raise UserError(
            f'the network cannot take frames of {size[0]}x{size[1]}: {error}. Choose another --size'
        ) from error
    head = getattr(net.segmentors[0], 'decode_head', None)
    # The first prediction is slower: memory is allocated.
    return Trial(
        f'{type(net).__name__} with {type(head).__name__}',
        has_norms,
        net.needs_flow,
        times[2] - times[1],
    )
