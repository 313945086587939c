"""Adapts a trained model to videos without labels, and says what came of it."""
from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, save_checkpoint
from mmseg.registry import DATASETS, MODELS
from tqdm import tqdm

from mmdavss.engine import read_weights
from mmdavss.evaluation.health import Health, HealthFigures, class_drift
from mmdavss.evaluation.verdict import judge
from mmdavss.fileio import replace_file
from mmdavss.flow import DISFlowEstimator
from mmdavss.methods.base import norm_layers
from mmdavss.ops import forward_backward_visible

from .faults import explained_faults
from .inference import VideoSegmenter, _kind
from .launch import UserError, final_checkpoint, prepare_training
from .plain_mmseg import _dicts, _plain, export_segmentor
from .progress import progress
from .video_inferencer import VideoSegInferencer
from .videos import VideoReader

#: The last step of an adaptation; AdaBN comes first where the net has batch norm.
METHODS = ('stpl', 'self-training', 'adabn')
ADABN_ITERS = 50
#: Frames of a video that are wider are made smaller for the flow of the health figures.
FLOW_WIDTH = 512
CLIPS = 'clips.txt'
RECORD = 'adapt.json'


@dataclass(frozen=True)
class Settings:
    """How to adapt.

    Attributes:
        method: The last step, one of :data:`METHODS`.
        iters: Its iterations.
        lr: Its learning rate.
        batch_size: Clips of a batch.
        pairs: Pairs of successive frames that are taken of each video, evenly spread.
        size: (width, height) of the frames in training; by default that of the test pipeline.
        preview: Frames of the before/after video.
        checked: Pairs that the health figures look at.
        workers: Processes that load data.
        seed: Of all draws.
    """
    method: str = 'stpl'
    iters: int = 100
    lr: float = 3e-4
    batch_size: int = 4
    pairs: int = 250
    size: tuple[int, int] | None = None
    preview: int = 150
    checked: int = 60
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f'method {self.method!r} is not one of {", ".join(METHODS)}')
        for name in ('iters', 'batch_size', 'pairs', 'preview', 'checked'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} must be 1 or more')


class Adaptation:
    """Source-free adaptation of a model to videos, step by step; finished steps are kept.

    Args:
        cfg: Config of the model, see :func:`read_method_config`.
        checkpoint: Its weights.
        videos: Video files or folders of frames.
        out: Folder of all results.
        settings: How to adapt.
        overwrite: Whether an adaptation in `out` that was made differently is replaced.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If a video cannot be read, or `out` holds another adaptation.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, videos: Sequence[str | Path],
                 out: str | Path, settings: Settings, overwrite: bool = False) -> None:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f'checkpoint not found: {checkpoint}')
        self.cfg = cfg
        self.checkpoint = str(checkpoint)
        self.readers = [VideoReader(video) for video in videos]
        if any(reader.live for reader in self.readers):
            raise UserError('a camera cannot be adapted to: record a video first')
        self.out = Path(out)
        self.settings = settings
        dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True, pipeline=[]))
        self.metainfo = dict(classes=tuple(dataset.metainfo['classes']),
                             palette=[list(map(int, c)) for c in dataset.metainfo['palette']])
        # A second video of the same name does not get into the first one's folder.
        names = [reader.name for reader in self.readers]
        self.names = [name if names.count(name) == 1 else f'{name}_{number}'
                      for number, name in enumerate(names)]
        self._begin(overwrite)

    # --------------------------------------------------------------------------------- folder

    def _begin(self, overwrite: bool) -> None:
        path = self.out / RECORD
        state = Path(self.checkpoint).stat()
        given = json.loads(json.dumps(dict(
            model=self.cfg.model.to_dict(), checkpoint=[state.st_size, state.st_mtime_ns],
            videos=[str(Path(r.source).resolve()) for r in self.readers],
            settings=asdict(self.settings)), default=str))  # yapf: disable
        self.record: dict[str, Any] = dict(given=given)
        if path.is_file():
            found = json.loads(path.read_text())
            if found['given'] == given and not overwrite:
                self.record = found
                return
            if not overwrite:
                changed = [key for key in given if found['given'].get(key) != given[key]]
                raise UserError(
                    f'{self.out} holds an adaptation with other {" and ".join(changed)}: choose '
                    'another folder (--out), or replace it (--overwrite)')
            for name in ('frames', 'adabn', 'adapt', 'plain_mmseg'):
                shutil.rmtree(self.out / name, ignore_errors=True)
            for name in ('adapted.py', 'adapted.pth', 'before_after.mp4', 'before_after.png',
                         'report.md'):
                (self.out / name).unlink(missing_ok=True)
        elif self.out.exists() and any(self.out.iterdir()):
            raise UserError(f'{self.out} holds other things: choose a new folder (--out)')
        self.out.mkdir(parents=True, exist_ok=True)
        self._save()

    def _save(self) -> None:
        text = json.dumps(self.record, indent=1) + '\n'
        replace_file(self.out / RECORD, text.encode())

    # --------------------------------------------------------------------------------- frames

    def extract(self) -> Path:
        """Writes pairs of frames, evenly spread over each video; goes on where it was stopped.

        Returns:
            The folder: a folder of images for each video, and the list of the pairs.

        Raises:
            UserError: If a video has a single frame.
        """
        folder = self.out / 'frames'
        if (folder / CLIPS).is_file():
            return folder
        lines = []
        for name, reader in zip(self.names, self.readers, strict=True):
            length = reader.length()
            if length < 2:
                raise UserError(f'{reader.source} has {length} frames, at least 2 are needed')
            later = np.unique(np.linspace(1, length - 1, min(length - 1, self.settings.pairs))
                              .round().astype(int)).tolist()
            numbers = sorted({*later, *(number - 1 for number in later)})
            (folder / name).mkdir(parents=True, exist_ok=True)
            missing = [n for n in numbers if not (folder / name / f'{n:06d}.png').is_file()]
            with progress(f'frames of {name}', reader.choose(missing), len(missing)) as bar:
                for number, image in bar:
                    replace_file(folder / name / f'{number:06d}.png',
                                 cv2.imencode('.png', image)[1].tobytes())
            lines += [f'{name}/{n - 1:06d}.png\t{name}/{n:06d}.png\n' for n in later]
        replace_file(folder / CLIPS, ''.join(lines).encode())
        return folder

    def pairs(self) -> list[tuple[Path, Path]]:
        """The files of all pairs."""
        folder = self.out / 'frames'
        return [tuple(folder / name for name in line.split('\t'))
                for line in (folder / CLIPS).read_text().splitlines()]

    def size(self) -> tuple[int, int]:
        """Width and height of the frames in training: one for all, so that they make batches."""
        if self.settings.size is not None:
            return self.settings.size
        height, width = cv2.imread(str(self.pairs()[0][0])).shape[:2]
        for step in self.cfg.test_dataloader.dataset.pipeline:
            if _kind(step) == 'ClipResize':
                scale = tuple(step['scale'])
                if step.get('keep_ratio'):
                    return tuple(mmcv.rescale_size((width, height), scale))
                return scale
        return width, height

    def _interpolation(self) -> dict:
        """How the model's own pipeline resizes frames."""
        for step in self.cfg.test_dataloader.dataset.pipeline:
            if _kind(step) == 'ClipResize':
                return {key: step[key] for key in ('interpolation', 'backend') if key in step}
        return {}

    # ------------------------------------------------------------------------------- training

    def _student(self) -> dict:
        """The video net's config, without anything to download: its weights are here."""
        student = _plain(self.cfg.model.student)
        student['allow_random_init'] = True
        for part in _dicts({k: v for k, v in student.items() if 'segmentor' in k}):
            init = part.get('init_cfg')
            if isinstance(init, dict) and init.get('type') == 'Pretrained':
                part['init_cfg'] = None
            if 'pretrained' in part:
                part['pretrained'] = None
            if part.get('type') == 'SyncBN':
                part['type'] = 'BN'
        return student

    def _method(self, **model: Any) -> dict:
        """A method on the given model's network, which predicts as that does."""
        shared = dict(student=self._student(),
                      data_preprocessor=_plain(self.cfg.model.data_preprocessor))
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
            default_scope='mmseg', custom_imports=_plain(self._imports()),
            model=self._method(type='SourceOnly'),
            test_dataloader=_plain(self.cfg.test_dataloader))  # yapf: disable
        Config(config).dump(self.out / 'adapted.py')
        if path.is_file():
            return path
        start, method = self.checkpoint, self.settings.method
        net = MODELS.build(self._student())
        if any(norm_layers(segmentor) for segmentor in net.segmentors):
            start = self._train('adabn', self._method(
                source_checkpoint=start, type='AdaBN'), ADABN_ITERS)
        elif method == 'adabn':
            raise UserError('this network has no batch norm, which is all that AdaBN adapts: '
                            'choose another method')
        if method == 'stpl':
            # The small recipe of configs/stpl/README.md: labels of the model that it starts from
            # hold the features in place.
            start = self._train('adapt', self._method(
                source_checkpoint=start, type='STPL', fusion=dict(type='STAM'),
                projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
                loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives',
                          loss_weight=0.1),
                contrast='spatio_temporal', confident_ratio=0.7, confident_per_class=True,
                anchor_weight=1., norm_eval=False), self.settings.iters)  # yapf: disable
        elif method == 'self-training':
            start = self._train('adapt', self._method(
                source_checkpoint=start, type='SelfTraining', confident_ratio=0.7, norm_eval=False,
                train_norm_only=True), self.settings.iters)
        state = read_weights(start, f'{start} does not exist')
        state = {key: value for key, value in state.items() if key.startswith('student.')}
        save_checkpoint(dict(meta=dict(dataset_meta=self.metainfo), state_dict=state), str(path),
                        backend_args=dict(backend='atomic'))
        return path

    def _imports(self) -> dict:
        own = (self.cfg.get('custom_imports') or {}).get('imports', ())
        return dict(imports=[*dict.fromkeys(['mmdavss', *own])], allow_failed_imports=False)

    def _train(self, name: str, model: dict, iters: int) -> str:
        """One method; its folder holds its config and checkpoints."""
        settings, folder = self.settings, self.out / name
        size = self.size()
        rates = {}
        if model['type'] == 'STPL':
            # The random layers that only training has learn faster than the network.
            rates = dict(
                constructor='AnchoredOptimWrapperConstructor',
                paramwise_cfg=dict(custom_keys={
                    '^.projection': dict(lr_mult=10.), '^.fusion': dict(lr_mult=10.)}))
        dataset = dict(
            type='ClipFolderDataset', data_root=str(self.out / 'frames'), clips=CLIPS,
            clip_length=2, metainfo=self.metainfo, pipeline=[
                dict(type='LoadClip'), dict(type='ClipResize', scale=size, **self._interpolation()),
                dict(type='LoadFlow', provider=dict(type='DISFlowEstimator')),
                dict(type='CrossFrameAugment'), dict(type='PackClipInputs')])  # yapf: disable
        cfg = Config(dict(
            default_scope='mmseg', custom_imports=self._imports(), model=model,
            train_dataloader=dict(
                batch_size=min(settings.batch_size, len(self.pairs())),
                num_workers=settings.workers, persistent_workers=settings.workers > 0,
                sampler=dict(type='DrawSampler', shuffle=True),
                dataset=dict(type='DomainPairDataset', target=dataset)),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters),
            optim_wrapper=dict(
                type='OptimWrapper', clip_grad=dict(max_norm=10.),
                optimizer=dict(type='SGD', lr=settings.lr, momentum=0.9, weight_decay=5e-4),
                **rates),
            param_scheduler=[dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=iters,
                                  by_epoch=False)],
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
                checkpoint=dict(type='AtomicCheckpointHook', by_epoch=False,
                                interval=max(10, iters // 4), max_keep_ckpts=1),
                iteration_seed=dict(type='IterationSeedHook'),
                finite_guard=dict(type='FiniteGuardHook')),
            log_processor=dict(by_epoch=False), log_level='ERROR',
            visualizer=dict(type='SegLocalVisualizer', name=f'{self.out.resolve()}_{name}',
                            vis_backends=[dict(type='LocalVisBackend')]),
            env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
            randomness=dict(seed=settings.seed), work_dir=str(folder)))  # yapf: disable
        last = final_checkpoint(cfg)
        if last.is_file() and name in self.record.get('trained', ()):
            return str(last)
        init_default_scope('mmseg')
        prepare_training(cfg, resume=True)
        runner = Runner.from_cfg(cfg)
        with progress(model['type'], total=iters, unit='iterations') as bar:
            runner.register_hook(_Shown(bar))
            with explained_faults(folder):
                runner.train()
        self.record.setdefault('trained', []).append(name)
        self._save()
        return str(last)

    # --------------------------------------------------------------------------------- health

    def measure(self) -> dict[str, HealthFigures]:
        """Figures of the model ``before`` and ``after``, on pairs spread over all videos."""
        every = self.pairs()
        chosen = np.unique(np.linspace(
            0, len(every) - 1, min(self.settings.checked, len(every))).round().astype(int))
        models = dict(before=(self.cfg, self.checkpoint),
                      after=(Config.fromfile(self.out / 'adapted.py'),
                             self.out / 'adapted.pth'))  # yapf: disable
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        segmenters = {name: VideoSegmenter(*model, device) for name, model in models.items()}
        health = {name: Health(len(self.metainfo['classes'])) for name in models}
        provider = DISFlowEstimator()
        with progress('health', chosen, unit='pairs') as bar:
            for number in bar:
                images = [cv2.imread(str(file)) for file in every[number]]
                flow, visible = _flow(provider, *images)
                scores = {}
                for name, segment in segmenters.items():
                    maps = []
                    for sample in segment.samples(images):
                        labels = sample.pred_sem_seg.data.float()[None]
                        maps.append(torch.nn.functional.interpolate(
                            labels, visible.shape, mode='nearest-exact')[0, 0].byte().cpu())
                    scores[name] = sample.seg_logits.data
                    *_, mirrored = segment.samples(
                        [cv2.flip(image, 1) for image in images[-segment.clip_length:]])
                    health[name].add_frame(scores[name])
                    health[name].add_pair(*maps, flow, visible)
                    health[name].add_mirrored(scores[name], mirrored.seg_logits.data)
                    health[name].add_reference(scores[name], scores['before'])
        return {name: value.figures() for name, value in health.items()}

    # -------------------------------------------------------------------------------- results

    def preview(self) -> Path:
        """The before/after video of the first video, and one picture of it."""
        path = self.out / 'before_after.mp4'
        picture = path.with_suffix('.png')
        if path.is_file() and picture.is_file():
            return path
        segment = VideoSegInferencer(
            [self.cfg, Config.fromfile(self.out / 'adapted.py')],
            [self.checkpoint, self.out / 'adapted.pth'], titles=['before', 'after'])
        reader = VideoReader(self.readers[0].source, self.settings.preview)
        width = min(640, next(iter(reader)).image.shape[1])
        segment(reader, out=path, show_input=True, width=width, overwrite=True)
        frames = list(VideoReader(path))
        cv2.imwrite(str(picture), frames[len(frames) // 2].image)
        return path

    def export(self) -> str:
        """The plain mmseg export; gives what the report says of it."""
        folder = self.out / 'plain_mmseg'
        try:
            export = export_segmentor(Config.fromfile(self.out / 'adapted.py'),
                                      self.out / 'adapted.pth', folder, overwrite=True)
        except UserError as error:
            return f'There is no plain mmseg export: {error}.'
        return (f'`{_name(export.config, self.out)}` and `{_name(export.checkpoint, self.out)}` '
                'are the same model for plain mmseg; it predicts the same, to the bit.')

    def run(self, command: Sequence[str] = ()) -> Path:
        """All steps.

        Args:
            command: As it was typed, for the report.

        Returns:
            The report.
        """
        self.extract()
        self.adapt()
        figures = self.measure()
        self.preview()
        text = report(figures, self.metainfo['classes'], self.settings, self.names,
                      len(self.pairs()), self.export(), self.record.get('trained', ()), command)
        path = self.out / 'report.md'
        path.write_text(text, encoding='utf-8')
        self.record['figures'] = {name: asdict(value) for name, value in figures.items()}
        self._save()
        return path


class _Shown(Hook):
    """Iterations on a progress bar."""

    def __init__(self, bar: tqdm) -> None:
        self.bar = bar

    def before_train(self, runner: Runner) -> None:
        self.bar.update(runner.iter)  # of a run that goes on

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self.bar.update()


def _flow(provider: DISFlowEstimator, before: np.ndarray, current: np.ndarray
          ) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow (2, h, w) current -> before, and what of the current frame is visible there."""
    height, width = current.shape[:2]
    if width > FLOW_WIDTH:
        size = FLOW_WIDTH, max(1, round(height * FLOW_WIDTH / width))
        before, current = (cv2.resize(image, size, interpolation=cv2.INTER_AREA)
                           for image in (before, current))
    there, back = (torch.tensor(provider.estimate_numpy(*pair)).permute(2, 0, 1)[None]
                   for pair in ((current, before), (before, current)))
    return there[0], forward_backward_visible(there, back)[0, 0]


def report(figures: dict[str, HealthFigures], classes: Sequence[str], settings: Settings,
           videos: Sequence[str], pairs: int, export: str, trained: Sequence[str],
           command: Sequence[str] = ()) -> str:
    """The report, markdown."""
    before, after = figures['before'], figures['after']
    judged = judge(before, after, classes)
    reasons = '\n'.join(f'- {text}' for text in judged.reasons)
    rows = [('mean confidence', before.confidence, after.confidence),
            ('pixels with a confidence of 0.9 or more', before.confident, after.confident),
            ('temporal consistency, along the motion', before.consistency, after.consistency),
            ('temporal consistency, same place', before.unchanged, after.unchanged),
            ('same class in the mirrored frame', before.mirrored, after.mirrored)]
    table = '\n'.join(f'| {name} | {100 * old:.1f} | {100 * new:.1f} | {100 * (new - old):+.1f} |'
                      for name, old, new in rows)
    shares = '\n'.join(
        f'| {name} | {100 * old:.2f} | {100 * new:.2f} | {100 * (new - old):+.2f} |'
        for name, old, new in zip(classes, before.shares, after.shares, strict=True))
    steps = dict(adabn='AdaBN (the batch-norm statistics of the videos)',
                 stpl=f'STPL, {settings.iters} iterations',
                 selftraining='self-training of the batch-norm layers, '
                 f'{settings.iters} iterations')  # yapf: disable
    done = [steps['adabn']] if 'adabn' in trained else []
    if 'adapt' in trained:
        done.append(steps[settings.method.replace('-', '')])
    typed = f'\n```shell\n{shlex.join(command)}\n```\n' if command else ''
    warned = '\n'.join(f'- {text}' for text in judged.warnings) or \
        '- None: no class collapsed or took over, halved or doubled, and predictions are about ' \
        'as sure and steady as before, or more so.'
    return f"""# Adapted to {', '.join(videos)}

## Verdict: {judged.verdict}

{reasons}

A guess without labels; how often it is right where the truth is known says
docs/adapt_your_video.md of mmdavss. The warnings below are to be looked at in any case.
{typed}
What was done: {', then '.join(done)}; on {pairs} pairs of frames without labels, without the data
that the model was trained with.

![input, before, after](before_after.png)

The video: [before_after.mp4](before_after.mp4).

## Warnings

{warned}

## Health, without labels

In percent, on {after.frames} pairs of frames that the model was adapted on:

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
