"""tools/analysis/tsne.py and neighbours.py on a few generated frames."""

import csv
import sys
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config

from mmdavss.cli import analysis
from mmdavss.cli.analysis import video_frames
from mmdavss.utils.errors import UserError


def read(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_tsne(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    out = tmp_path / 'out/tsne.png'
    call = (
        'analysis/tsne.py',
        config,
        checkpoint,
        checkpoint,
        '--names',
        'a',
        'b',
        '--per-class',
        '20',
        '--iterations',
        '250',
        '--perplexity',
        '5',
        '--out',
        out,
    )
    run_tool(*call, '--classes', 'road', 'sky', 'building')
    assert out.stat().st_size > 1000
    head, a, b = read(out.with_suffix('.csv'))
    assert head == ['name', 'intra', 'inter', 'inter / intra']
    assert a[1:] == b[1:] and float(a[3]) == pytest.approx(float(a[2]) / float(a[1]))
    points = read(tmp_path / 'out/tsne_points.csv')
    assert points[0] == ['name', 'class', 'x', 'y']
    assert {row[1] for row in points[1:]} <= {'road', 'sky', 'building'}
    assert [row[1:] for row in points if row[0] == 'a'] == [
        row[1:] for row in points if row[0] == 'b'
    ]
    assert f'| a | {float(a[1]):.4f} |' in capsys.readouterr().out
    with pytest.raises(SystemExit, match="there is no class 'cow', only road, "):
        run_tool(*call, '--overwrite', '--classes', 'cow')
    with pytest.raises(SystemExit, match='pixels are too few for --perplexity 500'):
        run_tool(*call, '--overwrite', '--perplexity', '500')
    out.unlink()
    out.with_suffix('.csv').unlink()
    with pytest.raises(SystemExit, match='tsne_points.csv is there already'):
        run_tool(*call)


def test_tsne_without_scikit_learn(analysed, tmp_path, run_tool, monkeypatch):
    config, checkpoint = analysed
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(SystemExit, match='t-SNE needs the Python package sklearn.*scikit-learn$'):
        run_tool('analysis/tsne.py', config, checkpoint, '--out', tmp_path / 'tsne.png')


def test_neighbours(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    out = tmp_path / 'neighbours.png'
    call = ('analysis/neighbours.py', config, checkpoint, '--out', out)
    run_tool(*call, '--k', '5', '1', '--per-class', '30')
    head, row = read(out.with_suffix('.csv'))
    assert head == ['name', 'k=1', 'k=5'] and all(0 < float(v) <= 1 for v in row[1:])
    text = capsys.readouterr().out
    assert 'left out, fewer than 6 pixels: ' in text and 'chance is' in text
    with pytest.raises(SystemExit):
        run_tool(*call, '--k', '30', '--per-class', '30', '--overwrite')
    assert 'must be from 1 to 29' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='classes have the 500 pixels that 499 neighbours need'):
        run_tool(*call, '--k', '499', '--overwrite')


@pytest.mark.parametrize('tool', ['neighbours --k 1 --per-class 30', 'panels --count 1'])
def test_checkpoints_are_checked_before_the_first_pass(analysed, tmp_path, run_tool, capsys, tool):
    tool, *options = tool.split()
    config, checkpoint = analysed
    damaged, other = tmp_path / 'damaged.pth', tmp_path / 'other.pth'
    damaged.write_bytes(checkpoint.read_bytes()[:-1000])
    torch.save(dict(state_dict={'student.x': torch.zeros(1)}), other)
    out = tmp_path / 'out.png'
    for last, words in ((damaged, 'damaged.pth is not a PyTorch'), (other, 'other.pth does not')):
        call = (config, checkpoint, last, '--names', 'first', 'last', '--out', out)
        with pytest.raises(SystemExit, match=words):
            run_tool(f'analysis/{tool}.py', *call, *options)
        # The first one has segmented nothing.
        assert 'first' not in ''.join(capsys.readouterr())


def test_arguments(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    for extra, message in (
        (('--names', 'a', 'b'), '2 names for 1 checkpoint'),
        ((checkpoint,), 'several checkpoints are called'),
        ((tmp_path / 'none.pth', '--names', 'a', 'b'), 'none.pth does not exist'),
        (('--out', tmp_path / 'a.txt'), 'must be a picture'),
    ):
        with pytest.raises(SystemExit):
            run_tool('analysis/neighbours.py', config, checkpoint, *extra)
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match='config.py cannot be written to .*--out'):
        run_tool('analysis/neighbours.py', config, checkpoint, '--out', config / 'a.png')
    for option, value, words in (
        ('--per-class', '0', '--per-class must be 1 or more'),
        ('--perplexity', '0', '--perplexity positive'),
        ('--perplexity', 'nan', '--perplexity positive'),
        ('--iterations', '249', '--iterations must be 250 or more'),
        ('--seed', '-1', '--seed from 0 to'),
    ):
        with pytest.raises(SystemExit):
            run_tool(
                'analysis/tsne.py', config, checkpoint, '--out', tmp_path / 'a.png', option, value
            )
        assert words in capsys.readouterr().err
    for tool, *more in (('neighbours', '--out', tmp_path / 'a.png'), ('temporal_consistency',)):
        with pytest.raises(SystemExit, match='config.py has no test_dataloader'):
            run_tool(
                f'analysis/{tool}.py',
                config,
                checkpoint,
                *more,
                '--cfg-options',
                'test_dataloader=None',
            )
    with pytest.raises(UserError, match='has no test_dataloader'):
        video_frames(Config(dict(test_dataloader=None)), Namespace())
    with pytest.raises(SystemExit, match='error: --cfg-options does not fit'):
        run_tool(
            'analysis/neighbours.py',
            config,
            checkpoint,
            '--out',
            tmp_path / 'a.png',
            '--cfg-options',
            'model.student.segmentor.type.x=1',
        )


def test_data_without_class_names(frame_folder):
    data = dict(type='ClipFolderDataset', data_root=str(frame_folder), pipeline=[])
    sampler = dict(type='DefaultSampler', shuffle=False)
    cfg = Config(dict(test_dataloader=dict(batch_size=1, dataset=data, sampler=sampler)))
    with pytest.raises(UserError, match=r'test_dataloader names no classes: set its metainfo'):
        analysis.test_data(cfg)
