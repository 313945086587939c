"""Segmentation and tracking quality (STQ)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from mmdavss.utils.errors import number_of

from .class_subset import classes_of
from .samples import by_sequence, labelled_frame
from .video_panoptic_quality import confusion_with_void

#: Stands for pixels that are in no track.
NONE = -1
#: Class and number of a track in one integer.
CLASS = 1 << 32


@METRICS.register_module()
class STQMetric(BaseMetric):
    """STQ of KITTI-STEP (Weber et al., STEP: Segmenting and Tracking Every Pixel, NeurIPS 2021).

    STQ = sqrt(AQ * SQ), over the whole data set, not as a mean over its sequences.

    SQ is the mean IoU of the classes; pixels whose label is void do not count.

    AQ is the association quality. A track g is the set of all pixels of a sequence that show one
    object, over all frames; p is a predicted track. With TPA = |p and g|,

        AQ = 1 / |tracks|  sum over g  1 / |g|  sum over p  TPA * TPA / (|p| + |g| - TPA),

    where tracks are those of all sequences. Classes are not compared here: a track of a person that
    is found as a car is associated as well as one with the right class. As in the published
    evaluation, a predicted track is the pixels of one class and number, pixels of a thing class
    without a number (crowd regions) belong to no track and count in none, and pixels that the label
    calls void count in the size of a predicted track.

    Samples need ``gt_tracks``, the numbers of the objects (0 for none), which :class:`LoadTracks`
    reads, and may come in any order and be distributed over processes. ``pred_tracks`` holds the
    predicted numbers, integers, 0 or more. Where a sample has none, as with every network here,
    each thing class is one track: then AQ says how far semantic segmentation alone gets, and the
    log says so. All frames of a sequence must be included.

    Returns, in percent: ``STQ``, ``AQ`` and ``SQ``.

    Args:
        things: Names of the classes that are tracked; by default ``thing_classes`` of the data set.
        kwargs: ``collect_device``, ``prefix``, ``collect_dir`` of :class:`mmengine.BaseMetric`.
    """

    def __init__(self, things: Sequence[str] | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.things = (things,) if isinstance(things, str) else things and tuple(things)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Counts the pixels of classes and pairs of tracks in each frame.

        Raises:
            ValueError: If a sample lacks its names, its label or its tracks, or the data set does
                not say which classes are tracked.
        """
        classes, things = classes_of(self), self._things()
        for sample in data_samples:
            frame = labelled_frame(self, sample)
            sequence, name, _ = frame
            if 'gt_tracks' not in sample:
                raise ValueError(
                    f'STQMetric: {name} of {sequence} has no gt_tracks, the numbers of objects. '
                    'Use a data set that has them (KITTISTEPDataset) and put LoadTracks directly '
                    'after LoadClipAnnotations.'
                )
            prediction = sample['pred_sem_seg']['data'].squeeze(0)
            label, tracks = (
                sample[key]['data'].squeeze(0).to(prediction.device)
                for key in ('gt_sem_seg', 'gt_tracks')
            )
            found = sample.get('pred_tracks')
            if found is not None and (found['data'].is_floating_point() or found['data'].min() < 0):
                raise ValueError(
                    f'STQMetric: pred_tracks of {name} of {sequence} must be integers, 0 or more.'
                )
            pairs = track_pairs(
                prediction,
                torch.zeros_like(prediction) if found is None else found['data'].squeeze(0),
                label,
                tracks,
                [classes.index(thing) for thing in things],
            )
            confusion = confusion_with_void(prediction, label, len(classes))
            self.results.append((frame, (confusion, pairs, found is not None)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Computes AQ, SQ and STQ of the whole data set, in percent.

        Raises:
            ValueError: If no frame has a track, or two files have the same names.
        """
        sequences = by_sequence(self, results)
        frames = [counts for own in sequences.values() for counts in own.values()]
        qualities: list[float] = []
        for own in sequences.values():
            tracks: Counter[tuple[int, int]] = Counter()
            for _, pairs, _ in own.values():
                tracks.update(pairs)
            qualities += association_qualities(tracks)
        if not qualities:
            raise ValueError(
                f'STQMetric: none of the {number_of(len(frames), "frame")} has an object of '
                f'{self._things()} with a number: check the labels, or name the classes that have '
                'numbers (things).'
            )
        # The labels' void is no class: its row, what is predicted there, does not count.
        total = np.sum([confusion for confusion, *_ in frames], axis=0)[:-1]
        overlap = total.diagonal()
        union = total.sum(1) + total[:, :-1].sum(0) - overlap
        aq, sq = np.mean(qualities), np.mean(overlap[union > 0] / union[union > 0])
        tracked = any(tracked for *_, tracked in frames)
        note = '' if tracked else '; the predictions have no tracks: each thing class is one track'
        print_log(
            f'STQ of {number_of(len(qualities), "track")} in '
            f'{number_of(len(sequences), "sequence")}, {number_of(len(frames), "frame")}{note}',
            'current',
        )
        values = dict(STQ=np.sqrt(aq * sq), AQ=aq, SQ=sq)
        return {name: np.round(100 * value, 2) for name, value in values.items()}

    def _things(self) -> tuple[str, ...]:
        classes, meta = classes_of(self), self.dataset_meta or {}
        things = meta.get('thing_classes') if self.things is None else self.things
        if things is None:
            raise ValueError(
                'STQMetric: the data set does not say which classes are tracked (thing_classes of '
                "its metainfo): name them, things=['person', 'car']."
            )
        unknown = [name for name in things if name not in classes]
        if unknown:
            raise ValueError(
                f'STQMetric: {unknown} of `things` are not among the classes {classes}.'
            )
        return tuple(things)


def track_pairs(
    prediction: Tensor,
    predicted_tracks: Tensor,
    label: Tensor,
    tracks: Tensor,
    things: Sequence[int],
) -> dict[tuple[int, int], int]:
    """Number of pixels of each pair of a true and a predicted track in one frame.

    Args:
        prediction: (H, W), predicted classes.
        predicted_tracks: (H, W), numbers of predicted objects, 0 or more.
        label: (H, W), true classes; those of no class are void.
        tracks: (H, W), numbers of true objects, 0 for none.
        things: Classes that are tracked.

    Returns:
        Pixels of each pair of keys, true and predicted. A key is class and number of a track, or
        -1 for pixels in none.
    """
    kinds = torch.tensor(sorted(things), device=label.device)
    true_thing, found_thing = torch.isin(label, kinds), torch.isin(prediction, kinds)
    crowd = true_thing & (tracks == 0)
    true = (label.long() * CLASS + tracks.long()).masked_fill(~true_thing | crowd, NONE)
    found = prediction.long() * CLASS + predicted_tracks.to(prediction.device).long()
    found = found.masked_fill(~found_thing | crowd, NONE)
    true_keys, rows = torch.unique(true, return_inverse=True)
    found_keys, columns = torch.unique(found, return_inverse=True)
    cells = (rows * len(found_keys) + columns).flatten()
    counts = torch.bincount(cells, minlength=len(true_keys) * len(found_keys)).tolist()
    keys = ((g, p) for g in true_keys.tolist() for p in found_keys.tolist())
    return {pair: count for pair, count in zip(keys, counts, strict=True) if count}


def association_qualities(pairs: Mapping[tuple[int, int], int]) -> list[float]:
    """Association quality of each true track of a sequence, from 0 to 1.

    Args:
        pairs: Pixels of each pair of tracks, from :func:`track_pairs`, summed over the frames.
    """
    true: Counter[int] = Counter()
    found: Counter[int] = Counter()
    for (g, p), count in pairs.items():
        true[g] += count
        found[p] += count
    quality = {g: 0.0 for g in true if g != NONE}
    for (g, p), both in pairs.items():
        if NONE not in (g, p):
            quality[g] += both * both / (true[g] + found[p] - both) / true[g]
    return list(quality.values())
