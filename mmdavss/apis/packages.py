"""Other packages of OpenMMLab that a config needs."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config

from mmdavss.errors import not_installed

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
            raise not_installed(f'{path}: {kind}', package)


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get('type'), str):
            yield value['type']
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _types(item)
