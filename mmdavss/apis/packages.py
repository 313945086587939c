"""Other packages of OpenMMLab that a config needs."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config

from mmdavss.errors import UserError

#: What is installed where the import has another name.
DISTRIBUTIONS = dict(mmdet='onedl-mmdetection', mmpretrain='onedl-mmpretrain')
#: Heads of mmseg that are mmdet's.
DETECTING = ('MaskFormerHead', 'Mask2FormerHead')


def check_packages(cfg: Config, path: object) -> None:
    """Checks that the packages are there whose classes a config names (``mmpretrain.ConvNeXt``).

    Args:
        cfg: The config.
        path: Its file, for the message.

    Raises:
        UserError: If one is not installed; names it, who needs it and the command.
    """
    for kind in _types(cfg.to_dict()):
        scope = re.match(r'(mm\w+)\.', kind)
        package = 'mmdet' if kind.split('.')[-1] in DETECTING else scope and scope[1]
        if package and find_spec(package) is None:
            raise _missing(package, path, kind)


def explain_import(error: BaseException, path: object) -> None:
    """Says so if a config could not be read since a package is not installed.

    Raises:
        UserError: In that case.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            package = cause.name.partition('.')[0]
            if package.startswith('mm') and find_spec(package) is None:
                raise _missing(package, path, cause.name) from error
        cause = cause.__cause__ or cause.__context__


def _missing(package: str, path: object, what: str) -> UserError:
    return UserError(
        f'{path} needs {what}, and the package {package} is not installed: pip install '
        f'{DISTRIBUTIONS.get(package, package)} (or {package} where the original packages of '
        'OpenMMLab are), or take a config without it')


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get('type'), str):
            yield value['type']
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _types(item)
