"""benchmarks/scaling.py: its arguments; the measurements are those of docs/speed.md."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch, tmp_path):
    """The module, with one row for each part that takes no time."""
    monkeypatch.syspath_prepend(ROOT / 'benchmarks')
    module = importlib.import_module('scaling')
    # Otherwise it replaces the process.
    monkeypatch.setenv(*module.MALLOC)
    rows = {row.part: row._replace(prepare=lambda size: lambda: None) for row in module.ROWS}
    monkeypatch.setattr(module, 'ROWS', list(rows.values()))
    monkeypatch.setattr(module, 'peak', lambda call: 1.0)
    monkeypatch.setattr(module, 'milliseconds', lambda call: 1.0)
    monkeypatch.setattr(module.torch, 'set_num_threads', lambda number: None)
    monkeypatch.setattr(module.logging, 'disable', lambda level: None)
    monkeypatch.setattr(module.cv2, 'setNumThreads', lambda number: None)
    document = tmp_path / 'speed.md'
    document.write_text(f'{module.BEGIN}\n\nbefore\n\n{module.END}\n')
    monkeypatch.setattr(module, 'DOCUMENT', document)
    return module


def parts_of(text: str) -> list[str]:
    """First cells of a table."""
    return [line.split('|')[1].strip() for line in text.splitlines() if line.startswith('| ')][1:]


def test_documented_calls(script, monkeypatch, capsys):
    every = list(dict.fromkeys(row.part for row in script.ROWS))
    calls = re.findall(r'^    python benchmarks/scaling.py(.*)$', script.__doc__, re.MULTILINE)
    assert len(calls) == 2
    for arguments, parts in zip(calls, (every, ['STPL contrast', 'VPQ']), strict=True):
        monkeypatch.setattr('sys.argv', ['scaling.py', *shlex.split(arguments)])
        script.main()
        assert parts_of(capsys.readouterr().out) == parts
    assert parts_of(script.DOCUMENT.read_text()) == every


def test_a_part_does_not_replace_the_table(script, monkeypatch, capsys):
    before = script.DOCUMENT.read_text()
    monkeypatch.setattr('sys.argv', ['scaling.py', '--parts', 'VPQ', '--write'])
    with pytest.raises(SystemExit):
        script.main()
    assert 'call it without --parts' in capsys.readouterr().err
    assert script.DOCUMENT.read_text() == before
