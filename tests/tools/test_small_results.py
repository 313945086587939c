"""benchmarks/small_results.py: what it runs, in which order, and what it leaves."""

from __future__ import annotations

import importlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from mmdavss.utils.work_dir_lock import WorkDirLock

ROOT = Path(__file__).parents[2]
CONFIG = """
model = dict(type='{kind}', source_checkpoint='work_dirs/a.pth')
branch = dict(data_root='data/minidrive/x', half='first')
train_dataloader = dict(num_workers=2, dataset=dict(source=branch, target=branch))
val_dataloader = dict(dataset=branch)
test_dataloader = dict(dataset=branch)
val_evaluator = [dict(type='ClassSubsetIoU'), dict(type='VPQMetric')]
test_evaluator = dict(type='ClassSubsetIoU')
train_cfg = dict(max_iters=4)
"""
SCORES = {'mIoU': 30.0, 'aAcc': 80.0, 'IoU.road': 60.0, 'IoU.pole': float('nan')}
LABELS = 'pseudo_label_generator = dict(alpha=0.2)\n'


@pytest.fixture(scope='module')
def module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'benchmarks')
        yield importlib.import_module('small_results')


@pytest.fixture
def script(module, tmp_path, monkeypatch) -> ModuleType:
    """The module, with small configs and data that need not exist."""
    for benchmark in ('mini', 'day2dusk'):
        for method in ('source-only', 'stpl', 'vat', 'vst', 'sfc', 'oracle'):
            write_config(module, tmp_path, benchmark, method)
    for name in (*module.SFM['mini'], *module.SFM['mini2camvid']):
        (tmp_path / name).write_text(CONFIG.format(kind=Path(name).stem))
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    monkeypatch.setattr(module, 'CONFIGS', tmp_path)
    monkeypatch.setattr(module, 'data_digest', lambda key, root: f'data of {key.benchmark}')
    monkeypatch.setattr(module, 'files_digest', lambda cfg, root: f'data of {cfg.model.type}')
    clear(module)
    yield module
    clear(module)


def clear(module: ModuleType) -> None:
    module.load.cache_clear()
    module._config_digest.cache_clear()


def write_config(
    module: ModuleType, folder: Path, benchmark: str, method: str, more: str = ''
) -> None:
    path = folder / module.config_name(benchmark, method)
    path.parent.mkdir(exist_ok=True)
    text = CONFIG.format(kind=method) + LABELS * (method == 'vst')
    path.write_text(text + more)


def plan_of(script: ModuleType, folder: Path, *keys, entries=(), **options):
    return script.make_plan([script.Key(*key) for key in keys], entries, folder, **options)


def leave_scores(folder: Path) -> None:
    """What a training of 4 iterations leaves."""
    (folder / '1/vis_data').mkdir(parents=True, exist_ok=True)
    rows = [{'lr': 1.0, 'time': 3.0, 'step': 4}, {**SCORES, 'step': 4}]
    text = ''.join(json.dumps(row) + '\n' for row in rows)
    (folder / '1/vis_data/scalars.json').write_text(text)
    (folder / 'iter_4.pth').write_text('weights')


def tool(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, fails: Callable[[list[str]], bool]
) -> list[list[str]]:
    """Replaces the processes: trainings leave scores, the calls are returned but for those that
    measure TC."""
    calls = []

    def call(self, command: list[str], log: Path) -> None:
        if command[0] == 'tools/analysis/temporal_consistency.py':
            assert Path(command[2]).is_file()
            scores = {'seed0': {'mIoU': 30.0, 'TC.DIS': 70.0}}
            Path(command[command.index('--json') + 1]).write_text(json.dumps(scores))
            return
        calls.append(command)
        if fails(command):
            raise script.Failed(f'see {log}')
        if command[0] == 'tools/run_phases.py':
            folder = [word for word in command if word.startswith('work_dir=')]
            for name in folder and (f'{folder[0][9:]}_round1', folder[0][9:]):
                leave_scores(Path(name))
            return
        if command[0] == 'tools/generate_pseudo_labels.py':
            Path(command[command.index('--out') + 1]).mkdir(exist_ok=True)
            return
        folder = Path(command[command.index('--work-dir') + 1])
        if command[0] == 'tools/test.py':
            (folder / '1').mkdir()
            (folder / '1/1.json').write_text(json.dumps(SCORES | {'mIoU': 20.0, 'IoU.pole': 4.0}))
            return
        leave_scores(folder)

    monkeypatch.setattr(script.Work, '_call', call)
    return calls


def work(script: ModuleType, plan, folder: Path, jobs: int = 1) -> ModuleType:
    found = script.Work(plan.train, plan.origins, folder, results=folder / 'results.json')
    found.run(jobs)
    return found


def test_commands_of_two_ways(script):
    first, second = script.steps(script.Key('day2dusk', 'vst', 'main', 1), Path('work_dirs/w'))
    labels, train = second.commands
    assert train[:4] == [
        'tools/train.py',
        'configs/vat_vst/vst_effnet-lite0_day2dusk.py',
        '--work-dir',
        'work_dirs/w/day2dusk/vst/seed1_second',
    ]
    assert train[4:] == [
        '--cfg-options',
        'train_dataloader.dataset.target.half=second',
        'val_dataloader.dataset.half=first',
        'test_dataloader.dataset.half=first',
        'randomness.seed=1',
        'val_evaluator.0.per_class=True',
        'default_hooks.logger.interval=10',
        'model.source_checkpoint=work_dirs/w/day2dusk/vat/seed1_second/iter_4.pth',
        'train_dataloader.dataset.target.pseudo_labels='
        'work_dirs/w/day2dusk/vst/seed1_second_pseudo_labels',
    ]
    assert labels[2:] == [
        'work_dirs/w/day2dusk/vat/seed1_second/iter_4.pth',
        '--out',
        'work_dirs/w/day2dusk/vst/seed1_second_pseudo_labels',
        '--cfg-options',
        'train_dataloader.dataset.target.half=second',
    ]
    assert not any('half=' in word for command in first.commands for word in command)


def test_source_only_is_trained_once_and_starts_both_ways(script):
    train, test = script.steps(script.Key('day2dusk', 'source-only', 'main', 0), Path('w'))
    assert test.commands == [
        [
            'tools/test.py',
            'configs/source_only/effnet-lite0_day2dusk.py',
            'w/day2dusk/source-only/seed0/iter_4.pth',
            '--work-dir',
            'w/day2dusk/source-only/seed0_second',
            '--cfg-options',
            'test_dataloader.dataset.half=first',
            'test_evaluator.per_class=True',
        ]
    ]
    for step in script.steps(script.Key('day2dusk', 'vat', 'main', 0), Path('w')):
        source = 'model.source_checkpoint=w/day2dusk/source-only/seed0/iter_4.pth'
        assert source in step.commands[-1]
    _, oracle = script.steps(script.Key('day2dusk', 'oracle', 'main', 0), Path('w'))
    assert 'train_dataloader.dataset.source.half=second' in oracle.commands[0]


def test_lists_of_frames_are_those_beside_the_labels(script, tmp_path):
    """IntraDA, whose source is the target too: both ways, and both of its data sets."""
    for method in ('advent', 'intrada'):
        write_config(script, tmp_path, 'day2dusk', method)
    path = tmp_path / script.config_name('day2dusk', 'intrada')
    path.write_text(
        path.read_text()
        + 'pseudo_label_generator = dict(selection="all")\n'
        + 'for name, own in (("source", "easy"), ("target", "hard")):\n'
        + '    train_dataloader["dataset"][name] = dict(\n'
        + '        branch, pseudo_labels="x", frame_list=f"x/{own}.txt")\n'
    )
    clear(script)
    first, second = script.steps(script.Key('day2dusk', 'intrada', 'main', 0), Path('w'))
    for step, suffix in ((first, ''), (second, '_second')):
        labels = f'w/day2dusk/intrada/seed0{suffix}_pseudo_labels'
        labelling, training = step.commands
        assert labelling[labelling.index('--out') + 1] == labels
        source = f'w/day2dusk/advent/seed0{suffix}/iter_4.pth'
        assert source in labelling and f'model.source_checkpoint={source}' in training
        for branch, name in (('source', 'easy'), ('target', 'hard')):
            key = f'train_dataloader.dataset.{branch}'
            assert f'{key}.pseudo_labels={labels}' in training
            assert f'{key}.frame_list={labels}/{name}.txt' in training
            for command in (labelling, training):
                assert (f'{key}.half=second' in command) == (suffix != '')


def test_rows_start_from_rows_and_data_can_be_elsewhere(script):
    key = script.Key('mini', 'vst', 'from-image-adv', 0)
    (step,) = script.steps(key, Path('w'), Path('/elsewhere'))
    command = step.commands[-1]
    assert command[1] == 'configs/vat_vst/vst_effnet-lite0_mini.py'
    assert 'model.source_checkpoint=w/mini/vat_image-adv/seed0/iter_4.pth' in command
    assert 'val_dataloader.dataset.data_root=/elsewhere/minidrive/x' in command
    # As a user with the usual folders types it.
    line = script.command_line(key)
    assert line.startswith('python tools/generate_pseudo_labels.py configs/vat_vst/vst_')
    assert ' && python tools/train.py ' in line and '/elsewhere' not in line
    assert 'work_dirs/small_results/mini/vst_from-image-adv/seed0' in line


def test_rows_change_the_config_of_their_method(script):
    labelling, training = script.steps(script.Key('mini', 'vst', 'class-balanced', 0))[0].commands
    assert 'pseudo_label_generator.selection=class_balanced' in labelling
    assert 'model.refinement=None' in training and 'model.regulariser=None' in training
    assert 'pseudo_label_generator.aggregate=False' in labelling
    (training,) = script.steps(script.Key('mini', 'stpl', 'temporal-only', 0))[0].commands
    assert 'model.contrast=temporal' in training and 'model.fusion=None' in training
    rows = ('main', 'temporal-only', 'spatial-only')
    assert len({script.fingerprint('mini', 'stpl', row) for row in rows}) == 3


def test_rows_change_how_long_their_method_is_trained(module):
    (step,) = module.steps(module.Key('mini', 'tps', 'twice', 0))
    assert 'train_cfg.max_iters=200' in step.commands[-1]
    assert step.result.name == 'iter_200.pth'
    assert str(step.result) in step.temporal


def test_seeds_are_outermost_and_starts_come_first(script):
    keys = script.wanted(['mini'], ['stpl', 'vst', 'vat', 'source-only'], ['main'], [0, 1])
    assert [(key.seed, key.method) for key in keys] == [
        *((0, 'source-only'), (0, 'stpl'), (0, 'vat'), (0, 'vst')),
        *((1, 'source-only'), (1, 'stpl'), (1, 'vat'), (1, 'vst')),
    ]
    # Methods before rows, even if they are later in a chain.
    keys = script.wanted(['mini'], ['vat', 'vst'], ['main', 'image-adv'], [0, 1])
    assert [(key.seed, key.method, key.row) for key in keys][:4] == [
        *((0, 'vat', 'main'), (0, 'vst', 'main'), (0, 'vat', 'image-adv'), (1, 'vat', 'main'))
    ]
    # Rows are of one benchmark.
    rows = script.wanted(['mini', 'day2dusk'], ['vat'], ['image-adv'], [0])
    assert [(key.benchmark, key.row) for key in rows] == [('mini', 'image-adv')]


def test_trains_what_is_missing(script, tmp_path, monkeypatch, capsys):
    calls = tool(script, monkeypatch, lambda command: False)
    plan = plan_of(script, tmp_path, ('mini', 'vst', 'main', 0), ('mini', 'vat', 'main', 0))
    assert [key.method for key in plan.train] == ['source-only', 'vat', 'vst']
    assert not work(script, plan, tmp_path, jobs=2).failed
    assert [command[0] for command in calls] == [
        *('tools/train.py', 'tools/train.py', 'tools/generate_pseudo_labels.py', 'tools/train.py')
    ]
    assert (
        '[3/3] mini, vst, seed 0: 30.0 mIoU, 0.2 min; about 0 min left' in capsys.readouterr().out
    )
    entries = script.read_results(tmp_path / 'results.json')
    assert [entry['method'] for entry in entries] == ['source-only', 'vat', 'vst']
    assert len((tmp_path / 'results.json').read_text().splitlines()) == 3 + 2
    # 4 iterations of 3 seconds; no pole in the data.
    assert entries[2]['minutes'] == 0.2
    assert entries[2]['classes'] == {'road': 60.0, 'pole': None}
    assert entries[2]['config'] == 'configs/vat_vst/vst_effnet-lite0_mini.py'
    assert entries[2]['data'] == 'data of mini' and 'ways' not in entries[2]
    # Nothing is left to do, with the runs or without them.
    key = ('mini', 'vst', 'main', 0)
    assert plan_of(script, tmp_path, key, entries=entries).train == []
    assert plan_of(script, tmp_path / 'empty', key, entries=entries).train == []
    # Without the objects, they are made from the runs.
    assert len(plan_of(script, tmp_path, key).train) == 3
    work(script, plan_of(script, tmp_path, key), tmp_path)
    assert len(calls) == 4
    # A new method needs the source model's weights.
    plan = plan_of(script, tmp_path / 'empty', ('mini', 'stpl', 'main', 0), entries=entries)
    assert [key.method for key in plan.train] == ['source-only', 'stpl']
    assert not list(tmp_path.glob('**/*.lock'))


def test_temporal_consistency_where_frames_follow_each_other(script, tmp_path, monkeypatch):
    calls = tool(script, monkeypatch, lambda command: False)
    key = ('mini', 'source-only', 'main', 0)
    (step,) = script.steps(script.Key(*key), tmp_path, Path('/elsewhere'))
    file = tmp_path / 'mini/source-only/seed0' / script.TEMPORAL
    assert step.temporal == [
        'tools/analysis/temporal_consistency.py',
        'configs/source_only/effnet-lite0_mini.py',
        str(file.with_name('iter_4.pth')),
        *('--flow-name', 'DIS', '--json', str(file)),
        *('--cfg-options', 'test_dataloader.dataset.data_root=/elsewhere/minidrive/x'),
    ]
    assert 'temporal_consistency.py' in script.command_line(script.Key(*key))
    assert script.steps(script.Key('day2dusk', 'vat', 'main', 0))[0].temporal is None
    work(script, plan_of(script, tmp_path, key), tmp_path)
    (entry,) = script.read_results(tmp_path / 'results.json')
    assert entry['TC'] == 70.0
    # An object of before lacks it; a run that is still there is not trained anew.
    file.unlink()
    del entry['TC']
    plan = plan_of(script, tmp_path, key, entries=[entry])
    assert plan.notes == ['mini, source-only, seed 0: it has no TC: --again measures it']
    assert plan.train == []
    # Others may start from it all the same.
    other = ('mini', 'stpl', 'main', 0)
    plan = plan_of(script, tmp_path, other, entries=[entry])
    assert [key.method for key in plan.train] == ['source-only', 'stpl'] and plan.notes == []
    work(script, plan_of(script, tmp_path, key, entries=[entry], again=True), tmp_path)
    assert script.read_results(tmp_path / 'results.json')[0]['TC'] == 70.0 and len(calls) == 1


def test_scores_are_means_of_the_ways(script, tmp_path, monkeypatch):
    tool(script, monkeypatch, lambda command: False)
    plan = plan_of(script, tmp_path, ('day2dusk', 'source-only', 'main', 0))
    assert not work(script, plan, tmp_path).failed
    (entry,) = script.read_results(tmp_path / 'results.json')
    assert entry['mIoU'] == 25.0 and entry['minutes'] == 0.2
    assert entry['ways'] == {
        'first': {'mIoU': 30.0, 'aAcc': 80.0},
        'second': {'mIoU': 20.0, 'aAcc': 80.0},
    }
    # Only the second way has poles.
    assert entry['classes'] == {'road': 60.0, 'pole': 4.0}


def test_a_failure_stops_only_what_needs_it(script, tmp_path, monkeypatch, capsys):
    tool(script, monkeypatch, lambda command: 'vat_effnet' in command[1])
    plan = plan_of(script, tmp_path, *(('mini', name, 'main', 0) for name in ('vst', 'stpl')))
    found = work(script, plan, tmp_path, jobs=2)
    assert {str(key): error for key, error in found.failed.items()} == {
        'mini, vat, seed 0': f'see {tmp_path}/mini/vat/seed0/train.log',
        'mini, vst, seed 0': 'starts from mini, vat, seed 0, which failed',
    }
    entries = script.read_results(tmp_path / 'results.json')
    assert [entry['method'] for entry in entries] == ['source-only', 'stpl']


def test_a_changed_config(script, tmp_path, monkeypatch):
    calls = tool(script, monkeypatch, lambda command: False)
    keys = [('mini', name, 'main', 0) for name in ('source-only', 'vat', 'stpl')]
    work(script, plan_of(script, tmp_path, *keys), tmp_path)
    entries = script.read_results(tmp_path / 'results.json')
    # Workers and paths do not decide a result.
    write_config(script, tmp_path, 'mini', 'vat', more='train_dataloader["num_workers"] = 0\n')
    clear(script)
    assert plan_of(script, tmp_path, *keys, entries=entries).notes == []
    write_config(script, tmp_path, 'mini', 'vat', more='model["weight"] = 0.1\n')
    clear(script)
    plan = plan_of(script, tmp_path, *keys, entries=entries)
    text = 'its config or that of a model that it starts from has changed: --again trains it anew'
    assert plan.notes == [f'mini, vat, seed 0: {text}'] and plan.train == []
    # What starts from it has no source.
    plan = plan_of(script, tmp_path, ('mini', 'vst', 'main', 0), entries=entries)
    assert plan.train == [] and plan.notes[-1].endswith('starts from mini, vat, seed 0')
    plan = plan_of(script, tmp_path, *keys, entries=entries, again=True)
    assert [key.method for key in plan.train] == ['vat']
    del calls[:]
    work(script, plan, tmp_path)
    assert [command[-1] for command in calls] == ['--overwrite']
    renewed = script.read_results(tmp_path / 'results.json')
    assert [entry['method'] for entry in renewed] == ['source-only', 'stpl', 'vat']
    assert renewed[2]['fingerprint'] != entries[2]['fingerprint']
    monkeypatch.setattr(script, 'data_digest', lambda key, root: 'others')
    plan = plan_of(script, tmp_path, keys[0], entries=renewed)
    assert 'the data have changed' in plan.notes[0]


def test_another_start_model_of_the_same_seed(script, tmp_path, monkeypatch):
    """What another machine trains to another score is no longer what the others started from."""
    calls = tool(script, monkeypatch, lambda command: False)
    keys = [('mini', name, 'main', 0) for name in ('source-only', 'vat', 'stpl')]
    work(script, plan_of(script, tmp_path, *keys), tmp_path)
    entries = script.read_results(tmp_path / 'results.json')
    assert [entry.get('start_mIoU') for entry in entries] == [None, 30.0, 30.0]
    entries[0]['mIoU'] = 31.0
    script.write_results(tmp_path / 'results.json', entries)
    plan = plan_of(script, tmp_path, *keys, entries=entries)
    text = 'the model that it starts from was trained anew: --again trains it anew'
    assert plan.notes == [f'mini, {name}, seed 0: {text}' for name in ('vat', 'stpl')]
    del calls[:]
    work(script, plan_of(script, tmp_path, *keys, entries=entries, again=True), tmp_path)
    assert [command[-1] for command in calls] == ['--overwrite', '--overwrite']
    entries = script.read_results(tmp_path / 'results.json')
    assert [entry.get('start_mIoU') for entry in entries] == [None, 31.0, 31.0]
    assert plan_of(script, tmp_path, *keys, entries=entries).notes == []


def test_the_digest_of_data(module, tmp_path):
    """MiniDrive's files may differ in size from CPU to CPU; nothing else's may."""
    images = tmp_path / 'camvid/images'
    images.mkdir(parents=True)
    (tmp_path / 'camvid/labels').mkdir()

    def digest(sizes: Sequence[int] = (5, 6), **made: object) -> str:
        for number, size in enumerate(sizes):
            for path in (f'images/a_f0000{number}.png', f'labels/a_f0000{number}.png'):
                (tmp_path / 'camvid' / path).write_bytes(bytes(size))
        if made:
            settings = dict(seed=0, size=[256, 128], camvid_size=[320, 240], acdc=0)
            marker = dict(version=1, settings=settings | made, complete=True)
            (tmp_path / 'minidrive.json').write_text(json.dumps(marker))
        module._dataset_digest.cache_clear()
        root = str(tmp_path / 'camvid')
        return module._dataset_digest(json.dumps(dict(type='CamVidDataset', data_root=root)))

    assert digest() == digest() != digest((5, 7))
    found = digest(seed=0)
    assert found == digest((5, 7)) == digest(acdc=8)
    others = [digest(seed=1), digest(camvid_size=[64, 48]), digest((5, 6, 7), seed=0)]
    assert len({found, *others}) == 4


ROUNDS = 'rounds = [{}, {}]\n' + LABELS
IN_ROUNDS = ('mini', 'cbst', 'main', 0)


def train_rounds(script, tmp_path) -> dict:
    """Trains a method in rounds; its object."""
    write_config(script, tmp_path, 'mini', 'cbst', more=ROUNDS)
    clear(script)
    work(script, plan_of(script, tmp_path, IN_ROUNDS), tmp_path)
    return script.read_results(tmp_path / 'results.json')[-1]


def train_changed_rounds(script, tmp_path, monkeypatch, entry, names) -> tuple:
    """Trains it again with another config; what `names` returns before each call of a tool."""
    write_config(script, tmp_path, 'mini', 'cbst', more=ROUNDS + 'model["weight"] = 0.1\n')
    clear(script)
    seen = []
    keep = script.Work._call

    def call(self, command, log):
        seen.append(sorted(names()))
        keep(self, command, log)

    monkeypatch.setattr(script.Work, '_call', call)
    plan = plan_of(script, tmp_path, IN_ROUNDS, entries=[entry], again=True)
    return work(script, plan, tmp_path), seen


def test_rounds_of_another_config_are_not_gone_on_with(script, tmp_path, monkeypatch):
    tool(script, monkeypatch, lambda command: False)
    entry = train_rounds(script, tmp_path)
    # Both rounds: 4 iterations of 3 seconds each.
    assert entry['method'] == 'cbst' and entry['minutes'] == 0.4
    folder = tmp_path / 'mini/cbst'
    for name in ('seed0_target_labels_round1', 'seed0_source_labels', 'seed1_target_labels'):
        (folder / name).mkdir()

    def folders():
        return [path.name for path in folder.iterdir() if path.is_dir()]

    _, seen = train_changed_rounds(script, tmp_path, monkeypatch, entry, folders)
    assert [name for name in seen[0] if 'lock' not in name] == ['seed0', 'seed1_target_labels']


def test_the_last_round_of_another_config_is_not_gone_on_with(script, tmp_path, monkeypatch):
    """tools/run_phases.py resumes each round from what its folder names."""
    calls = tool(script, monkeypatch, lambda command: False)
    entry = train_rounds(script, tmp_path)
    folder = tmp_path / 'mini/cbst/seed0'
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_4.pth'))
    for name in ('iter_2.pth', 'iter_3.pth', 'best_mIoU_iter_4.pth'):
        (folder / name).write_text('weights')
    del calls[:]

    def files():
        return [path.name for path in folder.iterdir() if path.is_file()]

    found, seen = train_changed_rounds(script, tmp_path, monkeypatch, entry, files)
    assert not found.failed and [command[0] for command in calls] == ['tools/run_phases.py']
    assert seen[0] == [script.ORIGIN]


def test_an_interrupted_training_continues(script, tmp_path, monkeypatch):
    failing = True
    calls = tool(script, monkeypatch, lambda command: failing)
    key = ('mini', 'source-only', 'main', 0)
    assert work(script, plan_of(script, tmp_path, key), tmp_path).failed
    failing = False
    assert not work(script, plan_of(script, tmp_path, key), tmp_path).failed
    assert [command[-1] for command in calls] == ['--overwrite', '--resume']


def test_a_run_of_another_call_is_waited_for(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, 'LATER', 0.2)
    calls = tool(script, monkeypatch, lambda command: False)
    keys = [('mini', name, 'main', 0) for name in ('source-only', 'oracle')]
    plan = plan_of(script, tmp_path, *keys)
    found = script.Work(plan.train, plan.origins, tmp_path, results=tmp_path / 'results.json')
    with WorkDirLock(tmp_path / 'mini/source-only/seed0.lock'):
        thread = threading.Thread(target=found.run, args=(1,))
        thread.start()
        for _ in range(200):  # the other one is trained meanwhile
            if calls:
                break
            thread.join(0.1)
        thread.join(0.5)  # time to look at the lock again
        assert thread.is_alive() and len(calls) == 1 and 'configs/oracle' in calls[0][1]
    thread.join(20)
    assert not thread.is_alive() and len(calls) == 2 and not found.failed


@pytest.fixture
def sfm(script, tmp_path, monkeypatch) -> list[list[str]]:
    """Calls of the tools; the phases of an SFM leave their results."""
    calls = tool(script, monkeypatch, lambda command: False)
    keep = script.Work._call

    def call(self, command, log):
        keep(self, command, log)
        for word in command[1:] if command[0] == 'tools/run_phases.py' else ():
            if word.startswith('configs/sfc/'):
                folder = tmp_path / 'work_dirs/sfc' / Path(word).stem
                folder.mkdir(parents=True, exist_ok=True)
                (folder / 'iter_4.pth').write_text('weights')

    monkeypatch.setattr(script.Work, '_call', call)
    return calls


def phases(calls: list[list[str]]) -> list[list[str]]:
    return [command[1:] for command in calls if command[0] == 'tools/run_phases.py']


def test_sfm_is_trained_once(script, tmp_path, sfm):
    plan = plan_of(script, tmp_path / 'w', *(('mini', 'sfc', 'main', seed) for seed in (0, 1)))
    assert not work(script, plan, tmp_path / 'w').failed
    names = ['configs/sfc/flownets_miniviper.py', 'configs/sfc/sfm_miniviper.py']
    assert phases(sfm) == [[name] for name in names]
    entries = script.read_results(tmp_path / 'w/results.json')
    assert entries[-1]['command'].startswith('python tools/run_phases.py configs/sfc/flownets_')
    # One that was trained by hand, or before the first phase had an origin, stays.
    folders = [tmp_path / 'work_dirs/sfc' / Path(name).stem for name in names]
    (folders[0] / script.ORIGIN).unlink()
    plan = plan_of(script, tmp_path / 'w', ('mini', 'sfc', 'main', 2))
    for content in (json.dumps(script.sfm_digest('mini')), None):
        file = folders[1] / script.ORIGIN
        file.unlink() if content is None else file.write_text(content)
        assert script.outdated_sfm('mini', None) == []
    assert not work(script, plan, tmp_path / 'w').failed
    assert len(phases(sfm)) == 2
    # All that may be of another config are named.
    file.write_text('"another"')
    plan = plan_of(script, tmp_path / 'w', ('mini', 'sfc', 'main', 3))
    found = work(script, plan, tmp_path / 'w')
    text = f'{folders[0]} and {folders[1]}: of other configs or data than today, delete it'
    assert text in found.failed.values()


@pytest.mark.parametrize('what', ['config', 'data'])
def test_an_outdated_phase_of_the_sfm(script, tmp_path, sfm, monkeypatch, what):
    """The FlowNet, whichever SFM is trained with it, and what was trained with it."""
    plan = plan_of(script, tmp_path / 'w', ('mini', 'sfc', 'main', 0))
    assert not work(script, plan, tmp_path / 'w').failed
    if what == 'config':
        path = tmp_path / 'sfc/flownets_miniviper.py'
        path.write_text(path.read_text() + 'model["weight"] = 0.1\n')
        clear(script)
    else:
        monkeypatch.setattr(
            script,
            'files_digest',
            lambda cfg, root: 'others' if 'flownets' in cfg.model.type else 'data of sfm_miniviper',
        )
    flownet, sfm_net = (
        tmp_path / 'work_dirs/sfc' / name for name in ('flownets_miniviper', 'sfm_miniviper')
    )
    assert script.outdated_sfm('mini', None) == [flownet, sfm_net]
    assert script.outdated_sfm('mini2camvid', None) == [flownet]
    shutil.rmtree(flownet)
    assert script.outdated_sfm('mini', None) == [sfm_net]
    assert script.outdated_sfm('mini2camvid', None) == []


def test_data_of_the_sfm_that_are_gone(script, tmp_path, sfm, monkeypatch):
    plan = plan_of(script, tmp_path / 'w', ('mini', 'sfc', 'main', 0))
    assert not work(script, plan, tmp_path / 'w').failed

    def gone(cfg, root):
        raise FileNotFoundError(root)

    monkeypatch.setattr(script, 'files_digest', gone)
    assert script.outdated_sfm('mini', None) == []


def test_each_phase_of_the_sfm_has_its_own_data(script, tmp_path):
    (tmp_path / 'sfc/sfm_minicamvid.py').write_text(
        CONFIG.format(kind='SFM').replace('data/minidrive/x', 'data/minidrive/camvid')
    )
    commands = script.sfm_commands('mini2camvid', Path('/d'))
    for command, name, root in zip(
        commands, script.SFM['mini2camvid'], ('/d/minidrive/x', '/d/minidrive/camvid'), strict=True
    ):
        assert command[:2] == ['tools/run_phases.py', f'configs/{name}']
        assert f'train_dataloader.dataset.source.data_root={root}' in command
        assert {word.partition('=')[2] for word in command[3:]} == {root}


def test_benchmarks_share_a_phase_of_their_sfm(script, tmp_path, sfm, monkeypatch):
    """They do not train it at the same time."""
    training, twice = threading.Lock(), []
    keep = script.Work._call

    def call(self, command, log):
        own = command[1:2] == ['configs/sfc/flownets_miniviper.py']
        if own and not training.acquire(blocking=False):
            twice.append(command)
            own = False
        threading.Event().wait(0.5 * own)
        keep(self, command, log)
        if own:
            training.release()

    monkeypatch.setattr(script.Work, '_call', call)
    for method in ('source-only', 'sfc'):
        write_config(script, tmp_path, 'mini2camvid', method)
    clear(script)
    keys = [(name, 'sfc', 'main', 0) for name in ('mini', 'mini2camvid')]
    assert not work(script, plan_of(script, tmp_path / 'w', *keys), tmp_path / 'w', jobs=2).failed
    assert not twice
    assert sorted(name for (name,) in phases(sfm)) == [
        *('configs/sfc/flownets_miniviper.py', 'configs/sfc/sfm_minicamvid.py'),
        'configs/sfc/sfm_miniviper.py',
    ]


def test_a_missing_config(script, tmp_path):
    plan = plan_of(script, tmp_path, ('mini2camvid', 'stpl', 'main', 0))
    assert plan.train == []
    assert plan.notes == [
        'mini2camvid, stpl, seed 0: there is no configs/stpl/accel-effnet-lite0_mini2camvid.py'
    ]
    plan = plan_of(script, tmp_path, ('day2dusk', 'sfc', 'main', 0))
    assert plan.notes == ['day2dusk, sfc, seed 0: there is no configs/sfc/flownets_camvid-day.py']


def test_dry_run(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['x', '--dry-run', '--benchmarks', 'mini', '--seeds', '0'])
    monkeypatch.setattr(script, 'RESULTS', tmp_path / 'results.json')
    monkeypatch.chdir(tmp_path)
    script.main()
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith('python tools/train.py configs/source_only/effnet-lite0_mini.py')
    assert sum('run_phases.py' in line for line in lines) == 2  # FlowNet and SFM
    assert 'left out: mini, dacs, seed 0: there is no configs/dacs/effnet-lite0_mini.py' in err
    assert not list(tmp_path.glob('work_dirs'))
