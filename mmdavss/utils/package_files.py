"""Weights that lie in an installed Python package: ``pip://PACKAGE/PATH``."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

from mmdavss.utils.errors import UserError, not_installed

SCHEME = 'pip://'


def package_file(url: str) -> str:
    """The path of a file in an installed package.

    Args:
        url: ``pip://PACKAGE/PATH``, the package as it is imported.

    Raises:
        UserError: If the package is not installed or has no such file; names the command.
    """
    package, _, path = url.removeprefix(SCHEME).partition('/')
    try:
        file = files(package).joinpath(path)
    except ModuleNotFoundError:
        raise not_installed(url, package) from None
    if not file.is_file():
        raise UserError(f'{url}: the package {package} has no file {path!r}')
    return str(file)


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_package(filename: str, map_location: Any = None) -> Any:
    """A loader of mmengine, see :func:`package_file`."""
    return load_from_local(package_file(filename), map_location)
