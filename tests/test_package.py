"""The package as others meet it: its names, its requirements, its wheel in a foreign project."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mmseg.registry import DATASETS, MODELS

import mmdavss
from mmdavss.datasets.minidrive.generate import PRESETS, generate

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(('registry', 'names'), [
    (MODELS, ['Accel', 'CeilResNet', 'PerFrame', 'SourceOnly', 'AdaBN', 'STPL', 'STPLLoss',
              'MMFlowEstimator', 'DISFlowEstimator', 'PrecomputedFlow', 'ZeroFlow']),
    (DATASETS, ['ViperSeqDataset', 'SynthiaSeqDataset', 'CityscapesSeqDataset', 'CamVidDataset',
                'DomainPairDataset', 'GTADataset', 'SynthiaDataset', 'CityscapesImageDataset',
                'DarkZurichImageDataset']),
])
def test_importing_the_package_registers_its_names(registry, names):
    found = {name: registry.get(name) for name in names}
    assert {name for name, kind in found.items() if kind is None} == set()
    assert all(kind.__module__.startswith('mmdavss.') for kind in found.values())


def requirement_names(file: Path) -> set[str]:
    lines = (line.partition('#')[0].strip() for line in file.read_text().splitlines())
    names = (re.match(r'[\w.-]+', line) for line in lines if not line.startswith('-'))
    return {name[0].lower().replace('_', '-') for name in names if name}


def test_every_requirement_has_a_tested_version():
    required = set().union(*map(requirement_names, (ROOT / 'requirements').glob('*.txt')))
    assert required - requirement_names(ROOT / 'constraints.txt') == set()


def pip(*args: object) -> None:
    done = subprocess.run([sys.executable, '-m', 'pip', '-q', *map(str, args)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves folders behind."""
    source = tmp_path_factory.mktemp('source')
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'README.md'):
        shutil.copy(ROOT / name, source)
    for name in ('mmdavss', 'configs', 'tools', 'requirements'):
        shutil.copytree(ROOT / name, source / name)
    target = tmp_path_factory.mktemp('wheel')
    pip('wheel', '--no-deps', '--no-build-isolation', '--no-index', '-w', target, source)
    return next(target.glob('*.whl'))


def test_the_wheel_ships_everything(wheel):
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    expected = {f'mmdavss/.mim/{path.relative_to(ROOT).as_posix()}'
                for folder in ('configs', 'tools') for path in (ROOT / folder).rglob('*')
                if path.suffix in ('.py', '.sh', '.md')}
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'mmdavss').rglob('*.py')}
    assert len(expected) > 20
    assert expected - shipped == set()
    assert any(name.endswith('licenses/LICENSE') for name in shipped)
    folders = {'mmdavss', f'mmdavss-{mmdavss.__version__}.dist-info'}
    assert {name.split('/')[0] for name in shipped} == folders
    assert not [name for name in shipped if name.endswith('.pyc')]


TRAIN_SCRIPT = '''\
import sys
from mmengine.config import Config
from mmengine.runner import Runner

cfg = Config.fromfile(sys.argv[1])
cfg.work_dir = 'out'
Runner.from_cfg(cfg).train()

import mmdavss
from mmdavss.datasets.minidrive.generate import PRESETS, generate
print('package:', mmdavss.__file__)
'''

CONFIG = '''\
_base_ = __import__('mmdavss').get_config_path('source_only/accel-r18_miniviper2minicity.py')
custom_imports = dict(imports=['mmdavss'])
train_cfg = dict(max_iters=2, val_interval=2)
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
'''


def test_a_foreign_project_inherits_a_config(wheel, tmp_path):
    site = tmp_path / 'site'
    pip('install', '--no-deps', '--no-index', '--target', site, wheel)
    project = tmp_path / 'project'
    project.mkdir()
    (project / 'train.py').write_text(TRAIN_SCRIPT)
    (project / 'mine.py').write_text(CONFIG)
    # Where the inherited config expects the data.
    settings = dataclasses.replace(
        PRESETS['demo'], size=(64, 32), viper=1, viper_val=1, viper_frames=3, synthia=2,
        cityscapes=1, cityscapes_val=1, gta=0, synthia_rand=0, cityscapes_vps=0,
        cityscapes_vps_val=0)
    generate(project / 'data' / 'minidrive', settings)

    env = dict(os.environ, PYTHONPATH=str(site), OMP_NUM_THREADS='1')
    done = subprocess.run([sys.executable, 'train.py', 'mine.py'], cwd=project, env=env,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f'package: {site / "mmdavss" / "__init__.py"}' in done.stdout
    assert (project / 'out' / 'iter_2.pth').is_file()
    # The merged config, as mmengine wrote it, holds what was inherited.
    written = (project / 'out' / 'mine.py').read_text()
    assert 'DomainPairDataset' in written and 'Accel' in written
