"""The code on docs/add_a_method.md: its test passes, and its config trains."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate
from mmdavss.testing.method_tests import MethodTests

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / 'docs/add_a_method.md'
#: The classes on the page.
NAMES = ('EntropyMinimisation', 'ContrastOfViews', 'ConsistentViews', 'OutputSpace', 'InnerLabels')
#: The tests of the harness, less the one that starts processes, which do not find the page's files.
HARNESS = [name for name in vars(MethodTests) if name.startswith('test_') and 'two_pro' not in name]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The files of the page, in a folder that Python finds and that is the current one."""
    for name, code in re.findall(r'```python\n# (\w+\.py)\n(.*?)```', PAGE.read_text(), re.S):
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for module in ('entropy_method', 'four_kinds'):
        sys.modules.pop(module, None)
    for name in NAMES:
        MODELS._module_dict.pop(name, None)


def test_the_page_has_its_files(written):
    assert sorted(path.name for path in written.glob('*.py')) == [
        'entropy_method.py',
        'entropy_minidrive.py',
        'four_kinds.py',
        'test_entropy.py',
        'test_four_kinds.py',
        'test_harness.py',
    ]


def test_the_test_on_the_page_passes(written):
    tests = runpy.run_path('test_entropy.py')
    tests['test_only_norm_layers_learn_and_the_entropy_falls']()


def run_harness(folder: Path, file: str, kind: str, case: str, name: str) -> None:
    """One test of the harness on a row of the page."""
    tests = runpy.run_path(file)[kind]
    test = getattr(tests(), name)
    arguments = dict(case=tests.cases[case], tmp_path=folder)
    test(**{key: arguments[key] for key in inspect.signature(test).parameters})


@pytest.mark.parametrize('name', HARNESS)
def test_the_harness_on_the_page_passes(written, name):
    run_harness(written, 'test_harness.py', 'TestEntropy', 'entropy', name)


@pytest.mark.parametrize('name', HARNESS)
@pytest.mark.parametrize(
    'case', ['contrast', 'mean_teacher', 'adversarial', 'offline_self_training']
)
def test_each_of_the_four_kinds_passes(written, case, name):
    run_harness(written, 'test_four_kinds.py', 'TestFourKinds', case, name)


def test_the_config_on_the_page_trains(written):
    generate(
        written / 'data/minidrive',
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=2,
            cityscapes_val=1,
            snippet_frames=(18, 19),
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
        progress=False,
    )
    cfg = Config.fromfile('entropy_minidrive.py')
    # The source model: what the config waits for, untrained.
    source = Path(cfg.model.source_checkpoint)
    source.parent.mkdir(parents=True)
    student = MODELS.build(cfg.model.student)
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        source,
    )
    cfg.merge_from_dict(
        dict(
            work_dir='out',
            train_cfg=dict(max_iters=2, val_interval=2),
            train_dataloader=dict(batch_size=2, num_workers=0, persistent_workers=False),
            val_dataloader=dict(num_workers=0, persistent_workers=False),
        )
    )
    Runner.from_cfg(cfg).train()
    state = torch.load('out/iter_2.pth', weights_only=False)['state_dict']
    # As the page says: batch norm has moved, convolutions have not.
    initial = torch.load(source)['state_dict']
    stem = 'student.segmentor.backbone.'
    assert not torch.equal(state[stem + 'bn1.weight'], initial[stem + 'bn1.weight'])
    assert torch.equal(state[stem + 'conv1.weight'], initial[stem + 'conv1.weight'])
