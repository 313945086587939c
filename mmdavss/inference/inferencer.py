"""Writes segmented videos and class maps of videos."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.utils import OptConfigType

from mmdavss.utils.errors import UserError
from mmdavss.utils.files import check_writable, refuse_existing
from mmdavss.utils.images import write_png
from mmdavss.utils.progress import progress
from mmdavss.utils.quiet import without_loss_warnings
from mmdavss.visualization import VideoWriter, draw_grid, draw_legend, overlay

from .segmenter import Prepared, VideoSegmenter
from .videos import Frame, VideoReader

Model = str | Path | Config
Item = TypeVar('Item')
#: Maximum frames per second of a video that can be written.
MAX_FPS = 1000
#: Frames at most that are prepared before they are segmented, and that are not yet written.
HELD = 4
#: Minimum width of all panels together if they have a legend.
LEGEND_WIDTH = 480


class Segmented(NamedTuple):
    """A frame of a video with the predictions of the models.

    Attributes:
        name: Name of the frame's file without suffix, or its number.
        image: (H, W, 3), uint8, BGR.
        labels: Classes (H, W), uint8, of each model.
    """

    name: str
    image: np.ndarray
    labels: tuple[np.ndarray, ...]


class VideoSegInferencer:
    """Segments a video of any length with one model, or with several side by side.

    The video net keeps its state from frame to frame, so that each frame is encoded once. Nothing
    else is kept: memory use does not depend on the length of the video.

    Args:
        model: A config of this package, or its file; one per model.
        weights: Checkpoint of each model.
        titles: Titles above several models; by default the folders of the checkpoints.
        classes: Names of the classes; replace those of the config.
        palette: (K, 3), RGB colours of the classes; replace those of the config.
        flow: Config of the flow provider, see :class:`VideoSegmenter`.
        device: Where the models compute. Defaults to a GPU if there is one.
        show_progress: Whether to show a progress bar with frames per second.

    Attributes:
        classes: Names of the K classes.
        palette: uint8 (K, 3), their RGB colours.

    Example:
        >>> segment = VideoSegInferencer(config, checkpoint)
        >>> segment('drive.mp4', out='segmented.mp4')
        >>> for frame in segment.stream('drive.mp4'):
        ...     print(frame.name, (frame.labels[0] == 0).mean())

    Raises:
        FileNotFoundError: If a checkpoint does not exist.
        UserError: If the models have different classes.
        ValueError: If a checkpoint does not fit its config.
    """

    def __init__(
        self,
        model: Model | Sequence[Model],
        weights: str | Path | Sequence[str | Path],
        titles: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | np.ndarray | None = None,
        flow: OptConfigType = None,
        device: str | torch.device | None = None,
        show_progress: bool = True,
    ) -> None:
        models = [model] if isinstance(model, str | Path | Config) else list(model)
        checkpoints = [weights] if isinstance(weights, str | Path) else list(weights)
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        with without_loss_warnings():
            self.segmenters = [
                VideoSegmenter(cfg, checkpoint, device, flow)
                for cfg, checkpoint in zip(models, checkpoints, strict=True)
            ]
        first = self.segmenters[0]
        for other, name in zip(self.segmenters[1:], models[1:], strict=True):
            if other.classes != first.classes:
                raise UserError(
                    f'the models have different classes: {first.classes}, and '
                    f'{other.classes} of {getattr(name, "filename", name)}'
                )
        self.classes = first.classes if classes is None else tuple(classes)
        self.palette = first.palette if palette is None else np.asarray(palette, np.uint8)
        if not len(self.classes) == len(self.palette) == len(first.classes):
            raise UserError(
                f'{len(self.classes)} classes and {len(self.palette)} colours for a '
                f'model of {len(first.classes)} classes'
            )
        if titles is None:
            titles = [Path(path).resolve().parent.name for path in checkpoints]
        self.titles = list(titles)
        if len(self.titles) != len(models):
            raise UserError(f'{len(self.titles)} titles for {len(models)} models')
        self.show_progress = show_progress

    def stream(self, inputs: str | Path | int | VideoReader) -> Iterator[Segmented]:
        """Segments a video, one frame at a time.

        Args:
            inputs: Video file, folder of images, number of a camera, address of a stream, or a
                :class:`VideoReader`.

        Yields:
            Each frame as soon as it is segmented.

        Raises:
            UserError: If the video does not exist or cannot be read.
            ValueError: If an image is broken or frames differ in size.
        """
        video = inputs if isinstance(inputs, VideoReader) else VideoReader(inputs)
        yield from self._segment(self._prepared(video))

    def _prepared(self, video: Iterable[Frame]) -> Iterator[tuple[Frame, list[Prepared]]]:
        given, made = _lockstep(one.prepared for one in self.segmenters)
        for frame in video:
            for queue in given:
                queue.append(frame)
            yield frame, [next(prepared) for prepared in made]

    def _segment(self, rows: Iterable[tuple[Frame, list[Prepared]]]) -> Iterator[Segmented]:
        given, maps = _lockstep(one.segmented for one in self.segmenters)
        for frame, prepared in rows:
            for queue, own in zip(given, prepared, strict=True):
                queue.append(own)
            yield Segmented(frame.name, frame.image, tuple(next(labels) for labels in maps))

    def __call__(
        self,
        inputs: str | Path | int | VideoReader,
        out: str | Path | None = None,
        masks: str | Path | None = None,
        opacity: float = 0.6,
        show_input: bool = False,
        legend: bool = True,
        width: int | None = None,
        fps: float | None = None,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Segments a video and writes the result as a video, as class maps, or both.

        Args:
            inputs: As for :meth:`stream`.
            out: Video of the overlays (mp4); several models side by side.
            masks: Folder for the classes of each frame: png files of one channel with class ids.
                Each of several models gets a folder in it, named after its title.
            opacity: Opacity of the class colours, 0 to 1.
            show_input: Whether the first panel shows the input.
            legend: Whether names and colours of the classes are shown below.
            width: Width of each panel. Defaults to that of the video, or more if that is too small
                for the legend.
            fps: Frames per second of `out`. Defaults to those of the video.
            overwrite: Whether `out`, and masks of the same names, are replaced.

        Returns:
            ``frames``, ``seconds`` and ``fps`` (frames processed per second); ``note`` and
            ``damaged`` say whether frames of the video are missing, see :class:`VideoReader`.

        Raises:
            UserError: As :meth:`stream`; or if there is nothing to write, or the output exists or
                is the input.
        """
        video = inputs if isinstance(inputs, VideoReader) else VideoReader(inputs)
        folders = self._check(video, out, masks, opacity, width, fps, overwrite)

        def write(frame: Segmented) -> None:
            if writer is not None:
                writer.write(self.draw(frame, opacity, show_input, legend, width))
            for folder, labels in zip(folders, frame.labels, strict=False):
                write_png(folder / f'{frame.name}.png', labels)

        with ExitStack() as stack:
            writer = None
            if out is not None:
                writer = stack.enter_context(VideoWriter(out, fps or video.fps))
            bar = stack.enter_context(
                progress(f'segment {video.name}', total=video.count, disable=not self.show_progress)
            )
            began, done = time.monotonic(), 0
            # Ctrl-C is how a camera ends.
            ended = suppress(KeyboardInterrupt) if video.live else nullcontext()
            # While the networks see a frame, those before are drawn and written, and the next ones
            # read, resized and given their flow. Some of each: networks that take longest on key
            # frames (DFF) have a stock for those between. Of a camera nothing is kept waiting.
            held = 1 if video.live else HELD
            written: deque[Future] = deque()
            with (
                ended,
                ThreadPoolExecutor(1) as aside,
                closing(_ahead(self._prepared(video), aside, held)) as coming,
            ):
                for frame in self._segment(coming):
                    while written and (len(written) == held or written[0].done()):
                        written[0].result()  # if Ctrl-C ends it, it is asked again below
                        written.popleft()
                    written.append(aside.submit(write, frame))
                    done += 1
                    bar.update()
            for one in written:  # after Ctrl-C too
                one.result()
        if not done:
            raise UserError(f'{video.shown}: no frame was segmented, nothing is written')
        seconds = time.monotonic() - began
        return dict(
            frames=done,
            seconds=seconds,
            fps=done / max(seconds, 1e-9),
            note=video.note,
            damaged=video.damaged,
        )

    def _check(
        self,
        video: VideoReader,
        out: str | Path | None,
        masks: str | Path | None,
        opacity: float,
        width: int | None,
        fps: float | None,
        overwrite: bool,
    ) -> list[Path]:
        """Checks the arguments before the work starts; returns the folders of the masks."""
        if out is None and masks is None:
            raise UserError('nothing is written: name a video (out) or a folder of masks')
        if not 0 <= opacity <= 1:
            raise UserError(f'opacity {opacity} is not between 0 and 1')
        if width is not None and width < 1:
            raise UserError(f'width {width} is less than 1')
        if fps is not None and not 0 < fps <= MAX_FPS:
            raise UserError(f'fps {fps} is not more than 0 and at most {MAX_FPS}')
        if out is not None and Path(out).suffix != '.mp4':
            raise UserError(f'{out}: a video file must end in .mp4')
        if out is not None:
            refuse_existing([out], overwrite)
            if video.is_at(out):
                raise UserError(f'{out} is the video itself: write to another file (--out)')
            check_writable(Path(out).parent, 'write the video elsewhere (--out)')
        if masks is None:
            return []
        folders = [Path(masks)]
        if len(self.segmenters) > 1:
            if len(set(self.titles)) < len(self.titles):
                raise UserError(
                    f'the masks of the models {self.titles} would get into one '
                    'folder: give the models different titles'
                )
            for title in self.titles:
                if title in ('', '.', '..') or Path(title).name != title:
                    raise UserError(
                        f'the title {title!r} cannot be the name of a folder of masks: give the '
                        'model another one'
                    )
            folders = [Path(masks, title) for title in self.titles]
        for folder in folders:
            if folder.is_dir() and video.is_at(folder):
                raise UserError(
                    f'{folder} is the folder of the frames, which the masks would replace or be '
                    'taken for: write them to another folder (--masks)'
                )
            if folder.is_dir() and any(folder.glob('*.png')) and not overwrite:
                raise UserError(
                    f'{folder} holds png files already: choose another folder, or '
                    'overwrite them (--overwrite)'
                )
            check_writable(folder, 'write the masks elsewhere (--masks)')
        return folders

    def draw(
        self,
        frame: Segmented,
        opacity: float = 0.6,
        show_input: bool = False,
        legend: bool = True,
        width: int | None = None,
    ) -> np.ndarray:
        """The picture of a frame: overlays side by side, legend below.

        Args:
            frame: A frame from :meth:`stream`.
            opacity: As for :meth:`__call__`.
            show_input: As for :meth:`__call__`.
            legend: As for :meth:`__call__`.
            width: As for :meth:`__call__`.

        Returns:
            (H', W', 3), uint8, RGB, both sides even.
        """
        rgb = cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)
        height, own_width = rgb.shape[:2]
        panels = [rgb] if show_input else []
        panels += [overlay(rgb, labels, self.palette, opacity) for labels in frame.labels]
        if width is None:
            # The legend of a narrow video would be higher than the video.
            width = max(own_width, LEGEND_WIDTH // len(panels)) if legend else own_width
        size = (width, max(1, round(height * width / own_width)))
        if len(panels) == 1:
            # One panel has no frame around it.
            picture = panels[0]
            if size != (own_width, height):
                picture = cv2.resize(
                    picture,
                    size,
                    interpolation=cv2.INTER_AREA if width < own_width else cv2.INTER_LINEAR,
                )
        else:
            titles = ['input', *self.titles] if show_input else self.titles
            picture = draw_grid(panels, titles, len(panels), size)
        if legend:
            text = min(max(picture.shape[1] // 60, 12), 28)
            picture = np.vstack(
                [picture, draw_legend(self.classes, self.palette, picture.shape[1], text)]
            )
        odd = [(0, side % 2) for side in picture.shape[:2]]
        return np.pad(picture, (*odd, (0, 0)), mode='edge') if any(map(any, odd)) else picture


def _lockstep(
    functions: Iterable[Callable[[Iterable], Iterator[Item]]],
) -> tuple[list[deque], list[Iterator[Item]]]:
    """A queue for each function of iterables, and what it makes of that, one item at a time.

    Copies by ``itertools.tee`` would hold some fifty items each.
    """
    queues: list[deque] = []
    made = []
    for function in functions:
        queues.append(deque())
        made.append(function(iter(queues[-1].popleft, None)))
    return queues, made


def _ahead(items: Iterable[Item], pool: Executor, count: int) -> Generator[Item, None, None]:
    """Yields the items; the next `count` are made in the pool while the last one is used."""
    iterator = iter(items)
    coming = deque(pool.submit(next, iterator, None) for _ in range(count))
    try:
        while (item := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, iterator, None))
            yield item
    finally:
        for future in coming:  # nothing more is wanted after an error
            future.cancel()
