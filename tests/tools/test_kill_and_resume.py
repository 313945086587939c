"""The short form of benchmarks/kill_and_resume.py: every method is killed and resumed once."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]
ITERS = 4  # a checkpoint after 2 and 4, scores after 4


@pytest.fixture(scope='module')
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'kill_and_resume', ROOT / 'benchmarks/kill_and_resume.py'
    )
    module = sys.modules['kill_and_resume'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def folder(script, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('kill_and_resume')
    script.small_data(folder / 'data')
    return folder


def test_checkpoints_in_the_order_of_their_iterations(script, tmp_path):
    names = ['iter_8.pth', 'iter_10.pth', 'iter_100.pth']
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in script.checkpoints_of(tmp_path)] == names


def kill(
    method: str, script: ModuleType, folder: Path, fault: object, code: int, note: str
) -> tuple[Path, Path]:
    """Runs it whole, and killed and resumed with another number of workers.

    Returns:
        Output folders of the two.
    """
    whole, killed = folder / method / 'whole', folder / method / 'killed'
    script.undisturbed(method, folder / 'data', folder, ITERS, workers=0)
    config = script.small_config(method, folder / 'data', folder, ITERS, workers=2)
    assert script.train(config, killed, fault) == code, killed.with_suffix('.log').read_text()
    assert Path((killed / 'last_checkpoint').read_text()).name == note
    assert script.train(config, killed) == 0, killed.with_suffix('.log').read_text()
    return whole, killed


METHODS = [
    'source_only',
    'adabn',
    'self_training',
    'stpl',
    'vat',
    'vst',
    'i2vda',
    'sepico_bankcl',  # has what DACS and the other two have
    'tps',
    'flow_pretraining',
    'sfm_pretraining',
    'sfc_tpl',
]


@pytest.mark.parametrize('method', METHODS)
def test_ends_as_if_nothing_had_happened(method, script, folder):
    fault = script.Fault('iteration', 2)
    whole, killed = kill(method, script, folder, fault, -signal.SIGKILL, 'iter_2.pth')
    assert script.differences(whole, killed) == []
    # Something was learned in between, and by every player.
    first, last = (
        torch.load(whole / f'iter_{i}.pth', weights_only=False)['state_dict'] for i in (2, 4)
    )
    for player in {name.split('.')[0] for name in last} & {'student', 'discriminator', 'teacher'}:
        assert any(
            not torch.equal(first[name], value)
            for name, value in last.items()
            if name.startswith(player)
        )


def test_stops_with_its_workers_when_all_get_the_signal(script, folder):
    fault = script.Fault('iteration', 2, 0.0, signal.SIGTERM, group=True)
    config = script.small_config('source_only', folder / 'data', folder, ITERS, workers=2)
    work_dir = folder / 'source_only/stopped'
    assert script.train(config, work_dir, fault) == 75, work_dir.with_suffix('.log').read_text()
    assert (work_dir / 'iter_3.pth').is_file() or (work_dir / 'iter_4.pth').is_file()
    assert 'DataLoader worker' not in work_dir.with_suffix('.log').read_text()


def test_a_run_ends_with_the_process_that_started_it(script, monkeypatch, tmp_path):
    """Killed, that one can end no run by itself."""
    (tmp_path / 'tools').mkdir()
    monkeypatch.setattr(script, 'ROOT', tmp_path)
    end, own = os.pipe()
    text = f"import os, time\nos.write({own}, b'x')\ntime.sleep(20)\n"
    (tmp_path / 'tools/sleep.py').write_text(text)
    starter = os.fork()
    if starter == 0:
        try:
            script.in_process(tmp_path / 'log', 'sleep.py')
        finally:
            os._exit(1)
    os.close(own)
    assert os.read(end, 1) == b'x'
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    # The run was the last one to hold the other end.
    assert select.select([end], [], [], 10)[0] and os.read(end, 1) == b''
    os.close(end)


def test_differences_are_found(script, folder, tmp_path):
    """The comparison itself, down to one bit of an optimiser."""
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'last_checkpoint').write_text('iter_4.pth')
        value = torch.ones(3)
        value[1] += torch.finfo().eps * (name == 'b')
        torch.save(
            dict(
                state_dict=dict(w=torch.ones(2)),
                optimizer=dict(state=[value]),
                message_hub=dict(runtime_info={}),
            ),
            tmp_path / name / 'iter_4.pth',
        )
    assert script.differences(tmp_path / 'a', tmp_path / 'a') == []
    assert script.differences(tmp_path / 'a', tmp_path / 'b') == ['iter_4.pth: optimizer.state.0']
    (tmp_path / 'b/best.pth').touch()
    assert 'the file best.pth' in script.differences(tmp_path / 'a', tmp_path / 'b')


def test_every_method_is_in(script):
    """A new method is to be added to the script.

    Two train as AdvEnt and CBST do, on lists of frames that further tools write before.
    """
    folders = {
        path.name
        for path in (ROOT / 'configs').iterdir()
        if path.is_dir() and not path.name.startswith('_')
    }
    assert {path.split('/')[0] for path in script.METHODS.values()} == folders - {
        'oracle',
        'intrada',
        'ccm',
    }
    assert set(METHODS) <= set(script.METHODS)
