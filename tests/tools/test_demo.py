"""`make demo` with tiny data and two iterations, and what it does when it is interrupted."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import cv2
import pytest

from mmdavss.utils.work_dir_lock import WorkDirLock

ROOT = Path(__file__).parents[2]
NET = 'model.student.segmentor'
TINY = [
    '--frames',
    '6',
    '--data-options',
    '--size 64x32 --viper 2 --viper-val 0 --viper-frames 3 '
    '--synthia 0 --cityscapes 2 --cityscapes-val 2 --gta 0 --synthia-rand 0 --camvid 0 '
    '--processes 1',
    '--cfg-options',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    f'{NET}.backbone.base_channels=8',
    f'{NET}.decode_head.in_channels=64',
    f'{NET}.auxiliary_head.in_channels=32',
]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location('demo', ROOT / 'tools' / 'demo.py')
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'demo', module)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return module


def test_whole(demo, tmp_path, capsys):
    assert demo.main(TINY) == 0
    said = capsys.readouterr().out
    for number in range(1, 7):
        assert f'[{number}/6]' in said
    assert said.count('tools/train.py') == 3
    assert said.count('validation: mIoU') == 3
    folder = tmp_path / 'work_dirs' / 'demo'

    # Scores as the log of the steps has them.
    text = (folder / 'report.md').read_text()
    means = []
    for step in ('source_only', 'adabn', 'stpl'):
        assert (folder / step / 'iter_2.pth').is_file()
        log = (folder / step / 'output.log').read_text()
        means.append(float(log.rsplit('mIoU: ', 1)[1].split()[0]))
    row = next(line for line in text.splitlines() if 'mIoU)' in line)
    assert row.replace('*', '').split('|')[2:5] == [f' {mean:.1f} ' for mean in means]
    for title, mean in zip(('source-only', 'AdaBN', 'STPL'), means, strict=True):
        assert f'  {title:12}{mean:5.1f}' in said
    for words in (
        '| road |',
        '| bicycle |',
        'picture.png',
        'video.mp4',
        'seed 0',
        'PyTorch',
        'model.source_checkpoint=work_dirs/demo/adabn/iter_2.pth',
    ):
        assert words in text

    video = cv2.VideoCapture(str(folder / 'video.mp4'))
    frames = []
    while (answer := video.read())[0]:
        frames.append(answer[1])
    assert len(frames) == 6
    height, width = frames[0].shape[:2]
    assert width == 2 * 384 + 3 * 4
    # Two rows of panels with titles and a legend.
    assert 2 * 192 + 100 < height < 2 * 192 + 200
    # Input and truth differ, and the drive moves.
    panels = frames[0][40:220, 4:388], frames[0][270:450, 392:776]
    assert cv2.absdiff(*panels).mean() > 10
    assert cv2.absdiff(frames[0], frames[-1]).mean() > 1
    picture = cv2.imread(str(folder / 'picture.png'))
    assert picture.shape[1] == 4 * 384 + 5 * 4
    assert 3 * 192 + 80 < picture.shape[0] < 3 * 192 + 200

    # Again: nothing is done.
    def state() -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns
            for path in folder.rglob('*')
            if path.is_file() and path.name != 'data.log'
        }

    before = state()
    assert demo.main(TINY) == 0
    said = capsys.readouterr().out
    assert said.count('done before') == 5 and 'nothing to do' in said
    assert f'{means[2]:5.1f}' in said
    assert state() == before

    # Other settings are not mixed with what is there.
    assert demo.main([*TINY, 'randomness.seed=5']) == 1
    assert 'randomness.seed: 0 -> 5' in (error := capsys.readouterr().err)
    assert '--overwrite' in error and state() == before


@pytest.fixture
def steps(demo, tmp_path, monkeypatch) -> list[list[str]]:
    """Commands of training steps, which leave a checkpoint and scores, but do not train."""
    commands: list[list[str]] = []
    (tmp_path / 'data' / 'minidrive').mkdir(parents=True)
    (tmp_path / 'data' / 'minidrive' / 'minidrive.json').write_text('{}')

    def run(command, log, show):
        commands.append(command)
        folder = log.parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'iter_800.pth').write_bytes(b'weights')
        scalars = folder / '20300101' / 'vis_data' / 'scalars.json'
        scalars.parent.mkdir(parents=True, exist_ok=True)
        scalars.write_text(
            '{"mIoU": 1.0, "IoU.road": NaN, "step": 400}\n'
            '{"mIoU": 2.0, "IoU.road": 3.0, "data_time": 9, "step": 800}\n'
        )

    monkeypatch.setattr(demo, 'run', run)
    return commands


def first_step(demo: ModuleType, options: tuple[str, ...] = ()) -> dict:
    root = Path('demo')
    options = ['train_cfg.max_iters=800', *options]
    demo.train(2, demo.TRAININGS[0], root, demo.Records(root / 'demo.json'), options)
    return json.loads((root / 'demo.json').read_text())['source_only']


def test_scores_are_those_of_the_last_iteration(demo, steps):
    assert first_step(demo)['scores'] == {'mIoU': 2.0, 'IoU.road': 3.0}
    assert len(steps) == 1
    assert not {'--resume', '--overwrite'} & set(steps[0])


@pytest.mark.parametrize(('left', 'flag'), [(False, '--resume'), (True, '--overwrite')])
def test_goes_on_after_an_interruption(left, flag, demo, steps, monkeypatch):
    """Cut off in training it resumes; a resumed run that is at its end would not validate."""
    finish = demo.run

    def interrupted(command, log, show):
        if left:
            finish(command, log, show)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt):
        first_step(demo)
    monkeypatch.setattr(demo, 'run', finish)
    record = first_step(demo)
    assert flag in steps[-1] and steps[-1].index(flag) < steps[-1].index('--cfg-options')
    assert record['scores']['mIoU'] == 2 and flag not in record['command']
    count = len(steps)
    assert first_step(demo) == record
    assert len(steps) == count


def test_overwrite_deletes_only_what_it_made(demo, steps):
    first_step(demo)
    mine = Path('demo', 'stpl', 'mine.pth')
    mine.parent.mkdir()
    mine.touch()
    demo.clean(Path('demo'), demo.Records(Path('demo', 'demo.json')))
    assert [path.name for path in Path('demo').rglob('*')] == ['stpl', 'mine.pth']


def test_run_shows_the_end_of_a_failed_step(demo, tmp_path, capsys):
    log = tmp_path / 'new' / 'output.log'
    code = (
        'import sys\nfor i in range(100): print("line", i)\n'
        'print("CUDA is on fire", file=sys.stderr); sys.exit(3)'
    )
    with pytest.raises(demo.DemoError) as error:
        demo.run([sys.executable, '-c', code], log, lambda line: line if '7' in line else None)
    for words in ('exit status 3', 'line 99', 'CUDA is on fire', str(log)):
        assert words in str(error.value)
    assert 'line 9\n' not in str(error.value)
    assert 'line 9\n' in log.read_text()
    shown = capsys.readouterr().out.split('\n')
    assert shown[:2] == ['      line 7', '      line 17']


def test_training_line(demo):
    start = '2030/01/01 10:00:00 - mmengine - INFO - '
    line = (
        start + 'Iter(train) [ 50/800]  base_lr: 1.0e-03 lr: 1.0e-03  eta: 1 day, 0:01:02  '
        'time: 0.1  data_time: 0.01  loss: 1.2e-01  decode.loss_ce: 9.0'
    )
    assert demo.training_line(line) == 'iteration 50/800, 1 day, 0:01:02 left, loss 1.2e-01'
    line = start + 'Iter(val) [20/20]    aAcc: 80.0  mIoU: 34.2  mAcc: 50.0'
    assert demo.training_line(line) == 'validation: mIoU 34.2'
    for line in ('Iter(val) [10/20]    eta: 0:00:01', 'Config:', ''):
        assert demo.training_line(line) is None


def test_table_of_absent_classes(demo):
    nan = float('nan')
    lines = demo.table(
        {'a': {'mIoU': 10.0, 'IoU.road': nan}, 'b': {'mIoU': 12.34, 'IoU.road': 5.0}}
    )
    assert lines.splitlines()[2:] == [
        '| road | – | 5.0 | – |',
        '| **mean (mIoU)** | **10.0** | **12.3** | **+2.3** |',
    ]


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['--frames', '2'], '--frames'),
        (['--data-options', '--size 1x1'], 'too small'),
    ],
)
def test_mistakes(args, words, demo, capsys):
    try:
        status = demo.main(args)
    except SystemExit as error:
        status = error.code
    assert status
    assert words in capsys.readouterr().err


def test_a_second_one_beside_it(demo, tmp_path, capsys):
    with WorkDirLock('work_dirs/demo'):
        assert demo.main([*TINY, '--overwrite']) == 1
    assert 'work_dirs/demo is in use by process' in capsys.readouterr().err
