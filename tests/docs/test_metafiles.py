"""Metafiles say what the configs are and what was measured."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / '.dev_scripts/make_metafiles.py'))
# The one in C reads ten times as fast.
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def read(path: Path) -> dict:
    return yaml.load(path.read_text(encoding='utf-8'), LOADER)


def test_metafiles_are_those_of_the_configs():
    """If this fails: make metafiles."""
    for path, content in SCRIPT['metafiles']():
        # What is said, not how it is written: PyYAML's line breaks may change.
        assert read(path) == content


def test_every_config_is_in_a_metafile():
    index = read(ROOT / 'model-index.yml')
    entries = []
    for name in index['Import']:
        content = read(ROOT / name)
        collections = {entry['Name'] for entry in content['Collections']}
        assert all((ROOT / entry['README']).is_file() for entry in content['Collections'])
        assert {entry['In Collection'] for entry in content['Models']} == collections
        entries += content['Models']
    configs = [path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/[!_]*/*.py')]
    assert sorted(entry['Config'] for entry in entries) == sorted(configs)
    assert len({entry['Name'] for entry in entries}) == len(configs)


def test_metrics_are_means_over_the_seeds():
    seeds = [dict(seed=0, mIoU=30.0, aAcc=70.0), dict(seed=1, mIoU=31.5, aAcc=72.0)]
    assert SCRIPT['metrics'](seeds) == {'mIoU': 30.8, 'aAcc': 71.0}
    seeds = [{**entry, 'VPQ': 20.0} for entry in seeds]
    assert SCRIPT['metrics'](seeds) == {'mIoU': 30.8, 'aAcc': 71.0, 'VPQ^s': 20.0}


def test_rows_of_ablations_do_not_count_for_their_config():
    rows = [('main', 0), ('main', 1), ('temporal-only', 0)]
    entries = [dict(config='configs/stpl/a.py', row=row, seed=seed) for row, seed in rows]
    assert SCRIPT['by_config'](entries) == {'configs/stpl/a.py': entries[:2]}
