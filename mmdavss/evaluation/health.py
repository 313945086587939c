"""What can be said of predictions without labels: confidence, consistency over time, classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmdavss.errors import NotFiniteError
from mmdavss.ops import backward_warp

#: A model is sure of a pixel with this probability of its class, or a larger one.
SURE = 0.9
#: A class has collapsed if less than this share of its pixels is left ...
COLLAPSED = 0.2
#: ... and it had at least this share of all pixels.
PRESENT = 0.005
#: A class takes over if its share of all pixels grows by this much.
TAKEN_OVER = 0.2


@dataclass(frozen=True)
class HealthFigures:
    """Figures of a model on unlabelled frames; shares are 0 to 1.

    Attributes:
        frames: Number of frames.
        confidence: Mean over all pixels of the largest class probability.
        confident: Share of the pixels whose largest class probability is :data:`SURE` or more.
        unchanged: Share of the pixels that have the same class in two successive frames.
        consistency: The same along the motion: each pixel against the one that it was before, where
            that is visible.
        shares: For each class its share of all pixels.
        mirrored: Share of the pixels that have the same class if the picture is mirrored.
        moved: Share of the pixels that have another class than by the model that it is compared
            with, pixel by pixel; 0 for that model.
        kept: Share of the pixels of which that model is sure that have the same class; 1 if there
            are none.
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
        """Number of classes that would have this entropy if they were equally frequent: 1 to K."""
        shares = np.array([share for share in self.shares if share > 0])
        return float(np.exp(-(shares * np.log(shares)).sum()))


class Health:
    """Collects :class:`HealthFigures` over pairs of successive frames.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        self.frames = 0
        self.confidence = self.confident = 0.0
        self.unchanged = self.consistency = 0.0
        self.pairs = self.compared = 0
        self.views = self.references = self.sure = self.kept = 0
        self.mirrored = self.moved = 0.0
        self.counts = np.zeros(num_classes, np.int64)

    def add_frame(self, logits: Tensor) -> None:
        """A frame's scores (K, H, W).

        Raises:
            NotFiniteError: If one is NaN or infinite.
        """
        confidence, labels = logits.softmax(0).max(0)
        mean = confidence.double().mean().item()
        if not math.isfinite(mean):
            # Its class would be any, and all figures after it no numbers.
            raise NotFiniteError(
                f'Health: the scores of frame {self.frames + 1} are NaN or infinite: the weights '
                'of the network are broken, take another checkpoint.'
            )
        self.frames += 1
        self.confidence += mean
        self.confident += (confidence >= SURE).double().mean().item()
        self.counts += torch.bincount(labels.flatten(), minlength=len(self.counts)).cpu().numpy()

    def add_mirrored(self, logits: Tensor, mirrored: Tensor) -> None:
        """A frame's scores (K, H, W), and those of the mirrored frame, as it gives them."""
        self.views += 1
        same = logits.argmax(0) == mirrored.argmax(0).flip(-1)
        self.mirrored += same.double().mean().item()

    def add_reference(self, logits: Tensor, reference: Tensor) -> None:
        """A frame's scores (K, H, W), and those of the model that this one is compared with."""
        sure, labels = reference.softmax(0).max(0)
        same = logits.argmax(0) == labels
        self.references += 1
        self.moved += 1 - same.double().mean().item()
        self.sure += int((sure >= SURE).sum())
        self.kept += int(same[sure >= SURE].sum())

    def add_pair(self, before: Tensor, current: Tensor, flow: Tensor, visible: Tensor) -> None:
        """The classes of two successive frames.

        Args:
            before: (H, W), uint8.
            current: (H, W), uint8.
            flow: (2, H, W), flow current -> before in pixels.
            visible: (H, W), bool, pixels of the current frame that are visible in the other.
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
        """The means.

        Raises:
            ValueError: If there was no pair of frames.
        """
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
    """Share of the pixels that changed their class in sum: half the L1 distance of two histograms.

    Args:
        before: Shares of the classes, their sum is 1.
        after: The same, later.

    Returns:
        0 (the same) to 1 (no class in common).
    """
    return float(np.abs(np.subtract(after, before)).sum() / 2)


def collapsed_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes of which hardly anything is left.

    Those that had :data:`PRESENT` of all pixels or more and keep less than :data:`COLLAPSED` of
    them.
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

    Those that take over (:func:`swollen_classes`) are not named again.
    """
    named = swollen_classes(before, after)
    return [
        k
        for k, (old, new) in enumerate(zip(before, after, strict=True))
        if new >= PRESENT and new >= 2 * old and k not in named
    ]


def halved_classes(before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Classes that had :data:`PRESENT` of all pixels or more and have lost half of them or more.

    Those that have collapsed (:func:`collapsed_classes`) are not named again.
    """
    named = collapsed_classes(before, after)
    return [
        k
        for k, (old, new) in enumerate(zip(before, after, strict=True))
        if old >= PRESENT and new <= old / 2 and k not in named
    ]
