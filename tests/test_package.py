"""The package as others meet it: its names, its requirements, its wheel in a foreign project."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from functools import partial
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

import mmdavss
from mmdavss import dependencies
from mmdavss.cli import commands
from mmdavss.minidrive.generate import PRESETS, generate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ('registry', 'names'),
    [
        (
            MODELS,
            [
                'Accel',
                'CeilResNet',
                'PerFrame',
                'SourceOnly',
                'AdaBN',
                'STPL',
                'STPLLoss',
                'MMFlowEstimator',
                'DISFlowEstimator',
                'PrecomputedFlow',
                'ZeroFlow',
            ],
        ),
        (
            DATASETS,
            [
                'ViperSeqDataset',
                'SynthiaSeqDataset',
                'CityscapesSeqDataset',
                'CamVidDataset',
                'DomainPairDataset',
                'GTADataset',
                'SynthiaDataset',
                'CityscapesImageDataset',
                'DarkZurichImageDataset',
                'ACDCDataset',
                'BDDVidDataset',
                'KITTISTEPDataset',
                'SHIFTDataset',
                'VSPWDataset',
            ],
        ),
    ],
)
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


def test_missing_mm_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr(dependencies, 'find_spec', lambda name: name == 'mmcv' or None)
    with pytest.raises(ImportError, match='^mmdavss needs mmengine, mmseg, ') as caught:
        dependencies.check_dependencies()
    command = str(caught.value).partition('pip install ')[2]
    lines = (ROOT / 'requirements' / 'mminstall.txt').read_text().splitlines()
    engine, _, segmentation = (line for line in lines if not line.startswith('#'))
    assert command == f'"{engine}" "{segmentation}"'


def test_a_console_command_says_it_in_a_line(monkeypatch):
    monkeypatch.setattr(dependencies, 'find_spec', lambda name: None)
    monkeypatch.setattr('sys.argv', ['/usr/bin/mmdavss-train', 'CONFIG'])
    with pytest.raises(SystemExit, match='^error: mmdavss needs mmengine, .*Install with: pip'):
        dependencies.check_dependencies()


def pip(*args: object) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'pip', '-q', *map(str, args)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive, and that from a copy: it leaves folders behind."""
    source = tmp_path_factory.mktemp('source')
    names = 'setup.py pyproject.toml MANIFEST.in LICENSE README.md model-index.yml'
    for name in names.split():
        shutil.copy(ROOT / name, source)
    for name in ('mmdavss', 'configs', 'tools', 'requirements'):
        shutil.copytree(ROOT / name, source / name)
    target = tmp_path_factory.mktemp('wheel')
    pack = f'from setuptools.build_meta import build_sdist; build_sdist({str(target)!r})'
    subprocess.run([sys.executable, '-c', pack], cwd=source, check=True, capture_output=True)
    (archive,) = target.glob('*.tar.gz')
    pip('wheel', '--no-deps', '--no-build-isolation', '--no-index', '-w', target, archive)
    return next(target.glob('*.whl'))


@pytest.fixture(scope='module')
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel; its commands are in ``bin``."""
    folder = tmp_path_factory.mktemp('site')
    pip('install', '--no-deps', '--no-index', '--target', folder, wheel)
    return folder


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder outside the clone, with the data where the configs expect it."""
    folder = tmp_path_factory.mktemp('project')
    settings = dataclasses.replace(
        PRESETS['demo'],
        size=(64, 32),
        viper=1,
        viper_val=1,
        viper_frames=3,
        synthia=2,
        cityscapes=1,
        cityscapes_val=1,
        gta=0,
        synthia_rand=0,
        cityscapes_vps=0,
        cityscapes_vps_val=0,
        camvid=0,
    )
    generate(folder / 'data' / 'minidrive', settings)
    return folder


def run(site: Path, project: Path, *command: object) -> str:
    """Runs a command with the wheel; returns what it prints."""
    env = dict(os.environ, PYTHONPATH=str(site), OMP_NUM_THREADS='1')
    done = subprocess.run(
        list(map(str, command)), cwd=project, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob('*') if path.suffix != '.pyc'}


def test_the_wheel_ships_everything(wheel):
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
        (name,) = (name for name in shipped if name.endswith('.dist-info/METADATA'))
        extras = Parser().parsestr(archive.read(name).decode()).get_all('Provides-Extra')
    assert set(extras) == {'all', 'mminstall', 'optional', 'pretrained', 'tests'}
    expected = {
        f'mmdavss/.mim/{path.relative_to(ROOT).as_posix()}'
        for folder in ('configs', 'tools')
        for path in (ROOT / folder).rglob('*')
        if path.suffix in ('.py', '.sh', '.md', '.txt', '.yml')
    }
    expected.add('mmdavss/.mim/model-index.yml')
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'mmdavss').rglob('*.py')}
    expected.add('mmdavss/py.typed')
    assert len(expected) > 20
    assert expected - shipped == set()
    assert any(name.endswith('licenses/LICENSE') for name in shipped)
    folders = {'mmdavss', f'mmdavss-{mmdavss.__version__}.dist-info'}
    assert {name.split('/')[0] for name in shipped} == folders
    assert not [name for name in shipped if name.endswith('.pyc')]


TRAIN_SCRIPT = """\
import sys
from mmengine.config import Config
from mmengine.runner import Runner

cfg = Config.fromfile(sys.argv[1])
cfg.work_dir = 'out'
Runner.from_cfg(cfg).train()

import mmdavss
print('package:', mmdavss.__file__)
"""

CONFIG = """\
_base_ = __import__('mmdavss').get_config_path('source_only/accel-r18_miniviper2minicity.py')
custom_imports = dict(imports=['mmdavss'])
train_cfg = dict(max_iters=2, val_interval=2)
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
"""


def test_a_foreign_project_inherits_a_config(site, project):
    (project / 'train.py').write_text(TRAIN_SCRIPT)
    (project / 'mine.py').write_text(CONFIG)
    printed = run(site, project, sys.executable, 'train.py', 'mine.py')
    assert f'package: {site / "mmdavss" / "__init__.py"}' in printed
    assert (project / 'out' / 'iter_2.pth').is_file()
    # The merged config, as mmengine wrote it, holds what was inherited.
    written = (project / 'out' / 'mine.py').read_text()
    assert 'DomainPairDataset' in written and 'Accel' in written


def test_a_command_of_the_wheel_takes_its_configs(site, project):
    before = files(site)
    printed = run(
        site,
        project,
        site / 'bin' / 'mmdavss-class-statistics',
        'configs/sepico/distcl_accel-r18_miniviper2minicity.py',
        '--workers',
        1,
        '--out',
        'statistics.json',
    )
    assert 'wrote statistics.json' in printed
    assert (project / 'statistics.json').is_file()
    assert files(site) == before


def test_every_command_shows_its_help(site, monkeypatch, capsys):
    (info,) = site.glob('mmdavss-*.dist-info')
    scripts = Distribution.at(info).entry_points.select(group='console_scripts')
    assert {'mmdavss-train', 'mmdavss-test', 'mmdavss-adapt', 'mmdavss-demo'} <= scripts.names
    monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
    analyses = [path.stem for path in (ROOT / 'tools' / 'analysis').glob('*.py')]
    calls = [(script, []) for script in scripts]
    calls += [(scripts['mmdavss-analysis'], [name]) for name in analyses]
    for script, words in calls:
        monkeypatch.setattr(sys, 'argv', [f'/any/bin/{script.name}', *words, '--help'])
        try:
            script.load()()
        except SystemExit as done:
            assert done.code == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f'usage: {" ".join([script.name, *words])} ')
        assert 'python tools' not in printed


def test_every_tool_has_a_command():
    run_by = {
        command.args[0] for command in vars(commands).values() if isinstance(command, partial)
    }
    assert run_by == {path.name for path in (ROOT / 'tools').glob('*.py')}


def test_mim_finds_each_config_under_one_name(site):
    """mim looks for the last part of a path in the whole package, and refuses several finds."""
    configs = site / 'mmdavss' / '.mim' / 'configs'
    names = [path.name for path in (site / 'mmdavss').rglob('*.py')]
    originals = [
        path.relative_to(configs)
        for path in configs.glob('[!_]*/*.py')
        if path.parent.name != 'mim'
    ]
    assert len(originals) > 20
    assert {'_'.join(path.parts): 1 for path in originals} == {
        path.name: names.count(path.name) for path in (configs / 'mim').glob('*.py')
    }
    name = 'stpl_accel-r18_miniviper2minicity.py'
    found = Config.fromfile(configs / 'mim' / name)
    assert found.pop('work_dir') == 'work_dirs/stpl/accel-r18_miniviper2minicity'
    assert (
        found.to_dict()
        == Config.fromfile(configs / 'stpl' / 'accel-r18_miniviper2minicity.py').to_dict()
    )


def test_mim_trains(site, project):
    # In an environment of its own: openmim needs setuptools before 81, and this build 70.1.
    pytest.importorskip('mim', reason='needs openmim')
    run(
        site,
        project,
        'mim',
        'train',
        'mmdavss',
        'source_only_accel-r18_miniviper2minicity.py',
        '--cfg-options',
        'train_cfg.max_iters=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_cfg=None',
        'val_dataloader=None',
        'val_evaluator=None',
    )
    assert (
        project / 'work_dirs' / 'source_only' / 'accel-r18_miniviper2minicity' / 'iter_1.pth'
    ).is_file()
