"""Runs the scripts of tools/ on a task of one weight, whose training is computed by hand."""

from __future__ import annotations

import gc
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

# What runs import: forks would do it each time.
import matplotlib.backends.backend_agg  # noqa: F401
import mmseg.engine  # noqa: F401
import pytest
import torch
import torch.utils.cpp_extension  # noqa: F401
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from torch import nn
from torch.utils.data import _utils

import mmdavss.cli.exits
import mmdavss.cli.key_values
import mmdavss.launch.faults
import mmdavss.launch.model
import mmdavss.launch.prepare
import mmdavss.pseudo_labels.generator
import mmdavss.pseudo_labels.source_selection  # noqa: F401
from mmdavss.minidrive.generate import Settings, generate
from tests.tools.forked import MANAGERS, ROOT

Image.preinit()
PIPELINE = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(48, 24)),
    dict(type='PackClipInputs'),
]


@pytest.fixture
def toy_config(monkeypatch: pytest.MonkeyPatch) -> str:
    folder = ROOT / 'tests' / 'data' / 'toy'
    monkeypatch.syspath_prepend(folder)
    return str(folder / 'toy_config.py')


@pytest.fixture
def run_tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Runs a script in this process: importing torch anew for each call takes seconds."""

    def run(name: str, *args: object) -> None:
        for variable in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'SLURM_PROCID'):
            monkeypatch.delenv(variable, raising=False)
        for manager in MANAGERS:
            monkeypatch.setattr(manager, '_instance_dict', type(manager._instance_dict)())
        monkeypatch.setattr('sys.argv', [name, *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    yield run
    # Loaders that a run has left end here: torch terminates workers that do not end in a time, and
    # reports that as an error, wherever the process then is. Most do not: the collection ends
    # their queues before they are told.
    with suppress(RuntimeError), patch.object(_utils, 'MP_STATUS_CHECK_INTERVAL', 0.1):
        gc.collect()


@pytest.fixture
def steps_in_process(run_tool: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of run_phases.py run in this process, too: each would import torch anew."""
    plain = subprocess.Popen

    class Step:
        def __init__(self, command: list[str], env: object = None) -> None:
            python, script, *self.arguments = command
            self.script = Path(script)
            assert python == sys.executable and self.script.parent == ROOT / 'tools'

        def __enter__(self) -> Step:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            with monkeypatch.context() as patch:
                patch.setattr(subprocess, 'Popen', plain)
                run_tool(self.script.name, *self.arguments)
            return 0

    monkeypatch.setattr(subprocess, 'Popen', Step)


@pytest.fixture
def interrupted_save(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], AbstractContextManager]:
    """A context in which ``torch.save`` is interrupted, after which a folder is as before."""

    def save(obj: object, file: Any) -> None:
        if isinstance(file, str | Path):
            Path(file).write_bytes(b'half')
        else:
            file.write(b'half')
        raise KeyboardInterrupt

    @contextmanager
    def interrupted(folder: Path) -> Iterator[None]:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)):
            patch.setattr(torch, 'save', save)
            yield
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    return interrupted


@pytest.fixture
def analysed(tmp_path: Path) -> tuple[Path, Path]:
    """Config and random checkpoint of a small net, two validation snippets of three frames."""
    generate(
        tmp_path / 'data',
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=0,
            cityscapes_val=2,
            snippet_frames=(17, 19),
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
    )
    cfg = Config.fromfile('configs/source_only/accel-r18_miniviper2minicity.py')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data/cityscapes')
    cfg.dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    student = MODELS.build(cfg.model.student)
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        tmp_path / 'source.pth',
    )
    return tmp_path / 'config.py', tmp_path / 'source.pth'


@pytest.fixture
def self_training(tmp_path, monkeypatch, segmentor):
    """A config of self-training on one Cityscapes-VPS clip of 7 frames, 2 of which have labels."""
    monkeypatch.chdir(tmp_path)
    generate(
        tmp_path / 'data',
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=0,
            cityscapes_val=0,
            gta=0,
            synthia_rand=0,
            cityscapes_vps=1,
            cityscapes_vps_val=0,
            clip_frames=(18, 24),
        ),
        progress=False,
    )
    for name in ('decode_head', 'auxiliary_head'):
        segmentor[name]['num_classes'] = 15
    target = dict(type='CityscapesVPSDataset', data_root='data/cityscapes_vps')
    cfg = Config(
        dict(
            model=dict(
                type='SourceOnly',
                student=dict(type='PerFrame', segmentor=segmentor, allow_random_init=True),
                data_preprocessor=dict(
                    type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3
                ),
            ),
            pseudo_label_generator=dict(
                selection='clip_adaptive',
                aggregate=True,
                alpha=0.2,
                beta=0.5,
                gamma=1.0,
                start=0.2,
                cap=0.999,
                clip_frames=4,
                occlusion=dict(alpha=50.0, threshold=0.7),
                flow=dict(type='DISFlowEstimator'),
                pipeline=PIPELINE,
            ),
            target_train_labelled=dict(target, pipeline=PIPELINE),
            train_dataloader=dict(
                dataset=dict(
                    type='DomainPairDataset',
                    source=None,
                    target=dict(
                        target,
                        with_labels=False,
                        pseudo_labels='data/pseudo',
                        label_clips=True,
                        pipeline=PIPELINE,
                    ),
                )
            ),
        )
    )
    cfg.dump('config.py')
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'iter_1.pth')
    return cfg
