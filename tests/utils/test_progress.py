from __future__ import annotations

from mmdavss.utils.progress import progress


def test_log_file_gets_few_lines(capsys):
    for _ in progress('work', iter(range(1000)), 1000, 'pairs'):
        pass
    shown = capsys.readouterr().err
    # The beginning and the end: pytest's stderr is no terminal.
    assert shown.count('work') == 2 and '1000/1000' in shown and 'pairs/s' in shown


def test_unknown_end(capsys):
    with progress('camera') as bar:
        bar.update()
    assert 'camera: 1frames' in capsys.readouterr().err


def test_hidden(capsys):
    assert list(progress('work', [1, 2], disable=True)) == [1, 2]
    assert not capsys.readouterr().err
