"""Predictions of the frames of a clip, with their neighbours (VAT-VST, equation 10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.utils import import_modules_from_strings
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.flow import BaseFlowProvider
from mmdavss.launch.model import load_model
from mmdavss.methods.base import BaseAdapter
from mmdavss.methods.segmentor import check_scores, check_whole
from mmdavss.modules import aggregate_predictions
from mmdavss.structures import Clip

#: Bins of the histogram of probabilities, from 0 to 1.
BINS = 1000


@dataclass(frozen=True)
class Frame:
    """A frame to predict.

    Attributes:
        mask: File of its pseudo-labels below the folder.
        path: Image file.
        neighbours: Image files of the previous and the next frame, as far as they exist.
        earlier: Image files of the frames that a video net sees before this one.
    """

    mask: str
    path: str
    neighbours: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameClip:
    """Frames of one sequence that share their thresholds.

    Attributes:
        name: Name of the first frame.
        frames: The frames in order.
    """

    name: str
    frames: tuple[Frame, ...]


class Prediction(NamedTuple):
    """Prediction of a frame.

    Attributes:
        probability: (H, W), float32, largest probability of each pixel, at the size of the
            network's input.
        labels: (H, W), uint8, its class.
        size: Height and width of the image file.
        probabilities: (K, H, W), float32, of all classes, where the network computes; large.
    """

    probability: np.ndarray
    labels: np.ndarray
    size: tuple[int, int]
    probabilities: Tensor | None = None

    def reduced(self) -> Prediction:
        """The prediction without the probabilities of all classes."""
        return self._replace(probabilities=None)


class _View(NamedTuple):
    probabilities: Tensor
    image: Tensor
    size: tuple[int, int]


class ClipPredictor:
    """Predicts the frames of a clip, each together with its neighbours (equation 10).

    Args:
        model: Method. If its student is a video net, a frame without earlier ones is predicted as
            the first of a video: only the aggregation uses neighbouring frames.
        pipeline: Transforms from a clip to the input of the model.
        flow: Flow provider; None for predictions without neighbours.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
        further: Methods whose probabilities are averaged with those of `model` (FDA's MBT).
        mirror: Whether they are averaged with those of the mirrored frame.
        scales: Factors of the frame's size, whose probabilities are averaged.
    """

    def __init__(
        self,
        model: BaseAdapter,
        pipeline: Sequence[dict],
        flow: BaseFlowProvider | None = None,
        occlusion: Mapping[str, float] | None = None,
        further: Sequence[BaseAdapter] = (),
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self.model = model
        self.models = [one.eval() for one in (model, *further)]
        self.pipeline = Compose(list(pipeline))
        self.flow: Any = flow  # None only if no neighbours are used
        self.occlusion = dict(occlusion or {})
        #: Scale and whether the frame is mirrored, of each view.
        self.views = [
            (scale, flipped) for scale in scales for flipped in (False, True)[: 1 + mirror]
        ]

    @torch.no_grad()
    def __call__(self, clip: FrameClip) -> Iterator[Prediction]:
        """Yields the predictions of the frames of a clip."""
        uses = [
            (frame.path, *(frame.neighbours if self.flow is not None else ()))
            for frame in clip.frames
        ]
        last_use = {path: i for i, paths in enumerate(uses) for path in paths}
        views: dict[str, _View] = {}
        for i, (frame, paths) in enumerate(zip(clip.frames, uses, strict=True)):
            for path in paths:
                if path not in views:
                    views[path] = self._view(path, frame.earlier if path == frame.path else ())
            prediction = self._predict(*paths, views=views)
            # Probability maps are large: each is freed after its last use.
            views = {path: view for path, view in views.items() if last_use[path] > i}
            yield prediction
            del prediction

    def _view(self, path: str, earlier: tuple[str, ...]) -> _View:
        data = self.pipeline(
            dict(
                frame_paths=[*earlier, path],
                img_path=path,
                seg_map_path=None,
                seg_fields=[],
                label_map=None,
                reduce_zero_label=False,
            )
        )
        batch = self.model.data_preprocessor(pseudo_collate([data]), False)
        clip, (sample,) = batch['inputs'], batch['data_samples']
        check_whole(sample)
        # A generator: no more than two maps are in memory.
        maps = (
            self._probabilities(model, clip, path, scale, flipped)
            for model in self.models
            for scale, flipped in self.views
        )
        probabilities = reduce(torch.add, maps)
        if (count := len(self.models) * len(self.views)) > 1:
            probabilities = probabilities / count
        # Without the padding of the preprocessor.
        height, width = sample.img_shape[:2]
        return _View(
            probabilities[..., :height, :width],
            clip.raw[:, -1, :, :height, :width],
            tuple(sample.ori_shape[:2]),
        )

    @staticmethod
    def _probabilities(
        model: BaseAdapter, clip: Clip, path: str, scale: float, flipped: bool
    ) -> Tensor:
        """Probabilities (1, K, H, W) of one view, back at the size and the side of the frame."""
        size = clip.frames.shape[-2:]
        frames = clip.frames
        if scale != 1:
            sides = [max(1, round(scale * side)) for side in size]
            frames = resize(frames[:, 0], sides, mode='bilinear', align_corners=False)[:, None]
        if flipped:
            frames = frames.flip(-1)
        scores = model.encode_decode(clip._replace(frames=frames))
        check_scores(scores, path)
        if flipped:
            scores = scores.flip(-1)
        scores = resize(scores, size, mode='bilinear', align_corners=model.align_corners)
        return scores.float().softmax(1)

    def _predict(self, path: str, *neighbours: str, views: dict[str, _View]) -> Prediction:
        frame = views[path]
        probabilities = aggregate_predictions(
            frame.probabilities,
            frame.image,
            [
                (
                    views[other].probabilities,
                    views[other].image,
                    self.flow(frame.image, views[other].image, [(path, other)]),
                )
                for other in neighbours
            ],
            **self.occlusion,
        )
        probability, labels = probabilities[0].max(0)
        return Prediction(
            probability.cpu().numpy(), labels.byte().cpu().numpy(), frame.size, probabilities[0]
        )


@dataclass(frozen=True)
class PredictorFactory:
    """Builds a :class:`ClipPredictor`; picklable, so that each process builds its own.

    Attributes:
        cfg: ``model``, ``default_scope`` and ``custom_imports`` of a config.
        checkpoints: Files, as :func:`load_model` takes them.
        pipeline: Transforms from a clip of one frame to the input of the model.
        flow: Config of the flow provider; None for predictions without neighbours.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
        mirror: Argument of :class:`ClipPredictor`.
        scales: Argument of :class:`ClipPredictor`.
    """

    cfg: dict
    checkpoints: tuple[str, ...]
    pipeline: list
    flow: dict | None
    occlusion: dict
    mirror: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __call__(self, device: str) -> ClipPredictor:
        """The predictor on a device."""
        if self.cfg.get('custom_imports'):
            import_modules_from_strings(**self.cfg['custom_imports'])
        model, *further = (
            load_model(Config(dict(self.cfg)), checkpoint, device)
            for checkpoint in self.checkpoints
        )
        flow = None if self.flow is None else MODELS.build(self.flow).to(device)
        return ClipPredictor(
            model, self.pipeline, flow, self.occlusion, further, self.mirror, self.scales
        )


def probability_histogram(predictions: Iterable[Prediction], num_classes: int) -> np.ndarray:
    """Number of pixels of each class per bin of their probability.

    Class-balanced thresholds come from it (:func:`class_balanced_thresholds`); they are at most the
    lower edge of the last bin, 0.999.

    Args:
        predictions: Predictions of frames.
        num_classes: Number of classes K.

    Returns:
        (K, `BINS`), int64; the bins divide 0 to 1 evenly.
    """
    counts = np.zeros(num_classes * BINS, np.int64)
    for prediction in predictions:
        bins = (prediction.probability.astype(np.float64) * BINS).astype(np.int64)
        cells = prediction.labels * np.int64(BINS) + bins.clip(max=BINS - 1)
        counts += np.bincount(cells.ravel(), minlength=counts.size)
    return counts.reshape(num_classes, BINS)
