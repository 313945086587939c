"""Deep feature flow: features of a key frame serve the frames after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, cast

import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, SampleList
from torch import Tensor

from mmdavss.ops import compose_flow
from mmdavss.structures import sample_labels

from .base import HEAD_PARTS, HeadScores, graph_for, segmentor_heads, segmentor_losses
from .propagating import PropagatingNet
from .split_head import split_head, with_features


class Key(NamedTuple):
    """What a stream keeps of its key frame.

    Attributes:
        frame: (N, 3, H, W), normalised.
        features: (N, C, h, w).
        flow: (N, 2, H, W) from the last frame to the key frame, where flow comes with the frames.
        age: How many frames back it lies, seen from the last frame.
    """

    frame: Tensor
    features: Tensor
    flow: Tensor | None
    age: int


@MODELS.register_module()
class DFF(PropagatingNet):
    """Deep feature flow (Zhu et al., CVPR 2017), a net of SFC's table 4.

    Only the key frame, the clip's first, goes through the backbone. Its features are carried to
    the current frame along the flow current->key, and classified there. In a video every
    ``key_interval``-th frame is a key frame, so that a network of high cost runs rarely; a clip of
    one frame is a key frame, and so is each frame of a video where clips have one.

    Assumptions, where SFC's paper says nothing:

    - Flow over several frames is estimated directly between the current and the key frame, as in
      DFF's paper; flow that comes with the clip is chained.
    - DFF multiplies carried features by a scale field that its FlowNetS predicts besides the flow,
      and that starts as one. It is left out: the flow branch is exchangeable (SFC's table 5).
    - The flow is brought to the features' resolution.
    - The auxiliary head classifies its carried features as the decode head does.

    Args:
        segmentor: The mmseg segmentor.
        key_interval: Distance of the key frames of a video (5 for Cityscapes in DFF's paper).
        kwargs: Those of :class:`PropagatingNet`.

    Raises:
        ValueError: For an unknown option.
        TypeError: If a head that it trains has no classifier of carried features.
    """

    chooses_key_frames = True

    def __init__(
        self,
        segmentor: ConfigType,
        flow_net: OptConfigType = None,
        stage: int | None = None,
        key_interval: int = 5,
        padding_mode: str = 'zeros',
        allow_random_init: bool = False,
    ) -> None:
        super().__init__(segmentor, flow_net, stage, padding_mode, allow_random_init)
        if key_interval < 1:
            raise ValueError(f'{type(self).__name__}: key_interval={key_interval} is below 1.')
        self.key_interval = key_interval
        if stage is None:  # in stages auxiliary heads see no carried features
            self._split_auxiliary()
        self._freeze_for_stage()

    def _split_auxiliary(self) -> None:
        """Splits the auxiliary heads as :meth:`split` does the decode head."""
        heads = segmentor_heads(self.segmentor)
        del heads['decode']
        for head in heads.values():
            try:
                split_head(head)
            except TypeError as error:
                raise TypeError(
                    f'{type(self).__name__}: auxiliary_head: {error} Or leave it out.'
                ) from error

    def _single_frame(self, frames: Tensor) -> bool:
        return self.stage == 1 or frames.shape[1] == 1

    def correct(self, carried: Tensor, frame: Tensor, key_frame: Tensor, to_key: Tensor) -> Tensor:
        """Carried features (N, C, h, w) as they are classified; here nothing is changed."""
        return carried

    def frames_read(self, length: int) -> tuple[int, ...]:
        return super().frames_read(length)[-1:] if self.stage == 1 else (0,)

    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        if self._single_frame(frames):
            return self.classify(
                self.features(frames[:, -1]) if features is None else features[:, -1]
            )
        key = self.features(frames[:, 0]) if features is None else features[:, 0]
        to_key = self.key_flow(frames, flow)
        return self.classify(
            self.correct(self.carry(key, to_key), frames[:, -1], frames[:, 0], to_key)
        )

    def head_scores(
        self,
        frames: Tensor,
        flow: Tensor | None = None,
        levels: tuple[Tensor, ...] | None = None,
        parts: Collection[str] = HEAD_PARTS,
        detached: Collection[str] = (),
        single: Collection[str] | None = None,
    ) -> dict[str, HeadScores]:
        if self._single_frame(frames):
            return super().head_scores(frames, flow, levels, parts, detached, single)
        alone = self._single_heads(single)
        current: dict[str, Tensor] = {}
        key: dict[str, Tensor] = {}
        features: dict[str, Tensor | None] = {}
        fused = {}
        carries = 'fused' in parts or 'losses' in parts
        if 'current' in parts:
            with graph_for('features' in parts or 'current' not in detached):
                levels = self.levels(frames[:, -1]) if levels is None else levels
                for name, head in alone.items():
                    featured = 'features' in parts and name == 'decode'
                    current[name], features[name] = with_features(head, levels, featured)
        with graph_for(carries):
            seen = self.levels(frames[:, 0]) if carries or 'key' in parts else ()
            of_key = self._own_features(seen) if carries else {}
        if 'key' in parts:
            with torch.no_grad():
                key = {
                    name: head.cls_seg(of_key[name].detach()) if carries else head(seen)
                    for name, head in alone.items()
                }
        if carries:
            fused = self._carried_scores(
                of_key, frames, flow, levels, 'losses' in parts, current.get('decode')
            )
        if 'current' in detached:
            current = {name: maps.detach() for name, maps in current.items()}
        return {
            name: HeadScores(
                fused.get(name, (None, {}))[0],
                current.get(name),
                key.get(name),
                fused.get(name, (None, {}))[1],
                features.get(name),
            )
            for name in self.heads
        }

    def loss(
        self,
        frames: Tensor,
        flow: Tensor | None,
        data_samples: SampleList,
        levels: tuple[Tensor, ...] | None = None,
    ) -> dict:
        if self._single_frame(frames):
            current = self.levels(frames[:, -1]) if levels is None else levels
            if self.stage == 2:  # without auxiliary heads
                scores = self.head_scores(frames, flow, current, parts=('fused', 'losses'))
                return self.supervise(scores, sample_labels(data_samples))
            return segmentor_losses(self.segmentor, current, data_samples)
        # Not by head_scores: the current frame's own would cost a pass through the backbone.
        features = self._own_features(self.levels(frames[:, 0]))
        carried = self._carried_scores(features, frames, flow, levels)
        return self.supervise(
            {name: HeadScores(fused, losses=own) for name, (fused, own) in carried.items()},
            sample_labels(data_samples),
        )

    def _own_features(self, levels: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What each head's classifier gets, (N, C, h, w)."""
        # Split heads: mmseg's own have no `_forward_feature`.
        heads = cast(Mapping[str, Any], self.heads)
        return {name: head._forward_feature(levels) for name, head in heads.items()}

    def _carried_scores(
        self,
        features: dict[str, Tensor],
        frames: Tensor,
        flow: Tensor | None,
        levels: tuple[Tensor, ...] | None,
        own_losses: bool = True,
        own: Tensor | None = None,
    ) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
        """For each head the scores from features of the key frame, and the net's own losses."""
        to_key = self.key_flow(frames, flow)
        scores = {}
        for name, head in self.heads.items():
            carried = self.carry(features[name], to_key)
            if name != 'decode':
                scores[name] = head.cls_seg(carried), {}
            elif own_losses:
                scores[name] = self._corrected_scores(carried, frames, to_key, levels, own)
            else:
                scores[name] = (
                    self.classify(self.correct(carried, frames[:, -1], frames[:, 0], to_key)),
                    {},
                )
        return scores

    def _corrected_scores(
        self,
        carried: Tensor,
        frames: Tensor,
        to_key: Tensor,
        levels: tuple[Tensor, ...] | None,
        own: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """In training, the decode head's scores from carried features, and the net's own losses.

        Args:
            carried: (N, C, h, w).
            frames: (N, T, 3, H, W).
            to_key: (N, 2, H', W').
            levels: Those of the current frame if they are at hand.
            own: The decode head's scores (N, K, h, w) of the current frame if they are at hand.
        """
        return self.classify(self.correct(carried, frames[:, -1], frames[:, 0], to_key)), {}

    def step(
        self,
        frame: Tensor,
        flow: Tensor | None = None,
        state: Key | None = None,
        clip_length: int = 2,
    ) -> tuple[Tensor, Key | None]:
        """See :meth:`VideoNet.step`; ``key_interval`` says what a clip is, not ``clip_length``.

        It equals the clip from the last key frame to this frame. Frames between key frames do not
        go through the backbone. Where clips have one frame there is no flow: each is a key frame.
        """
        interval = 1 if clip_length == 1 or self.stage == 1 else self.key_interval
        if state is None or state.age + 1 >= interval:
            features = self.features(frame)
            return self.classify(features), Key(frame, features, None, 0)
        if flow is None:
            to_key = self._direct_flow(frame, state.frame)
        else:
            to_key = flow if state.flow is None else compose_flow(flow, state.flow)
        features = self.correct(self.carry(state.features, to_key), frame, state.frame, to_key)
        state = state._replace(flow=None if flow is None else to_key, age=state.age + 1)
        return self.classify(features), state
