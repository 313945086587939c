"""benchmarks/compare_checkouts.py: what counts as equal, and the order of the configs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'compare_checkouts', ROOT / 'benchmarks/compare_checkouts.py'
    )
    module = sys.modules['compare_checkouts'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def tasks(script) -> dict:
    return script.read_tasks(ROOT)


def save(folder: Path, weight: torch.Tensor, state: torch.Tensor, loss: str = '0.5') -> None:
    """What a training leaves."""
    (folder / 'a/vis_data').mkdir(parents=True)
    (folder / 'a/vis_data/scalars.json').write_text(
        f'{{"loss": {loss}, "time": {np.random.rand()}, "step": 1}}\n'
    )
    torch.save(
        dict(
            meta=dict(time=str(folder)),
            message_hub=dict(runtime_info=str(folder)),
            state_dict=dict(w=weight),
            optimizer=dict(state={0: dict(buffer=state)}, param_groups=[dict(lr=0.1)]),
        ),
        folder / 'iter_1.pth',
    )


def test_equal(script, tmp_path):
    nan = torch.tensor([float('nan'), 1.0])
    for name in 'ab':
        save(tmp_path / name, torch.ones(2, 3), nan)
    base, new = (script.weights(tmp_path / name / 'iter_1.pth') for name in 'ab')
    assert list(base) == ['state_dict.w', 'optimizer.state.0.buffer', 'optimizer.param_groups.0.lr']
    assert script.differences(base, new) == {}
    base, new = (script.losses(tmp_path / name) for name in 'ab')
    assert base['iteration 1 loss'] == 0.5
    assert script.differences(base, new) == {}


def test_one_bit_of_an_optimiser(script, tmp_path):
    state = torch.ones(3)
    other = state.clone()
    other[1] += torch.finfo().eps
    for name, value in dict(a=state, b=other).items():
        save(tmp_path / name, torch.ones(2), value)
    found = script.differences(*(script.weights(tmp_path / n / 'iter_1.pth') for n in 'ab'))
    assert found == {'optimizer.state.0.buffer': '1 of 3 values, by up to 1.19e-07'}


def test_one_bit_of_a_logged_loss(script, tmp_path):
    for name, loss in dict(a='0.5', b='0.5000000000000001').items():
        save(tmp_path / name, torch.ones(2), torch.ones(2), loss)
    found = script.differences(*(script.losses(tmp_path / name) for name in 'ab'))
    assert list(found) == ['iteration 1 loss']


@pytest.mark.parametrize(
    'base, new',
    [
        (torch.tensor(0.0), torch.tensor(-0.0)),
        (torch.tensor(1), torch.tensor(2)),
        (torch.tensor([True]), torch.tensor([False])),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.ones(2), torch.ones(1, 2)),
        (torch.ones(()), 1.0),
        (0.1, 0.2),
        (1, True),
    ],
)
def test_other_differences(script, base, new):
    assert list(script.differences(dict(x=base), dict(x=new))) == ['x']


def test_missing_tensors(script):
    base, new = dict(a=torch.ones(1), b=torch.ones(1)), dict(b=torch.ones(1), c=torch.ones(1))
    assert script.differences(base, new) == dict(a='missing in NEW', c='missing in BASE')


def test_labels(script, tmp_path):
    for name, value in dict(a=1, b=1, c=2).items():
        (tmp_path / name / 'city').mkdir(parents=True)
        image = np.ones((2, 3), np.uint8)
        image[1, 1] = value
        cv2.imwrite(str(tmp_path / name / 'city/0.png'), image)
    base, same, other = (script.labels(tmp_path / name) for name in 'abc')
    assert script.differences(base, same) == {}
    assert list(script.differences(base, other)) == ['city/0.png']


def test_every_need_is_trained_before(script, tasks):
    order = script.in_order(tasks, reversed(list(tasks)))
    assert sorted(task.config for task in order) == sorted(tasks)
    made = set()
    for task in order:
        assert made >= set(task.needs), task.config
        made.add(task.result)


def test_needs_of_the_chosen_are_added(script, tasks):
    names = script.choose(tasks, ['stpl/accel-r18_*minicity_duplicate'], camvid=False)
    assert [task.config for task in script.in_order(tasks, names)] == [
        'source_only/accel-r18_miniviper2minicity.py',
        'adabn/accel-r18_miniviper2minicity.py',
        'stpl/accel-r18_miniviper2minicity_duplicate.py',
    ]


def test_every_benchmark_is_compared(script, tasks, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'benchmarks')
    methods = importlib.import_module('small_methods')
    names = {
        benchmark: {methods.config_name(benchmark, method) for method in methods.METHODS}
        | set(methods.SFM[benchmark])
        for benchmark in methods.BENCHMARKS
    }
    shipped = {
        benchmark: {name for name in found if (ROOT / 'configs' / name).is_file()}
        for benchmark, found in names.items()
    }
    assert all(len(found) > 20 for found in shipped.values())
    assert set().union(*shipped.values()) <= set(script.choose(tasks, ['*'], camvid=True))
    without = set(script.choose(tasks, ['*'], camvid=False))
    assert shipped['mini'] <= without
    assert not without & (shipped['day2dusk'] | {n for n in tasks if 'camvid' in n})


def test_what_starts_later_starts_in_the_short_training(tasks):
    task = tasks['i2vda/deeplabv2-r18_miniviper2minivps.py']
    assert task.schedule == {'custom_hooks.0.launch': 100, 'custom_hooks.0.interval': 50}
    assert task.max_iters == 150


@pytest.fixture
def trainings(script, tasks, tmp_path, monkeypatch):
    (tmp_path / 'minidrive').mkdir()
    monkeypatch.setattr(script, 'read_tasks', lambda checkout: dict(tasks))
    return script.Trainings(ROOT, tmp_path / 'out', 1, tmp_path, None)


def test_a_commit_is_trained_once(script, trainings, monkeypatch):
    calls = []

    def call(tool: str, task, *arguments: object) -> None:
        calls.append((tool, task.config))
        if tool == 'train':
            (trainings.folder / task.folder / 'iter_1.pth').write_text(task.config)

    monkeypatch.setattr(trainings, '_call', call)
    config = 'sepico/distcl_deeplabv2-r18_minigta2minicity.py'
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            jobs = trainings.submit(pool, [config], script.Progress(2))
    source = 'source_only/deeplabv2-r18_minigta2minicity.py'
    assert calls == [('train', source), ('class_statistics', config), ('train', config)]
    assert all(job.exception() is None for job in jobs.values())
    # What others start from has the name of the whole training.
    assert (trainings.folder / trainings.tasks[config].needs[0]).read_text() == source


def test_source_frames_are_selected_after_the_labels(trainings, monkeypatch):
    calls = []

    def call(tool: str, task, *arguments: object) -> None:
        calls.append(tool)
        (trainings.folder / task.folder / 'iter_1.pth').touch()

    monkeypatch.setattr(trainings, '_call', call)
    trainings._run_tools(trainings.tasks['ccm/effnet-lite0_mini.py'])
    assert calls == ['generate_pseudo_labels', 'select_source', 'train']


def test_failures_are_named(script, trainings, monkeypatch):
    """A config whose start fails, or is made by no config, is not left out."""

    def call(tool: str, task, *arguments: object) -> None:
        raise script.Failure(f'{tool} failed')

    monkeypatch.setattr(trainings, '_call', call)
    source, adabn = (f'{m}/accel-r18_miniviper2minicity.py' for m in ('source_only', 'adabn'))
    with ThreadPoolExecutor(1) as pool:
        jobs = trainings.submit(pool, [adabn], script.Progress(2))
        del trainings.tasks[source]
        alone = trainings.submit(pool, [adabn], script.Progress(1))
    assert str(jobs[source].exception()) == 'train failed'
    assert 'source_only/accel-r18_miniviper2minicity/iter_800.pth' in str(jobs[adabn].exception())
    assert 'no small config trains work_dirs/source_only' in str(alone[adabn].exception())
