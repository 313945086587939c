"""The split of a decode head into features and a classifier of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn


def is_plain(head: nn.Module) -> bool:
    """Whether a head trains its scores by mmseg's common losses, not by losses of its own."""
    kind: Any = type(head)
    return (
        isinstance(head, BaseDecodeHead)
        and kind.loss is BaseDecodeHead.loss
        and kind.loss_by_feat is BaseDecodeHead.loss_by_feat
    )


def split_head(head: nn.Module, several: bool = False) -> None:
    """Gives a decode head the split into ``_forward_feature`` and ``cls_seg``, where it has none.

    Some heads of mmseg have it; some do all in one ``forward`` (SegFormer, semantic FPN), or
    inherit a ``_forward_feature`` that is not the one of their ``forward`` (DeepLabV3+).

    Args:
        head: The head.
        several: Whether ``forward`` may have other results beside the classifier's.

    Raises:
        TypeError: If it is no decode head with a classifier.
    """
    if not hasattr(head, 'conv_seg'):
        raise cannot_split(head)
    kinds = type(head).__mro__
    forward = next(kind for kind in kinds if 'forward' in vars(kind))
    feature = next((kind for kind in kinds if '_forward_feature' in vars(kind)), None)
    if feature is not None and issubclass(feature, forward):
        return
    if not isinstance(head, BaseDecodeHead) or forward is BaseDecodeHead:
        raise cannot_split(head)
    # A bound method follows its head into copies, a closure would not.
    head._forward_feature = MethodType(before_classifier if several else _before_only, head)


def before_classifier(head: BaseDecodeHead, *inputs: tuple[Tensor, ...] | Tensor) -> Tensor:
    """What ``forward`` gives its classifier, (N, C, h, w)."""
    return _before(head, inputs)[0]


def _before_only(head: BaseDecodeHead, inputs: tuple[Tensor, ...]) -> Tensor:
    """The same, of a ``forward`` that gives nothing besides."""
    features, result = _before(head, (inputs,))
    if result is not features:
        raise cannot_split(head)
    return features


def _before(head: BaseDecodeHead, inputs: tuple) -> tuple[Tensor, Tensor | tuple]:
    """What the classifier gets, and what ``forward`` makes of it if that does nothing.

    Raises:
        TypeError: If the classifier is used more than once, or its result is not given as it is.
    """
    with _classifying(head, lambda features: features) as seen:
        result = head.forward(*inputs)
    results = [result] if isinstance(result, Tensor) else result
    if len(seen) != 1 or not any(one is seen[0] for one in results):
        raise cannot_split(head)
    return seen[0], result


def with_features(
    head: BaseDecodeHead, inputs: tuple[Tensor, ...], wanted: bool
) -> tuple[Any, Tensor | None]:
    """What a head gives, and if it is wanted what its classifier got for that, (N, C, h, w).

    Without a classifier that is the same.
    """
    if not wanted:
        return head(inputs), None
    with _classifying(head, head.cls_seg) as seen:
        result = head(inputs)
    return result, seen[0] if seen else result


@contextmanager
def _classifying(
    head: BaseDecodeHead, classify: Callable[[Tensor], Tensor]
) -> Iterator[list[Tensor]]:
    """Context manager: `classify` as a head's classifier; collects what it gets."""
    seen: list[Tensor] = []

    def classifier(features: Tensor) -> Tensor:
        seen.append(features)
        return classify(features)

    own = vars(head).get('cls_seg')
    head.cls_seg = classifier
    try:
        yield seen
    finally:
        if own is None:
            del head.cls_seg
        else:
            head.cls_seg = own


def cannot_split(head: nn.Module) -> TypeError:
    """The error for a head without such a split."""
    return TypeError(
        f'{type(head).__name__} does not end in its classifier: a video net needs a decode head '
        'whose `forward` is `cls_seg` of one feature map (FCNHead, PSPHead, ASPPHead, '
        'DepthwiseSeparableASPPHead, UPerHead, SegformerHead, DeepLabV2Head, ...).'
    )
