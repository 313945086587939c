"""Pseudo-labels of a whole target data set, before self-training (VAT-VST, algorithm 1)."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdavss.datasets.clip import ClipSegDataset
from mmdavss.datasets.label_folder import (
    ADVICE,
    FIELDS,
    MANIFEST,
    mask_name,
    read_manifest,
    write_frames,
    write_manifest,
)
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.modules import (
    AdaptiveThresholds,
    class_balanced_thresholds,
    ranked_probabilities,
    select_labels,
)
from mmdavss.utils.device import usable_device
from mmdavss.utils.errors import InputError, UserError, number_of
from mmdavss.utils.files import check_writable
from mmdavss.utils.inputs import natural
from mmdavss.utils.journal import Journal, as_json, digest_of, file_digest
from mmdavss.utils.work_dir_lock import holds_others

from .folder import remove, write_mask
from .predictor import (
    BINS,
    ClipPredictor,
    Frame,
    FrameClip,
    Prediction,
    PredictorFactory,
    probability_histogram,
    threshold_units,
    unit_pixels,
)
from .target import target_frames
from .workers import ClipRunner, Turn, number_of_frames, one_thread

KEY = 'pseudo_label_generator'
SELECTIONS = ('clip_adaptive', 'instance_adaptive', 'class_balanced')
#: What pseudo-labels depend on, by their name in a config.
ASKED = dict(
    settings=KEY,
    checkpoint='checkpoint',
    classes='classes',
    network='model.student or model.data_preprocessor',
    frames="the target's frames",
)


class PseudoLabelGenerator:
    """Writes the pseudo-labels of a target data set, clip by clip.

    The network predicts every frame, together with its neighbours (equation 10); pixels whose
    probability exceeds the threshold of their class become labels. The thresholds are

    - ``clip_adaptive``: those of algorithm 1, updated clip by clip;
    - ``instance_adaptive``: the same with every frame as its own clip (IAST);
    - ``class_balanced``: every class keeps the share `alpha` of its pixels in the whole data set
      (CBST), to a thousandth. The network runs twice.

    The result does not depend on the number of workers. Progress is saved in the folder's
    ``pseudo_labels.json`` after every clip (of `clip_frames` frames, with any selection), and an
    interrupted generation continues from there.

    Args:
        pipeline: Transforms from a clip of one frame to the input of the model.
        selection: ``clip_adaptive``, ``instance_adaptive`` or ``class_balanced``.
        aggregate: Whether predictions are averaged with those of neighbouring frames.
        alpha: Argument of :class:`AdaptiveThresholds`, or the share that is kept.
        beta: Argument of :class:`AdaptiveThresholds`.
        gamma: Argument of :class:`AdaptiveThresholds`.
        start: Argument of :class:`AdaptiveThresholds`.
        cap: Argument of :class:`AdaptiveThresholds`.
        clip_frames: Longer sequences are cut into clips of this many frames. Neighbours may be in
            another clip.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
        flow: Config of the flow provider, needed with `aggregate`.

    Raises:
        ValueError: If an option has an invalid value.
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
            UserError: If there is none, or it has unknown keys.
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
        """The options that the result depends on, as json stores them."""
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
        """All frames of a data set, in order.

        Neighbours are `frame_distance` before and after a frame in the data set's numbering, as far
        as such frames exist: those at the ends of a sequence have one neighbour.

        Args:
            dataset: A data set with clips of one frame.

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
        """Writes the pseudo-labels of a config's target; an interrupted generation continues.

        Args:
            cfg: Config of the training.
            checkpoint: File, as :func:`load_model` takes it.
            out: Folder of the pseudo-labels.
            workers: Number of processes.
            device: ``cpu``, ``cuda`` (the processes take the devices in turn), ``cuda:1`` ...
            overwrite: Whether pseudo-labels in the folder are deleted first.

        Returns:
            Content of ``pseudo_labels.json``.

        Raises:
            InputError: If ``pseudo_labels.json`` is damaged.
            UserError: If the folder holds anything else, or the model cannot be used.
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
        # With several workers each process builds its own; this one only checks the model.
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
        runner = ClipRunner(make, None if workers > 1 else predictor, workers, device)
        del predictor
        with one_thread():
            if self.selection == 'class_balanced':
                self._count(runner, clips, journal)
            self._write(runner, clips, journal, out)
        return journal.state

    def predictor(
        self, cfg: Config, checkpoint: str, device: str, num_classes: int, aggregate: bool
    ) -> ClipPredictor:
        """A predictor of the clips.

        Args:
            cfg: Config of the training.
            checkpoint: File, as :func:`load_model` takes it.
            device: Where it computes.
            num_classes: Number of classes of the target.
            aggregate: Whether it uses neighbours; overrides ``aggregate=True`` of the generator.

        Raises:
            UserError: If the model cannot be used, or neighbours are asked for without a flow
                provider.
        """
        if aggregate and self.flow is None:
            raise UserError(
                f'{cfg.filename}: {KEY} has aggregate=False: predictions with '
                'neighbours need aggregate=True and a flow provider'
            )
        make = replace(self._maker(cfg, checkpoint), flow=self.flow if aggregate else None)
        return self._check_model(make, device, num_classes)

    def _maker(self, cfg: Config, checkpoint: str) -> PredictorFactory:
        return PredictorFactory(
            _as_dict(cfg, 'model', 'default_scope', 'custom_imports'),
            str(checkpoint),
            self.pipeline,
            self.flow,
            self.occlusion,
        )

    @staticmethod
    def _check_model(make: PredictorFactory, device: str, num_classes: int) -> ClipPredictor:
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
        """Continues a folder with the same settings; returns False if it is new or empty."""
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
                'and finished are not of the same clips. Make the pseudo-labels again: '
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

    def _count(self, runner: ClipRunner, clips: list[FrameClip], journal: Journal) -> None:
        """First pass for class-balanced thresholds: the histogram of probabilities."""
        state = journal.state
        num_classes = len(state['classes'])
        histogram = np.zeros((num_classes, BINS), np.int64)
        if state['histogram'] is not None:
            histogram += np.array(state['histogram'])
        todo = clips[state['counted'] :]
        if todo:
            print(f'Histogram of the probabilities, {number_of(number_of_frames(todo), "frame")}:')
        count = partial(_count, num_classes=num_classes)
        for _, counts in runner(count, todo):
            histogram += counts
            journal.save(histogram=histogram.tolist(), counted=state['counted'] + 1)

    def _write(
        self, runner: ClipRunner, clips: list[FrameClip], journal: Journal, out: str
    ) -> None:
        state = journal.state
        num_classes = len(state['classes'])
        done = len(state['thresholds'])
        start = AdaptiveThresholds(num_classes, **self.adaptive).values
        if done:
            start = np.array(list(state['thresholds'].values())[-1])
        fixed = None
        if self.selection == 'class_balanced':
            fixed = class_balanced_thresholds(np.array(state['histogram']), self.adaptive['alpha'])
        write = _ClipWriter(out, num_classes, self.selection, self.adaptive, fixed)
        kept, predicted = np.array(state['kept']), np.array(state['predicted'])
        todo = clips[done:]
        print(
            f'Pseudo-labels of {number_of(number_of_frames(todo), "frame")}'
            + (f', {number_of_frames(clips) - number_of_frames(todo)} are done:' if done else ':')
        )
        for clip, (thresholds, clip_predicted, clip_kept) in runner(write, todo, start):
            predicted += clip_predicted
            kept += clip_kept
            state['thresholds'][clip.name] = thresholds.tolist()
            journal.save(
                kept=kept.tolist(),
                predicted=predicted.tolist(),
                finished=len(state['thresholds']) == len(clips),
            )


def _count(
    clip: FrameClip, predictions: list[Prediction], turn: Turn, num_classes: int
) -> np.ndarray:
    return probability_histogram(predictions, num_classes)


@dataclass(frozen=True)
class _ClipWriter:
    """Writes the pseudo-labels of a clip.

    Only the thresholds, which follow clip by clip, wait for the clips before.

    Attributes:
        out: Folder of the pseudo-labels.
        num_classes: Number of classes.
        selection: Argument of :class:`PseudoLabelGenerator`.
        adaptive: Arguments of :class:`AdaptiveThresholds`.
        fixed: (K,), thresholds of ``class_balanced``.
    """

    out: str
    num_classes: int
    selection: str
    adaptive: dict
    fixed: np.ndarray | None

    def __call__(
        self, clip: FrameClip, predictions: list[Prediction], turn: Turn
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the last thresholds, and the pixels of each class: predicted, and kept."""
        units = threshold_units(clip.frames, predictions, self.selection)
        if self.fixed is not None:
            thresholds = [self.fixed] * len(units)
        else:
            ranked = [ranked_probabilities(*unit_pixels(u), self.num_classes) for u in units]
            adaptive = AdaptiveThresholds(self.num_classes, **self.adaptive)
            with turn() as state:
                adaptive.values[:] = state
                thresholds = [adaptive.follow(own) for own in ranked]
                state[:] = adaptive.values
        predicted, kept = np.zeros((2, self.num_classes), np.int64)
        for unit, own in zip(units, thresholds, strict=True):
            for frame, p in unit:
                chosen = select_labels(p.probability, p.labels, own)
                predicted += np.bincount(p.labels.ravel(), minlength=self.num_classes)
                kept += np.bincount(chosen.ravel(), minlength=IGNORE + 1)[: self.num_classes]
                write_mask(osp.join(self.out, frame.mask), chosen, p.size)
        return thresholds[-1], predicted, kept


def _fingerprint(checkpoint: str) -> dict:
    if not osp.isfile(checkpoint):
        raise UserError(f'checkpoint not found: {checkpoint}')
    return dict(path=str(checkpoint), size=osp.getsize(checkpoint), sha256=file_digest(checkpoint))


def _as_dict(cfg: Config, *keys: str) -> dict:
    whole = cfg.to_dict()
    return {key: whole[key] for key in keys if whole.get(key) is not None}
