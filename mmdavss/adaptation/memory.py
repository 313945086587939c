"""Actionable errors for computations that do not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from mmdavss.utils.errors import UserError

#: Messages of PyTorch and OpenCV when no memory is left.
NO_MEMORY = re.compile("can't allocate memory|Insufficient memory")


def no_memory(error: BaseException) -> bool:
    """Whether an error says that no memory is left, of the GPU or of the machine."""
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError | cv2.error) and bool(NO_MEMORY.search(str(error)))
    )


@contextmanager
def explained_memory(size: tuple[int, int], batch_size: int | None = None) -> Iterator[None]:
    """Context manager: reports exhausted memory, or too small a batch, as a :class:`UserError`.

    Args:
        size: (width, height) of the frames.
        batch_size: Clips per batch; None if it cannot be chosen.

    Raises:
        UserError: In place of the error of PyTorch or OpenCV; it says which option to change.
    """
    smaller = f'--size (now {size[0]} {size[1]})'
    if batch_size is not None and batch_size > 1:
        smaller = f'--batch-size (now {batch_size}) or {smaller}'
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(f'the memory of the GPU ran out: choose a smaller {smaller}') from error
    except (RuntimeError, MemoryError, cv2.error) as error:
        if not no_memory(error):
            raise
        raise UserError(f'the memory ran out: choose a smaller {smaller}') from error
    except ValueError as error:
        if 'Expected more than 1 value per channel' not in str(error):
            raise
        raise UserError(
            'this network normalises over a whole batch and needs --batch-size 2 or more'
        ) from error
