"""A source-free run does not open a single file of the source, which lies right beside it."""

from __future__ import annotations

import sys

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate

OPENED: list[str] = []
LISTENING: list[bool] = []


def _listen(event: str, args: tuple) -> None:
    if LISTENING and event in ('open', 'os.listdir', 'os.scandir'):
        OPENED.append(str(args[0]))


# There is no way to remove an audit hook again: this one is deaf outside of the test.
sys.addaudithook(_listen)


@pytest.fixture
def minidrive(tmp_path):
    generate(
        tmp_path / 'data',
        Settings(
            size=(64, 32),
            viper=1,
            viper_val=0,
            viper_frames=2,
            synthia=0,
            cityscapes=2,
            cityscapes_val=1,
            snippet_frames=(18, 19),
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
        ),
    )
    return tmp_path / 'data'


@pytest.mark.parametrize(
    'config, changes',
    [
        ('ur/effnet-lite0_mini', {}),
        ('ld/effnet-lite0_mini', {}),
        ('vat_vst/vst_effnet-lite0_mini_source-free', {}),
        ('davsn/accel-effnet-lite0_mini_source-free', {'model.source_free': True}),
    ],
)
def test_a_source_is_an_error(config, changes, minidrive, tmp_path, run_tool, capsys):
    """In one line, before a file of it is opened."""
    cfg = Config.fromfile(f'configs/{config}.py')
    source = minidrive / 'viper'
    cfg.train_dataloader.dataset.source = dict(
        type='ViperSeqDataset', data_root=str(source), pipeline=[dict(type='LoadClip')]
    )
    cfg.pop('pseudo_label_generator', None)
    cfg.model.source_checkpoint = None
    cfg.model.student.allow_random_init = True
    cfg.merge_from_dict(changes)
    cfg.dump(tmp_path / 'config.py')
    OPENED.clear()
    LISTENING.append(True)
    try:
        with pytest.raises(SystemExit, match='1'):
            run_tool('train.py', tmp_path / 'config.py', '--work-dir', tmp_path / 'run')
    finally:
        LISTENING.clear()
    said = capsys.readouterr()
    assert 'is source-free, and train_dataloader.dataset has a source' in said.out + said.err
    assert not any(path.startswith(str(source)) for path in OPENED)


@pytest.mark.parametrize(
    'method, reads_source',
    [
        ('source_only', True),
        ('adabn', False),
        ('stpl', False),
        ('tps', False),
        ('davsn', False),
        ('minent', False),
        ('tent', False),
        ('ur', False),
        ('hcl', False),
        ('ld', False),
        ('vst', False),
    ],
)
def test_opens_nothing_of_the_source(method, reads_source, minidrive, tmp_path, run_tool):
    # These have a form with the source, too.
    form = '_source-free' if method in ('tps', 'davsn') else ''
    config = f'configs/{method}/accel-r18_miniviper2minicity{form}.py'
    if method == 'minent':
        config = 'configs/advent/minent_effnet-lite0_mini_source-free.py'
    elif method in ('tent', 'ur', 'hcl', 'ld'):
        config = f'configs/{method}/effnet-lite0_mini.py'
    elif method == 'vst':
        config = 'configs/vat_vst/vst_effnet-lite0_mini_source-free.py'
    cfg = Config.fromfile(config)
    source, target = minidrive / 'viper', minidrive / 'cityscapes'
    checkpoint = str(tmp_path / 'source.pth')
    torch.save(
        dict(
            state_dict={
                f'student.{name}': value
                for name, value in MODELS.build(cfg.model.student).state_dict().items()
            }
        ),
        checkpoint,
    )
    options = [
        'train_cfg.max_iters=1',
        'train_cfg.val_interval=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        f'val_dataloader.dataset.data_root={target}',
    ]
    if reads_source:
        options.append(f'train_dataloader.dataset.source.data_root={source}')
    else:
        options += [
            f'train_dataloader.dataset.target.data_root={target}',
            f'model.source_checkpoint={checkpoint}',
        ]
    OPENED.clear()
    LISTENING.append(True)
    try:
        if 'pseudo_label_generator' in cfg:
            labels = tmp_path / 'labels'
            own = ['--cfg-options', f'train_dataloader.dataset.target.data_root={target}']
            run_tool('generate_pseudo_labels.py', config, checkpoint, '--out', labels, *own)
            options.append(f'train_dataloader.dataset.target.pseudo_labels={labels}')
        run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    finally:
        LISTENING.clear()
    assert any(path.startswith(str(target)) for path in OPENED)
    assert any(path.startswith(str(source)) for path in OPENED) == reads_source
    assert (tmp_path / 'run/iter_1.pth').is_file()
