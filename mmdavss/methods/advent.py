"""ADVENT: entropy minimisation, direct and adversarial (Vu et al., CVPR 2019).

=======================  ================================================================
the paper                here
=======================  ================================================================
F                        ``student``
P_x                      softmax of its scores, at the size of the image
I_x                      weighted self-information: ``self_information``, the view of D
E_x, L_ent, lambda_ent   :func:`entropy_loss`; ``entropy_weight``,
                         ``auxiliary_entropy_weight``
D                        ``discriminator``: HeadDiscriminators, one for each classifier
L_D, lambda_adv          as in AdaptSegNet
=======================  ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor

from mmdavss.losses import entropy_loss
from mmdavss.structures import DomainBatch
from mmdavss.utils.errors import check_factors

from .adaptsegnet import AdaptSegNet
from .mean_teacher import MeanTeacher


@MODELS.register_module()
class AdvEnt(AdaptSegNet):
    """AdaptSegNet whose discriminators see the weighted self-information of the scores.

    Args:
        kwargs: Those of :class:`AdaptSegNet`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(view='self_information', **kwargs)


@MODELS.register_module()
class MinEnt(MeanTeacher):
    """Labelled source clips, and predictions for the target with little entropy.

    The entropy is that of every classifier's prediction; a video net's is that of the fused frames.
    Without source clips (``source=None`` of the data set) only the entropy is left.

    With `masked` it has a teacher, whose labels of the target clips the student learns from masked
    ones in the last of its passes (MIC, section 4.1).

    Args:
        entropy_weight: Factor of the entropy, lambda_ent.
        auxiliary_entropy_weight: That of the auxiliary classifier's, as released.
        kwargs: Those of :class:`MeanTeacher`, which have no effect without `masked`, and those of
            :class:`BaseAdapter`.

    Raises:
        ValueError: If a factor is negative.
    """

    always_taught = False

    def __init__(
        self,
        entropy_weight: float = 0.001,
        auxiliary_entropy_weight: float = 0.0002,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        heads = dict.fromkeys(self.net.heads, auxiliary_entropy_weight)
        self.weights = heads | dict(decode=entropy_weight)
        check_factors(
            'MinEnt',
            entropy_weight=entropy_weight,
            auxiliary_entropy_weight=auxiliary_entropy_weight,
        )

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        batch = self.with_flow_for_all(batch)
        clip = batch.target.clip
        flow = self.clip_flow(clip)
        if batch.has_source:
            source = batch.source
            source_flow = self.clip_flow(source.clip)
            losses = self.student.loss(source.clip.frames, source_flow, source.samples)
            yield add_prefix(losses, 'source')
        scores = self.student(clip.frames, flow, heads=True, parts=('fused',))
        size = clip.frames.shape[-2:]
        maps = {name: self.resized(scores[name].fused, size) for name in self.net.heads}
        yield {
            f'{name}.loss_entropy': self.weights[name] * entropy_loss(own)
            for name, own in maps.items()
        }
        if self.masked is not None:
            yield self.taught_losses(self.masked, batch)
