"""HRDA: one network sees the context at low and a detail at high resolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn

from mmdavss.utils.errors import check_unit

from .main_head import fitting_size
from .split_head import is_plain
from .windows import Windows


class Box(NamedTuple):
    """A rectangle of an image.

    Attributes:
        rows: First row, and the one behind the last.
        columns: The same of the columns.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    def crop(self, maps: Tensor, stride: int = 1) -> Tensor:
        """The part (..., h, w) of maps (..., H, W) whose cells are `stride` pixels wide."""
        rows, columns = self.slices(stride)
        return maps[..., rows, columns]

    def slices(self, stride: int = 1) -> tuple[slice, slice]:
        """Rows and columns of such maps."""
        (top, bottom), (left, right) = self
        return slice(top // stride, bottom // stride), slice(left // stride, right // stride)


class Scales(NamedTuple):
    """Score maps of both scales, all before they are resized to the image.

    Attributes:
        fused: (N, K, H/s, W/s), at the stride s of the decoder.
        context: (N, K, H/2s, W/2s), damped where the detail counts.
        detail: (N, K, h/s, w/s), of the box; of the whole image without one.
        box: Where the detail is; None if it is everywhere.
    """

    fused: Tensor
    context: Tensor
    detail: Tensor
    box: Box | None = None


def _draw(count: int) -> int:
    # From the host's generator: nothing waits for a device.
    return torch.randint(count, ()).tolist()


def detail_box(
    size: tuple[int, int],
    crop_size: tuple[int, int],
    divisor: int,
    draw: Callable[[int], int] = _draw,
) -> Box:
    """Draws where the detail of a batch is (Hoyer et al., ECCV 2022, equation 6).

    As published, offsets are multiples of `divisor`, the vertical one is drawn first, and the last
    possible offset is drawn only if the difference of the sides is one short of a multiple.

    Args:
        size: (H, W) of the image.
        crop_size: (h, w) of the detail; larger than the image, it is cut to it.
        divisor: Of the offsets, in pixels.
        draw: From a number n to one of 0..n-1.

    Returns:
        The box. Nothing is drawn if it is the whole image, or for a side without a choice; the
        published code fails if only one side has none.
    """
    height, width = (min(crop, side) for crop, side in zip(crop_size, size, strict=True))
    if (height, width) == tuple(size):
        return Box((0, height), (0, width))
    top, left = (
        divisor * draw(choices) if (choices := (side - crop + 1) // divisor) else 0
        for side, crop in zip(size, (height, width), strict=True)
    )
    return Box((top, top + height), (left, left + width))


def fuse(
    context: Tensor, attention: Tensor, detail: Tensor, box: Box | None, stride: int
) -> tuple[Tensor, Tensor]:
    """Joins scores of both scales (equation 9).

    As published the context is damped before it is enlarged, while the attention is enlarged by
    itself: at the border of the box it reaches one cell too far, and multiplies zeros there.

    Args:
        context: (N, K, h, w), at twice the stride of the detail.
        attention: (N, 1 or K, h, w), 0 to 1: how much the detail counts.
        detail: (N, K, 2h, 2w), or the part of that inside the box.
        box: Where the detail is, in pixels; None: everywhere.
        stride: That of the detail, in pixels.

    Returns:
        The joined scores (N, K, 2h, 2w), and the damped context (N, K, h, w).
    """
    if box is not None:
        inside = torch.zeros_like(attention[:1, :1])
        rows, columns = box.slices(2 * stride)
        inside[..., rows, columns] = 1
        attention = attention * inside
    damped = (1 - attention) * context
    size = tuple(2 * side for side in context.shape[-2:])
    enlarged, seen = (
        resize(maps, size, mode='bilinear', align_corners=False) for maps in (damped, attention)
    )
    if box is not None:
        placed = detail.new_zeros(*detail.shape[:2], *size)
        rows, columns = box.slices(stride)
        placed[..., rows, columns] = detail
        detail = placed
    return seen * detail + enlarged, damped


def _check_head(name: str, head: nn.Module, counts: tuple[int, ...]) -> None:
    """Checks that a head gives one score map with one of some numbers of channels.

    Raises:
        TypeError: If it gives other results.
        ValueError: If it gives another map.
    """
    if not is_plain(head):
        raise TypeError(
            f'HRDA: {name} is a {type(head).__name__}, which has several results or losses of its '
            'own: take a head that gives one score map (DAFormerHead, SegformerHead, '
            'DeepLabV2Head, FCNHead, UPerHead, ...).'
        )
    if head.align_corners:
        raise ValueError(f'HRDA: align_corners must be False in its heads; {name} has True.')
    if head.out_channels not in counts:
        raise ValueError(
            f'HRDA: {name} gives {head.out_channels} channels and not '
            f'{" or ".join(map(str, counts))}: set its num_classes.'
        )


@MODELS.register_module()
class HRDA(EncoderDecoder):
    """Encoder and decoder on two scales, joined by an attention head (Hoyer et al., ECCV 2022).

    The context is the whole image at half its size; details are crops of full resolution. What the
    attention head says of the context decides for each pixel how much the detail counts. In
    training the detail is one box for the batch, drawn anew in each pass; in evaluation mode, as
    teacher and in tests, overlapping windows cover the image, all in one batch.

    A segmentor below :class:`PerFrame` or :class:`Accel`: levels of the backbone, and features, are
    those of the context.

    Args:
        attention_head: Config of the head that weighs, like the decode head; ``num_classes`` is K,
            or 1 for one weight for all classes. It has no loss of its own. Both heads give one
            score map, trained by mmseg's common losses: those with several results (DAHead,
            EncHead, PIDHead, DDRHead), cascades and queries do not.
        detail_size: (height, width) of details in pixels, multiples of the output stride. Of an odd
            number of cells (BDDVid's 360 pixels at stride 8), as published the attention leaves out
            the last half cell of the context, and windows that begin half a window on are placed
            half a cell before their place.
        detail_weight: Factor of the loss of the detail by itself; the joined scores have the rest.
            Where the detail is as large as the image, the damped context has the same factor.
        output_stride: Stride s of the decoder in pixels. Boxes begin on the grid of 2s.
        kwargs: Those of mmseg's ``EncoderDecoder``, without an ``auxiliary_head``: nothing would
            train it.

    Raises:
        TypeError: If a head is none that it can join scores of, or `detail_size` is no pair.
        ValueError: If details are not whole cells of the decoder, a head has `align_corners` or
            another number of classes, or a value is outside its range.
    """

    def __init__(
        self,
        attention_head: ConfigType,
        detail_size: tuple[int, int] = (512, 512),
        detail_weight: float = 0.1,
        output_stride: int = 4,
        **kwargs,
    ) -> None:
        if kwargs.get('auxiliary_head') is not None:
            raise TypeError('HRDA trains no auxiliary_head: set auxiliary_head=None.')
        if isinstance(kwargs.get('decode_head'), list):
            raise TypeError('HRDA: decode_head is a cascade of heads, and must be one.')
        super().__init__(**kwargs)
        self.attention_head = MODELS.build(attention_head)
        if not isinstance(detail_size, (tuple, list)) or len(detail_size) != 2:
            raise TypeError(f'HRDA: detail_size={detail_size!r} must be (height, width).')
        self.detail_size = tuple(detail_size)
        self.detail_weight = detail_weight
        self.output_stride = output_stride
        if output_stride < 1 or any(side < 1 or side % output_stride for side in self.detail_size):
            raise ValueError(
                f'HRDA: detail_size={self.detail_size} must be positive multiples of the '
                f'output_stride, {output_stride}, and that 1 or more.'
            )
        check_unit('HRDA', detail_weight=detail_weight)
        for name, counts in (
            ('decode_head', (self.num_classes,)),
            ('attention_head', (1, self.num_classes)),
        ):
            _check_head(name, getattr(self, name), counts)

    @property
    def grid(self) -> int:
        """What the sides of images must be multiples of: a cell of the context, in pixels."""
        return 2 * self.output_stride

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to the levels of their context.

        Raises:
            ValueError: As :meth:`check_size`.
        """
        height, width = inputs.shape[-2:]
        self.check_size(height, width)
        return self._encode(
            resize(inputs, (height // 2, width // 2), mode='bilinear', align_corners=False)
        )

    def check_size(self, height: int, width: int) -> None:
        """Checks that backbone and decode head can take both scales of images of a size.

        Raises:
            ValueError: If a side is no multiple of twice the output stride, or they cannot take
                the context or the detail.
        """
        if height % self.grid or width % self.grid:
            raise ValueError(
                f'HRDA takes images whose sides are multiples of {self.grid}, not '
                f'{width}x{height}: let a Resize or crop of the pipeline make them so, without a '
                '`rescale` of the method.'
            )
        context = (height // 2, width // 2)
        detail = tuple(
            min(own, side) for own, side in zip(self.detail_size, (height, width), strict=True)
        )
        names = f'{type(self.backbone).__name__} with {type(self.decode_head).__name__}'
        fitting, only = fitting_size(self, *context)
        if fitting != context:
            raise ValueError(
                f'HRDA: {names} takes as context, half of an image, only images{only} such as '
                f'{fitting[1]}x{fitting[0]}, not {context[1]}x{context[0]}: let a Resize or crop '
                f'of the pipeline make images of {2 * fitting[1]}x{2 * fitting[0]}.'
            )
        fitting, only = fitting_size(self, *detail)
        if fitting != detail:
            raise ValueError(
                f'HRDA: {names} takes as detail only images{only} such as '
                f'{fitting[1]}x{fitting[0]}, not {detail[1]}x{detail[0]}: set '
                f'detail_size={fitting}.'
            )

    def scales(self, levels: tuple[Tensor, ...], inputs: Tensor) -> Scales:
        """Scores of both scales and joined.

        Args:
            levels: :meth:`extract_feat` of the images.
            inputs: The images, (N, 3, H, W).

        Raises:
            ValueError: If the maps of the heads do not have the output stride.
        """
        size = inputs.shape[-2:]
        context = self.decode_head(levels)
        attention = self.attention_head(levels).sigmoid()
        expected = tuple(side // self.grid for side in size)
        for name, maps in (('decode_head', context), ('attention_head', attention)):
            if tuple(maps.shape[-2:]) != expected:
                raise ValueError(
                    f'HRDA: output_stride={self.output_stride} means maps of '
                    f'{expected[1]}x{expected[0]} of the context of {size[1]}x{size[0]} pixels, '
                    f'but its {name} gives {maps.shape[-1]}x{maps.shape[-2]}: set output_stride '
                    "to the decoder's, and give both heads the same levels."
                )
        box = None
        if self.training:
            box = detail_box(tuple(size), self.detail_size, self.grid)
            detail = self.decode_head(self._encode(box.crop(inputs)))
        else:
            detail = self._details(inputs)
        fused, damped = fuse(context, attention, detail, box, self.output_stride)
        return Scales(fused, damped, detail, box)

    def _encode(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = super().extract_feat(images)
        # DDRNet and PIDNet have one map, without a tuple around it, in a prediction.
        return (maps,) if isinstance(maps, Tensor) else tuple(maps)

    def _details(self, inputs: Tensor) -> Tensor:
        """The mean (N, K, H/s, W/s) of overlapping windows, half a window apart."""
        size = inputs.shape[-2:]
        windows = Windows(self.detail_size, tuple(side // 2 for side in self.detail_size))
        boxes = [
            Box((rows.start, rows.stop), (columns.start, columns.stop))
            for rows, columns in windows.slices(*size)
        ]
        scores = self.decode_head(self._encode(torch.cat([box.crop(inputs) for box in boxes])))
        # As in mmseg: in half precision sums of several windows would be rounded.
        total = scores.new_zeros(
            len(inputs),
            scores.shape[1],
            *(side // self.output_stride for side in size),
            dtype=torch.promote_types(scores.dtype, torch.float32),
        )
        count = total.new_zeros(1, 1, *total.shape[-2:])
        for box, own in zip(boxes, scores.split(len(inputs)), strict=True):
            rows, columns = box.slices(self.output_stride)
            total[..., rows, columns] += own
            count[..., rows, columns] += 1
        return (total / count).to(scores.dtype)

    def loss_factors(self, scales: Scales, size: tuple[int, int]) -> dict[str, float]:
        """Factors of the losses of the joined scores, the detail and the damped context.

        Args:
            scales: The scores.
            size: (H, W) of the images.

        Raises:
            ValueError: If nothing is left for the joined scores.
        """
        if scales.box is None:  # in evaluation mode neither detail nor context has a loss
            return dict(decode=1.0, detail=0.0, context=0.0)
        whole = Box((0, size[0]), (0, size[1])) == scales.box
        parts = dict(detail=self.detail_weight, context=self.detail_weight if whole else 0.0)
        if sum(parts.values()) > 1:
            raise ValueError(
                f'HRDA: details are as large as the images, so that the context has the factor '
                f'{self.detail_weight} too: set detail_weight to 0.5 or less.'
            )
        return dict(decode=1 - sum(parts.values())) | parts

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Images to scores (N, K, H, W), as mmseg predicts."""
        fused = self.scales(self.extract_feat(inputs), inputs).fused
        return resize(fused, inputs.shape[-2:], mode='bilinear', align_corners=False)
