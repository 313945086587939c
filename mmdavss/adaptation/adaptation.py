"""Adapts a trained model to videos without labels, and reports the result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.registry import DATASETS

from mmdavss.convert.plain_mmseg import (
    Export,
    as_plain,
    export_segmentor,
    exported_modules,
    read_method_config,
    write_config,
)
from mmdavss.evaluation.health import HealthFigures
from mmdavss.inference.inferencer import VideoSegInferencer
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.inference.videos import VideoReader
from mmdavss.utils.addresses import without_password
from mmdavss.utils.checkpoints import checkpoint_file, read_checkpoint
from mmdavss.utils.classes import class_names
from mmdavss.utils.device import usable_device
from mmdavss.utils.errors import NotFiniteError, UserError, number_of, printable
from mmdavss.utils.files import replace_file
from mmdavss.utils.images import write_png
from mmdavss.utils.quiet import without_loss_warnings
from mmdavss.utils.work_dir_lock import WorkDirLock

from .choice import Candidate, candidates_of, choose
from .estimates import TimeLeft, duration, guessed_seconds
from .folder import ResultFolder, video_identity
from .frame_size import config_of_size, fitting_size, pipeline_size
from .frames import FramePairs
from .measuring import measure
from .memory import explained_memory, no_memory
from .recipes import (
    adabn_model,
    adapted_config,
    checkpoint_iterations,
    self_training_model,
    stage_config,
    stpl_model,
)
from .report import report
from .settings import PRESENTATION, Settings
from .training import save_student, train
from .trial import try_network

#: Relative difference in aspect ratio above which a video is reported as stretched.
DISTORTED = 0.05


@dataclass(frozen=True)
class Adapted:
    """Result of an adaptation.

    Attributes:
        config: Config of the adapted model, for all tools of this package.
        checkpoint: Its weights.
        report: The report, to be read before the model is trusted.
        video: The before/after video.
        figures: Health figures of the model ``before`` and ``after``.
        notes: What is wrong with the videos: "N of about M frames can be read".
        damaged: Whether a video lacks more frames than inexact headers explain.
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

    All checks come before the first write: the network predicts a frame of the first video.

    Args:
        cfg: Config of the model, see :func:`read_method_config`.
        checkpoint: Its weights.
        videos: Inputs of :class:`VideoReader`. From a camera or an endless stream,
            ``settings.record`` frames are recorded first.
        out: Folder of all results.
        settings: How to adapt.
        overwrite: Whether a different adaptation in `out` is replaced.
        device: Where it computes. Defaults to a GPU if there is one.

    Attributes:
        size: (width, height) of the frames that the network gets.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        UserError: If a video cannot be read, the network cannot be adapted in this way, or `out`
            holds another adaptation.
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
        file = checkpoint_file(checkpoint)
        if not file.is_file():
            raise FileNotFoundError(f'checkpoint not found: {checkpoint}')
        self.cfg = cfg
        self.checkpoint = str(file)
        self.settings = settings
        self.device = usable_device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.folder = ResultFolder(out, overwrite)
        self.readers = [VideoReader(video) for video in videos]
        dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True, pipeline=[]))
        self.metainfo: dict[str, Any] = dict(
            classes=class_names(dataset.metainfo, 'the data set of test_dataloader'),
            palette=[list(map(int, c)) for c in dataset.metainfo['palette']],
        )
        first = [next(iter(reader.first(1))).image for reader in self.readers]
        self.shapes = [image.shape[1::-1] for image in first]
        self.frames = FramePairs(self.folder.frames, self.readers, self.shapes, settings)
        self.size = settings.size or min(
            (fitting_size(cfg, shape) for shape in self.shapes), key=np.prod
        )
        self.sized = config_of_size(cfg, self.size, self.shapes)
        self.trial = try_network(
            self.sized, self.checkpoint, self.device, first[0], self.size, settings
        )
        lengths = [reader.count or settings.record for reader in self.readers]
        self.left = TimeLeft(
            guessed_seconds(settings, self.trial.seconds, lengths, self.adabn_iters)
        )
        self._begin()

    def _begin(self) -> None:
        state = Path(self.checkpoint).stat()
        settings = {
            name: value for name, value in asdict(self.settings).items() if name not in PRESENTATION
        }
        self.folder.begin(
            dict(
                model=self.cfg.model.to_dict(),
                checkpoint=[state.st_size, state.st_mtime_ns],
                videos=[video_identity(reader) for reader in self.readers],
                settings=dict(settings, size=self.size),
                classes=self.metainfo,
                pipeline=as_plain(self.cfg.test_dataloader.dataset.pipeline),
            ),
            [
                *(Path(str(reader.source)) for reader in self.readers),
                *map(Path, filter(None, (self.checkpoint, self.cfg.filename))),
            ],
            recorded=any(reader.live for reader in self.readers),
        )

    @property
    def out(self) -> Path:
        """The folder of all results."""
        return self.folder.path

    @property
    def adabn_iters(self) -> int:
        """Iterations of AdaBN that are done: none without batch norm."""
        return (self.settings.adabn_iters or 0) if self.trial.has_norms else 0

    @property
    def record(self) -> dict[str, Any]:
        """What is finished, see :class:`Journal`."""
        return self.folder.journal.state

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
        scale = pipeline_size(self.cfg, self.shapes[0])
        why = ''
        if settings.size is None and scale != self.size:
            why = f' (not {scale[0]}x{scale[1]}, as the config says: the video has no more)'
        where = 'the CPU' if self.device.type == 'cpu' else str(self.device)
        lines.append(
            f'Network: {self.trial.network}, {len(self.metainfo["classes"])} classes, on '
            f'{where}. Frames of {width}x{height}{why}; --size sets another size.'
        )
        lines += self._distortions()
        steps = []
        if self.adabn_iters:
            steps.append(f'AdaBN, {number_of(self.adabn_iters, "iteration")}')
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
        """A line that names stretched videos: all get one size even if their shapes differ."""
        shape = self.size[0] / self.size[1]
        stretched = [
            reader.shown
            for reader, (width, height) in zip(self.readers, self.shapes, strict=True)
            if abs(width / height / shape - 1) > DISTORTED
        ]
        # If all of them are, the config or --size asks for it.
        if not stretched or len(stretched) == len(self.readers):
            return []
        return [
            f'Stretched to that size, as the videos have different shapes: {", ".join(stretched)}. '
            'Better adapt to each shape by itself (another --out).'
        ]

    def extract(self) -> Path:
        """Writes pairs of frames, evenly spread over each video; an interrupted run continues.

        Returns:
            The folder: a folder of images for each video, and the list of the pairs.

        Raises:
            UserError: If a video has no two successive readable frames.
        """
        self.frames.extract(self.folder.journal)
        return self.frames.folder

    def pairs(self) -> list[tuple[Path, Path]]:
        """The image files of all pairs."""
        return self.frames.files()

    def adapt(self) -> Path:
        """Runs the training stages one after the other, and chooses a checkpoint of the last.

        Returns:
            The adapted checkpoint; its config, ``adapted.py``, is beside it.
        """
        path = self.folder.checkpoint
        write_config(
            self.folder.config,
            adapted_config(self.cfg, self.sized),
            exported_modules(self.cfg.model),
        )
        if path.is_file():
            return path
        start, settings = self.checkpoint, self.settings
        if self.adabn_iters:
            start = self._train('adabn', adabn_model(self.cfg, start), self.adabn_iters)
        if settings.method == 'adabn':
            made = {self.adabn_iters: start}
        else:
            method = stpl_model if settings.method == 'stpl' else self_training_model
            start = self._train('adapt', method(self.cfg, start), settings.iters)
            made = {
                iteration: str(Path(start).with_name(f'iter_{iteration}.pth'))
                for iteration in checkpoint_iterations(settings.iters)
            }
        save_student(made[self._choose(made)], str(path), self.metainfo)
        return path

    def _choose(self, made: Mapping[int, str]) -> int:
        """The iteration of the checkpoint to keep, of `made`, by iteration; the journal has it."""
        if 'chosen' not in self.record:
            config = Config.fromfile(self.folder.config)
            with explained_memory(self.size):
                before, *after = measure(
                    [(self.sized, self.checkpoint), *((config, path) for path in made.values())],
                    self.pairs(),
                    len(self.metainfo['classes']),
                    self.settings.checked,
                    self.device,
                    self.size,
                )
            figures = dict(zip(made, after, strict=True))
            candidates = candidates_of(before, figures, self.metainfo['classes'])
            if not any(math.isfinite(one.error) for one in candidates):
                raise NotFiniteError(
                    'no adapted model can be used, all predict NaN: choose a smaller --lr (now '
                    f'{self.settings.lr}) or another --method'
                )
            chosen = choose(candidates)
            self.folder.journal.save(
                chosen=chosen,
                candidates=[asdict(one) for one in candidates],
                figures=dict(before=asdict(before), after=asdict(figures[chosen])),
            )
            self.left.done('health')
        return self.record['chosen']

    def _train(self, name: str, model: dict, iters: int) -> str:
        """Runs one stage; its folder holds its config and checkpoints."""
        cfg = stage_config(
            self.cfg,
            model,
            self.settings,
            self.frames.folder,
            len(self.pairs()),
            self.size,
            self.metainfo,
            iters,
            self.out / name,
            self.trial.needs_flow,
        )
        return train(
            name,
            cfg,
            self.size,
            self.settings.batch_size,
            self.device,
            self.folder.journal,
            self.left,
        )

    def figures(self) -> dict[str, HealthFigures]:
        """Figures of the model ``before`` and ``after``, on pairs spread over all videos."""
        return {
            name: HealthFigures(**dict(value, shares=tuple(value['shares'])))
            for name, value in self.record['figures'].items()
        }

    def preview(self) -> Path:
        """Writes the before/after video of the first video, and a picture from its middle."""
        path, picture = self.folder.video, self.folder.picture
        if (
            path.is_file()
            and picture.is_file()
            and self.record.get('preview') == self.settings.preview
        ):
            return path
        segment = VideoSegInferencer(
            [self.sized, Config.fromfile(self.folder.config)],
            [self.checkpoint, self.folder.checkpoint],
            titles=['before', 'after'],
            device=self.device,
        )
        reader, fps = self.readers[0], self.readers[0].fps
        if reader.live:
            reader = VideoReader(self.frames.folder / self.frames.names[0])
        segment(
            reader.first(self.settings.preview),
            out=path,
            show_input=True,
            width=min(640, self.shapes[0][0]),
            fps=fps,
            overwrite=True,
        )
        made = VideoReader(path)
        ((_, image),) = made.choose([(made.count or made.length()) // 2])
        write_png(picture, image)
        self.folder.journal.save(preview=self.settings.preview)
        return path

    def export(self) -> str:
        """Writes the plain mmseg export; returns the sentence about it in the report."""
        try:
            with without_loss_warnings():
                export = export_segmentor(
                    Config.fromfile(self.folder.config),
                    self.folder.checkpoint,
                    self.folder.export,
                    overwrite=True,
                )
                others = self._labelled_otherwise(export)
        except UserError as error:
            return f'There is no plain mmseg export: {error}.'
        config, checkpoint = map(self.folder.relative, (export.config, export.checkpoint))
        if others is None:
            found = (
                'whether it labels the first frame the same could not be checked: the memory ran '
                'out, as plain mmseg computes the scores of all classes at the size of the frame'
            )
        elif others:
            found = f'it labels {others:.3%} of the pixels of the first frame otherwise'
        else:
            found = 'it labels all pixels of the first frame the same'
        return f'`{config}` and `{checkpoint}` are the adapted model for plain mmseg; {found}.'

    def _labelled_otherwise(self, export: Export) -> float | None:
        """Share of the pixels of the first frame whose class plain mmseg predicts otherwise; None
        if there is not enough memory for it."""
        frame = str(self.pairs()[0][0])
        try:
            segment = VideoSegmenter(self.folder.config, self.folder.checkpoint, self.device)
            (own,) = segment([frame])
            model = init_model(str(export.config), device=str(self.device))
            # Strictly: mmseg only warns of weights that its network lacks.
            model.load_state_dict(read_checkpoint(export.checkpoint)['state_dict'])
            (sample,) = inference_model(model, [frame])
            return float((sample.pred_sem_seg.data[0].cpu().numpy() != own).mean())
        except Exception as error:
            # Everything else is done, and the export may be right.
            if not no_memory(error):
                raise
            return None

    def run(self, command: Sequence[str] = ()) -> Adapted:
        """Runs all steps.

        Args:
            command: The command line, for the report.
        """
        print(self.plan(), flush=True)
        try:
            self.extract()
        except (UserError, ValueError):
            self.folder.withdraw()
            raise
        self.adapt()
        figures = self.figures()
        video = self.preview()
        found = self.record.get('notes', {}).values()
        notes = tuple(value['note'] for value in found)
        text = report(
            figures,
            self.metainfo['classes'],
            self.settings,
            self.frames.names,
            len(self.pairs()),
            self.export(),
            self.record.get('trained', ()),
            [Candidate(**one) for one in self.record['candidates']],
            self.record['chosen'],
            [printable(without_password(part)) for part in command],
            self.size,
            notes,
        )
        replace_file(self.folder.report, text.encode())
        return Adapted(
            self.folder.config,
            self.folder.checkpoint,
            self.folder.report,
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
        videos: One or several: files, folders of frames, cameras, streams, see
            :class:`VideoReader`.
        out: Folder of the results. The same call continues an interrupted adaptation.
        classes: Names of the classes, if a plain checkpoint does not contain them.
        cfg_options: Dotted keys and values that replace those of the config.
        device: Where it computes. Defaults to a GPU if there is one.
        overwrite: Whether a different adaptation in `out` is replaced.
        command: The command line, for the report.
        **settings: Fields of :class:`Settings`: ``method``, ``iters``, ``size`` ...

    Example:
        >>> from mmdavss.apis import adapt
        >>> result = adapt('CONFIG.py', 'CHECKPOINT.pth', 'drive.mp4', 'adapted', iters=50)
        >>> print(result.report.read_text())

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        UserError: As :class:`Adaptation`, or if the config cannot be used.
        ValueError: If the checkpoint does not fit the config, or a frame is broken.
    """
    several = [videos] if isinstance(videos, str | Path | int) else list(videos)
    if not several:
        raise UserError('there is no video to adapt to')
    if '://' in str(checkpoint):
        raise UserError(f'{checkpoint} is an address: download the checkpoint and name the file')
    cfg = read_method_config(config, checkpoint, classes, cfg_options)
    with WorkDirLock(out, '--out'):
        return Adaptation(
            cfg, checkpoint, several, out, Settings(**settings), overwrite, device
        ).run(command)
