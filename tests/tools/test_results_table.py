"""tools/analysis/results_table.py on logs written by hand."""

import json
import os

import pytest


def log(folder, *scores):
    path = folder / '1/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(
        '\n'.join(
            json.dumps({'mIoU': v, 'IoU.road': v, 'step': 10 * i}) for i, v in enumerate(scores, 1)
        )
    )


def test_two_tables_in_two_formats(tmp_path, run_tool, capsys):
    log(tmp_path / 'a', 20.0, 10.0)
    log(tmp_path / 'b/seed0', 30.0, 29.0)
    log(tmp_path / 'b/seed1', 31.0, 32.0)
    log(tmp_path / 'c', 40.0, 50.0)
    out = tmp_path / 'out/table.md'
    call = (
        'analysis/results_table.py',
        *(tmp_path / name for name in 'abc'),
        '--source',
        'a',
        '--oracle',
        'c',
        '--out',
        out,
    )
    run_tool(*call)
    text = out.read_text()
    last, best = text.split('## Best validation')
    assert last.startswith('## Last validation')
    # Last: 19/40 and 22/40; best: 10/30 and 12/30.
    assert '| b | 2 | 20 | **30.5** | **30.5 ± 2.1** | +20.5 ± 2.1 | 51 ± 5 |' in last
    assert '| b | 2 | 10-20 | **31.0** | **31.0 ± 1.4** | +11.0 ± 1.4 | 37 ± 5 |' in best
    assert text in capsys.readouterr().out
    assert out.with_suffix('.tex').read_text().count(r'\toprule') == 2
    with pytest.raises(SystemExit, match='there already: .* with --overwrite'):
        run_tool(*call)
    with pytest.raises(SystemExit, match='table.md cannot be written to .*--out'):
        run_tool(*call[:-1], out / 'table.md')
    with pytest.raises(SystemExit, match='--source x: there is no run of this name'):
        run_tool(*call[:4], '--source', 'x', '--out', out, '--overwrite')
    # New files, not the old ones written anew: a kill leaves either.
    for file in (out, out.with_suffix('.tex')):
        os.link(file, file.with_name(f'old-{file.name}'))
    run_tool(*call[:2], '--out', out, '--overwrite')
    assert out.with_name('old-table.md').read_text() == text != out.read_text()
    assert out.with_name('old-table.tex').read_text() != out.with_suffix('.tex').read_text()


def test_methods_with_folders_of_one_name(tmp_path, run_tool):
    """They are not two seeds of one, and their seeds are compared by name."""
    for method, scores in (('source_only', (20.0, 30.0, 40.0)), ('stpl', (25.0, 33.0, 99.0))):
        for seed, score in zip((0, 1, 2 + (method == 'stpl')), scores, strict=True):
            log(tmp_path / method / f'accel/seed{seed}', score)
    out = tmp_path / 'table.md'
    run_tool(
        'analysis/results_table.py',
        tmp_path / 'source_only/accel',
        tmp_path / 'stpl/accel',
        '--source',
        'source_only/accel',
        '--out',
        out,
    )
    text = out.read_text()
    assert text.count('| source_only/accel | 3 |') == 2
    assert '| stpl/accel | 3 | 10 | **52.3** | **52.3 ± 40.6** | +4.0 ± 1.4 |' in text
    assert text.count('it leaves out seed 3 of stpl/accel and seed 2 of source_only/accel.') == 1


def test_runs_that_have_not_ended(tmp_path, run_tool):
    for name, end in (('a', 20), ('b', 30)):
        log(tmp_path / name, 20.0, 10.0)
        report = dict(config=dict(train_cfg=dict(max_iters=end)))
        (tmp_path / name / '1/report.json').write_text(json.dumps(report))
    out = tmp_path / 'table.md'
    run_tool('analysis/results_table.py', tmp_path / 'a', tmp_path / 'b', '--out', out)
    (line,) = (row for row in out.read_text().splitlines() if 'has no score of its end' in row)
    assert line.startswith(f'{tmp_path / "b"} has') and line.endswith('of iteration 20 of 30.')
