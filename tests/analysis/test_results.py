"""Logs and comparisons of runs; numbers by hand."""

import json
import math

import pytest

from mmdavss.analysis.results import (
    best_validation,
    compare,
    comparison_table,
    find_runs,
    gap_closed,
    last_validation,
    read_validations,
    seeds_of,
    spread,
    training_means,
    unpaired_runs,
)
from mmdavss.utils.errors import InputError


def log(folder, start, *rows):
    path = folder / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows))


def test_resumed_and_overwritten_runs(tmp_path):
    # Resumed at 10: what came after it was done again.
    log(
        tmp_path / 'a',
        '1',
        dict(lr=1.0, step=10),
        dict(mIoU=20.0, step=10),
        dict(mIoU=99.0, step=20),
        dict(mIoU=98.0, step=25),
    )
    log(tmp_path / 'a', '2', {'student.lr': 1.0, 'step': 15}, dict(mIoU=30.0, step=20))
    assert {s: row['mIoU'] for s, row in read_validations(tmp_path / 'a').items()} == {
        10: 20.0,
        20: 30.0,
    }
    # Begun anew, shorter.
    log(tmp_path / 'a', '3', dict(lr=1.0, step=5), dict(mIoU=1.0, step=10))
    assert list(read_validations(tmp_path / 'a')) == [10]


def test_validation_that_was_made_up_for(tmp_path):
    """Killed in it: iteration 10 was not done again, its scores count once."""
    log(
        tmp_path,
        '1',
        dict(lr=1.0, loss=4.0, step=5),
        dict(lr=1.0, loss=2.0, step=10),
        dict(mIoU=20.0, step=10),
        dict(lr=1.0, loss=9.0, step=15),
    )
    log(tmp_path, '2', dict(mIoU=21.0, step=10), dict(lr=1.0, loss=1.0, step=15))
    assert training_means(tmp_path, 'loss', [10, 20]) == {10: 3.0, 20: 1.0}
    assert read_validations(tmp_path) == {10: dict(mIoU=21.0, step=10)}


def test_last_and_best(tmp_path):
    log(
        tmp_path,
        '1',
        dict(mIoU=5.0, step=1),
        dict(mIoU=7.0, step=2),
        dict(mIoU=7.0, step=3),
        dict(mIoU=6.0, step=4),
        dict(VPQ=9.0, step=5),
    )
    assert last_validation(tmp_path)['step'] == 4
    assert best_validation(tmp_path)['step'] == 2
    assert best_validation(tmp_path, 'VPQ')['step'] == 5
    with pytest.raises(ValueError, match=r"no validation has 'TC', there are \['VPQ', 'mIoU'\]"):
        last_validation(tmp_path, 'TC')


def test_folders_of_seeds(tmp_path):
    for name in ('b/seed2', 'b/seed10', 'c', 'd'):
        log(tmp_path / name, '1', dict(mIoU=1.0, step=1))
    folders = [tmp_path / name for name in 'bcd']
    assert find_runs(folders, ['b', 'x', 'x']) == {
        'b': [tmp_path / 'b/seed2', tmp_path / 'b/seed10'],
        'x': folders[1:],
    }
    assert list(find_runs(folders)) == ['b', 'c', 'd']
    with pytest.raises(ValueError, match='2 names for 3 folders'):
        find_runs(folders, ['b', 'c'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty holds no log'):
        find_runs([tmp_path / 'empty'])


def test_folders_of_one_name_are_two_methods(tmp_path, monkeypatch):
    names = ('source_only/accel', 'stpl/accel', 'old/stpl/accel', 'dacs', 'x/seed0', 'y/seed0')
    folders = [tmp_path / name for name in names]
    for folder in folders:
        log(folder, '1', dict(mIoU=1.0, step=1))
    assert find_runs([folders[0], *folders[2:]]) == {
        name: [tmp_path / path]
        for name, path in zip(
            ('source_only/accel', 'stpl/accel', 'dacs', 'x/seed0', 'y/seed0'),
            (names[0], *names[2:]),
            strict=True,
        )
    }
    both = list(find_runs(folders[:3]))
    assert both == ['source_only/accel', f'{tmp_path.name}/stpl/accel', 'old/stpl/accel']
    # Only --names makes them runs of one method.
    assert find_runs(folders[4:], ['a', 'a']) == {'a': folders[4:]}
    monkeypatch.chdir(folders[3])
    with pytest.raises(ValueError, match=r'\. is given twice: .*--names'):
        find_runs([folders[3], folders[3].relative_to(folders[3])][::-1])


def row(miou, step=10, **classes):
    return dict(mIoU=miou, step=step, **{f'IoU.{name}': v for name, v in classes.items()})


RUNS = {
    'source': [row(20.0, road=30.0, car=10.0), row(24.0, road=40.0, car=8.0)],
    'ours': [row(30.0, road=31.0, car=29.0), row(25.0, step=20, road=41.0, car=math.nan)],
    'oracle': [row(40.0, road=50.0, car=30.0), row(26.0, road=51.0, car=1.0)],
    'one': [row(27.0, road=30.0, car=24.0)],
}


def test_comparison():
    source, ours, oracle, one = compare(RUNS, source='source', oracle='oracle')
    assert source.differences == [0.0, 0.0]
    # Run by run: (30-20)/(40-20), (25-24)/(26-24).
    assert ours.differences == [10.0, 1.0] and ours.gaps == [50.0, 50.0]
    # One run against the means, 22 and 33.
    assert one.differences == [5.0] and one.gaps == pytest.approx([500 / 11])
    assert ours.steps == [10, 20] and list(ours.classes) == ['road', 'car']
    assert not compare(RUNS)[1].differences
    assert math.isnan(gap_closed(1.0, 2.0, 2.0))
    with pytest.raises(ValueError, match='--oracle nobody: there is no run of this name, only so'):
        compare(RUNS, oracle='nobody')
    with pytest.raises(ValueError, match='source and b have different classes'):
        compare({'source': RUNS['source'], 'b': [row(1.0, road=2.0)]})


def test_runs_of_the_same_seed_are_compared(tmp_path):
    runs = {
        'source': [row(20.0), row(22.0), row(30.0)],
        'ours': [row(25.0), row(28.0), row(26.0)],
        'oracle': [row(40.0), row(32.0)],
        'other': [row(27.0), row(28.0)],
        'one': [row(34.0)],
    }
    names = {
        'source': ['seed0', 'seed1', 'seed3'],
        'ours': ['seed1', 'seed0', 'seed2'],
        'oracle': ['oracle-seed_0', 'oracle-seed_1'],
        'other': ['seed7', 'seed8'],
        'one': ['run'],
    }
    folders = {name: [tmp_path / name / own for own in found] for name, found in names.items()}
    seeds = {name: seeds_of(found) for name, found in folders.items()}
    assert seeds['source'] == [0, 1, 3] and seeds['oracle'] == [0, 1] and seeds['one'] is None
    assert seeds_of([tmp_path / 'x/seed0', tmp_path / 'y/seed0']) is None
    source, ours, oracle, other, one = compare(runs, source='source', oracle='oracle', seeds=seeds)
    assert source.differences == [0.0, 0.0, 0.0] and oracle.differences == [20.0, 10.0]
    # Seed 1: 25 - 22, seed 0: 28 - 20.
    assert ours.differences == [3.0, 8.0] and ours.gaps == [30.0, 40.0]
    # No seed in common, or none known: the means, 24 and 36.
    assert other.differences == [3.0, 4.0] and other.gaps == pytest.approx([25.0, 100 / 3])
    assert one.differences == [10.0] and one.gaps == pytest.approx([1000 / 12])
    assert unpaired_runs(folders, 'source', 'oracle') == [
        'The comparison of ours with source is of the seeds that both have; it leaves out seed 2 '
        'of ours and seed 3 of source.',
        'The comparison of oracle with source is of the seeds that both have; it leaves out seed 3 '
        'of source.',
        'other and source have no seed in common: other is compared with the mean of source.',
        'The comparison of ours with oracle is of the seeds that both have; it leaves out seed 2 '
        'of ours.',
        'other and oracle have no seed in common: other is compared with the mean of oracle.',
    ]
    assert unpaired_runs(folders) == []
    # Three methods of which no seed is common to all: no share of the gap.
    few = {name: runs[name][:2] for name in ('source', 'ours', 'oracle')}
    rows = compare(
        few, source='source', oracle='oracle', seeds=dict(source=[0, 1], ours=[1, 2], oracle=[2, 0])
    )
    assert [own.gaps for own in rows] == [[0.0], [], [100.0]]
    cells = comparison_table(rows, source='source', oracle='oracle').rows
    assert [line[-1] for line in cells] == ['', '–', '']


def test_markdown_and_latex():
    rows = compare(RUNS, source='source', oracle='oracle')
    table = comparison_table(rows, source='source', oracle='oracle')
    # Standard deviations of two values: their distance / sqrt(2).
    assert table.markdown().splitlines() == [
        '| method | runs | iteration | road | car | mIoU | to source | gap closed, % |',
        '|---|---|---|---|---|---|---|---|',
        '| source | 2 | 10 | 35.0 | 9.0 | 22.0 ± 2.8 | | |',
        '| ours | 2 | 10-20 | **36.0** | – | **27.5 ± 3.5** | +5.5 ± 6.4 | 50 ± 0 |',
        '| oracle | 2 | 10 | 50.5 | 15.5 | 33.0 ± 9.9 | +11.0 ± 12.7 | |',
        '| one | 1 | 10 | 30.0 | **24.0** | 27.0 | +5.0 | 45 |',
    ]
    lines = table.latex().splitlines()
    assert lines[0] == r'\begin{tabular}{lccccccc}'
    assert r'\rotatebox{90}{gap closed, \%} \\' in lines[2]
    assert lines[5] == (
        r'ours & 2 & 10-20 & \textbf{36.0} & -- & \textbf{27.5 $\pm$ 3.5} & '
        r'+5.5 $\pm$ 6.4 & 50 $\pm$ 0 \\'
    )


def test_spread():
    assert spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0'
    assert spread([2.25], 2, '+') == '+2.25'
    assert spread([1.0, math.nan]) == spread([]) == '–'


def test_logs_of_killed_runs(tmp_path):
    log(tmp_path / 'a', '1', dict(lr=1.0, step=10), dict(mIoU=20.0, step=10))
    (file,) = (tmp_path / 'a').rglob('scalars.json')
    text = file.read_text().rstrip('\n')
    file.write_text(f'{text}\n{{"mIoU": 3')  # killed while it wrote
    assert {s: row['mIoU'] for s, row in read_validations(tmp_path / 'a').items()} == {10: 20.0}
    for line in ('{"mIoU": 3', '[' * 10**5, '5', '{"mIoU": 3}', '{"step": "10"}'):
        file.write_text(f'{text}\n{line}\n')
        with pytest.raises(InputError, match='scalars.json, line 3 '):
            read_validations(tmp_path / 'a')
