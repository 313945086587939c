"""A source-free run does not open a single file of the source, which lies right beside it."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Callable
from typing import Any

import cv2
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate


def listen(work: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What a function returns, and the files and folders that it opens.

    It runs in a fork: an audit hook cannot be removed again and would be called at each id() of
    all later tests, too.
    """
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        opened: list[str] = []

        def note(event: str, args: tuple) -> None:
            if event in ('open', 'os.listdir', 'os.scandir'):
                opened.append(str(args[0]))

        try:
            torch.set_num_threads(1)  # a fork has not the threads of its parent
            sys.addaudithook(note)
            result = work()
            sender.send((result, list(opened)))
        except BaseException:
            sender.send(traceback.format_exc())
            raise

    cv2.setNumThreads(1)  # ends the threads of OpenCV: a fork would wait for them
    process = context.Process(target=run)
    process.start()
    sender.close()
    received = receiver.recv()
    process.join()
    assert isinstance(received, tuple), received
    return received


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
            snippet_frames=(17, 19),
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

    def train() -> str:
        with pytest.raises(SystemExit, match='1'):
            run_tool('train.py', tmp_path / 'config.py', '--work-dir', tmp_path / 'run')
        return ''.join(capsys.readouterr())

    said, opened = listen(train)
    assert 'is source-free, and train_dataloader.dataset has a source' in said
    assert str(tmp_path / 'config.py') in opened
    assert not any(path.startswith(str(source)) for path in opened)


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

    def train() -> None:
        if 'pseudo_label_generator' in cfg:
            labels = tmp_path / 'labels'
            own = ['--cfg-options', f'train_dataloader.dataset.target.data_root={target}']
            run_tool('generate_pseudo_labels.py', config, checkpoint, '--out', labels, *own)
            options.append(f'train_dataloader.dataset.target.pseudo_labels={labels}')
        run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)

    _, opened = listen(train)
    assert any(path.startswith(str(target)) for path in opened)
    assert any(path.startswith(str(source)) for path in opened) == reads_source
    assert (tmp_path / 'run/iter_1.pth').is_file()
