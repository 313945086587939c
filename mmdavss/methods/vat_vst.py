"""VAT-VST: video adversarial training, then video self-training (Park et al., AAAI 2022).

The paper's symbols:

======================  ==================================================================
G                       ``student``, frame by frame in the paper
P, U~                   softmax of its scores, for one frame and for the frames of a clip
D_I, D_V                ``discriminator``: ImageDiscriminator, SequenceDiscriminator
L_tube, Dice            ``tube_loss``: TubeDiceLoss
L_Adv,I, L_Adv,V        ``gan_loss``: DomainGANLoss
y^_T                    labels of ``tools/generate_pseudo_labels.py``
RF, Prop                ``refinement``: consensus, fill_in
L_reg                   ``regulariser``: PseudoLabelRegulariser
======================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType
from torch import Tensor

from mmdavss.losses import clip_cross_entropy
from mmdavss.modules import consensus, fill_in
from mmdavss.ops import backward_warp, photometric_visible
from mmdavss.structures import Clip, DomainBatch, DomainClips
from mmdavss.video_nets import clip_scores

from .adversarial import AdversarialAdapter
from .offline_self_training import OfflineSelfTraining, labelled_share

REFINEMENTS = ('consensus', 'fill_in')


@MODELS.register_module()
class VAT(AdversarialAdapter):
    """Phase 1: labelled source clips, and an adversary that tells the domains apart (equation 9).

    Source clips need the labels of all their frames (``label_clips=True`` of the data set).

    The paper's student predicts frame by frame. Of a video net (Accel: STPL's tables have VAT-VST
    on it) each frame's prediction is the one that it has of the clip up to that frame; clips then
    need flow.

    Args:
        tube_loss: Config of the tube loss, None for none (ablation).
        kwargs: Those of :class:`AdversarialAdapter`. The paper does not give lambda_V,
            ``adversarial_weight``; 0.001 is that of AdaptSegNet, on whose discriminator it builds.
    """

    shown = 'clip'

    def __init__(self, tube_loss: OptConfigType = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.student.freeze_auxiliary()
        self.tube_loss = None if tube_loss is None else MODELS.build(tube_loss)

    def student_losses(
        self, batch: DomainBatch
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]]:
        source = batch.source.clip
        labels = batch.source.clip_labels('VAT: the source clips')
        u = clip_scores(self.student, source.frames, self.align_corners, self.clip_flow(source))
        losses = dict(loss_ce=clip_cross_entropy(u, labels))
        if self.tube_loss is not None:
            losses['loss_tube'] = self.tube_loss(u, labels)
        yield losses, dict(source=dict(decode=u))

        if self.discriminator is not None:
            target = batch.target.clip
            u = clip_scores(self.student, target.frames, self.align_corners, self.clip_flow(target))
            yield {}, dict(target=dict(decode=u))


@MODELS.register_module()
class VST(OfflineSelfTraining):
    """Phase 2: self-training on target clips with pseudo-labels (equation 12), without the source.

    The pseudo-labels of a frame are refined by those of its neighbour in the clip: of the one
    before it, and for the first frame, which has none, of the one after it.

    Target clips need pseudo-labels of all their frames (``pseudo_labels`` and ``label_clips=True``
    of the data set) and, for a refinement, flow both ways (``LoadFlow``). The student may be a
    video net, as in :class:`VAT`.

    Args:
        refinement: ``consensus`` (equation 13, cut-out), ``fill_in`` (equation 14), or None.
        occlusion: For ``fill_in``: ``alpha`` and ``threshold`` of the occlusion from the warping
            error.
        kwargs: Those of :class:`OfflineSelfTraining`: ``regulariser`` is L_reg with its weights,
            ``source_checkpoint`` the model of phase 1.
    """

    #: The soft labels of files are of the current frames alone.
    WITHOUT = ('soft_labels',)

    def __init__(
        self,
        refinement: str | None = 'consensus',
        occlusion: Mapping[str, float] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if refinement is not None and refinement not in REFINEMENTS:
            raise ValueError(f'VST: refinement={refinement!r} is not one of {REFINEMENTS}.')
        if not set(occlusion or {}) <= {'alpha', 'threshold'}:
            raise ValueError(f'VST: occlusion={occlusion} may have alpha and threshold only.')
        self.refinement = refinement
        self.occlusion = dict(occlusion or {})

    def labels(self, target: DomainClips) -> tuple[Tensor, dict[str, Tensor]]:
        """The refined pseudo-labels (N, T, H, W) of all frames."""
        labels = target.clip_labels('VST: the target clips')
        refined = labels if self.refinement is None else self.refine(labels, target.clip)
        return refined, dict(
            labelled=labelled_share(labels), labelled_refined=labelled_share(refined)
        )

    def scores(self, clip: Clip) -> Tensor:
        """Scores (N, T, K, H, W) of all frames."""
        return clip_scores(self.student, clip.frames, self.align_corners, self.clip_flow(clip))

    @torch.no_grad()
    def refine(self, labels: Tensor, clip: Clip) -> Tensor:
        """Refined pseudo-labels of all frames.

        Args:
            labels: (N, T, H, W), T > 1, int64.
            clip: With flow both ways.

        Returns:
            (N, T, H, W).

        Raises:
            ValueError: If the clip has one frame only, or not both flows.
        """
        if clip.flow is None or clip.forward_flow is None:
            raise ValueError(
                f'VST: refinement={self.refinement!r} needs clips of 2 frames or more with flow '
                'both ways: clip_length=2 in the target data set and '
                "dict(type='LoadFlow', ..., both_ways=True) in its pipeline."
            )
        refined = []
        for t in range(labels.shape[1]):
            other, flow = (t - 1, clip.flow[:, t - 1]) if t else (1, clip.forward_flow[:, 0])
            if self.refinement == 'consensus':
                refined.append(consensus(labels[:, t], labels[:, other], flow))
            else:
                visible = photometric_visible(
                    clip.raw[:, t], backward_warp(clip.raw[:, other], flow), **self.occlusion
                )
                refined.append(fill_in(labels[:, t], labels[:, other], flow, visible))
        return torch.stack(refined, dim=1)
