"""Required packages that pip does not install along with this one."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

#: Modules and their requirements, as in ``requirements/mminstall.txt``. They are an extra: in a
#: project with the original packages the forks would overwrite them in the same folders.
MM_PACKAGES = dict(
    mmengine='onedl-mmengine>=0.10.8', mmcv='onedl-mmcv>=2.3', mmseg='onedl-mmsegmentation>=1.4'
)


def check_dependencies() -> None:
    """Checks that mmengine, mmcv and mmseg are installed, the originals or their forks.

    Raises:
        ImportError: If one is missing; the message has the command that installs it.
        SystemExit: The same in a console command, which needs no traceback.
    """
    missing = {
        module: requirement
        for module, requirement in MM_PACKAGES.items()
        if find_spec(module) is None
    }
    if missing:
        wanted = ' '.join(f'"{requirement}"' for requirement in missing.values())
        text = (
            f'mmdavss needs {", ".join(missing)}, not installed here. '
            f'Install with: pip install {wanted}'
        )
        if Path(sys.argv[0]).stem.startswith('mmdavss-'):
            raise SystemExit(f'error: {text}')
        raise ImportError(text)
