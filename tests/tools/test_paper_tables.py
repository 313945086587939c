"""tools/analysis/paper_tables.py on logs written by hand."""

import csv
import json
import os

import pytest
from mmengine.config import Config

from tests.shipped import CONFIGS


def log(folder, **scores):
    path = folder / '1/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(scores, step=10)))


def test_tables_of_what_was_trained(tmp_path, run_tool, capsys):
    log(tmp_path / 'stpl/accel_viper2city', mIoU=50.0, **{'IoU.road': 80.0, 'IoU.sky': 61.5})
    report = json.dumps(dict(config=dict(train_cfg=dict(max_iters=40))))
    (tmp_path / 'stpl/accel_viper2city/1/report.json').write_text(report)
    out = tmp_path / 'out/papers.md'
    run_tool('analysis/paper_tables.py', tmp_path, '--out', out)
    text = out.read_text()
    assert text.count('stpl/accel_viper2city has no score of its end: of iteration 10 of 40.') == 3
    assert text.startswith('## STPL (Lo et al., CVPR 2023), table 1: VIPER to Cityscapes-Seq')
    # Tables 1, 3 and 4 have this row; table 5 has no mIoU.
    assert text.count('## ') == 3 and 'table 2' not in text
    with (out.parent / 'papers_stpl_1.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['method'] for row in rows[-3:]] == ['STPL', '', 'Oracle']
    published, measured = rows[-3:-1]
    assert (published['runs'], published['road'], published['mIoU']) == (
        'published',
        '83.1',
        '52.5',
    )
    assert (measured['runs'], measured['road'], measured['mIoU']) == ('1', '80.0', '50.0')
    assert measured['bicycle'] == '–'
    assert "All 15 classes are those of FDA's row" in text
    assert out.with_suffix('.txt').read_text() in capsys.readouterr().out
    assert out.with_suffix('.tex').read_text().count(r'\toprule') == 3
    with pytest.raises(SystemExit, match='is there already: choose another --out'):
        run_tool('analysis/paper_tables.py', tmp_path, '--out', out)
    # New files, not the old ones written anew: a kill leaves either.
    os.link(out, tmp_path / 'old.md')
    run_tool(
        'analysis/paper_tables.py', tmp_path, '--tables', 'STPL:1', '--out', out, '--overwrite'
    )
    assert (tmp_path / 'old.md').read_text() == text != out.read_text()


def test_what_no_run_fills(tmp_path, run_tool, capsys):
    """Tables of other commands say which; classes of which no score was logged are named."""
    log(tmp_path / 'stpl/accel_viper2city', mIoU=50.0)
    log(tmp_path / 'fda/deeplabv2-r50_viper2cityvps', mIoU=50.0, **{'IoU.road': 80.0})
    out = tmp_path / 'papers.md'
    names = 'STPL:1', 'STPL:5', 'VAT-VST:1', 'VAT-VST:7'
    run_tool('analysis/paper_tables.py', tmp_path, '--tables', *names, '--out', out)
    one, five, vat, seven = out.read_text().split('## ')[1:]
    assert '`val_evaluator.0.per_class=True`) logs it' in one
    assert 'Not from runs: tools/analysis/temporal_consistency.py' in five
    assert 'have pole and not bicycle' in vat
    assert 'the validations do not have: sidewalk, building, fence, pole,' in vat
    assert 'Not from runs: tools/analysis/pseudo_labels.py' in seven
    run_tool('analysis/paper_tables.py', '--list')
    assert 'consistency (of tools/analysis/temporal_consistency.py)' in capsys.readouterr().out


def test_the_advice_works_for_lists():
    cfg = Config.fromfile(CONFIGS / 'vat_vst/vst_deeplabv2-r18_miniviper2minivps.py')
    cfg.merge_from_dict({'val_evaluator.0.per_class': True})
    assert [bool(own.get('per_class')) for own in cfg.val_evaluator] == [True, False]


def test_named_tables(tmp_path, run_tool, capsys):
    """Without a run they have the published figures alone."""
    run_tool('analysis/paper_tables.py', '--list')
    assert 'VAT-VST:2   VIPER to Cityscapes-VPS: VPQ' in capsys.readouterr().out
    out = tmp_path / 'out.md'
    with pytest.raises(SystemExit, match='holds no run of a config of the tables'):
        run_tool('analysis/paper_tables.py', tmp_path, '--out', out)
    run_tool('analysis/paper_tables.py', tmp_path, '--tables', 'VAT-VST:2', '--out', out)
    assert out.read_text().count('published') == 13
    with pytest.raises(SystemExit, match='--tables STPL:9: there are STPL:1, STPL:2'):
        run_tool('analysis/paper_tables.py', tmp_path, '--tables', 'STPL:9', '--out', out)
