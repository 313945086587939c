"""How a command ends: with one line where that is all that a user needs."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

from mmdavss.launch.faults import explain
from mmdavss.utils.processes import is_main_process
from mmdavss.utils.work_dir_lock import SIGNALS


class Interruptible:
    """Context manager: Ctrl-C and the signals :data:`SIGNALS` end the block with one line.

    The line is printed to stderr and SystemExit raised with 128 + the signal's number: 130 after
    Ctrl-C, 143 after SIGTERM. On the way out files, locks and processes are cleaned up. The same
    signal once more terminates the child processes that this may wait for; without any, or at the
    next one, the process ends at once. Signals that something else listens to are left alone.

    Args:
        text: The line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._asked: int | None = None
        self._said = self._impatient = False
        self._before: dict[int, object] = {}

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
        # else they stay: a second signal at the interpreter's end would show a traceback.
        asked = self._asked
        if asked is None and isinstance(error, KeyboardInterrupt):
            asked = signal.SIGINT
        # Whatever the error is: what was interrupted may have failed because of that.
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
                    # They are what it waits for, most likely.
                    self._impatient = True
                    for child in children:
                        child.terminate()
                    return
                os._exit(128 + number)
            if self._asked is not None:
                return
            self._asked = number
            if hasattr(signal, 'SIGCHLD'):
                # That of torch raises an error for workers that the same signal has ended.
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
    """Around what a tool does: ends it with one line if that is all that is needed.

    Args:
        interrupted: What Ctrl-C and SIGTERM say, see :class:`Interruptible`.

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
    """Around what a tool looks at before it runs: one line is a mistake of the command line.

    Every rank of a distributed run finds the same mistake; one message is enough.

    Args:
        parser: Says the line, after the usage.

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
        raise SystemExit(2) from None


def exit_status(work: Callable[[], None], interrupted: str) -> int:
    """Does the work of a tool that gives its exit status; :func:`one_line` for the others.

    Args:
        work: The work.
        interrupted: What Ctrl-C and SIGTERM say, see :class:`Interruptible`.

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
        return end.code
    return 0
