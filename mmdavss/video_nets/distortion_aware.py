"""Distortion-aware feature correction: carried features, corrected where they went wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType
from torch import Tensor, nn

from mmdavss.ops import at_least_float32, backward_warp, resize_flow

from .dff import DFF

SLOPE = 0.1


def _layers(widths: tuple[int, ...], strides: tuple[int, ...], out_channels: int) -> nn.Sequential:
    """3x3 convolutions with leaky ReLU, and a 1x1 convolution at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in zip(widths[:-1], widths[1:], strides, strict=True):
        conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        nn.init.kaiming_normal_(conv.weight, a=SLOPE)
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], out_channels, 1))


@MODELS.register_module()
class DistortionAwareVSS(DFF):
    """Distortion-aware feature correction (Zhuang et al., TCSVT 2020), of SFC's table 4.

    SFC calls it DA-VSS. Like :class:`DFF` it carries the key frame's features along the flow. A
    small distortion network sees the current image and the key image carried along the same flow,
    and predicts where carrying distorts: what is distorted in feature space is distorted in image
    space too. There a light correction network on the current image takes over::

        corrected = (1 - M) * carried + M * correction(image),    M = sigmoid(distortion)

    The distortion network is supervised: a position is distorted where the carried features are
    classified differently from those of the current frame itself. That needs a pass of the
    current frame through the backbone (in training only; without gradient, and it counts for the
    batch-norm statistics), no labels.

    Assumptions, as neither SFC's paper nor the method's own says it here: the depth and width of
    the two networks (three layers each); images at twice the features' resolution for the
    distortion network; binary cross entropy of weight one; features are always carried from the
    key frame, never corrected ones further on; M starts at 5 %, so that a new net is close to DFF;
    the distortion network does not train the flow branch.

    Args:
        segmentor: The mmseg segmentor.
        channels: Width of the two networks.
        distortion_weight: Factor of the distortion network's loss.
        kwargs: Those of :class:`DFF`.
    """

    def __init__(
        self,
        segmentor: ConfigType,
        flow_net: OptConfigType = None,
        stage: int | None = None,
        key_interval: int = 5,
        channels: int = 32,
        distortion_weight: float = 1.0,
        padding_mode: str = 'zeros',
        allow_random_init: bool = False,
    ) -> None:
        super().__init__(segmentor, flow_net, stage, key_interval, padding_mode, allow_random_init)
        self.distortion_weight = distortion_weight
        self.distortion = _layers((6, channels, channels, channels), (2, 1, 1), 1)
        nn.init.normal_(self.distortion[-1].weight, std=0.01)
        nn.init.constant_(self.distortion[-1].bias, -3.0)
        self.correction = _layers(
            (3, channels, 2 * channels, 4 * channels), (2, 2, 2), self.feature_channels
        )
        self._freeze_for_stage()

    def distortion_logits(
        self, frame: Tensor, key_frame: Tensor, to_key: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Where carrying distorts.

        Args:
            frame: (N, 3, H, W), the current frame, normalised.
            key_frame: (N, 3, H, W), normalised.
            to_key: (N, 2, H', W'), flow current->key.
            size: (h, w) of the features.

        Returns:
            (N, 1, h, w); its sigmoid is M.
        """
        double = [2 * n for n in size]
        current, key = (
            F.interpolate(self.images(f), size=double, mode='area') for f in (frame, key_frame)
        )
        carried = backward_warp(
            key, resize_flow(to_key.detach(), double), padding_mode=self.padding_mode
        )
        return self.distortion(torch.cat([current, carried], dim=1))

    def _mix(self, carried: Tensor, frame: Tensor, logits: Tensor) -> Tensor:
        correction = self.correction(self.images(frame))
        correction = F.interpolate(
            correction, size=carried.shape[-2:], mode='bilinear', align_corners=False
        )
        return torch.lerp(carried, correction.to(carried.dtype), logits.sigmoid().to(carried.dtype))

    def correct(self, carried: Tensor, frame: Tensor, key_frame: Tensor, to_key: Tensor) -> Tensor:
        logits = self.distortion_logits(frame, key_frame, to_key, carried.shape[-2:])
        return self._mix(carried, frame, logits)

    def _corrected_scores(
        self,
        carried: Tensor,
        frames: Tensor,
        to_key: Tensor,
        levels: tuple[Tensor, ...] | None,
        own: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        frame = frames[:, -1]
        with torch.no_grad():
            if own is None:
                levels = self.levels(frame) if levels is None else levels
                own = self.classify(self.segmentor.decode_head._forward_feature(levels))
            distorted = (self.classify(carried).argmax(1) != own.argmax(1)).float()[:, None]
        logits = self.distortion_logits(frame, frames[:, 0], to_key, carried.shape[-2:])
        losses = dict(
            loss_distortion=self.distortion_weight
            * F.binary_cross_entropy_with_logits(at_least_float32(logits), distorted),
            distorted=distorted.mean(),
        )
        return self.classify(self._mix(carried, frame, logits)), losses
