"""Adapts a trained model to videos without labels, and says what came of it."""

from __future__ import annotations

import copy
import logging
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, save_checkpoint
from mmseg.registry import DATASETS
from tqdm import tqdm

from mmdavss.apis.inference import VideoSegmenter
from mmdavss.convert.plain_mmseg import (
    _plain,
    export_segmentor,
    leave_out_downloads,
    read_method_config,
    resize_options,
)
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.errors import InputError, UserError, number_of
from mmdavss.evaluation.health import Health, HealthFigures, class_drift
from mmdavss.evaluation.verdict import judge
from mmdavss.fileio import replace_file
from mmdavss.flow import DISFlowEstimator
from mmdavss.inputs import read_json
from mmdavss.launch.config_file import final_checkpoint, type_name
from mmdavss.launch.faults import explained_faults
from mmdavss.launch.prepare import prepare_training
from mmdavss.modules import norm_layers
from mmdavss.ops import forward_backward_visible
from mmdavss.quiet import QuietRunner, without_loss_warnings
from mmdavss.utils.checkpoints import read_weights
from mmdavss.utils.device import usable_device
from mmdavss.utils.journal import Journal, as_json
from mmdavss.utils.progress import progress
from mmdavss.utils.work_dir_lock import WorkDirLock, holds_others

from .video_inferencer import VideoSegInferencer
from .videos import VideoReader, without_password

#: The last step of an adaptation; AdaBN comes first where the net has batch norm.
METHODS = ('stpl', 'self-training', 'adabn')
#: What they cost per pair of frames and iteration, roughly, until it is measured: as much as so
#: many predictions of a frame.
COSTS = {'adabn': 3.0, 'stpl': 12.0, 'self-training': 8.0}
#: Settings that the adapted model does not depend on.
PRESENTATION = ('preview', 'checked', 'workers')
#: Frames of a video that are wider are made smaller for the flow of the health figures.
FLOW_WIDTH = 512
#: More would take the memory of the whole machine before anybody says no.
MAX_SIDE = 16384
#: How PyTorch and OpenCV say that there is no memory left.
NO_MEMORY = re.compile("can't allocate memory|Insufficient memory")
#: Videos whose width by height differs by more than this share are said to be stretched.
DISTORTED = 0.05
CLIPS = 'clips.txt'
RECORD = 'adapt.json'


@dataclass(frozen=True)
class Settings:
    """How to adapt.

    Attributes:
        method: The last step, one of :data:`METHODS`.
        iters: Its iterations.
        adabn_iters: Those of AdaBN before it.
        lr: Its learning rate.
        batch_size: Clips of a batch.
        pairs: Pairs of successive frames that are taken of each video, evenly spread.
        size: (width, height) of the frames, in training and in all figures; by default that of the
            test pipeline, or the video's own where that is smaller.
        record: Frames that are taken of a camera or a stream that does not end.
        preview: Frames of the before/after video.
        checked: Pairs that the health figures look at.
        workers: Processes that load data.
        seed: Of all draws.
    """

    method: str = 'stpl'
    iters: int = 100
    adabn_iters: int = 50
    lr: float = 3e-4
    batch_size: int = 4
    pairs: int = 250
    size: tuple[int, int] | None = None
    record: int = 500
    preview: int = 150
    checked: int = 60
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f'method {self.method!r} is not one of {", ".join(METHODS)}')
        for name in ('iters', 'adabn_iters', 'batch_size', 'pairs', 'preview', 'checked'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} must be 1 or more')
        if self.record < 2:
            raise UserError('record must be 2 or more')
        if self.workers < 0:
            raise UserError('workers must be 0 or more')
        if not 0 < self.lr < float('inf'):
            raise UserError(f'lr must be a number more than 0, not {self.lr}')
        if not 0 <= self.seed < 2**32:
            raise UserError(f'seed must be 0 to {2**32 - 1}, not {self.seed}')
        if self.size is not None and (
            len(self.size) != 2 or min(self.size) < 1 or max(self.size) > MAX_SIDE
        ):
            raise UserError(
                f'size must be a width and a height of 1 to {MAX_SIDE}, not '
                + ' '.join(map(str, self.size))
            )


@dataclass(frozen=True)
class Adapted:
    """What came of an adaptation.

    Attributes:
        config: The adapted model for all tools here ...
        checkpoint: ... and its weights.
        report: What to look at before it is trusted.
        video: Before and after.
        figures: Of the model ``before`` and ``after``.
        notes: What is wrong with the videos: "N of about M frames can be read".
        damaged: Whether one of them lacks more than headers are wrong by.
    """

    config: Path
    checkpoint: Path
    report: Path
    video: Path
    figures: Mapping[str, HealthFigures]
    notes: tuple[str, ...] = ()
    damaged: bool = False


class Adaptation:
    """Source-free adaptation of a model to videos, step by step; finished steps are kept.

    Everything that can be wrong is looked for before the folder of the results is touched: the
    network predicts a frame of the first video.

    Args:
        cfg: Config of the model, see :func:`read_method_config`.
        checkpoint: Its weights.
        videos: What :class:`VideoReader` takes. Of a camera, or a stream that does not end,
            ``settings.record`` frames are recorded first.
        out: Folder of all results.
        settings: How to adapt.
        overwrite: Whether an adaptation in `out` that was made differently is replaced.
        device: Where it computes, by default on a GPU if there is one.

    Attributes:
        size: (width, height) of the frames as the network gets them.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If a video cannot be read, the network cannot be adapted so, or `out` holds
            another adaptation.
        ValueError: If the checkpoint does not fit the network.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path,
        videos: Sequence[str | Path | int],
        out: str | Path,
        settings: Settings,
        overwrite: bool = False,
        device: str | torch.device | None = None,
    ) -> None:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f'checkpoint not found: {checkpoint}')
        self.cfg = cfg
        self.checkpoint = str(checkpoint)
        self.settings = settings
        self.device = usable_device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.out = Path(out)
        self._check_folder(overwrite)
        self.readers = [VideoReader(video) for video in videos]
        dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True, pipeline=[]))
        self.metainfo = dict(
            classes=tuple(dataset.metainfo['classes']),
            palette=[list(map(int, c)) for c in dataset.metainfo['palette']],
        )
        self.names = _free_names([reader.name for reader in self.readers])
        first = [next(iter(reader.first(1))).image for reader in self.readers]
        self.shapes = [image.shape[1::-1] for image in first]
        self.size = settings.size or min(map(self._fitting, self.shapes), key=np.prod)
        self.sized = self._at_size()
        self._try_network(first[0])
        self._begin()

    # --------------------------------------------------------------------------------- checks

    def _resize(self) -> dict:
        """The step of the model's own pipeline that resizes frames; empty if there is none."""
        return next(
            (
                step
                for step in self.cfg.test_dataloader.dataset.pipeline
                if type_name(step) == 'ClipResize'
            ),
            {},
        )

    def _scale(self, frame: tuple[int, int]) -> tuple[int, int]:
        """The (width, height) that the model's own pipeline gives a frame."""
        step = self._resize()
        scale = tuple(step.get('scale', frame))
        return tuple(mmcv.rescale_size(frame, scale)) if step.get('keep_ratio') else scale

    def _fitting(self, frame: tuple[int, int]) -> tuple[int, int]:
        """The same, but not larger than the frame is: that takes long and shows nothing more."""
        scale = self._scale(frame)
        if scale[0] <= frame[0] and scale[1] <= frame[1]:
            return scale
        factor = min(1.0, scale[0] / frame[0], scale[1] / frame[1])
        return max(1, round(frame[0] * factor)), max(1, round(frame[1] * factor))

    def _at_size(self) -> Config:
        """The config, whose pipeline gives frames of :attr:`size`."""
        if all(self._scale(shape) == self.size for shape in self.shapes):
            return self.cfg
        cfg = copy.deepcopy(self.cfg)
        steps = cfg.test_dataloader.dataset.pipeline
        # Other videos than these are not to be distorted more than these are.
        keep = all(tuple(mmcv.rescale_size(shape, self.size)) == self.size for shape in self.shapes)
        resize = dict(
            type='ClipResize', scale=self.size, keep_ratio=keep, **resize_options(self._resize())
        )
        kinds = [type_name(step) for step in steps]
        if 'ClipResize' in kinds:
            steps[kinds.index('ClipResize')] = resize
        else:
            steps.insert(kinds.index('LoadClip') + 1, resize)
        return cfg

    def _try_network(self, image: np.ndarray) -> None:
        """Builds it, and measures the time that it takes for a frame.

        Raises:
            UserError: If the frame is too large or small, or nothing of it can be adapted.
            ValueError: If the checkpoint does not fit.
        """
        width, height = self.size
        with without_loss_warnings():
            segment = VideoSegmenter(self.sized, self.checkpoint, self.device)
        self.has_norms = any(norm_layers(net) for net in segment.model.net.segmentors)
        if self.settings.method == 'adabn' and not self.has_norms:
            raise UserError(
                'this network has no batch norm, which is all that AdaBN adapts: '
                'choose another method'
            )
        times = [time.monotonic()]
        try:
            with _explained_memory(self.size):
                for _ in segment([image, image]):
                    times.append(time.monotonic())
        except RuntimeError as error:
            if self.settings.size is None:
                raise
            raise UserError(
                f'the network cannot take frames of {width}x{height}: {error}. Choose '
                'another --size'
            ) from error
        head = getattr(segment.model.net.segmentors[0], 'decode_head', None)
        self.network = f'{type(segment.model.net).__name__} with {type(head).__name__}'
        self.left = _Left(self._guess(times[2] - times[1]))

    def _guess(self, frame: float) -> dict[str, float]:
        """Seconds of each step.

        Args:
            frame: Seconds for the prediction of a frame.
        """
        settings = self.settings
        pairs = sum(
            min(settings.pairs, (reader.count or settings.record) - 1) for reader in self.readers
        )
        once = frame * min(settings.batch_size, pairs)
        length = min(settings.preview, self.readers[0].count or settings.record)
        steps = dict(health=min(settings.checked, pairs) * 4 * frame, preview=length * 2 * frame)
        if self.has_norms:
            steps['adabn'] = settings.adabn_iters * once * COSTS['adabn']
        if settings.method != 'adabn':
            steps['adapt'] = settings.iters * once * COSTS[settings.method]
        return steps

    def plan(self) -> str:
        """What will be computed, on which frames, and how long that takes."""
        settings, lines = self.settings, []
        for reader, (width, height) in zip(self.readers, self.shapes, strict=True):
            if reader.live:
                what = f'the next {settings.record} frames'
            elif reader.count is None:
                what = 'frames'
            else:
                what = number_of(reader.count, 'frame')
            lines.append(
                f'{reader.shown}: {what} of {width}x{height}; of successive ones, at most '
                f'{number_of(settings.pairs, "pair")} are taken'
            )
        width, height = self.size
        scale = self._scale(self.shapes[0])
        why = ''
        if settings.size is None and scale != self.size:
            why = f' (not {scale[0]}x{scale[1]}, as the config says: the video has no more)'
        where = 'the CPU' if self.device.type == 'cpu' else str(self.device)
        lines.append(
            f'Network: {self.network}, {len(self.metainfo["classes"])} classes, on '
            f'{where}. Frames of {width}x{height}{why}; --size sets another size.'
        )
        lines += self._distortions()
        steps = [f'AdaBN, {number_of(settings.adabn_iters, "iteration")}'] if self.has_norms else []
        if settings.method != 'adabn':
            name = dict(stpl='STPL').get(settings.method, settings.method)
            steps.append(f'{name}, {number_of(settings.iters, "iteration")}')
        lines.append(
            f'To do: {"; ".join(steps)}; {number_of(settings.batch_size, "pair")} each; figures, '
            'before/after video, report.'
        )
        lines.append(
            f'Time: {duration(self.left.total())}, guessed from that of one frame; '
            'measured once it runs.'
        )
        return '\n'.join(lines)

    def _distortions(self) -> list[str]:
        """Says which videos are stretched: all have one size, also where their shapes differ."""
        shape = self.size[0] / self.size[1]
        stretched = [
            reader.shown
            for reader, (width, height) in zip(self.readers, self.shapes, strict=True)
            if abs(width / height / shape - 1) > DISTORTED
        ]
        # Where all are alike it is the config, or --size, that wants it so.
        if not stretched or len(stretched) == len(self.readers):
            return []
        return [
            f'Stretched to that size, as the videos have different shapes: {", ".join(stretched)}. '
            'Better adapt to each shape by itself (another --out).'
        ]

    # --------------------------------------------------------------------------------- folder

    def _check_folder(self, overwrite: bool) -> None:
        """Refuses a folder that holds something else.

        Raises:
            UserError: If it does, or holds another adaptation that got as far as a checkpoint and
                is not to be replaced.
        """
        self.overwrite = overwrite
        if self.out.exists() and not self.out.is_dir():
            raise UserError(f'{self.out} is a file: choose another folder (--out)')
        if not (self.out / RECORD).is_file() and self.out.exists() and holds_others(self.out):
            raise UserError(f'{self.out} holds other things: choose a new folder (--out)')

    def _begin(self) -> None:
        state = Path(self.checkpoint).stat()
        settings = {
            name: value for name, value in asdict(self.settings).items() if name not in PRESENTATION
        }
        given = dict(
            model=self.cfg.model.to_dict(),
            checkpoint=[state.st_size, state.st_mtime_ns],
            videos=[_identity(reader) for reader in self.readers],
            settings=dict(settings, size=self.size),
        )
        self.journal = Journal(self.out / RECORD, dict(given=as_json(given, str)))
        self.fresh = not self.journal.path.is_file()
        if not self.fresh:
            changed = {} if self.overwrite else self.journal.resume(_read_record(self.journal.path))
            if not changed and not self.overwrite:
                return
            # A start that failed, or was stopped before there was anything, blocks nothing.
            if changed and any(self.out.rglob('*.pth')):
                before, now = changed['given']
                names = [key for key in now if before.get(key) != now[key]]
                raise UserError(
                    f'{self.out} holds an adaptation with other {" and ".join(names)}: choose '
                    'another folder (--out), or replace it (--overwrite)'
                )
            for name in ('frames', 'adabn', 'adapt', 'plain_mmseg'):
                shutil.rmtree(self.out / name, ignore_errors=True)
            for name in (
                'adapted.py',
                'adapted.pth',
                'before_after.mp4',
                'before_after.png',
                'report.md',
            ):
                (self.out / name).unlink(missing_ok=True)
        self.out.mkdir(parents=True, exist_ok=True)
        self.journal.save()

    @property
    def record(self) -> dict[str, Any]:
        """What is done, see :class:`Journal`."""
        return self.journal.state

    def _withdraw(self) -> None:
        """Leaves no folder of a start that failed."""
        if self.fresh:
            shutil.rmtree(self.out / 'frames', ignore_errors=True)
            self.journal.path.unlink()
            if not any(self.out.iterdir()):
                self.out.rmdir()

    # --------------------------------------------------------------------------------- frames

    def extract(self) -> Path:
        """Writes pairs of frames, evenly spread over each video; goes on where it was stopped.

        Returns:
            The folder: a folder of images for each video, and the list of the pairs.

        Raises:
            UserError: If a video has no two successive frames that can be read.
        """
        folder = self.out / 'frames'
        if (folder / CLIPS).is_file():
            return folder
        lines, notes = [], {}
        for name, reader in zip(self.names, self.readers, strict=True):
            later = self._record(name, reader) if reader.live else self._take(name, reader)
            if not later:
                raise UserError(
                    f'{reader.shown} has no two successive frames that can be read'
                    + ('' if reader.read is None else f', {reader.read} in all')
                )
            lines += [f'{name}/{n - 1:06d}.png\t{name}/{n:06d}.png\n' for n in later]
            if reader.note is not None:
                notes[name] = dict(note=reader.note, damaged=reader.damaged)
        self.journal.save(notes=notes)
        replace_file(folder / CLIPS, ''.join(lines).encode())
        return folder

    def _take(self, name: str, reader: VideoReader, count: int | None = None) -> list[int]:
        """Writes pairs of a video that ends; gives the numbers of the later frames.

        Args:
            name: Of its folder.
            reader: The video.
            count: Frames that it has, by default as many as its header says.
        """
        length = count or reader.count or reader.length()
        later = self._spread(length)
        numbers = sorted({*later, *(number - 1 for number in later)})
        paths = {number: self.out / 'frames' / name / f'{number:06d}.png' for number in numbers}
        missing = [number for number, path in paths.items() if not path.is_file()]
        with progress(
            f'frames of {name}', reader.choose(missing), len(missing), disable=not missing
        ) as bar:
            for number, image in bar:
                self._check_shape(reader, number, image)
                _write(paths[number], image)
        if count is None and reader.reached is not None and reader.reached < length:
            # It breaks off: spread over what there is.
            return self._take(name, reader, reader.reached)
        return [n for n in later if paths[n].is_file() and paths[n - 1].is_file()]

    def _record(self, name: str, reader: VideoReader) -> list[int]:
        """Writes the next frames of a camera or stream, whose numbers are those of pairs."""
        folder, number = self.out / 'frames' / name, 0
        shutil.rmtree(folder, ignore_errors=True)  # of another time
        limit = self.settings.record
        frames = reader.first(limit)
        with progress(f'record {name}', frames, limit) as bar:
            for number, frame in enumerate(bar, 1):
                self._check_shape(reader, number - 1, frame.image)
                _write(folder / f'{number - 1:06d}.png', frame.image)
        if number < limit:
            reader.note = (
                frames.note or f'{reader.shown}: it ended after {number} of {limit} frames'
            )
        return self._spread(number)

    def _check_shape(self, reader: VideoReader, number: int, image: np.ndarray) -> None:
        width, height = self.shapes[self.readers.index(reader)]
        if image.shape[:2] != (height, width):
            raise UserError(
                f'{reader.shown}: frame {number} has the size {image.shape[1]}x{image.shape[0]}, '
                f'the first one {width}x{height}: the frames of a video must have one size (take '
                'them as several videos)'
            )

    def _spread(self, length: int) -> list[int]:
        """Numbers of frames that have one before them, evenly spread."""
        if length < 2:
            return []
        return np.unique(
            np.linspace(1, length - 1, min(length - 1, self.settings.pairs)).round().astype(int)
        ).tolist()

    def pairs(self) -> list[tuple[Path, Path]]:
        """The files of all pairs."""
        folder = self.out / 'frames'
        return [
            (folder / before, folder / current)
            for line in (folder / CLIPS).read_text().splitlines()
            for before, current in [line.split('\t')]
        ]

    # ------------------------------------------------------------------------------- training

    def _student(self) -> dict:
        """The video net's config, without anything to download: its weights are here."""
        student = _plain(self.cfg.model.student)
        student['allow_random_init'] = True
        leave_out_downloads({k: v for k, v in student.items() if 'segmentor' in k})
        return student

    def _method(self, **model: Any) -> dict:
        """A method on the given model's network, which predicts as that does."""
        shared = dict(
            student=self._student(), data_preprocessor=_plain(self.cfg.model.data_preprocessor)
        )
        if self.cfg.model.get('resize_to_input'):
            shared['resize_to_input'] = True
        if self.cfg.model.get('flow') is not None:
            shared['flow'] = _plain(self.cfg.model.flow)
        return dict(shared, **model)

    def adapt(self) -> Path:
        """Runs the methods one after the other.

        Returns:
            The adapted checkpoint; its config, ``adapted.py``, is beside it.
        """
        path = self.out / 'adapted.pth'
        config = dict(
            default_scope='mmseg',
            custom_imports=_plain(self._imports()),
            model=self._method(type='SourceOnly'),
            test_dataloader=_plain(self.sized.test_dataloader),
        )
        Config(config).dump(self.out / 'adapted.py')
        if path.is_file():
            return path
        start, method = self.checkpoint, self.settings.method
        if self.has_norms:
            start = self._train(
                'adabn',
                self._method(source_checkpoint=start, type='AdaBN'),
                self.settings.adabn_iters,
            )
        if method == 'stpl':
            # The small recipe of configs/stpl/README.md: labels of the model that it starts from
            # hold the features in place.
            start = self._train(
                'adapt',
                self._method(
                    source_checkpoint=start,
                    type='STPL',
                    fusion=dict(type='STAM'),
                    projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
                    loss=dict(
                        type='STPLLoss', temperature=0.07, denominator='negatives', loss_weight=0.1
                    ),
                    contrast='spatio_temporal',
                    confident_ratio=0.7,
                    confident_per_class=True,
                    anchor_weight=1.0,
                    norm_eval=False,
                ),
                self.settings.iters,
            )
        elif method == 'self-training':
            start = self._train(
                'adapt',
                self._method(
                    source_checkpoint=start,
                    type='SelfTraining',
                    confident_ratio=0.7,
                    norm_eval=False,
                    train_norm_only=True,
                ),
                self.settings.iters,
            )
        state = read_weights(start, f'{start} does not exist')
        state = {key: value for key, value in state.items() if key.startswith('student.')}
        save_checkpoint(
            dict(meta=dict(dataset_meta=self.metainfo), state_dict=state),
            str(path),
            backend_args=dict(backend='atomic'),
        )
        return path

    def _imports(self) -> dict:
        own = (self.cfg.get('custom_imports') or {}).get('imports', ())
        return dict(imports=[*dict.fromkeys(['mmdavss', *own])], allow_failed_imports=False)

    def _train(self, name: str, model: dict, iters: int) -> str:
        """One method; its folder holds its config and checkpoints."""
        settings, folder = self.settings, self.out / name
        rates = {}
        if model['type'] == 'STPL':
            # The random layers that only training has learn faster than the network.
            rates = dict(
                constructor='AnchoredOptimWrapperConstructor',
                paramwise_cfg=dict(
                    custom_keys={'^.projection': dict(lr_mult=10.0), '^.fusion': dict(lr_mult=10.0)}
                ),
            )
        dataset = dict(
            type='ClipFolderDataset',
            data_root=str(self.out / 'frames'),
            clips=CLIPS,
            clip_length=2,
            metainfo=self.metainfo,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=self.size, **resize_options(self._resize())),
                dict(type='LoadFlow', provider=dict(type='DISFlowEstimator')),
                dict(type='CrossFrameAugment'),
                dict(type='PackClipInputs'),
            ],
        )
        cfg = Config(
            dict(
                default_scope='mmseg',
                custom_imports=self._imports(),
                model=model,
                train_dataloader=dict(
                    batch_size=min(settings.batch_size, len(self.pairs())),
                    num_workers=settings.workers,
                    persistent_workers=settings.workers > 0,
                    sampler=dict(type='DrawSampler', shuffle=True),
                    dataset=dict(type='DomainPairDataset', target=dataset),
                ),
                train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters),
                optim_wrapper=dict(
                    type='OptimWrapper',
                    clip_grad=dict(max_norm=10.0),
                    optimizer=dict(type='SGD', lr=settings.lr, momentum=0.9, weight_decay=5e-4),
                    **rates,
                ),
                # AdaBN trains nothing, so that there is no rate to schedule.
                param_scheduler=None
                if model['type'] == 'AdaBN'
                else [
                    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=iters, by_epoch=False)
                ],
                default_hooks=dict(
                    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
                    checkpoint=dict(
                        type='AtomicCheckpointHook',
                        by_epoch=False,
                        interval=max(10, iters // 4),
                        max_keep_ckpts=1,
                    ),
                    iteration_seed=dict(type='IterationSeedHook'),
                    data_timeout=dict(type='DataTimeoutHook', seconds=900),
                    finite_guard=dict(type='FiniteGuardHook'),
                    run_report=dict(type='RunReportHook'),
                ),
                log_processor=dict(by_epoch=False),
                visualizer=dict(
                    type='SegLocalVisualizer',
                    name=f'{self.out.resolve()}_{name}',
                    vis_backends=[dict(type='LocalVisBackend')],
                ),
                env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
                randomness=dict(seed=settings.seed),
                work_dir=str(folder),
            )
        )
        last = final_checkpoint(cfg)
        if last.is_file() and name in self.record.get('trained', ()):
            return str(last)
        init_default_scope('mmseg')
        prepare_training(cfg, resume=True)
        with (
            without_loss_warnings(),
            _explained_memory(self.size, settings.batch_size),
            progress(model['type'], total=iters, unit='iterations') as bar,
        ):
            runner = _LoggingRunner.from_cfg(cfg)
            runner.model.to(self.device)
            runner.register_hook(_Shown(bar, name, self.left))
            with explained_faults(folder, 'the same command goes on'):
                runner.train()
        self.journal.save(trained=[*self.record.get('trained', ()), name])
        return str(last)

    # --------------------------------------------------------------------------------- health

    def measure(self) -> dict[str, HealthFigures]:
        """Figures of the model ``before`` and ``after``, on pairs spread over all videos."""
        every = self.pairs()
        chosen = np.unique(
            np.linspace(0, len(every) - 1, min(self.settings.checked, len(every)))
            .round()
            .astype(int)
        )
        models: dict[str, tuple[Config, Any]] = dict(
            before=(self.sized, self.checkpoint),
            after=(Config.fromfile(self.out / 'adapted.py'), self.out / 'adapted.pth'),
        )
        with without_loss_warnings():
            segmenters = {
                name: VideoSegmenter(*model, self.device) for name, model in models.items()
            }
        health = {name: Health(len(self.metainfo['classes'])) for name in models}
        provider = DISFlowEstimator()
        with progress('health', chosen, unit='pairs') as bar:
            for number in bar:
                images = [read_image(str(file)) for file in every[number]]
                flow, visible = _flow(provider, *images)
                scores = {}
                for name, segment in segmenters.items():
                    maps = []
                    for sample in segment.samples(images):
                        labels = sample.pred_sem_seg.data.float()[None]
                        maps.append(
                            torch.nn.functional.interpolate(
                                labels, visible.shape, mode='nearest-exact'
                            )[0, 0]
                            .byte()
                            .cpu()
                        )
                    scores[name] = sample.seg_logits.data
                    *_, mirrored = segment.samples(
                        [cv2.flip(image, 1) for image in images[-segment.clip_length :]]
                    )
                    health[name].add_frame(scores[name])
                    before, current = maps
                    health[name].add_pair(before, current, flow, visible)
                    health[name].add_mirrored(scores[name], mirrored.seg_logits.data)
                    health[name].add_reference(scores[name], scores['before'])
        return {name: value.figures() for name, value in health.items()}

    # -------------------------------------------------------------------------------- results

    def preview(self) -> Path:
        """The before/after video of the first video, and one picture of it."""
        path = self.out / 'before_after.mp4'
        picture = path.with_suffix('.png')
        if (
            path.is_file()
            and picture.is_file()
            and self.record.get('preview') == self.settings.preview
        ):
            return path
        segment = VideoSegInferencer(
            [self.sized, Config.fromfile(self.out / 'adapted.py')],
            [self.checkpoint, self.out / 'adapted.pth'],
            titles=['before', 'after'],
            device=self.device,
        )
        reader = self.readers[0]
        if reader.live:
            reader = VideoReader(self.out / 'frames' / self.names[0])
        width = min(640, self.shapes[0][0])
        segment(
            reader.first(self.settings.preview),
            out=path,
            show_input=True,
            width=width,
            overwrite=True,
        )
        frames = list(VideoReader(path))
        cv2.imwrite(str(picture), frames[len(frames) // 2].image)
        self.journal.save(preview=self.settings.preview)
        return path

    def export(self) -> str:
        """The plain mmseg export; gives what the report says of it."""
        folder = self.out / 'plain_mmseg'
        try:
            with without_loss_warnings():
                export = export_segmentor(
                    Config.fromfile(self.out / 'adapted.py'),
                    self.out / 'adapted.pth',
                    folder,
                    overwrite=True,
                )
        except UserError as error:
            return f'There is no plain mmseg export: {error}.'
        return (
            f'`{_name(export.config, self.out)}` and `{_name(export.checkpoint, self.out)}` '
            'are the same model for plain mmseg; it predicts the same, to the bit.'
        )

    def run(self, command: Sequence[str] = ()) -> Adapted:
        """All steps.

        Args:
            command: As it was typed, for the report.
        """
        print(self.plan(), flush=True)
        try:
            self.extract()
        except (UserError, ValueError):
            self._withdraw()
            raise
        self.adapt()
        figures = self.measure()
        self.left.done('health')
        video = self.preview()
        found = self.record.get('notes', {}).values()
        notes = tuple(value['note'] for value in found)
        text = report(
            figures,
            self.metainfo['classes'],
            self.settings,
            self.names,
            len(self.pairs()),
            self.export(),
            self.record.get('trained', ()),
            [without_password(part) for part in command],
            self.size,
            notes,
        )
        path = self.out / 'report.md'
        path.write_text(text, encoding='utf-8')
        self.journal.save(figures={name: asdict(value) for name, value in figures.items()})
        return Adapted(
            self.out / 'adapted.py',
            self.out / 'adapted.pth',
            path,
            video,
            figures,
            notes,
            any(value['damaged'] for value in found),
        )


def adapt(
    config: str | Path,
    checkpoint: str | Path,
    videos: str | Path | int | Sequence[str | Path | int],
    out: str | Path,
    *,
    classes: Sequence[str] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
    overwrite: bool = False,
    command: Sequence[str] = (),
    **settings: Any,
) -> Adapted:
    """Adapts a model to videos without labels: what ``tools/adapt_video.py`` does.

    Args:
        config: Config of this package or of plain mmseg.
        checkpoint: Its weights.
        videos: One, or several: files, folders of frames, cameras, streams, see
            :class:`VideoReader`.
        out: Folder of the results. The same call goes on where it was stopped.
        classes: Names of the classes, if a plain checkpoint does not say them.
        cfg_options: Dotted keys and values that replace those of the config.
        device: Where it computes, by default on a GPU if there is one.
        overwrite: Whether another adaptation in `out` is replaced.
        command: For the report: what was typed.
        **settings: Fields of :class:`Settings`: ``method``, ``iters``, ``size`` ...

    Example:
        >>> from mmdavss.apis import adapt
        >>> result = adapt('CONFIG.py', 'CHECKPOINT.pth', 'drive.mp4', 'adapted', iters=50)
        >>> print(result.report.read_text())

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: As :class:`Adaptation`, or if the config cannot be taken.
        ValueError: If the checkpoint does not fit the config, or a frame is broken.
    """
    several = [videos] if isinstance(videos, str | Path | int) else list(videos)
    if not several:
        raise UserError('there is no video to adapt to')
    cfg = read_method_config(config, checkpoint, classes, cfg_options)
    with WorkDirLock(out, '--out'):
        return Adaptation(
            cfg, checkpoint, several, out, Settings(**settings), overwrite, device
        ).run(command)


class _LoggingRunner(QuietRunner):
    """Logs into the file of its folder; the console has the progress bar, and errors."""

    def build_logger(
        self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: object
    ) -> MMLogger:
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)
        return logger


class _Left:
    """Seconds of the steps that are left: guessed at first, then measured.

    Args:
        steps: For each step its guess.
    """

    def __init__(self, steps: Mapping[str, float]) -> None:
        self.steps = dict(steps)
        self.guesses = dict(steps)

    def total(self) -> float:
        """Of all steps."""
        return sum(self.steps.values())

    def done(self, step: str) -> None:
        """Notes that a step is over."""
        self.steps.pop(step, None)

    def measured(self, step: str, whole: float, left: float) -> None:
        """Notes what a step takes.

        Args:
            step: Its name.
            whole: Seconds of all of it.
            left: Seconds of what is left.
        """
        self.steps[step] = left
        if step == 'adabn' and 'adapt' in self.steps:
            # The same data and network, so that the guess was wrong by the same factor.
            self.steps['adapt'] = self.guesses['adapt'] * whole / max(self.guesses[step], 1e-9)


class _Shown(Hook):
    """Iterations on a progress bar, with the time that is left of everything.

    Args:
        bar: The bar.
        step: Name of the step in `left`.
        left: What is left of all steps.
    """

    #: The first iterations are slower: workers start, memory is taken.
    WARM, MEASURED = 1, 4

    def __init__(self, bar: tqdm, step: str, left: _Left) -> None:
        self.bar = bar
        self.step = step
        self.left = left
        self.began = 0.0

    def before_train(self, runner: Runner) -> None:
        self.bar.update(runner.iter)  # of a run that goes on
        self.first = runner.iter

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self.bar.update()
        now, count = time.monotonic(), runner.iter + 1 - self.first
        if count == self.WARM:
            self.began = now
        if count < self.MEASURED:
            return
        each = (now - self.began) / (count - self.WARM)
        self.left.measured(
            self.step, each * runner.max_iters, each * (runner.max_iters - runner.iter - 1)
        )
        self.bar.set_postfix_str(f'{duration(self.left.total())} to the report', refresh=False)
        if count == self.MEASURED:
            tqdm.write(
                f'{self.bar.desc.rstrip(": ")}: {each:.2g} s for an iteration; '
                f'{duration(self.left.total())} to the report.'
            )

    def after_train(self, runner: Runner) -> None:
        self.left.done(self.step)


def duration(seconds: float) -> str:
    """A time in words, as exact as estimates are: "about 5 min"."""
    if seconds < 10:
        return 'a few seconds'
    if seconds < 90:
        return f'about {10 * round(seconds / 10)} s'
    if seconds < 90 * 60:
        return f'about {round(seconds / 60)} min'
    return f'about {seconds / 3600:.1f} h'


@contextmanager
def _explained_memory(size: tuple[int, int], batch_size: int | None = None) -> Iterator[None]:
    """Around computing: says what to do if there is no memory left, or a batch is too small.

    Raises:
        UserError: In the place of torch's error.
    """
    smaller = f'--size (now {size[0]} {size[1]})'
    if batch_size is not None and batch_size > 1:
        smaller = f'--batch-size (now {batch_size}) or {smaller}'
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(f'the memory of the GPU ran out: choose a smaller {smaller}') from error
    except (RuntimeError, MemoryError, cv2.error) as error:
        if not isinstance(error, MemoryError) and not NO_MEMORY.search(str(error)):
            raise
        raise UserError(f'the memory ran out: choose a smaller {smaller}') from error
    except ValueError as error:
        if 'Expected more than 1 value per channel' not in str(error):
            raise
        raise UserError(
            'this network normalises over a whole batch and needs --batch-size 2 or more'
        ) from error


def _free_names(names: Sequence[str]) -> list[str]:
    """Names of folders, one for each video: safe for all file systems, no two alike."""
    safe = [re.sub(r'[^\w.-]+', '_', name).strip('._') or 'video' for name in names]
    # A file system may take upper and lower case for the same.
    alike = [name.casefold() for name in safe]
    taken = {name for name in alike if alike.count(name) == 1}
    found = []
    for number, (name, folded) in enumerate(zip(safe, alike, strict=True)):
        if alike.count(folded) > 1:
            while f'{folded}_{number}' in taken:
                number += len(names)
            name = f'{name}_{number}'
            taken.add(name.casefold())
        found.append(name)
    return found


def _read_record(path: Path) -> dict[str, Any]:
    remedy = f'Delete {path.parent}, or replace what is in it (--overwrite).'
    found = read_json(path, 'record of an adaptation', remedy)
    if not isinstance(found, dict) or not isinstance(found.get('given'), dict):
        raise InputError(f'{path} is no record of an adaptation. {remedy}')
    return found


def _identity(reader: VideoReader) -> list:
    """What tells a video from another: without passwords, which do not belong on a disk."""
    path = Path(str(reader.source))
    if isinstance(reader.source, int) or not path.exists():
        return [reader.shown]
    if path.is_file():
        state = path.stat()
        return [str(path.resolve()), state.st_size, state.st_mtime_ns]
    return [str(path.resolve())]


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, cv2.imencode('.png', image)[1].tobytes())


def _flow(
    provider: DISFlowEstimator, before: np.ndarray, current: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow (2, h, w) current -> before, and what of the current frame is visible there."""
    height, width = current.shape[:2]
    if width > FLOW_WIDTH:
        size = FLOW_WIDTH, max(1, round(height * FLOW_WIDTH / width))
        before, current = (
            cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, current)
        )
    there, back = (
        torch.tensor(provider.estimate_numpy(*pair)).permute(2, 0, 1)[None]
        for pair in ((current, before), (before, current))
    )
    return there[0], forward_backward_visible(there, back)[0, 0]


def report(
    figures: dict[str, HealthFigures],
    classes: Sequence[str],
    settings: Settings,
    videos: Sequence[str],
    pairs: int,
    export: str,
    trained: Sequence[str],
    command: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The report, markdown."""
    before, after = figures['before'], figures['after']
    judged = judge(before, after, classes)
    reasons = '\n'.join(f'- {text}' for text in judged.reasons)
    rows = [
        ('mean confidence', before.confidence, after.confidence),
        ('pixels with a confidence of 0.9 or more', before.confident, after.confident),
        ('temporal consistency, along the motion', before.consistency, after.consistency),
        ('temporal consistency, same place', before.unchanged, after.unchanged),
        ('same class in the mirrored frame', before.mirrored, after.mirrored),
    ]
    table = '\n'.join(
        f'| {name} | {100 * old:.1f} | {100 * new:.1f} | {100 * (new - old):+.1f} |'
        for name, old, new in rows
    )
    shares = '\n'.join(
        f'| {name} | {100 * old:.2f} | {100 * new:.2f} | {100 * (new - old):+.2f} |'
        for name, old, new in zip(classes, before.shares, after.shares, strict=True)
    )
    trained_for = number_of(settings.iters, 'iteration')
    steps = dict(
        adabn='AdaBN (the batch-norm statistics of the videos)',
        stpl=f'STPL, {trained_for}',
        selftraining=f'self-training of the batch-norm layers, {trained_for}',
    )
    done = [steps['adabn']] if 'adabn' in trained else []
    if 'adapt' in trained:
        done.append(steps[settings.method.replace('-', '')])
    typed = f'\n```shell\n{shlex.join(command)}\n```\n' if command else ''
    frames = '' if size is None else f', of {size[0]}x{size[1]}'
    missing = ''.join(f'\n**{note}.**\n' for note in notes)
    warned = (
        '\n'.join(f'- {text}' for text in judged.warnings)
        or '- None: no class collapsed or took over, halved or doubled, and predictions are about '
        'as sure and steady as before, or more so.'
    )
    return f"""# Adapted to {', '.join(videos)}

## Verdict: {judged.verdict}

{reasons}

A guess without labels; how often it is right where the truth is known says
docs/adapt_your_video.md of mmdavss. The warnings below are to be looked at in any case.
{typed}
What was done: {', then '.join(done)}; on {number_of(pairs, 'pair')} of frames{frames}, without
labels, without the data that the model was trained with.
{missing}
![input, before, after](before_after.png)

The video: [before_after.mp4](before_after.mp4).

## Warnings

{warned}

## Health, without labels

In percent, on {number_of(after.frames, 'pair')} of frames that the model was adapted on:

| | before | after | change |
|---|---:|---:|---:|
{table}

None of this says that the predictions are right. Confidence grows in every adaptation, also in a
bad one; a model that sees nothing but road is perfectly consistent. Look at the video, and label a
few frames if it matters.

*Along the motion*: each pixel is compared with the place where it was one frame before (optical
flow DIS), where that is visible.

## Classes

Share of the pixels in percent. Together {100 * class_drift(before.shares, after.shares):.1f} % of
the pixels have moved from one class to another (at least); pixel by pixel {100 * after.moved:.1f} %
have another class than before:

| class | before | after | change |
|---|---:|---:|---:|
{shares}

## Files

- `adapted.pth`, with `adapted.py`: the adapted model, for every tool of mmdavss, for example
  `python tools/video_demo.py VIDEO adapted.py adapted.pth --out OUT.mp4`.
- {export}
- `frames/`: the frames that were taken from the videos; may be deleted, like `adabn/` and `adapt/`.
"""


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
