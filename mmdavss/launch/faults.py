"""Decides which errors end a tool with one actionable line, and which keep their traceback.

User errors and machine faults are reported in one line; bugs keep their traceback. The line is for

- :class:`~mmdavss.utils.errors.UserError` and its kinds,
- an error of :data:`RAISED` that a ``raise`` statement of this package raised, not one from another
  library, a calculation or a lookup,
- an OSError that names a file, or that only a machine causes (:data:`ADVICE`),
- a class in a config that no module has registered (mmengine raises a KeyError),
- arguments in a config that its class does not take, or lacks (Python raises a TypeError), and
  settings that mmengine's Runner or torch's DataLoader refuses (a ValueError),
- a data-loading process that died or hung.

All other errors count as bugs. The same rules apply to errors from worker processes, but for the
arguments and settings, which no worker reads.
"""

from __future__ import annotations

import ast
import errno
import inspect
import linecache
import os
import re
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_sharer
from pathlib import Path
from types import FrameType

from mmengine.config import Config, ConfigDict
from mmengine.registry import build_from_cfg
from mmengine.runner import Runner
from torch.utils import data

from mmdavss.utils.checkpoints import noted_checkpoint
from mmdavss.utils.errors import UserError

ELSEWHERE = 'write elsewhere (--work-dir, --out)'


#: Machine faults: they are recognised anywhere in a chain of errors.
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
    errno.ESTALE: 'the network share has changed behind it: mount it again',
    errno.EMFILE: 'too many files are open: allow more (ulimit -n 65536), or use fewer workers',
    errno.ENFILE: 'this machine has too many files open: end other programs',
}


#: Messages for errors that name a file.
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


#: Error of a DataLoader whose worker ended without raising an error.
DIED = re.compile(r'DataLoader worker \(pid\(?s?\)? ?[\d, ]+\)(?: is killed by signal: ([^.]*))?')


#: Seconds within which torch is told how a process ended whose connection is lost.
TOLD = 2.0


HUNG = re.compile(r'DataLoader timed out after (\d+) seconds')


#: Beginning of an error that was raised in a worker of a DataLoader.
CAUGHT = re.compile(r'Caught (\w+) in .*worker process')


#: mmengine's error for a class in a config that no module has registered.
UNREGISTERED = re.compile(r'(\w[\w.]*) is not in the (\S+) registry')


#: Python's error for a call with wrong arguments.
ARGUMENTS = re.compile(
    r'(?:.*?(?P<owner>\w+)\.)?(?P<name>\w+)\(\) '
    r"(?:got (?:an unexpected|(?P<twice>multiple values for)) keyword argument (?P<given>'\w+')|"
    r'missing \d+ required .*?: (?P<missing>.*))'
)


#: mmengine's error for a group of settings of which some are None.
TOGETHER = re.compile(r'(\w+), (\w+),? and (\w+) should be either all None or not None')


#: What builds from a config with its arguments, and what checks the parts of a whole one.
BUILDERS = (build_from_cfg.__code__, Runner.build_dataloader.__code__)
RUNNER = (Runner.__init__.__code__, Runner.build_optim_wrapper.__code__)


PACKAGE = str(Path(__file__).parents[1])


#: Kinds of errors that this package raises with a message for the user.
RAISED = (ValueError, ImportError, OSError, KeyError, TypeError, RuntimeError)


@contextmanager
def explained_faults(
    work_dir: str | Path, advice: str = 'continue with --resume'
) -> Iterator[None]:
    """Context manager: turns errors that need only one line into a UserError with advice.

    Args:
        work_dir: The run's output folder.
        advice: How to continue from its last checkpoint.

    Raises:
        UserError: Instead of such an error; names the cause, what to do, and, where the machine is
            at fault, the last checkpoint.
    """
    try:
        yield
    except Exception as error:
        try:
            if _lost_connection(error):
                time.sleep(TOLD)
            line = _advised(error, work_dir, advice)
        except RuntimeError as late:
            # torch tells of a dead data-loading process wherever its signal interrupts: here too.
            line = _advised(late, work_dir, advice)
        if line is None:
            raise
        raise UserError(line) from error


def _advised(error: BaseException, work_dir: str | Path, advice: str) -> str | None:
    """The line with advice; None if the error is to be raised as it is."""
    message, machine = _explain(error)
    if message is None or (isinstance(error, UserError) and message == str(error)):
        return None
    kept = f'. {_kept(work_dir, advice)}' if machine else ''
    return f'{message.rstrip(".")}{kept}'


def explain(error: BaseException) -> str | None:
    """Explains an error in one line.

    Returns:
        The line, or None if the error is a bug.
    """
    return _explain(error)[0]


def _explain(error: BaseException) -> tuple[str | None, bool]:
    """The line, and whether the machine is at fault."""
    # A machine fault can occur anywhere, and the code around it may convert it to another error.
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for cause in chain:
        if (found := _file_error(cause, MACHINE)) is not None:
            # A UserError raised from it on purpose names the file and the remedy.
            made = isinstance(error, UserError) and error.__cause__ is cause
            return str(error) if made else found, True
    if (found := _lost_worker(chain)) is not None:
        return found, True
    if any(isinstance(cause, BrokenProcessPool) for cause in chain):
        return (
            'a worker process ended unexpectedly. Most often the machine has run out of memory '
            '(look at dmesg): use fewer processes (--workers, --processes)'
        ), True
    worker = _in_worker(error)
    if worker is not None:
        return worker, False
    if isinstance(error, UserError):
        return str(error), False
    if isinstance(error, KeyError) and (lost := UNREGISTERED.search(str(error))):
        return (
            f'{lost[1]} is not in the {lost[2]} registry: correct its name in the config, or '
            "import the module that registers it (custom_imports=dict(imports=['MODULE']))"
        ), False
    if (found := _wrong_setting(error)) is not None:
        return found, False
    if _for_users(error) and _on_purpose(error):
        # str() of a KeyError is the representation of its message.
        return str(error.args[0] if isinstance(error, KeyError) else error), False
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


def _wrong_setting(error: BaseException) -> str | None:
    """Explains what a class, mmengine's Runner or torch's DataLoader does not take of a config."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    text = str(error).rstrip('.')
    if type(error) is ValueError and frames and frames[-1].f_code in RUNNER:
        text = text.partition(', but got')[0]  # whole parts of the config follow
        if group := TOGETHER.match(text):
            none = [key for key in group.groups() if frames[-1].f_locals[key] is None]
            text += f', and {", ".join(none)} is None'
        return f'the config does not fit: {text}'
    starts = [number for number, frame in enumerate(frames) if frame.f_code in BUILDERS]
    if not starts:
        return None
    builder, called = frames[starts[-1]], frames[starts[-1] + 1 :]
    if (type(error) is ValueError and _in_data_loader(builder, called)) or (
        type(error) is TypeError and _wrong_arguments(text, builder, called)
    ):
        kind, found = _built(builder, frames), ARGUMENTS.match(text)
        if found is not None and found['twice']:
            return f'{kind} sets {found["given"]} itself: remove it from the config'
        return f'{kind}: {text}: correct it in the config'
    return None


def _in_data_loader(builder: FrameType, called: Sequence[FrameType]) -> bool:
    """Whether `builder` builds a DataLoader and `called`, what this calls, is torch's alone."""
    folder = Path(data.__file__).parent
    return (
        builder.f_code is Runner.build_dataloader.__code__
        and bool(called)
        and all(Path(frame.f_code.co_filename).is_relative_to(folder) for frame in called)
    )


def _wrong_arguments(text: str, builder: FrameType, called: Sequence[FrameType]) -> bool:
    """Whether a config has arguments that its class does not take, or lacks some.

    Args:
        text: Message of a TypeError.
        builder: Builds the class with the arguments.
        called: What this calls: nothing, or constructors that hand on ``**kwargs``.
    """
    found = ARGUMENTS.match(text)
    if found is None:
        return False
    kind = builder.f_locals.get('obj_cls', data.DataLoader)
    given = builder.f_locals.get('cfg', builder.f_locals.get('dataloader_cfg'))
    # What code puts together to be built is a plain dict, and an error in it perhaps the code's.
    if not isinstance(given, ConfigDict | Config):
        return False
    inits = [frame for frame in called if frame.f_code.co_name != 'get_instance']
    # A wrong call of anything else than a base class is a mistake of whoever wrote the class.
    bases = [base.__name__ for base in inspect.getmro(kind)] if inspect.isclass(kind) else []
    if inits and (found['name'] != '__init__' or found['owner'] not in bases):
        return False
    unexpected = (found['given'] or '').strip("'")
    for frame in inits:
        *_, keywords, values = inspect.getargvalues(frame)
        handed_on = None if keywords is None else values[keywords]
        if frame.f_code.co_name != '__init__' or handed_on is None:
            return False
        if unexpected and unexpected not in handed_on:
            return False
    if unexpected:
        return unexpected in given
    return not any(name in given for name in re.findall(r"'(\w+)'", found['missing']))


def _built(builder: FrameType, frames: Sequence[FrameType]) -> str:
    """The class that was being built, or the key of the data loader."""
    if builder.f_code is build_from_cfg.__code__:
        kind = builder.f_locals.get('obj_cls')
        return getattr(kind, '__name__', str(kind))
    loops = [re.fullmatch(r'build_(\w+)_loop', frame.f_code.co_name) for frame in frames]
    return next((f'{found[1]}_dataloader' for found in loops if found), 'the data loader')


def _for_users(error: BaseException) -> bool:
    # A NotImplementedError, which is a RuntimeError, is for whoever writes the subclass.
    return isinstance(error, RAISED) and not isinstance(error, NotImplementedError)


def _on_purpose(error: BaseException) -> bool:
    """Whether a ``raise`` statement of this package raised an error, not a failing calculation."""
    remote = getattr(error.__cause__, 'tb', None)  # from a process of a pool
    if isinstance(remote, str):
        return _raised_here(_frames(remote))
    last = traceback.extract_tb(error.__traceback__, limit=-1)
    return bool(last) and _raised_here(
        [(last[0].filename, linecache.getline(last[0].filename, last[0].lineno or 0).strip())]
    )


def _frames(text: str) -> list[tuple[str, str]]:
    """File and code line of all frames in the text of a traceback."""
    return re.findall(r'^  File "(.+?)", line \d+.*\n    (.*)', text, re.MULTILINE)


def _raised_here(frames: list[tuple[str, str]]) -> bool:
    if not frames:
        return False
    file, line = frames[-1]
    return file.startswith(PACKAGE + os.sep) and line.startswith('raise')


def _in_worker(error: BaseException) -> str | None:
    """Explains an error from a worker of a DataLoader, whose text holds the traceback."""
    text = str(error)
    if not CAUGHT.match(text):
        return None
    # The error itself comes after the last frame, perhaps in several lines.
    frames = list(re.finditer(r'^  File "(.+?)", line \d+.*\n(?:    .*\n)*', text, re.MULTILINE))
    if not frames:
        return None
    message = text[frames[-1].end() :].strip().partition(': ')[2]
    numbered = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: (?:'(.*)'|\"(.*)\"))?$", message)
    if numbered:
        name = numbered[3] or numbered[4]
        return _file_error(OSError(int(numbered[1]), numbered[2], name), ADVICE)
    if isinstance(error, UserError):
        return message
    if not (_for_users(error) and _raised_here(_frames(text))):
        return None
    return ast.literal_eval(message) if isinstance(error, KeyError) else message


def _lost_connection(error: BaseException) -> bool:
    """Whether a data-loading process was gone before its batch was taken from it."""
    return isinstance(error, (OSError, EOFError)) and any(
        frame.f_code.co_filename == resource_sharer.__file__
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _lost_worker(chain: Sequence[BaseException]) -> str | None:
    texts = [str(cause) for cause in chain]
    for text in texts:
        if found := HUNG.search(text):
            return (
                f'no data came for {found[1]} seconds: a disk or network share does not '
                'answer (look for it with ls on the data folders), or one batch takes '
                'longer: allow more with --cfg-options '
                'default_hooks.data_timeout.seconds=SECONDS'
            )
    died = [found for text in texts if (found := DIED.search(text))]
    if not died and not any(map(_lost_connection, chain)):
        return None
    signal = next((found[1] for found in died if found[1]), None)
    how = 'ended unexpectedly' if signal is None else f'was killed ({signal})'
    memory = (
        'Most often the machine has run out of memory (look at dmesg): use fewer workers '
        '(--cfg-options train_dataloader.num_workers=1), or a smaller batch.'
    )
    shared = (
        'After a bus error shared memory (/dev/shm) is too small: give the container more '
        '(docker run --shm-size 8g), or load data with --cfg-options '
        'train_dataloader.num_workers=0 train_dataloader.persistent_workers=False.'
    )
    if signal is not None:
        memory, shared = ('', shared) if 'Bus' in signal else (memory, '')
    return ' '.join(f'a data-loading process {how}. {memory} {shared}'.split())


def _kept(work_dir: str | Path, advice: str) -> str:
    noted = noted_checkpoint(work_dir)
    return (
        f'There is no checkpoint of this run yet (it writes to {work_dir}).'
        if noted is None
        else f'The last complete checkpoint is {noted}; {advice}.'
    )
