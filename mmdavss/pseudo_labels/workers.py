"""Predicts clips in this process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import islice
from multiprocessing.context import BaseContext
from typing import Any

import cv2
import numpy as np
import torch

from mmdavss.utils.progress import progress
from mmdavss.utils.worker_pool import WorkerPool, process_context

from .predictor import ClipPredictor, FrameClip, Prediction, PredictorFactory

#: More than the number of any clip.
NONE = 2**62


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


class Turns:
    """A state that one clip after the other changes, each when it is its turn.

    Tasks of a pool begin in their order, so that a clip waits only for clips that are being
    predicted or done. Clips before one that fails go on: their results are as good as ever, and
    come before its error.

    Args:
        state: Its start, (K,), float64.
        context: How the processes that share it are started.
    """

    def __init__(self, state: np.ndarray, context: BaseContext) -> None:
        self._state = context.RawArray('d', state.tolist())
        self._next = context.RawValue('q', 0)
        self._failed = context.RawValue('q', NONE)  # the first of them
        self._changed = context.Condition()

    @contextmanager
    def turn(self, number: int) -> Iterator[np.ndarray]:
        """Context manager: waits for all clips before `number`; yields the state, to change it.

        Raises:
            RuntimeError: If a clip before it has failed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._next.value == number or self._failed.value < number
            )
            if self._failed.value < number:
                raise RuntimeError('an earlier clip has failed')
            yield np.frombuffer(self._state)
            self._next.value += 1
            self._changed.notify_all()

    def fail(self, number: int) -> None:
        """Ends the waiting of the clips after `number`, which has failed."""
        with self._changed:
            self._failed.value = min(number, self._failed.value)
            self._changed.notify_all()


#: Context manager that yields the state which clips hand on, when it is a clip's turn.
Turn = Callable[[], AbstractContextManager[np.ndarray]]
#: What is made of the predictions of a clip, which come one after the other.
Work = Callable[[FrameClip, Iterator[Prediction], Turn], Any]


class _Worker:
    """State of a process of the pool: its own predictor."""

    make: Callable[[str], ClipPredictor]
    device: str
    turns: Turns
    predictor: ClipPredictor | None = None

    @classmethod
    def start(
        cls, make: Callable[[str], ClipPredictor], device: str, number: Any, turns: Turns
    ) -> None:
        _use_one_thread()
        if device == 'cuda':
            with number.get_lock():
                device = f'cuda:{number.value % torch.cuda.device_count()}'
                number.value += 1
        cls.make, cls.device, cls.turns = make, device, turns

    @classmethod
    def run(cls, work: Work, clip: FrameClip, number: int) -> Any:
        try:
            if cls.predictor is None:
                # Not in start(): a pool does not pass on exceptions of its initializer.
                cls.predictor = cls.make(cls.device)
            return work(clip, cls.predictor(clip), partial(cls.turns.turn, number))
        except BaseException:
            cls.turns.fail(number)
            raise


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

    def __call__(
        self, work: Work, clips: list[FrameClip], state: np.ndarray | None = None
    ) -> Iterator[tuple[FrameClip, Any]]:
        """Processes clips, with a progress bar.

        Args:
            work: Function of a clip, its predictions, and its turn to change the state. It is
                called in the process that predicts the clip.
            clips: The clips.
            state: (K,), float64, start of the state that clips hand on in their order.

        Yields:
            Each clip and the result of `work`.
        """
        if not clips:
            return
        state = np.zeros(0) if state is None else state.copy()
        with progress('segment', total=number_of_frames(clips)) as bar:
            for clip, result in zip(clips, self._results(work, clips, state), strict=True):
                yield clip, result
                bar.update(len(clip.frames))

    def _results(self, work: Work, clips: list[FrameClip], state: np.ndarray) -> Iterator[Any]:
        if self.workers == 1:
            for clip in clips:
                yield work(clip, self.predictor(clip), lambda: nullcontext(state))
            return
        context = process_context()
        start = self.make, self.device, context.Value('i', 0), Turns(state, context)
        with WorkerPool(self.workers, context, _Worker.start, start) as pool:
            waiting = enumerate(clips)

            def submit(count: int) -> list[Future]:
                return [
                    pool.submit(_Worker.run, work, clip, number)
                    for number, clip in islice(waiting, count)
                ]

            # Bounds the number of results that are in memory at a time.
            running = deque(submit(self.workers + 1))
            while running:
                result = running.popleft().result()
                running.extend(submit(1))
                yield result


def number_of_frames(clips: Iterable[FrameClip]) -> int:
    """Number of frames in clips."""
    return sum(len(clip.frames) for clip in clips)
