"""tools/analysis/pseudo_labels.py against what tools/generate_pseudo_labels.py writes."""

import csv
import json
from pathlib import Path

import pytest

from mmdavss.pseudo_labels.generator import PseudoLabelGenerator
from mmdavss.pseudo_labels.quality import ALPHAS, WAYS, QualityMeter
from mmdavss.pseudo_labels.scores import score


def test_checkpoints_are_checked_before_the_first_pass(self_training, run_tool, capsys):
    Path('damaged.pth').write_bytes(Path('iter_1.pth').read_bytes()[:-100])
    call = ('iter_1.pth', 'damaged.pth', '--names', 'first', 'last', '--out', 'out/pl.png')
    with pytest.raises(SystemExit, match='damaged.pth is not a PyTorch checkpoint'):
        run_tool('analysis/pseudo_labels.py', 'config.py', *call)
    assert 'first' not in ''.join(capsys.readouterr())


def test_the_same_as_writing_and_scoring_them(self_training, run_tool, capsys):
    run_tool(
        'analysis/pseudo_labels.py',
        'config.py',
        'iter_1.pth',
        '--names',
        'net',
        '--ways',
        *WAYS,
        '--proportions',
        '0.3',
        '0.9999',
        '--rounds',
        '2',
        '--out',
        'out/pl.png',
    )
    assert Path('out/pl.png').stat().st_size > 1000
    with open('out/pl.csv') as file:
        rows = list(csv.DictReader(file))
    assert not Path('data/pseudo').exists()
    out = capsys.readouterr().out
    assert '–: no alpha gave that proportion' in out
    for way, (selection, aggregate) in WAYS.items():
        own = {float(row['alpha']): row for row in rows if row['pseudo-labels'] == way}
        assert own.keys() >= set(ALPHAS)
        options = [
            f'pseudo_label_generator.{key}={value}'
            for key, value in dict(selection=selection, aggregate=aggregate, alpha=0.3).items()
        ]
        run_tool(
            'generate_pseudo_labels.py',
            'config.py',
            'iter_1.pth',
            '--score',
            '--out',
            way,
            '--cfg-options',
            *options,
        )
        score = json.loads(Path(way, 'score.json').read_text())
        assert score['p_miou'] == pytest.approx(float(own[0.3]['P-mIoU']))
        assert score['proportion'] == pytest.approx(float(own[0.3]['proportion']))
        assert score['iou'] == {
            name: None
            if own[0.3][f'IoU.{name}'] == 'nan'
            else pytest.approx(float(own[0.3][f'IoU.{name}']))
            for name in score['iou']
        }


@pytest.mark.parametrize(
    'options', [dict(frames='training'), dict(frames='all', clip_frames=1, passes=3, seed=3)]
)
@pytest.mark.parametrize('memory', [1 << 20, 1])
def test_thresholds_follow_as_in_the_generation(self_training, options, memory):
    cfg = self_training
    cfg.filename = 'config.py'
    cfg.pseudo_label_generator.update(selection='instance_adaptive', aggregate=False, **options)
    PseudoLabelGenerator.from_config(cfg).generate(cfg, 'iter_1.pth', 'out')
    (found,) = QualityMeter(cfg, 'iter_1.pth', memory=memory).measure('instance-adaptive', [0.2])
    written = score(cfg, 'out')
    assert 0 < written['proportion'] < 1
    assert found.proportion == pytest.approx(written['proportion'])
    assert found.p_miou == pytest.approx(written['p_miou'])


def test_kept_predictions_change_nothing(self_training):
    self_training.filename = 'config.py'
    kept, again = (QualityMeter(self_training, 'iter_1.pth', memory=size) for size in (1 << 20, 1))
    for way in ('class-balanced', 'aggregated'):
        first = [meter.measure(way, [0.2, 0.7]) for meter in (kept, again)]
        second = [meter.measure(way, [0.2, 0.7]) for meter in (kept, again)]
        values = {tuple((q.proportion, q.p_miou) for q in found) for found in first + second}
        assert len(values) == 1


def test_errors(self_training, run_tool, capsys):
    call = ('analysis/pseudo_labels.py', 'config.py', 'iter_1.pth', '--out', 'a.png')
    with pytest.raises(SystemExit, match='config.py has no pseudo_label_generator'):
        run_tool(*call, '--cfg-options', 'pseudo_label_generator=None')
    with pytest.raises(SystemExit, match='aggregate=False: predictions with'):
        run_tool(
            *call, '--cfg-options', 'pseudo_label_generator.aggregate=False', '--ways', 'aggregated'
        )
    for extra, words in (
        (('--proportions', '1.5'), 'must lie between 0 and 1'),
        (('--rounds', '0'), '--rounds must be 1 or more'),
        (('--tolerance', '-1'), '--tolerance not negative'),
    ):
        with pytest.raises(SystemExit):
            run_tool(*call, *extra)
        assert words in capsys.readouterr().err
