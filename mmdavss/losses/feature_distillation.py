"""Distillation of the features of a frozen foundation model (VFM-UDA++)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, PretrainedInit
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType
from torch import Tensor, nn

from mmdavss.ops import at_least_float32
from mmdavss.utils.checkpoints import keep_out_of_checkpoints

#: Factors of the smooth L1 distance and of the cosine distance.
SMOOTH, COSINE = 0.1, 0.9


def feature_distillation(features: Tensor, frozen: Tensor) -> Tensor:
    """Mean over positions of a smooth L1 and a cosine distance over channels.

    Args:
        features: (N, C, h, w), those of the student.
        frozen: Same shape, those of the frozen network; constant.

    Returns:
        Scalar, float32 at least.
    """
    own, wanted = at_least_float32(features), at_least_float32(frozen.detach())
    smooth = F.smooth_l1_loss(own, wanted)
    return SMOOTH * smooth + COSINE * (1 - F.cosine_similarity(own, wanted, dim=1)).mean()


@MODELS.register_module()
class FeatureDistillation(BaseModule):
    """Keeps features near those of a frozen network (Englert et al., 2025).

    Unlike :class:`FeatureDistance` it compares all cells of both domains, with another network
    than the student's own, through a head that only training uses.

    Args:
        backbone: Config of the frozen network, a :class:`DINOv2`; its last map is taken. Its
            weights come from the file that its `init_cfg` names and are then in no checkpoint.
        in_channels: Channels of the student's features.
        size: (height, width) of what the frozen network sees: the images, resized.
        loss_weight: Factor, of each domain.
        augment: Config of the augmentation of what the student sees; None for none.
        allow_random_init: Whether the frozen network may do without pretrained weights (for tests).

    Raises:
        ValueError: If it has none otherwise.
    """

    def __init__(
        self,
        backbone: ConfigType,
        in_channels: int,
        size: tuple[int, int] = (406, 406),
        loss_weight: float = 0.1,
        augment: OptConfigType = None,
        allow_random_init: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone).requires_grad_(False)
        start = self.backbone.init_cfg
        has_file = isinstance(start, Mapping) and start.get('type') in (
            'Pretrained',
            PretrainedInit,
        )
        if not has_file and not allow_random_init:
            raise ValueError(
                'FeatureDistillation: a frozen network with random weights teaches nothing: set '
                "backbone.init_cfg=dict(type='Pretrained', checkpoint=...) to its file."
            )
        if has_file:
            keep_out_of_checkpoints(self.backbone)
        hidden = 4 * in_channels
        self.head = nn.Sequential(
            nn.Linear(in_channels, hidden),
            nn.LayerNorm(hidden, eps=1e-6),
            nn.GELU(),
            nn.Linear(hidden, self.backbone.embed_dims),
        )
        self.size = tuple(size)
        self.loss_weight = loss_weight
        self.augment = None if augment is None else MODELS.build(augment)

    def train(self, mode: bool = True) -> FeatureDistillation:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            features: (N, C, h, w), the student's last map.
            images: (N, 3, H, W), normalised, plain.
        """
        with torch.no_grad():
            seen = resize(images, self.size, mode='bilinear', align_corners=False)
            frozen = self.backbone(seen)[-1]
        own = self.head(features.flatten(2).transpose(1, 2)).transpose(1, 2)
        own = own.unflatten(2, features.shape[-2:])
        own = resize(own, frozen.shape[-2:], mode='bilinear', align_corners=False)
        return self.loss_weight * feature_distillation(own, frozen)
