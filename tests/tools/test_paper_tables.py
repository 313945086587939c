"""tools/analysis/paper_tables.py on logs written by hand."""

import csv
import json

import pytest


def log(folder, **scores):
    path = folder / '1/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(scores, step=10)))


def test_tables_of_what_was_trained(tmp_path, run_tool, capsys):
    log(tmp_path / 'stpl/accel_viper2city', mIoU=50.0, **{'IoU.road': 80.0, 'IoU.sky': 61.5})
    out = tmp_path / 'out/papers.md'
    run_tool('analysis/paper_tables.py', tmp_path, '--out', out)
    text = out.read_text()
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
    with pytest.raises(SystemExit, match='exists: choose another --out'):
        run_tool('analysis/paper_tables.py', tmp_path, '--out', out)


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
