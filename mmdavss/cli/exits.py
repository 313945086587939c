"""Ends commands with one line when a user needs no more."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from mmdavss.launch.faults import explain
from mmdavss.utils.processes import is_main_process
from mmdavss.utils.work_dir_lock import SIGNALS


class Interruptible:
    """Context manager: Ctrl-C and the signals :data:`SIGNALS` end the block with one line.

    The line is printed to stderr and SystemExit raised with 128 + the signal's number: 130 after
    Ctrl-C, 143 after SIGTERM. Before that, files, locks and processes are cleaned up. A second
    signal of the same kind terminates the child processes that this process may be waiting for;
    without child processes, or at a third signal, the process ends at once. Signals with other
    handlers are left alone.

    Args:
        text: The line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._asked: int | None = None
        self._said = self._impatient = False
        self._before: dict[int, Any] = {}  # handlers

    def __enter__(self) -> Interruptible:
        self._pid = os.getpid()
        if threading.current_thread() is threading.main_thread():  # others cannot
            unused = signal.SIG_DFL, signal.default_int_handler
            for number in (signal.SIGINT, *SIGNALS):
                if (handler := signal.getsignal(number)) in unused:
                    self._before[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if os.getpid() != self._pid:  # a fork
            return
        if self._asked is None or error is None:
            for number, handler in self._before.items():
                if signal.getsignal(number) == self._note:
                    signal.signal(number, handler)
        # else the handlers stay: a second signal at the interpreter's end would show a traceback.
        asked = self._asked
        if asked is None and isinstance(error, KeyboardInterrupt):
            asked = signal.SIGINT
        # For any error: the interruption may have caused it.
        if asked is not None and error is not None:
            self._say()
            raise SystemExit(128 + asked) from None

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Processes that this one has forked inherit the handler.
        if os.getpid() == self._pid:
            if self._asked == number:
                self._say()
                children = multiprocessing.active_children()
                if children and not self._impatient:
                    # Most likely this process is waiting for them.
                    self._impatient = True
                    for child in children:
                        child.terminate()
                    return
                os._exit(128 + number)
            if self._asked is not None:
                return
            self._asked = number
            if hasattr(signal, 'SIGCHLD'):
                # torch's handler raises an error for workers that the same signal has ended.
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def _say(self) -> None:
        if not self._said:
            self._said = True
            # Not print(): a handler may run in the middle of another one.
            with suppress(OSError):
                os.write(2, f'\n{self.text}\n'.encode())


@contextmanager
def one_line(interrupted: str = 'interrupted') -> Iterator[None]:
    """Context manager: ends a tool with one line for errors that need no traceback.

    Args:
        interrupted: Line after Ctrl-C or SIGTERM, see :class:`Interruptible`.

    Raises:
        SystemExit: With the line, or after it.
    """
    with Interruptible(interrupted):
        try:
            yield
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            raise SystemExit(f'\nerror: {message}') from None


@contextmanager
def usage_error(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Context manager for checks before a tool runs: one-line errors become usage errors.

    Most mistakes are found by every rank of a distributed run: only the first one reports them, and
    for what one machine lacks, in a line, the first of each other machine.

    Args:
        parser: Prints the line, after the usage.

    Raises:
        SystemExit: With status 2.
    """
    try:
        yield
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        if is_main_process():
            parser.error(message)
        if os.environ.get('LOCAL_RANK', '0') == '0':
            print(f'error on {platform.node()}: {message}', file=sys.stderr)
        raise SystemExit(2) from None


def exit_status(work: Callable[[], None], interrupted: str) -> int:
    """Runs a tool that returns its exit status; other tools use :func:`one_line`.

    Args:
        work: The tool's work.
        interrupted: Line after Ctrl-C or SIGTERM, see :class:`Interruptible`.

    Returns:
        0, 1 after a line on stderr, 130 after Ctrl-C, or 143 after SIGTERM.
    """
    try:
        with one_line(interrupted):
            work()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0
