"""The short form of benchmarks/fuzz_readers.py: every kind of file with every kind of damage."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'fuzz_readers', ROOT / 'benchmarks/fuzz_readers.py'
    )
    module = sys.modules['fuzz_readers'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_damaged_file_gives_its_content_or_one_error_with_its_name(script, tmp_path):
    count = len(script.READERS) * len(script.DAMAGES)
    results = list(script.fuzz(tmp_path, count))
    assert len({(result.reader, result.damage) for result in results}) == count
    assert [result for result in results if result.outcome == 'failure'] == []
    # What the formats cannot know is a part, and none of it in files with checksums.
    blind = {result.reader for result in results if result.outcome == 'unknowable'}
    assert blind <= {reader.name for reader in script.READERS if reader.blind}
    assert sum(result.outcome == 'error' for result in results) > count / 2


def test_the_judge_sees_failures(script, tmp_path, monkeypatch):
    whole = np.arange(3)

    def outcome(read: object, damage: str = 'truncate') -> str:
        reader = script.Reader('x', 'a/x.bin', print, read, script.VALUES, kept=len)
        return script.judge(reader, damage, whole, tmp_path)[0]

    def fail(error: Exception) -> object:
        def read(folder: Path) -> None:
            raise error

        return read

    def hang(folder: Path) -> None:
        while True:
            pass

    assert outcome(lambda folder: whole.copy()) == 'same'
    assert outcome(lambda folder: whole + 1) == 'failure'
    assert outcome(lambda folder: whole.astype(np.int8)) == 'failure'
    assert outcome(lambda folder: whole + 1, 'flip_bit') == 'unknowable'
    assert outcome(lambda folder: whole[1:], 'flip_bit') == 'failure'
    assert outcome(fail(ValueError('x.bin is broken'))) == 'error'
    assert outcome(fail(ValueError('something is broken'))) == 'failure'
    for error in (
        KeyError('x.bin'),
        MemoryError('x.bin'),
        RecursionError('x.bin'),
        UnicodeDecodeError('utf-8', b'', 0, 1, 'x.bin'),
    ):
        assert outcome(fail(error)) == 'failure'
    monkeypatch.setattr(script, 'SECONDS', 1)
    assert outcome(hang) == 'failure'
