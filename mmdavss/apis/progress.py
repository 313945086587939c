"""A progress bar that counts frames, or what else is done."""
from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

WIDTH = 30


class Progress:
    """Frames done, frames per second, and the time left where the end is known.

    On a terminal it is one line that moves, in a file a line now and then.

    Args:
        total: Number of frames, None if unknown.
        text: What is done.
        file: Where it is shown.
        unit: What is counted.
    """

    def __init__(self, total: int | None, text: str, file: TextIO | None = None,
                 unit: str = 'frames') -> None:
        self.unit = unit
        self.total = total
        self.text = text
        self.file = file or sys.stderr
        self.done = 0
        self.began = self._shown = time.monotonic()
        self._moves = self.file.isatty()
        self._interval = 0.2 if self._moves else 10.

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.began

    @property
    def fps(self) -> float:
        """Frames per second so far."""
        return self.done / max(self.seconds, 1e-9)

    def update(self) -> None:
        """One more frame is done."""
        self.done += 1
        if time.monotonic() - self._shown >= self._interval:
            self._show('\r' if self._moves else '\n')

    def line(self) -> str:
        """What is shown."""
        # A header of a video may promise fewer frames than there are.
        total = None if self.total is None else max(self.total, self.done)
        speed = f'{self.fps:.1f} {self.unit}/s'
        if total is None:
            return f'{self.text}: {self.done} {self.unit}, {speed}'
        filled = WIDTH * self.done // max(total, 1)
        bar = f'{self.text}: [{"#" * filled}{"." * (WIDTH - filled)}] {self.done}/{total}'
        if self.done == 0:
            return bar
        left = (total - self.done) / max(self.fps, 1e-9)
        return f'{bar}, {speed}, {int(left // 60)}:{int(left % 60):02d} left'

    def _show(self, end: str) -> None:
        self._shown = time.monotonic()
        print(self.line().ljust(100) if self._moves else self.line(), end=end, file=self.file,
              flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            self.total = None if self.total is None else self.done
        self._show('\n')
