from __future__ import annotations

import io

import pytest

from mmdavss.apis.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [100.]
    monkeypatch.setattr('mmdavss.apis.progress.time.monotonic', lambda: now[0])
    return now


def test_lines(clock):
    out = io.StringIO()
    with Progress(30, 'work', out) as progress:
        for _ in range(15):
            clock[0] += 1
            progress.update()
        assert progress.line() == (
            f'work: [{"#" * 15}{"." * 15}] 15/30, 1.0 frames/s, 0:15 left')
    # In a file: a line after ten seconds, and one at the end, which is where it stopped.
    lines = out.getvalue().splitlines()
    assert len(lines) == 2 and '10/30' in lines[0] and '15/15, 1.0 frames/s' in lines[1]
    assert progress.seconds == 15


def test_unknown_or_wrong_end(clock):
    progress = Progress(None, 'camera', io.StringIO())
    progress.done, clock[0] = 8, 104.
    assert progress.line() == 'camera: 8 frames, 2.0 frames/s'
    progress.total = 5  # of the header of a file
    assert '8/8' in progress.line()
