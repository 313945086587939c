"""What a machine does to a long run, in words that say what to do."""
from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdavss.errors import UserError

FULL = {
    errno.ENOSPC: 'the disk is full', errno.EDQUOT: 'your quota of disk space is used up',
    errno.EFBIG: 'the file would be larger than this system allows (ulimit -f)'}
#: How a worker of a DataLoader ends that did not raise an error itself.
DIED = re.compile(r'DataLoader worker \(pid\(?s?\)? ?[\d, ]+\)(?: is killed by signal: ([^.]*))?')


@contextmanager
def explained_faults(work_dir: str | Path) -> Iterator[None]:
    """Around a run: turns the faults of a machine into one message.

    Those are a full disk and data-loading processes that died. All other errors pass.

    Args:
        work_dir: The run's output folder.

    Raises:
        UserError: Instead of such an error; names the cause, what to do, and the last checkpoint.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        message = _explain(error)
        if message is None:
            raise
        raise UserError(f'{message} {_kept(Path(work_dir))}') from error


def _explain(error: BaseException) -> str | None:
    # torch.save wraps the errors of a full disk in a RuntimeError of its own.
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, OSError) and cause.errno in FULL:
            where = f' ({cause.filename})' if cause.filename else ''
            return (f'{FULL[cause.errno]}{where}: make room (default_hooks.checkpoint.'
                    'max_keep_ckpts sets how many checkpoints stay), or write elsewhere with '
                    '--work-dir.')
    # "exited unexpectedly" comes from another that may name the signal.
    died = [found for cause in (error, error.__cause__, error.__context__)
            if (found := DIED.search(str(cause)))]
    if not died:
        return None
    signal = next((found[1] for found in died if found[1]), '')
    if 'Bus error' in signal:
        return ('a process that loads data had too little shared memory (/dev/shm): give the '
                'container more (docker run --shm-size 8g), or load data with '
                '--cfg-options train_dataloader.num_workers=0 '
                'train_dataloader.persistent_workers=False.')
    how = f'was killed ({signal})' if signal else 'ended unexpectedly'
    return (f'a process that loads data {how}. Most often the machine ran out of memory (look at '
            'dmesg): use fewer of them (--cfg-options train_dataloader.num_workers=1), or a '
            'smaller batch.')


def _kept(work_dir: Path) -> str:
    note = work_dir / 'last_checkpoint'
    if not note.is_file():
        return 'There is no checkpoint of this run yet.'
    return f'The last complete checkpoint is {note.read_text().strip()}; go on with --resume.'
