"""Checks for packages and operators that a config needs but mmseg does not include."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from mmdavss.utils.errors import OPERATORS, not_installed

#: Decode heads of mmseg that need modules that mmseg does not include.
NEEDS = dict(
    Mask2FormerHead=('mmdet', OPERATORS),
    MaskFormerHead=('mmdet', OPERATORS),
    CCHead=(OPERATORS,),
    PSAHead=(OPERATORS,),
    PointHead=(OPERATORS,),
)


def check_packages(config: Mapping[str, Any], name: object, operators: bool = False) -> None:
    """Checks that the packages of a config's classes are installed (``mmpretrain.ConvNeXt``).

    Args:
        config: The config, or a part of it, in plain dicts.
        name: Name of the config's file, for the message.
        operators: Whether the compiled operators of mmcv are needed too, to build a network.

    Raises:
        UserError: If a package is missing; names it, the class that needs it and the command.
    """
    for part in dicts_in(config):
        kind = part.get('type')
        if not isinstance(kind, str):
            continue
        scope = re.match(r'(mm\w+)\.', kind)
        for module in (*NEEDS.get(kind.split('.')[-1], ()), *(scope.groups() if scope else ())):
            if (operators or module != OPERATORS) and not _installed(module):
                raise not_installed(f'{name}: {kind}', module)


def dicts_in(value: Any) -> Iterator[dict]:
    """All dicts in a config, outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from dicts_in(item)


def _installed(module: str) -> bool:
    """Whether a module is installed."""
    return find_spec(module) is not None
