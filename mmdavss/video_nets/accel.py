"""Accel: the current frame's scores, corrected by those of an earlier frame."""
from __future__ import annotations

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList, add_prefix
from torch import Tensor, nn

from mmdavss.ops import backward_warp, chain_flow, forward_splat, resize_flow

from .base import HeadScores, VideoNet, segmentor_heads

FUSIONS = ('score', 'feature')
FUSION_INITS = ('identity', 'xavier')
PROPAGATIONS = ('warp', 'splat')


@MODELS.register_module()
class Accel(VideoNet):
    """Accel (Jain et al., CVPR 2019) in the forms of the domain-adaptation literature.

    A reference branch sees the key frame (the first of the clip), an update branch the current
    one. What the reference branch computes is carried to the current frame by flow and joined
    with what the update branch computes by a 1x1 convolution without bias. "Accel" names three
    networks in the literature; ``configs/_base_/models`` has a preset for each:

    ==================  ========================  ========  =====================  ========
    preset              branches                  fusion    propagation            key grad
    ==================  ========================  ========  =====================  ========
    DA-VSN, TPS, STPL   one net, shared           scores    splat (DA-VSN), warp   no
    SFC                 two nets                  scores    warp                   yes
    Jain et al. 101     two nets                  features  warp                   yes
    ==================  ========================  ========  =====================  ========

    Args:
        segmentor: The mmseg segmentor of the update branch.
        reference_segmentor: That of the reference branch; None shares the update branch's weights.
        fusion: Whether ``score`` maps or ``feature`` maps are carried and joined.
        fusion_init: ``identity`` starts as the current frame alone, so that a fresh fusion is
            never worse than the single-frame net; ``xavier`` as in SFC.
        propagation: ``warp`` samples the key frame's map backwards along the flow, bilinearly,
            ``splat`` throws it forward to the nearest pixel as DA-VSN does (see
            :func:`mmdavss.ops.forward_splat`).
        padding_mode: What a backward warp reads outside the key frame: ``zeros`` leaves those
            pixels to the current frame, ``border`` is what TPS does.
        key_grad: Whether the loss reaches the reference branch.
        allow_random_init: See :class:`VideoNet`.

    Raises:
        ValueError: For an unknown option.
    """

    needs_flow = True

    def __init__(self,
                 segmentor: ConfigType,
                 reference_segmentor: OptConfigType = None,
                 fusion: str = 'score',
                 fusion_init: str = 'identity',
                 propagation: str = 'warp',
                 padding_mode: str = 'zeros',
                 key_grad: bool = False,
                 allow_random_init: bool = False) -> None:
        super().__init__(segmentor, allow_random_init)
        for name, value, choices in (('fusion', fusion, FUSIONS),
                                     ('fusion_init', fusion_init, FUSION_INITS),
                                     ('propagation', propagation, PROPAGATIONS)):
            if value not in choices:
                raise ValueError(f'Accel: {name}={value!r} is not one of {choices}.')
        self.reference_segmentor = None if reference_segmentor is None \
            else MODELS.build(reference_segmentor)
        if self.reference_segmentor is not None and not key_grad:
            self.reference_segmentor.requires_grad_(False)
        self.fusion_level = fusion
        self.fusion_init = fusion_init
        self.propagation = propagation
        self.padding_mode = padding_mode
        self.key_grad = key_grad
        channels = self.num_classes if fusion == 'score' else self.feature_channels
        self.fusion = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self._init_fusion()

    def _init_fusion(self) -> None:
        if self.fusion_init == 'xavier':
            nn.init.xavier_normal_(self.fusion.weight)
            return
        with torch.no_grad():
            nn.init.zeros_(self.fusion.weight)
            nn.init.eye_(self.fusion.weight[:, :self.fusion.out_channels, 0, 0])

    @property
    def reference(self) -> EncoderDecoder:
        """The segmentor that sees the key frame."""
        return self.segmentor if self.reference_segmentor is None else self.reference_segmentor

    def freeze_classifier(self) -> None:
        super().freeze_classifier()
        self.fusion.requires_grad_(False)
        if self.reference_segmentor is not None:
            self.reference_segmentor.requires_grad_(False)

    def freeze_auxiliary(self) -> None:
        super().freeze_auxiliary()
        if self.reference_segmentor is not None and self.reference_segmentor.with_auxiliary_head:
            self.reference_segmentor.auxiliary_head.requires_grad_(False)

    def carry(self, maps: Tensor, flow: Tensor | None) -> Tensor:
        """Carries the key frame's maps to the current frame.

        Args:
            maps: (N, C, h, w) on the key frame's grid.
            flow: (N, T-1, 2, H, W), consecutive flows of the clip; None or T = 1 carries nothing.

        Returns:
            (N, C, h, w) on the current frame's grid.
        """
        if flow is None or flow.shape[1] == 0:
            return maps
        to_key = resize_flow(chain_flow(flow), maps.shape[-2:])
        if self.propagation == 'warp':
            return backward_warp(maps, to_key, padding_mode=self.padding_mode)
        # The negated flow stands in for the flow key -> current, which DA-VSN does not compute.
        return forward_splat(maps, -to_key)

    def _fuse(self, current: Tensor, key: Tensor, flow: Tensor | None) -> Tensor:
        return self.fusion(torch.cat([current, self.carry(key, flow)], dim=1))

    def _check(self, frames: Tensor, flow: Tensor | None) -> None:
        if frames.shape[1] > 1 and flow is None:
            raise ValueError(
                f'Accel got clips of {frames.shape[1]} frames without flow: add LoadFlow to the '
                'pipeline, or give the method a flow provider (flow=dict(type=...)).')

    def _key_features(self, frames: Tensor) -> tuple[Tensor, ...]:
        with torch.set_grad_enabled(self.key_grad and torch.is_grad_enabled()):
            return self.reference.extract_feat(frames[:, 0])

    def forward(self, frames: Tensor, flow: Tensor | None = None,
                features: Tensor | None = None, heads: bool = False
                ) -> Tensor | dict[str, HeadScores]:
        if heads:
            return self.head_scores(frames, flow)
        self._check(frames, flow)
        current = self.features(frames[:, -1]) if features is None else features[:, -1]
        key_head = self.reference.decode_head
        if features is not None and self.reference_segmentor is None:
            key = features[:, 0] if self.key_grad else features[:, 0].detach()
        else:
            key = key_head._forward_feature(self._key_features(frames))
        if self.fusion_level == 'feature':
            return self.classify(self._fuse(current, key, flow))
        return self._fuse(self.classify(current), key_head.cls_seg(key), flow)

    def head_scores(self, frames: Tensor, flow: Tensor | None = None) -> dict[str, HeadScores]:
        if self.fusion_level == 'feature':
            return super().head_scores(frames, flow)
        self._check(frames, flow)
        current, key = self.stages(frames[:, -1]), self._key_features(frames)
        key_heads = segmentor_heads(self.reference)
        return {name: self._head_scores(head, key_heads[name], current, key, flow)
                for name, head in self.heads.items()}

    def _head_scores(self, head: nn.Module, key_head: nn.Module, current: tuple[Tensor, ...],
                     key: tuple[Tensor, ...], flow: Tensor | None) -> HeadScores:
        with torch.set_grad_enabled(self.key_grad and torch.is_grad_enabled()):
            key_scores = key_head(key)
        scores = head(current)
        return HeadScores(self._fuse(scores, key_scores, flow), scores, key_scores)

    def loss(self, frames: Tensor, flow: Tensor | None, data_samples: SampleList,
             stages: tuple[Tensor, ...] | None = None) -> dict:
        self._check(frames, flow)
        current = self.stages(frames[:, -1]) if stages is None else stages
        key = self._key_features(frames)
        losses = add_prefix(
            self._head_loss('decode_head', current, key, flow, data_samples), 'decode')
        if self.segmentor.with_auxiliary_head:
            losses.update(add_prefix(
                self._head_loss('auxiliary_head', current, key, flow, data_samples), 'aux'))
        return losses

    def _head_loss(self, name: str, current: tuple[Tensor, ...], key: tuple[Tensor, ...],
                   flow: Tensor | None, data_samples: SampleList) -> dict:
        head, key_head = getattr(self.segmentor, name), getattr(self.reference, name)
        if self.fusion_level == 'feature' and name == 'decode_head':
            fused = head.cls_seg(self._fuse(
                head._forward_feature(current), key_head._forward_feature(key), flow))
        elif self.fusion_level == 'feature':
            # The auxiliary classifier has features of its own width: single-frame.
            fused = head(current)
        else:
            fused = self._head_scores(head, key_head, current, key, flow).fused
        return head.loss_by_feat(fused, data_samples)
