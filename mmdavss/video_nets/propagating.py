"""What video nets share that carry maps from an earlier frame to the current one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType
from torch import Tensor

from mmdavss.ops import backward_warp, chain_flow, resize_flow

from .base import VideoNet

STAGES = (None, 1, 2)


class PropagatingNet(VideoNet):
    """A video net that carries what it knows of a key frame, the clip's first, along flow.

    The flow comes with the clip, from a frozen provider or from disk; or the net has a flow branch
    of its own, ``flow_net``, which is trained through the segmentation loss. Such a branch sees
    the frames that the net is given, un-normalised: RGB in [0, 1].

    Training in two stages (Jain et al., SFC section "Implementation details"):

    1. ``stage=1`` trains the segmentation networks alone, each by its own loss on the current
       frame. The net predicts with its current-frame segmentor; everything else is frozen.
    2. ``stage=2`` starts from the checkpoint of stage one (``model.source_checkpoint``). The
       weights of the backbones are frozen; classifiers, flow branch and what joins the frames are
       trained. Auxiliary heads serve the backbones only and are left out. As in SFC's release the
       backbones go on normalising by the statistics of batches, and their running ones move;
       ``norm_eval=True`` of the backbone keeps both.

    Args:
        segmentor: The mmseg segmentor of the current frame.
        flow_net: Config of the flow branch, ``net(current, previous) -> flow`` such as
            ``FlowNetS`` or ``MMFlowNet``; None where the flow comes with the clip.
        stage: 1, 2, or None, which trains everything at once.
        padding_mode: What a backward warp reads outside the key frame, ``zeros`` or ``border``.
        allow_random_init: See :class:`VideoNet`.

    Raises:
        ValueError: For an unknown option.
    """

    needs_flow = True
    temporal = True

    def __init__(
        self,
        segmentor: ConfigType,
        flow_net: OptConfigType = None,
        stage: int | None = None,
        padding_mode: str = 'zeros',
        allow_random_init: bool = False,
    ) -> None:
        super().__init__(segmentor, allow_random_init)
        if stage not in STAGES:
            raise ValueError(f'{type(self).__name__}: stage={stage!r} is not one of {STAGES}.')
        self.flow_net = None if flow_net is None else MODELS.build(flow_net)
        self.stage = stage
        self.padding_mode = padding_mode
        self.needs_flow = flow_net is None and stage != 1
        self.needs_checkpoint = stage == 2
        self.register_buffer('_mean', None, persistent=False)
        self.register_buffer('_std', None, persistent=False)
        self._is_rgb = False

    # ----------------------------------------------------------------- training

    @property
    def single_frame(self) -> bool:
        return self.stage == 1

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        return dict(decode=self.segmentor.decode_head) if self.stage == 2 else super().heads

    def _freeze_for_stage(self) -> None:
        """Takes out of training what the stage does not train; the last line of ``__init__``."""
        if self.stage == 1:
            for child in self.children():
                if child not in self.segmentors:
                    child.requires_grad_(False)
        elif self.stage == 2:
            for net in self.segmentors:
                net.requires_grad_(False)
                net.decode_head.requires_grad_(True)

    def freeze_classifier(self) -> None:
        super().freeze_classifier()
        for child in self.children():
            if child is not self.segmentor:
                child.requires_grad_(False)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """The flow branch too, where there is one."""
        super().compile(*args, **kwargs)
        if self.flow_net is not None:
            self.flow_net.compile(*args, **kwargs)

    # --------------------------------------------------------------------- flow

    def set_normalisation(self, preprocessor: SegDataPreProcessor) -> None:
        normalised = getattr(preprocessor, '_enable_normalize', False)
        zero = torch.zeros(3, 1, 1)
        given: Any = preprocessor  # has its buffers only if it normalises
        self._mean = given.mean.detach().clone() if normalised else zero
        self._std = given.std.detach().clone() if normalised else zero + 1
        self._is_rgb = getattr(preprocessor, '_channel_conversion', False)

    def images(self, frames: Tensor) -> Tensor:
        """Normalised frames (..., 3, H, W) as images: RGB in [0, 1].

        Raises:
            RuntimeError: If the normalisation of frames is unknown.
        """
        if self._mean is None:
            raise RuntimeError(
                f'{type(self).__name__} looks at images and does not know how its frames are '
                'normalised: call net.set_normalisation(data_preprocessor), as methods do.'
            )
        images = (frames * self._std + self._mean) / 255
        return images if self._is_rgb else images.flip(-3)

    def estimate_flow(self, frames: Tensor) -> Tensor:
        """The flow branch's flow between consecutive frames, with gradient.

        Args:
            frames: (N, T, 3, H, W), normalised.

        Returns:
            (N, T-1, 2, h, w), ``[:, k]`` from frame k+1 to frame k, in pixels of its own grid
            (a quarter of the frame for FlowNetS, the frame for RAFT).

        Raises:
            RuntimeError: If the net has no flow branch.
        """
        if self.flow_net is None:
            raise RuntimeError(f'{type(self).__name__} has no flow branch: set `flow_net`.')
        images = self.images(frames)
        later, earlier = images[:, 1:], images[:, :-1]
        flow = self.flow_net(later.flatten(0, 1), earlier.flatten(0, 1))
        return flow.unflatten(0, later.shape[:2])

    def key_flow(self, frames: Tensor, flow: Tensor | None) -> Tensor | None:
        """Flow from the current frame to the key frame.

        Args:
            frames: (N, T, 3, H, W), normalised.
            flow: (N, T-1, 2, H, W), consecutive flows: they are chained. With None the flow branch
                estimates the flow between the two frames directly.

        Returns:
            (N, 2, h, w) in pixels of its own grid, None for clips of one frame.

        Raises:
            ValueError: If there is neither flow nor flow branch.
        """
        if frames.shape[1] == 1:
            return None
        if flow is not None:
            return chain_flow(flow)
        return self._direct_flow(frames[:, -1], frames[:, 0])

    def _direct_flow(self, current: Tensor, key: Tensor) -> Tensor:
        if self.flow_net is None:
            raise ValueError(
                f'{type(self).__name__} got a clip of several frames without flow: add LoadFlow '
                'to the pipeline, give the method a flow provider (flow=dict(type=...)), or the '
                'net a flow branch (flow_net=dict(type=...)).'
            )
        return self.flow_net(self.images(current), self.images(key))

    def carry(self, maps: Tensor, to_key: Tensor | None) -> Tensor:
        """Carries the key frame's maps to the current frame.

        Args:
            maps: (N, C, h, w) on the key frame's grid.
            to_key: (N, 2, H, W), flow current->key at any resolution; None carries nothing.

        Returns:
            (N, C, h, w) on the current frame's grid.
        """
        if to_key is None:
            return maps
        return backward_warp(
            maps, resize_flow(to_key, maps.shape[-2:]), padding_mode=self.padding_mode
        )


def enlarge(maps: Tensor, factor: int) -> Tensor:
    """Maps (N, C, h, w), bilinearly enlarged by a factor as SFC does (``align_corners=False``)."""
    if factor == 1:
        return maps
    return F.interpolate(maps, scale_factor=factor, mode='bilinear', align_corners=False)
