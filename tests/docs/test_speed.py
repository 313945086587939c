"""docs/speed.md: every config of full size has its memory there."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_full_size_config_has_its_memory():
    """``python benchmarks/full_size.py --missing --write`` adds those that have none."""
    script = runpy.run_path(str(ROOT / 'benchmarks/full_size.py'))
    page = (ROOT / 'docs/speed.md').read_text()
    rows = script['rows_of'](page[page.index(script['BEGIN']) : page.index(script['END'])])
    assert sorted(rows) == script['full_size']()
