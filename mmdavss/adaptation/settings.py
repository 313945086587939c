"""The options of an adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from mmdavss.utils.errors import UserError

#: Methods of adaptation. AdaBN can also come before the others.
METHODS = ('stpl', 'self-training', 'adabn')
#: Settings that the adapted model does not depend on.
PRESENTATION = ('preview', 'workers')
#: Iterations of AdaBN, if it is the method.
ADABN_ITERS = 50
#: Larger frames would exhaust the memory of the machine before any error is raised.
MAX_SIDE = 16384


@dataclass(frozen=True)
class Settings:
    """How to adapt.

    Attributes:
        method: How to adapt, one of :data:`METHODS`.
        iters: Iterations of the method. AdaBN does not train and has none.
        adabn_iters: Iterations of AdaBN, before the method if that is another one; 0 is none. None
            is :data:`ADABN_ITERS` with the method ``adabn``, and 0 with the others. A network
            without batch norm has none.
        lr: Learning rate of the method.
        batch_size: Clips per batch.
        pairs: Maximum number of pairs of successive frames taken from each video, evenly spread.
        size: (width, height) of the frames, in training and for all figures. Defaults to the size
            of the test pipeline, or to that of the video if it is smaller.
        record: Number of frames recorded from a camera or an endless stream.
        preview: Maximum number of frames in the before/after video.
        checked: Maximum number of pairs that the health figures are computed on, by which the
            checkpoint is chosen.
        workers: Number of data loading processes.
        seed: Random seed.

    Raises:
        UserError: If a value is out of range.
    """

    method: str = 'stpl'
    iters: int = 100
    adabn_iters: int | None = None
    lr: float = 1e-5
    batch_size: int = 2
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
        adabn_iters = self.adabn_iters
        if adabn_iters is None:
            adabn_iters = ADABN_ITERS if self.method == 'adabn' else 0
            object.__setattr__(self, 'adabn_iters', adabn_iters)
        for name in ('iters', 'batch_size', 'pairs', 'preview', 'checked'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} must be 1 or more')
        least = 1 if self.method == 'adabn' else 0
        if adabn_iters < least:
            raise UserError(f'adabn_iters must be {least} or more')
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
        if self.size is not None:
            object.__setattr__(self, 'size', tuple(self.size))  # it may be a list
