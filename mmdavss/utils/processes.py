"""The rank of this process, and the processor cores at hand."""

from __future__ import annotations

import os

#: What the launchers that do not set ``RANK`` and ``LOCAL_RANK`` have in their place.
RANKS = dict(
    slurm=('SLURM_PROCID', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK'),
)


def take_ranks(launcher: str, local_rank: int = 0) -> None:
    """Sets ``RANK`` and ``LOCAL_RANK``, as torchrun does, for all launchers.

    Without a launcher a run is on its own, also where several of them are started in one step of a
    cluster's job.

    Args:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        local_rank: Given by older launchers as an option.
    """
    if launcher == 'none':
        os.environ.pop('RANK', None)
    for name, own in zip(('RANK', 'LOCAL_RANK'), RANKS.get(launcher, ()), strict=False):
        if own in os.environ:
            os.environ[name] = os.environ[own]
    os.environ.setdefault('LOCAL_RANK', str(local_rank))


def is_main_process() -> bool:
    """Whether this is a launcher's first process; works before the process group is created."""
    return os.environ.get('RANK', '0') == '0'


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
