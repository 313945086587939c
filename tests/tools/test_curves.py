"""Curves of several runs, from logs written by hand."""

import csv
import json
import os

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdavss.cli.analysis import save, save_image


def log(folder, start, rows):
    path = folder / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows))


def test_runs_of_one_name_and_a_resumed_one(tmp_path, run_tool):
    log(
        tmp_path / 'a0',
        '1',
        [dict(lr=1.0, loss=2.0, step=10), dict(mIoU=20.0, step=10), dict(mIoU=1.0, step=20)],
    )
    # Resumed at 10.
    log(
        tmp_path / 'a0',
        '2',
        [{'student.lr': 1.0, 'loss': 2.0, 'step': 20}, dict(mIoU=30.0, step=20)],
    )
    log(tmp_path / 'a1', '1', [dict(mIoU=22.0, step=10), dict(mIoU=28.0, step=20)])
    log(tmp_path / 'b', '1', [dict(mIoU=5.0, VPQ=3.0, step=10)])
    out = tmp_path / 'plots/curves.png'
    run_tool(
        'analysis/curves.py',
        *(tmp_path / name for name in ('a0', 'a1', 'b')),
        '--names',
        'a',
        'a',
        'b',
        '--out',
        out,
    )
    assert out.stat().st_size > 1000
    with out.with_suffix('.csv').open() as file:
        assert list(csv.reader(file)) == [
            ['name', 'iteration', 'run', 'run'],
            ['a', '10', '20.0', '22.0'],
            ['a', '20', '30.0', '28.0'],
            ['b', '10', '5.0'],
        ]


def test_runs_validated_at_other_iterations(tmp_path, run_tool, monkeypatch, capsys):
    """Values stay in the columns of their runs, and means are of all runs."""
    log(tmp_path / 'a/seed0', '1', [dict(mIoU=20.0, step=10), dict(mIoU=30.0, step=20)])
    log(tmp_path / 'a/seed1', '1', [dict(mIoU=5.0, step=5), dict(mIoU=28.0, step=20)])
    drawn = []
    plot = Axes.plot

    def noted(axes, steps, means, *args, **kwargs):
        drawn.append((steps, means))
        return plot(axes, steps, means, *args, **kwargs)

    monkeypatch.setattr(Axes, 'plot', noted)
    out = tmp_path / 'curves.png'
    run_tool('analysis/curves.py', tmp_path / 'a', '--out', out)
    with out.with_suffix('.csv').open() as file:
        assert list(csv.reader(file))[1:] == [
            ['a', '5', '', '5.0'],
            ['a', '10', '20.0', ''],
            ['a', '20', '30.0', '28.0'],
        ]
    assert drawn == [([20], [29.0])]
    assert 'a: not drawn at 2 of 3 iterations' in capsys.readouterr().out


@pytest.mark.parametrize('suffix', ['.png', '.PNG', '.jpg', '.pdf', '.svg'])
def test_plots_replace_others_when_they_are_complete(suffix, tmp_path, monkeypatch):
    out, table, old = tmp_path / f'a{suffix}', tmp_path / 'a.csv', tmp_path / 'old'
    table.touch()
    os.link(table, old)
    save(Figure(), out, ['x'], [[1]])
    content = out.read_bytes()
    assert content and table.read_text() == 'x\n1\n' and not old.read_text()

    def killed(self, file, **_):
        file.write(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, 'savefig', killed)
    with pytest.raises(KeyboardInterrupt):
        save(Figure(), out, ['x'], [[2]])
    assert out.read_bytes() == content and table.read_text() == 'x\n2\n'
    assert {path.name for path in tmp_path.iterdir()} == {out.name, 'a.csv', 'old'}


def test_pictures_replace_others(tmp_path):
    out, old = tmp_path / 'a.png', tmp_path / 'old'
    out.touch()
    os.link(out, old)
    save_image(np.zeros((2, 3, 3), np.uint8), out, ['x'], [[1]])
    assert out.stat().st_size and not old.stat().st_size


def test_a_value_of_the_training(tmp_path, run_tool):
    """SFC's figure 5: means since the validation before, of a resumed run too."""
    log(
        tmp_path / 'a',
        '1',
        [
            {'lr': 1.0, 'decode.epe': 4.0, 'step': 5},
            {'lr': 1.0, 'decode.epe': 2.0, 'step': 10},
            dict(mIoU=20.0, step=10),
            {'lr': 1.0, 'decode.epe': 9.0, 'step': 15},
        ],
    )
    log(tmp_path / 'a', '2', [{'lr': 1.0, 'decode.epe': 1.0, 'step': 15}, dict(mIoU=30.0, step=20)])
    out = tmp_path / 'figure5.png'
    run_tool('analysis/curves.py', tmp_path / 'a', '--against', 'decode.epe', '--out', out)
    assert out.stat().st_size > 1000
    with out.with_suffix('.csv').open() as file:
        assert list(csv.reader(file)) == [
            ['name', 'value', 'iteration', 'run'],
            ['a', 'mIoU', '10', '20.0'],
            ['a', 'mIoU', '20', '30.0'],
            ['a', 'decode.epe', '10', '3.0'],
            ['a', 'decode.epe', '20', '1.0'],
        ]
    with pytest.raises(SystemExit, match=r"no row of its training has 'epe', there are \['decode"):
        run_tool(
            'analysis/curves.py', tmp_path / 'a', '--against', 'epe', '--out', tmp_path / 'b.png'
        )


def test_messages(tmp_path, run_tool, capsys):
    with pytest.raises(SystemExit, match='holds no log of a training'):
        run_tool('analysis/curves.py', tmp_path, '--out', tmp_path / 'a.png')
    log(tmp_path, '1', [dict(mIoU=1.0, step=1), dict(lr=1.0, loss=1.0, step=1)])
    with pytest.raises(SystemExit, match=r"no validation has 'VPQ', there are \['mIoU'\]"):
        run_tool('analysis/curves.py', tmp_path, '--metric', 'VPQ', '--out', tmp_path / 'a.png')
    (tmp_path / 'a.png').touch()
    with pytest.raises(SystemExit, match='there already: .* with --overwrite'):
        run_tool('analysis/curves.py', tmp_path, '--out', tmp_path / 'a.png')
    with pytest.raises(SystemExit):  # it would be a.png
        run_tool('analysis/curves.py', tmp_path, '--out', tmp_path / 'a')
    assert 'a: must be a picture (.png)' in capsys.readouterr().err
