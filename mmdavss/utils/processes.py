"""Which process of several this is."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this is the first process of a launcher, also before its process group is made."""
    ranks = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return next((os.environ[name] for name in ranks if name in os.environ), '0') == '0'
