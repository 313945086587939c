"""The folder that an adaptation writes its results to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmdavss.convert.plain_mmseg import EXPORTED
from mmdavss.inference.videos import VideoReader
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.inputs import list_frames, read_json
from mmdavss.utils.journal import Journal, as_json, digest_of
from mmdavss.utils.work_dir_lock import holds_others

RECORD = 'adapt.json'
#: Folders of the training stages.
STAGES = ('adabn', 'adapt')


class ResultFolder:
    """Results of an adaptation, with a journal of what is finished.

    Args:
        path: The folder. It is not written to before :meth:`begin`.
        overwrite: Whether an adaptation in it that was asked for differently is replaced.

    Attributes:
        journal: Set by :meth:`begin`.

    Raises:
        UserError: If it is a file, or holds anything but an adaptation.
    """

    journal: Journal

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self.frames = self.path / 'frames'
        self.config = self.path / 'adapted.py'
        self.checkpoint = self.path / 'adapted.pth'
        self.export = self.path / 'plain_mmseg'
        self.video = self.path / 'before_after.mp4'
        self.picture = self.path / 'before_after.png'
        self.report = self.path / 'report.md'
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f'{self.path} is a file: choose another folder (--out)')
        if not (self.path / RECORD).is_file() and self.path.exists() and holds_others(self.path):
            raise UserError(f'{self.path} holds other things: choose a new folder (--out)')

    def begin(
        self, given: Mapping[str, Any], inputs: Iterable[Path], recorded: bool = False
    ) -> None:
        """Continues the adaptation in the folder, or starts a new one.

        Args:
            given: What the adapted model depends on, by name.
            inputs: Files and folders that it is made from.
            recorded: Whether frames are recorded from a camera or stream, which cannot be repeated.

        Raises:
            InputError: If the journal cannot be read, and `overwrite` is not set.
            UserError: If the folder holds a different adaptation that has written a checkpoint, or
                recorded frames, and `overwrite` is not set, or one of `inputs` would be deleted
                with it.
        """
        self.journal = Journal(self.path / RECORD, dict(given=as_json(given, str)))
        self.fresh = not self.journal.path.is_file()
        if not self.fresh:
            try:
                changed = self.journal.resume(_read_record(self.journal.path))
            except InputError:
                if not self.overwrite:
                    raise
            else:
                if not changed:
                    return
                # Another one, failed or stopped before that, is not worth keeping.
                worth = any(self.path.rglob('*.pth')) or recorded and self.frames.exists()
                if worth and not self.overwrite:
                    before, now = changed['given']
                    names = [key for key in now if before.get(key) != now[key]]
                    raise UserError(
                        f'{self.path} holds an adaptation with other {" and ".join(names)}: choose '
                        'another folder (--out), or replace it (--overwrite)'
                    )
            self._clear(inputs)
        self.path.mkdir(parents=True, exist_ok=True)
        self.journal.save()

    def _clear(self, inputs: Iterable[Path]) -> None:
        """Deletes the results.

        Raises:
            UserError: If an input is one of them, or lies in one; then nothing is deleted.
        """
        folders = [self.frames, self.export, *(self.path / name for name in STAGES)]
        files = [self.config, self.checkpoint, self.video, self.picture, self.report]
        files += self.path.glob(f'{EXPORTED}*.py')
        results = {path.resolve() for path in (*folders, *files)}
        for path in inputs:
            place = path.resolve()
            if not results.isdisjoint((place, *place.parents)):
                raise UserError(
                    f'{path} belongs to the adaptation in {self.path}, which would be deleted: '
                    'choose another folder (--out)'
                )
        for folder in folders:
            if folder.is_symlink():  # on another disk; what it leads to stays
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder)
        for file in files:
            file.unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Removes what a failed start has written, unless it continued an earlier one."""
        if self.fresh:
            shutil.rmtree(self.frames, ignore_errors=True)
            self.journal.path.unlink()
            if not any(self.path.iterdir()):
                self.path.rmdir()

    def relative(self, path: Path) -> str:
        """Path of a file below the folder, for the report."""
        return path.relative_to(self.path).as_posix()


def video_identity(reader: VideoReader) -> list:
    """What distinguishes a video from others, without passwords, which must not reach the disk."""
    path = reader.place
    if path is None:
        return [reader.shown]
    if path.is_file():
        state = path.stat()
        return [str(path.resolve()), state.st_size, state.st_mtime_ns]
    states = [(file.name, file.stat()) for file in list_frames(path)]
    frames = [[name, state.st_size, state.st_mtime_ns] for name, state in states]
    return [str(path.resolve()), len(frames), digest_of(frames)]


def _read_record(path: Path) -> dict[str, Any]:
    remedy = f'Delete {path.parent}, or replace what is in it (--overwrite).'
    found = read_json(path, 'record of an adaptation', remedy)
    if not isinstance(found, dict) or not isinstance(found.get('given'), dict):
        raise InputError(f'{path} is no record of an adaptation. {remedy}')
    return found
