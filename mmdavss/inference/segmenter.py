"""Segments the frames of a video with a trained model."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import ConfigType, OptConfigType

from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.launch.config_file import as_config, require, type_name
from mmdavss.launch.model import load_model
from mmdavss.utils.classes import check_classes, class_names
from mmdavss.utils.inputs import list_frames

from .videos import Frame

#: Flow without weights or files.
DIS = dict(type='DISFlowEstimator')


class Prepared(NamedTuple):
    """A frame as the model takes it.

    Attributes:
        number: Its number in the video.
        data: What the pipeline packs, with the flow to the frame before where that is needed.
    """

    number: int
    data: dict[str, Any]


class VideoSegmenter:
    """Segments the frames of a video in order.

    Clip length, frame distance, the pipeline (size, flow) and the classes come from the config's
    ``test_dataloader``; its data are not needed. A net that chooses its key frames (DFF) takes the
    frames one after another, whatever the frame distance.

    Args:
        config: A config of this package, or its file.
        checkpoint: As in :func:`load_model`.
        device: Where the model computes.
        flow: Config of the flow provider for a net that needs flow; replaces that of the config. By
            default DIS replaces providers that read files, which belong to the frames of a data
            set, and is used if the config has none.

    Attributes:
        classes: Names of the K classes.
        palette: uint8 (K, 3), their RGB colours.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        UserError: If the config file cannot be read, or has no ``model`` or ``test_dataloader``, or
            its test data set names no classes.
        ValueError: If the checkpoint does not fit the video net, or the net does not fit the
            classes.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str | torch.device = 'cpu',
        flow: OptConfigType = None,
    ) -> None:
        cfg = as_config(config)
        require(cfg, 'model', 'test_dataloader')
        require(cfg, 'test_dataloader.dataset.pipeline')
        self.model = load_model(cfg, checkpoint, device)
        steps = [
            step
            for step in cfg.test_dataloader.dataset.pipeline
            if type_name(step) not in ('LoadClip', *LABEL_STEPS)
        ]
        # A lazy data set knows its classes and transforms and opens no file.
        dataset = DATASETS.build(
            dict(cfg.test_dataloader.dataset, lazy_init=True, pipeline=self._with_flow(steps, flow))
        )
        what = 'the data set of test_dataloader'
        self.classes = class_names(dataset.metainfo, what)
        check_classes(self.model, len(self.classes), what)
        self.palette = np.array(dataset.metainfo['palette'], np.uint8)
        self.clip_length: int = dataset.clip_length
        # A net that chooses its key frames counts every frame of the video.
        self.frame_distance: int = (
            1 if self.model.net.chooses_key_frames else dataset.frame_distance
        )
        self.pipeline = dataset.pipeline

    def _with_flow(self, steps: list[dict], flow: OptConfigType) -> list[dict]:
        """The pipeline with the flow that the net needs: the given one, the config's, or DIS."""
        if not self.model.net.needs_flow:
            return [step for step in steps if type_name(step) != 'LoadFlow']
        if any(type_name(step) == 'LoadFlow' for step in steps):
            return [
                # Frames of a video come once: nothing to cache.
                dict(step, provider=flow or _estimating(step['provider']), cache_dir=None)
                if type_name(step) == 'LoadFlow'
                else step
                for step in steps
            ]
        if self.model.flow is not None and flow is None:
            return steps
        # Before the last step, which packs: flow is estimated on frames at the size of the input.
        return [*steps[:-1], dict(type='LoadFlow', provider=flow or dict(DIS)), steps[-1]]

    def __call__(
        self,
        frames: str | Path | Iterable[str | Path | np.ndarray | Frame],
        numbers: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Segments a video, one frame at a time; each passes through the networks once.

        Args:
            frames: Folder of images (in natural order of their names), or the frames in order:
                image files, arrays (H, W, 3), uint8, BGR, as OpenCV reads them, or those of a
                :class:`VideoReader`. Clips at the start repeat the first frame.
            numbers: Numbers of the frames, ascending, in which ``frame_distance`` counts; by
                default their positions. Frames of a data set need its numbers.

        Yields:
            (H, W), uint8, class of each pixel, at the size of the frame.

        Raises:
            FileNotFoundError: If the folder has no images or a frame does not exist.
            ValueError: If a frame is not an image, or frames differ in size.
        """
        yield from self.segmented(self.prepared(frames, numbers))

    def samples(
        self,
        frames: str | Path | Iterable[str | Path | np.ndarray | Frame],
        size: tuple[int, int] | None = None,
    ) -> Iterator[SegDataSample]:
        """As :meth:`__call__`, but yields everything that is predicted, including ``seg_logits``.

        Args:
            frames: As for :meth:`__call__`.
            size: (width, height) of the predictions, by default that of the frames. What the
                network sees does not depend on it.
        """
        yield from self._predicted(self.prepared(frames, size=size))

    def prepared(
        self,
        frames: str | Path | Iterable[str | Path | np.ndarray | Frame],
        numbers: Sequence[int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Iterator[Prepared]:
        """The first half of :meth:`__call__`, which may run ahead of the second in another thread.

        Args:
            frames: As for :meth:`__call__`.
            numbers: As for :meth:`__call__`.
            size: As for :meth:`samples`.

        Yields:
            What :meth:`segmented` takes.

        Raises:
            FileNotFoundError: As :meth:`__call__`.
            ValueError: As :meth:`__call__`.
        """
        if isinstance(frames, str | Path):
            frames = list_frames(frames)
        recent = _Recent(self.frame_distance)
        known = count() if numbers is None else numbers
        for number, frame in zip(known, frames, strict=numbers is not None):
            if isinstance(frame, np.ndarray):
                name, image = f'frame {number}', frame
            elif isinstance(frame, Frame):
                name, image = frame.shown or frame.name, frame.image
            else:
                name, image = str(frame), read_image(str(frame))
            before = recent.before(number) or (name, image)
            yield Prepared(number, self._prepare([before, (name, image)], size))
            recent.append(number, (name, image))

    def segmented(self, prepared: Iterable[Prepared]) -> Iterator[np.ndarray]:
        """The second half of :meth:`__call__`: what the networks make of each frame."""
        for sample in self._predicted(prepared, with_scores=False):
            yield sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8, copy=False)

    def _prepare(
        self, pair: list[tuple[str, np.ndarray]], size: tuple[int, int] | None
    ) -> dict[str, Any]:
        """The second frame through the pipeline; the first frame is used for flow."""
        names, images = zip(*pair, strict=True)
        shape = images[-1].shape[:2]
        if images[0].shape[:2] != shape:
            raise ValueError(
                f'{names[0]} has the size {images[0].shape[1]}x{images[0].shape[0]}, {names[1]} '
                f'{shape[1]}x{shape[0]}: the frames of a video must have one size.'
            )
        if self.clip_length == 1:
            names, images = names[1:], images[1:]
        data = self.pipeline(
            dict(
                frame_paths=list(names),
                img_path=names[-1],
                imgs=list(images),
                img_shape=shape,
                ori_shape=shape if size is None else size[::-1],
                seg_fields=[],
            )
        )
        if not self.model.net.needs_flow or 'flow' in data['inputs']:
            # The frame before has served its purpose.
            data['inputs']['frames'] = data['inputs']['frames'][-1:]
        return data

    def _predicted(
        self, prepared: Iterable[Prepared], with_scores: bool = True
    ) -> Iterator[SegDataSample]:
        states = _Recent(self.frame_distance)
        for number, packed in prepared:
            with torch.no_grad():
                data = self.model.data_preprocessor(pseudo_collate([packed]))
                (sample,), state = self.model.step(
                    **data,
                    state=states.before(number),
                    clip_length=self.clip_length,
                    with_scores=with_scores,
                )
            states.append(number, state)
            yield sample


class _Recent:
    """Items of a video's frames, as far back as the one a distance before the next frame."""

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._items: deque[tuple[int, Any]] = deque(maxlen=distance)

    def before(self, number: int) -> Any:
        """The item of the frame a distance before this one, else the first; None if none is."""
        while len(self._items) > 1 and self._items[1][0] <= number - self._distance:
            self._items.popleft()
        return self._items[0][1] if self._items else None

    def append(self, number: int, item: Any) -> None:
        self._items.append((number, item))


def _estimating(provider: ConfigType) -> ConfigType:
    """The given flow provider, or DIS if that reads files."""
    inner = provider
    while inner.get('provider') is not None:
        inner = inner['provider']
    kind = MODELS.get(inner['type']) if isinstance(inner['type'], str) else inner['type']
    if not getattr(kind, 'reads_files', False):
        return provider
    print_log(
        f'The flow files of the config ({type_name(inner)}) belong to its data set: the video '
        'gets the flow of DISFlowEstimator.',
        logger='current',
        level=logging.WARNING,
    )
    return dict(DIS)
