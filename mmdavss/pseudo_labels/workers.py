"""Predicts clips in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import cv2
import torch

from mmdavss.utils.progress import progress
from mmdavss.utils.worker_pool import WorkerPool

from .predictor import ClipPredictor, FrameClip, PredictorFactory


def _use_one_thread() -> None:
    """Makes results independent of the number of threads and of cuDNN's choice of algorithm."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True


@contextmanager
def one_thread() -> Iterator[None]:
    """Context manager: computes on one thread, with deterministic cuDNN algorithms."""
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
    """State of a process of the pool: its own predictor."""

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
            # Not in start(): a pool does not pass on exceptions of its initializer.
            cls.predictor = cls.make(cls.device)
        return work(cls.predictor(clip))


class ClipRunner:
    """Predicts clips in this process or in several, and returns the results in order.

    Args:
        make: Builds the predictor of each process.
        predictor: Predictor of this process; None with several workers.
        workers: Number of processes; with 1, this process predicts.
        device: ``cpu``, ``cuda`` (the processes take the devices in turn), ``cuda:1`` ...
    """

    def __init__(
        self, make: PredictorFactory, predictor: ClipPredictor | None, workers: int, device: str
    ) -> None:
        self.make, self.workers, self.device = make, workers, device
        self.predictor: Any = predictor  # None with several workers, each of which builds its own

    def __call__(self, work: Callable, clips: list[FrameClip]) -> Iterator[tuple[FrameClip, Any]]:
        """Processes clips, with a progress bar.

        Args:
            work: Function of the predictions of a clip, called in the process that predicts it.
            clips: The clips.

        Yields:
            Each clip and the result of `work`.
        """
        if not clips:
            return
        with progress('segment', total=number_of_frames(clips)) as bar:
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
            # Bounds the number of results that are in memory at a time.
            running = deque(
                pool.submit(_Worker.run, work, clip) for clip in islice(waiting, self.workers + 1)
            )
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(_Worker.run, work, clip) for clip in islice(waiting, 1))
                yield result


def number_of_frames(clips: Iterable[FrameClip]) -> int:
    """Number of frames in clips."""
    return sum(len(clip.frames) for clip in clips)
