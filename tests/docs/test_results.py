"""docs/results.json, and the tables that are made from it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.analysis.results import sign_test
from mmdavss.launch.config_keys import unknown_keys

ROOT = Path(__file__).parents[2]
FIELDS = {
    'benchmark': str,
    'method': str,
    'row': str,
    'seed': int,
    'mIoU': float,
    'aAcc': float,
    'classes': dict,
    'minutes': float,
    'command': str,
    'config': str,
    'fingerprint': str,
    'data': str,
    'revision': str,
    'machine': str,
}


@pytest.fixture(scope='module')
def modules() -> Iterator[dict[str, ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'benchmarks')
        names = ('small_methods', 'small_tables', 'small_results')
        yield {name: importlib.import_module(name) for name in names}


@pytest.fixture(scope='module')
def tables(modules) -> ModuleType:
    return modules['small_tables']


def entry(method: str, seed: int, score: float, benchmark: str = 'mini', **more) -> dict:
    """An object with the fields that tables need."""
    found = dict(benchmark=benchmark, method=method, row='main', seed=seed, mIoU=score)
    found |= dict(aAcc=70.0 + seed, classes={'road': score, 'pole': None}, minutes=2.0)
    return found | more


def both_ways(method: str, seed: int, first: float, second: float) -> dict:
    """An object of the benchmark that is trained two ways."""
    ways = {'first': dict(mIoU=first), 'second': dict(mIoU=second)}
    return entry(method, seed, (first + second) / 2, 'day2dusk', ways=ways)


def cells(table: str, row: str) -> list[str]:
    """Cells of a row."""
    line = next(line for line in table.splitlines() if line.startswith(f'| {row} |'))
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_objects(modules):
    script, methods = modules['small_results'], modules['small_methods']
    entries = script.read_results(script.RESULTS)
    keys = [script.key_of(found) for found in entries]
    assert keys == sorted(set(keys), key=script.order)
    for found, key in zip(entries, keys, strict=True):
        for name, kind in FIELDS.items():
            assert isinstance(found[name], kind), (key, name)
        assert ('ways' in found) == (key.benchmark in methods.WAYS)
        assert (ROOT / found['config']).is_file()
        assert found['command'].startswith('python tools/') and '/tmp' not in found['command']
        # All methods of a seed start from one and the same model.
        start = next((own for own in entries if script.key_of(own) == key.start), None)
        assert found.get('start_mIoU') == (start and start['mIoU']), key


def test_pages_are_those_of_the_file(modules):
    """If this fails: python benchmarks/small_results.py --tables"""
    entries = modules['small_results'].read_results(ROOT / 'docs/results.json')
    for path, parts in modules['small_tables'].pages(entries).items():
        text = path.read_text(encoding='utf-8')
        assert modules['small_tables'].with_parts(text, parts) == text


def test_a_page_without_a_marker(tables):
    with pytest.raises(ValueError, match='no <!-- mini: written by'):
        tables.with_parts('text', {'mini': 'table'})


def test_every_method_has_a_place(modules):
    """Each start is a method, with its row; the net of a config is the one of the table."""
    methods = modules['small_methods'].METHODS
    for name, kind in methods.items():
        assert kind.start is None or kind.start in methods
        assert (kind.net == 'Accel') == ('accel-' in kind.config)
        assert kind.source != (
            name.endswith('*')
            or name in ('adabn', 'tent', 'ur', 'hcl', 'ld', 'stpl', 'self-training', 'vst')
            or name in ('intrada', 'iast', 'oracle')
        )
        for row in kind.rows.values():
            assert row.start in ('main', *methods[kind.start].rows)
            assert row.method is None or row.method in methods


@pytest.mark.parametrize(
    ('differences', 'p'),
    [
        ([1.0, 2.0, 0.5], 0.25),
        ([-1.0, -2.0, -0.5], 0.25),
        ([1.0, 2.0, -0.5], 1.0),
        # 1 + 6 of 64 on each side.
        ([1.0, 2.0, 3.0, 4.0, 5.0, -1.0], 14 / 64),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2 / 64),
        ([0.0, 1.0, 2.0], 0.5),
        ([], 1.0),
    ],
)
def test_sign_test(differences, p):
    assert sign_test(differences) == pytest.approx(p)


@pytest.mark.parametrize(
    ('differences', 'expected', 'text'),
    [
        ([-1.0, -2.0, -0.1], -3.0, 'confirmed'),
        ([-1.0, -2.0, -0.1], 3.0, 'refuted'),
        ([1.0, 2.0, 0.1], -3.0, 'refuted'),
        ([1.0, 2.0, -0.1], 3.0, 'undecided'),
        # A tie leaves two differences, p = 0.5.
        ([1.0, 2.0, 0.0], 3.0, 'undecided'),
        # The smallest p of two is no evidence.
        ([1.0, 2.0], 3.0, 'undecided'),
        # 14/64, and 2 * (1 + 9) / 512 = 0.039.
        ([1.0] * 5 + [-1.0], 3.0, 'undecided'),
        ([1.0] * 8 + [-1.0], 3.0, 'confirmed'),
    ],
)
def test_outcome(tables, differences, expected, text):
    assert tables.outcome(differences, expected) == text


def test_table_of_methods(tables):
    scores = tables.Scores(
        [
            *(entry('source-only', seed, score) for seed, score in enumerate([20.0, 22.0])),
            *(entry('oracle', seed, score) for seed, score in enumerate([40.0, 24.0])),
            *(entry('stpl', seed, score) for seed, score in enumerate([26.0, 24.0, 30.0])),
            *(entry('dacs', seed, score) for seed, score in enumerate([30.0, 21.0])),
        ]
    )
    table = tables.method_table(scores, 'mini')
    # Means of the seeds 0 and 1: 21 to 32, and 25 of STPL; seed 2 has no source-only.
    found = cells(table, 'STPL')
    assert found[1:4] == ['Accel', '3', '**26.7 ± 3.1**']
    assert found[5:] == ['36', '2 of 2', '2.0']
    assert cells(table, 'DACS')[5:7] == ['41', '1 of 2']
    assert cells(table, 'source-only')[3:] == ['21.0 ± 1.4', '70.5 ± 0.7', '', '', '2.0']
    assert cells(table, 'oracle')[3] == '32.0 ± 11.3'
    assert 'VPQ' not in table and 'AdaBN' not in table
    assert cells(tables.class_table(scores, 'mini'), 'STPL') == ['STPL', '**26.7**', '–']
    zeros = tables.Scores([entry('adabn', 0, 0.0), entry('stpl', 0, 0.0)])
    assert '**' not in tables.class_table(zeros, 'mini')
    assert cells(tables.short_table(scores), 'STPL')[1:] == ['**26.7 ± 3.1**', '–', '–']
    goals = tables.goals(scores)
    assert '- MiniDrive, rendered to camera: 1 of 2 methods are. Not: DACS in 1 of 2.' in goals
    assert '- MiniDrive, rendered to camera: not reached, DACS closes 41 %.' in goals


@pytest.mark.parametrize(
    ('mic', 'word'), [(21.0, 'confirmed'), (20.0, 'refuted'), (20.5, 'undecided')]
)
def test_what_follows_for_an_expectation(tables, mic, word):
    entries = [entry(m, seed, s) for seed in range(3) for m, s in (('mic', mic), ('dacs', 20.5))]
    goals = tables.goals(tables.Scores(entries))
    found = re.search(r'MIC above DACS: .* of 3 \((\w+)\)', goals)
    assert found is not None and found[1] == word


@pytest.mark.parametrize(('oracle', 'gap'), [(20.5, None), (22.0, 50.0)])
def test_no_share_of_a_gap_that_is_noise(tables, oracle, gap):
    scores = [entry('source-only', 0, 20.0), entry('stpl', 0, 21.0), entry('oracle', 0, oracle)]
    assert tables.Scores(scores).gap('mini', 'stpl') == gap


def test_expectations(tables):
    scores = tables.Scores(
        [
            *(entry('mic', seed, 20.0 + seed) for seed in (0, 1)),
            *(entry('dacs', seed, 20.5) for seed in (0, 1)),
            both_ways('mic', 0, 20.0, 22.0),
            both_ways('dacs', 0, 18.0, 20.0),
        ]
    )
    goals = tables.goals(scores)
    assert (
        '- MIC above DACS: MiniDrive, rendered to camera +0.0 ± 0.7, above in 1 of 2 '
        '(undecided); CamVid, day to dusk +2.0 ± 0.0, above in 2 of 2 (undecided).'
    ) in goals
    assert '- CMOM above TPS (twice the iterations): Not measured yet.' in goals


@pytest.mark.parametrize(('name', 'column'), [('VPQ', 'VPQ^s'), ('TC', 'TC')])
def test_score_of_some_methods(tables, name, column):
    scores = tables.Scores([entry('source-only', 0, 20.0), entry('vat', 0, 21.0, **{name: 12.0})])
    table = tables.method_table(scores, 'mini')
    assert cells(table, 'method')[5] == column
    assert cells(table, 'source-only')[5] == '–' and cells(table, 'VAT')[5] == '12.0'


def test_ablation(tables):
    main, row, self_training = [30.0, 31.0, 32.0], [29.0, 30.5, 31.5], [30.5, 31.5, 31.0]
    scores = tables.Scores(
        [
            *(entry('stpl', seed, score) for seed, score in enumerate(main)),
            *(entry('stpl', s, v, row='fusion-add') for s, v in enumerate(row)),
            *(entry('self-training', seed, score) for seed, score in enumerate(self_training)),
        ]
    )
    table = tables.ablation_table(scores, 'stpl')
    # Differences -1, -0.5, -0.5: mean -2/3, deviation sqrt(1/12).
    assert cells(table, 'fusion by addition')[4:] == [
        *('-0.7 ± 0.3', '0 of 3', '0.25', '51.4', 'confirmed')
    ]
    assert cells(table, 'vanilla self-training')[4:] == [
        *('+0.0 ± 0.9', '2 of 3', '1', '45.4', 'undecided')
    ]
    assert cells(table, 'STPL')[2] == '31.0 ± 1.0'
    assert (
        '- STPL: confirmed for 1 (fusion by addition), undecided for 1 (vanilla self-training).'
        in tables.goals(scores)
    )


def test_pairs_are_of_a_seed_and_a_way(tables):
    scores = tables.Scores(
        [
            both_ways('stpl', 0, 30.0, 34.0),
            both_ways('stpl', 1, 31.0, 35.0),
            both_ways('source-only', 1, 30.0, 36.0),
        ]
    )
    found = scores.differences('day2dusk', ('stpl', 'main'), ('source-only', 'main'))
    assert found == [1.0, -1.0]


@pytest.mark.slow
def test_every_row_changes_what_its_config_builds(modules):
    """Rows name keys that are known, and no two of a method are the same."""
    methods = modules['small_methods']
    for name, method in methods.METHODS.items():
        built = set()
        for row in methods.own_rows(name):
            changes = methods.changes_of(name, row)
            cfg = Config.fromfile(ROOT / 'configs' / methods.config_name(methods.ABLATIONS, name))
            assert unknown_keys(cfg, changes) == []
            cfg.merge_from_dict({key: parse(value) for key, value in changes.items()})
            model = MODELS.build(dict(cfg.model, source_checkpoint=None))
            assert type(model).__name__ == cfg.model.type
            start = methods.start_of(name, row)
            decisive = (cfg.model, cfg.get('pseudo_label_generator'), cfg.train_cfg)
            built.add((*map(repr, decisive), start))
        assert len(built) == 1 + sum(row.method is None for row in method.rows.values())


def parse(value: str) -> object:
    """As ``--cfg-options`` reads a value."""
    known = {'None': None, 'True': True, 'False': False}
    return known[value] if value in known else float(value) if value[0].isdigit() else value
