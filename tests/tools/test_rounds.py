"""Rounds of self-training as a user starts them, with one call: CBST, CRST, IAST and CCM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.minidrive.generate import Settings, generate

pytestmark = pytest.mark.slow
LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations')]
RESIZE = dict(type='ClipResize', scale=(64, 32))
PACK = dict(type='PackClipInputs')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('minidrive')
    none = ('viper_val', 'synthia', 'gta', 'synthia_rand', 'cityscapes_vps', 'cityscapes_vps_val')
    generate(
        folder,
        Settings(
            size=(64, 32),
            viper=2,
            viper_frames=3,
            cityscapes=2,
            cityscapes_val=1,
            snippet_frames=(18, 19),
            **dict.fromkeys(none, 0),
        ),
        progress=False,
    )
    return folder


@pytest.fixture
def start(data, tmp_path, monkeypatch, segmentor):
    """Makes a small form of a shipped config, with two rounds of two iterations."""
    monkeypatch.chdir(tmp_path)
    segmentor['decode_head']['num_classes'] = 15
    student = dict(
        type='PerFrame', segmentor=dict(segmentor, auxiliary_head=None), allow_random_init=True
    )
    (tmp_path / 'data').symlink_to(data.parent)
    torch.manual_seed(0)
    model = MODELS.build(student)
    for name, value in model.named_parameters():
        if 'conv_seg' in name:
            torch.nn.init.normal_(value, std=0.3)
    weights = {f'student.{name}': value for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / 'source.pth')

    def make(name: str, **options) -> Path:
        cfg = Config.fromfile(Path(__file__).parents[2] / 'configs' / name)
        cfg.model.student = student
        cfg.model.source_checkpoint = 'source.pth'
        pair = cfg.train_dataloader.dataset
        pair.target.pipeline = [*LOAD, RESIZE, PACK]
        if name.startswith('cbst'):  # mines in the labels of each round
            pair.target.pipeline.insert(3, dict(type='ClassMiningCrop', crop_size=(32, 64)))
        if cfg.model.get('soft_labels'):
            pair.target.pipeline.insert(2, dict(type='LoadSoftLabels'))
        if pair.source is not None:
            pair.source.pipeline = [*LOAD, RESIZE, PACK]
        cfg.pseudo_label_generator.pipeline = [LOAD[0], RESIZE, PACK]
        cfg.val_dataloader.dataset.pipeline = [LOAD[0], RESIZE, LOAD[1], PACK]
        cfg.test_dataloader = cfg.val_dataloader
        owners = [pair.source, pair.target, cfg.val_dataloader.dataset]
        if 'source_selection' in cfg:
            cfg.source_selection.update(count=2, pool=0.6, centres=2)
            cfg.source_selection.source.pipeline = []
            owners.append(cfg.source_selection.source)
        for owner in filter(None, owners):
            kind = 'viper' if owner.type.startswith('Viper') else 'cityscapes'
            owner.data_root = str(data / kind)
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
        cfg.rounds = cfg.rounds[:2]
        cfg.train_cfg.update(max_iters=2, val_interval=100)
        cfg.default_hooks.checkpoint.update(interval=1, save_best=None)
        cfg.work_dir = 'work'
        cfg.merge_from_dict(options)
        cfg.dump(tmp_path / 'config.py')
        return tmp_path / 'config.py'

    return make


def manifest(folder: str) -> dict:
    return json.loads(Path(folder, 'pseudo_labels.json').read_text())


@pytest.mark.parametrize('method', ['cbst', 'crst/lrent_', 'crst/mrkld_', 'iast', 'ccm'])
def test_rounds(method, start, run_tool, steps_in_process):
    folder = method if '_' in method else f'{method}/'
    changes = {}
    if method == 'iast':  # the first of two iterations labels the next round
        changes['pseudo_label_generator.start'] = 0.05  # the network is not sure of anything
        changes['rounds'] = [
            {'pseudo_label_generator.alpha': 0.2},
            {'pseudo_label_generator.checkpoint': '{previous}/iter_1.pth'},
        ]
    path = start(f'{folder}effnet-lite0_mini.py', **changes)
    run_tool('run_phases.py', path)
    own = Config.fromfile(path).train_dataloader.dataset
    labels = own.target.pseudo_labels
    first, second = manifest(f'{labels}_round1'), manifest(labels)
    assert first['finished'] and second['finished']
    assert first['checkpoint']['path'] == 'source.pth'
    number = 1 if method == 'iast' else 2
    assert second['checkpoint']['path'] == f'work_round1/iter_{number}.pth'
    assert first['settings'] != second['settings'] or method in ('ccm', 'iast')
    assert sum(first['kept']) > 0
    if method == 'ccm':
        folders = [f'{own.source.pseudo_labels}{suffix}' for suffix in ('_round1', '')]
        selected = [manifest(folder) for folder in folders]
        assert [one['checkpoint']['path'] for one in selected] == [
            'source.pth',
            'work_round1/iter_2.pth',
        ]
        for one, folder in zip(selected, folders, strict=True):
            assert len(list(Path(folder).glob('*/*.png'))) == 2
            kept, all_ = sum(one['kept']), sum(one['predicted'])
            assert 0 < kept <= 0.95 * all_
    states = [
        torch.load(name, weights_only=False)['state_dict']
        for name in ('source.pth', 'work_round1/iter_2.pth', 'work/iter_2.pth')
    ]
    key = 'student.segmentor.decode_head.conv_seg.branches.0.weight'
    for before, after in zip(states, states[1:], strict=False):
        assert not torch.equal(before[key], after[key])


def test_labels_of_another_model(start, run_tool, capfd, tmp_path):
    """Such as those of the round before."""
    path = start('cbst/effnet-lite0_mini.py')
    run_tool('generate_pseudo_labels.py', path)
    weights = torch.load('source.pth')
    weights['state_dict'] = {k: 1.001 * v for k, v in weights['state_dict'].items()}
    torch.save(weights, 'other.pth')
    other = ('--cfg-options', 'model.source_checkpoint=other.pth', 'rounds=None')
    with pytest.raises(SystemExit) as error:
        run_tool('train.py', path, *other)
    text = f'{error.value} {capfd.readouterr().err}'
    assert 'were made with source.pth (sha256' in text and 'the config names other.pth' in text
    assert not (tmp_path / 'work/iter_2.pth').exists()
    # It may be another one than the start, if the config says so.
    run_tool('train.py', path, *other, 'pseudo_label_generator.checkpoint=source.pth')
    assert (tmp_path / 'work/iter_2.pth').is_file()


def refused(run_tool, capfd, *call) -> str:
    """The message of a tool that ends with an error."""
    with pytest.raises(SystemExit) as error:
        run_tool(*call)
    return f'{error.value} {capfd.readouterr().err}'


def test_what_train_py_refuses(start, run_tool, capfd, tmp_path):
    """The first round in the folder of the last, and labels of another portion."""
    path = start('cbst/effnet-lite0_mini.py')
    assert 'tools/run_phases.py' in refused(run_tool, capfd, 'train.py', path)
    once = ('--cfg-options', 'rounds=None')
    run_tool('generate_pseudo_labels.py', path, *once)
    portion = 'pseudo_label_generator.portion=0.4'
    text = refused(run_tool, capfd, 'train.py', path, *once, portion)
    assert 'pseudo_label_generator: portion was 0.2 and is 0.4: make' in text
    assert not list(tmp_path.glob('work/*.pth'))


def test_source_frames_need_the_labels_first(start, run_tool, capfd):
    path = start('ccm/effnet-lite0_mini.py')
    with pytest.raises(SystemExit) as error:
        run_tool('select_source.py', path)
    assert 'Make the pseudo-labels' in f'{error.value} {capfd.readouterr().err}'
    run_tool('generate_pseudo_labels.py', path)
    portion = ('--cfg-options', 'pseudo_label_generator.portion=0.4')
    text = refused(run_tool, capfd, 'select_source.py', path, *portion)
    assert 'portion was 0.1 and is 0.4: make them again first' in text
    with pytest.raises(SystemExit) as error:
        run_tool('select_source.py', path, '--cfg-options', 'source_selection.count=50')
    assert 'fewer than count=50' in f'{error.value} {capfd.readouterr().err}'
    run_tool('select_source.py', path)
    capfd.readouterr()
    run_tool('select_source.py', path)
    assert 'is there already' in capfd.readouterr().out
    with pytest.raises(SystemExit) as error:
        run_tool('select_source.py', path, '--cfg-options', 'source_selection.count=1')
    assert 'other settings' in f'{error.value} {capfd.readouterr().err}'
    count = ('--cfg-options', 'source_selection.count=1')
    run_tool('select_source.py', path, '--overwrite', *count)
    text = refused(run_tool, capfd, 'train.py', path, '--cfg-options', 'rounds=None')
    assert 'source_selection: count was 1 and is 2: make them again with tools/select_so' in text
    folder = Config.fromfile(path).train_dataloader.dataset.source.pseudo_labels
    assert len(list(Path(folder).glob('*/*.png'))) == 1
