"""A lock that keeps two runs from using the same folder."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType, TracebackType

from mmengine.logging import print_log

from mmdavss.utils.errors import UserError
from mmdavss.utils.files import left_unfinished

#: The lock's file in the folder; hidden, so that it is not taken for data.
NAME = '.run.lock'
#: Seconds between two signs of life of an owner.
BEAT = 15.0
#: Seconds between two looks at a lock whose owner cannot be seen, and the number of looks without a
#: sign of life after which the owner counts as gone: two minutes, since NFS may show an old state
#: for one.
LOOK, LOOKS = 5.0, 24
#: Number of times that a folder is created which other runs, at their end, remove at once.
TRIES = 20
#: Signals that end a process silently; SIGHUP comes when a terminal is closed.
SIGNALS = tuple(
    getattr(signal, name) for name in ('SIGTERM', 'SIGHUP', 'SIGUSR1') if hasattr(signal, name)
)


@dataclass(frozen=True)
class Owner:
    """A process that holds a folder.

    Attributes:
        host: Name of its machine.
        place: Boot of the kernel and container in which `pid` is valid. Empty if unknown.
        pid: Its process number.
        began: Its start time as the kernel counts it, so that a later process with the same number
            is not taken for it. Empty if unknown.
        since: When it took the folder.
        token: Identifies this lock.
    """

    host: str
    place: str
    pid: int
    began: str
    since: str
    token: str

    @classmethod
    def here(cls) -> Owner:
        """Describes this process."""
        return cls(
            platform.node(),
            _place(),
            os.getpid(),
            _began(os.getpid()),
            time.strftime('%Y-%m-%d %H:%M:%S'),
            uuid.uuid4().hex,
        )

    @classmethod
    def read(cls, text: str) -> Owner | None:
        """Parses the text of a lock; None if it is invalid or not written yet."""
        try:
            found = json.loads(text)
        except ValueError:
            return None
        kinds = {field.name: int if field.name == 'pid' else str for field in fields(cls)}
        if not isinstance(found, dict) or any(
            not isinstance(found.get(name), kind) for name, kind in kinds.items()
        ):
            return None
        return cls(**{name: found[name] for name in kinds})

    def alive(self) -> bool | None:
        """Whether its process runs; None if that cannot be seen from here."""
        # Host names are not unique (containers, copied images); the kernel's identifiers are.
        if not self.place or self.place != _place():
            return None
        with suppress(PermissionError):  # of another user
            try:
                os.kill(self.pid, 0)
            except (ProcessLookupError, OverflowError):
                return False
        # Empty for a zombie; /proc may be closed to other users.
        began = _began(self.pid)
        return began == self.began or (not began and not _ended(self.pid))

    def __str__(self) -> str:
        return f'process {self.pid} on {self.host} since {self.since}'


class WorkDirLock:
    """Context manager: reserves a folder for one run; a second run gets an error that names it.

    ::

        with WorkDirLock(out, option='--out') as lock:
            ...  # look at what is there, delete, write
            lock.check()  # in a long run: before something is replaced or deleted

    Take it before looking at the content of the folder, and for everything that writes there, with
    ``--overwrite`` and ``--resume`` alike. With several processes the first one takes it. The
    folder is created if necessary, and removed again if nothing was written into it. :data:`NAME`
    is the lock's file, for code that checks whether a folder is empty.

    The file is created with ``O_EXCL``, which only one process can do, on local disks and on NFS
    (from version 3). fcntl and flock are not used: on NFS they depend on a service that may be
    missing, or bind only the processes of one machine, both silently. Whether the owner of an
    existing lock is gone is therefore decided as follows:

    - It was on this machine (same boot of the kernel, same container): its process is looked up by
      its number and start time. If it is gone, the lock is taken over at once.
    - It is elsewhere, or the file cannot be read: the lock is watched. An owner updates the time of
      the file every :data:`BEAT` seconds, in a thread. As soon as the time changes, this run ends;
      if it does not change for two minutes, the lock is taken over. Clocks are not compared, and
      looks are counted, not seconds: if a file server is away for an hour, no owner appears dead.

    An owner that is alive but gave no sign for so long (suspended, for example) finds the other
    lock when it wakes up: :meth:`check` then raises. The lock is released at the end, on errors and
    on :data:`SIGNALS`, which raise SystemExit unless they have other handlers. A process that is
    killed leaves its lock behind.

    Args:
        folder: The folder.
        option: The command-line option that names it, for messages.

    Raises:
        UserError: If another run holds the folder, or it is a file.
        OSError: If the lock cannot be written.
    """

    def __init__(self, folder: str | Path, option: str = '--work-dir') -> None:
        self.folder, self.option = Path(folder), option
        self.path = self.folder / NAME
        self._pid: int | None = None

    def __enter__(self) -> WorkDirLock:
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            kind = 'a file' if self.folder.exists() else f'a link to {os.readlink(self.folder)}'
            raise UserError(
                f'{self.folder} is {kind} and not a folder: name another one with {self.option}'
            )
        self._text = json.dumps(asdict(Owner.here()))
        self._made: list[Path] = []
        try:
            self._acquire()
        except BaseException:
            self._leave()
            raise
        self._pid = os.getpid()
        self._end = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        self._listens = []
        if threading.current_thread() is threading.main_thread():  # others cannot
            self._listens = [
                number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL
            ]
            for number in self._listens:
                signal.signal(number, _exit)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pid != os.getpid():  # a fork of the owner
            return
        for number in self._listens:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)
        self._end.set()
        self._beats.join()
        # An error that is being raised matters more than a lock that stays.
        with suppress(OSError):
            if self._read() == self._text:
                self.path.unlink()
        self._leave()
        self._pid = None

    def check(self) -> None:
        """Checks that the folder is still reserved for this run.

        Raises:
            UserError: If another run has taken it over.
        """
        found = self._read()
        if found is None and self._create():  # it was deleted
            return
        if found != self._text:
            raise UserError(
                f'{self.folder} was taken over by {self._name(Owner.read(found or ""))}, as this '
                'run gave no sign of life for minutes (suspended?): it ends here and changes '
                'nothing more'
            )

    def _acquire(self) -> None:
        state, looks = None, 0
        while not self._create_with_folder():
            found = self._look()
            if found is None:  # released in between
                continue
            owner, now = found
            alive = None if owner is None else owner.alive()
            if alive or (looks > 0 and now != state):
                raise UserError(
                    f'{self.folder} is in use by {self._name(owner)}: let it end, or end it first; '
                    f'or write elsewhere with {self.option}'
                )
            if alive is None and looks < LOOKS:
                if looks == 0:
                    print_log(
                        f'{self.folder} belongs to {self._name(owner)}: looking for a sign '
                        f'of life, {LOOK * LOOKS:.0f} seconds at most. If you know that it '
                        f'is gone, delete {self.path}.',
                        'current',
                        logging.WARNING,
                    )
                state, looks = now, looks + 1
                time.sleep(LOOK)
                continue
            self._take_away(now)
            looks = 0

    def _create_with_folder(self) -> bool:
        """Same as :meth:`_create`, with the folder: a run that ends may remove it in between."""
        tries = 0
        while True:
            tries += 1
            try:
                made = _make(self.folder)
                self._made = [*made, *(path for path in self._made if path not in made)]
                return self._create()
            # The latter from mkdir, for a folder that is removed while it looks at it.
            except (FileNotFoundError, FileExistsError):
                if tries == TRIES:
                    raise

    def _create(self) -> bool:
        """Creates the file if it does not exist; returns whether it did."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        try:
            with open(descriptor, 'w', encoding='utf-8') as file:
                file.write(self._text)
        except OSError:
            with suppress(OSError):
                self.path.unlink()
            raise
        return True

    def _look(self) -> tuple[Owner | None, tuple[int, int]] | None:
        """Owner and state of the existing lock."""
        try:
            # Opened, not only looked up: NFS then refreshes the state.
            with open(self.path, encoding='utf-8', errors='replace') as file:
                state = os.fstat(file.fileno())
                return Owner.read(file.read()), (state.st_ino, state.st_mtime_ns)
        except FileNotFoundError:
            return None

    def _take_away(self, state: tuple[int, int]) -> None:
        """Removes a lock whose owner is gone, unless it has been replaced since."""
        aside = self.path.with_name(f'{NAME}.{uuid.uuid4().hex}')
        try:
            os.rename(self.path, aside)  # only one process can do that
        except FileNotFoundError:
            return
        found = aside.stat()
        if (found.st_ino, found.st_mtime_ns) == state:
            aside.unlink()
        else:
            # Another run was slightly faster, and this is its lock.
            os.rename(aside, self.path)

    def _beat(self) -> None:
        while not self._end.wait(BEAT):
            # A file server may be away for a while, a disk full.
            with suppress(OSError):
                if self._read() == self._text:
                    os.utime(self.path)

    def _read(self) -> str | None:
        try:
            return self.path.read_text(encoding='utf-8', errors='replace')
        except FileNotFoundError:
            return None

    def _name(self, owner: Owner | None) -> str:
        return f'a run that {self.path} does not name' if owner is None else str(owner)

    def _leave(self) -> None:
        """Removes the folders that were created and are still empty."""
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()


def holds_others(folder: str | Path) -> bool:
    """Whether a folder holds anything except locks and leftovers of interrupted writes."""
    left = set(left_unfinished(folder))
    return any(
        path.name != NAME and not path.name.startswith(f'{NAME}.') and path not in left
        for path in Path(folder).iterdir()
    )


def _exit(number: int, frame: FrameType | None) -> None:
    # 128 + number is the exit status that shells report for a signal.
    raise SystemExit(128 + number)


def _make(folder: Path) -> list[Path]:
    """Creates a folder; returns those that were created for it, innermost first."""
    made = []
    for path in (folder, *folder.parents):
        if path.exists():
            break
        made.append(path)
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _place() -> str:
    try:
        start = Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()
        return f'{start} {os.readlink("/proc/self/ns/pid")}'
    except OSError:  # not Linux
        return ''


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty if there are none."""
    try:
        # The name before them is in brackets, and may contain brackets.
        return Path(f'/proc/{pid}/stat').read_text(errors='replace').rpartition(')')[2].split()
    except OSError:
        return []


def _began(pid: int) -> str:
    stat = _stat(pid)
    return '' if not stat or stat[0] in 'ZX' else stat[19]


def _ended(pid: int) -> bool:
    return _stat(pid)[:1] in (['Z'], ['X'])
