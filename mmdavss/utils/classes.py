"""Whether a network and its data have the same classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from mmdavss.utils.errors import InputError
from mmdavss.utils.wrappers import unwrapped


def class_names(metainfo: Mapping[str, Any] | None, what: str) -> tuple[str, ...]:
    """Names of the classes of a data set, by its ``metainfo``.

    Args:
        metainfo: The ``metainfo``.
        what: The data set, for the message.

    Raises:
        InputError: If it names none, as a folder of one's own frames.
    """
    names = (metainfo or {}).get('classes')
    if not names:
        raise InputError(f'{what} names no classes: set its metainfo=dict(classes=[...])')
    return tuple(names)


def check_classes(model: nn.Module, count: int, what: str) -> None:
    """Checks that a network predicts as many classes as its data have.

    Classes are paired by their index: scores of data with other classes are wrong.

    Args:
        model: The method. One without ``num_classes`` (flow networks) is not checked.
        count: Number of classes of the data; 0, for data that name none, is not checked.
        what: The data, for the message.

    Raises:
        InputError: If it does not.
    """
    own = getattr(unwrapped(model), 'num_classes', None)
    if own is not None and count and own != count:
        raise InputError(
            f'{what} has {count} classes, the model {own}: set num_classes and the data set '
            'accordingly'
        )
