"""ClassMix: pastes classes of one image or clip onto another (Olsson et al., WACV 2021).

All sizes follow from shapes: nothing synchronises with the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor

#: Upper bound of labels.
VALUES = 256


def draw_classes(labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws half of the label values for each sample, without replacement.

    As published (DACS, DAFormer), they are drawn from the values that occur anywhere in the global
    batch, including 255; if their number n is odd, (n+1)/2 are drawn.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 256), bool.
    """
    occurs = torch.zeros(VALUES, dtype=torch.int32, device=labels.device)
    occurs.scatter_(0, labels.flatten(), 1)
    all_reduce(occurs, 'max')
    occurs = occurs.bool()
    return draw_values(occurs.expand(len(labels), -1), (occurs.sum() + 1) // 2, generator)


def draw_share(
    labels: Tensor,
    share: float,
    ignore_index: int = 255,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draws a share of the classes of each sample, without replacement (CMOM).

    Of the n classes that occur in a sample, round(share * n) are drawn, half to even.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        share: From 0 to 1.
        ignore_index: Value that is no class.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 256), bool.
    """
    occurs = occurring_values(labels)
    occurs[:, ignore_index] = False
    # In float64, so that halves round as in the release, in Python.
    count = (share * occurs.sum(1, keepdim=True).double()).round()
    return draw_values(occurs, count, generator)


def occurring_values(labels: Tensor) -> Tensor:
    """Which label values occur in each sample.

    Args:
        labels: (N, ...), int64, values 0 to 255.

    Returns:
        (N, 256), bool.
    """
    occurs = torch.zeros(len(labels), VALUES, dtype=torch.bool, device=labels.device)
    return occurs.scatter_(1, labels.flatten(1), True)


def draw_values(
    among: Tensor, count: int | Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draws label values for each sample, without replacement.

    Args:
        among: (N, 256), bool, the values to draw from.
        count: How many to draw; all of them if there are fewer.
        generator: Generator on the device of `among`; None for the default one.

    Returns:
        (N, 256), bool.
    """
    order = torch.rand(len(among), VALUES, device=among.device, generator=generator)
    # Values to draw from have the lowest ranks.
    rank = order.masked_fill(~among, 2.0).argsort(1).argsort(1)
    return (rank < count) & among


def class_masks(labels: Tensor, chosen: Tensor) -> Tensor:
    """Masks of the label values chosen for each sample.

    Args:
        labels: (N, H, W), or (N, T, H, W) of all frames of clips, int64, values 0 to 255.
        chosen: (N, 256), bool.

    Returns:
        (N, 1, H, W) or (N, 1, T, H, W), bool.
    """
    return chosen.gather(1, labels.flatten(1)).view_as(labels)[:, None]


def class_mix_masks(labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Masks of the pixels to take from the source.

    Args:
        labels: Source labels (N, H, W), int64, values 0 to 255.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 1, H, W), bool.
    """
    return class_masks(labels, draw_classes(labels, generator))


def class_mix(mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Source where the mask is set, target elsewhere.

    Where only the current frame of a clip has a label, its mask is used for all frames and the
    flow: in earlier frames, a moving object is cut off on one side and includes background on the
    other. Where all frames have labels, each has its own mask, and objects move as in the source.

    Args:
        mask: Bool, of a shape that broadcasts: (N, H, W) for labels and weights, (N, 1, H, W) for
            images, (N, 1, 1, H, W) or, of each frame, (N, T, 1, H, W) for clips (N, T, 3, H, W)
            and flow (N, T-1, 2, H, W).
        source: Tensor of one of these shapes.
        target: Tensor of the same shape.

    Returns:
        Tensor of the same shape.
    """
    return torch.where(mask, source, target)


class ClipLayer(NamedTuple):
    """Labelled clips to paste onto others, or to be pasted onto.

    Attributes:
        frames: (N, T, 3, H, W).
        labels: (N, T, H, W), int64, of all frames.
        flow: (N, T-1, 2, H, W), ``flow[:, k]`` from frame k+1 to frame k, or None for a layer that
            has none and leaves the flow below it as it is.
        mask: (N, T, H, W), bool, the pixels to paste; None for the lowest layer. Of a mix, the
            pixels that layers without flow cover.
    """

    frames: Tensor
    labels: Tensor
    flow: Tensor | None = None
    mask: Tensor | None = None


def paste_layers(onto: ClipLayer, layers: Iterable[ClipLayer]) -> ClipLayer:
    """Pastes clips onto others one after the other, each frame by a mask of its own.

    As each frame has the mask of its own label, moving objects keep their motion. A flow takes the
    mask of the **earlier** of its two frames, as the releases of CMOM and QuadMix have it.

    Args:
        onto: The lowest layer.
        layers: What to paste, the topmost last.

    Returns:
        The mix.

    Raises:
        ValueError: If a layer has no mask.
    """
    frames, labels, flow, _ = onto
    still = torch.zeros_like(labels, dtype=torch.bool)
    for layer in layers:
        if layer.mask is None:
            raise ValueError('paste_layers: a layer to paste has no mask: set ClipLayer.mask.')
        frames = class_mix(layer.mask[:, :, None], layer.frames, frames)
        labels = class_mix(layer.mask, layer.labels, labels)
        if layer.flow is None:
            still = still | layer.mask
        elif flow is not None:
            flow = class_mix(layer.mask[:, :-1, None], layer.flow, flow)
    return ClipLayer(frames, labels, flow, still)


def crop_layer(
    layer: ClipLayer, corners: Sequence[tuple[int, int] | None], size: Sequence[int]
) -> ClipLayer:
    """Crops of clips, at a place of its own for each.

    Args:
        layer: The clips.
        corners: First row and column of each crop; None if that is unknown.
        size: (h, w) of the crops.

    Returns:
        The same parts with the size (h, w); `layer` itself if it has this size.

    Raises:
        ValueError: If a crop is not inside the frames.
    """
    have = tuple(layer.frames.shape[-2:])
    if have == tuple(size):
        return layer
    known = [corner for corner in corners if corner is not None]
    if len(known) < len(corners) or any(
        first + side > whole
        for corner in known
        for first, side, whole in zip(corner, size, have, strict=True)
    ):
        raise ValueError(
            f'Clips of the size {have} are mixed with clips of the size {tuple(size)}, and their '
            f'crops at {list(corners)} are not inside them: give both pipelines one size, or '
            "set the smaller one as `size` of the data set's `rare_patches`, which draws the crops."
        )

    def crops(maps: Tensor) -> Tensor:
        return torch.stack(
            [
                own[..., y : y + size[0], x : x + size[1]]
                for own, (y, x) in zip(maps, known, strict=True)
            ]
        )

    return layer._replace(
        **{name: crops(maps) for name, maps in layer._asdict().items() if maps is not None}
    )
