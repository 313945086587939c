"""Distance of features from those of a network as it was pretrained (DAFormer)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.modules.label_downscale import downscale_labels
from mmdavss.ops import at_least_float32
from mmdavss.utils.distributed import mean_over_batch
from mmdavss.utils.errors import check_factors, check_unit

IGNORED = 255


def feature_distance(features: Tensor, pretrained: Tensor, where: Tensor) -> Tensor:
    """Mean over the chosen cells of the L2 distance over channels (DAFormer, equation 10).

    Args:
        features: (N, C, h, w), those of the student.
        pretrained: Same shape, those of the pretrained network; constant.
        where: (N, h, w), bool, the cells of the batch, or of those of all processes, that count.

    Returns:
        Scalar, float32 at least; 0, with zero gradients, if no cell counts. The published code
        divides by zero there.
    """
    difference = at_least_float32(features) - at_least_float32(pretrained.detach())
    # Masked before the norm: no gradient can come from a cell that does not count.
    distance = torch.linalg.vector_norm(difference.masked_fill(~where[:, None], 0.0), dim=1)
    return mean_over_batch(distance.sum(), where.sum())


@MODELS.register_module()
class FeatureDistance(nn.Module):
    """DAFormer's feature distance on the cells of some classes (Hoyer et al., CVPR 2022).

    Keeps what ImageNet has taught about things, which a simulation shows worse than stuff.

    Args:
        classes: Indices of the classes whose cells count: the things. None: all labelled cells.
        loss_weight: Factor.
        min_ratio: Least share of its class among the pixels of a cell.

    Raises:
        ValueError: If a class is not one of 0..254, there is none, or a value is outside its
            range.
    """

    counts: Tensor

    def __init__(
        self,
        classes: Sequence[int] | None = None,
        loss_weight: float = 0.005,
        min_ratio: float = 0.75,
    ) -> None:
        super().__init__()
        if classes is not None and not (
            len(classes) and all(isinstance(k, int) and 0 <= k < IGNORED for k in classes)
        ):
            raise ValueError(
                f'FeatureDistance: classes={tuple(classes)} must be one or more numbers in 0..254.'
            )
        check_unit('FeatureDistance', min_ratio=min_ratio)
        check_factors('FeatureDistance', loss_weight=loss_weight)
        self.loss_weight = loss_weight
        self.min_ratio = min_ratio
        counts = torch.zeros(IGNORED + 1, dtype=torch.bool)
        counts[list(range(IGNORED) if classes is None else classes)] = True
        # Whether a label counts, on the device of the labels.
        self.register_buffer('counts', counts, persistent=False)

    def forward(
        self, features: Tensor, pretrained: Tensor, labels: Tensor, num_classes: int
    ) -> Tensor:
        """Scalar loss.

        Args:
            features: (N, C, h, w), those of the student.
            pretrained: Same shape, those of the pretrained network.
            labels: (N, H, W), int64, classes or 255; not smaller than the features.
            num_classes: Number of classes K.
        """
        cells = downscale_labels(labels, features.shape[-2:], num_classes, self.min_ratio)
        return self.loss_weight * feature_distance(features, pretrained, self.counts[cells])
