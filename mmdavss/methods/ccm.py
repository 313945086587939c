"""CCM: content-consistent matching (Li et al., ECCV 2020).

The paper's symbols and those of its release:

======================  ==================================================================
G                       ``student``
semantic layout         ``source_selection``: tools/select_source.py chooses source frames
pixel-wise similarity   the same: pixels of the source near the class means of the target
y^_T                    labels of tools/generate_pseudo_labels.py, ``selection='ccm'``
lambda, ``lamb``        ``entropy_weight``
======================  ==================================================================

A round is one training: a config's ``rounds``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.losses import cross_entropy
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import at_least_float32
from mmdavss.structures import DomainBatch
from mmdavss.utils.distributed import mean_over_batch

from .offline_self_training import OfflineSelfTraining, labelled_share


@MODELS.register_module()
class CCM(OfflineSelfTraining):
    """Training on the selected source frames and the pseudo-labelled target alike.

    The cross-entropy is one mean over the labelled pixels of both domains, the entropy one over all
    pixels.

    Args:
        entropy_weight: Factor of the entropy.
        double_softmax: Whether its logarithm is that of the softmax of the probabilities, as
            released: the value is then near log K and its gradient small. The entropy itself by
            default.
        kwargs: Those of :class:`OfflineSelfTraining`; the weight of the source is 1.
    """

    WITHOUT = ('soft_labels', 'regulariser')

    def __init__(self, entropy_weight: float = 0.5, double_softmax: bool = False, **kwargs) -> None:
        super().__init__(source_weight=1.0, **kwargs)
        self.student.freeze_auxiliary()
        self.entropy_weight = entropy_weight
        self.double_softmax = double_softmax

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        domains = dict(source=self.with_flow(batch.source), target=self.with_flow(batch.target))
        labelled = torch.stack([(d.labels != IGNORE).sum() for d in domains.values()]).sum()
        pixels = sum(domain.labels.numel() for domain in domains.values())
        for name, domain in domains.items():
            labels, scores = domain.labels, self.scores(domain.clip)[:, 0]
            total = cross_entropy(scores, labels, avg_factor=1.0)
            yield {
                f'{name}.loss_ce': mean_over_batch(total, labelled),
                f'{name}.loss_entropy': self.entropy_weight * self.entropy(scores).sum() / pixels,
                f'{name}.labelled': labelled_share(labels),
            }

    def entropy(self, scores: Tensor) -> Tensor:
        """Entropy (N, H, W) of the predictions, in nats.

        Args:
            scores: (N, K, H, W), before the softmax.
        """
        logs = F.log_softmax(at_least_float32(scores), dim=1)
        probabilities = logs.exp()
        if self.double_softmax:
            logs = F.log_softmax(probabilities, dim=1)
        return -(probabilities * logs).sum(1)
