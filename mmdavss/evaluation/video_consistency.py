"""Video consistency (mVC): do predictions stay the same where the labels do?"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from mmdavss.utils.errors import number_of
from mmdavss.utils.inputs import natural

from .class_subset import classes_of
from .samples import by_sequence, labelled_frame

MODES = ('all', 'published')
VOID = 255


@dataclass
class Frame:
    """A frame: the size and the compressed bytes of its label and prediction, stacked."""

    shape: tuple[int, int]
    pixels: bytes

    def maps(self) -> np.ndarray:
        """(2, H, W), uint8: label and prediction, 255 for void."""
        return np.frombuffer(zlib.decompress(self.pixels), np.uint8).reshape(2, *self.shape)


@METRICS.register_module()
class VideoConsistencyMetric(BaseMetric):
    """mVC of VSPW (Miao et al., A Large-scale Dataset for Video Scene Parsing, CVPR 2021).

    For n successive labelled frames of a video, let S be the pixels whose label is the same in all
    n frames, and P those whose prediction is the same in all n frames. Then

        VC_n = |S and P| / |S|,    mVC_n = mean of VC_n over all windows of n frames of all videos,

    the mean over the windows of the whole data set, not of the means of videos. Windows overlap:
    one begins at every frame. A window without such pixels is left out.

    The published evaluation (``VC_perclip.py`` of the authors) does not ask whether the prediction
    is right, nor is it by default here: a constant prediction scores 100, so mVC is only
    meaningful together with the mIoU. `correct` counts a pixel of P only if the prediction is also
    the label, which is how the formula can be read, too.

    Samples may come in any order and be distributed over processes: they are sorted by
    ``frame_name`` within their ``seq_name``. All frames of a video must be included and have
    labels. Labels and predictions are kept, compressed, until the end (tens of kB per frame).

    Returns, in percent: ``mVC<n>`` for each length; NaN if no video is long enough.

    Args:
        lengths: Numbers of frames n.
        mode: ``all``: every window counts, and pixels whose label is void do not; or ``published``,
            as in the published evaluation: the last window of each video does not count, so that
            a video of n frames has none, and void is a label as any other. VSPW's two ignored ids
            are two labels there, and one here.
        correct: Whether the prediction must be right as well.
        kwargs: ``collect_device``, ``prefix``, ``collect_dir`` of :class:`mmengine.BaseMetric`.

    Raises:
        ValueError: For an invalid option.
    """

    def __init__(
        self,
        lengths: Sequence[int] = (8, 16),
        mode: str = 'all',
        correct: bool = False,
        **kwargs,
    ) -> None:
        if not lengths or min(lengths) < 2:
            raise ValueError(
                f'VideoConsistencyMetric: lengths={lengths} must be numbers of frames, 2 or more.'
            )
        if mode not in MODES:
            raise ValueError(f'VideoConsistencyMetric: mode={mode!r} is not one of {MODES}.')
        super().__init__(**kwargs)
        self.lengths = tuple(lengths)
        self.mode = mode
        self.correct = correct

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Stores labels and predictions.

        Raises:
            ValueError: If a sample lacks its names or its label, or there are over 255 classes.
        """
        if len(classes_of(self)) > VOID:
            raise ValueError(f'VideoConsistencyMetric: more than {VOID} classes.')
        for sample in data_samples:
            frame = labelled_frame(self, sample)
            maps = torch.stack([_ids(sample['gt_sem_seg']), _ids(sample['pred_sem_seg'])])
            height, width = maps.shape[1:]
            pixels = zlib.compress(maps.cpu().numpy().tobytes(), 1)
            self.results.append((frame, Frame((height, width), pixels)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Computes the means over all windows, in percent.

        Raises:
            ValueError: If the frames of a video differ in size, no video has as many frames as the
                shortest window, or two files have the same names.
        """
        videos: dict[str, dict[str, Frame]] = by_sequence(self, results)
        longest = max(map(len, videos.values()))
        if longest < min(self.lengths) + (self.mode == 'published'):
            raise ValueError(
                f'VideoConsistencyMetric: the longest of {number_of(len(videos), "video")} has '
                f'{number_of(longest, "labelled frame")}, too few for lengths={self.lengths}: use '
                "shorter ones, and a data set that labels all frames (frames='all')."
            )
        values: dict[int, list[float]] = {n: [] for n in self.lengths}
        for sequence, frames in videos.items():
            names = sorted(frames, key=natural)
            sizes = {frames[name].shape for name in names}
            if len(sizes) > 1:
                raise ValueError(
                    f'VideoConsistencyMetric: frames of {sequence} differ in size: '
                    f'{sorted(sizes)}. Labels and predictions of a video must have one size.'
                )
            windows = window_consistencies(
                (frames[name].maps() for name in names),
                self.lengths,
                ignore=None if self.mode == 'published' else VOID,
                correct=self.correct,
            )
            for n, video in windows.items():
                values[n] += video[:-1] if self.mode == 'published' else video
        kept = {n: [value for value in found if not np.isnan(value)] for n, found in values.items()}
        counts = ', '.join(f'{len(found)} windows of {n}' for n, found in kept.items())
        print_log(
            f'mVC of {number_of(len(videos), "video")}, mode {self.mode}, predictions need '
            f'{"" if self.correct else "not "}be right: {counts}',
            'current',
        )
        return {
            f'mVC{n}': np.round(100 * np.mean(found), 2) if found else np.nan
            for n, found in kept.items()
        }


def window_consistencies(
    maps: Iterator[np.ndarray],
    lengths: Sequence[int],
    ignore: int | None = VOID,
    correct: bool = False,
) -> dict[int, list[float]]:
    """VC of all windows of a video.

    Args:
        maps: (2, H, W) for each frame in order, label and prediction, integers.
        lengths: Window lengths n.
        ignore: Label whose pixels do not count; None for no such label.
        correct: Whether the prediction must be the label.

    Returns:
        For each n the VC of the windows in order, from 0 to 1; NaN for one without pixels whose
        label stays the same.
    """
    found: dict[int, list[float]] = {n: [] for n in lengths}
    runs = before = np.zeros(())
    for number, pair in enumerate(maps, 1):
        if number == 1:
            # For how many frames the label, and the prediction, has been what it is.
            runs = np.ones(pair.shape, np.int32)
        else:
            runs = np.where(pair == before, runs + 1, 1)
        before, (label, prediction) = pair, pair
        for n in lengths:
            if number < n:
                continue
            stable = runs[0] >= n
            if ignore is not None:
                stable &= label != ignore
            same = runs[1] >= n
            if correct:
                # Right in the last frame is right in all: neither has changed.
                same &= prediction == label
            area = int(stable.sum())
            found[n].append(int((stable & same).sum()) / area if area else np.nan)
    return found


def _ids(field: dict) -> Tensor:
    """(H, W), uint8: the classes, 255 for everything above."""
    return field['data'].squeeze(0).clamp(max=VOID).byte()
