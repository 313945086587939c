"""I2VDA: image-to-video adaptation (Wu et al., ECCV 2022).

The paper's symbols:

======================  ==================================================================
M, M'                   ``student``, frame by frame; ``proxy``, a copy made now and then
D                       ``discriminator``: ImageDiscriminator
F                       ``flow``, a provider
I_0, I_1                the two frames of a target clip, I_1 the current one
I_t                     ``synthesise_frame`` (equations 2 and 3)
P_0, P_t                softmax of the student's scores
P_1^W                   ``backward_warp`` of P_t by F_{1->t} (equations 4 and 5)
P_1                     the proxy's softmax
E, O, PL                ``normalised_entropy``, ``round_trip_visible``, ``rectified_labels``
L_seg                   ``loss_seg``, ``cross_entropy`` (equation 10)
L_tc                    ``loss_tc``, ``probability_cross_entropy`` (equation 9)
L_adv, L_d              ``loss_adversarial``, ``discriminator.loss_*`` (equations 11 and 12)
ITER_LAUNCH, ITER_COPY  ``ProxyNetworkHook``
======================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.losses import cross_entropy
from mmdavss.modules import (
    probability_cross_entropy,
    rectified_labels,
    round_trip_visible,
    synthesise_frame,
)
from mmdavss.modules.temporal_augmentation import MASK_GRIDS
from mmdavss.modules.temporal_labels import IGNORE
from mmdavss.ops import backward_warp
from mmdavss.structures import Clip, DomainBatch
from mmdavss.utils.errors import check_factors, check_unit, number_of
from mmdavss.video_nets import VideoNet, clip_scores

from .adversarial import AdversarialAdapter


@MODELS.register_module()
class I2VDA(AdversarialAdapter):
    """Labelled source images and pairs of target frames, between which frames are synthesised.

    The student learns from the source, plays against a discriminator of the predictions of I_0 and
    I_t, and learns labels that the proxy gives to I_1, with its prediction of I_t carried there.
    ``ProxyNetworkHook`` decides when the proxy is copied and when it starts to label.

    Of the source single images are seen, and no flow. Target clips have two frames; where they come
    without flow both ways (``LoadFlow(both_ways=True)``), `flow` computes it. The flow to
    synthesised frames is always computed by `flow`.

    Args:
        consistency_weight: Factor of L_tc; 0 for none (ablation), and no proxy then.
        augmentation: Whether frames are synthesised. Without (ablation) I_0 takes the place of I_t:
            its prediction is carried along F_{1->0}, and the discriminator sees I_0 alone.
        t: The moment of I_t, 0 to 1 (ablation). None draws one for each sample.
        alpha: Share of I_0 in I_t.
        eta: Distance in pixels at which the way to the other frame and back ends in an occlusion;
            None for no occlusion mask (ablation).
        delta: Normalised entropy that labels stay below, None for no such limit (ablation). The
            text of the paper says 0.8, its table 5 knows 0.1, 0.3 and 0.5 and has the main result
            at 0.3.
        mask_grid: Frame on whose grid the occlusion mask is computed: ``current``, that of the
            labels, or ``paper``, that of I_0 as equation 7 is printed.
        gan_loss: As in :class:`AdversarialAdapter`, by default least squares.
        adversarial_weight: As in :class:`AdversarialAdapter`.
        discriminator_weight: As in :class:`AdversarialAdapter`. With 1, and the mean over I_0 and
            I_t for the target, the discriminator's loss is equation 12.
        kwargs: The others of :class:`AdversarialAdapter`.

    Raises:
        ValueError: For a value that an option cannot have, or if `flow` is missing or reads files.
    """

    shown = 'clip'
    #: ``all`` passes of training, or those of the ``target`` only. The proxy and predictions use
    #: these statistics; every pass is normalised by its own batch while training.
    STATISTICS = ('all', 'target')

    def __init__(
        self,
        consistency_weight: float = 1.0,
        augmentation: bool = True,
        t: float | None = None,
        alpha: float = 0.5,
        eta: float | None = 1.0,
        delta: float | None = 0.3,
        mask_grid: str = 'current',
        gan_loss: ConfigType | None = None,
        adversarial_weight: float = 0.01,
        discriminator_weight: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(
            gan_loss=gan_loss or dict(type='DomainGANLoss', kind='lsgan'),
            adversarial_weight=adversarial_weight,
            discriminator_weight=discriminator_weight,
            sum_frames=True,  # equation 11: over I_0 and I_t
            **kwargs,
        )
        self.require_single_frame_student()
        check_unit('I2VDA', t=t, alpha=alpha)
        for name, value in (('eta', eta), ('delta', delta)):
            if value is not None and value <= 0:
                raise ValueError(f'I2VDA: {name}={value} must be above 0, or None for no limit.')
        if mask_grid not in MASK_GRIDS:
            raise ValueError(f'I2VDA: mask_grid={mask_grid!r} is not one of {MASK_GRIDS}.')
        if augmentation and consistency_weight and (self.flow is None or self.flow.reads_files):
            raise ValueError(
                'I2VDA estimates the flow to synthesised frames (equation 5), which '
                'no file can hold: set `model.flow` to a provider that computes, for '
                "example flow=dict(type='DISFlowEstimator')."
            )
        check_factors('I2VDA', consistency_weight=consistency_weight)
        self.consistency_weight = consistency_weight
        self.augmentation = augmentation
        self.t = t
        self.alpha = alpha
        self.eta = eta
        self.delta = delta
        self.mask_grid = mask_grid
        self.proxy: VideoNet | None = None
        if consistency_weight:
            self.add_companion('proxy', kind='copy')
        self._launched: bool | None = None

    # -------------------------------------------------------------------- proxy

    @property
    def moved_by(self) -> Mapping[str, str]:
        own = {} if self.proxy is None else dict(schedule_proxy='ProxyNetworkHook')
        return {**super().moved_by, **own}

    def schedule_proxy(self, copy: bool, launched: bool) -> None:
        """Whether the proxy is copied now, and whether it labels in the next iteration."""
        self._launched = launched
        if copy:
            self.move_companions('copy')

    # ------------------------------------------------------------------- losses

    def student_losses(
        self, batch: DomainBatch
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]]:
        if self.proxy is not None and self._launched is None:
            raise RuntimeError(
                'I2VDA: nothing launches the proxy network: set custom_hooks='
                "[dict(type='ProxyNetworkHook', launch=..., interval=...)]."
            )
        source, labels = batch.source.clip, batch.source.labels

        # Flow first, see given_flow.
        clip = batch.target.clip
        consistent = self.proxy is not None and self._launched
        frames = [clip.frames[:, 0]]
        if self.augmentation or consistent:
            flow_01, flow_10 = self.pair_flows(clip)
            flow_1t = flow_10
        if self.augmentation:
            synthetic = synthesise_frame(
                clip.raw[:, 0], clip.raw[:, 1], flow_01, flow_10, self.moments(clip.raw), self.alpha
            )
            frames.append(self.data_preprocessor.normalise(synthetic))
            if consistent:
                flow_1t = self.flow(clip.raw[:, 1], synthetic)

        with self.counts_for('all'):
            p_s = clip_scores(self.student, source.frames[:, -1:], self.align_corners)
        yield dict(loss_seg=cross_entropy(p_s[:, 0], labels)), dict(source=dict(decode=p_s))

        losses = {}
        shown = clip_scores(self.student, torch.stack(frames, dim=1), self.align_corners)
        if consistent:
            losses = self.consistency(clip, shown[:, -1], flow_1t, flow_01, flow_10)
        yield losses, dict(target=dict(decode=shown))

    def moments(self, frames: Tensor) -> Tensor | float:
        """t, the same in every iteration or one for each of N frames: (N, 1, 1, 1)."""
        return torch.rand(len(frames), 1, 1, 1, device=frames.device) if self.t is None else self.t

    def pair_flows(self, clip: Clip) -> tuple[Tensor, Tensor]:
        """F_{0->1} and F_{1->0} (equation 1), each (N, 2, H, W): the clip's, or the provider's.

        Raises:
            ValueError: If the clip has not two frames, or there is neither flow nor provider.
        """
        if clip.frames.shape[1] != 2:
            raise ValueError(
                f'I2VDA: target clips have {number_of(clip.frames.shape[1], "frame")} '
                'instead of 2: set clip_length=2 in the target data set.'
            )
        if self.flow is None and (clip.flow is None or clip.forward_flow is None):
            raise ValueError(
                'I2VDA: target clips come without flow both ways and there is no '
                "provider: put dict(type='LoadFlow', ..., both_ways=True) into their "
                'pipeline or set `model.flow`.'
            )
        earlier, current = clip.raw[:, 0], clip.raw[:, 1]
        return (
            self.flow(earlier, current) if clip.forward_flow is None else clip.forward_flow[:, 0],
            self.flow(current, earlier) if clip.flow is None else clip.flow[:, 0],
        )

    def consistency(
        self, clip: Clip, scores: Tensor, flow_1t: Tensor, flow_01: Tensor, flow_10: Tensor
    ) -> dict[str, Tensor]:
        """L_tc (equations 4 and 6 to 9), with the shares of pixels that are visible and labelled.

        Args:
            clip: Of the target.
            scores: (N, K, H, W), the student's for I_t.
            flow_1t: (N, 2, H, W), F_{1->t}.
            flow_01: (N, 2, H, W), F_{0->1}.
            flow_10: (N, 2, H, W), F_{1->0}.
        """
        # Probabilities are carried over, not scores. Where nothing is, nothing is learnt.
        propagated, visible = backward_warp(scores.float().softmax(1), flow_1t, return_mask=True)
        if self.eta is not None:
            visible = visible & round_trip_visible(flow_01, flow_10, self.eta, self.mask_grid)
        labels = rectified_labels(self.proxy_probabilities(clip), visible, self.delta)
        return dict(
            loss_tc=self.consistency_weight * probability_cross_entropy(propagated, labels),
            visible=visible.float().mean(),
            labelled=(labels != IGNORE).float().mean(),
        )

    @torch.no_grad()
    def proxy_probabilities(self, clip: Clip) -> Tensor:
        """P_1: the proxy's class probabilities (N, K, H, W) of the current frames."""
        assert self.proxy is not None
        scores = clip_scores(self.proxy, clip.frames[:, -1:], self.align_corners)
        self.watch('the prediction of the proxy', scores)
        return scores[:, 0].float().softmax(1)
