"""Writing files."""
from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: str | Path, content: bytes) -> None:
    """Writes a file as a whole: what interrupts it leaves the old one, or none.

    For files that are made anew easily; ``AtomicBackend`` also survives a machine that goes down.
    """
    with open(f'{path}.part', 'wb') as file:
        file.write(content)
    os.replace(f'{path}.part', path)
