"""Metafiles say what the configs are, and docs/results.json what docs/results.md has measured."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / '.dev_scripts/make_metafiles.py'))
RESULTS = json.loads((ROOT / 'docs/results.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def expected() -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): text for path, text in SCRIPT['metafiles']()}


def test_metafiles_are_those_of_the_configs(expected):
    """If this fails: make metafiles."""
    for name, text in expected.items():
        # What is said, not how it is written: PyYAML's line breaks may change.
        assert yaml.safe_load((ROOT / name).read_text(encoding='utf-8')) == yaml.safe_load(text)


def test_every_config_is_in_a_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    entries = []
    for name in index['Import']:
        content = yaml.safe_load((ROOT / name).read_text(encoding='utf-8'))
        collections = {entry['Name'] for entry in content['Collections']}
        assert all((ROOT / entry['README']).is_file() for entry in content['Collections'])
        assert {entry['In Collection'] for entry in content['Models']} == collections
        entries += content['Models']
    configs = [path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/[!_]*/*.py')]
    assert sorted(entry['Config'] for entry in entries) == sorted(configs)
    assert len({entry['Name'] for entry in entries}) == len(configs)


def rows(section: str) -> list[list[str]]:
    """Cells of all rows of tables below a heading of docs/results.md, up to the next heading."""
    text = (ROOT / 'docs/results.md').read_text(encoding='utf-8').replace('\\*', '*')
    _, found, rest = text.partition(f'# {section}\n')
    assert found, section
    lines = re.split(r'^#', rest, maxsplit=1, flags=re.M)[0].splitlines()
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in lines
        if line.startswith('|')
    ]


@pytest.mark.parametrize('config', sorted(RESULTS))
def test_results_are_those_of_the_page(config):
    assert (ROOT / config).is_file()
    entry = RESULTS[config]
    for name in set(entry) - {'section', 'row'}:
        # `mIoU / right pixels` counts as `mIoU`.
        found = [
            [cell.split(' / ')[0] for cell in cells]
            for cells in rows(entry['section'])
            if cells[0] == entry['row']
        ]
        values = [f'{value:.1f}' for value in entry[name]]
        assert any(
            cells[k : k + len(values)] == values for cells in found for k in range(1, len(cells))
        ), (name, found)
