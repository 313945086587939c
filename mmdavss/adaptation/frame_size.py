"""The size at which the network sees the frames."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import mmcv
from mmengine.config import Config

from mmdavss.convert.plain_mmseg import resize_options
from mmdavss.launch.config_file import type_name


def resize_step(cfg: Config) -> Mapping:
    """The resize step of a model's test pipeline; empty if it has none."""
    return next(
        (step for step in cfg.test_dataloader.dataset.pipeline if type_name(step) == 'ClipResize'),
        {},
    )


def pipeline_size(cfg: Config, frame: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) to which a model's test pipeline resizes a frame.

    Args:
        cfg: Config of the model.
        frame: (width, height) of the frame.
    """
    step = resize_step(cfg)
    scale = tuple(step.get('scale', frame))
    return tuple(mmcv.rescale_size(frame, scale)) if step.get('keep_ratio') else scale


def fitting_size(cfg: Config, frame: tuple[int, int]) -> tuple[int, int]:
    """As :func:`pipeline_size`, but never larger than the frame.

    Enlarging a frame costs time and adds no detail.
    """
    scale = pipeline_size(cfg, frame)
    if scale[0] <= frame[0] and scale[1] <= frame[1]:
        return scale
    factor = min(1.0, scale[0] / frame[0], scale[1] / frame[1])
    return max(1, round(frame[0] * factor)), max(1, round(frame[1] * factor))


def config_of_size(cfg: Config, size: tuple[int, int], frames: Sequence[tuple[int, int]]) -> Config:
    """The config with a test pipeline that resizes frames to a size.

    Args:
        cfg: Config of the model.
        size: (width, height) after resizing.
        frames: (width, height) of the frames of each video.

    Returns:
        `cfg` itself if its pipeline does so already, otherwise a changed copy.
    """
    if all(pipeline_size(cfg, frame) == size for frame in frames):
        return cfg
    # The aspect ratio of other videos is kept if that of these is.
    keep = all(tuple(mmcv.rescale_size(frame, size)) == size for frame in frames)
    resize = dict(
        type='ClipResize', scale=size, keep_ratio=keep, **resize_options(resize_step(cfg))
    )
    cfg = copy.deepcopy(cfg)
    steps = cfg.test_dataloader.dataset.pipeline
    kinds = [type_name(step) for step in steps]
    if 'ClipResize' in kinds:
        steps[kinds.index('ClipResize')] = resize
    else:
        steps.insert(kinds.index('LoadClip') + 1, resize)
    return cfg
