"""Ranks, under each launcher."""

from __future__ import annotations

import os

import pytest

from mmdavss.utils.processes import is_main_process, take_ranks

SLURM = dict(SLURM_PROCID='5', SLURM_LOCALID='1')
MPI = dict(OMPI_COMM_WORLD_RANK='3', OMPI_COMM_WORLD_LOCAL_RANK='2', SLURM_PROCID='0')


@pytest.mark.parametrize(
    ('launcher', 'environment', 'rank', 'local'),
    [
        ('none', {}, None, '0'),
        # Runs on their own that are started in one step of a job.
        ('none', SLURM, None, '0'),
        ('none', dict(RANK='1', LOCAL_RANK='1'), None, '1'),
        ('pytorch', dict(RANK='5', LOCAL_RANK='1'), '5', '1'),
        ('slurm', SLURM, '5', '1'),
        ('slurm', dict(SLURM_PROCID='0'), '0', '0'),
        # Started in a job of Slurm, whose step has one task.
        ('mpi', MPI, '3', '2'),
    ],
)
def test_ranks(launcher, environment, rank, local, monkeypatch):
    monkeypatch.setattr(os, 'environ', dict(environment))
    take_ranks(launcher)
    assert os.environ.get('RANK') == rank
    assert os.environ['LOCAL_RANK'] == local
    assert is_main_process() == (rank in (None, '0'))


def test_older_launchers_give_the_local_rank_as_an_option(monkeypatch):
    monkeypatch.setattr(os, 'environ', dict(RANK='1'))
    take_ranks('pytorch', 1)
    assert os.environ['LOCAL_RANK'] == '1'
