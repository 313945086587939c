"""What a machine does to a long run, in words that say what to do."""
from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdavss.engine import noted_checkpoint
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
    except UserError:
        raise
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        raise UserError(f'{message} {_kept(work_dir)}') from error


def _explain(error: BaseException) -> str | None:
    # A worker's death is raised wherever the main process is at that moment, and what is there may
    # turn it into something else.
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in FULL:
            where = f' ({cause.filename})' if cause.filename else ''
            return (f'{FULL[cause.errno]}{where}: make room (default_hooks.checkpoint.'
                    'max_keep_ckpts sets how many checkpoints stay), or write elsewhere with '
                    '--work-dir.')
    died = [found for cause in chain if (found := DIED.search(str(cause)))]
    if not died:
        return None
    signal = next((found[1] for found in died if found[1]), None)
    how = 'ended unexpectedly' if signal is None else f'was killed ({signal})'
    memory = ('The machine has run out of memory, most often (look at dmesg): use fewer of them '
              '(--cfg-options train_dataloader.num_workers=1), or a smaller batch.')
    shared = ('After a bus error shared memory (/dev/shm) is too small: give the container more '
              '(docker run --shm-size 8g), or load data with --cfg-options '
              'train_dataloader.num_workers=0 train_dataloader.persistent_workers=False.')
    if signal is not None:
        memory, shared = ('', shared) if 'Bus' in signal else (memory, '')
    return ' '.join(f'a process that loads data {how}. {memory} {shared}'.split())


def _kept(work_dir: str | Path) -> str:
    noted = noted_checkpoint(work_dir)
    return 'There is no checkpoint of this run yet.' if noted is None else \
        f'The last complete checkpoint is {noted}; go on with --resume.'
