"""The papers' tables: what they print is consistent, the page has it, runs stand beside it."""

import json
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmdavss.analysis import published
from mmdavss.analysis.published import (
    PublishedRow,
    PublishedTable,
    absent_methods,
    classes_without_iou,
    measured_runs,
    published_notes,
    published_papers,
    published_tables,
    side_by_side,
)
from mmdavss.analysis.results import DASH
from tests.rivals import PAGE, with_tables

ROOT = Path(__file__).parents[2]
TABLES = {table.name: table for table in published_tables()}
#: Rows whose classes do not have the mean that is printed: each has a note that says so.
WRONG_MEANS = {
    ('VAT-VST:12', "Source-only of VideoGAN's paper"),
    ('VAT-VST:12', 'VideoGAN'),
    ('VAT-VST:12', 'VAT-VST'),
    ('SePiCo:1', 'CAG-UDA'),
    ('SePiCo:2', 'DACS'),
    ('SePiCo:2', 'FADA'),
    ('SePiCo:2', 'UPLR'),
}
#: Classes of SYNTHIA to Cityscapes that the second mean leaves out.
NOT_IN_13 = ('wall', 'fence', 'pole')


@pytest.mark.parametrize('name', TABLES)
def test_rows_have_what_the_table_has(name):
    table = TABLES[name]
    assert table.paper in published_papers() and table.rows
    notes = published_notes()
    assert set(table.notes) <= notes.keys()
    for row in table.rows:
        assert len(row.means) == len(table.metrics) and len(row.iou) == len(table.classes), row
        assert all(value is None or 0 <= value <= 100 for value in (*row.iou, *row.means))
        assert set(row.notes) <= notes.keys()
        assert row.config is None or (ROOT / f'configs/{row.config}.py').is_file(), row.config
        assert row.config is None or row.method not in absent_methods()
    assert max(Counter(row.title for row in table.rows).values()) == 1


def test_printed_means_are_those_of_the_classes():
    """To a rounding of the mean and of the classes, except in rows with a note."""
    wrong = set()
    for name, table in TABLES.items():
        for row in table.rows:
            scores = dict(zip(table.classes, row.iou, strict=False))
            for metric, mean in zip(table.metrics, row.means, strict=True):
                counted = [
                    score
                    for own, score in scores.items()
                    if not (metric.startswith('13') and own in NOT_IN_13)
                ]
                if mean is None or not counted or None in counted:
                    continue
                if abs(sum(counted) / len(counted) - mean) > 0.08:
                    wrong.add((name, row.title))
                    assert row.notes
    assert wrong == WRONG_MEANS


@pytest.mark.parametrize('name', [n for n, t in TABLES.items() if t.classes])
def test_validations_of_its_configs_have_its_classes(name):
    """Of every row: the first metric of the table logs the classes, and it has the table's.

    Those of VAT-VST's VIPER have pole, which a note says.
    """
    table = TABLES[name]
    kind = 'VPQMetric' if table.prefix == 'VPQ.' else 'ClassSubsetIoU'
    for config in {row.config for row in table.rows if row.config}:
        cfg = Config.fromfile(ROOT / f'configs/{config}.py')
        init_default_scope(cfg.default_scope)
        evaluators = cfg.val_evaluator
        evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
        own = next(e for e in evaluators if e.type == kind and not e.get('prefix'))
        assert own.get('per_class'), config
        data = DATASETS.build(dict(cfg.val_dataloader.dataset, lazy_init=True))
        scored = own.get('subset') or data.metainfo['classes']
        missing = {'pole'} if 'no-pole' in table.notes else set()
        assert set(table.classes) - set(scored) == missing, config


def test_what_validations_do_not_have():
    """Figures of other commands, which exist and are about the figures of the table."""
    tools = {name: table.tool for name, table in TABLES.items() if table.tool}
    assert tools == {'STPL:5': 'temporal_consistency.py', 'VAT-VST:7': 'pseudo_labels.py'}
    for name, tool in tools.items():
        text = (ROOT / 'tools/analysis' / tool).read_text()
        assert TABLES[name].metrics[0].split()[0] in text


def test_classes_without_a_score(table):
    assert classes_without_iou(table, {}) == []
    runs = {'ur/net': [{'mIoU': 1.0}, {'mIoU': 1.0, 'IoU.sky': 2.0}]}
    assert classes_without_iou(table, runs) == ['road']


def test_one_row_of_stpl_is_another_one():
    rows = {row.title: row for row in TABLES['STPL:1'].rows}
    assert rows['RDA'].iou == rows['FDA'].iou and rows['RDA'].notes == ('rda-is-fda',)


def test_what_is_not_here_occurs():
    """A method that is not here stands in a table, has no folder of configs, and has a reason."""
    methods = {row.method for table in TABLES.values() for row in table.rows}
    for name, (title, why) in absent_methods().items():
        assert name in methods and title and why
        assert not (ROOT / 'configs' / name).exists(), f'{name} is here'


def test_the_page_counts_the_methods():
    """Rows that compare no method: trained on the source or on target labels, or on own labels."""
    methods = {row.method for table in TABLES.values() for row in table.rows}
    methods -= {'source_only', 'oracle', 'self_training', 'refinenet', 'swin'}
    here = methods - absent_methods().keys()
    own = {'stpl', 'vat_vst', 'i2vda', 'sfc', 'sepico'}
    assert own < here and all((ROOT / 'configs' / name).is_dir() for name in here)
    assert (
        f'compare {len(methods)} methods: the five of the papers themselves, which are here, and '
        f'{len(methods - own)} others, of which {len(here - own)} are here and '
        f'{len(methods - here)} are not.'
    ) in PAGE.read_text().replace('\n', ' ')


def config_of(row):
    return Config.fromfile(ROOT / f'configs/{row.config}.py')


def test_pseudo_labels_of_vat_vst_are_aggregated():
    *others, ours = (config_of(row).pseudo_label_generator for row in TABLES['VAT-VST:7'].rows)
    assert ours.get('selection', 'clip_adaptive') == 'clip_adaptive' and ours.get('aggregate', True)
    assert not any(own.aggregate for own in others)


@pytest.mark.parametrize('name', ['SFC:1', 'SFC:2'])
def test_sfc_has_two_networks(name):
    """Where the config has one, a note says so, or the figure is from another paper."""
    for row in TABLES[name].rows:
        if row.config is not None:
            two = 'reference_segmentor' in config_of(row).model.student
            assert two or set(row.notes) & {'one-net', 'official'}, row.title


@pytest.mark.parametrize('name', ['SePiCo:4a', 'SePiCo:4b', 'SePiCo:4c'])
def test_source_only_of_transformers(name):
    """The network of the adapted rows, whose loss has weights; a note says what the paper does."""
    rows = {row.title: row for row in TABLES[name].rows}
    source = rows['Source-only, MiT-B5']
    own, adapted = (
        config_of(row).model.student.segmentor for row in (source, rows['SePiCo (DistCL)'])
    )
    for net in (own, adapted):
        del net.decode_head.loss_decode
    assert own == adapted and source.notes == ('segformer',)


def test_every_note_is_used():
    used = {n for t in TABLES.values() for n in t.notes}
    used |= {n for t in TABLES.values() for row in t.rows for n in row.notes}
    assert used == published_notes().keys()


def test_the_page_has_the_tables():
    text = PAGE.read_text()
    assert with_tables(text) == text, 'run python -m tests.rivals'


def write_run(folder, **scores):
    path = folder / '1/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(scores, step=10)))


@pytest.fixture
def table():
    return PublishedTable(
        'STPL',
        '1',
        'here to there',
        'a net',
        ('mIoU',),
        ('road', 'sky'),
        (
            PublishedRow('Source-only', 'source_only', (37.1,), 'source_only/net', (56.7, None)),
            PublishedRow('UR', 'ur', (45.0,), 'ur/net', (1.25, 2.0)),
            PublishedRow('Else', 'else', (None,), None, (3.0, 4.0)),
        ),
    )


def test_measured_beside_published(table, tmp_path):
    """One run, two runs with their mean and standard deviation, none."""
    write_run(tmp_path / 'source_only/net', mIoU=40.0, **{'IoU.road': 50.0, 'IoU.sky': 30.0})
    write_run(tmp_path / 'ur/net/seed0', mIoU=44.0, **{'IoU.road': 60.0})
    write_run(tmp_path / 'ur/net/seed1', mIoU=46.0, **{'IoU.road': 61.0})
    made = side_by_side(table, measured_runs(table, tmp_path))
    assert made.header == ['method', 'runs', 'road', 'sky', 'mIoU']
    assert made.rows == [
        ['Source-only', 'published', '56.7', DASH, '37.1'],
        ['', '1', '50.0', '30.0', '40.0'],
        ['UR', 'published', '1.25', '2.0', '45.0'],
        ['', '2', '60.5', DASH, '45.0 ± 1.4'],
        ['Else', 'published', '3.0', '4.0', DASH],
    ]
    assert made.csv().splitlines()[2] == ',1,50.0,30.0,40.0'
    assert made.text().splitlines()[1] == 'Source-only  published  56.7     –        37.1'
    write_run(tmp_path / 'else/net', mIoU=1.0)
    assert len(side_by_side(table, measured_runs(table, tmp_path)).rows) == 5  # has no config


def test_configs_are_found_by_the_name_of_the_method(tmp_path, monkeypatch):
    """A method whose folder has the table's config gets a link without an entry of its own."""
    monkeypatch.setattr(published, 'shipped_folder', lambda name: tmp_path)
    assert all(
        row.title != 'FDA' or row.config is None for t in published_tables() for row in t.rows
    )
    (tmp_path / 'fda').mkdir()
    (tmp_path / 'fda/accel_viper2city.py').touch()
    found = {t.name: row.config for t in published_tables() for row in t.rows if row.title == 'FDA'}
    assert found['STPL:1'] == found['I2VDA:1'] == 'fda/accel_viper2city' and not found['STPL:2']
