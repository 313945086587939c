from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmseg.registry import HOOKS, OPTIM_WRAPPERS

from mmdavss.apis import UserError, default_work_dir, prepare_run, prepare_training
from mmdavss.datasets.label_folder import MANIFEST
from mmdavss.engine import Bfloat16OptimWrapper
from mmdavss.launch.config_file import checkpoint_fingerprint, read_config_file
from mmdavss.launch.config_keys import unknown_keys
from mmdavss.launch.prepare import check_hooks, check_pseudo_labels, check_start
from mmdavss.testing import build_method
from tests.methods.table import CASES


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        ('configs/stpl/accel_viper2city.py', 'work_dirs/stpl/accel_viper2city'),
        ('/a/configs/b/configs/source_only/accel.py', 'work_dirs/source_only/accel'),
        ('/a/configs/mine.py', 'work_dirs/mine'),
        ('/a/experiments/mine.v2.py', 'work_dirs/experiments/mine.v2'),
        ('/mine.py', 'work_dirs/mine'),
    ],
)
def test_default_work_dir(config, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_work_dir(config) == expected


def test_default_work_dir_of_a_config_in_this_folder(tmp_path, monkeypatch):
    (tmp_path / 'project').mkdir()
    monkeypatch.chdir(tmp_path / 'project')
    assert default_work_dir('mine.py') == 'work_dirs/project/mine'


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    """A folder with the checkpoints of a finished run."""
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in ('iter_10.pth', 'iter_20.pth', 'best_mIoU_iter_10.pth', 'kept.pth', 'notes.txt'):
        torch.save({}, folder / name)
    (folder / 'last_checkpoint').write_text('elsewhere/run/iter_20.pth')
    return folder


def test_resume_finds_the_checkpoint_of_a_moved_folder(work_dir):
    cfg = Config(dict(work_dir=str(work_dir), load_from='source.pth'))
    prepare_training(cfg, resume=True)
    assert cfg.resume is True
    assert cfg.load_from == str(work_dir / 'iter_20.pth')


@pytest.mark.parametrize(
    ('note', 'words'),
    [
        ('iter_30.pth', 'iter_30.pth, which does not exist'),
        (None, 'no file last_checkpoint'),
    ],
)
def test_resume_without_the_last_checkpoint(work_dir, note, words):
    if note is None:
        (work_dir / 'last_checkpoint').unlink()
    else:
        (work_dir / 'last_checkpoint').write_text(note)
    with pytest.raises(UserError, match=words):
        prepare_training(Config(dict(work_dir=str(work_dir))), resume=True)


def test_resume_with_a_single_checkpoint_and_no_note(work_dir):
    """Killed before the first note was written; the best one alone is nothing to go on from."""
    (work_dir / 'last_checkpoint').unlink()
    (work_dir / 'iter_20.pth').unlink()
    cfg = Config(dict(work_dir=str(work_dir)))
    prepare_training(cfg, resume=True)
    assert cfg.load_from == str(work_dir / 'iter_10.pth')
    (work_dir / 'iter_10.pth').unlink()
    cfg = Config(dict(work_dir=str(work_dir)))
    prepare_training(cfg, resume=True)
    assert cfg.resume is False and cfg.get('load_from') is None


def test_resume_from_a_named_checkpoint(work_dir):
    """mmengine's own way: `resume` and `load_from` in the config."""
    named = str(work_dir / 'iter_10.pth')
    cfg = Config(dict(work_dir=str(work_dir), load_from=named, resume=True))
    prepare_training(cfg)
    assert cfg.resume is True
    assert cfg.load_from == named


def test_overwrite_deletes_only_checkpoints(work_dir):
    prepare_training(Config(dict(work_dir=str(work_dir))), overwrite=True)
    assert {path.name for path in work_dir.iterdir()} == {'kept.pth', 'notes.txt'}


@pytest.mark.parametrize(
    'key',
    [
        'load_from',
        'model.source_checkpoint',
        'model.labeller_checkpoint',
        'model.parts.1.checkpoint',
        'pseudo_label_generator.checkpoint',
    ],
)
def test_overwrite_keeps_what_the_run_starts_from(key, work_dir, monkeypatch):
    monkeypatch.setenv('HOME', str(work_dir))
    path = '~/iter_10.pth'
    several = ['~/iter_1.pth', path] if key.startswith('pseudo') else path
    data = dict(dataset=dict())
    cfg = Config(dict(work_dir=str(work_dir), model=dict(parts=[{}, {}]), train_dataloader=data))
    cfg.merge_from_dict({key: several})
    with pytest.raises(UserError, match=rf'{path}, where this run starts from \({key}\)'):
        prepare_training(cfg, overwrite=True)
    assert (work_dir / 'iter_20.pth').exists()


@pytest.mark.parametrize('start', [{}, dict(load_from='iter_10.pth')])
def test_overwrite_is_not_ignored_if_the_config_resumes(start, work_dir):
    cfg = Config(dict(work_dir=str(work_dir), resume=True, **start))
    with pytest.raises(UserError, match='--overwrite.*resume=True.*resume=False'):
        prepare_training(cfg, overwrite=True)


def test_pseudo_labels_of_another_model_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'a.pth').write_text('a')
    (tmp_path / MANIFEST).touch()
    made = dict(path='b.pth', sha256=checkpoint_fingerprint(['~/a.pth'])['sha256'])
    monkeypatch.setattr('mmdavss.launch.prepare.read_manifest', lambda *_: dict(checkpoint=made))
    dataset = dict(target=dict(pseudo_labels=str(tmp_path)))
    cfg = Config(
        dict(
            model=dict(source_checkpoint='~/a.pth'),
            pseudo_label_generator=dict(portion=0.2),
            train_dataloader=dict(dataset=dataset),
        )
    )
    check_pseudo_labels(cfg)
    (tmp_path / 'a.pth').write_text('b')
    with pytest.raises(UserError, match='were made with b.pth .*the config names ~/a.pth'):
        check_pseudo_labels(cfg)


def test_labels_of_a_labeller_that_is_gone(tmp_path, monkeypatch):
    """Nothing else reads that checkpoint; the one of the start is named by the model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / MANIFEST).touch()
    made = dict(path='one.pth, two.pth', sha256='')
    monkeypatch.setattr('mmdavss.launch.prepare.read_manifest', lambda *_: dict(checkpoint=made))
    cfg = Config(
        dict(
            model=dict(source_checkpoint='gone.pth'),
            pseudo_label_generator=dict(checkpoint=['one.pth', './two.pth']),
            train_dataloader=dict(dataset=dict(target=dict(pseudo_labels='.'))),
        )
    )
    check_pseudo_labels(cfg)
    cfg.pseudo_label_generator.checkpoint = ['one.pth']
    with pytest.raises(UserError, match='were made with one.pth, two.pth .*config names one.pth:'):
        check_pseudo_labels(cfg)
    del cfg.pseudo_label_generator['checkpoint']
    cfg.pseudo_label_generator.portion = 0.2
    check_pseudo_labels(cfg)


@pytest.mark.parametrize('rounds', [None, []])
def test_rounds_are_not_trained_as_one(rounds, work_dir):
    cfg = Config(dict(work_dir=str(work_dir), rounds=[{}, {}]), cfg_text='-', filename='mine.py')
    words = 'mine.py trains in rounds.*run_phases.py mine.py.*--cfg-options rounds=None'
    with pytest.raises(UserError, match=words):
        prepare_training(cfg, overwrite=True)
    assert list(work_dir.glob('iter_*.pth'))
    cfg.rounds = rounds
    prepare_training(cfg, overwrite=True)
    assert not list(work_dir.glob('iter_*.pth'))


def test_amp_needs_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=dict(optimizer=dict(type='SGD'))))
    with pytest.raises(UserError, match='CUDA.*--amp bf16'):
        prepare_training(cfg, amp='fp16')
    prepare_training(cfg, amp='bf16')
    assert cfg.optim_wrapper == dict(type='Bfloat16OptimWrapper', optimizer=dict(type='SGD'))
    assert OPTIM_WRAPPERS.get('Bfloat16OptimWrapper') is Bfloat16OptimWrapper


@pytest.mark.parametrize('kind', [OptimWrapper, 'mmengine.OptimWrapper'])
def test_amp_of_a_config_that_names_the_class(kind, tmp_path):
    """As configs in pure Python do."""
    wrapper = dict(type=kind, optimizer=dict(type='SGD'))
    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=wrapper))
    prepare_training(cfg, amp='bf16')
    assert cfg.optim_wrapper.type == 'Bfloat16OptimWrapper'


def test_a_refused_option_deletes_nothing(work_dir, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    before = sorted(work_dir.iterdir())
    with pytest.raises(UserError, match='CUDA'):
        prepare_training(Config(dict(work_dir=str(work_dir))), overwrite=True, amp='fp16')
    assert sorted(work_dir.iterdir()) == before


def test_amp_for_one_and_for_several_optimisers(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    optimizer = dict(type='SGD', lr=1.0)
    amp = dict(type='AmpOptimWrapper', optimizer=optimizer, loss_scale='dynamic')

    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=dict(optimizer=optimizer)))
    prepare_training(cfg, amp='fp16')
    assert cfg.optim_wrapper == amp

    # Set up for mixed precision already: its own settings stay.
    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=dict(amp, loss_scale=8.0)))
    prepare_training(cfg, amp='fp16')
    assert cfg.optim_wrapper == dict(amp, loss_scale=8.0)

    players = dict(
        constructor='Players',
        generator=dict(type='OptimWrapper', optimizer=optimizer),
        discriminator=dict(type='OptimWrapper', optimizer=optimizer),
    )
    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=players))
    prepare_training(cfg, amp='fp16')
    assert cfg.optim_wrapper == dict(constructor='Players', generator=amp, discriminator=amp)

    other = dict(type='ApexOptimWrapper', optimizer=optimizer)
    cfg = Config(dict(work_dir=str(tmp_path), optim_wrapper=other))
    for kind in ('fp16', 'bf16'):
        with pytest.raises(UserError, match='ApexOptimWrapper'):
            prepare_training(cfg, amp=kind)


def test_compile_is_one_hook_more(tmp_path):
    hooks = [dict(type='EMATeacherHook')]
    cfg = Config(dict(work_dir=str(tmp_path), custom_hooks=hooks))
    prepare_training(cfg)
    assert cfg.custom_hooks == hooks
    prepare_training(cfg, compile_nets=True)
    assert cfg.custom_hooks == [*hooks, dict(type='CompileNetsHook')]
    cfg = Config(dict(work_dir=str(tmp_path)))
    prepare_training(cfg, compile_nets=True)
    assert cfg.custom_hooks == [dict(type='CompileNetsHook')]


def test_channels_last_is_one_key_more(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path)))
    prepare_training(cfg)
    assert 'channels_last' not in cfg
    prepare_training(cfg, channels_last=True)
    assert cfg.channels_last is True
    assert not unknown_keys(cfg, ['channels_last'])


def test_logged_numbers_are_read_when_they_are_logged(tmp_path):
    own = dict(type='RuntimeInfoHook')
    for hooks, expected in ((dict(), dict(type='DeferredInfoHook')), (dict(runtime_info=own), own)):
        cfg = Config(dict(work_dir=str(tmp_path), default_hooks=hooks))
        prepare_training(cfg)
        assert cfg.default_hooks.runtime_info == expected


@pytest.mark.parametrize(('cuda', 'own'), [(True, {}), (True, dict(pin_memory=False)), (False, {})])
def test_batches_are_pinned_for_cuda(tmp_path, monkeypatch, cuda, own):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    cfg = Config(dict(work_dir=str(tmp_path), train_dataloader=dict(own, batch_size=1)))
    prepare_training(cfg)
    expected = own.get('pin_memory', True) if cuda else None
    assert cfg.train_dataloader.get('pin_memory') == expected


@pytest.fixture
def torchrun(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.setenv(name, '0')


def test_synchronised_batch_norm_needs_cuda(torchrun, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match="sync_bn='torch' needs CUDA.*sync_bn=None"):
        prepare_run(Config(dict(sync_bn='torch')), 'pytorch')


def test_without_launcher_the_config_stays(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(dict(model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')))
    prepare_run(cfg)
    assert cfg.launcher == 'none'
    assert cfg.model_wrapper_cfg == dict(type='MMSeparateDistributedDataParallel')


@pytest.mark.parametrize('cuda', [False, True])
def test_losses_are_backpropagated_in_groups_unless_the_config_says_otherwise(
    torchrun, monkeypatch, cuda
):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(torch.distributed, 'is_initialized', lambda: True)
    devices = {} if cuda else dict(device_ids=None)
    cfg = Config(dict(find_unused_parameters=True))
    prepare_run(cfg, 'pytorch')
    assert cfg.model_wrapper_cfg == dict(
        type='GroupedDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        **devices,
    )
    cfg = Config(dict(model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel')))
    prepare_run(cfg, 'pytorch')
    assert cfg.model_wrapper_cfg == dict(type='MMSeparateDistributedDataParallel', **devices)


@pytest.mark.parametrize(('own', 'expected'), [({}, 1800), (dict(timeout=60), 60)])
def test_processes_wait_longer_for_each_other_than_for_their_data(
    own, expected, torchrun, monkeypatch
):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config.fromfile('configs/_base_/default_runtime.py')
    cfg.env_cfg.dist_cfg.update(own)
    assert own or expected > cfg.default_hooks.data_timeout.seconds
    prepare_run(cfg, 'pytorch')
    assert cfg.env_cfg.dist_cfg == dict(backend='nccl', timeout=expected)
    assert cfg.env_cfg.cudnn_benchmark
    cfg = Config(dict(own and dict(env_cfg=dict(dist_cfg=own))))
    prepare_run(cfg, 'pytorch')
    assert cfg.env_cfg.dist_cfg == dict(timeout=expected)


@pytest.mark.parametrize(
    ('second', 'words'),
    [
        ((True, '/other/run/iter_4.pth'), None),  # the same folder under another path
        ((True, '/run/iter_2.pth'), 'process 1 on .* resumes from iter_2.pth: .*same work dir'),
        ((False, '/models/source.pth'), 'process 0 on .* resumes from iter_4.pth, process 1'),
    ],
)
def test_processes_start_from_one_checkpoint(second, words, monkeypatch):
    def gather(mine: tuple[str, str]) -> list[tuple[str, str]]:
        resumes, path = second
        return [mine, (f'{"resumes" if resumes else "starts"} from {Path(path).name}', 'b')]

    monkeypatch.setattr('mmdavss.launch.prepare.all_gather_object', gather)
    runner = SimpleNamespace(_resume=True, _load_from='/run/iter_4.pth', work_dir='/run')
    with pytest.raises(UserError, match=words) if words else nullcontext():
        check_start(runner)


def test_slurm_needs_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match='slurm needs CUDA'):
        prepare_run(Config(dict()), 'slurm')


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (
            "model = dict(backbone=dict(type='mmpretrain.ConvNeXt'))",
            ('mmpretrain.ConvNeXt', 'pip install onedl-mmpretrain'),
        ),
        (
            "model = dict(decode_head=[dict(type='Mask2FormerHead')])",
            ('Mask2FormerHead', 'pip install onedl-mmdetection'),
        ),
        (
            "custom_imports = dict(imports=['mmdet.models'], allow_failed_imports=False)",
            ('mmdet', 'pip install onedl-mmdetection'),
        ),
        ("model = dict(type='mmnothere.Net')", ('mmnothere', 'pip install mmnothere')),
    ],
)
def test_packages_that_are_missing(text, words, tmp_path, monkeypatch):
    """Before anything is built; not what a registry or a head says, which names no command."""
    monkeypatch.setattr('mmdavss.launch.packages.find_spec', lambda name: None)
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(UserError) as raised:
        read_config_file(path)
    assert all(word in str(raised.value) for word in ('config.py', 'not installed', *words))


def test_packages_that_are_there(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("model = dict(type='mmseg.EncoderDecoder', a=[dict(type='mmengine.Linear')])")
    assert read_config_file(path).model.type == 'mmseg.EncoderDecoder'


def test_the_text_of_a_config_is_not_formatted(tmp_path, monkeypatch):
    """Its values are those of the file all the same, and of what is written of it."""

    def formatted(*args, **kwargs):
        raise AssertionError('formatted')

    path = 'configs/dacs/effnet-lite0_mini2camvid.py'
    values = Config.fromfile(path).to_dict()
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', formatted)
    cfg = read_config_file(path)
    assert cfg.to_dict() == values and Path(cfg.filename).name == Path(path).name
    copy.deepcopy(cfg).dump(tmp_path / 'written.py')
    assert Config.fromfile(tmp_path / 'written.py').to_dict() == values


def test_objects_that_a_config_imports(tmp_path, monkeypatch):
    """Of pure Python configs, not their names: constants, functions, classes."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'of_a_config.py').write_text("ROOT = 'data/mine'\ndef made(): ...\n")
    path = tmp_path / 'config.py'
    path.write_text(
        """from mmengine.config import read_base
from torch.nn import GELU
from of_a_config import ROOT, made
with read_base():
    from .base import *
data = dict(root=ROOT, make=made, act=GELU)
"""
    )
    (tmp_path / 'base.py').write_text('classes = 3\n')
    data = read_config_file(path).data
    assert data.root == 'data/mine' and data.act is torch.nn.GELU
    assert data.make.__name__ == 'made'


@pytest.mark.parametrize(
    ('name', 'options', 'lacking'),
    [
        ('source_only', {}, ''),
        ('advent', {}, ''),
        ('advent', dict(masked=dict(type='MaskedConsistency')), 'EMATeacherHook'),
        ('dacs', {}, 'EMATeacherHook'),
        ('sepico_dist', {}, 'EMATeacherHook'),
        ('i2vda', {}, 'ProxyNetworkHook'),
        ('hcl', {}, 'EMATeacherHook'),
        ('hcl', {}, 'HistoryHook'),
    ],
)
def test_hooks_move_what_a_method_has_besides_its_student(name, options, lacking):
    """A teacher that nothing moves would label for the whole run what it labels at the start."""
    case = CASES[name]
    cfg = SimpleNamespace(filename='own.py')
    model = build_method(case, **options)
    hooks = [HOOKS.build(dict(hook)) for hook in case.hooks if hook['type'] != lacking]
    runner = SimpleNamespace(
        model=model, cfg=cfg, hooks=[HOOKS.build(dict(type='IterTimerHook')), *hooks]
    )
    if not lacking:
        check_hooks(runner)
        return
    type_ = case.model['type']
    with pytest.raises(
        UserError, match=rf"own.py: no hook calls `\w+` of {type_}.*dict\(type='{lacking}'"
    ):
        check_hooks(runner)
    runner.hooks.append(HOOKS.build(dict(type=lacking)))
    check_hooks(runner)
