"""What methods share that label a target frame by the prediction for an earlier one (TPS, SFC)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmdavss.losses import cross_entropy
from mmdavss.modules import temporal_pseudo_labels
from mmdavss.utils.errors import check_factors

from .base import BaseAdapter


def check_confidence(method: str, threshold: float | None) -> None:
    """Checks the option ``confidence_threshold`` of a method.

    Raises:
        ValueError: If it is neither between 0 and 1 nor None.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise ValueError(
            f'{method}: confidence_threshold={threshold} must be in (0, 1), or None for no limit.'
        )


class CrossFrameAdapter(BaseAdapter):
    """Cross-frame pseudo-labels: each classifier is trained on labels of its own.

    Args:
        pseudo_weight: Factor of the losses with pseudo-labels.
        auxiliary_weight: Further factor of the target losses of auxiliary classifiers.
        confidence_threshold: Probability that pseudo-labels have at least; None for no such limit.
        kwargs: Those of :class:`BaseAdapter`.

    Raises:
        ValueError: For a value that an option cannot have.
    """

    #: ``all`` passes of training, or those of plain ``target`` clips. It matters where training is
    #: short; in any case every clip is normalised by its own batch while training.
    STATISTICS = ('all', 'target')

    def __init__(
        self,
        pseudo_weight: float = 1.0,
        auxiliary_weight: float = 0.1,
        confidence_threshold: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_factors(
            type(self).__name__, pseudo_weight=pseudo_weight, auxiliary_weight=auxiliary_weight
        )
        self.pseudo_weight = pseudo_weight
        self.auxiliary_weight = auxiliary_weight
        check_confidence(type(self).__name__, confidence_threshold)
        self.confidence_threshold = confidence_threshold

    @torch.no_grad()
    def carried_labels(self, scores: Mapping[str, Tensor], flow: Tensor) -> dict[str, Tensor]:
        """Labels (N, h, w) of the current frames for each classifier.

        Args:
            scores: (N, K, h, w), those of the earlier frames by classifier.
            flow: (N, 2, H, W), from the current to the earlier frames.
        """
        for name, maps in scores.items():
            self.watch(f'the prediction of {name} that labels', maps)
        return {
            name: temporal_pseudo_labels(maps, flow, self.confidence_threshold)
            for name, maps in scores.items()
        }

    def pseudo_losses(
        self, scores: Mapping[str, Tensor], labels: Mapping[str, Tensor], loss: str
    ) -> dict[str, Tensor]:
        """Cross-entropy of each classifier with its labels.

        Args:
            scores: (N, K, h, w) by classifier.
            labels: (N, h, w) by classifier.
            loss: Name of the loss, after that of the classifier.
        """
        return {
            f'{name}.{loss}': self.pseudo_weight
            * self.head_weight(name)
            * cross_entropy(maps, labels[name])
            for name, maps in scores.items()
        }
