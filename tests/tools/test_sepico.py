"""SePiCo on images as a user trains it: statistics, source model, adaptation, resume."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate

CONFIG = 'configs/sepico/distcl_deeplabv2-r18_minigta2minicity.py'


@pytest.fixture
def data(tmp_path):
    generate(
        tmp_path / 'data',
        Settings(
            size=(96, 48),
            viper=0,
            viper_val=0,
            synthia=0,
            cityscapes=2,
            cityscapes_val=1,
            snippet_frames=(19, 20),
            gta=4,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
    )
    return tmp_path / 'data'


def test_trains_and_resumes(data, tmp_path, run_tool):
    student = MODELS.build(Config.fromfile(CONFIG).model.student)
    checkpoint = tmp_path / 'source.pth'
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        checkpoint,
    )
    source, target = 'train_dataloader.dataset.source', 'train_dataloader.dataset.target'
    statistics = data / 'gta/class_statistics.json'
    cfg = Config.fromfile(CONFIG)
    cfg.custom_hooks[1].contrast_start = 1
    for pipeline in (
        cfg.train_dataloader.dataset.source.pipeline,
        cfg.train_dataloader.dataset.target.pipeline,
    ):
        for transform in pipeline:
            if transform.type == 'ClipResize':
                transform.scale = (96, 54) if transform.get('keep_ratio') else (96, 48)
            if transform.type == 'ClipCrop':
                transform.crop_size = (32, 32)
    cfg.model.target_crop.crop_size = (32, 32)
    cfg.dump(tmp_path / 'config.py')
    options = [
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=2',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        f'val_dataloader.dataset.data_root={data / "cityscapes"}',
        f'{source}.data_root={data / "gta"}',
        f'{target}.data_root={data / "cityscapes"}',
        f'train_dataloader.dataset.rare_class_sampling.statistics={statistics}',
        'train_dataloader.dataset.rare_class_sampling.min_pixels=5',
        f'model.source_checkpoint={checkpoint}',
    ]
    config = tmp_path / 'config.py'
    run_tool('class_statistics.py', config, '--workers', 1, '--cfg-options', *options[7:])
    run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    first = torch.load(tmp_path / 'run/iter_2.pth', weights_only=False)['state_dict']
    assert first['statistics.count'].sum() > 0
    options[0] = 'train_cfg.max_iters=3'
    run_tool(
        'train.py', config, '--work-dir', tmp_path / 'run', '--resume', '--cfg-options', *options
    )
    second = torch.load(tmp_path / 'run/iter_3.pth', weights_only=False)['state_dict']
    assert second['statistics.count'].sum() > first['statistics.count'].sum()
    # The teacher went on from where it was, not from the student.
    key = 'segmentor.backbone.conv1.weight'
    assert not torch.equal(second[f'teacher.{key}'], second[f'student.{key}'])
