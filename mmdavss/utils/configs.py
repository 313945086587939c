"""Locations of this package's configs and tools, in a clone and in an installed wheel."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _places(name: str) -> tuple[Path, ...]:
    # A wheel carries configs and tools in `.mim`, as the OpenMMLab packages do; a clone has them
    # beside the package. Build leftovers never appear in a clone, so `.mim` can safely come first.
    return _PACKAGE / '.mim' / name, _PACKAGE.parent / name


def shipped_folder(name: str) -> Path:
    """A folder that ships with the package: ``'configs'`` or ``'tools'``.

    Raises:
        FileNotFoundError: If it is neither inside the package nor beside it.
    """
    places = _places(name)
    folder = next((path for path in places if path.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(
            f'no {name} beside the package {_PACKAGE} or in it (looked for '
            f'{" and ".join(map(str, places))}): install mmdavss from its wheel or from a clone'
        )
    return folder


def config_names() -> list[str]:
    """Names of all configs of this package, as :func:`get_config_path` takes them."""
    root = shipped_folder('configs')
    # Configs in `mim` are aliases, see setup.py.
    return [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob('*.py'))
        if path.parent != root / 'mim'
    ]


def get_config_path(name: str) -> str:
    """Absolute path of a config of this package, for other projects to inherit from.

    mmengine's ``'package::config'`` form knows a fixed list of packages only, but it evaluates
    ``_base_`` as an expression, so that a config elsewhere inherits with the one line
    ``_base_ = __import__('mmdavss').get_config_path('stpl/accel_viper2city.py')``.

    Args:
        name: Path below ``configs/``, such as ``'stpl/accel_viper2city.py'``.

    Returns:
        The absolute path of the config file.

    Raises:
        FileNotFoundError: If there is no such config; names the nearest ones.
    """
    root = shipped_folder('configs')
    path = root / name
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {name!r} in {root}{_nearest(name)}')
    return str(path)


def find_config(path: str | Path) -> Path:
    """Finds a config file as given on a command line.

    Args:
        path: A file, or else the name of a config of this package, with or without ``configs/``.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is none; names the nearest ones of the package.
    """
    path = Path(path)
    if path.is_file():
        return path
    root = shipped_folder('configs')
    name = path.relative_to('configs') if path.is_relative_to('configs') else path
    # Joining a folder with an absolute path gives the absolute path.
    if (root / name).is_file():
        return root / name
    raise FileNotFoundError(f'config file not found: {path}{_nearest(name.as_posix())}')


def _nearest(name: str) -> str:
    near = get_close_matches(name, config_names(), n=3, cutoff=0.5)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def config_of_checkpoint(path: str | Path) -> str | None:
    """Finds the config of this package whose training writes a checkpoint, from its path.

    Args:
        path: Such as ``'work_dirs/adabn/accel_viper2city/iter_50.pth'``; the file need not exist.

    Returns:
        Such as ``'configs/adabn/accel_viper2city.py'``, or None.
    """
    folder, name = ('', '', *Path(path).parts[:-1])[-2:]
    config = f'{folder}/{name}.py'
    found = folder and any((root / config).is_file() for root in _places('configs'))
    return f'configs/{config}' if found else None
