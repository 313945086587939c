"""Per-class thresholds above which a prediction becomes a pseudo-label."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from mmdavss.utils.errors import NotFiniteError, check_unit

from .temporal_labels import IGNORE

#: Value that a threshold is reset to when it reaches 1.
RESET = 0.999


class AdaptiveThresholds:
    """Thresholds that follow the confidence of each clip (VAT-VST, algorithm 1, equation 11).

    For class k with current threshold theta, let U be the sorted probabilities of all pixels
    predicted as k in the clip, plus theta itself, so that an absent class keeps its threshold
    (IAST, Mei et al. 2020). Then:

        Psi   = the value that the share alpha * theta^gamma of U exceeds
        theta <- beta * theta + (1 - beta) * Psi

    A threshold that reaches 1, which no probability exceeds, is reset to `RESET`, as in IAST's
    code. For instance-adaptive thresholds (IAST), pass every frame as a clip of its own.

    Args:
        num_classes: Number of classes, K.
        alpha: Share of pixels that become labels, before the decay.
        beta: Momentum.
        gamma: Decay: less confident classes get a smaller share.
        start: Initial threshold, theta_0.
        cap: Largest threshold, or None for no limit, as in equation 11. With a limit, `alpha` has
            no effect for classes predicted with higher confidence: more than their share become
            labels.
    """

    def __init__(
        self,
        num_classes: int,
        alpha: float = 0.2,
        beta: float = 0.9,
        gamma: float = 8.0,
        start: float = 0.9,
        cap: float | None = None,
    ) -> None:
        check_unit('AdaptiveThresholds', alpha=alpha, beta=beta, start=start, cap=cap)
        self.alpha, self.beta, self.gamma, self.cap = alpha, beta, gamma, cap
        self.values = np.full(num_classes, start, np.float64)

    def update(self, probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Updates the thresholds with one clip.

        Args:
            probability: Largest class probability of each pixel, any shape.
            labels: Predicted classes, same shape.

        Returns:
            The thresholds (K,) for this clip.

        Raises:
            NotFiniteError: If a probability is NaN.
        """
        return self.follow(ranked_probabilities(probability, labels, len(self.values)))

    def follow(self, ranked: Sequence[np.ndarray], others: np.ndarray | None = None) -> np.ndarray:
        """:meth:`update` by the result of :func:`ranked_probabilities`, in no time.

        Args:
            ranked: The result.
            others: (K,), thresholds that decide the share and join U instead of these (CMOM: for
                previous frames those of current ones).
        """
        decisive = (self.values if others is None else others).tolist()
        for k, theta in enumerate(self.values.tolist()):
            share = 1 - self.alpha * decisive[k] ** self.gamma
            value = self.beta * theta + (1 - self.beta) * _quantile(ranked[k], decisive[k], share)
            if self.cap is not None:
                value = min(self.cap, value)
            self.values[k] = value if value < 1 else RESET
        return self.values.copy()


def ranked_probabilities(
    probability: np.ndarray, labels: np.ndarray, num_classes: int
) -> list[np.ndarray]:
    """Sorted probabilities of the pixels of each class: what thresholds need to know of a clip.

    It does not depend on other clips, and takes nearly all of the time of an update.

    Args:
        probability: Largest class probability of each pixel, any shape.
        labels: Predicted classes, same shape.
        num_classes: Number of classes.

    Raises:
        NotFiniteError: If a probability is NaN.
    """
    _check(probability)
    return [np.sort(probability[labels == k]) for k in range(num_classes)]


def _quantile(ranked: np.ndarray, further: float, share: float) -> float:
    """``np.percentile([*ranked, further], 100 * share)`` in float64, without a pass over all."""
    place = len(ranked) * (100 * share / 100)
    below = min(int(place), len(ranked))
    fraction = place - below
    own = bisect_left(ranked, further, key=float)

    def at(index: int) -> float:
        return further if index == own else float(ranked[index - (index > own)])

    low, high = at(below), at(min(below + 1, len(ranked)))
    # As NumPy: from the nearer end.
    if fraction < 0.5:
        return low + (high - low) * fraction
    return high - (high - low) * (1 - fraction)


def class_balanced_thresholds(counts: np.ndarray, share: float) -> np.ndarray:
    """Thresholds that keep the same share of each class's pixels (CBST, Zou et al. 2018).

    Args:
        counts: (K, B), histogram of the probabilities of each class over all frames, in B bins of
            equal width from 0 to 1.
        share: Share of each class's pixels that become labels.

    Returns:
        (K,), lower edges of bins; 1 for classes that do not occur. None lies between the lower edge
        of the last bin and 1: a class with more than the share in the last bin keeps all of it.
    """
    bins = counts.shape[1]
    above = counts[:, ::-1].cumsum(1)[:, ::-1]
    total = above[:, :1]
    # The highest bin such that it and those above hold at least the share.
    enough = (above >= share * total) & (total > 0)
    first = bins - 1 - enough[:, ::-1].argmax(1)
    return np.where(enough.any(1), first / bins, 1.0)


def select_labels(
    probability: np.ndarray,
    labels: np.ndarray,
    thresholds: Sequence[float] | np.ndarray,
    inclusive: bool = False,
) -> np.ndarray:
    """Labels (uint8) of pixels whose probability exceeds the threshold of their class, else 255.

    Args:
        probability: Largest class probability of each pixel, any shape.
        labels: Predicted classes, same shape.
        thresholds: (K,).
        inclusive: Whether a probability that equals its threshold is enough.

    Raises:
        NotFiniteError: If a probability is NaN (which would never exceed a threshold).
    """
    _check(probability)
    own = np.asarray(thresholds)[labels]
    keeps = probability >= own if inclusive else probability > own
    return np.where(keeps, labels, IGNORE).astype(np.uint8)


def _check(probability: np.ndarray) -> None:
    if not np.isfinite(probability).all():
        raise NotFiniteError(
            'probabilities of pseudo-labels are NaN or infinite: the weights of the network are '
            'broken, use another checkpoint.'
        )
