"""How much of ``configs/`` one has to read for one config, and what is trained before it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.origins import CONFIGS, README, leaves, origins, resolved, with_table

pytestmark = pytest.mark.sampled

#: Files that a config opens, itself among them, besides those of RUNTIME.
MOST_FILES = 4
#: Files in a line of inheritance, the config itself among them.
MOST_LEVELS = 3
RUNTIME = CONFIGS / '_base_' / 'default_runtime.py'


@cache
def bases(path: Path) -> tuple[Path, ...]:
    """The files that a config names in ``_base_``."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            names = ast.literal_eval(node.value)
            names = [names] if isinstance(names, str) else names
            return tuple((path.parent / name).resolve() for name in names)
    return ()


def opened(path: Path) -> set[Path]:
    return {path}.union(*map(opened, bases(path)))


def levels(path: Path) -> int:
    return 1 + max(map(levels, bases(path)), default=0)


@pytest.mark.parametrize('name', leaves())
def test_few_files_tell_a_config(name):
    files = opened(CONFIGS / name)
    assert RUNTIME in files
    assert len(files - {RUNTIME}) <= MOST_FILES, sorted(files)
    assert levels(CONFIGS / name) <= MOST_LEVELS, sorted(files)


def test_every_base_is_used():
    """Except a network and a benchmark that are meant for configs outside this package."""
    used = set().union(*(opened(CONFIGS / name) for name in leaves()))
    idle = {path.stem for path in CONFIGS.glob('_base_/**/*.py')} - {path.stem for path in used}
    assert idle == {'accel-official_deeplabv2-r101', 'minisynthia2minicity'}


@pytest.mark.slow
def test_a_config_leaves_each_checkpoint():
    """Each one that another config starts from is the last of the config in its path."""
    checkpoints = origins()  # reads all configs: not while tests are collected
    assert checkpoints
    for checkpoint in checkpoints:
        folder, name, file = Path(checkpoint).parts[1:]
        last = resolved(f'{folder}/{name}.py').train_cfg.max_iters
        assert file == f'iter_{last}.pth', checkpoint


@pytest.mark.slow
def test_the_readme_says_what_starts_from_what():
    text = README.read_text()
    assert with_table(text) == text, 'python -m tests.origins'
