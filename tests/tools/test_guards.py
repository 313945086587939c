"""Runs that go wrong end with one message and keep what was good."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from torch import nn

import mmdavss
from mmdavss.methods import SePiCo
from mmdavss.minidrive.generate import Settings, generate


def files(folder: Path) -> dict[str, str]:
    """Checkpoints and their hashes."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob('iter_*.pth')
    }


@pytest.fixture
def toy(run_tool, toy_config, tmp_path, capfd):
    """Trains a toy with other parts, which fails; gives the message."""
    registered = []

    def train(model: type | None = None, dataset: type | None = None, *options: str) -> str:
        text = f'_base_ = {toy_config!r}\n'
        for registry, kind, line in (
            (MODELS, model, "model = dict(type='{}')\n"),
            (
                DATASETS,
                dataset,
                "train_dataloader = dict(num_workers=1, dataset=dict(type='{}'))\n",
            ),
        ):
            if kind is not None:
                registry.register_module(module=kind)
                registered.append((registry, kind.__name__))
                text += line.format(kind.__name__)
        config = tmp_path / 'config.py'
        config.write_text(text)
        with pytest.raises(SystemExit, match='1') as raised:
            run_tool(
                'train.py',
                config,
                '--work-dir',
                tmp_path / 'run',
                '--cfg-options',
                'train_cfg.max_iters=5',
                *options,
            )
        assert raised.value.__suppress_context__
        output = ''.join(capfd.readouterr())
        assert 'Traceback' not in output
        message = output[output.rindex('error: ') :].splitlines()[0]
        assert message in next((tmp_path / 'run').glob('*/*.log')).read_text()
        return message

    yield train
    for registry, name in registered:
        registry._module_dict.pop(name)


def toy_weight(loss):
    """The toy with another loss: `loss(weight, x)`."""
    from toy_task import ToyWeight

    class Other(ToyWeight):
        def __init__(self):
            super().__init__()
            # Large enough for the test with a limit on the size of files.
            self.register_buffer('ballast', torch.zeros(100_000))

        def forward(self, x, mode='tensor'):
            return (
                dict(loss_toy=loss(self.weight, x)) if mode == 'loss' else super().forward(x, mode)
            )

    return Other


def test_a_loss_that_is_nan(toy, tmp_path):
    """x is 0, 1, 2, ...; the loss is infinite at 2, the third iteration."""
    message = toy(toy_weight(lambda w, x: (w * x / (2 - x)).mean()))
    assert 'iteration 3: loss_toy is -inf' in message or 'iteration 3: loss_toy is nan' in message
    assert 'last good checkpoint' in message and 'iter_2.pth' in message
    assert set(files(tmp_path / 'run')) == {'iter_1.pth', 'iter_2.pth'}
    kept = torch.load(tmp_path / 'run/iter_2.pth', weights_only=False)['state_dict']
    assert kept['weight'].isfinite()


def test_a_gradient_that_is_nan(toy, tmp_path):
    """The root at 0: its value is finite, its slope is not, and zero times that is no number."""
    message = toy(toy_weight(lambda w, x: ((w * (x - 2)).abs().sqrt() if x == 2 else w * x).mean()))
    assert 'iteration 3: 1 tensors of the model are NaN or infinite (weight)' in message
    assert '(loss 0, loss_toy 0)' in message
    assert 'iter_2.pth' in files(tmp_path / 'run') and 'iter_3.pth' not in files(tmp_path / 'run')
    assert 'last good checkpoint' in message and 'iter_2.pth' in message


def test_a_gradient_that_is_nan_waits_for_no_checkpoint(toy, tmp_path):
    message = toy(
        toy_weight(lambda w, x: ((w * (x - 1)).abs().sqrt() if x == 1 else w * x).mean()),
        None,
        'default_hooks.checkpoint.interval=5',
    )
    assert 'iteration 2: 1 tensors of the model are NaN or infinite (weight)' in message
    assert not files(tmp_path / 'run')


def test_a_gradient_that_is_nan_and_waits_for_its_step(toy):
    message = toy(
        toy_weight(lambda w, x: ((w * (x - 2)).abs().sqrt() if x == 2 else w * x).mean()),
        None,
        'default_hooks.checkpoint.interval=6',
        'optim_wrapper.accumulative_counts=6',
    )
    assert 'iteration 3: 1 tensors of the model are NaN or infinite (gradient of weight)' in message


@pytest.mark.parametrize(
    ('number', 'words'), [(signal.SIGKILL, 'memory'), (signal.SIGBUS, '--shm-size')]
)
def test_a_worker_that_dies(number, words, toy, tmp_path):
    from toy_task import ToyNumbers

    class Dies(ToyNumbers):
        def __getitem__(self, index):
            if index == 3:
                os.kill(os.getpid(), number)
            return super().__getitem__(index)

    message = toy(None, Dies)
    assert 'error: a data-loading process' in message and words in message
    assert '--resume' in message or 'no checkpoint of this run yet' in message


def test_data_that_never_come(toy):
    """As from a network share whose server is away."""
    from toy_task import ToyNumbers

    class Hangs(ToyNumbers):
        def __getitem__(self, index):
            while index == 3:
                time.sleep(60)
            return super().__getitem__(index)

    message = toy(None, Hangs, 'default_hooks.data_timeout.seconds=1')
    assert 'no data came for 1 seconds' in message and 'share' in message
    assert 'data_timeout.seconds=SECONDS' in message and '--resume' in message


def test_a_teacher_that_nothing_moves(run_tool, tmp_path, capfd):
    """Masked images on a method that has no teacher without."""
    with pytest.raises(SystemExit, match='1'):
        run_tool(
            'train.py',
            'configs/advent/advent_effnet-lite0_mini.py',
            '--work-dir',
            tmp_path,
            '--cfg-options',
            'model.masked.type=MaskedConsistency',
        )
    said = capfd.readouterr()
    wanted = "`update_teacher` of AdvEnt, which is to move in training: add dict(type='EMATeach"
    assert wanted in said.out + said.err


def test_a_full_disk(toy, tmp_path):
    """A limit on the size of files, from the third iteration on, fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def loss(weight, x):
        if x.item() == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        return (weight * x).mean()

    try:
        message = toy(toy_weight(loss))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert '--work-dir' in message and 'ulimit' in message
    note = (tmp_path / 'run/last_checkpoint').read_text()
    assert 'iter_2.pth' in note and note in message
    kept = torch.load(note, weights_only=False)['state_dict']
    assert kept['weight'] == -1


def test_a_checkpoint_that_would_run_code(run_tool, toy_config, tmp_path, capfd):
    """In all places where a run can take one from."""

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'sprung'),)

    crafted = tmp_path / 'iter_2.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(())), meta=dict(iter=2, x=Trap())), crafted)
    (tmp_path / 'last_checkpoint').write_text(str(crafted))
    before = crafted.read_bytes()
    for name, *options in (
        ('train.py', '--work-dir', tmp_path, '--resume'),
        ('train.py', '--work-dir', tmp_path / 'new', '--cfg-options', f'load_from={crafted}'),
        ('test.py', crafted, '--work-dir', tmp_path / 'test'),
    ):
        with pytest.raises(SystemExit) as raised:
            run_tool(name, toy_config, *options)
        text = ''.join(capfd.readouterr()) + str(raised.value)
        assert 'iter_2.pth was not loaded' in text and 'mkdir' in text
        assert not (tmp_path / 'sprung').exists() and crafted.read_bytes() == before


# ------------------------------------------------------------------------------ with MiniDrive


CONFIGS = dict(
    sepico='configs/sepico/distcl_deeplabv2-r18_minigta2minicity.py',
    stpl='configs/stpl/accel-r18_miniviper2minicity.py',
)


@pytest.fixture(scope='module')
def minidrive(tmp_path_factory):
    root = tmp_path_factory.mktemp('minidrive')
    generate(
        root,
        Settings(
            size=(64, 32),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=2,
            cityscapes_val=1,
            snippet_frames=(18, 20),
            gta=4,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
        progress=False,
    )
    return root


def shrink(part: object) -> None:
    """A quarter of the channels."""
    if isinstance(part, dict):
        if 'base_channels' in part:
            part['base_channels'] //= 4
        if 'in_channels' in part:
            part['in_channels'] //= 4
        for inner in part.values():
            shrink(inner)


@pytest.fixture
def trains(minidrive, tmp_path, run_tool):
    """``trains('stpl', folder)``: two iterations with two processes that load data."""

    def train(method: str, folder: str) -> Path:
        cfg = Config.fromfile(CONFIGS[method])
        shrink(cfg.model)
        cfg.train_cfg.update(max_iters=2, val_interval=100)
        cfg.default_hooks.checkpoint.update(interval=1)
        cfg.train_dataloader.update(num_workers=2, batch_size=2)
        pair = cfg.train_dataloader.dataset
        pair.target.data_root = str(minidrive / 'cityscapes')
        cfg.val_dataloader.dataset.data_root = str(minidrive / 'cityscapes')
        if method == 'sepico':
            pair.source.data_root = str(minidrive / 'gta')
            pair.rare_class_sampling = None
            cfg.model.target_crop.crop_size = (24, 24)
            cfg.custom_hooks[1].contrast_start = 1
            cfg.model.statistics.bank_size = 4
        for branch in filter(None, (pair.source, pair.target)):
            for step in branch.pipeline:
                if step.type == 'ClipResize':
                    step.scale = (64, 36) if step.get('keep_ratio') else (64, 32)
                if step.type == 'ClipCrop':
                    step.crop_size = (24, 24)
        checkpoint = tmp_path / 'source.pth'
        if not checkpoint.exists():
            torch.manual_seed(3)
            student = MODELS.build(cfg.model.student)
            for parameter in student.parameters():
                nn.init.normal_(parameter, std=0.05)
            torch.save(
                dict(
                    state_dict={
                        f'student.{name}': value for name, value in student.state_dict().items()
                    }
                ),
                checkpoint,
            )
        cfg.model.source_checkpoint = str(checkpoint)
        config = tmp_path / f'{method}.py'
        cfg.dump(config)
        run_tool('train.py', config, '--work-dir', tmp_path / folder)
        return tmp_path / folder

    return train


@pytest.mark.parametrize('method', CONFIGS)
def test_the_same_seed_gives_the_same_run(method, trains, minidrive, tmp_path, capfd):
    first, second = (trains(method, folder) for folder in ('one', 'two'))
    assert 'weights_only' not in ''.join(capfd.readouterr())
    states = [torch.load(folder / 'iter_2.pth', weights_only=False) for folder in (first, second)]
    one, two = (state['state_dict'] for state in states)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    start = torch.load(tmp_path / 'source.pth')['state_dict']
    assert any(not torch.equal(one[name], start[name]) for name in start)
    # Only the run without source looks at its own predictions.
    assert ('collapse_reference' in states[0]['message_hub']['runtime_info']) == (method == 'stpl')

    reports = [
        json.loads(next(folder.glob('*/report.json')).read_text()) for folder in (first, second)
    ]
    assert reports[0]['versions']['mmdavss'] == mmdavss.__version__
    assert reports[0]['versions']['torch'] == torch.__version__
    assert reports[0]['seed'] == 0
    commit = reports[0]['git']['mmdavss']['commit']
    assert len(commit) == 40 and type(reports[0]['git']['mmdavss']['changed']) is bool
    assert reports[0]['starts_from'] == dict(
        path=str(tmp_path / 'source.pth'),
        resumed=False,
        sha256=hashlib.sha256((tmp_path / 'source.pth').read_bytes()).hexdigest(),
    )
    data = reports[0]['data']
    names = {'train.target', 'val'} | ({'train.source'} if method == 'sepico' else set())
    assert set(data) == names and all(found['files'] > 0 for found in data.values())
    assert reports[0]['config']['train_cfg']['max_iters'] == 2
    for report in reports:
        report.pop('command')
    assert json.dumps(reports[1]).replace(str(second), str(first)) == json.dumps(reports[0])


def test_nan_poisons_nothing(trains, monkeypatch, tmp_path, capfd):
    """In the second iteration an image is no number: all that remembers stays as it was."""
    groups, seen = SePiCo.loss_groups, []

    def poisoned(self, batch):
        if seen:
            batch.source.clip.frames.fill_(float('nan'))
        seen.append(self)
        return groups(self, batch)

    monkeypatch.setattr(SePiCo, 'loss_groups', poisoned)
    with pytest.raises(SystemExit, match='1'):
        trains('sepico', 'run')
    output = ''.join(capfd.readouterr())
    message = output[output.rindex('error: ') :]
    assert 'iteration 2: ' in message and 'source.' in message and 'source: ' in message
    assert set(files(tmp_path / 'run')) == {'iter_1.pth'}
    kept = torch.load(tmp_path / 'run/iter_1.pth', weights_only=False)['state_dict']
    assert all(value.isfinite().all() for value in kept.values())
    # Of the model as it was left, too.
    teacher = {
        name: value
        for name, value in seen[0].state_dict().items()
        if name.startswith('teacher') and 'running' not in name
    }
    assert teacher and all(value.isfinite().all() for value in teacher.values())
    assert all(value.isfinite().all() for value in seen[0].statistics.state_dict().values())
