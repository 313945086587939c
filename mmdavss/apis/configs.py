"""Where the configs of this package are, in a clone and in an installed wheel."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


# A wheel carries the configs in `.mim`, as the OpenMMLab packages do; a clone has them beside the
# package. Build leftovers never appear in a clone, so `.mim` can safely come first.
_ROOTS = (_PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs')


def _root() -> Path | None:
    return next((path for path in _ROOTS if path.is_dir()), None)


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
    root = _root()
    if root is None:
        raise FileNotFoundError(
            f'no configs beside the package {_PACKAGE} or in it (looked for '
            f'{" and ".join(map(str, _ROOTS))}): install mmdavss from its wheel or from a clone')
    path = root / name
    if not path.is_file():
        names = [file.relative_to(root).as_posix() for file in sorted(root.rglob('*.py'))]
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f'; did you mean {" or ".join(near)}?' if near else ''
        raise FileNotFoundError(f'there is no config {name!r} in {root}{hint}')
    return str(path)


def config_of_checkpoint(path: str | Path) -> str | None:
    """The config of this package whose training writes a checkpoint, by where that is.

    Args:
        path: Such as ``'work_dirs/adabn/accel_viper2city/iter_50.pth'``; the file need not exist.

    Returns:
        Such as ``'configs/adabn/accel_viper2city.py'`` (the absolute path where that is not below
        the current folder), or None.
    """
    root, (folder, name) = _root(), ('', '', *Path(path).parts[:-1])[-2:]
    config = None if root is None else root / folder / f'{name}.py'
    if config is None or not folder or not config.is_file():
        return None
    near = config.is_relative_to(Path.cwd())
    return (config.relative_to(Path.cwd()) if near else config).as_posix()
