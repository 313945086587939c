"""Accel: the current frame's scores, corrected by those of an earlier frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, cast

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList, add_prefix
from torch import Tensor, nn

from mmdavss.ops import carry_by_truncation, chain_flow, forward_splat, resize_flow
from mmdavss.structures import sample_labels

from .base import (
    HEAD_PARTS,
    SINGLE_FRAMES,
    HeadScores,
    feature_channels,
    frame_scores,
    graph_for,
    levels_of,
    segmentor_heads,
    segmentor_losses,
)
from .hrda import HRDA
from .propagating import PropagatingNet, enlarge
from .split_head import with_features

FUSIONS = ('score', 'feature')
FUSION_INITS = ('identity', 'xavier')
PROPAGATIONS = ('warp', 'splat', 'truncate')


class Seen(NamedTuple):
    """What a stream keeps of a frame.

    Attributes:
        key: (N, C, h, w), what the reference branch computed.
        frame: (N, 3, H, W), where the flow branch needs it.
        flow: (N, 2, H, W) to the frame before, where flow comes with the frames.
    """

    key: Tensor
    frame: Tensor | None
    flow: Tensor | None


@MODELS.register_module()
class Accel(PropagatingNet):
    """Accel (Jain et al., CVPR 2019) in the forms of the domain-adaptation literature.

    A reference branch sees the key frame (the first of the clip), an update branch the current
    one. What the reference branch computes is carried to the current frame by flow and joined
    with what the update branch computes by a 1x1 convolution. "Accel" names three networks in the
    literature; ``configs/_base_/models`` has a preset for each (below ``configs/hrda`` there is
    UnifiedVideoDA's of an :class:`HRDA`, ``propagation='truncate'``):

    ==================  ================  ========  ===========  ====================  ========
    preset              branches          fusion    flow         propagation           key grad
    ==================  ================  ========  ===========  ====================  ========
    DA-VSN, TPS, STPL   one net, shared   scores    given        splat (DA-VSN), warp  no
    SFC                 two nets          scores    flow branch  warp                  yes
    Jain et al. 101     two nets          features  given        warp                  yes
    ==================  ================  ========  ===========  ====================  ========

    Args:
        segmentor: The mmseg segmentor of the update branch.
        reference_segmentor: That of the reference branch; None shares the update branch's weights.
        flow_net: See :class:`PropagatingNet`.
        stage: See :class:`PropagatingNet`; stage one trains both branches.
        fusion: Whether ``score`` maps or ``feature`` maps are carried and joined. The classifiers
            of a reference branch whose features are joined serve stage one only.
        fusion_init: ``identity`` starts as the current frame alone, so that a fresh fusion is
            never worse than the single-frame net; ``xavier`` as in SFC.
        fusion_bias: Whether the 1x1 convolution has a bias, as in SFC.
        enlarge: Factor by which both maps are enlarged before one is carried; SFC fuses scores of
            a net of stride 8 at the flow's quarter resolution, a factor of 2.
        propagation: ``warp`` samples the key frame's map backwards along the flow, bilinearly,
            ``splat`` throws it forward to the nearest pixel as DA-VSN does (see
            :func:`mmdavss.ops.forward_splat`). ``truncate`` is that of UnifiedVideoDA: both maps
            are enlarged to the flow's size, and the key frame's has no value where
            :func:`mmdavss.ops.carry_by_truncation` carries none. There it is 0; in the release,
            255, which the fusion weighs like a score.
        carry_rows: For ``truncate``: share of the height below which nothing is carried; 0.7 as
            published, and 840/1024 for Cityscapes.
        padding_mode: What a backward warp reads outside the key frame: ``zeros`` leaves those
            pixels to the current frame, ``border`` is what TPS does.
        key_grad: Whether the loss reaches the reference branch.
        allow_random_init: See :class:`VideoNet`.

    Raises:
        ValueError: For an unknown option, an :class:`HRDA` whose features shall be fused, or two
            segmentors that do not fit together.
    """

    takes_scales = True

    def __init__(
        self,
        segmentor: ConfigType,
        reference_segmentor: OptConfigType = None,
        flow_net: OptConfigType = None,
        stage: int | None = None,
        fusion: str = 'score',
        fusion_init: str = 'identity',
        fusion_bias: bool = False,
        enlarge: int = 1,
        propagation: str = 'warp',
        carry_rows: float = 0.7,
        padding_mode: str = 'zeros',
        key_grad: bool = False,
        allow_random_init: bool = False,
    ) -> None:
        super().__init__(segmentor, flow_net, stage, padding_mode, allow_random_init)
        for name, value, choices in (
            ('fusion', fusion, FUSIONS),
            ('fusion_init', fusion_init, FUSION_INITS),
            ('propagation', propagation, PROPAGATIONS),
        ):
            if value not in choices:
                raise ValueError(f'Accel: {name}={value!r} is not one of {choices}.')
        if propagation == 'truncate' and not 0 <= carry_rows <= 1:
            raise ValueError(
                f'Accel: carry_rows={carry_rows} must be a share of the height, in [0, 1].'
            )
        unused = {
            'enlarge': enlarge != 1 and propagation == 'truncate',
            'padding_mode': padding_mode != 'zeros' and propagation != 'warp',
        }
        for name, given in unused.items():
            if given:
                raise ValueError(
                    f'Accel: {name} has no effect with propagation={propagation!r}: leave it out.'
                )
        self.reference_segmentor = (
            None if reference_segmentor is None else MODELS.build(reference_segmentor)
        )
        if self.reference_segmentor is not None:
            self.split(self.reference_segmentor)
        kinds = {isinstance(net, HRDA) for net in self.segmentors}
        if kinds != {False} and (fusion == 'feature' or stage is not None or len(kinds) > 1):
            raise ValueError(
                "Accel: an HRDA joins scores of two scales: use fusion='score', one for both "
                'branches, and no stages.'
            )
        self.fusion_level = fusion
        self._check_fit(stage)
        self.fusion_init = fusion_init
        self.enlarge = enlarge
        self.propagation = propagation
        self.carry_rows = carry_rows
        self.key_grad = key_grad
        channels = self.num_classes if fusion == 'score' else self.feature_channels
        self.fusion = nn.Conv2d(2 * channels, channels, 1, bias=fusion_bias)
        self._init_fusion()
        self._freeze_for_stage()
        if self.reference_segmentor is not None and stage != 1:
            if not key_grad:
                self.reference_segmentor.requires_grad_(False)
            elif fusion == 'feature':  # nothing behind its features is joined: no loss reaches it
                self.reference_segmentor.decode_head.conv_seg.requires_grad_(False)
                if self.reference_segmentor.with_auxiliary_head:
                    self.reference_segmentor.auxiliary_head.requires_grad_(False)

    def _check_fit(self, stage: int | None) -> None:
        """Checks that what both segmentors compute can be joined.

        Raises:
            ValueError: If not; names both sides.
        """
        nets = (self.segmentor, self.reference)
        sides: dict[str, list[Any]] = dict(num_classes=[net.num_classes for net in nets])
        if self.fusion_level == 'feature':
            sides['channels of features'] = [feature_channels(net) for net in nets]
        elif stage is None:  # in stages no auxiliary scores are joined
            heads, others = map(segmentor_heads, nets)
            sides['channels of classifiers'] = [
                {name: getattr(of_net.get(name), 'out_channels', None) for name in heads}
                for of_net in (heads, others)
            ]
        for what, (own, other) in sides.items():
            if own != other:
                raise ValueError(
                    f'Accel: {what}: {own} of segmentor, {other} of reference_segmentor: they must '
                    'be the same to be joined.'
                )

    def _init_fusion(self) -> None:
        if self.fusion.bias is not None:
            nn.init.zeros_(self.fusion.bias)
        if self.fusion_init == 'xavier':
            nn.init.xavier_normal_(self.fusion.weight)
            return
        with torch.no_grad():
            nn.init.zeros_(self.fusion.weight)
            nn.init.eye_(self.fusion.weight[:, : self.fusion.out_channels, 0, 0])

    @property
    def reference(self) -> EncoderDecoder:
        """The segmentor that sees the key frame."""
        return self.segmentor if self.reference_segmentor is None else self.reference_segmentor

    @property
    def fuses_given_scores(self) -> bool:
        """Whether it joins score maps of single frames along flow that comes with the clips."""
        return (
            self.fusion_level == 'score'
            and self.flow_net is None
            and self.stage is None
            and not isinstance(self.segmentor, HRDA)
        )

    @property
    def segmentors(self) -> tuple[EncoderDecoder, ...]:
        reference = self.reference_segmentor
        return (self.segmentor,) if reference is None else (self.segmentor, reference)

    def carry(self, maps: Tensor, to_key: Tensor | None) -> Tensor:
        if to_key is None or self.propagation == 'warp':
            return super().carry(maps, to_key)
        if self.propagation == 'truncate':
            lowest = int(self.carry_rows * to_key.shape[-2])
            carried, valid = carry_by_truncation(maps, to_key, lowest)
            return carried.masked_fill(~valid[:, None], 0.0)
        # The negated flow stands in for the flow key -> current, which DA-VSN does not compute.
        return forward_splat(maps, -resize_flow(to_key, maps.shape[-2:]))

    def _fuse(self, current: Tensor, key: Tensor, to_key: Tensor | None) -> Tensor:
        if self.propagation == 'truncate' and to_key is not None:
            return self.fuse_pasted(current, key, to_key, None)
        current, key = enlarge(current, self.enlarge), enlarge(key, self.enlarge)
        return self.fusion(torch.cat([current, self.carry(key, to_key)], dim=1))

    def pasted_scores(self, frames: Tensor, flow: Tensor, still: Tensor | None = None) -> Tensor:
        """Scores of the decode head of clips with something pasted in that has no motion (QuadMix).

        Both frames' scores are joined at the size of the flow; at the pixels without motion, those
        of the current frame stand in for those of the key frame.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W).
            still: (N, T, H, W), bool, the pixels without motion. None: nothing is pasted, and the
                scores are joined as of any clip.

        Returns:
            (N, K, H, W); without `still` as :meth:`head_scores` has them.
        """
        to_key = self.key_flow(frames, flow)
        assert to_key is not None  # there is flow
        current = self._maps(self.segmentor, self.features(frames[:, -1]))
        with self._key_grad():
            reference = self.reference
            levels = self._key_levels(frames[:, 0])
            key = self._maps(reference, reference.decode_head._forward_feature(levels))
        if still is None:
            return self._fuse(current, key, to_key)
        return self.fuse_pasted(current, key, to_key, still[:, -1])

    def fuse_pasted(
        self, current: Tensor, key: Tensor, to_key: Tensor, still: Tensor | None
    ) -> Tensor:
        """Scores (N, K, H, W) joined at the size of the flow, see :meth:`pasted_scores`.

        Args:
            current: Scores (N, K, h, w) of the current frame.
            key: Those of the key frame.
            to_key: (N, 2, H, W), flow current->key.
            still: (N, H, W), bool, or None.
        """
        current, key = (
            resize(own, to_key.shape[-2:], mode='bilinear', align_corners=self.align_corners)
            for own in (current, key)
        )
        key = self.carry(key, to_key)
        if still is not None:
            key = torch.where(still[:, None], current, key)
        return self.fusion(torch.cat([current, key], dim=1))

    def _key_grad(self) -> AbstractContextManager[None]:
        return graph_for(self.key_grad)

    def frames_read(self, length: int) -> tuple[int, ...]:
        read = super().frames_read(length)
        if length == 1 or self.stage == 1 or self.reference_segmentor is not None:
            return read[-1:]
        return read[:1] + read[-1:]

    def frames_shared(self, length: int) -> tuple[int, ...]:
        """As of the base class; of an :class:`HRDA` whose details cover the image too."""
        joins = self.stage != 1 and self.reference_segmentor is None
        if isinstance(self.segmentor, HRDA) and joins and not self.segmentor.training:
            return (0, length - 1) if length > 1 else (0,)
        return super().frames_shared(length)

    def shared(self, frame: Tensor) -> Tensor:
        """As of the base class; of an :class:`HRDA` its joined scores."""
        if isinstance(self.segmentor, HRDA):
            return self.segmentor.scales(self.levels(frame), frame).fused
        return super().shared(frame)

    def _key_levels(self, frame: Tensor) -> tuple[Tensor, ...]:
        with self._key_grad():
            return tuple(self.reference.extract_feat(frame))

    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        if isinstance(self.segmentor, HRDA):
            if features is not None and not self.segmentor.training:
                key = features[:, 0] if self.key_grad else features[:, 0].detach()
                return self._fuse(features[:, -1], key, self.key_flow(frames, flow))
            return cast(Tensor, self._scale_scores(frames, flow, supervised=False)['decode'].fused)
        if features is None and frames.shape[1] == 1 and self.reference_segmentor is None:
            features = self.features(frames[:, 0])[:, None]  # one pass: it is its own key frame
        current = self.features(frames[:, -1]) if features is None else features[:, -1]
        if self.stage == 1:
            return self.classify(current)
        to_key = self.key_flow(frames, flow)
        if features is not None and self.reference_segmentor is None:
            key = features[:, 0] if self.key_grad else features[:, 0].detach()
        else:
            key = self.reference.decode_head._forward_feature(self._key_levels(frames[:, 0]))
        maps = self._maps(self.segmentor, current), self._maps(self.reference, key)
        return self._joined_scores(*maps, to_key)

    def _scale_scores(
        self,
        frames: Tensor,
        flow: Tensor | None,
        levels: tuple[Tensor, ...] | None = None,
        supervised: bool = True,
    ) -> dict[str, HeadScores]:
        """Of an :class:`HRDA`: the joined scores of both frames are fused, a detail is of its own.

        UnifiedVideoDA's network fuses the details too, which show different boxes of the two
        frames, by the flow of the whole image.

        A frame without one before it is its own key frame. In evaluation mode, where the details
        cover the image, one pass does; in training its key has a box of its own, and a pass.
        """
        to_key, current, key = self.key_flow(frames, flow), frames[:, -1], frames[:, 0]
        levels = self.levels(current) if levels is None else levels
        scores = frame_scores(self.segmentor, levels, current, self.heads, supervised)
        own = scores['decode']
        alone = frames.shape[1] == 1 and self.reference_segmentor is None
        if alone and not self.segmentor.training:
            of_key = cast(Tensor, own.fused)
            of_key = of_key if self.key_grad else of_key.detach()
        else:
            with self._key_grad():
                of_key = self._scale_key_scores(key)
        fused = self._fuse(own.fused, of_key, to_key)
        return scores | dict(
            decode=own._replace(fused=fused, current=own.fused, key=of_key.detach())
        )

    def _scale_key_scores(self, frame: Tensor) -> Tensor:
        """Joined scores of an :class:`HRDA` for the key frame (N, 3, H, W)."""
        return cast(HRDA, self.reference).scales(self._key_levels(frame), frame).fused

    def _maps(self, segmentor: EncoderDecoder, features: Tensor) -> Tensor:
        """What is fused of the features (N, C, h, w) of a branch."""
        return (
            features if self.fusion_level == 'feature' else segmentor.decode_head.cls_seg(features)
        )

    def _joined_scores(self, current: Tensor, key: Tensor, to_key: Tensor | None) -> Tensor:
        fused = self._fuse(current, key, to_key)
        return self.classify(fused) if self.fusion_level == 'feature' else fused

    def head_scores(
        self,
        frames: Tensor,
        flow: Tensor | None = None,
        levels: tuple[Tensor, ...] | None = None,
        parts: Collection[str] = HEAD_PARTS,
        detached: Collection[str] = (),
        single: Collection[str] | None = None,
    ) -> dict[str, HeadScores]:
        if self.stage == 1:
            return super().head_scores(frames, flow, levels, parts, detached, single)
        separate = self.reference_segmentor is not None
        if self.fusion_level == 'feature' and separate and 'key' in parts:
            # The reference branch ends in features, and its own classifiers are not trained in this
            # stage: the key frame goes through the update branch, as the current one does.
            keys = super().head_scores(frames, parts=('key',), single=single)
            others = [part for part in parts if part != 'key']
            scores = self.head_scores(frames, flow, levels, others, detached, single)
            return scores | {name: scores[name]._replace(key=own.key) for name, own in keys.items()}
        fuses = 'fused' in parts
        if isinstance(self.segmentor, HRDA):
            if fuses:
                return self._scale_scores(frames, flow, levels, 'losses' in parts)
            others = [part for part in parts if part != 'key']
            scores = super().head_scores(frames, flow, levels, others, detached, single)
            if 'key' in parts:
                with torch.no_grad():
                    key_scores = self._scale_key_scores(frames[:, 0])
                scores['decode'] = scores.get('decode', HeadScores())._replace(key=key_scores)
            return scores
        to_key = self.key_flow(frames, flow) if fuses else None
        current: tuple[Tensor, ...] = ()
        key: tuple[Tensor, ...] = ()
        with graph_for(fuses or 'current' not in detached):
            if fuses or 'current' in parts:
                current = self.levels(frames[:, -1]) if levels is None else levels
        with graph_for(fuses):
            if fuses or 'key' in parts:
                key = self._key_levels(frames[:, 0])
        # Where features are joined a reference may have no auxiliary classifiers.
        key_heads = segmentor_heads(self.reference)
        alone = self._single_heads(single)
        without = [part for part in parts if part not in SINGLE_FRAMES]
        return {
            name: self._head_scores(
                head,
                key_heads.get(name),
                current,
                key,
                to_key,
                parts if name in alone else without,
                detached,
            )
            for name, head in self.heads.items()
        }

    def _head_scores(
        self,
        head: Any,
        key_head: Any,
        current: tuple[Tensor, ...],
        key: tuple[Tensor, ...],
        to_key: Tensor | None,
        parts: Collection[str] = HEAD_PARTS,
        detached: Collection[str] = (),
    ) -> HeadScores:
        fuses = 'fused' in parts
        # The auxiliary classifier has features of its own width: single-frame.
        by_features = self.fusion_level == 'feature' and head is self.segmentor.decode_head
        by_scores = self.fusion_level == 'score'
        featured = 'features' in parts and head is self.segmentor.decode_head
        fused = scores = key_scores = maps = None
        if fuses and by_features:
            maps, key_maps = head._forward_feature(current), key_head._forward_feature(key)
            fused = head.cls_seg(self._fuse(maps, key_maps, to_key))
        if 'current' in parts or (fuses and not by_features):
            with graph_for((fuses and not by_features) or featured or 'current' not in detached):
                if fuses and by_features:
                    scores = head.cls_seg(maps)
                else:
                    scores, maps = with_features(head, current, featured)
        if 'key' in parts or (fuses and by_scores):
            with self._key_grad() if fuses and by_scores else torch.no_grad():
                key_scores = key_head.cls_seg(key_maps) if fuses and by_features else key_head(key)
        if fuses and not by_features:
            fused = self._fuse(scores, key_scores, to_key) if by_scores else scores
        if scores is not None and 'current' in detached:
            scores = scores.detach()
        key_scores = None if key_scores is None else key_scores.detach()
        return HeadScores(fused, scores, key_scores, features=maps if featured else None)

    def loss(
        self,
        frames: Tensor,
        flow: Tensor | None,
        data_samples: SampleList,
        levels: tuple[Tensor, ...] | None = None,
    ) -> dict:
        if self.stage != 1:
            scores = self.head_scores(frames, flow, levels, parts=('fused', 'losses'))
            return self.supervise(scores, sample_labels(data_samples))
        losses = {}
        for group in self._branch_losses(frames, data_samples, levels):
            losses |= group
        return losses

    def loss_groups(
        self, frames: Tensor, flow: Tensor | None, data_samples: SampleList
    ) -> Iterator[dict]:
        """See :meth:`VideoNet.loss_groups`; in stage one the branches have nothing in common."""
        if self.stage == 1:
            yield from self._branch_losses(frames, data_samples)
        else:
            yield self.loss(frames, flow, data_samples)

    def _branch_losses(
        self, frames: Tensor, data_samples: SampleList, levels: tuple[Tensor, ...] | None = None
    ) -> Iterator[dict]:
        """Each branch by itself, the reference's losses with the prefix reference."""
        # No name holds the levels of a branch while the next one is run.
        yield segmentor_losses(
            self.segmentor, self.levels(frames[:, -1]) if levels is None else levels, data_samples
        )
        if self.reference_segmentor is not None:
            yield add_prefix(
                segmentor_losses(
                    self.reference_segmentor,
                    tuple(self.reference_segmentor.extract_feat(frames[:, -1])),
                    data_samples,
                ),
                'reference',
            )

    def _stream_maps(self, segmentor: EncoderDecoder, frame: Tensor) -> Tensor:
        """What is fused of a frame (N, 3, H, W)."""
        levels = levels_of(segmentor, frame)
        if isinstance(segmentor, HRDA):
            return segmentor.scales(levels, frame).fused
        return self._maps(segmentor, segmentor.decode_head._forward_feature(levels))

    def step(
        self,
        frame: Tensor,
        flow: Tensor | None = None,
        state: tuple[Seen, ...] | None = None,
        clip_length: int = 2,
    ) -> tuple[Tensor, tuple[Seen, ...] | None]:
        current = self._stream_maps(self.segmentor, frame)
        if self.stage == 1:
            return self.classify(current) if self.fusion_level == 'feature' else current, None
        if self.reference_segmentor is None:
            key = current
        else:
            key = self._stream_maps(self.reference_segmentor, frame)
        own_flow = flow is None and self.flow_net is not None
        seen = Seen(key, frame if own_flow else None, flow)
        if state is None:
            state = (seen,) * (clip_length - 1)
        if not state:  # clips of one frame
            return self._joined_scores(current, key, None), state
        if flow is None:
            to_key = self._direct_flow(frame, state[0].frame)
        else:
            to_key = chain_flow(torch.stack([*(s.flow for s in state[1:]), flow], dim=1))
        return self._joined_scores(current, state[0].key, to_key), (*state[1:], seen)
