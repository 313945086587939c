"""Decode heads of mmseg's zoo that are no classifier of a feature map, as if they were."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType

import torch
from mmseg.models.backbones import BEiT, DDRNet, PIDNet, UNet
from mmseg.models.decode_heads import DDRHead, LRASPPHead, PIDHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.mask2former_head import Mask2FormerHead
from mmseg.models.decode_heads.maskformer_head import MaskFormerHead
from mmseg.models.decode_heads.point_head import PointHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmdavss.ops.precision import at_least_float32

from .split_head import before_classifier, cannot_split, split_head

#: Below this a class of a pixel counts as this probable, so that it has a logarithm.
LEAST = 1e-12


class Cascade(nn.ModuleList):
    """Decode heads each of which refines what the one before it said, as one head (OCRNet).

    What predicts, the main head, is the last one; of PointRend the one before it: its last head
    looks at single points. Weights have the names that they have in mmseg.

    Args:
        heads: The heads, in order.
    """

    @property
    def main(self) -> BaseDecodeHead:
        """The head that predicts."""
        return self[self._before_main()]

    @property
    def conv_seg(self) -> nn.Module:
        """Its classifier."""
        return self.main.conv_seg

    @property
    def channels(self) -> int:
        """Channels of :meth:`_forward_feature`."""
        return self.main.channels

    def _before_main(self) -> int:
        return len(self) - 1 - isinstance(self[-1], PointHead)

    def _forward_feature(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Maps of all levels to what the classifier of the main head sees, (N, C, h, w)."""
        said: tuple[Tensor, ...] = ()
        for number in range(self._before_main()):
            said = (self[number](inputs, *said),)
        return before_classifier(self.main, inputs, *said)

    def cls_seg(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to scores (N, K, h, w)."""
        return self.main.cls_seg(features)


def open_head(segmentor: EncoderDecoder) -> None:
    """Gives any decode head of mmseg the split into ``_forward_feature`` and ``cls_seg``, in place.

    - A cascade becomes a :class:`Cascade`.
    - PIDNet and DDRNet: the branch that predicts. Their others serve losses with labels.
    - Heads with several results (DANet, EncNet): the one that goes through the classifier.
    - Heads that have no classifier of a feature map (K-Net, Segmenter, and the queries of
      Mask2Former and MaskFormer): the scores themselves are the features.

    Args:
        segmentor: The segmentor; its weights keep their names.

    Raises:
        TypeError: If it is no head of these kinds.
    """
    head = segmentor.decode_head
    if isinstance(head, nn.ModuleList):
        segmentor.decode_head = Cascade(head)
    elif isinstance(head, DDRHead):
        head._forward_feature = MethodType(_ddr_features, head)
    elif isinstance(head, PIDHead):
        head._forward_feature = MethodType(_pid_features, head)
    elif is_query_head(head):
        _scores_are_features(head, query_scores)
    elif not isinstance(head, BaseDecodeHead):
        raise cannot_split(head)
    elif not hasattr(head, 'conv_seg'):
        _scores_are_features(head, _last_scores)
    else:
        split_head(head, several=True)


def check_size(segmentor: EncoderDecoder, height: int, width: int) -> None:
    """Checks that a segmentor can take frames of a size.

    Raises:
        ValueError: If it cannot; says which it can take.
    """
    fitting, only = fitting_size(segmentor, height, width)
    if fitting != (height, width):
        raise ValueError(
            f'{type(segmentor.backbone).__name__} with {type(segmentor.decode_head).__name__} '
            f'takes only frames{only} '
            f'such as {fitting[1]}x{fitting[0]}, not {width}x{height}: let a Resize of the '
            f'test_pipeline make them of it, scale=({fitting[1]}, {fitting[0]}) and '
            f'keep_ratio=False; adapt_video.py has --size {fitting[1]} {fitting[0]}'
        )


def fitting_size(segmentor: EncoderDecoder, height: int, width: int) -> tuple[tuple[int, int], str]:
    """The size of images like (height, width) that backbone and head can take.

    Returns:
        (height, width), and in words what all such sizes have in common, or nothing.
    """
    backbone, head = segmentor.backbone, segmentor.decode_head
    only, fitting = '', (height, width)
    if isinstance(backbone, BEiT):
        # Its attention has a bias for each pair of places. So has MAE, a BEiT in mmseg.
        fitting = tuple(backbone.img_size)
    elif isinstance(head, LRASPPHead):
        least = 8 * head.image_pool[0].kernel_size  # of maps at an eighth of the frame
        only = f' whose sides are {least} or more'
        fitting = (max(height, least), max(width, least))
    elif (factor := _factor(backbone)) > 1:
        only = f' whose sides are multiples of {factor}'
        fitting = tuple(max(1, round(side / factor)) * factor for side in (height, width))
    return fitting, only


def _factor(backbone: nn.Module) -> int:
    """What the sides of its frames must be multiples of."""
    if isinstance(backbone, UNet):
        return 2 ** sum(
            stride == 2 or down
            for stride, down in zip(backbone.strides[1:], backbone.downsamples, strict=True)
        )
    return 8 if isinstance(backbone, DDRNet | PIDNet) else 1


def is_query_head(head: nn.Module) -> bool:
    """Whether a head gives masks and a class for each of its queries."""
    return isinstance(head, Mask2FormerHead | MaskFormerHead)


def refines(head: nn.Module) -> bool:
    """Whether a head's prediction is finer than what its losses see: at the size of the frame."""
    return is_query_head(head) or isinstance(head, Cascade) and head.main is not head[-1]


def query_scores(head: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Scores (N, K, h, w) of each pixel, from the queries of a head, at the size of their masks.

    As mmseg predicts: a class of a pixel gets the sum over all queries of its probability times
    that of the mask. The logarithm makes scores of it whose softmax are these, in shares.
    """
    # The size of the masks' padding: there is none.
    size = tuple(inputs[0].shape[-2:])
    samples = [
        SegDataSample(metainfo=dict(img_shape=size, batch_input_shape=size))
        for _ in range(len(inputs[0]))
    ]
    classes, masks = head(inputs, samples)
    shares = classes[-1].float().softmax(-1)[..., :-1]
    # In float16 small sums would be 0.
    with torch.autocast(shares.device.type, enabled=False):
        sums = torch.einsum('nqk,nqhw->nkhw', shares, masks[-1].float().sigmoid())
    return log_scores(sums)


def log_scores(sums: Tensor) -> Tensor:
    """The logarithm of what queries sum up to, (N, K, H, W)."""
    return at_least_float32(sums).clamp(min=LEAST).log()


def _scores_are_features(head: nn.Module, scores: Callable[..., Tensor]) -> None:
    head._forward_feature = MethodType(scores, head)
    head.cls_seg = _same
    head.feature_channels = head.num_classes


def _same(features: Tensor) -> Tensor:
    return features


def _last_scores(head: BaseDecodeHead, inputs: tuple[Tensor, ...]) -> Tensor:
    """What ``forward`` gives; of the steps of a K-Net in training, the last."""
    scores = head.forward(inputs)
    return scores if isinstance(scores, Tensor) else scores[-1]


def _ddr_features(head: DDRHead, inputs: tuple[Tensor, ...]) -> Tensor:
    """The context branch, the last map; in training another comes before it."""
    return head.head(inputs[-1])


def _pid_features(head: PIDHead, inputs: tuple[Tensor, ...]) -> Tensor:
    """The integral branch; in training it is between the two others."""
    return head.i_head(inputs[len(inputs) // 2], None)
