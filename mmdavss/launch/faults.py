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

import errno
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdavss.errors import UserError
from mmdavss.utils.checkpoints import noted_checkpoint

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


@contextmanager
def explained_faults(work_dir: str | Path) -> Iterator[None]:
    """Around a run: turns errors that need one line into a UserError that says how to go on.

    Args:
        work_dir: The run's output folder.

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
        kept = f'. {_kept(work_dir)}' if machine else ''
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


def _kept(work_dir: str | Path) -> str:
    noted = noted_checkpoint(work_dir)
    return (
        f'There is no checkpoint of this run yet (it writes to {work_dir}).'
        if noted is None
        else f'The last complete checkpoint is {noted}; go on with --resume.'
    )
