"""Pseudo-labels of a whole target data set, before self-training (VAT-VST, algorithm 1)."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
    previous_name,
    read_manifest,
    write_frames,
    write_manifest,
)
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.launch.config_file import checkpoint_fingerprint
from mmdavss.utils.classes import check_classes
from mmdavss.utils.device import usable_device
from mmdavss.utils.errors import InputError, UserError, number_of
from mmdavss.utils.files import check_writable
from mmdavss.utils.inputs import natural
from mmdavss.utils.journal import Journal, as_json, digest_of
from mmdavss.utils.work_dir_lock import holds_others

from . import confidences
from .entropy_split import EntropySplit, frame_entropy
from .folder import remove, write_mask, write_soft
from .predictor import (
    BINS,
    ClipPredictor,
    Frame,
    FrameClip,
    Prediction,
    PredictorFactory,
    probability_histogram,
)
from .rules import RULES, LabelRule, check_portion
from .target import from_config, target_frames
from .workers import ClipRunner, Turn, number_of_frames, one_thread

KEY = 'pseudo_label_generator'
FRAMES = ('all', 'training')
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

    The network predicts every frame, and a rule (:mod:`mmdavss.pseudo_labels.rules`) decides which
    pixels become labels of which class:

    - ``clip_adaptive``: thresholds of algorithm 1, updated clip by clip;
    - ``instance_adaptive``: the same with every frame as its own clip (IAST); ``iast``: as its
      release, two frames at a time; ``pair``: that of CMOM, each frame together with the one
      before it, which a video net sees, and which gets a mask of its own (:func:`previous_name`);
    - ``class_balanced``: every class keeps the share `alpha` of its pixels in the whole data set,
      by thresholds in thousandths up to 0.999, so that very confident classes keep more; ``cbst``:
      exactly as CBST has it; ``lrent``: with CRST's soft labels;
    - ``ccm``: confident for any class or within the frame; ``quantile``: FDA's;
    - ``all``: every pixel (IntraDA, HCL); frames can be split by their entropy (`split`).

    Those with thresholds of the whole data set run the network twice. The result does not depend on
    the number of workers. Progress is saved in the folder's ``pseudo_labels.json`` after every clip
    (of `clip_frames` frames, with any rule), and an interrupted generation continues from there.

    Args:
        pipeline: Transforms from a clip of one frame to the input of the model.
        selection: Name of the rule.
        aggregate: Whether predictions are averaged with those of neighbouring frames.
        clip_frames: Longer sequences are cut into clips of this many frames, for a rule of pairs of
            two. Neighbours may be in another clip.
        occlusion: ``alpha`` and ``threshold`` of :func:`aggregate_predictions`.
        flow: Config of the flow provider, needed with `aggregate`.
        mirror: Whether predictions are averaged with those of the mirrored frame.
        scales: Factors of the frame's size, over which predictions are averaged.
        checkpoint: Files whose predictions are averaged, or one; by default
            ``model.source_checkpoint``. The tools read it.
        frames: ``all`` frames of the target's sequences are labelled (with an `ann_file`: of those
            that it has frames of), or those that are current frames in ``training``, whatever its
            lists of frames and pseudo-labels select.
        split: Options of :class:`EntropySplit`, which writes the lists of easy and of hard frames
            into the folder (IntraDA); for the rule ``all``. Other options than those of finished
            pseudo-labels only change the lists.
        passes: How many times thresholds follow the clips; labels are those of the last pass.
        seed: Seed of the order of the clips, another one in each pass; None for that of the data
            set.
        rule: Options of the rule.

    Raises:
        ValueError: If an option has an invalid value, or the rule does not go with it.
        TypeError: If the rule has no such option.
    """

    def __init__(
        self,
        pipeline: Sequence[dict],
        selection: str = 'clip_adaptive',
        aggregate: bool = True,
        clip_frames: int = 30,
        occlusion: Mapping[str, float] | None = None,
        flow: Mapping[str, Any] | None = None,
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
        checkpoint: str | Sequence[str] | None = None,
        frames: str = 'all',
        split: Mapping[str, Any] | None = None,
        passes: int = 1,
        seed: int | None = None,
        **rule: Any,
    ) -> None:
        if selection not in RULES:
            raise ValueError(f'{KEY}.selection={selection!r} is not one of {tuple(RULES)}.')
        if frames not in FRAMES:
            raise ValueError(f'{KEY}.frames={frames!r} is not one of {FRAMES}.')
        if clip_frames < 1:
            raise ValueError(f'{KEY}.clip_frames={clip_frames} must be 1 or more.')
        if aggregate and flow is None:
            raise ValueError(
                f'{KEY}.flow is missing: name a provider, such as '
                "dict(type='DISFlowEstimator'), or set aggregate=False."
            )
        if not scales or min(scales) <= 0:
            raise ValueError(f'{KEY}.scales={scales} must be factors above 0, such as (1.0, 1.25).')
        occlusion = dict(occlusion or {})
        if not set(occlusion) <= {'alpha', 'threshold'}:
            raise ValueError(f'{KEY}.occlusion={occlusion} may have alpha and threshold only.')
        self.rule: LabelRule = RULES[selection](**rule)
        # The analysis of label quality tries both ends too, with rules of its own.
        if (alpha := self.rule.options().get('alpha')) is not None:
            check_portion(f'{KEY}.alpha', alpha)
        if split is not None and not self.rule.notes_entropy:
            raise ValueError(
                f"{KEY}.split needs selection='all', not {selection!r}: the labels of easy frames "
                'are all of their pixels.'
            )
        if passes < 1:
            raise ValueError(f'{KEY}.passes={passes} must be 1 or more.')
        if self.rule.collects is not None and passes > 1:
            raise ValueError(f'{KEY}.passes={passes}: thresholds of {selection!r} do not follow.')
        if self.rule.pairs and (aggregate or mirror or tuple(scales) != (1.0,)):
            raise ValueError(
                f'{KEY}.selection={selection!r} labels frames as a video net sees them: set '
                'aggregate=False, mirror=False and scales=(1.0,).'
            )
        self.pipeline = list(pipeline)
        self.selection = selection
        self.aggregate = aggregate
        self.clip_frames = clip_frames
        self.occlusion = occlusion
        self.flow = dict(flow) if aggregate and flow is not None else None
        self.mirror = mirror
        self.scales = tuple(scales)
        self.checkpoint = checkpoint
        self.frames = frames
        self.passes = passes
        self.seed = seed
        self.split = None if split is None else EntropySplit(**split)

    @classmethod
    def from_config(cls, cfg: Config) -> PseudoLabelGenerator:
        """The generator of a config's ``pseudo_label_generator``.

        Raises:
            UserError: If there is none, or it has unknown keys.
        """
        return from_config(
            cls,
            cfg,
            KEY,
            'the configs of configs/vat_vst that train with pseudo-labels',
        )

    @property
    def settings(self) -> dict:
        """The options that the result depends on, as json stores them."""
        settings = dict(
            selection=self.selection,
            aggregate=self.aggregate,
            **self.rule.options(),
            clip_frames=self.clip_frames,
            occlusion=self.occlusion,
            flow=self.flow,
            pipeline=self.pipeline,
        )
        # Only where they are used: folders of before these options existed stay valid.
        if self.mirror:
            settings['mirror'] = True
        if self.scales != (1.0,):
            settings['scales'] = self.scales
        if self.frames != 'all':
            settings['frames'] = self.frames
        if self.passes > 1:
            settings['passes'] = self.passes
        if self.seed is not None:
            settings['seed'] = self.seed
        return as_json(settings, repr)

    def target(self, cfg: Config) -> tuple[ClipSegDataset, tuple[str, ...], list | None]:
        """The frames of a config's target that are labelled, see :func:`target_frames`."""
        return target_frames(cfg, self.pipeline, self.frames == 'all')

    def clips(self, dataset: ClipSegDataset) -> list[FrameClip]:
        """All frames of a data set, in order; for a rule of pairs those that have a previous one.

        Neighbours are `frame_distance` before and after a frame in the data set's numbering, as far
        as such frames exist: those at the ends of a sequence have one neighbour.

        Args:
            dataset: A data set with clips of one frame.

        Raises:
            ValueError: If two frames would have the same mask, or none has a previous one.
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
                if self.rule.pairs and around[0] in numbers:
                    earlier = numbers[around[0]]
                    own = previous_name(mask_name(sequence, dataset.frame_name(earlier)))
                    pair = (Frame(own, earlier), Frame(mask, path, earlier=(earlier,)))
                    clips.append(FrameClip(mask.removesuffix('.png'), pair))
            if self.rule.pairs:
                continue
            for first in range(0, len(frames), self.clip_frames):
                part = tuple(frames[first : first + self.clip_frames])
                clips.append(FrameClip(part[0].mask.removesuffix('.png'), part))
        if not clips:
            raise ValueError(
                f'{KEY}.selection={self.selection!r} needs pairs of frames, but no frame of '
                f'{type(dataset).__name__} has one {dataset.frame_distance} before it.'
            )
        return clips

    def order(self, clips: Sequence[FrameClip], number: int) -> list[FrameClip]:
        """The clips in the order of a pass."""
        if self.seed is None:
            return list(clips)
        order = np.random.default_rng([self.seed, number]).permutation(len(clips))
        return [clips[i] for i in order]

    def generate(
        self,
        cfg: Config,
        checkpoint: str | Sequence[str],
        out: str,
        workers: int = 1,
        device: str = 'cpu',
        overwrite: bool = False,
    ) -> dict:
        """Writes the pseudo-labels of a config's target; an interrupted generation continues.

        Args:
            cfg: Config of the training.
            checkpoint: File, as :func:`load_model` takes it, or several, whose predictions are
                averaged.
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
        dataset, classes, palette = self.target(cfg)
        in_order = self.clips(dataset)
        clips = self.order(in_order, self.passes - 1)
        masks = [frame.mask for clip in clips for frame in clip.frames]
        checkpoints = [checkpoint] if isinstance(checkpoint, str) else list(checkpoint)
        self.rule.check(len(classes))
        network = {key: cfg.model.get(key) for key in ('student', 'data_preprocessor')}
        neighbours = [
            (frame.mask, *map(osp.basename, frame.neighbours))
            for clip in clips
            for frame in clip.frames
        ]
        file = checkpoint_fingerprint(checkpoints)
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
            confidences.remove(out)  # killed before it could
            return self._finished(journal.state, out)
        runner = self.runner(cfg, checkpoints, workers, device, len(classes))
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
        with one_thread():
            if self.rule.collects is not None:
                self._collect(runner, clips, journal, out)
            self._follow(runner, in_order, journal)
            self._write(runner, clips, journal, out)
        confidences.remove(out)
        return self._finished(journal.state, out)

    def _finished(self, state: dict, out: str) -> dict:
        if self.split is not None:
            easy, hard = self.split.write(out, state)
            print(f'{number_of(easy, "easy frame")}, {number_of(hard, "hard frame")}')
        return state

    def runner(
        self,
        cfg: Config,
        checkpoints: Sequence[str],
        workers: int,
        device: str,
        num_classes: int,
    ) -> ClipRunner:
        """What predicts clips as :meth:`generate` does.

        Args:
            cfg: Config of the training.
            checkpoints: Files, as :func:`load_model` takes them.
            workers: Number of processes.
            device: As in :meth:`generate`.
            num_classes: Number of classes of the target.

        Raises:
            UserError: If the model cannot be used.
        """
        make = self._maker(cfg, checkpoints)
        # With several workers each process builds its own; this one only checks the model.
        predictor = self._check_model(make, 'cpu' if workers > 1 else device, num_classes)
        return ClipRunner(make, None if workers > 1 else predictor, workers, device)

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
        make = replace(self._maker(cfg, [checkpoint]), flow=self.flow if aggregate else None)
        return self._check_model(make, device, num_classes)

    def _maker(self, cfg: Config, checkpoints: Sequence[str]) -> PredictorFactory:
        return PredictorFactory(
            _as_dict(cfg, 'model', 'default_scope', 'custom_imports'),
            tuple(map(str, checkpoints)),
            self.pipeline,
            self.flow,
            self.occlusion,
            self.mirror,
            self.scales,
        )

    @staticmethod
    def _check_model(make: PredictorFactory, device: str, num_classes: int) -> ClipPredictor:
        predictor = make(device)
        check_classes(predictor.model, num_classes, 'the target')
        return predictor

    def _resume(self, out: str, journal: Journal, file: dict, clips: list[FrameClip]) -> bool:
        """Continues a folder with the same settings; returns False if it is new or empty."""
        if not journal.path.is_file():
            if osp.exists(out) and (not osp.isdir(out) or holds_others(out)):
                raise UserError(
                    f'{out} exists, is not empty and no folder of pseudo-labels: name '
                    'another one with --out'
                )
            return False
        found = read_manifest(out, needed=FIELDS)
        # Options that are not used are not among the settings: compared too if they were.
        journal.asked['settings'] = dict.fromkeys(found['settings']) | self.settings
        for key, (old, new) in journal.resume(found).items():
            text = 'changed since'
            if key == 'checkpoint':
                text = 'was ' + ' and is '.join(
                    f'{one["path"]} (sha256 {one["sha256"][:8]})' for one in (old, file)
                )
            elif key == 'settings':
                text = changed_settings(old, new)
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
            or state['counted'] > max(1, self.passes - 1) * len(clips)
            or (histogram is not None and len(histogram[0]) != BINS)
        ):
            raise InputError(
                f'{osp.join(out, MANIFEST)} contradicts itself: thresholds, histogram '
                'and finished are not of the same clips. Make the pseudo-labels again: '
                f'{ADVICE} --out {out} --overwrite'
            )
        if self.rule.collects == 'confidences' and not state['finished']:
            lost = confidences.missing(out, state['counted'])
            if lost:
                raise UserError(
                    f'{out}: {len(lost)} files of the first pass are missing, such as {lost[0]}: '
                    'make all anew with --overwrite'
                )
        done = [frame.mask for clip in clips[:clips_done] for frame in clip.frames]
        missing = [mask for mask in done if not osp.isfile(osp.join(out, mask))]
        if missing:
            raise UserError(
                f'{out}: {len(missing)} of {len(done)} masks that are done are '
                f'missing, such as {missing[0]}: make all anew with --overwrite'
            )
        return True

    def _collect(
        self, runner: ClipRunner, clips: list[FrameClip], journal: Journal, out: str
    ) -> None:
        """First pass: what thresholds need to know of all frames."""
        state = journal.state
        num_classes = len(state['classes'])
        histogram = np.zeros((num_classes, BINS), np.int64)
        if state['histogram'] is not None:
            histogram += np.array(state['histogram'])
        first = state['counted']
        todo = clips[first:]
        if todo:
            print(f'First pass for the thresholds, {number_of(number_of_frames(todo), "frame")}:')
        numbers = {clip.name: number for number, clip in enumerate(clips)}
        for _, counts in runner(_ClipCollector(out, num_classes, self.rule, numbers), todo):
            if counts is None:
                journal.save(counted=state['counted'] + 1)
            else:
                histogram += counts
                journal.save(histogram=histogram.tolist(), counted=state['counted'] + 1)

    def _follow(self, runner: ClipRunner, in_order: list[FrameClip], journal: Journal) -> None:
        """The passes before the last one: thresholds follow the clips."""
        state = journal.state
        num_classes = len(state['classes'])
        clips = [clip for n in range(self.passes - 1) for clip in self.order(in_order, n)]
        todo = clips[state['counted'] :]
        if not todo or state['thresholds']:
            return
        known = state.get('followed')
        start = self.rule.start(num_classes) if known is None else np.array(known)
        print(f'Passes for the thresholds, {number_of(number_of_frames(todo), "frame")}:')
        for _, thresholds in runner(_ClipFollower(num_classes, self.rule), todo, start):
            journal.save(followed=thresholds.tolist(), counted=state['counted'] + 1)

    def _write(
        self, runner: ClipRunner, clips: list[FrameClip], journal: Journal, out: str
    ) -> None:
        state = journal.state
        num_classes = len(state['classes'])
        done = len(state['thresholds'])
        if done:
            start = np.array(list(state['thresholds'].values())[-1])
        elif state.get('followed') is not None:
            start = np.array(state['followed'])
        else:
            start = self.rule.start(num_classes, self._collected(state, out, len(clips)))
        write = _ClipWriter(out, num_classes, self.rule)
        kept, predicted = np.array(state['kept']), np.array(state['predicted'])
        todo = clips[done:]
        print(
            f'Pseudo-labels of {number_of(number_of_frames(todo), "frame")}'
            + (f', {number_of_frames(clips) - number_of_frames(todo)} are done:' if done else ':')
        )
        for clip, (thresholds, clip_predicted, clip_kept, entropies) in runner(write, todo, start):
            predicted += clip_predicted
            kept += clip_kept
            if self.rule.notes_entropy:
                state['entropies'] = state.get('entropies', {}) | entropies
            state['thresholds'][clip.name] = thresholds.tolist()
            journal.save(
                kept=kept.tolist(),
                predicted=predicted.tolist(),
                finished=len(state['thresholds']) == len(clips),
            )

    def _collected(self, state: dict, out: str, clips: int) -> Any:
        """What the first pass has collected, as the rule takes it."""
        if self.rule.collects == 'confidences':
            return confidences.Confidences(out, clips, joined=self.rule.joined)
        return None if self.rule.collects is None else np.array(state['histogram'])


@dataclass(frozen=True)
class _ClipCollector:
    """First pass over a clip.

    Attributes:
        out: Folder of the pseudo-labels.
        num_classes: Number of classes.
        rule: The rule.
        numbers: Numbers of the clips by name.
    """

    out: str
    num_classes: int
    rule: LabelRule
    numbers: dict[str, int]

    def __call__(
        self, clip: FrameClip, predictions: Iterator[Prediction], turn: Turn
    ) -> np.ndarray | None:
        """Returns the histogram of the probabilities, or writes the confidences."""
        if self.rule.collects == 'histogram':
            return probability_histogram(predictions, self.num_classes)
        frames = [self.rule.sample(prediction, self.num_classes) for prediction in predictions]
        joined = [np.concatenate(own) for own in zip(*frames, strict=True)]
        confidences.write(self.out, self.numbers[clip.name], joined)
        return None


@dataclass(frozen=True)
class _ClipFollower:
    """Thresholds follow a clip, whose labels are not kept.

    Attributes:
        num_classes: Number of classes.
        rule: The rule.
    """

    num_classes: int
    rule: LabelRule

    def __call__(
        self, clip: FrameClip, predictions: Iterator[Prediction], turn: Turn
    ) -> np.ndarray:
        """Returns the thresholds after the clip."""
        noted = _Noted(turn)
        pairs = zip(clip.frames, predictions, strict=True)
        for _ in self.rule.label(pairs, self.num_classes, noted):
            pass
        return noted.thresholds


class _Noted:
    """A turn that keeps the thresholds which it ends with, in :attr:`thresholds`."""

    thresholds: np.ndarray

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    @contextmanager
    def __call__(self) -> Iterator[np.ndarray]:
        with self.turn() as state:
            yield state
            self.thresholds = state.copy()


@dataclass(frozen=True)
class _ClipWriter:
    """Writes the pseudo-labels of a clip.

    Only the thresholds, which follow clip by clip, wait for the clips before.

    Attributes:
        out: Folder of the pseudo-labels.
        num_classes: Number of classes.
        rule: The rule.
    """

    out: str
    num_classes: int
    rule: LabelRule

    def __call__(
        self, clip: FrameClip, predictions: Iterator[Prediction], turn: Turn
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, float]]:
        """Returns the last thresholds, the pixels of each class: predicted, and kept, and the
        entropies of the frames, by their masks, if they are noted.
        """
        noted = _Noted(turn)
        predicted, kept = np.zeros((2, self.num_classes), np.int64)
        entropies: dict[str, float] = {}
        pairs = zip(clip.frames, predictions, strict=True)
        for frame, p, chosen, soft in self.rule.label(pairs, self.num_classes, noted):
            predicted += np.bincount(p.labels.ravel(), minlength=self.num_classes)
            kept += np.bincount(chosen.ravel(), minlength=IGNORE + 1)[: self.num_classes]
            write_mask(osp.join(self.out, frame.mask), chosen, p.size)
            if soft is not None:
                write_soft(osp.join(self.out, frame.mask), soft, p.size)
            if self.rule.notes_entropy:
                assert p.probabilities is not None
                entropies[frame.mask] = frame_entropy(p.probabilities)
        return noted.thresholds, predicted, kept, entropies


def changed_settings(made: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """How :attr:`PseudoLabelGenerator.settings` differ from those of a folder, in words.

    Args:
        made: Those of the folder. Options that are not used are not among the settings.
        asked: Those of today.

    Returns:
        Each option with both values; empty if they are the same.
    """
    return ', '.join(
        f'{name} was {made.get(name)!r} and is {asked.get(name)!r}'
        for name in {**made, **asked}
        if made.get(name) != asked.get(name)
    )


def _as_dict(cfg: Config, *keys: str) -> dict:
    whole = cfg.to_dict()
    return {key: whole[key] for key in keys if whole.get(key) is not None}
