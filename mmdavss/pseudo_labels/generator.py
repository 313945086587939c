"""Pseudo-labels of a whole target data set, before self-training (VAT-VST, algorithm 1)."""

from __future__ import annotations

import json
import multiprocessing
import os
import os.path as osp
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from mmseg.models.utils import resize
from mmseg.registry import DATASETS, MODELS
from torch import Tensor

from mmdavss.datasets.clip import ClipSegDataset
from mmdavss.datasets.label_folder import (
    ADVICE,
    FIELDS,
    FRAMES,
    MANIFEST,
    check_ours,
    mask_labels,
    mask_name,
    read_frames,
    read_manifest,
    write_frames,
    write_manifest,
)
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.datasets.transforms.loading import read_label
from mmdavss.errors import InputError, UserError, number_of
from mmdavss.fileio import check_writable, left_unfinished, replace_file
from mmdavss.flow import BaseFlowProvider
from mmdavss.inputs import natural
from mmdavss.launch.model import load_model
from mmdavss.methods.base import BaseAdapter
from mmdavss.methods.segmentor import check_scores
from mmdavss.modules import (
    AdaptiveThresholds,
    aggregate_predictions,
    class_balanced_thresholds,
    select_labels,
)
from mmdavss.utils.device import usable_device
from mmdavss.utils.journal import Journal, as_json, digest_of, file_digest
from mmdavss.utils.progress import progress
from mmdavss.utils.work_dir_lock import holds_others
from mmdavss.utils.worker_pool import WorkerPool

KEY = 'pseudo_label_generator'
SELECTIONS = ('clip_adaptive', 'instance_adaptive', 'class_balanced')
#: Bins of the histogram of probabilities that class-balanced thresholds come from.
BINS = 1000
SCORE = 'score.json'
#: What pseudo-labels depend on, in the words of a config.
ASKED = dict(
    settings=KEY,
    checkpoint='checkpoint',
    classes='classes',
    network='model.student or model.data_preprocessor',
    frames="the target's frames",
)


@dataclass(frozen=True)
class Frame:
    """A frame to predict.

    Attributes:
        mask: File of its pseudo-labels below the folder.
        path: Image file.
        neighbours: Image files of the frames before and after it that there are.
    """

    mask: str
    path: str
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameClip:
    """Frames of one sequence that share their thresholds; `name` is that of the first."""

    name: str
    frames: tuple[Frame, ...]


class Prediction(NamedTuple):
    """Largest probability (H, W), float32, of each pixel, its class (H, W), uint8, at the size of
    the network's input, and the height and width of the image file."""

    probability: np.ndarray
    labels: np.ndarray
    size: tuple[int, int]


class _View(NamedTuple):
    probabilities: Tensor
    image: Tensor
    size: tuple[int, int]


class ClipPredictor:
    """Predicts the frames of a clip, each together with its neighbours (equation 10).

    Args:
        model: Method. A student that is a video net predicts each frame as the first of a video:
            what neighbouring frames say is the business of the aggregation.
        pipeline: Transforms from a clip of one frame to what the model gets.
        flow: Flow provider; None for predictions without neighbours.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
    """

    def __init__(
        self,
        model: BaseAdapter,
        pipeline: Sequence[dict],
        flow: BaseFlowProvider | None = None,
        occlusion: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model.eval()
        self.pipeline = Compose(list(pipeline))
        self.flow: Any = flow  # where there are neighbours it is not None
        self.occlusion = dict(occlusion or {})

    @torch.no_grad()
    def __call__(self, clip: FrameClip) -> list[Prediction]:
        """Predictions of the frames of a clip."""
        uses = [
            (frame.path, *(frame.neighbours if self.flow is not None else ()))
            for frame in clip.frames
        ]
        last_use = {path: i for i, paths in enumerate(uses) for path in paths}
        views: dict[str, _View] = {}
        predictions = []
        for i, paths in enumerate(uses):
            for path in paths:
                if path not in views:
                    views[path] = self._view(path)
            predictions.append(self._predict(*paths, views=views))
            # Soft maps are large: none stays longer than it is needed.
            views = {path: view for path, view in views.items() if last_use[path] > i}
        return predictions

    def _view(self, path: str) -> _View:
        data = self.pipeline(
            dict(
                frame_paths=[path],
                img_path=path,
                seg_map_path=None,
                seg_fields=[],
                label_map=None,
                reduce_zero_label=False,
            )
        )
        batch = self.model.data_preprocessor(pseudo_collate([data]), False)
        clip, (sample,) = batch['inputs'], batch['data_samples']
        scores = self.model.encode_decode(clip)
        check_scores(scores, path)
        scores = resize(
            scores, clip.frames.shape[-2:], mode='bilinear', align_corners=self.model.align_corners
        )
        # Without what the preprocessor may have padded.
        height, width = sample.img_shape[:2]
        return _View(
            scores.float().softmax(1)[..., :height, :width],
            clip.raw[:, -1, :, :height, :width],
            tuple(sample.ori_shape[:2]),
        )

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
        return Prediction(probability.cpu().numpy(), labels.byte().cpu().numpy(), frame.size)


def probability_histogram(predictions: Iterable[Prediction], num_classes: int) -> np.ndarray:
    """Pixels (K, `BINS`), int64, of each class whose probability lies in each bin of 0 to 1."""
    counts = np.zeros(num_classes * BINS, np.int64)
    for prediction in predictions:
        bins = (prediction.probability.astype(np.float64) * BINS).astype(np.int64)
        cells = prediction.labels * np.int64(BINS) + bins.clip(max=BINS - 1)
        counts += np.bincount(cells.ravel(), minlength=counts.size)
    return counts.reshape(num_classes, BINS)


def pseudo_confusion(pseudo: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Confusion (K, K), rows the truth, of the pixels where neither of the two is 255."""
    both = (pseudo != IGNORE) & (truth != IGNORE)
    cells = truth[both].astype(np.int64) * num_classes + pseudo[both]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def pseudo_miou(confusion: np.ndarray) -> tuple[float, np.ndarray]:
    """P-mIoU (VAT-VST, table 7): mean IoU of pseudo-labels over the pixels that have one.

    It says little without the share of pixels that do: fewer labels are better ones.

    Args:
        confusion: (K, K), rows the truth, as :func:`pseudo_confusion` counts it.

    Returns:
        The mean over the classes that occur, 0 to 1, and the IoU (K,) of each class, NaN where it
        is in neither.
    """
    confusion = np.asarray(confusion, np.float64)
    hits = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - hits
    iou = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    return (float(np.nanmean(iou)) if (union > 0).any() else float('nan')), iou


# ------------------------------------------------------------------------------- processes


def _use_one_thread() -> None:
    """Results then do not depend on the number of threads, nor on cuDNN's choice."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True


@contextmanager
def _one_thread() -> Iterator[None]:
    """Inside as after :func:`_use_one_thread`, afterwards as before."""
    cudnn = torch.backends.cudnn
    before = torch.get_num_threads(), cv2.getNumThreads(), cudnn.benchmark, cudnn.deterministic
    _use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
        cudnn.benchmark, cudnn.deterministic = before[2:]


class _Worker:
    """A process of the pool with its own predictor."""

    make: Callable[[str], ClipPredictor]
    device: str
    predictor: ClipPredictor | None = None

    @classmethod
    def start(cls, make: Callable[[str], ClipPredictor], device: str, number: Any) -> None:
        _use_one_thread()
        if device == 'cuda':
            with number.get_lock():
                device = f'cuda:{number.value % torch.cuda.device_count()}'
                number.value += 1
        cls.make, cls.device = make, device

    @classmethod
    def run(cls, work: Callable, clip: FrameClip) -> Any:
        if cls.predictor is None:
            # Not in start(): a pool does not hand on the errors of its initializer.
            cls.predictor = cls.make(cls.device)
        return work(cls.predictor(clip))


def _keep(predictions: list[Prediction]) -> list[Prediction]:
    return predictions


@dataclass(frozen=True)
class _Histogram:
    """Picklable :func:`probability_histogram`."""

    num_classes: int

    def __call__(self, predictions: list[Prediction]) -> np.ndarray:
        return probability_histogram(predictions, self.num_classes)


@dataclass(frozen=True)
class _MakePredictor:
    """What a process makes its predictor from."""

    cfg: dict
    checkpoint: str
    pipeline: list
    flow: dict | None
    occlusion: dict

    def __call__(self, device: str) -> ClipPredictor:
        if self.cfg.get('custom_imports'):
            import_modules_from_strings(**self.cfg['custom_imports'])
        model = load_model(Config(dict(self.cfg)), self.checkpoint, device)
        flow = None if self.flow is None else MODELS.build(self.flow).to(device)
        return ClipPredictor(model, self.pipeline, flow, self.occlusion)


# ------------------------------------------------------------------------------- generator


class PseudoLabelGenerator:
    """Writes the pseudo-labels of a target data set, clip by clip.

    The network predicts every frame, together with its neighbours (equation 10); pixels whose
    probability exceeds the threshold of their class become labels. The thresholds are

    - ``clip_adaptive``: of algorithm 1, updated with every clip, one clip after the other;
    - ``instance_adaptive``: the same, every frame being its own clip (IAST);
    - ``class_balanced``: such that every class keeps the share `alpha` of its pixels in the whole
      data set (CBST), to a thousandth. The network runs twice.

    The result does not depend on the number of workers. What is done is in the folder's
    ``pseudo_labels.json`` after every clip (`clip_frames` frames with any selection), and an
    interrupted generation goes on from there.

    Args:
        pipeline: Transforms from a clip of one frame to what the model gets.
        selection: One of the three.
        aggregate: Whether neighbours take part.
        alpha: Of :class:`AdaptiveThresholds`, or the share that is kept.
        beta: Of :class:`AdaptiveThresholds`, as `gamma`, `start` and `cap`.
        gamma: See `beta`.
        start: See `beta`.
        cap: See `beta`.
        clip_frames: A longer sequence is cut into clips of this many frames. Neighbours cross the
            cuts.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
        flow: Config of the flow provider, needed with `aggregate`.

    Raises:
        ValueError: If an option has a value that it cannot have.
    """

    def __init__(
        self,
        pipeline: Sequence[dict],
        selection: str = 'clip_adaptive',
        aggregate: bool = True,
        alpha: float = 0.2,
        beta: float = 0.9,
        gamma: float = 8.0,
        start: float = 0.9,
        cap: float | None = None,
        clip_frames: int = 30,
        occlusion: Mapping[str, float] | None = None,
        flow: Mapping[str, Any] | None = None,
    ) -> None:
        if selection not in SELECTIONS:
            raise ValueError(f'{KEY}.selection={selection!r} is not one of {SELECTIONS}.')
        if clip_frames < 1:
            raise ValueError(f'{KEY}.clip_frames={clip_frames} must be 1 or more.')
        if aggregate and flow is None:
            raise ValueError(
                f'{KEY}.flow is missing: name a provider, such as '
                "dict(type='DISFlowEstimator'), or set aggregate=False."
            )
        occlusion = dict(occlusion or {})
        if not set(occlusion) <= {'alpha', 'threshold'}:
            raise ValueError(f'{KEY}.occlusion={occlusion} may have alpha and threshold only.')
        self.adaptive: dict[str, Any] = dict(
            alpha=alpha, beta=beta, gamma=gamma, start=start, cap=cap
        )
        AdaptiveThresholds(1, **self.adaptive)  # checks them
        self.pipeline = list(pipeline)
        self.selection = selection
        self.aggregate = aggregate
        self.clip_frames = clip_frames
        self.occlusion = occlusion
        self.flow = dict(flow) if aggregate and flow is not None else None

    @classmethod
    def from_config(cls, cfg: Config) -> PseudoLabelGenerator:
        """The generator of a config's ``pseudo_label_generator``.

        Raises:
            UserError: If there is none, or it has other keys.
        """
        options = cfg.get(KEY)
        if not options:
            raise UserError(
                f'{cfg.filename} has no {KEY}: the configs of configs/vat_vst that '
                'train with pseudo-labels have one'
            )
        try:
            return cls(**options.to_dict())
        except TypeError as error:
            reason = str(error).split('__init__() ')[-1]
            raise UserError(f'{cfg.filename}: {KEY}: {reason}') from error

    @property
    def settings(self) -> dict:
        """What the result depends on, as json has it."""
        return as_json(
            dict(
                selection=self.selection,
                aggregate=self.aggregate,
                **self.adaptive,
                clip_frames=self.clip_frames,
                occlusion=self.occlusion,
                flow=self.flow,
                pipeline=self.pipeline,
            ),
            repr,
        )

    def clips(self, dataset: ClipSegDataset) -> list[FrameClip]:
        """All frames of a data set, in the order in which they are taken.

        Neighbours are `frame_distance` before and after a frame in the data set's numbering; where
        there is no such frame, at the ends of a sequence, it is left out.

        Args:
            dataset: With clips of one frame.

        Raises:
            ValueError: If two frames would have the same mask.
        """
        found = dataset.scan()
        chosen: dict[str, set[str]] = {}
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            chosen.setdefault(info['seq_name'], set()).add(info['img_path'])
        clips = []
        owners: dict[str, str] = {}
        for sequence in sorted(chosen, key=natural):
            numbers = found[sequence]
            frames = []
            for n in sorted(numbers):
                path = numbers[n]
                if path not in chosen[sequence]:
                    continue
                around = (n - dataset.frame_distance, n + dataset.frame_distance)
                mask = mask_name(sequence, dataset.frame_name(path))
                if owners.setdefault(mask, path) != path:
                    raise ValueError(
                        f'{path} and {owners[mask]} would have the same mask {mask}: '
                        'rename one of them.'
                    )
                frames.append(Frame(mask, path, tuple(numbers[m] for m in around if m in numbers)))
            for first in range(0, len(frames), self.clip_frames):
                part = tuple(frames[first : first + self.clip_frames])
                clips.append(FrameClip(part[0].mask.removesuffix('.png'), part))
        return clips

    def generate(
        self,
        cfg: Config,
        checkpoint: str,
        out: str,
        workers: int = 1,
        device: str = 'cpu',
        overwrite: bool = False,
    ) -> dict:
        """Writes the pseudo-labels of a config's target, or goes on with them.

        Args:
            cfg: Config of the training.
            checkpoint: File, as :func:`load_model` takes it.
            out: Folder of the pseudo-labels.
            workers: Number of processes.
            device: ``cpu``, ``cuda`` (the processes take the devices in turn), ``cuda:1`` ...
            overwrite: Delete the pseudo-labels that are there first.

        Returns:
            What ``pseudo_labels.json`` holds.

        Raises:
            UserError: If the folder holds something else, or the model cannot be used.
        """
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        usable_device(device)
        dataset, classes, palette = target_frames(cfg, self.pipeline)
        clips = self.clips(dataset)
        masks = [frame.mask for clip in clips for frame in clip.frames]
        make = self._maker(cfg, checkpoint)
        network = {key: cfg.model.get(key) for key in ('student', 'data_preprocessor')}
        neighbours = [
            (frame.mask, *map(osp.basename, frame.neighbours))
            for clip in clips
            for frame in clip.frames
        ]
        file = _fingerprint(checkpoint)
        asked = dict(
            settings=self.settings,
            checkpoint={key: file[key] for key in ('size', 'sha256')},
            classes=list(classes),
            network=digest_of(as_json(network, repr)),
            frames=dict(count=len(masks), sha256=digest_of(neighbours)),
        )
        state = dict(
            asked,
            finished=False,
            config=cfg.filename and osp.basename(cfg.filename),
            checkpoint=file,
            palette=palette,
            histogram=None,
            counted=0,
            thresholds={},
            predicted=[0] * len(classes),
            kept=[0] * len(classes),
        )
        journal = Journal(
            osp.join(out, MANIFEST), asked, state, lambda path, state: write_manifest(out, state)
        )
        anew = overwrite and journal.path.is_file()
        resumed = not anew and self._resume(out, journal, file, clips)
        if resumed and journal.state['finished']:
            print(f'{out} is there already, with these settings.')
            return journal.state
        # Other processes load their own; this one only finds what is wrong.
        predictor = self._check_model(make, 'cpu' if workers > 1 else device, len(classes))
        if anew:
            remove(out)
        if not resumed:
            check_writable(
                out,
                'name another folder with --out, and in the config '
                '(train_dataloader.dataset.target.pseudo_labels)',
            )
            journal.save()
        if not journal.state['thresholds']:
            write_frames(out, masks)
        runner = _Runner(make, None if workers > 1 else predictor, workers, device)
        del predictor
        with _one_thread():
            if self.selection == 'class_balanced':
                self._count(runner, clips, journal)
            self._write(runner, clips, journal, out)
        return journal.state

    def predictor(
        self, cfg: Config, checkpoint: str, device: str, num_classes: int, aggregate: bool
    ) -> ClipPredictor:
        """What predicts the clips, with or without neighbours whatever the config says.

        Raises:
            UserError: If the model cannot be used, or there is no flow for neighbours.
        """
        if aggregate and self.flow is None:
            raise UserError(
                f'{cfg.filename}: {KEY} has aggregate=False: predictions with '
                'neighbours need aggregate=True and a flow provider'
            )
        make = replace(self._maker(cfg, checkpoint), flow=self.flow if aggregate else None)
        return self._check_model(make, device, num_classes)

    def _maker(self, cfg: Config, checkpoint: str) -> _MakePredictor:
        return _MakePredictor(
            _as_dict(cfg, 'model', 'default_scope', 'custom_imports'),
            str(checkpoint),
            self.pipeline,
            self.flow,
            self.occlusion,
        )

    @staticmethod
    def _check_model(make: _MakePredictor, device: str, num_classes: int) -> ClipPredictor:
        predictor = make(device)
        if predictor.model.num_classes != num_classes:
            raise UserError(
                f'the target has {num_classes} classes, the model '
                f'{predictor.model.num_classes}: set num_classes and the data set '
                'accordingly'
            )
        return predictor

    @staticmethod
    def _resume(out: str, journal: Journal, file: dict, clips: list[FrameClip]) -> bool:
        """Goes on with a folder of the same settings; False if it is new or empty."""
        if not journal.path.is_file():
            if osp.exists(out) and (not osp.isdir(out) or holds_others(out)):
                raise UserError(
                    f'{out} exists, is not empty and no folder of pseudo-labels: name '
                    'another one with --out'
                )
            return False
        for key, (old, new) in journal.resume(read_manifest(out, needed=FIELDS)).items():
            text = 'changed since'
            if key == 'checkpoint':
                text = 'was ' + ' and is '.join(
                    f'{one["path"]} (sha256 {one["sha256"][:8]})' for one in (old, file)
                )
            elif key == 'settings':
                text = ', '.join(
                    f'{name} was {old.get(name)!r} and is {new[name]!r}'
                    for name in new
                    if old.get(name) != new[name]
                )
            elif key == 'classes':
                text = f'was {old} and is {new}'
            raise UserError(
                f'{out} holds pseudo-labels with other settings: {ASKED[key]}: {text}. '
                'Make them anew with --overwrite, or name another folder with --out'
            )
        state = journal.state
        clips_done, histogram = len(state['thresholds']), state['histogram']
        if (
            list(state['thresholds']) != [clip.name for clip in clips[:clips_done]]
            or state['finished'] != (clips_done == len(clips))
            or state['counted'] > len(clips)
            or (histogram is not None and len(histogram[0]) != BINS)
        ):
            raise InputError(
                f'{osp.join(out, MANIFEST)} contradicts itself: thresholds, histogram '
                'and finished are not of the same clips. Make the pseudo-labels anew: '
                f'{ADVICE} --out {out} --overwrite'
            )
        done = [frame.mask for clip in clips[:clips_done] for frame in clip.frames]
        missing = [mask for mask in done if not osp.isfile(osp.join(out, mask))]
        if missing:
            raise UserError(
                f'{out}: {len(missing)} of {len(done)} masks that are done are '
                f'missing, such as {missing[0]}: make all anew with --overwrite'
            )
        return True

    def _count(self, runner: _Runner, clips: list[FrameClip], journal: Journal) -> None:
        """First pass of class-balanced thresholds."""
        state = journal.state
        num_classes = len(state['classes'])
        histogram = np.zeros((num_classes, BINS), np.int64)
        if state['histogram'] is not None:
            histogram += np.array(state['histogram'])
        todo = clips[state['counted'] :]
        if todo:
            print(f'Histogram of the probabilities, {number_of(_frames_of(todo), "frame")}:')
        for _, counts in runner(_Histogram(num_classes), todo):
            histogram += counts
            journal.save(histogram=histogram.tolist(), counted=state['counted'] + 1)

    def _write(self, runner: _Runner, clips: list[FrameClip], journal: Journal, out: str) -> None:
        state = journal.state
        num_classes = len(state['classes'])
        adaptive = AdaptiveThresholds(num_classes, **self.adaptive)
        done = len(state['thresholds'])
        if done:
            adaptive.values[:] = list(state['thresholds'].values())[-1]
        if self.selection == 'class_balanced':
            fixed = class_balanced_thresholds(np.array(state['histogram']), self.adaptive['alpha'])
        kept, predicted = np.array(state['kept']), np.array(state['predicted'])
        todo = clips[done:]
        print(
            f'Pseudo-labels of {number_of(_frames_of(todo), "frame")}'
            + (f', {_frames_of(clips) - _frames_of(todo)} are done:' if done else ':')
        )
        for clip, predictions in runner(_keep, todo):
            frames = list(zip(clip.frames, predictions, strict=True))
            units = (
                [[pair] for pair in frames] if self.selection == 'instance_adaptive' else [frames]
            )
            for unit in units:
                if self.selection == 'class_balanced':
                    thresholds = fixed
                else:
                    thresholds = adaptive.update(
                        *(
                            np.concatenate([getattr(p, name).ravel() for _, p in unit])
                            for name in ('probability', 'labels')
                        )
                    )
                for frame, p in unit:
                    chosen = select_labels(p.probability, p.labels, thresholds)
                    predicted += np.bincount(p.labels.ravel(), minlength=num_classes)
                    kept += np.bincount(chosen.ravel(), minlength=IGNORE + 1)[:num_classes]
                    _write_mask(osp.join(out, frame.mask), chosen, p.size)
            state['thresholds'][clip.name] = thresholds.tolist()
            journal.save(
                kept=kept.tolist(),
                predicted=predicted.tolist(),
                finished=len(state['thresholds']) == len(clips),
            )


class _Runner:
    """Predicts clips in this process or others and gives the results in order."""

    def __init__(
        self, make: _MakePredictor, predictor: ClipPredictor | None, workers: int, device: str
    ) -> None:
        self.make, self.workers, self.device = make, workers, device
        self.predictor: Any = predictor  # None with several workers, each of which has its own

    def __call__(self, work: Callable, clips: list[FrameClip]) -> Iterator[tuple[FrameClip, Any]]:
        """(clip, work(its predictions)) of each clip, with a progress bar."""
        if not clips:
            return
        with progress('segment', total=_frames_of(clips)) as bar:
            for clip, result in zip(clips, self._results(work, clips), strict=True):
                yield clip, result
                bar.update(len(clip.frames))

    def _results(self, work: Callable, clips: list[FrameClip]) -> Iterator[Any]:
        if self.workers == 1:
            yield from (work(self.predictor(clip)) for clip in clips)
            return
        context = multiprocessing.get_context('spawn')
        start = self.make, self.device, context.Value('i', 0)
        with WorkerPool(self.workers, context, _Worker.start, start) as pool:
            waiting = iter(clips)
            # The results of so many clips are in memory at a time.
            running = deque(
                pool.submit(_Worker.run, work, clip) for clip in islice(waiting, self.workers + 1)
            )
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(_Worker.run, work, clip) for clip in islice(waiting, 1))
                yield result


def output_folder(cfg: Config) -> str:
    """Where a config looks for its pseudo-labels.

    Raises:
        UserError: If it does not say.
    """
    folder = _target_config(cfg).get('pseudo_labels')
    if not folder:
        raise UserError(
            f'{cfg.filename}: train_dataloader.dataset.target.pseudo_labels is not '
            'set: name the folder there, or with --out'
        )
    return folder


def remove(folder: str) -> None:
    """Deletes the pseudo-labels of a folder, and nothing else that is in it.

    Raises:
        UserError: If it is not empty and no folder of pseudo-labels, or lists files outside of it.
    """
    if not osp.isfile(osp.join(folder, MANIFEST)):
        return
    check_ours(folder)
    masks = read_frames(folder) if osp.isfile(osp.join(folder, FRAMES)) else []
    names = [*masks, SCORE, FRAMES, MANIFEST]
    for name in names:
        # `.part`: of an interrupted run of an earlier version.
        for path in (osp.join(folder, name), osp.join(folder, f'{name}.part')):
            if osp.isfile(path):
                os.remove(path)
    for place in sorted({osp.dirname(name) for name in names}):
        for left in left_unfinished(osp.join(folder, place)):
            left.unlink()
    for sequence in sorted({osp.dirname(mask) for mask in masks} - {''}, reverse=True):
        place = osp.join(folder, sequence)
        if osp.isdir(place) and not os.listdir(place):
            os.rmdir(place)


def score(cfg: Config, folder: str) -> dict:
    """P-mIoU of pseudo-labels on the frames of ``target_train_labelled``, and how many there are.

    Args:
        cfg: Config with the labelled data set.
        folder: Finished pseudo-labels.

    Returns:
        ``p_miou`` and ``iou`` (by class, None where it does not occur), in percent, ``proportion``
        (share of the labelled pixels that have a pseudo-label), ``frames`` and ``classes`` (number
        of classes in the mean).

    Raises:
        FileNotFoundError: If a frame has no mask.
        ValueError: If sizes or classes do not fit.
    """
    dataset = labelled_target(cfg)
    classes = tuple(read_manifest(folder)['classes'])
    if tuple(dataset.metainfo['classes']) != classes:
        raise ValueError(
            f'target_train_labelled has the classes {dataset.metainfo["classes"]}, '
            f'the pseudo-labels in {folder} {classes}.'
        )
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    valid = 0
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        truth = read_label(info['seg_map_path'], info['label_spec'])
        file = osp.join(folder, mask_name(info['seq_name'], info['frame_name']))
        if not osp.isfile(file):
            raise FileNotFoundError(
                f'{file}, the mask of a frame of target_train_labelled, is '
                'missing: both data sets must have the same frames.'
            )
        pseudo = read_label(file, mask_labels(classes))
        if pseudo.shape != truth.shape:
            raise ValueError(
                f'{file} has the size {pseudo.shape[::-1]}, '
                f'{info["seg_map_path"]} {truth.shape[::-1]}.'
            )
        confusion += pseudo_confusion(pseudo, truth, len(classes))
        valid += int((truth != IGNORE).sum())
    mean, iou = pseudo_miou(confusion)
    return dict(
        p_miou=None if np.isnan(mean) else 100 * mean,
        proportion=float(confusion.sum() / max(valid, 1)),
        frames=len(dataset),
        classes=int((~np.isnan(iou)).sum()),
        iou={
            name: None if np.isnan(value) else 100 * float(value)
            for name, value in zip(classes, iou, strict=True)
        },
    )


def write_score(folder: str, result: dict) -> None:
    """Writes ``score.json`` into the folder."""
    replace_file(osp.join(folder, SCORE), json.dumps(result, indent=1).encode())


def labelled_target(cfg: Config) -> ClipSegDataset:
    """The labelled data set ``target_train_labelled`` of a config, without its pipeline.

    Raises:
        UserError: If there is none.
    """
    options = cfg.get('target_train_labelled')
    if not options:
        raise UserError(
            f'{cfg.filename}: --score needs target_train_labelled, the target data '
            'set with its labels'
        )
    options = {
        key: value for key, value in options.items() if key not in ('label_clips', 'pseudo_labels')
    }
    return DATASETS.build(dict(options, clip_length=1, pipeline=[]))


def summary(state: dict) -> str:
    """Table of what became a label, one line for each class, and which classes got none."""
    kept, predicted = (np.array(state[key]) for key in ('kept', 'predicted'))
    last = list(state['thresholds'].values())[-1]
    lines = [f'{"class":15} {"of pixels":>9} {"kept":>7} {"threshold":>9}']
    for name, own, all_, threshold in zip(state['classes'], kept, predicted, last, strict=True):
        share = f'{own / all_:7.2%}' if all_ else f'{"-":>7}'
        lines.append(f'{name:15} {all_ / predicted.sum():9.2%} {share} {threshold:9.4f}')
    lines.append(f'{"all":15} {1:9.2%} {kept.sum() / predicted.sum():7.2%}')
    for what, classes in (
        ('is never predicted', predicted == 0),
        ('never exceeds its threshold', (predicted > 0) & (kept == 0)),
    ):
        for name in np.array(state['classes'])[classes]:
            lines.append(f'warning: {name} has no pseudo-label at all: it {what}')
    return '\n'.join(lines)


# ------------------------------------------------------------------------------- helpers


def full_size(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels at the height and width of their image file.

    The centre of each pixel decides: frames were resized by areas, not from corner to corner.
    """
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _write_mask(path: str, labels: np.ndarray, size: tuple[int, int]) -> None:
    os.makedirs(osp.dirname(path), exist_ok=True)
    replace_file(path, cv2.imencode('.png', full_size(labels, size))[1].tobytes())


def _frames_of(clips: Iterable[FrameClip]) -> int:
    return sum(len(clip.frames) for clip in clips)


def _target_config(cfg: Config) -> dict:
    pair = cfg.get('train_dataloader', {}).get('dataset', {})
    target = pair.get('target')
    if not target:
        raise UserError(f'{cfg.filename}: train_dataloader.dataset has no target')
    return target


def target_frames(cfg: Config, pipeline: list) -> tuple[ClipSegDataset, tuple[str, ...], list]:
    """The target's frames, one by one, with its classes and palette.

    Args:
        cfg: Config of the training.
        pipeline: Transforms of a clip of one frame.
    """
    # A list of clips may leave frames out between those that it has.
    options = {
        key: value
        for key, value in _target_config(cfg).items()
        if key not in ('pseudo_labels', 'label_clips', 'clips')
    }
    dataset = DATASETS.build(
        dict(options, clip_length=1, frames='all', with_labels=False, pipeline=pipeline)
    )
    metainfo = dataset.metainfo
    if not metainfo.get('classes'):  # a user's own frames
        source = cfg.train_dataloader.dataset.get('source')
        if not source:
            raise UserError(
                f'{cfg.filename}: the target has no classes: give it '
                'metainfo=dict(classes=...), or a source data set'
            )
        metainfo = DATASETS.build(dict(source, lazy_init=True)).metainfo
    palette = metainfo.get('palette')
    return dataset, tuple(metainfo['classes']), as_json(palette and list(map(list, palette)))


def _fingerprint(checkpoint: str) -> dict:
    if not osp.isfile(checkpoint):
        raise UserError(f'checkpoint not found: {checkpoint}')
    return dict(path=str(checkpoint), size=osp.getsize(checkpoint), sha256=file_digest(checkpoint))


def _as_dict(cfg: Config, *keys: str) -> dict:
    whole = cfg.to_dict()
    return {key: whole[key] for key in keys if whole.get(key) is not None}
