"""Runs the scripts of tools/ on a task of one weight, whose training is computed by hand."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def toy_config(monkeypatch: pytest.MonkeyPatch) -> str:
    folder = ROOT / 'tests' / 'data' / 'toy'
    monkeypatch.syspath_prepend(folder)
    return str(folder / 'toy_config.py')


@pytest.fixture
def run_tool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a script in this process: importing torch anew for each call takes seconds."""

    def run(name: str, *args: object) -> None:
        for variable in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'SLURM_PROCID'):
            monkeypatch.delenv(variable, raising=False)
        # mmengine keeps these for the life of a process, under names that hold the second.
        for manager in (MMLogger, MessageHub, DefaultScope, Visualizer, SegLocalVisualizer):
            monkeypatch.setattr(manager, '_instance_dict', type(manager._instance_dict)())
        monkeypatch.setattr('sys.argv', [name, *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    return run
