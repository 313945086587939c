"""Plain mmseg models here: they predict what they predict in mmseg, whatever their config is."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from mmseg.apis import inference_model, init_model
from mmseg.models.decode_heads.mask2former_head import Mask2FormerHead
from mmseg.registry import MODELS
from torch import nn

from mmdavss.adaptation.recipes import custom_imports
from mmdavss.convert.plain_mmseg import (
    as_plain,
    export_segmentor,
    read_method_config,
    write_config,
)
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.utils.errors import UserError

LAZY = """
from mmcv.transforms import LoadImageFromFile
from mmengine.config import read_base
from mmengine.model.weight_init import PretrainedInit
from mmseg.datasets.transforms import PackSegInputs
from mmseg.models.backbones import ResNet
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from torch.nn import ReLU, SyncBatchNorm
with read_base():
    from .base import *

model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(type=SegDataPreProcessor, mean=[99.] * 3, std=[50.] * 3,
                           bgr_to_rgb=True, size_divisor=1),
    backbone=dict(
        type=ResNet, depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type=SyncBatchNorm),
        init_cfg=dict(type=PretrainedInit, checkpoint='nowhere.pth')),
    decode_head=dict(
        type=FCNHead, in_channels=64, channels=8, num_convs=1, num_classes=classes,
        act_cfg=dict(type=ReLU), loss_decode=dict(type=CrossEntropyLoss)),
    test_cfg=dict(mode='whole'))
test_pipeline = [dict(type=LoadImageFromFile), dict(type=PackSegInputs)]
"""


class Queries(Mask2FormerHead):
    """A head with the interface of Mask2Former's, without mmdet."""

    def __init__(self, num_classes: int) -> None:
        BaseModule.__init__(self)
        self.num_classes = self.out_channels = num_classes
        self.align_corners = False
        self.masks = nn.Conv2d(64, 7, 1)

    def forward(self, x, batch_data_samples):
        assert len(batch_data_samples) == len(x[-1])
        # A class for each query; the last one is none.
        classes = torch.eye(self.num_classes + 1)[torch.arange(7) % (self.num_classes + 1)]
        classes = 5 * classes.expand(len(x[-1]), -1, -1)
        masks = self.masks(x[-1])
        # What the layers before the last say does not count.
        return [classes * 0, classes], [masks * 0, masks - masks.mean((2, 3), keepdim=True)]


@pytest.fixture(autouse=True)
def queries():
    MODELS.register_module(module=Queries, force=True)
    yield
    MODELS.module_dict.pop('Queries')


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 72, 3), np.uint8)


@pytest.fixture
def saved(tmp_path):
    """Writes the weights of a config, and gives both their paths."""

    def make(path, classes):
        torch.manual_seed(1)
        cfg = Config.fromfile(path)
        cfg.model.backbone.update(init_cfg=None, norm_cfg=dict(type='BN'))
        net = MODELS.build(cfg.model)
        for name, value in net.decode_head.named_parameters():
            if 'bias' not in name:
                nn.init.normal_(value)
        torch.save(
            dict(
                state_dict=net.state_dict(),
                meta=dict(dataset_meta=dict(classes=tuple('abcdefgh'[:classes]), palette=None)),
            ),
            tmp_path / 'model.pth',
        )
        return path, tmp_path / 'model.pth'

    return make


@pytest.fixture
def plain(segmentor, tmp_path, saved):
    """Writes a config with the given head and pipeline, and its weights."""

    def make(head, classes, resize=None, test_cfg=None):
        segmentor.update(
            auxiliary_head=None, decode_head=head, test_cfg=test_cfg or dict(mode='whole')
        )
        steps = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
        if resize is not None:
            steps.insert(1, dict(type='Resize', scale=resize, keep_ratio=True))
        Config(
            dict(
                default_scope='mmseg',
                test_pipeline=steps,
                model=dict(
                    segmentor,
                    data_preprocessor=dict(
                        type='SegDataPreProcessor', mean=[99.0] * 3, std=[50.0] * 3, bgr_to_rgb=True
                    ),
                ),
            )
        ).dump(tmp_path / 'model.py')
        return saved(tmp_path / 'model.py', classes)

    return make


FCN = dict(
    type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, norm_cfg=dict(type='BN')
)
HEADS = dict(
    fcn=(dict(FCN, num_classes=4), 4),
    one_channel=(
        dict(
            FCN,
            num_classes=2,
            out_channels=1,
            threshold=0.7,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
        2,
    ),
    queries=(dict(type='Queries', num_classes=3), 3),
)


@pytest.mark.sampled
@pytest.mark.parametrize('resize', [None, (60, 32)])
@pytest.mark.parametrize('name', HEADS)
def test_predicts_as_in_mmseg(name, resize, plain, image):
    config, checkpoint = plain(*HEADS[name], resize)
    expected = inference_model(init_model(str(config), str(checkpoint), device='cpu'), image)
    expected = expected.pred_sem_seg.data[0].numpy().astype(np.uint8)
    assert len(np.unique(expected)) > 1
    cfg = read_method_config(config, checkpoint)
    (found,) = VideoSegmenter(cfg, checkpoint)([image])
    if name == 'queries' and resize:
        # Scores are logarithms, which are resized to the frame: hardly any pixel differs.
        assert (found == expected).mean() > 0.99
    else:
        assert (found == expected).all()


def test_sliding_windows_stay(plain, image, tmp_path):
    slide = dict(mode='slide', crop_size=(24, 32), stride=(16, 24))
    config, checkpoint = plain(*HEADS['fcn'], test_cfg=slide)
    expected = inference_model(init_model(str(config), str(checkpoint), device='cpu'), image)
    expected = expected.pred_sem_seg.data[0].numpy()
    cfg = read_method_config(config, checkpoint)
    (found,) = VideoSegmenter(cfg, checkpoint)([image])
    assert (found == expected).all()
    cfg.model.student.segmentor.test_cfg = dict(mode='whole')
    (whole,) = VideoSegmenter(cfg, checkpoint)([image])
    assert (whole != expected).any()
    cfg.model.student.segmentor.test_cfg = slide
    export = export_segmentor(cfg, checkpoint, tmp_path / 'export')
    assert Config.fromfile(export.config).model.test_cfg == slide


def test_a_cascade_stays_one(segmentor, plain, image, tmp_path):
    """Its several heads are no argument of an EncoderDecoder."""
    segmentor.update(type='CascadeEncoderDecoder', num_stages=2)
    head = dict(type='OCRHead', in_channels=64, in_index=3, channels=8, ocr_channels=4)
    heads = [dict(FCN, num_classes=4), dict(head, num_classes=4, norm_cfg=dict(type='BN'))]
    config, checkpoint = plain(heads, 4)
    cfg = read_method_config(config, checkpoint)
    (here,) = VideoSegmenter(cfg, checkpoint)([image])
    assert len(np.unique(here)) > 1
    out = export_segmentor(cfg, checkpoint, tmp_path / 'out')
    net = init_model(str(out.config), device='cpu')
    net.load_state_dict(torch.load(out.checkpoint)['state_dict'])
    there = inference_model(net, image)
    assert (there.pred_sem_seg.data[0].numpy() == here).all()


def test_python_files_beside_a_config_in_any_folder(tmp_path, monkeypatch):
    folder = tmp_path / "Bob's \u00fcbung, 2"
    folder.mkdir()
    cfg = Config(dict(custom_imports=dict(imports=['exported_of_bob']), model=dict(type='Bob')))
    write_config(folder / 'segmentor.py', cfg, {'exported_of_bob.py': 'here = 1\n'}, '# A head.\n')
    monkeypatch.setattr('sys.path', list(sys.path))
    assert Config.fromfile(folder / 'segmentor.py').model.type == 'Bob'
    assert sys.modules.pop('exported_of_bob').here == 1


@pytest.mark.parametrize('name', ['one_channel', 'queries'])
def test_adapts_and_comes_back(name, plain, image, batch, tmp_path):
    config, checkpoint = plain(*HEADS[name])
    cfg = read_method_config(config, checkpoint)
    model = MODELS.build(
        dict(copy.deepcopy(cfg.model), type='SelfTraining', source_checkpoint=str(checkpoint))
    )
    model.init_weights()
    model.train()
    before = copy.deepcopy(model.student.state_dict())
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    logged = model.train_step(batch('target'), wrapper)
    assert logged['loss_self_training'] > 0
    moved = [
        key
        for key, value in model.student.state_dict().items()
        if not torch.equal(value, before[key])
    ]
    assert any('decode_head' in key for key in moved) and any('backbone' in key for key in moved)

    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'adapted.pth')
    (here,) = VideoSegmenter(cfg, tmp_path / 'adapted.pth')([image])
    if name == 'queries':  # of this test, not of mmseg
        return
    out = export_segmentor(cfg, tmp_path / 'adapted.pth', tmp_path / 'out')
    there = inference_model(init_model(str(out.config), str(out.checkpoint), device='cpu'), image)
    assert (there.pred_sem_seg.data[0].numpy() == here).all()


def test_killed_between_config_and_weights(plain, tmp_path, monkeypatch):
    """Weights of an earlier export stay until the new ones are written, and no longer."""
    config, checkpoint = plain(*HEADS['fcn'])
    cfg = read_method_config(config, checkpoint)
    out = export_segmentor(cfg, checkpoint, tmp_path / 'out')
    weights = out.checkpoint.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    for place, left in (
        ('torch.save', weights),
        ('mmdavss.convert.plain_mmseg.replace_file', None),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, killed)
            with pytest.raises(KeyboardInterrupt):
                export_segmentor(cfg, checkpoint, tmp_path / 'out', overwrite=True)
        assert (out.checkpoint.read_bytes() if out.checkpoint.exists() else None) == left
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['segmentor.py']


@pytest.mark.slow
def test_configs_in_pure_python(tmp_path, saved, image):
    (tmp_path / 'base.py').write_text("classes = 4\ndefault_scope = 'mmseg'\n")
    (tmp_path / 'lazy.py').write_text(LAZY)
    config, checkpoint = saved(tmp_path / 'lazy.py', 4)
    # As a run writes it: with paths in the place of names.
    Config.fromfile(config).dump(tmp_path / 'dumped.py')
    assert 'mmseg.models' in (tmp_path / 'dumped.py').read_text()
    maps = []
    for path in (config, tmp_path / 'dumped.py'):
        cfg = read_method_config(path, checkpoint)
        segmentor = cfg.model.student.segmentor
        assert [
            segmentor.type,
            segmentor.backbone.type,
            segmentor.backbone.norm_cfg.type,
            segmentor.decode_head.act_cfg.type,
        ] == ['EncoderDecoder', 'ResNet', 'BN', 'ReLU']
        assert segmentor.backbone.init_cfg is None
        maps += VideoSegmenter(cfg, checkpoint)([image])
        # A config of this package that is read again is the same.
        cfg.dump(tmp_path / 'method.py')
        again = read_method_config(tmp_path / 'method.py', checkpoint)
        assert again.model == cfg.model and again.test_dataloader == cfg.test_dataloader
        out = export_segmentor(cfg, checkpoint, tmp_path / 'out', overwrite=True)
        net = init_model(str(out.config), str(out.checkpoint), device='cpu')
        maps.append(inference_model(net, image).pred_sem_seg.data[0].numpy())
    assert len(np.unique(maps[0])) > 1 and all((maps[0] == other).all() for other in maps)


def test_classes_of_other_packages_keep_their_path():
    """A new process has not registered them; their path tells mmengine what to import."""
    kinds = dict(type=Queries), dict(type=f'{Queries.__module__}.Queries'), dict(type=nn.ReLU)
    path = f'{Queries.__module__}.Queries'
    assert as_plain(kinds) == (dict(type=path), dict(type=path), dict(type='ReLU'))


def test_the_pipeline_of_the_tests_counts(plain):
    """As mmseg's tests and its inferencer read it; some configs have another `test_pipeline`."""
    config, checkpoint = plain(*HEADS['one_channel'])
    cfg = Config.fromfile(config)
    steps = cfg.test_pipeline
    cfg.test_dataloader = dict(
        dataset=dict(pipeline=[steps[0], dict(type='Resize', scale=(60, 30)), *steps[1:]])
    )
    cfg.dump(config)
    made = read_method_config(config, checkpoint).test_dataloader.dataset.pipeline
    assert [step.type for step in made] == ['LoadClip', 'ClipResize', 'PackClipInputs']
    assert made[1].scale == (60, 30)


def test_one_module_to_import(plain, tmp_path):
    """mmseg's own configs have it as a name, not in a list."""
    config, checkpoint = plain(*HEADS['one_channel'])
    cfg = Config.fromfile(config)
    cfg.custom_imports = dict(imports='json.tool', allow_failed_imports=True)
    cfg.dump(config)
    read = read_method_config(config, checkpoint)
    expected = dict(imports=['json.tool'], allow_failed_imports=True)
    assert read.custom_imports == expected
    assert custom_imports(read) == dict(expected, imports=['mmdavss', 'json.tool'])
    out = export_segmentor(read, checkpoint, tmp_path / 'out')
    assert Config.fromfile(out.config).custom_imports == expected
    for nothing in (None, dict(imports=None), dict()):
        cfg.custom_imports = nothing
        assert custom_imports(cfg) == dict(imports=['mmdavss'], allow_failed_imports=False)


def test_missing_packages(tmp_path):
    (tmp_path / 'config.py').write_text(
        "custom_imports = dict(imports=['mmpretrain.models'], allow_failed_imports=False)\n"
    )
    with pytest.raises(
        UserError,
        match='config.py needs the Python package mmpretrain.*pip install onedl-mmpretrain',
    ):
        read_method_config(tmp_path / 'config.py', 'any.pth')
    # A typing error is no package to install.
    (tmp_path / 'config.py').write_text(
        "custom_imports = dict(imports=['mmmpretrain.models'], allow_failed_imports=False)\n"
    )
    with pytest.raises(UserError, match='cannot be read as a config.*mmmpretrain') as error:
        read_method_config(tmp_path / 'config.py', 'any.pth')
    assert 'pip install' not in str(error.value)
