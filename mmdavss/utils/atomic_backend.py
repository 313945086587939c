"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmdavss.utils.files import unfinished_file


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """Local files that are written under another name and then moved into place.

    Whenever the process ends, a file holds either its old or its complete new content. Files that
    :func:`mmdavss.utils.files.left_unfinished` finds may remain.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes bytes."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_file(path) as file:
            file.write(obj)
            file.flush()
            # Otherwise the new name may survive a crash of the machine without the content.
            os.fsync(file.fileno())
        _sync_folder(path.parent)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Writes text."""
        self.put(obj.encode(encoding), filepath)


def _sync_folder(folder: Path) -> None:
    if os.name == 'nt':  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and shared file systems cannot do this for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
