"""P-mIoU of pseudo-labels against how many there are (VAT-VST, table 7), without writing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config

from mmdavss.datasets.label_folder import mask_name
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.datasets.transforms.loading import read_label
from mmdavss.utils.errors import UserError, number_of
from mmdavss.utils.progress import progress

from .folder import full_size
from .generator import PseudoLabelGenerator
from .predictor import BINS, ClipPredictor, Frame, Prediction, probability_histogram
from .rules import RULES, ClipAdaptive
from .scores import pseudo_confusion, pseudo_miou
from .target import labelled_target

#: Ways to make pseudo-labels, as VAT-VST compares them: ``selection`` and ``aggregate`` of
#: :class:`PseudoLabelGenerator`.
WAYS = {
    'class-balanced': ('class_balanced', False),
    'instance-adaptive': ('instance_adaptive', False),
    'clip-adaptive': ('clip_adaptive', False),
    'aggregated': ('clip_adaptive', True),
}
#: The first values of alpha; the search goes on between them.
ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Quality:
    """Pseudo-labels of one alpha.

    Attributes:
        alpha: Of the selection.
        proportion: Share of the labelled pixels that have a pseudo-label.
        p_miou: Mean IoU over these, percent; NaN without any.
        iou: (K,), of each class, NaN where it does not occur.
    """

    alpha: float
    proportion: float
    p_miou: float
    iou: np.ndarray


class QualityMeter:
    """Scores the pseudo-labels that a checkpoint would give, for many values of alpha at once.

    All frames that would be labelled are predicted, since thresholds follow all of them, in the
    order and as often as ``seed`` and ``passes`` of the generator say; those of
    ``target_train_labelled`` are scored, in the last pass. Predictions are kept if all of them fit
    into `memory`; otherwise every pass of :meth:`measure` runs the network over the target again.

    Args:
        cfg: Config with ``pseudo_label_generator`` and ``target_train_labelled``.
        checkpoint: File, as :func:`load_model` takes it.
        device: Where the network computes.
        memory: Bytes of predictions that may be kept, for each of with and without neighbours.

    Raises:
        UserError: If the config lacks a part, or a labelled frame is not in the target.
    """

    def __init__(
        self, cfg: Config, checkpoint: str, device: str = 'cpu', memory: int = 1 << 30
    ) -> None:
        self.cfg, self.checkpoint, self.device, self.memory = cfg, checkpoint, device, memory
        self.generator = PseudoLabelGenerator.from_config(cfg)
        if not isinstance(self.generator.rule, ClipAdaptive):
            raise UserError(
                f'{cfg.filename}: pseudo_label_generator.selection={self.generator.selection!r} '
                'has no alpha: name a config of VST'
            )
        self.options = self.generator.rule.options()
        dataset, self.classes, _ = self.generator.target(cfg)
        self.clips = self.generator.clips(dataset)
        self.labelled = {}
        labelled = labelled_target(cfg)
        if tuple(labelled.metainfo['classes']) != self.classes:
            raise UserError(
                f'{cfg.filename}: target_train_labelled has other classes than the target'
            )
        for i in range(len(labelled)):
            info = labelled.get_data_info(i)
            self.labelled[mask_name(info['seq_name'], info['frame_name'])] = (
                info['seg_map_path'],
                info['label_spec'],
            )
        missing = self.labelled.keys() - {f.mask for clip in self.clips for f in clip.frames}
        if missing:
            raise UserError(
                f'{cfg.filename}: {number_of(len(missing), "frame")} of target_train_labelled '
                f'not in train_dataloader.dataset.target, such as {min(missing)}: '
                'both must have the same frames'
            )
        self._predictors: dict[bool, ClipPredictor] = {}
        self._kept: dict[bool, dict[str, list[Prediction]]] = {}
        self._histogram: np.ndarray | None = None

    def measure(self, way: str, alphas: Sequence[float]) -> list[Quality]:
        """The quality for each alpha, for all alphas together.

        Args:
            way: One of :data:`WAYS`.
            alphas: Shares, 0 to 1.
        """
        selection, aggregate = WAYS[way]
        rule = RULES[selection](**self.options)
        assert isinstance(rule, ClipAdaptive)
        adaptive, fixed = [], []
        if rule.collects is None:
            adaptive = [rule.thresholds(len(self.classes), alpha=alpha) for alpha in alphas]
        else:
            fixed = [
                RULES[selection](alpha=alpha).start(len(self.classes), self._counts())
                for alpha in alphas
            ]
        confusions = np.zeros((len(alphas), len(self.classes), len(self.classes)), np.int64)
        valid = 0
        passes = self.generator.passes if adaptive else 1
        for scored, unit in self._units(rule, aggregate, passes):
            if adaptive:
                ranked = rule.ranked(unit, len(self.classes))
                fixed = [own.follow(ranked) for own in adaptive]
            for frame, p in unit if scored else ():
                if frame.mask not in self.labelled:
                    continue
                truth = read_label(*self.labelled[frame.mask])
                valid += int((truth != IGNORE).sum())
                for confusion, thresholds in zip(confusions, fixed, strict=True):
                    chosen = rule.select(p, thresholds)
                    confusion += pseudo_confusion(
                        full_size(chosen, p.size), truth, len(self.classes)
                    )
        found = []
        for alpha, confusion in zip(alphas, confusions, strict=True):
            mean, iou = pseudo_miou(confusion)
            found.append(Quality(alpha, confusion.sum() / max(valid, 1), 100 * mean, 100 * iou))
        return found

    def _units(
        self, rule: ClipAdaptive, aggregate: bool, passes: int
    ) -> Iterator[tuple[bool, Sequence[tuple[Frame, Prediction]]]]:
        """Frames that share thresholds, pass by pass, and whether the pass is the last one."""
        for number in range(passes):
            for frames, predictions in self._predictions(aggregate, number):
                for unit in rule.units(list(zip(frames, predictions, strict=True))):
                    yield number == passes - 1, unit

    def _predictions(
        self, aggregate: bool, number: int
    ) -> Iterator[tuple[tuple[Frame, ...], list[Prediction]]]:
        """Frames and predictions of the clips, in the order of a pass."""
        clips = self.generator.order(self.clips, number)
        if aggregate in self._kept:
            yield from ((clip.frames, self._kept[aggregate][clip.name]) for clip in clips)
            return
        if aggregate not in self._predictors:
            self._predictors[aggregate] = self.generator.predictor(
                self.cfg, self.checkpoint, self.device, len(self.classes), aggregate
            )
        kept: dict[str, list[Prediction]] = {}
        size = 0
        for clip in progress('segment', clips, unit='clips'):
            predictions = [p.reduced() for p in self._predictors[aggregate](clip)]
            size += sum(p.probability.nbytes + p.labels.nbytes for p in predictions)
            if size <= self.memory:
                kept[clip.name] = predictions
            yield clip.frames, predictions
        if len(kept) == len(clips):
            self._kept[aggregate] = kept

    def _counts(self) -> np.ndarray:
        if self._histogram is None:
            histogram = np.zeros((len(self.classes), BINS), np.int64)
            for _, predictions in self._predictions(False, 0):
                histogram += probability_histogram(predictions, len(self.classes))
            self._histogram = histogram
        return self._histogram


def reach(
    measure: Callable[[Sequence[float]], list[Quality]],
    proportions: Sequence[float],
    tolerance: float = 1e-3,
    rounds: int = 6,
) -> tuple[list[Quality], list[Quality | None]]:
    """Finds the alphas that give certain proportions.

    Begins with :data:`ALPHAS` and goes on between the nearest ones below and above, at the place
    that a straight line says and at the quarters.

    Args:
        measure: Qualities of alphas.
        proportions: Wanted, 0 to 1.
        tolerance: How far from it a proportion may be.
        rounds: Calls of `measure` at the most.

    Returns:
        All qualities that were measured, by alpha, and the nearest one for each proportion; None
        where none is within the tolerance.
    """
    points: dict[float, Quality] = {}
    alphas = set(ALPHAS)
    for _ in range(rounds):
        points |= {q.alpha: q for q in measure(sorted(alphas))}
        known = [q for _, q in sorted(points.items())]
        alphas = set()
        for wanted in proportions:
            if any(abs(q.proportion - wanted) <= tolerance for q in known):
                continue
            for low, high in zip(known, known[1:], strict=False):
                if low.proportion < wanted < high.proportion:
                    straight = (wanted - low.proportion) / (high.proportion - low.proportion)
                    alphas |= {
                        low.alpha + (high.alpha - low.alpha) * share
                        for share in (straight, 0.25, 0.5, 0.75)
                    }
                    break
        alphas -= points.keys()
        if not alphas:
            break
    found = [q for _, q in sorted(points.items())]
    nearest = []
    for wanted in proportions:
        gaps = [abs(q.proportion - wanted) for q in found]
        nearest.append(found[gaps.index(min(gaps))])
    return found, [
        q if abs(q.proportion - wanted) <= tolerance else None
        for q, wanted in zip(nearest, proportions, strict=True)
    ]
