"""VAT and VST as a user trains them: resumed, in two processes, phase after phase."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate
from tests.tools.forked import start_tool

CONFIGS = Path('configs/vat_vst')
NAME = 'deeplabv2-r18_miniviper2minivps'
TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('minidrive')
    generate(
        folder,
        Settings(
            size=(96, 48),
            viper=2,
            viper_val=0,
            viper_frames=4,
            synthia=0,
            cityscapes=0,
            cityscapes_val=0,
            gta=0,
            synthia_rand=0,
            cityscapes_vps=2,
            cityscapes_vps_val=1,
        ),
    )
    return folder


@pytest.fixture
def config(data, tmp_path):
    """A config of small frames without random transforms, with a source checkpoint."""

    def make(name, **options):
        cfg = Config.fromfile(CONFIGS / name)
        cfg.merge_from_dict(
            dict(
                {
                    'model.student.segmentor.backbone.base_channels': 4,
                    'model.student.segmentor.backbone.stem_channels': 4,
                    'model.student.segmentor.decode_head.in_channels': 32,
                    'train_cfg.val_interval': 100,
                    'default_hooks.checkpoint.save_best': None,
                    'train_dataloader.batch_size': 2,
                },
                **options,
            )
        )
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
        pair = cfg.train_dataloader.dataset
        pair.target.data_root = cfg.val_dataloader.dataset.data_root = str(data / 'cityscapes_vps')
        if pair.source is not None:
            pair.source.data_root = str(data / 'viper')
        owners = [
            pair.source,
            pair.target,
            cfg.val_dataloader.dataset,
            cfg.get('pseudo_label_generator'),
        ]
        for owner in filter(None, owners):
            owner.pipeline = [
                dict(t, scale=(96, 48)) if t['type'] == 'ClipResize' else t
                for t in owner.pipeline
                if t['type'] not in ('ClipFlip', 'ClipPhotoMetricDistortion')
            ]
        cfg.test_dataloader = cfg.val_dataloader
        if name.startswith('vat'):
            torch.manual_seed(0)
            student = MODELS.build(cfg.model.student)
            cfg.model.source_checkpoint = str(tmp_path / 'source.pth')
            torch.save(
                dict(state_dict={f'student.{k}': v for k, v in student.state_dict().items()}),
                tmp_path / 'source.pth',
            )
        path = tmp_path / name
        cfg.dump(path)
        return path

    return make


def load(path):
    return torch.load(path, weights_only=False)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


def test_resumed_run_continues_as_an_uninterrupted_one(config, tmp_path, run_tool):
    """Both players, their optimisers and schedules, to the last bit."""
    path = config(f'vat_{NAME}.py')
    for folder, runs in (('whole', [4]), ('parts', [2, 4])):
        for iters in runs:
            run_tool(
                'train.py',
                path,
                '--work-dir',
                tmp_path / folder,
                '--resume',
                '--cfg-options',
                f'train_cfg.max_iters={iters}',
            )
    whole, parts = (load(tmp_path / folder / 'iter_4.pth') for folder in ('whole', 'parts'))
    assert any(key.startswith('discriminator.') for key in whole['state_dict'])
    assert set(whole['optimizer']) == set(whole['param_schedulers']) == {'student', 'discriminator'}
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(whole[key], parts[key])
    start = load(tmp_path / 'parts/iter_2.pth')['state_dict']
    assert any(
        not torch.equal(start[key], value)
        for key, value in parts['state_dict'].items()
        if key.startswith('discriminator.')
    )


def test_two_processes_learn_what_one_does(config, tmp_path, run_tool):
    """One step on the same global batch; statistics of batch norm stay out of it."""
    path = config(
        f'vat_{NAME}.py',
        **{
            'model.norm_eval': True,
            'train_cfg.max_iters': 1,
            'model.adversarial_weight': 1.0,
            # Plain steps, since Adam's first one is the sign of the gradient.
            'optim_wrapper.student.optimizer': dict(type='SGD', lr=0.1, _delete_=True),
            'optim_wrapper.discriminator.optimizer': dict(type='SGD', lr=0.1, _delete_=True),
        },
    )
    run_tool('train.py', path, '--work-dir', tmp_path / 'one')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        str(TOOLS / 'train.py'),
        str(path),
        '--work-dir',
        str(tmp_path / 'two'),
        '--launcher',
        'pytorch',
        '--cfg-options',
        'train_dataloader.batch_size=1',
    ]
    env = dict(
        os.environ,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        WORLD_SIZE='2',
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
    )
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ranks = [
        start_tool(command, env=dict(env, RANK=rank, LOCAL_RANK=rank), **pipes) for rank in '01'
    ]
    for process in ranks:
        with process:
            said = process.stdout.read()
        assert process.returncode == 0, said
    one, two = (load(tmp_path / folder / 'iter_1.pth')['state_dict'] for folder in ('one', 'two'))
    start = load(tmp_path / 'source.pth')['state_dict']
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-5)
    moved = [
        key
        for key, value in start.items()
        if value.is_floating_point() and (one[key] - value).abs().max() > 1e-4
    ]
    assert moved


def test_phases_in_one_command(config, tmp_path, run_tool, steps_in_process, capfd):
    labels = tmp_path / 'labels'
    folders = [str(tmp_path / name) for name in ('vat', 'vst')]
    vat = config(f'vat_{NAME}.py', work_dir=folders[0], **{'train_cfg.max_iters': 1})
    vst = config(
        f'vst_{NAME}.py',
        work_dir=folders[1],
        **{
            'train_cfg.max_iters': 1,
            'model.source_checkpoint': f'{folders[0]}/iter_1.pth',
            'train_dataloader.dataset.target.pseudo_labels': str(labels),
        },
    )
    with pytest.raises(SystemExit, match='no config before it makes'):
        run_tool('run_phases.py', vst, vat)
    run_tool('run_phases.py', vat, vst)
    assert len(list(labels.glob('*/*.png'))) == 2 * 22
    first, second = (load(f'{folder}/iter_1.pth')['state_dict'] for folder in folders)
    key = 'student.segmentor.backbone.conv1.weight'
    assert not torch.equal(first[key], second[key])
    assert not any(name.startswith('discriminator') for name in second)

    # What is done is not done again; what is missing is.
    time = (tmp_path / 'vat/iter_1.pth').stat().st_mtime_ns
    (tmp_path / 'vst/iter_1.pth').unlink()
    (tmp_path / 'vst/last_checkpoint').unlink()
    capfd.readouterr()
    run_tool('run_phases.py', vat, vst)
    out = capfd.readouterr().out
    assert out.count('done already') == 1 and (tmp_path / 'vst/iter_1.pth').is_file()
    assert (tmp_path / 'vat/iter_1.pth').stat().st_mtime_ns == time
