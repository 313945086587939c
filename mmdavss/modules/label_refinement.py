"""Pseudo-labels refined by those of another frame of the video (UnifiedVideoDA).

Kareer et al., "We're Not Using Videos Effectively", TMLR 2024. The other frame is the previous one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import carry_by_truncation
from mmdavss.utils.errors import check_unit

IGNORE = 255
#: Rank of a class that is not rare; one more than the largest label.
NOT_RARE = 256
MODES = ('carried', 'consistency', 'max-confidence', 'rare', 'oracle')


class PseudoLabels(NamedTuple):
    """Pseudo-labels of a frame.

    Attributes:
        labels: (N, H, W), int64, classes or 255.
        weights: (N, H, W).
        confidence: (N, H, W), probability of each label; 0 where there is none.
    """

    labels: Tensor
    weights: Tensor
    confidence: Tensor


def rarer(first: Tensor, second: Tensor, rank: Tensor, only_against_common: bool = False) -> Tensor:
    """The rarer of two labels of each pixel, if it is of a rare class.

    Args:
        first: (N, H, W), int64, classes or 255.
        second: Same shape.
        rank: (256,), int64: the rarer a label, the smaller; 256 for all that are not rare.
        only_against_common: Whether two different rare classes cancel one another: the order of
            `rank` then has no effect.

    Returns:
        (N, H, W): where both are equal that, elsewhere the rarer one, or 255.
    """
    of_first, of_second = rank[first], rank[second]
    rare = torch.minimum(of_first, of_second) < NOT_RARE
    if only_against_common:
        rare &= torch.maximum(of_first, of_second) == NOT_RARE
    chosen = torch.where(of_first <= of_second, first, second)
    return torch.where((first == second) | rare, chosen, IGNORE)


@MODELS.register_module()
class LabelRefinement(nn.Module):
    """Pseudo-labels of a frame from those of the previous one, carried along the flow.

    ======================  ====================================================================
    mode                    label of a pixel
    ======================  ====================================================================
    ``carried``             the carried one, if its probability reaches `threshold`
    ``consistency``         the carried one where both frames agree and, if `threshold` is not 0,
                            the frame's own probability is above it
    ``max-confidence``      the more probable one of both; that of the frame if nothing is carried
    ``rare``                where they differ the one that is rare, see `only_against_common`
    ``oracle``              the carried one where it is right: an upper bound, needs labels
    ======================  ====================================================================

    Args:
        mode: One of these.
        threshold: For ``carried`` and ``consistency``.
        carry_rows: Share of the height below which nothing is carried: 0.7, as published, and
            840/1024 for Cityscapes.
        fill_rows: Below this share of the height, and near the sides, the frame has its own label
            where nothing is carried; 0.7, and 800/1024 for Cityscapes.
        fill_columns: Columns at each side that count as near, 100 at any size as published.
        rare_classes: For ``rare``: the rare ones, the rarest first.
        only_against_common: For ``rare``: whether of two different rare classes neither is kept, as
            the release of UnifiedVideoDA trains; otherwise the rarer one is.
        classes: If given, others have no label.

    Raises:
        ValueError: For an unknown mode, ``rare`` without classes, classes that no label has, or a
            value outside its range.
    """

    rank: Tensor
    kept: Tensor

    def __init__(
        self,
        mode: str,
        threshold: float = 0.0,
        carry_rows: float = 0.7,
        fill_rows: float = 0.7,
        fill_columns: int = 100,
        rare_classes: Sequence[int] = (),
        only_against_common: bool = False,
        classes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f'LabelRefinement: mode={mode!r} is not one of {MODES}.')
        if mode == 'rare' and not rare_classes:
            raise ValueError("LabelRefinement: mode='rare' needs rare_classes, the rarest first.")
        for name, given in (('rare_classes', rare_classes), ('classes', classes or ())):
            if not all(0 <= k < IGNORE for k in given):
                raise ValueError(f'LabelRefinement: {name}={tuple(given)} are not all in 0..254.')
        check_unit(
            'LabelRefinement', threshold=threshold, carry_rows=carry_rows, fill_rows=fill_rows
        )
        if fill_columns < 0:
            raise ValueError(f'LabelRefinement: fill_columns={fill_columns} must be 0 or more.')
        self.mode = mode
        self.threshold = threshold
        self.carry_rows = carry_rows
        self.fill_rows = fill_rows
        self.fill_columns = fill_columns
        self.only_against_common = only_against_common
        rank = torch.full((NOT_RARE,), NOT_RARE)
        rank[list(rare_classes)] = torch.arange(len(rare_classes))
        self.register_buffer('rank', rank, persistent=False)
        kept = torch.ones(NOT_RARE, dtype=torch.bool)
        if classes is not None:
            kept = torch.zeros_like(kept)
            kept[list(classes)] = True
        self.register_buffer('kept', kept, persistent=False)

    @torch.no_grad()
    def forward(
        self,
        current: PseudoLabels,
        other: PseudoLabels,
        flow: Tensor,
        truth: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refined labels and their weights.

        Args:
            current: Pseudo-labels of the frame.
            other: Those of the previous frame.
            flow: (N, 2, H, W) from the frame to the previous one, in pixels.
            truth: (N, H, W), labels of the frame, for ``oracle``.

        Returns:
            (N, H, W), int64, and (N, H, W).

        Raises:
            ValueError: If ``oracle`` has no truth.
        """
        height, width = flow.shape[-2:]
        stack = torch.stack([other.labels.to(other.weights), other.weights, other.confidence], 1)
        carried, valid = carry_by_truncation(stack, flow, int(self.carry_rows * height))
        labels = torch.where(valid, carried[:, 0].long(), IGNORE)
        weights = torch.where(valid, carried[:, 1], 0.0)
        labels, weights = self._filled(labels, weights, current, height, width)
        # What a filled pixel is compared by stays what has been carried: nothing.
        confidence = torch.where(valid, carried[:, 2], -1.0)
        if self.mode == 'carried':
            labels, weights = _without(confidence < self.threshold, labels, weights, valid)
        elif self.mode == 'consistency':
            wrong = labels != current.labels
            if self.threshold > 0:
                wrong = wrong | (current.confidence <= self.threshold)
            labels, weights = _without(wrong, labels, weights)
        elif self.mode == 'max-confidence':
            own = ~valid | (current.confidence > confidence)
            labels = torch.where(own, current.labels, labels)
            weights = torch.where(own, current.weights, weights)
        elif self.mode == 'rare':
            labels = rarer(labels, current.labels, self.rank, self.only_against_common)
            weights = torch.where(labels == IGNORE, 0.0, weights)
        elif truth is None:
            raise ValueError("LabelRefinement: mode='oracle' needs the labels of the target.")
        else:
            labels, weights = _without((labels != truth) | (truth == IGNORE), labels, weights)
        # As published their weight stays: labels of 255 weigh nothing in a loss.
        return torch.where(self.kept[labels], labels, IGNORE), weights

    def _filled(
        self, labels: Tensor, weights: Tensor, current: PseudoLabels, height: int, width: int
    ) -> tuple[Tensor, Tensor]:
        """The frame's own labels at the border, where a carried one weighs nothing."""
        columns = torch.arange(width, device=labels.device)
        rows = torch.arange(height, device=labels.device)[:, None]
        border = rows >= int(self.fill_rows * height)
        border = border | (columns < self.fill_columns) | (columns >= width - self.fill_columns)
        own = border & (weights == 0)
        return (
            torch.where(own, current.labels, labels),
            torch.where(own, current.weights, weights),
        )


def _without(
    where: Tensor, labels: Tensor, weights: Tensor, among: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Labels and weights without those of some pixels."""
    if among is not None:
        where = where & among
    return torch.where(where, IGNORE, labels), torch.where(where, 0.0, weights)
