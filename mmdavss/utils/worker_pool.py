"""Processes that compute in parallel."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any


def process_context() -> BaseContext:
    """How processes are started: as forks of a server, which imports this package once for all.

    The server uses neither CUDA nor threads of torch and OpenCV; a fork of a process that does can
    use neither. Where there are no forks, each process is started by itself.
    """
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmdavss'])
    return context


class WorkerPool:
    """Context manager: a pool of processes that ends with its block.

    Ctrl-C in a terminal reaches every process of a command; the pool's processes ignore it, so that
    only the main process handles it. After an error or an interruption, tasks that have not begun
    are dropped. If the main process is killed, the others end too. Unless OMP_NUM_THREADS says
    otherwise, each computes on one thread: NumPy's matrix products, however small, would use as
    many as there are cores, in each process.

    Args:
        workers: Number of processes.
        context: How they are started, by default as :func:`process_context` says.
        initializer: Called in each process before its first task.
        initargs: Its arguments.
    """

    def __init__(
        self,
        workers: int,
        context: BaseContext | None = None,
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self._pool = ProcessPoolExecutor(
            workers,
            context or process_context(),
            _begin,
            (initializer, initargs),
        )

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Submits a task, see :meth:`concurrent.futures.Executor.submit`."""
        with _new_processes():
            return self._pool.submit(function, *args)

    def map(
        self, function: Callable[[Any], Any], items: list[Any], chunksize: int
    ) -> Iterator[Any]:
        """Yields the results in order, see :meth:`concurrent.futures.Executor.map`."""
        with _new_processes():
            return self._pool.map(function, items, chunksize=chunksize)


@contextmanager
def _new_processes() -> Iterator[None]:
    """Context manager: processes started inside have one thread each and do not get SIGINT.

    This process gets it at the end.
    """
    masks = hasattr(signal, 'pthread_sigmask')  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else None
    # NumPy reads it when it is imported: in the process itself that would be too late.
    chosen = 'OMP_NUM_THREADS' in os.environ
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    try:
        yield
    finally:
        if not chosen:
            del os.environ['OMP_NUM_THREADS']
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    # For Windows, and for 'forkserver', whose server is older than the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
