"""The interface between video nets and the methods that adapt them."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, SampleList, add_prefix
from torch import Tensor

from .main_head import check_size
from .split_head import split_head


class HeadScores(NamedTuple):
    """What one classifier says of a clip; a part that nobody has asked for may be None.

    Attributes:
        fused: (N, K, h, w), for the current frame, from all frames.
        current: (N, K, h, w), for the current frame, from it alone.
        key: (N, K, h, w), for the first frame, from it alone, on its own grid. No gradient.
        losses: What the net itself wants besides, without labels, under the names of its losses.
    """

    fused: Tensor | None = None
    current: Tensor | None = None
    key: Tensor | None = None
    losses: Mapping[str, Tensor] = MappingProxyType({})


#: The parts of :class:`HeadScores`.
HEAD_PARTS = HeadScores._fields


class VideoNet(BaseModule, metaclass=ABCMeta):
    """A network from a clip (and flow) to the class scores of the clip's last frame.

    Methods use this interface only: :meth:`stages`, :meth:`features`, :meth:`classify`, calling
    the net, :meth:`head_scores` and :meth:`supervise`, :meth:`loss`, and :meth:`step` for a video
    frame by frame. It wraps a plain mmseg segmentor, whose decode head ends in its classifier,
    ``cls_seg`` (see :meth:`split`). Subclasses implement :meth:`scores`, :meth:`loss`
    and :meth:`step`, and :meth:`head_scores` if they see more than the current frame.

    Args:
        segmentor: Config of a mmseg segmentor with backbone, decode head, and maybe neck and
            auxiliary head.
        allow_random_init: Whether training may start from a backbone without pretrained weights.
    """

    #: Whether the net must be given the flow between its frames.
    needs_flow: bool = False
    #: Whether the net sees more than the current frame.
    temporal: bool = False
    #: Whether the net is of no use without a ``source_checkpoint``: parts of it are never trained.
    needs_checkpoint: bool = False

    def __init__(self, segmentor: ConfigType, allow_random_init: bool = False) -> None:
        super().__init__()
        self.segmentor = MODELS.build(segmentor)
        self.allow_random_init = allow_random_init
        self.split(self.segmentor)

    def split(self, segmentor: EncoderDecoder) -> None:
        """Splits the decode head of a segmentor into features and classifier, in place.

        Raises:
            TypeError: If that cannot be done.
        """
        if segmentor.out_channels != segmentor.num_classes:
            raise TypeError(
                f'{type(self).__name__} needs a decode head with one channel for each class; one '
                'with a single channel for two classes (out_channels=1) works in PerFrame.'
            )
        split_head(segmentor.decode_head)

    def check_size(self, height: int, width: int) -> None:
        """Checks that the net can take frames of a size; every pass does.

        Raises:
            ValueError: If it cannot; says which it can take.
        """
        for segmentor in self.segmentors:
            check_size(segmentor, height, width)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.segmentor.num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self.segmentor.align_corners

    @property
    def feature_channels(self) -> int:
        """Channels C of :meth:`features`."""
        head = self.segmentor.decode_head
        return head.feature_channels if hasattr(head, 'feature_channels') else head.channels

    @property
    def segmentors(self) -> tuple[EncoderDecoder, ...]:
        """All segmentation networks, that of the current frame first."""
        return (self.segmentor,)

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        """The classifiers, under the names that their losses begin with: ``decode``, ``aux``."""
        return segmentor_heads(self.segmentor)

    def stages(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames (N, 3, H, W) to the maps (N, C_i, h_i, w_i) of all stages of the backbone."""
        return stages_of(self.segmentor, frames)

    def stage_channels(self) -> tuple[int, ...]:
        """Channels C_i of :meth:`stages`, found by a pass over a small image."""
        modes = {module: module.training for module in self.modules()}
        self.eval()
        with torch.no_grad():
            stages = self.stages(next(self.parameters()).new_zeros(1, 3, 64, 64))
        for module, mode in modes.items():
            module.training = mode
        return tuple(stage.shape[1] for stage in stages)

    def features(self, frames: Tensor) -> Tensor:
        """Frames (N, 3, H, W) to the input (N, C, h, w) of the classifier."""
        return self.segmentor.decode_head._forward_feature(self.stages(frames))

    def classify(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to single-frame scores (N, K, h, w)."""
        return self.segmentor.decode_head.cls_seg(features)

    def freeze_auxiliary(self) -> None:
        """Takes auxiliary heads out of training, for losses that give them no gradient."""
        for segmentor in self.segmentors:
            if segmentor.with_auxiliary_head:
                segmentor.auxiliary_head.requires_grad_(False)

    def freeze_classifier(self) -> None:
        """Takes everything behind :meth:`features` out of training (hypothesis transfer)."""
        self.freeze_auxiliary()
        # Where the scores are the features nothing is behind them.
        if hasattr(self.segmentor.decode_head, 'conv_seg'):
            self.segmentor.decode_head.conv_seg.requires_grad_(False)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles in place what costs the time, the backbones and necks; weights keep their names.

        ``torch.nn.Module`` would compile :meth:`forward`, one of several ways into a video net.

        Args:
            args: As of ``torch.compile``.
            kwargs: As of ``torch.compile``: ``backend``, ``mode`` and the like.
        """
        for segmentor in self.segmentors:
            segmentor.backbone.compile(*args, **kwargs)
            if segmentor.with_neck:
                segmentor.neck.compile(*args, **kwargs)

    def set_normalisation(self, preprocessor: SegDataPreProcessor) -> None:
        """Tells the net how its frames are normalised; for nets that look at the images too."""

    def forward(
        self,
        frames: Tensor,
        flow: Tensor | None = None,
        features: Tensor | None = None,
        heads: bool = False,
    ) -> Tensor | dict[str, HeadScores]:
        """Scores of the current frame.

        Args:
            frames: (N, T, 3, H, W), normalised, the last frame is the current one.
            flow: (N, T-1, 2, H, W) in pixels, ``flow[:, k]`` from frame k+1 to frame k. Nets
                with a flow branch of their own take it instead of estimating theirs.
            features: (N, T, C, h, w), :meth:`features` of all frames if they are at hand: a net
                that can use them saves its passes through the backbone.
            heads: Whether to return :meth:`head_scores`: under several processes the players of an
                adversarial method have to be called, their methods reduce no gradient.

        Returns:
            (N, K, h, w), or :meth:`head_scores`.
        """
        if heads:
            return self.head_scores(frames, flow)
        return self.scores(frames, flow, features)

    @abstractmethod
    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        """Scores (N, K, h, w) of the current frame, see :meth:`forward`."""

    def predicted(self, frames: Tensor, flow: Tensor | None = None) -> Tensor:
        """Scores (N, K, h, w) of a prediction: :meth:`forward`, or what is finer than that."""
        return self(frames, flow)

    def head_scores(
        self,
        frames: Tensor,
        flow: Tensor | None = None,
        stages: tuple[Tensor, ...] | None = None,
        parts: Collection[str] = HEAD_PARTS,
    ) -> dict[str, HeadScores]:
        """Scores of every classifier, for losses over time.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.
            stages: :meth:`stages` of the current frame if they are at hand: saves a pass.
            parts: What is wanted, of :data:`HEAD_PARTS`. Passes through the backbone that serve
                other parts only are left out; :meth:`supervise` needs ``fused`` and ``losses``.

        Returns:
            For each of :attr:`heads` its scores. Here the current frame is seen alone.
        """
        fused, current, key = {}, {}, {}
        if 'fused' in parts or 'current' in parts:
            seen = self.stages(frames[:, -1]) if stages is None else stages
            fused = current = {name: head(seen) for name, head in self.heads.items()}
        if 'key' in parts:
            with torch.no_grad():
                seen = self.stages(frames[:, 0])
                key = {name: head(seen) for name, head in self.heads.items()}
        return {
            name: HeadScores(fused.get(name), current.get(name), key.get(name))
            for name in self.heads
        }

    def supervise(self, scores: Mapping[str, HeadScores], data_samples: SampleList) -> dict:
        """:meth:`loss` of clips whose :meth:`head_scores` are at hand."""
        losses = {}
        for name, head in self.heads.items():
            losses |= add_prefix(head.loss_by_feat(scores[name].fused, data_samples), name)
            losses |= scores[name].losses
        return losses

    @abstractmethod
    def loss(
        self,
        frames: Tensor,
        flow: Tensor | None,
        data_samples: SampleList,
        stages: tuple[Tensor, ...] | None = None,
    ) -> dict:
        """Supervised losses of the current frame, named as mmseg names them.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.
            data_samples: N samples with ``gt_sem_seg`` of the current frame.
            stages: :meth:`stages` of the current frame if they are at hand: saves a pass.
        """

    def loss_groups(
        self, frames: Tensor, flow: Tensor | None, data_samples: SampleList
    ) -> Iterator[dict]:
        """:meth:`loss` in groups whose graphs share nothing, see :meth:`BaseAdapter.loss_groups`.

        Yields:
            Losses. Here all of them are one group.
        """
        yield self.loss(frames, flow, data_samples)

    @abstractmethod
    def step(
        self, frame: Tensor, flow: Tensor | None = None, state: Any = None, clip_length: int = 2
    ) -> tuple[Tensor, Any]:
        """Scores of the next frame of a video: each frame is encoded once.

        The same as :meth:`forward` in evaluation mode for the clip that ends with this frame
        (clips at the start of a video repeat its first frame).

        Args:
            frame: (N, 3, H, W), normalised.
            flow: (N, 2, H, W) from this frame to the one before it, of the first frame to itself;
                None for nets that need none.
            state: What the step before returned; None starts a video. Never changed in place.
            clip_length: T of the clips that this is to equal.

        Returns:
            Scores (N, K, h, w), and the state.
        """


def stages_of(segmentor: EncoderDecoder, frames: Tensor) -> tuple[Tensor, ...]:
    """Frames (N, 3, H, W) to the maps (N, C_i, h_i, w_i) that the heads of a segmentor get."""
    check_size(segmentor, *frames.shape[-2:])
    maps = segmentor.extract_feat(frames)
    # DDRNet and PIDNet have one map, without a tuple around it, in a prediction.
    return (maps,) if isinstance(maps, Tensor) else tuple(maps)


def segmentor_heads(segmentor: EncoderDecoder) -> dict[str, BaseDecodeHead]:
    """The classifiers of a segmentor, under the names that their losses begin with."""
    heads = dict(decode=segmentor.decode_head)
    if segmentor.with_auxiliary_head:
        heads['aux'] = segmentor.auxiliary_head
    return heads


def single_frame_loss(
    net: EncoderDecoder, stages: tuple[Tensor, ...], data_samples: SampleList
) -> dict:
    """Supervised losses of a segmentor's heads, named as mmseg names them."""
    losses = net._decode_head_forward_train(stages, data_samples)
    if net.with_auxiliary_head:
        losses.update(net._auxiliary_head_forward_train(stages, data_samples))
    return losses
