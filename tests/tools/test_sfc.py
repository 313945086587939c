"""The phases of SFC as a user trains them, on frames of 96 x 48."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdavss.minidrive.generate import Settings, generate

CONFIGS = Path('configs/sfc')
NAME = 'accel-r18_miniviper2minicity'
PHASES = [
    'flownets_miniviper',
    f'{NAME}_source-stage1',
    f'{NAME}_source-stage2',
    'sfm_miniviper',
    f'{NAME}_tpl-stage1',
    f'{NAME}_tpl-stage2',
]


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
            cityscapes=3,
            cityscapes_val=1,
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
    )
    return folder


@pytest.fixture
def phases(data, tmp_path):
    """Small configs of all phases, one iteration each, that find one another."""
    paths = {}
    for name in PHASES:
        text = (CONFIGS / f'{name}.py').resolve()
        cfg = Config.fromfile(text)
        cfg.work_dir = str(tmp_path / name)
        cfg.train_cfg.max_iters = 1
        loaders = [cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader]
        for loader in filter(None, loaders):
            loader.update(num_workers=0, persistent_workers=False, batch_size=1)
        cfg.train_dataloader.batch_size = 2
        pair = cfg.train_dataloader.dataset
        if cfg.val_dataloader is not None:
            cfg.default_hooks.checkpoint.save_best = None
            cfg.train_cfg.val_interval = 1
            cfg.val_dataloader.dataset.data_root = str(data / 'cityscapes')
            cfg.test_dataloader = cfg.val_dataloader
            for net in ('segmentor', 'reference_segmentor'):
                cfg.merge_from_dict(
                    {
                        f'model.student.{net}.backbone.base_channels': 4,
                        f'model.student.{net}.backbone.stem_channels': 4,
                        f'model.student.{net}.decode_head.in_channels': 32,
                        f'model.student.{net}.auxiliary_head.in_channels': 16,
                    }
                )
        owners = [pair.source, pair.target, cfg.val_dataloader and cfg.val_dataloader.dataset]
        for owner in filter(None, owners):
            owner.pipeline = [
                dict(t, scale=(96, 48)) if t['type'] == 'ClipResize' else t for t in owner.pipeline
            ]
        pair.source.data_root = str(data / 'viper')
        if pair.target is not None:
            pair.target.data_root = str(data / 'cityscapes')
        own = cfg.pretty_text
        for origin in PHASES:
            iters = Config.fromfile(CONFIGS / f'{origin}.py').train_cfg.max_iters
            own = own.replace(
                f'work_dirs/sfc/{origin}/iter_{iters}.pth', str(tmp_path / origin / 'iter_1.pth')
            )
        paths[name] = tmp_path / f'{name}.py'
        paths[name].write_text(own.replace('base_channels=12', 'base_channels=2'))
    return paths


def load(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_phases(phases, tmp_path, run_tool, capfd):
    with pytest.raises(SystemExit, match=r'stage1.*\(model.student.flow_net.checkpoint\)'):
        run_tool('run_phases.py', *list(phases.values())[1:])
    for path in phases.values():
        run_tool('train.py', path)
    states = {name: load(tmp_path / name / 'iter_1.pth') for name in PHASES}

    def branch(name):
        return {
            k.rsplit('flow_net.', 1)[1]: v
            for k, v in states[name].items()
            if 'flow_net' in k and not k.startswith('sfm' if 'stage' in name else '-')
        }

    def same(a, b):
        return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())

    # The flow branch comes from its pretraining, rests in stage one, learns in stage two.
    flow, first, second = (branch(name) for name in PHASES[:3])
    assert flow and same(flow, first) and not same(first, second)
    # SFM learns, and SFC leaves it alone.
    sfm = {k: v for k, v in states['sfm_miniviper'].items()}
    assert sfm and not same(branch('sfm_miniviper'), second)
    for name in PHASES[4:]:
        assert same(sfm, {k: v for k, v in states[name].items() if k.startswith('sfm.')})
    # Backbones learn in stage one alone.
    source, one, two = (states[name] for name in PHASES[2:3] + PHASES[4:])
    for net in ('segmentor', 'reference_segmentor'):
        key = f'student.{net}.backbone.conv1.weight'
        assert not torch.equal(source[key], one[key]) and torch.equal(one[key], two[key])
        key = f'student.{net}.decode_head.conv_seg.branches.0.weight'
        assert not torch.equal(source[key], one[key]) and not torch.equal(one[key], two[key])

    capfd.readouterr()
    run_tool('run_phases.py', *phases.values())
    assert capfd.readouterr().out.count('done already') == len(PHASES)
