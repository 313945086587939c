"""FlowNetS, trained as a part of a video net."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from .base import load_flow_weights

SLOPE = 0.1
#: The network predicts 1/20 of the flow in pixels of its input, and its output is four times
#: coarser (Dosovitskiy et al.): 20 / 4 makes it pixels of the output.
FLOW_SCALE = 5.0


def _conv(in_channels: int, channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel_size, stride, (kernel_size - 1) // 2),
        nn.LeakyReLU(SLOPE),
    )


def _deconv(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(in_channels, channels, 4, 2, 1), nn.LeakyReLU(SLOPE))


@MODELS.register_module()
class FlowNetS(BaseModule):
    """FlowNet-Simple (Dosovitskiy et al., ICCV 2015), trained through the loss of its video net.

    ``net(current, previous) -> flow current->previous``. Unlike flow providers it is a plain
    module with parameters, gradient and training mode. Its weights have the names of the
    published PyTorch files of SFC.

    A new network starts with a flow close to zero, so that warping with it is initially close to
    the identity.

    Args:
        base_channels: Width of the first layer; the deepest has 16 times as many channels. 24 is
            the slim network of SFC, Accel and DFF (24 to 384 channels), 64 that of the paper (64
            to 1024).
        checkpoint: Weights to start from, read by :meth:`init_weights`: those of a FlowNetS, or a
            checkpoint of a method whose video net has such a flow branch.
    """

    def __init__(self, base_channels: int = 24, checkpoint: str | None = None) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        widths = [base_channels * factor for factor in (1, 2, 4, 8, 8, 16)]
        channels = 6
        for level, (width, kernel) in enumerate(
            zip(widths, (7, 5, 5, 3, 3, 3), strict=True), start=1
        ):
            self.add_module(f'conv{level}', _conv(channels, width, kernel, 2))
            if level > 2:
                self.add_module(f'conv{level}_1', _conv(width, width, 3, 1))
            channels = width
        self.add_module('predict_flow6', nn.Conv2d(channels, 2, 3, padding=1))
        for level in (5, 4, 3, 2):
            width = base_channels * 2 ** (level - 2)
            self.add_module(f'deconv{level}', _deconv(channels, width))
            self.add_module(f'upsample_flow{level + 1}to{level}', nn.ConvTranspose2d(2, 2, 4, 2, 1))
            channels = widths[level - 1] + width + 2
            self.add_module(f'predict_flow{level}', nn.Conv2d(channels, 2, 3, padding=1))
        self._init_random()

    def _init_random(self) -> None:
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if name.startswith('predict_flow'):
                # Not zero: no gradient would pass through these layers.
                nn.init.normal_(module.weight, std=1e-3)
            else:
                nn.init.kaiming_normal_(module.weight, a=SLOPE)

    def init_weights(self) -> None:
        super().init_weights()
        if self.checkpoint is not None:
            load_flow_weights(self, self.checkpoint)

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        """Optical flow.

        Args:
            current: (N, 3, H, W), RGB, values 0 to 1.
            previous: (N, 3, H, W), RGB, values 0 to 1.

        Returns:
            (N, 2, ceil(H / 4), ceil(W / 4)), flow current->previous in pixels of this grid;
            use ``resize_flow`` for any other size.
        """
        # The published networks expect BGR.
        x = torch.cat([current.flip(1), previous.flip(1)], dim=1)
        maps = []
        for level in range(1, 7):
            x = self.get_submodule(f'conv{level}')(x)
            if level > 2:
                x = self.get_submodule(f'conv{level}_1')(x)
            maps.append(x)
        for level in (5, 4, 3, 2):
            skip = maps[level - 1]
            flow = self.get_submodule(f'predict_flow{level + 1}')(x)
            flow = self.get_submodule(f'upsample_flow{level + 1}to{level}')(flow)
            x = self.get_submodule(f'deconv{level}')(x)
            # For odd sizes, upsampling gives one row or column too many.
            height, width = skip.shape[-2:]
            x = torch.cat([skip, x[..., :height, :width], flow[..., :height, :width]], dim=1)
        return FLOW_SCALE * self.get_submodule('predict_flow2')(x)
