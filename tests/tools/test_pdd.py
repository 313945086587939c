"""tools/analysis/pdd.py on a few generated frames."""

import csv

import pytest


def test_table_plot_and_csv(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    plot = tmp_path / 'out/pdd.png'
    run_tool('analysis/pdd.py', config, checkpoint, checkpoint, '--names', 'a', 'b', '--out', plot)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert 'road' in rows[0] and 'mean' in rows[0]
    # The same checkpoint twice: the same numbers twice, and some of them are numbers.
    assert rows[1].replace('| a ', '') == rows[2].replace('| b ', '')
    assert any(cell.strip().replace('.', '').isdigit() for cell in rows[1].split('|'))
    assert plot.is_file()
    with plot.with_suffix('.csv').open() as file:
        head, a, b = csv.reader(file)
    assert head[:2] == ['name', 'road'] and head[-2:] == ['mean', 'without ratio']
    assert a[1:] == b[1:] and f'{float(a[-2]):.3f}' == rows[1].split('|')[-3].strip()
    with pytest.raises(SystemExit, match='pdd.png.* there already'):
        run_tool('analysis/pdd.py', config, checkpoint, '--out', plot)
    fewer = ['--cfg-options', 'test_dataloader.dataset.metainfo.classes=[road, sky]']
    with pytest.raises(SystemExit, match='of test_dataloader has 2 classes, the model 15'):
        run_tool('analysis/pdd.py', config, checkpoint, '--out', tmp_path / 'new.png', *fewer)
