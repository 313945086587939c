"""tools/analysis/temporal_consistency.py on a few generated frames."""

import json
import runpy

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS

from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.minidrive.generate import Settings, generate


@pytest.fixture
def config(tmp_path):
    generate(
        tmp_path / 'data',
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=0,
            cityscapes_val=2,
            snippet_frames=(17, 19),
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
            flow=True,
        ),
    )
    cfg = Config.fromfile('configs/source_only/accel-r18_miniviper2minicity.py')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data/cityscapes')
    cfg.test_evaluator.subset = ['road', 'sky', 'building']
    cfg.dump(tmp_path / 'config.py')
    student = MODELS.build(cfg.model.student)
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        tmp_path / 'source.pth',
    )
    return tmp_path / 'config.py'


def table(out):
    """Head and rows, by name, of the last table."""
    lines = out[out.index('\n| | ') :].splitlines()
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in lines
        if line.startswith('| ')
    ]
    return rows[0], {row[0]: [float(cell) for cell in row[1:]] for row in rows[1:]}


def test_all_frames_need_no_labels():
    steps = [dict(type=name) for name in ('LoadClip', *LABEL_STEPS, 'PackClipInputs')]
    made = runpy.run_path('tools/analysis/temporal_consistency.py')['all_frames'](
        ConfigDict(dataset=dict(type='KITTISTEPDataset', ann_file='a.txt', pipeline=steps))
    )
    assert made.dataset == dict(
        type='KITTISTEPDataset', frames='all', with_labels=False, pipeline=[steps[0], steps[-1]]
    )


def test_table(config, tmp_path, run_tool, capsys):
    checkpoint = tmp_path / 'source.pth'
    file = tmp_path / 'scores/tc.json'
    names = ['--names', 'a', 'b', '--json', file]
    run_tool('analysis/temporal_consistency.py', config, checkpoint, checkpoint, *names)
    out = capsys.readouterr().out
    head, rows = table(out)
    assert head == ['', 'mIoU', 'TC.DISFlowEstimator', 'consistency']
    # The same checkpoint twice: the same numbers twice.
    assert rows['a'] == rows['b'] and all(0 <= value <= 100 for value in rows['a'])
    written = json.loads(file.read_text())
    assert list(written) == ['a', 'b'] and list(written['b']) == head[1:]
    assert list(written['a'].values()) == pytest.approx(rows['a'])
    # All 3 frames of both snippets, of which 1 has a label.
    assert '3 of 15 classes: 4 pairs of frames in 2 sequences' in out
    with pytest.raises(SystemExit, match='tc.json is there already: choose another --json'):
        run_tool('analysis/temporal_consistency.py', config, checkpoint, checkpoint, *names)


def test_mistakes_are_found_before_the_first_pass(config, tmp_path, run_tool, capsys):
    for extra, words in (
        (('--provider', 'Foo'), '--provider Foo: .* is not in the mmseg::model registry'),
        (('--options', 'foo=1'), "--provider DISFlowEstimator: .*keyword argument 'foo'"),
        (('--scale', '0'), r'scale=0.0 must be above 0'),
        (('--frame-distance', '0'), 'frame_distance=0 at least 1'),
        (('--subset', 'foo'), r"\['foo'\] of `subset`"),
        (('--json', config / 'tc.json'), 'config.py cannot be written to .*--json'),
        (
            (
                '--cfg-options',
                'test_dataloader.dataset.type=ConcatDataset',
                'test_dataloader.dataset.datasets=[]',
            ),
            'config.py: ConcatDataset is made of other data sets',
        ),
    ):
        with pytest.raises(SystemExit, match=words):
            run_tool(
                'analysis/temporal_consistency.py',
                config,
                tmp_path / 'source.pth',
                '--names',
                'net',
                *extra,
            )
        assert 'net' not in capsys.readouterr().out.splitlines()


def test_exact_flow(config, tmp_path, run_tool, capsys):
    data = tmp_path / 'data/cityscapes'
    run_tool(
        'analysis/temporal_consistency.py',
        config,
        tmp_path / 'source.pth',
        '--provider',
        'PrecomputedFlow',
        '--options',
        f'root={data}/flow',
        f'frame_root={data}',
        'template={folder}/{stem}__{stem_b}.flo',
        '--flow-name',
        'exact',
        '--direction',
        'backward',
        '--occlusion',
        'exact',
    )
    out = capsys.readouterr().out
    assert table(out)[0] == ['', 'mIoU', 'TC.exact', 'consistency']
    assert 'the backward flow of exact, mode nearest, occlusion exact' in out
    with pytest.raises(SystemExit):
        run_tool('analysis/temporal_consistency.py', config, tmp_path / 'no.pth')
    assert 'no.pth does not exist' in capsys.readouterr().err
