"""The rank of this process, and the processor cores at hand."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this is a launcher's first process; works before the process group is created."""
    ranks = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return next((os.environ[name] for name in ranks if name in os.environ), '0') == '0'


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
