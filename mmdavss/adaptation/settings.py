"""The options of an adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from mmdavss.utils.errors import UserError

#: The last training stage; AdaBN comes first where the network has batch norm.
METHODS = ('stpl', 'self-training', 'adabn')
#: Settings that the adapted model does not depend on.
PRESENTATION = ('preview', 'checked', 'workers')
#: Larger frames would exhaust the memory of the machine before any error is raised.
MAX_SIDE = 16384


@dataclass(frozen=True)
class Settings:
    """How to adapt.

    Attributes:
        method: The last training stage, one of :data:`METHODS`.
        iters: Iterations of the last stage.
        adabn_iters: Iterations of AdaBN before it.
        lr: Learning rate of the last stage.
        batch_size: Clips per batch.
        pairs: Maximum number of pairs of successive frames taken from each video, evenly spread.
        size: (width, height) of the frames, in training and for all figures. Defaults to the size
            of the test pipeline, or to that of the video if it is smaller.
        record: Number of frames recorded from a camera or an endless stream.
        preview: Maximum number of frames in the before/after video.
        checked: Maximum number of pairs that the health figures are computed on.
        workers: Number of data loading processes.
        seed: Random seed.

    Raises:
        UserError: If a value is out of range.
    """

    method: str = 'stpl'
    iters: int = 100
    adabn_iters: int = 50
    lr: float = 3e-4
    batch_size: int = 4
    pairs: int = 250
    size: tuple[int, int] | None = None
    record: int = 500
    preview: int = 150
    checked: int = 60
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f'method {self.method!r} is not one of {", ".join(METHODS)}')
        for name in ('iters', 'adabn_iters', 'batch_size', 'pairs', 'preview', 'checked'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} must be 1 or more')
        if self.record < 2:
            raise UserError('record must be 2 or more')
        if self.workers < 0:
            raise UserError('workers must be 0 or more')
        if not 0 < self.lr < float('inf'):
            raise UserError(f'lr must be a number more than 0, not {self.lr}')
        if not 0 <= self.seed < 2**32:
            raise UserError(f'seed must be 0 to {2**32 - 1}, not {self.seed}')
        if self.size is not None and (
            len(self.size) != 2 or min(self.size) < 1 or max(self.size) > MAX_SIDE
        ):
            raise UserError(
                f'size must be a width and a height of 1 to {MAX_SIDE}, not '
                + ' '.join(map(str, self.size))
            )
