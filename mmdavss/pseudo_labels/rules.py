"""Which pixels become pseudo-labels, and of which class: a rule for each paper.

A rule is a set of options, which travels to other processes. What it decides is the same for any
number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from mmdavss.datasets.label_maps import IGNORE
from mmdavss.modules import (
    AdaptiveThresholds,
    class_balanced_thresholds,
    ranked_probabilities,
    select_labels,
)
from mmdavss.utils.errors import InputError, MissingInputError

from .predictor import Frame, Prediction
from .workers import Turn

#: A frame and its prediction.
Predicted = tuple[Frame, Prediction]


class Labelled(NamedTuple):
    """Pseudo-labels of a frame.

    Attributes:
        frame: The frame.
        prediction: Its prediction.
        labels: (H, W), uint8, classes or 255.
        soft: (K, H, W), float32, probabilities of the classes, for rules with soft labels.
    """

    frame: Frame
    prediction: Prediction
    labels: np.ndarray
    soft: np.ndarray | None = None


class LabelRule:
    """Base of the rules.

    A rule may need to know all predictions before it labels any (:attr:`collects`): the network
    then runs twice. What is collected of a clip neither depends on others nor on their order.
    """

    #: What a first pass collects: None, ``histogram`` or ``confidences``.
    collects: str | None = None
    #: Whether ``confidences`` of all classes are one list.
    joined = False
    #: Whether the entropy of each frame is noted, from which frames are ranked.
    notes_entropy = False
    #: Whether clips are pairs of frames, each a previous and a current one.
    pairs = False

    def options(self) -> dict[str, Any]:
        """The options, as the class takes them."""
        return dict(vars(self))

    def sample(self, prediction: Prediction, num_classes: int) -> list[np.ndarray]:
        """What ``confidences`` has of a frame: (P_k,), float32, of each class."""
        raise NotImplementedError

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        """Thresholds (K,), float64, before the first clip; of pairs (2K,), first the current ones.

        Args:
            num_classes: Number of classes K.
            collected: The histogram (K, `BINS`) or the :class:`Confidences` of all clips, for rules
                that collect it.
        """
        raise NotImplementedError

    def check(self, num_classes: int) -> None:
        """Checks the files that the options name, before the network runs."""

    def label(
        self, predicted: Iterable[Predicted], num_classes: int, turn: Turn
    ) -> Iterator[Labelled]:
        """Labels the frames of a clip.

        Args:
            predicted: Frames and predictions, one after the other.
            num_classes: Number of classes K.
            turn: Context manager that waits for the clips before and yields the thresholds, which
                clips hand on: those of :meth:`start`, to be changed in place.
        """
        raise NotImplementedError


class ClipAdaptive(LabelRule):
    """``clip_adaptive``: thresholds that follow the clips (VAT-VST, algorithm 1).

    Args:
        alpha: Argument of :class:`AdaptiveThresholds`.
        beta: Argument of :class:`AdaptiveThresholds`.
        gamma: Argument of :class:`AdaptiveThresholds`.
        start: Argument of :class:`AdaptiveThresholds`.
        cap: Argument of :class:`AdaptiveThresholds`.

    Raises:
        ValueError: If one is outside of its range.
    """

    def __init__(
        self,
        alpha: float = 0.2,
        beta: float = 0.9,
        gamma: float = 8.0,
        start: float = 0.9,
        cap: float | None = None,
    ) -> None:
        self.adaptive = dict(alpha=alpha, beta=beta, gamma=gamma, start=start, cap=cap)
        AdaptiveThresholds(1, **self.adaptive)  # type: ignore[arg-type]  # checks them

    def options(self) -> dict[str, Any]:
        return dict(self.adaptive)

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        return self.thresholds(num_classes).values

    def thresholds(self, num_classes: int, **changes: float) -> AdaptiveThresholds:
        """The thresholds before the first clip.

        Args:
            num_classes: Number of classes K.
            changes: Options that differ.
        """
        return AdaptiveThresholds(num_classes, **(self.adaptive | changes))  # type: ignore[arg-type]

    @staticmethod
    def units(predicted: Sequence[Predicted]) -> list[Sequence[Predicted]]:
        """The frames of a clip in groups that share thresholds: here all of them."""
        return [predicted]

    @staticmethod
    def ranked(unit: Sequence[Predicted], num_classes: int) -> list[np.ndarray]:
        """What thresholds need to know of a group, see :func:`ranked_probabilities`."""
        return ranked_probabilities(
            np.concatenate([prediction.probability.ravel() for _, prediction in unit]),
            np.concatenate([prediction.labels.ravel() for _, prediction in unit]),
            num_classes,
        )

    @staticmethod
    def select(prediction: Prediction, thresholds: np.ndarray) -> np.ndarray:
        """Labels (H, W) of a frame."""
        return select_labels(prediction.probability, prediction.labels, thresholds)

    def label(
        self, predicted: Iterable[Predicted], num_classes: int, turn: Turn
    ) -> Iterator[Labelled]:
        # Of a whole clip only what is needed: K probabilities of all pixels would be too many.
        units = self.units([(frame, prediction.reduced()) for frame, prediction in predicted])
        ranked = [self.ranked(unit, num_classes) for unit in units]
        adaptive = self.thresholds(num_classes)
        # Only this waits for the clips before.
        with turn() as state:
            adaptive.values[:] = state
            thresholds = [adaptive.follow(own) for own in ranked]
            state[:] = adaptive.values
        for unit, own in zip(units, thresholds, strict=True):
            for frame, prediction in unit:
                yield Labelled(frame, prediction, self.select(prediction, own))


class InstanceAdaptive(ClipAdaptive):
    """``instance_adaptive``: the same with every frame as its own clip (IAST)."""

    @staticmethod
    def units(predicted: Sequence[Predicted]) -> list[Sequence[Predicted]]:
        return [[pair] for pair in predicted]


class ReleasedInstanceAdaptive(InstanceAdaptive):
    """``iast``: as IAST's release has it (Mei et al. 2020).

    Two images share an update, confidences are rounded to float16 for the thresholds, and a pixel
    whose confidence equals its threshold is kept. The release shuffles the images; here they come
    in their order.
    """

    @staticmethod
    def units(predicted: Sequence[Predicted]) -> list[Sequence[Predicted]]:
        return [predicted[first : first + 2] for first in range(0, len(predicted), 2)]

    @staticmethod
    def ranked(unit: Sequence[Predicted], num_classes: int) -> list[np.ndarray]:
        ranked = ClipAdaptive.ranked(unit, num_classes)
        return [own.astype(np.float16).astype(np.float64) for own in ranked]

    @staticmethod
    def select(prediction: Prediction, thresholds: np.ndarray) -> np.ndarray:
        return select_labels(prediction.probability, prediction.labels, thresholds, inclusive=True)


class ReleasedPairAdaptive(ReleasedInstanceAdaptive):
    """``pair``: IAST's for pairs of a previous and a current frame, as CMOM's release has it.

    Both frames have thresholds of their own. Those of the current frame, before its update, also
    decide the share of the previous one's pixels, and are its further sample. Thresholds are at
    most the cap.

    Args:
        cap: Argument of :class:`AdaptiveThresholds`.
        kwargs: Those of :class:`ClipAdaptive`.
    """

    pairs = True

    def __init__(self, cap: float | None = 0.999, **kwargs: float) -> None:
        super().__init__(cap=cap, **kwargs)

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        return np.tile(super().start(num_classes), 2)

    def label(
        self, predicted: Iterable[Predicted], num_classes: int, turn: Turn
    ) -> Iterator[Labelled]:
        previous, current = ((frame, prediction.reduced()) for frame, prediction in predicted)
        ranked = [self.ranked([own], num_classes) for own in (current, previous)]
        own, other = self.thresholds(num_classes), self.thresholds(num_classes)
        with turn() as state:
            own.values[:], other.values[:] = state[:num_classes], state[num_classes:]
            other.follow(ranked[1], own.values.copy())
            own.follow(ranked[0])
            state[:] = np.concatenate([own.values, other.values])
        for (frame, prediction), thresholds in ((previous, other), (current, own)):
            yield Labelled(frame, prediction, self.select(prediction, thresholds.values))


class FixedRule(LabelRule):
    """Base of the rules whose thresholds are the same for all clips."""

    def label(
        self, predicted: Iterable[Predicted], num_classes: int, turn: Turn
    ) -> Iterator[Labelled]:
        with turn() as state:
            thresholds = state.copy()
        for frame, prediction in predicted:
            yield Labelled(frame, prediction, *self.choose(prediction, thresholds))

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        """Labels (H, W) of a frame, and soft ones for a rule that has them.

        Args:
            prediction: Prediction of the frame.
            thresholds: (K,).
        """
        raise NotImplementedError


class ClassBalanced(FixedRule, ClipAdaptive):
    """``class_balanced``: every class keeps the share `alpha` of its pixels.

    Thresholds are whole thousandths, 0.999 at most: of a class in which more than this share is
    more confident than 0.999, all those pixels are kept (``cbst`` has exact thresholds). They are
    CBST's, with the decision of VAT-VST: a pixel keeps its most probable class or none.
    It takes the other options of :class:`ClipAdaptive` too, which have no effect, so that a config
    can change the name of the rule alone.
    """

    collects = 'histogram'

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        return class_balanced_thresholds(collected, self.adaptive['alpha'])  # type: ignore[arg-type]

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        return (self.select(prediction, thresholds),)


class AllPixels(FixedRule):
    """``all``: every pixel gets its most probable class (IntraDA, HCL)."""

    notes_entropy = True

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        return np.zeros(num_classes)

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        return (prediction.labels,)


class RankedRule(FixedRule):
    """Base of the rules with an order statistic of each class's confidences as its threshold."""

    collects = 'confidences'

    def sample(self, prediction: Prediction, num_classes: int) -> list[np.ndarray]:
        return [prediction.probability[prediction.labels == k] for k in range(num_classes)]


class QuantileCapped(RankedRule):
    """``quantile``: the upper part of each class, and all above a cap (FDA, Yang and Soatto 2020).

    The threshold of a class is the value at place round(q n) of the ascending confidences of its n
    pixels in the data set, but at most the cap. A pixel is kept if its confidence is not below.

    Args:
        quantile: q. With the release's 0.66 a class keeps its upper 34 %.
        cap: Pixels from this confidence on are kept.

    Raises:
        ValueError: If one is not between 0 and 1.
    """

    def __init__(self, quantile: float = 0.66, cap: float = 0.9) -> None:
        self.quantile = check_portion('quantile', quantile)
        if not 0 < cap <= 1:
            raise ValueError(f'cap={cap} must be above 0 and at most 1.')
        self.cap = cap

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        counts = collected.counts
        places = np.array([round(self.quantile * int(n)) for n in counts])
        # The release has no such place if a class has one pixel.
        values = collected.ordered(np.minimum(places, counts - 1)).astype(np.float64)
        # Nothing is compared with the threshold of a class without pixels.
        return np.where(counts > 0, np.minimum(values, self.cap), 0.0)

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        return (
            select_labels(prediction.probability, prediction.labels, thresholds, inclusive=True),
        )


class CBST(RankedRule):
    """``cbst``: class-balanced self-training (Zou et al. 2018).

    The threshold theta_k of class k is the floor(n * portion)-th largest of the confidences of the
    n pixels that are predicted as k, 1 if that is 0. The label is the argmax of p_k / theta_k, kept
    where that ratio is at least 1: it may be another class than the most probable one.

    Args:
        portion: Share of each class that is kept.
        every: Every how many pixels of a class in a frame are counted. CBST and CRST have 4.
        prior: File (.npy) with the spatial priors (K, H, W), resized to the prediction: they
            multiply p before everything else. None for none.
        balanced: False: one threshold for all classes (the `global` policy, plain self-training).
        leading_zeros: Whether lists begin with a 0, as in the MXNet release: floor((n + 1) *
            portion), with one list for all classes floor((n + K + 1) * portion).

    Raises:
        ValueError: If the portion is not between 0 and 1, or `every` is not 1 or more.
    """

    def __init__(
        self,
        portion: float = 0.2,
        every: int = 4,
        prior: str | None = None,
        balanced: bool = True,
        leading_zeros: bool = False,
    ) -> None:
        self.portion = check_portion('portion', portion)
        self.every = _step('every', every)
        self.prior = prior
        self.balanced = balanced
        self.leading_zeros = leading_zeros

    @property
    def joined(self) -> bool:
        return not self.balanced

    def weighted(self, prediction: Prediction) -> np.ndarray:
        """The probabilities (K, H, W), float32, times the priors."""
        probabilities = prediction.probabilities
        assert probabilities is not None
        if self.prior is not None:
            prior = torch.from_numpy(_priors(self.prior)).to(probabilities)
            probabilities = (
                probabilities
                * F.interpolate(
                    prior[None], probabilities.shape[1:], mode='bilinear', align_corners=False
                )[0]
            )
        return probabilities.cpu().numpy()

    def check(self, num_classes: int) -> None:
        if self.prior is not None and len(_priors(self.prior)) != num_classes:
            raise InputError(
                f'{self.prior} (prior) has {len(_priors(self.prior))} maps for {num_classes} '
                'classes: it must have one of each class.'
            )

    def sample(self, prediction: Prediction, num_classes: int) -> list[np.ndarray]:
        weighted = self.weighted(prediction)
        confidence, labels = weighted.max(0), weighted.argmax(0)
        return [confidence[labels == k][:: self.every] for k in range(num_classes)]

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        counts = collected.counts
        zeros = np.int64(0)
        if self.leading_zeros:
            zeros = np.where(counts > 0, 1, 0) if self.balanced else np.int64(num_classes + 1)
        # In float64, as the releases: 10 * 0.3 is 3.
        ranks = np.floor((counts + zeros) * self.portion).astype(np.int64)
        values = collected.ordered(np.where(ranks > 0, counts - ranks, -1))
        # No rank, or one among the leading zeros: no threshold.
        values = np.where(values > 0, values, np.float32(1)).astype(np.float64)
        return np.broadcast_to(values, num_classes).copy()

    def ratios(self, prediction: Prediction, thresholds: np.ndarray) -> np.ndarray:
        """The weighted probabilities over the thresholds of their classes, (K, H, W), float32."""
        return self.weighted(prediction) / thresholds.astype(np.float32)[:, None, None]

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        ratio = self.ratios(prediction, thresholds)
        labels = np.where(ratio.max(0) >= 1, ratio.argmax(0), IGNORE)
        return (labels.astype(np.uint8),)


class LRENT(CBST):
    """``lrent``: soft labels with entropy as their regulariser (CRST, Zou et al. 2019).

    With CBST's thresholds, q_k is proportional to (p_k / theta_k)^(1 / alpha). A pixel is kept if
    the sum of (p_k / theta_k)^(1 / alpha) over the classes exceeds 1, which is the condition
    of the paper. The hard label is the argmax of q.

    Args:
        temperature: alpha.
        kwargs: Those of :class:`CBST`.

    Raises:
        ValueError: If alpha is not above 0.
    """

    def __init__(self, temperature: float = 0.25, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if temperature <= 0:
            raise ValueError(f'temperature={temperature} must be above 0.')
        self.temperature = temperature

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        q = self.ratios(prediction, thresholds).astype(np.float64) ** (1 / self.temperature)
        total = q.sum(0)
        labels = np.where(total > 1, q.argmax(0), IGNORE)
        return labels.astype(np.uint8), (q / np.maximum(total, 1e-300)).astype(np.float32)


class CCM(RankedRule):
    """``ccm``: confident for any class, or within its frame (Li et al. 2020).

    A pixel gets its most probable class if any class exceeds its own threshold, the floor(n *
    portion)-th largest of that class's n confidences in the data set; or if its confidence exceeds
    the floor(H W portion)-th largest of its frame.

    Args:
        portion: Share of each class and of each frame.
        every: Every how many of the ascending confidences of a class in a frame are counted.

    Raises:
        ValueError: If the portion is not between 0 and 1, or `every` is not 1 or more.
    """

    def __init__(self, portion: float = 0.1, every: int = 5) -> None:
        self.portion = check_portion('portion', portion)
        self.every = _step('every', every)

    def sample(self, prediction: Prediction, num_classes: int) -> list[np.ndarray]:
        return [np.sort(own)[:: self.every] for own in super().sample(prediction, num_classes)]

    def start(self, num_classes: int, collected: Any = None) -> np.ndarray:
        counts = collected.counts
        # The release reads place -0 of the list, its smallest, where the rank is 0.
        ranks = np.floor(counts * self.portion).astype(np.int64)
        values = collected.ordered(np.where(ranks > 0, counts - ranks, 0))
        # A class that is never predicted, for which the release fails, has no confident pixel.
        return np.where(counts > 0, values, np.float32(1)).astype(np.float64)

    def choose(self, prediction: Prediction, thresholds: np.ndarray) -> tuple[Any, ...]:
        anywhere, local = self.votes(prediction, thresholds)
        keeps = anywhere.any(0) | local
        return (np.where(keeps, prediction.labels, IGNORE).astype(np.uint8),)

    def votes(
        self, prediction: Prediction, thresholds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The classes (K, H, W) that exceed their threshold, and the pixels (H, W) that are kept
        within the frame, both bool.
        """
        assert prediction.probabilities is not None
        probabilities = prediction.probabilities.cpu().numpy()
        confidence = prediction.probability
        rank = int(self.portion * confidence.size)
        place = confidence.size - rank if rank else 0
        limit = np.partition(confidence.ravel(), place)[place]
        return probabilities > thresholds.astype(np.float32)[:, None, None], confidence > limit


@cache
def _priors(path: str) -> np.ndarray:
    try:
        maps = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MissingInputError(f'{path} (prior) does not exist: correct the path.') from None
    except (OSError, ValueError) as error:
        raise InputError(f'{path} (prior) is no file of NumPy (.npy): {error}') from error
    if not isinstance(maps, np.ndarray) or maps.ndim != 3 or maps.dtype.kind != 'f':
        raise InputError(f'{path} (prior) must hold one array of floats, (K, H, W).')
    maps = maps.astype(np.float32)
    if not np.isfinite(maps).all() or (maps < 0).any():
        raise InputError(
            f'{path} (prior) has values that are negative or not finite: make it again with '
            'tools/class_statistics.py --spatial-prior'
        )
    return np.abs(maps)  # no -0 either: Confidences orders numbers by their bits


def check_portion(name: str, value: float) -> float:
    """The value; raises ValueError unless it is between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(
            f'{name}={value} must be between 0 and 1: no pixel would be a label, or all of them '
            "(selection='all')."
        )
    return value


def _step(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f'{name}={value} must be 1 or more.')
    return value


#: The rules by their name in a config.
RULES: dict[str, Callable[..., LabelRule]] = dict(
    clip_adaptive=ClipAdaptive,
    instance_adaptive=InstanceAdaptive,
    iast=ReleasedInstanceAdaptive,
    pair=ReleasedPairAdaptive,
    class_balanced=ClassBalanced,
    all=AllPixels,
    quantile=QuantileCapped,
    cbst=CBST,
    lrent=LRENT,
    ccm=CCM,
)
