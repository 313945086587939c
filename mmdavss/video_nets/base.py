"""The interface between video nets and the methods that adapt them."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, SampleList
from torch import Tensor


class HeadScores(NamedTuple):
    """What one classifier says of a clip.

    Attributes:
        fused: (N, K, h, w), for the current frame, from all frames.
        current: (N, K, h, w), for the current frame, from it alone.
        key: (N, K, h, w), for the first frame, from it alone, on its own grid.
    """
    fused: Tensor
    current: Tensor
    key: Tensor


class VideoNet(BaseModule, metaclass=ABCMeta):
    """A network from a clip (and flow) to the class scores of the clip's last frame.

    Methods use this interface only: :meth:`stages`, :meth:`features`, :meth:`classify`, calling
    the net, :meth:`head_scores`, and :meth:`loss`. It wraps a plain mmseg segmentor, whose decode
    head needs mmseg's usual split into ``_forward_feature`` and ``cls_seg``.

    Args:
        segmentor: Config of a mmseg segmentor with backbone, decode head, and maybe neck and
            auxiliary head.
        allow_random_init: Whether training may start from a backbone without pretrained weights.
    """

    #: Whether the net needs flow between its frames.
    needs_flow: bool = False

    def __init__(self, segmentor: ConfigType, allow_random_init: bool = False) -> None:
        super().__init__()
        self.segmentor = MODELS.build(segmentor)
        self.allow_random_init = allow_random_init
        head = self.segmentor.decode_head
        if not hasattr(head, '_forward_feature'):
            raise TypeError(
                f'{type(head).__name__} has no `_forward_feature`: a video net needs a decode head '
                'that gives the input of its classifier (DeepLabV2Head, FCNHead, ASPPHead, ...).')

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
        return self.segmentor.decode_head.channels

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        """The classifiers, under the names that their losses begin with: ``decode``, ``aux``."""
        return segmentor_heads(self.segmentor)

    def stages(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames (N, 3, H, W) to the maps (N, C_i, h_i, w_i) of all stages of the backbone."""
        return tuple(self.segmentor.extract_feat(frames))

    def features(self, frames: Tensor) -> Tensor:
        """Frames (N, 3, H, W) to the input (N, C, h, w) of the classifier."""
        return self.segmentor.decode_head._forward_feature(self.stages(frames))

    def classify(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to single-frame scores (N, K, h, w)."""
        return self.segmentor.decode_head.cls_seg(features)

    def freeze_auxiliary(self) -> None:
        """Takes the auxiliary head out of training, for losses that give it no gradient."""
        if self.segmentor.with_auxiliary_head:
            self.segmentor.auxiliary_head.requires_grad_(False)

    def freeze_classifier(self) -> None:
        """Takes everything behind :meth:`features` out of training (hypothesis transfer)."""
        self.freeze_auxiliary()
        self.segmentor.decode_head.conv_seg.requires_grad_(False)

    @abstractmethod
    def forward(self, frames: Tensor, flow: Tensor | None = None,
                features: Tensor | None = None, heads: bool = False
                ) -> Tensor | dict[str, HeadScores]:
        """Scores of the current frame.

        Args:
            frames: (N, T, 3, H, W), normalised, the last frame is the current one.
            flow: (N, T-1, 2, H, W) in pixels, ``flow[:, k]`` from frame k+1 to frame k.
            features: (N, T, C, h, w), :meth:`features` of all frames if they are at hand: a net
                that can use them saves its passes through the backbone.
            heads: Whether to return :meth:`head_scores`: under several processes the players of an
                adversarial method have to be called, their methods reduce no gradient.

        Returns:
            (N, K, h, w), or :meth:`head_scores`.
        """

    def head_scores(self, frames: Tensor, flow: Tensor | None = None) -> dict[str, HeadScores]:
        """Scores of every classifier, for losses over time.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.

        Returns:
            For each of :attr:`heads` its scores. Those of the first frame have no gradient. Here
            only the decode head's are fused, which costs a pass of the net; the auxiliary head
            sees the current frame alone.
        """
        current = self.stages(frames[:, -1])
        with torch.no_grad():
            first = self.stages(frames[:, 0])
            key = {name: head(first) for name, head in self.heads.items()}
        scores = {name: head(current) for name, head in self.heads.items()}
        fused = dict(scores, decode=self(frames, flow))
        return {name: HeadScores(fused[name], scores[name], key[name]) for name in scores}

    @abstractmethod
    def loss(self, frames: Tensor, flow: Tensor | None, data_samples: SampleList,
             stages: tuple[Tensor, ...] | None = None) -> dict:
        """Supervised losses of the current frame, named as mmseg names them.

        Args:
            frames: (N, T, 3, H, W).
            flow: (N, T-1, 2, H, W) or None.
            data_samples: N samples with ``gt_sem_seg`` of the current frame.
            stages: :meth:`stages` of the current frame if they are at hand: saves a pass.
        """


def segmentor_heads(segmentor: EncoderDecoder) -> dict[str, BaseDecodeHead]:
    """The classifiers of a segmentor, under the names that their losses begin with."""
    heads = dict(decode=segmentor.decode_head)
    if segmentor.with_auxiliary_head:
        heads['aux'] = segmentor.auxiliary_head
    return heads
