"""Domain-adaptive video semantic segmentation on top of mmsegmentation.

Importing the package registers all its parts in mmseg's registries; in a config, write
``custom_imports = dict(imports=['mmdavss'])``.
"""

from .dependencies import check_dependencies

check_dependencies()  # before any import that needs them

from .utils.quiet import import_mmseg  # noqa: E402

import_mmseg()

from mmdavss.utils.configs import get_config_path  # noqa: E402

from . import (  # noqa: E402
    backbones,
    datasets,
    engine,
    evaluation,
    flow,
    heads,
    losses,
    methods,
    modules,
    ops,
    video_nets,
)
from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'backbones',
    'datasets',
    'engine',
    'evaluation',
    'flow',
    'get_config_path',
    'heads',
    'losses',
    'methods',
    'modules',
    'ops',
    'video_nets',
]
