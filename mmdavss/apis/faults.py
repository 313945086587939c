"""Which errors end a tool with one line that says what to do, and which keep their traceback.

A mistake of a user and a fault of the machine need a line; a mistake of the program needs its
traceback. So the line is for

- :class:`~mmdavss.errors.UserError` and its kinds,
- a ValueError or ImportError that this package has raised on purpose, and none that comes from
  within another library or from a calculation,
- an OSError that names a file, or that only a machine causes (:data:`ADVICE`),
- a class that a config names and no module has registered (mmengine raises a KeyError),
- a process that loads data and died or hung.

Any other KeyError, TypeError, AttributeError and all others are the program's. The same holds for
errors that come from worker processes.
"""

from __future__ import annotations

import argparse
import errno
import linecache
import multiprocessing
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType

from mmdavss.engine import noted_checkpoint
from mmdavss.engine.work_dir_lock import SIGNALS
from mmdavss.errors import UserError

from .launch import is_main_process

ELSEWHERE = 'write elsewhere (--work-dir, --out)'
#: Faults of a machine: they count wherever they are raised, also if another error followed.
MACHINE = {
    errno.ENOSPC: 'the disk is full: make room (default_hooks.checkpoint.max_keep_ckpts sets how '
    f'many checkpoints stay), or {ELSEWHERE}',
    errno.EDQUOT: 'your quota of disk space is used up: make room '
    f'(default_hooks.checkpoint.max_keep_ckpts sets how many checkpoints stay), or {ELSEWHERE}',
    errno.EFBIG: 'the file would be larger than this system allows (ulimit -f): raise that, or '
    f'{ELSEWHERE}',
    errno.EROFS: f'the file system is read-only: {ELSEWHERE}',
    errno.EIO: 'the disk or the network share fails to read or write (look at dmesg): mend it, or '
    'use a copy that lies elsewhere',
    errno.ESTALE: 'the network share has changed behind it: mount it anew',
    errno.EMFILE: 'too many files are open: allow more (ulimit -n 65536), or use fewer workers',
    errno.ENFILE: 'this machine has too many files open: end other programs',
}
#: What is wrong with a file that an error names.
ADVICE = MACHINE | {
    errno.EACCES: 'you have no permission: change it (ls -l shows it), or name another place',
    errno.EPERM: 'this is not permitted: change its permissions, or name another place',
    errno.ENOENT: 'does not exist: correct the path, or make it first',
    errno.EEXIST: 'is there already: name another place',
    errno.EISDIR: 'is a folder, and a file is needed: name or put a file there',
    errno.ENOTDIR: 'is below a file, or a file where a folder is needed: correct the path',
    errno.ENAMETOOLONG: 'is too long a name for this system: shorten it',
    errno.ELOOP: 'is a link that leads to itself: correct the link',
}
#: How a worker of a DataLoader ends that did not raise an error itself.
DIED = re.compile(r'DataLoader worker \(pid\(?s?\)? ?[\d, ]+\)(?: is killed by signal: ([^.]*))?')
HUNG = re.compile(r'DataLoader timed out after (\d+) seconds')
#: How an error begins that a worker of a DataLoader has raised.
CAUGHT = re.compile(r'Caught (\w+) in .*worker process')
#: What mmengine says of a class that a config names and no module has registered.
UNREGISTERED = re.compile(r'(\w[\w.]*) is not in the (\S+) registry')
PACKAGE = str(Path(__file__).parents[1])


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


@contextmanager
def explained_faults(work_dir: str | Path, advice: str = 'go on with --resume') -> Iterator[None]:
    """Around a run: turns errors that need one line into a UserError that says how to go on.

    Args:
        work_dir: The run's output folder.
        advice: How to go on from its last checkpoint.

    Raises:
        UserError: Instead of such an error; names the cause, what to do, and, where the machine is
            at fault, the last checkpoint.
    """
    try:
        yield
    except Exception as error:
        message, machine = _explain(error)
        if message is None or (isinstance(error, UserError) and message == str(error)):
            raise
        kept = f'. {_kept(work_dir, advice)}' if machine else ''
        raise UserError(f'{message.rstrip(".")}{kept}') from error


def explain(error: BaseException) -> str | None:
    """What a tool says of an error in one line.

    Returns:
        The line; None if it is a mistake of the program.
    """
    return _explain(error)[0]


def _explain(error: BaseException) -> tuple[str | None, bool]:
    """The line, and whether the machine is at fault."""
    # A fault of the machine is raised wherever the process is at that moment, and what is there may
    # turn it into something else.
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for cause in chain:
        if (found := _file_error(cause, MACHINE)) is not None:
            # Who has made a UserError of it on purpose knows the file and the way out.
            made = isinstance(error, UserError) and error.__cause__ is cause
            return str(error) if made else found, True
    if (found := _lost_worker([str(cause) for cause in chain])) is not None:
        return found, True
    if any(isinstance(cause, BrokenProcessPool) for cause in chain):
        return (
            'a process that computes ended unexpectedly. The machine has run out of memory, most '
            'often (look at dmesg): use fewer of them (--workers, --processes)'
        ), True
    worker = _in_worker(error)
    if worker is not None:
        return worker, False
    if isinstance(error, UserError):
        return str(error), False
    if isinstance(error, KeyError) and (found := UNREGISTERED.search(str(error))):
        return (
            f'{found[1]} is not in the {found[2]} registry: correct its name in the config, or '
            "have the module imported that registers it (custom_imports=dict(imports=['MODULE'"
            ']))'
        ), False
    if isinstance(error, (ValueError, ImportError, OSError)) and _on_purpose(error):
        return str(error), False
    return _file_error(error, ADVICE), False


def _file_error(error: BaseException, advice: dict[int, str]) -> str | None:
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is None:
        return MACHINE.get(error.errno)  # no program can cause these
    if error.errno in advice:
        return f'{_text(error.filename)}: {advice[error.errno]}'
    return None if advice is MACHINE else f'{_text(error.filename)}: {error.strerror}'


def _text(filename: str | bytes | int) -> str:
    return os.fsdecode(filename) if isinstance(filename, bytes) else str(filename)


def _on_purpose(error: BaseException) -> bool:
    """Whether a ``raise`` of this package has made an error: a calculation that fails has none."""
    remote = getattr(error.__cause__, 'tb', None)  # of a process of a pool
    if isinstance(remote, str):
        return _raised_here(_frames(remote))
    last = traceback.extract_tb(error.__traceback__, limit=-1)
    return bool(last) and _raised_here(
        [(last[0].filename, linecache.getline(last[0].filename, last[0].lineno).strip())]
    )


def _frames(text: str) -> list[tuple[str, str]]:
    """File and line of code of all frames of a traceback that is a text."""
    return re.findall(r'^  File "(.+?)", line \d+.*\n    (.*)', text, re.MULTILINE)


def _raised_here(frames: list[tuple[str, str]]) -> bool:
    if not frames:
        return False
    file, line = frames[-1]
    return file.startswith(PACKAGE + os.sep) and line.startswith('raise')


def _in_worker(error: BaseException) -> str | None:
    """What a worker of a DataLoader has raised: its text holds the traceback."""
    text = str(error)
    if not CAUGHT.match(text):
        return None
    # The error itself comes after the last frame, perhaps in several lines.
    frames = list(re.finditer(r'^  File "(.+?)", line \d+.*\n(?:    .*\n)*', text, re.MULTILINE))
    if not frames:
        return None
    message = text[frames[-1].end() :].strip().partition(': ')[2]
    number = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: (?:'(.*)'|\"(.*)\"))?$", message)
    if number:
        name = number[3] or number[4]
        return _file_error(OSError(int(number[1]), number[2], name), ADVICE)
    if isinstance(error, UserError):
        return message
    ours = isinstance(error, (ValueError, ImportError, OSError)) and _raised_here(_frames(text))
    return message if ours else None


def _lost_worker(texts: list[str]) -> str | None:
    for text in texts:
        if found := HUNG.search(text):
            return (
                f'no data came for {found[1]} seconds: a disk or network share does not '
                'answer (look for it with ls on the data folders), or one batch takes '
                'longer: allow more with --cfg-options '
                'default_hooks.data_timeout.seconds=SECONDS'
            )
    died = [found for text in texts if (found := DIED.search(text))]
    if not died:
        return None
    signal = next((found[1] for found in died if found[1]), None)
    how = 'ended unexpectedly' if signal is None else f'was killed ({signal})'
    memory = (
        'The machine has run out of memory, most often (look at dmesg): use fewer of them '
        '(--cfg-options train_dataloader.num_workers=1), or a smaller batch.'
    )
    shared = (
        'After a bus error shared memory (/dev/shm) is too small: give the container more '
        '(docker run --shm-size 8g), or load data with --cfg-options '
        'train_dataloader.num_workers=0 train_dataloader.persistent_workers=False.'
    )
    if signal is not None:
        memory, shared = ('', shared) if 'Bus' in signal else (memory, '')
    return ' '.join(f'a process that loads data {how}. {memory} {shared}'.split())


def _kept(work_dir: str | Path, advice: str) -> str:
    noted = noted_checkpoint(work_dir)
    return (
        f'There is no checkpoint of this run yet (it writes to {work_dir}).'
        if noted is None
        else f'The last complete checkpoint is {noted}; {advice}.'
    )
