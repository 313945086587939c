"""HCL's losses: what a historical model says of labels and features (Huang et al., 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.modules.label_downscale import nearest_labels
from mmdavss.ops import at_least_float32

from .pixel_contrast import LogSumExp


def historical_agreement(history: Tensor, current: Tensor) -> Tensor:
    """exp(-KL(p_h || p)) of each pixel, the weight of its pseudo-label in HCCD.

    Args:
        history: (N, K, H, W), scores of the historical model, before the softmax.
        current: (N, K, H, W), those of the model of today.

    Returns:
        (N, H, W), from 0 to 1, float32 at least; 1 where both predict the same probabilities.
    """
    past, today = (at_least_float32(scores).log_softmax(1) for scores in (history, current))
    return (-(past.exp() * (past - today)).sum(1)).exp()


def historical_contrast(
    queries: Tensor,
    keys: Tensor,
    query_labels: Tensor,
    key_labels: Tensor,
    reliability: Tensor,
    num_classes: int,
    temperature: float = 0.07,
    ignore_index: int = 255,
) -> Tensor:
    """HCID of an image: a pixel's feature against those of an earlier model, in linear memory.

    With s_ij = q_i.k_j / tau, r_j the reliability of key j and n pixels, as released,

        L = mean_i -1/n sum_{j != i, y_i = y_j} ( s_ij + ln r_j - ln sum_{j != i} r_j exp(s_ij) ).

    The positives are other pixels of the same label; the pixel itself is no positive and no
    negative. The sum over positives is divided by n, not by their number, so that pixels of
    frequent classes count more.

    Args:
        queries: (n, D), unit vectors.
        keys: (n, D), unit vectors, at the same pixels.
        query_labels: (n,), classes or `ignore_index`, int64.
        key_labels: (n,), the same for the keys.
        reliability: (n,), above 0, of the keys.
        num_classes: Number of classes; labels are below it.
        temperature: tau.
        ignore_index: Label of pixels without a positive; they count in n and as negatives.

    Returns:
        Scalar, float32 at least; 0 if no pixel has a positive.
    """
    # Exponentials of half-precision scores are too coarse: autocast must not reach them.
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys, reliability = map(at_least_float32, (queries, keys, reliability))
        count, logarithms = len(queries), reliability.log()
        query_class, key_class = (
            labels.masked_fill(labels == ignore_index, num_classes)
            for labels in (query_labels, key_labels)
        )
        # Sums over all keys of a class, less the own key if it is one of them.
        own = (query_class == key_class).to(keys.dtype)

        def over_others(values: Tensor) -> Tensor:
            sums = values.new_zeros(num_classes + 1, values.shape[1])
            sums = sums.index_add(0, key_class, values)
            return sums[query_class] - own[:, None] * values

        labelled = query_class < num_classes
        positives = over_others(torch.ones_like(keys[:, :1]))[:, 0]
        weights = torch.where(labelled, positives / count, 0.0)
        attraction = (queries * over_others(keys)).sum(1) / temperature
        attraction = attraction + over_others(logarithms[:, None])[:, 0]
        repulsion, _ = LogSumExp.apply(
            queries,
            keys,
            torch.zeros_like(query_class),
            logarithms[None],
            weights,
            1 / temperature,
            True,
        )
        return (repulsion - torch.where(labelled, attraction / count, 0.0).sum()) / count


@MODELS.register_module()
class HistoricalContrastLoss(nn.Module):
    """:func:`historical_contrast` of each image, averaged over the images of a batch.

    Args:
        temperature: tau, 0.07 as released.
        margin: Reliabilities are clamped to 1 plus or minus this, 0.1 as released.
        ignore_index: Label of pixels to ignore.
        loss_weight: Factor, 0.5 as released.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        margin: float = 0.1,
        ignore_index: int = 255,
        loss_weight: float = 0.5,
    ) -> None:
        super().__init__()
        if temperature <= 0 or not 0 <= margin < 1:
            raise ValueError(
                f'HistoricalContrastLoss: temperature={temperature} must be above 0 and '
                f'margin={margin} in [0, 1).'
            )
        self.temperature = temperature
        self.margin = margin
        self.ignore_index = ignore_index
        self.loss_weight = loss_weight

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        query_labels: Tensor,
        key_labels: Tensor,
        entropy: Tensor,
        num_classes: int,
    ) -> Tensor:
        """Scalar loss.

        Args:
            queries: (N, D, h, w), unit vectors.
            keys: (N, D, h, w), unit vectors, without gradient.
            query_labels: (N, H, W), int64; the nearest one of each cell counts.
            key_labels: (N, H, W), of the keys.
            entropy: (N, H, W), normalised, of the predictions that go with the keys: reliable keys
                have a low one.
            num_classes: Number of classes.
        """
        size = queries.shape[-2:]
        entropy = F.interpolate(entropy[:, None], size, mode='bilinear', align_corners=True)
        reliability = (1 + self.margin - entropy).clamp(1 - self.margin, 1 + self.margin)
        query_classes, key_classes = (
            nearest_labels(own, size).flatten(1) for own in (query_labels, key_labels)
        )
        losses = [
            historical_contrast(q, k, ql, kl, r, num_classes, self.temperature, self.ignore_index)
            for q, k, ql, kl, r in zip(
                queries.flatten(2).transpose(1, 2),
                keys.flatten(2).transpose(1, 2),
                query_classes,
                key_classes,
                reliability.flatten(1),
                strict=True,
            )
        ]
        return self.loss_weight * torch.stack(losses).mean()
