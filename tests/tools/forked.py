"""Scripts of tools/ in processes that need not import torch anew, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer

ROOT = Path(__file__).parents[2]
#: mmengine keeps their instances for the life of a process, under names that hold the second.
MANAGERS = (MMLogger, MessageHub, DefaultScope, Visualizer, SegLocalVisualizer)


def start_tool(command: list[str], **options: Any) -> subprocess.Popen | ForkedTool:
    """Stands in for ``subprocess.Popen`` of a script of tools/.

    Where there is a GPU it is that: a fork cannot use it if its parent has.
    """
    kind = subprocess.Popen if torch.cuda.is_available() else ForkedTool
    return kind(command, **options)


class ForkedTool:
    """A script of tools/ in a fork of this process.

    Args:
        command: Python, the script, its arguments.
        env: Environment variables of the process, by default those of this one.

    Attributes:
        stdout: What it prints, errors included.
        returncode: Its exit code, when the context has ended.
    """

    def __init__(
        self, command: list[str], env: Mapping[str, str] | None = None, **_: object
    ) -> None:
        python, script, *arguments = command
        assert python == sys.executable and Path(script).parent == ROOT / 'tools'
        cv2.setNumThreads(1)  # ends the threads of OpenCV: a fork would wait for them
        source, sink = os.pipe()
        # Not os.fork(): the fork would take the children of this process for its own, and the end
        # of a distributed run terminates those.
        self._process = multiprocessing.get_context('fork').Process(
            target=_run, args=(script, arguments, os.environ if env is None else env, sink)
        )
        self._process.start()
        os.close(sink)
        self.stdout = open(source, encoding='utf-8')

    def __enter__(self) -> ForkedTool:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self._process.join()
        self.returncode = self._process.exitcode


def _run(script: str, arguments: list[str], env: Mapping[str, str], sink: int) -> None:
    code = 1
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        sys.stdout, sys.stderr = (open(k, 'w', buffering=1, closefd=False) for k in (1, 2))
        variables = dict(env)
        os.environ.clear()
        os.environ.update(variables)
        torch.set_num_threads(1)  # a fork has not the threads of its parent
        for manager in MANAGERS:
            manager._instance_dict.clear()
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name='__main__')
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
