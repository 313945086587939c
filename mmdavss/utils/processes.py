"""The rank of this process."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this is a launcher's first process; works before the process group is created."""
    ranks = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return next((os.environ[name] for name in ranks if name in os.environ), '0') == '0'
