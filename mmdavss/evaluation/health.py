"""Label-free measures of predictions: confidence, consistency over time, class shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmdavss.ops import backward_warp
from mmdavss.utils.errors import NotFiniteError

#: A model is confident on a pixel if the probability of its class is at least this.
SURE = 0.9
#: A class has collapsed if it keeps less than this share of its pixels ...
COLLAPSED = 0.2
#: ... and it had at least this share of all pixels.
PRESENT = 0.005
#: A class takes over if its share of all pixels grows by this much.
TAKEN_OVER = 0.2


@dataclass(frozen=True)
class HealthFigures:
    """Measures of a model on unlabelled frames; shares are 0 to 1.

    Attributes:
        frames: Number of frames.
        confidence: Mean over all pixels of the largest class probability.
        confident: Share of pixels whose largest class probability is :data:`SURE` or more.
        unchanged: Share of pixels that have the same class in two successive frames.
        consistency: The same along the motion: each pixel is compared with its position in the
            previous frame, if visible there.
        shares: Share of each class in all pixels.
        mirrored: Share of pixels that keep their class if the image is mirrored.
        moved: Share of pixels whose class differs from that of the reference model; 0 for the
            reference model itself.
        kept: Share of the pixels on which the reference model is confident that keep their class;
            1 if there are none.
    """

    frames: int
    confidence: float
    confident: float
    unchanged: float
    consistency: float
    shares: tuple[float, ...]
    mirrored: float = 1.0
    moved: float = 0.0
    kept: float = 1.0

    @property
    def diversity(self) -> float:
        """Number of equally frequent classes with the same entropy: 1 to K."""
        shares = np.array([share for share in self.shares if share > 0])
        return float(np.exp(-(shares * np.log(shares)).sum()))


class Health:
    """Collects :class:`HealthFigures` over pairs of successive frames.

    Args:
        num_classes: Number of classes, K.

    Attributes:
        finite: Set to False if the model predicts NaN: all figures are NaN then.
    """

    def __init__(self, num_classes: int) -> None:
        self.finite = True
        self.frames = 0
        self.confidence = self.confident = 0.0
        self.unchanged = self.consistency = 0.0
        self.pairs = self.compared = 0
        self.views = self.references = self.sure = self.kept = 0
        self.mirrored = self.moved = 0.0
        self.counts = np.zeros(num_classes, np.int64)

    def add_frame(self, logits: Tensor) -> None:
        """Adds the scores (K, H, W) of a frame.

        Raises:
            NotFiniteError: If a score is NaN or infinite.
        """
        confidence, labels = logits.softmax(0).max(0)
        mean = confidence.double().mean().item()
        if not math.isfinite(mean):
            # Its class would be arbitrary, and all later measures NaN.
            raise NotFiniteError(
                f'Health: the scores of frame {self.frames + 1} are NaN or infinite: the weights '
                'of the network are broken, use another checkpoint.'
            )
        self.frames += 1
        self.confidence += mean
        self.confident += (confidence >= SURE).double().mean().item()
        self.counts += torch.bincount(labels.flatten(), minlength=len(self.counts)).cpu().numpy()

    def add_mirrored(self, logits: Tensor, mirrored: Tensor) -> None:
        """Adds the scores (K, H, W) of a frame and of the mirrored frame (not mirrored back)."""
        self.views += 1
        same = logits.argmax(0) == mirrored.argmax(0).flip(-1)
        self.mirrored += same.double().mean().item()

    def add_reference(self, logits: Tensor, reference: Tensor) -> None:
        """Adds the scores (K, H, W) of a frame by this model and by the reference model."""
        sure, labels = reference.softmax(0).max(0)
        same = logits.argmax(0) == labels
        self.references += 1
        self.moved += 1 - same.double().mean().item()
        self.sure += int((sure >= SURE).sum())
        self.kept += int(same[sure >= SURE].sum())

    def add_pair(self, before: Tensor, current: Tensor, flow: Tensor, visible: Tensor) -> None:
        """Adds the classes of two successive frames.

        Args:
            before: (H, W), uint8.
            current: (H, W), uint8.
            flow: (2, H, W), flow current -> before in pixels.
            visible: (H, W), bool, pixels of the current frame that are visible in the previous one.
        """
        warped, inside = backward_warp(
            before[None, None], flow[None], mode='nearest', return_mask=True
        )
        counted = visible & inside[0, 0]
        equal = (warped[0, 0] == current)[counted]
        self.pairs += 1
        self.unchanged += (before == current).double().mean().item()
        if equal.numel():
            self.consistency += equal.double().mean().item()
            self.compared += 1

    def figures(self) -> HealthFigures:
        """Means over everything added.

        Raises:
            ValueError: If no pair of frames was added.
        """
        if not self.finite:
            nan = math.nan
            shares = (nan,) * len(self.counts)
            return HealthFigures(self.frames, nan, nan, nan, nan, shares, nan, nan, nan)
        if not self.pairs:
            raise ValueError('Health: no two successive frames were seen.')
        return HealthFigures(
            self.frames,
            self.confidence / self.frames,
            self.confident / self.frames,
            self.unchanged / self.pairs,
            self.consistency / max(self.compared, 1),
            tuple((self.counts / self.counts.sum()).tolist()),
            self.mirrored / self.views if self.views else 1.0,
            self.moved / self.references if self.references else 0.0,
            self.kept / self.sure if self.sure else 1.0,
        )


def class_drift(before: Sequence[float], after: Sequence[float]) -> float:
    """Net share of pixels that changed class: half the L1 distance of two histograms.

    Args:
        before: Shares of the classes, with sum 1.
        after: The same, later.

    Returns:
        0 (the same) to 1 (no class in common).
    """
    return float(np.abs(np.subtract(after, before)).sum() / 2)


def collapsed_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes that have nearly vanished.

    These had :data:`PRESENT` of all pixels or more and keep less than :data:`COLLAPSED` of them.
    """
    return [
        k
        for k, (old, new) in enumerate(zip(before, after, strict=True))
        if old >= PRESENT and new < COLLAPSED * old
    ]


def swollen_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes whose share of all pixels has grown by :data:`TAKEN_OVER` or more."""
    return [
        k for k, (old, new) in enumerate(zip(before, after, strict=True)) if new - old >= TAKEN_OVER
    ]


def doubled_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes whose share of all pixels has at least doubled, and is :data:`PRESENT` or more.

    Classes that take over (:func:`swollen_classes`) are not listed again.
    """
    named = swollen_classes(before, after)
    return [
        k
        for k, (old, new) in enumerate(zip(before, after, strict=True))
        if new >= PRESENT and new >= 2 * old and k not in named
    ]


def halved_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes that had :data:`PRESENT` of all pixels or more and have lost half of them or more.

    Classes that have collapsed (:func:`collapsed_classes`) are not listed again.
    """
    named = collapsed_classes(before, after)
    return [
        k
        for k, (old, new) in enumerate(zip(before, after, strict=True))
        if old >= PRESENT and new <= old / 2 and k not in named
    ]
