"""Temporal consistency: do successive predictions of a video agree?"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS, MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.datasets.transforms.loading import read_image, read_mask
from mmdavss.ops import backward_warp, forward_backward_visible, resize_flow
from mmdavss.utils.errors import number_of

from .class_subset import check_subset, classes_of
from .samples import check_same_file
from .video_panoptic_quality import confusion_with_void

MODES = ('nearest', 'etc')
DIRECTIONS = ('forward', 'backward')
OCCLUSIONS = (None, 'forward_backward', 'exact')
VOID = 255


@dataclass
class Pair:
    """Result of two successive frames: areas (3, K), see `warped_areas`, and shares of pixels."""

    areas: np.ndarray | None
    compared: float
    equal: float


@dataclass
class Frame:
    """A predicted frame; `pair` is the result with the previous frame."""

    sequence: str
    number: int
    path: str
    shape: tuple[int, int]
    pixels: bytes | None
    pair: Pair | None = None

    def prediction(self) -> Tensor:
        """(H, W), uint8."""
        assert self.pixels is not None  # they are dropped after the last comparison
        data = np.frombuffer(bytearray(zlib.decompress(self.pixels)), np.uint8)
        return torch.from_numpy(data).reshape(self.shape)


@METRICS.register_module()
class TemporalConsistencyMetric(BaseMetric):
    """TC (Liu et al., Efficient Semantic Video Segmentation with Per-frame Inference, ECCV 2020).

    For two frames t and t+1 of a sequence, with the flow F from t to t+1,

        warped_t(x) = P_{t+1}(x + F(x)),    TC = mean over classes of  sum I_c / sum U_c,

    where I_c and U_c are intersection and union of class c in P_t and warped_t, summed over the
    pairs of all sequences. The warp takes the nearest pixel; positions outside the frame do not
    count; a class that is never predicted is left out of the mean. TC depends on the flow, whose
    name is therefore part of the key: ``TC.<flow_name>``.

    Also reports ``consistency`` (STPL, table 5): the share of pixels that have the same prediction
    in both frames, without any warp, averaged over the pairs.

    Neither needs labels, and a constant prediction scores 100 in both: they are only meaningful
    together with the mIoU.

    Two frames form a pair if the data set gives them the same ``seq_name`` and ``frame_number``
    differing by exactly `frame_distance`. Frames around a gap are not paired, and a sequence of one
    frame is skipped. The data set must provide all frames (``frames='all'``).

    Frames may come in any order and be distributed over processes. Pairs that arrive consecutively
    are compared immediately. Frames that wait for their neighbours are kept as compressed uint8
    maps (tens of kB at 2048x1024): the first and last frames of sequences, or all frames if a
    sampler distributes them over several processes; then the first process computes all flows after
    collection, so run a long evaluation with an expensive flow in one process.

    Args:
        flow: Config of a flow provider, which gets the frames as they are on disk; None for
            ``consistency`` alone.
        flow_name: Name of the flow in the results; default: the type of the provider, of a
            ``CachedFlow`` that of the one inside.
        subset: Names of the classes in the mean, or None for all.
        mode: ``nearest``; or ``etc``, as published: ids are warped bilinearly and
            truncated to integers, which invents classes (halfway between 0 and 13 is 6), positions
            outside read the border, and an absent class counts 0. (Published with FlowNet2 on
            images with ImageNet normalisation, 19 classes, and 108 of the clips.)
        direction: ``forward``, the flow t -> t+1 as above; or ``backward``: the flow t+1 -> t
            warps P_t to frame t+1. Flow files of clips contain the latter;
            ``tools/precompute_flow.py`` writes the former with ``--both-ways``.
        occlusion: Pixels to exclude: None, no pixels; ``forward_backward``, those that fail the
            forward-backward check of the flows; ``exact``, those that are not white in
            ``NAME_visible.png`` next to the flow file ``NAME.flo`` of a ``PrecomputedFlow``, as in
            MiniDrive.
        scale: Frames are resized by this factor for the flow, for speed.
        frame_distance: Distance between the frames of a pair, in the data set's frame numbers.
        per_class: Whether to return the class values too, as ``TC.<flow_name>.<class>``.
        kwargs: ``collect_device``, ``prefix``, ``collect_dir`` of :class:`mmengine.BaseMetric`.

    Raises:
        ValueError: For an invalid option or combination of options.
    """

    def __init__(
        self,
        flow: ConfigType | None,
        flow_name: str | None = None,
        subset: Sequence[str] | None = None,
        mode: str = 'nearest',
        direction: str = 'forward',
        occlusion: str | None = None,
        scale: float = 1.0,
        frame_distance: int = 1,
        per_class: bool = False,
        **kwargs,
    ) -> None:
        for name, value, choices in (
            ('mode', mode, MODES),
            ('direction', direction, DIRECTIONS),
            ('occlusion', occlusion, OCCLUSIONS),
        ):
            if value not in choices:
                raise ValueError(
                    f'TemporalConsistencyMetric: {name}={value!r} is not one of {choices}.'
                )
        if not 0 < scale <= 1 or frame_distance < 1:
            raise ValueError(
                f'TemporalConsistencyMetric: scale={scale} must be above 0 and at '
                f'most 1, frame_distance={frame_distance} at least 1.'
            )
        super().__init__(**kwargs)
        self.flow: Any = None if flow is None else MODELS.build(flow)
        if occlusion == 'exact' and not hasattr(self.flow, 'flow_file'):
            raise ValueError(
                "TemporalConsistencyMetric: occlusion='exact' reads masks beside flow "
                "files, it needs flow=dict(type='PrecomputedFlow', ...)."
            )
        if occlusion == 'forward_backward' and self.flow is not None:
            self.flow.check_both_ways()
        self.flow_name = flow_name or (flow and provider_name(flow))
        self.subset = None if subset is None else tuple(subset)
        self.mode = mode
        self.direction = direction
        self.occlusion = occlusion
        self.scale = scale
        self.frame_distance = frame_distance
        self.per_class = per_class

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Stores each frame, and compares it with the last one if they are successive.

        Raises:
            ValueError: If a sample lacks its sequence or frame number.
        """
        for sample in data_samples:
            lacking = [key for key in ('seq_name', 'frame_number', 'img_path') if key not in sample]
            if lacking:
                raise ValueError(
                    f'TemporalConsistencyMetric: a sample has no {" and ".join(lacking)}, which '
                    'are needed to pair frames. Use a video data set of mmdavss '
                    '(without a list of clips) and PackClipInputs with them among its meta_keys.'
                )
            data = sample['pred_sem_seg']['data'].squeeze(0)
            if self.flow is not None:
                self.flow.to(data.device)
            frame = Frame(
                sample['seq_name'],
                sample['frame_number'],
                sample['img_path'],
                tuple(data.shape),
                zlib.compress(data.byte().cpu().numpy(), 1),
            )
            last = self.results[-1] if self.results else None
            if last is not None and self._neighbours(last, frame):
                frame.pair = self._compare(last, frame)
                if last.pair is not None:
                    last.pixels = None  # compared with both of its neighbours
            self.results.append(frame)

    def compute_metrics(self, results: list[Frame]) -> dict[str, float]:
        """Compares all remaining pairs, and computes the means, in percent.

        Raises:
            ValueError: If no two frames follow each other, a class of `subset` is unknown, or two
                files have the same sequence and number.
        """
        classes, subset = classes_of(self), check_subset(self, self.subset)
        frames: dict[tuple[str, int], Frame] = {}
        for frame in results:
            # Frames repeated as padding by a sampler count once.
            known = frames.setdefault((frame.sequence, frame.number), frame)
            check_same_file(self, frame.sequence, frame.number, known.path, frame.path)
            known.pair, known.pixels = known.pair or frame.pair, known.pixels or frame.pixels
        pairs, paired = [], set()
        for (sequence, number), frame in frames.items():
            before = frames.get((sequence, number - self.frame_distance))
            if before is not None:
                pairs.append(frame.pair or self._compare(before, frame))
                paired.add(sequence)
        sequences = {sequence for sequence, _ in frames}
        if not pairs:
            raise ValueError(
                f'TemporalConsistencyMetric: none of the {len(frames)} frames of {len(sequences)} '
                f'sequences follows another one at frame_distance={self.frame_distance}. Set '
                "frames='all' for the data set (and with_labels=False where not all frames have "
                'labels), or frame_distance to the distance of its frames.'
            )
        text = f'{number_of(len(pairs), "pair")} of frames in {number_of(len(paired), "sequence")}'
        if len(sequences) > len(paired):
            text += f', {number_of(len(sequences) - len(paired), "sequence")} without pairs skipped'
        metrics = {}
        if self.flow is not None:
            areas = [pair.areas for pair in pairs if pair.areas is not None]
            intersection, first, second = np.stack(areas).sum(0)
            union = first + second - intersection
            absent = 0.0 if self.mode == 'etc' else np.nan
            iou = np.full(len(classes), absent)
            np.divide(intersection * 100.0, union, out=iou, where=union > 0)
            values = iou[[classes.index(name) for name in subset]]
            key = f'TC.{self.flow_name}'
            metrics[key] = np.nan if np.isnan(values).all() else np.nanmean(values)
            if self.per_class:
                metrics |= {f'{key}.{name}': v for name, v in zip(subset, values, strict=True)}
            text = (
                f'TC with the {self.direction} flow of {self.flow_name}, mode {self.mode}, '
                f'occlusion {self.occlusion}, scale {self.scale}, {len(subset)} of '
                f'{len(classes)} classes: {text}, '
                f'{100 * np.mean([pair.compared for pair in pairs]):.1f} % of the pixels'
            )
        metrics['consistency'] = 100 * np.mean([pair.equal for pair in pairs])
        print_log(text, 'current')
        return {name: np.round(value, 2) for name, value in metrics.items()}

    def _neighbours(self, first: Frame, second: Frame) -> bool:
        return (
            first.sequence == second.sequence
            and second.number - first.number == self.frame_distance
        )

    def _compare(self, first: Frame, second: Frame) -> Pair:
        """Compares a frame with the next one."""
        if first.shape != second.shape:
            raise ValueError(
                f'TemporalConsistencyMetric: the predictions of {first.path} and '
                f'{second.path} differ in size: {first.shape}, {second.shape}.'
            )
        one, two = first.prediction(), second.prediction()
        equal = (one == two).double().mean().item()
        if self.flow is None:
            return Pair(None, 0, equal)
        if self.direction == 'backward':
            first, second, one, two = second, first, two, one
        flow, visible = self._flow_and_visible(first, second)
        areas, compared = warped_areas(one, two, flow, len(classes_of(self)), self.mode, visible)
        return Pair(areas, compared / one.numel(), equal)

    def _flow_and_visible(self, first: Frame, second: Frame) -> tuple[Tensor, Tensor | None]:
        """Flow (2, H, W) first -> second in pixels, and mask (H, W) of the pixels to compare."""
        images = [read_image(frame.path) for frame in (first, second)]
        if self.scale != 1:
            images = [
                cv2.resize(image, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
                for image in images
            ]

        def estimate(a: int, b: int) -> Tensor:
            paths = (first.path, second.path)
            flow = self.flow.estimate_numpy(images[a], images[b], paths[a], paths[b])
            return resize_flow(torch.tensor(flow).permute(2, 0, 1)[None], first.shape)

        flow, visible = estimate(0, 1), None
        if self.occlusion == 'forward_backward':
            visible = forward_backward_visible(flow, estimate(1, 0))[0, 0]
        elif self.occlusion == 'exact':
            file = self.flow.flow_file(first.path, second.path)
            path = file.with_name(f'{file.stem}_visible.png')
            mask = read_mask(str(path)) if path.is_file() else None
            if mask is None or mask.shape != first.shape:
                raise ValueError(
                    f"TemporalConsistencyMetric: occlusion='exact' needs {file.stem}_visible.png "
                    f'next to {file}, with the size {first.shape[1]}x{first.shape[0]} of the '
                    'prediction, 255 where a pixel is visible in the other frame. '
                    'tools/make_minidrive.py --flow writes such masks.'
                )
            visible = torch.from_numpy(mask == 255)
        return flow[0], visible


def provider_name(flow: ConfigType) -> str:
    """Name of the class that computes a flow, from the provider's config."""
    while 'provider' in flow:  # of a cache
        flow = flow['provider']
    kind = flow['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def warped_areas(
    first: Tensor,
    second: Tensor,
    flow: Tensor,
    num_classes: int,
    mode: str = 'nearest',
    visible: Tensor | None = None,
) -> tuple[np.ndarray, int]:
    """Areas of the classes in a prediction and in another one warped to it.

    Args:
        first: (H, W), uint8, classes 0 to K-1; larger values are ignored.
        second: (H, W), uint8.
        flow: (2, H, W), flow first -> second in pixels.
        num_classes: Number of classes, K.
        mode: ``nearest`` or ``etc``, see :class:`TemporalConsistencyMetric`.
        visible: (H, W), bool, the pixels to compare; all by default.

    Returns:
        (3, K), int64, areas of the intersection, in `first` and in the warped `second`, and how
        many pixels were compared.
    """
    if mode == 'etc':
        warped = backward_warp(
            second[None, None].double(), flow[None].double(), padding_mode='border'
        )[0, 0]
        # Rounding errors of the interpolation must not turn 13 into 12.
        warped = (warped + 1e-6).byte()
    else:
        warped, inside = backward_warp(
            second[None, None], flow[None], mode='nearest', return_mask=True
        )
        warped = warped[0, 0].masked_fill(~inside[0, 0], VOID)
    if visible is not None:
        warped = warped.masked_fill(~visible, VOID)
    confusion = confusion_with_void(first, warped, num_classes)[:-1, :-1]
    return (
        np.stack([confusion.diagonal(), confusion.sum(1), confusion.sum(0)]),
        int(confusion.sum()),
    )
