"""Every network family of mmseg's zoo: adapted and predicted with random weights, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import mmcv
import mmseg
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS

from mmdavss.adaptation.recipes import adabn_model, stpl_model
from mmdavss.convert.plain_mmseg import method_config, read_method_config
from mmdavss.utils.errors import UserError

pytestmark = pytest.mark.slow

CONFIGS = Path(mmseg.__file__).parent / '.mim/configs'
#: Of the frames: height and width.
SIZE = (64, 96)
#: Of the small networks, less than in the configs by this factor.
FACTOR = 32

# What a config of a family gets, to be small. Families with a ResNet need nothing.
_VIT = dict(embed_dims=32, num_heads=2)
SMALLER: dict[str, dict] = dict(
    beit=dict(
        backbone=dict(_VIT, img_size=SIZE, num_layers=4, out_indices=(0, 1, 2, 3)),
        neck=dict(embed_dim=32),
        decode_head=dict(in_channels=[32] * 4, channels=16),
    ),
    dpt=dict(
        backbone=dict(_VIT, num_layers=4, out_indices=(0, 1, 2, 3)),
        decode_head=dict(
            in_channels=[32] * 4, channels=16, embed_dims=32, post_process_channels=[8] * 4
        ),
    ),
    setr=dict(
        backbone=dict(_VIT, num_layers=4, out_indices=(0, 1, 2, 3)),
        neck=dict(in_channels=[32] * 4, out_channels=8),
        decode_head=dict(in_channels=[8] * 4, channels=16, mla_channels=4),
    ),
    resnest=dict(
        backbone=dict(depth=50, stem_channels=8, base_channels=8),
        decode_head=dict(in_channels=256, channels=16),
    ),
    segmenter=dict(
        backbone=dict(_VIT, num_layers=2),
        decode_head=dict(in_channels=32, channels=32, embed_dims=32, num_heads=2),
    ),
    swin=dict(
        backbone=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
        decode_head=dict(in_channels=[8, 16, 32, 64], channels=16),
    ),
    twins=dict(
        backbone=dict(embed_dims=[8, 16, 32, 64], depths=[1] * 4, num_heads=[1] * 4),
        neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
        decode_head=dict(in_channels=[8] * 4, channels=8),
    ),
    unet=dict(backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4)),
    vit=dict(
        backbone=dict(_VIT, num_layers=4, out_indices=(0, 1, 2, 3)),
        neck=dict(in_channels=[32] * 4, out_channels=8),
        decode_head=dict(in_channels=[8] * 4, channels=16),
    ),
)
SMALLER['mae'] = SMALLER['beit']
#: The config that stands for a family: the one with this in its name that comes first.
CHOSEN = dict(
    bisenetv1='r18',
    convnext='tiny',
    hrnet='hr18s',
    icnet='r18',
    knet='deeplabv3',
    mask2former='r50',
    maskformer='r50',
    mobilenet_v3='d8-s',
    ocrnet='hr18s',
    pidnet='-s_',
    poolformer='s12',
    resnest='fcn',
    segformer='b0',
    segmenter='vit-t_mask',
    segnext='-t_',
    setr='mla',
    stdc='stdc1',
    swin='tiny-patch4-window7-in1k',
    twins='pcpvt-s_fpn',
    unet='fcn_4xb4-160k',
    vit='s16_mln',
)
#: Families that are refused, and why.
REFUSED = dict(
    ccnet='CCHead needs compiled operators of mmcv.*--no-binary',
    convnext='mmpretrain, which is not installed: pip install onedl-mmpretrain',
    mask2former='needs the Python package mmdet.*pip install onedl-mmdetection',
    maskformer='MaskFormerHead needs the Python package mmdet.*pip install onedl-mmdetection',
    point_rend='PointHead needs compiled operators of mmcv.*--no-binary',
    poolformer='mmpretrain, which is not installed: pip install onedl-mmpretrain',
    psanet='PSAHead needs compiled operators of mmcv.*--no-binary',
    san='a MultimodalEncoderDecoder cannot be taken, its classes come from a language model',
    vpd='a DepthEstimator cannot be taken, it estimates depth',
)
FAMILIES = sorted(path.name for path in CONFIGS.iterdir() if path.name != '_base_')

#: Of MobileNetV3's head in the place of 49x49.
POOL = torch.nn.AvgPool2d(kernel_size=6, stride=2)


def config_of(family: str) -> Path:
    """The config that stands for a family."""
    return min(
        path
        for path in (CONFIGS / family).rglob('*.py')
        if CHOSEN.get(family, 'r50') in path.name or family not in CHOSEN
    )


def smaller(value: Any) -> Any:
    """A config of a head or neck on a ResNet whose channels are fewer by FACTOR."""
    if isinstance(value, list | tuple):
        return type(value)(smaller(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    return {
        key: (shrunk(item) if key.endswith('channels') else smaller(item))
        for key, item in value.items()
    }


def shrunk(channels: int | list[int]) -> int | list[int]:
    """Channels, fewer by FACTOR."""
    if isinstance(channels, int):
        return max(channels // FACTOR, 4)
    return type(channels)(shrunk(number) for number in channels)


def small(path: Path, family: str) -> Config:
    """A packaged config as a network that is built and passed in a moment."""
    cfg = Config.fromfile(path)
    model = cfg.model
    kind = model.backbone.get('backbone_cfg', model.backbone)
    if kind.type in ('ResNet', 'ResNetV1c') and family not in ('bisenetv1', 'icnet'):
        kind.update(depth=18, base_channels=8, stem_channels=8)
        for part in ('neck', 'decode_head'):
            if model.get(part) is not None:
                model[part] = smaller(model[part])
    cfg.merge_from_dict(dict(model=SMALLER.get(family, {})), allow_list_keys=False)
    return cfg


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint without weights."""
    torch.save(dict(state_dict={}, meta={}), tmp_path / 'model.pth')
    return tmp_path / 'model.pth'


def classes_of(cfg: Config) -> list[str]:
    """Names of all classes."""
    head = cfg.model.decode_head
    head = head[-1] if isinstance(head, list) else head
    head = head.get('kernel_generate_head', head)
    return [f'class {number}' for number in range(head.num_classes)]


def adapted(cfg: Config, batch) -> None:
    """A step of AdaBN, where there is batch norm, and one of STPL; then a prediction."""
    methods = [stpl_model(cfg, 'not read')]
    if any('BN' in str(part) for part in cfg.model.student.segmentor.values()):
        # First: with the statistics of its own features a random network predicts several classes.
        methods.insert(0, adabn_model(cfg, 'not read'))
    weights = None
    for method in methods:
        model = MODELS.build(ConfigDict(method)).train()
        if weights is not None:
            model.student.load_state_dict(weights)
        before = {name: value.clone() for name, value in model.student.state_dict().items()}
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
        logged = model.train_step(batch('target', size=SIZE), wrapper)
        assert all(value.isfinite() for value in logged.values())
        weights = model.student.state_dict()
        moved = [name for name in before if not torch.equal(before[name], weights[name])]
        assert any('conv_seg' not in name for name in moved)
    single = batch(count=1, length=1, size=SIZE)
    model.eval()
    with torch.no_grad():
        (sample,), _ = model.step(**model.data_preprocessor(single))
    assert sample.seg_logits.data.shape == (model.num_classes, *SIZE)
    assert sample.seg_logits.data.isfinite().all()


@pytest.mark.parametrize('family', FAMILIES)
def test_family(family, checkpoint, batch, monkeypatch):
    path = config_of(family)
    if family in REFUSED:
        with pytest.raises(UserError, match=REFUSED[family]):
            read_method_config(path, checkpoint)
        return
    cfg = small(path, family)
    if family == 'mobilenet_v3':  # frames of 392 x 392 would take half a minute
        monkeypatch.setattr(torch.nn, 'AvgPool2d', lambda kernel_size, stride: POOL)
    adapted(method_config(cfg, checkpoint, classes_of(cfg)), batch)


@pytest.mark.parametrize('family', ['ccnet', 'point_rend'])
def test_family_with_operators(family, checkpoint, batch, monkeypatch):
    """With the operators of mmcv that need no compiler, as if it had been built with all."""
    monkeypatch.setattr('mmdavss.launch.packages._installed', lambda module: True)
    heads = 'mmseg.models.decode_heads'
    if family == 'ccnet':
        operator = operator_file('cc_attention').CrissCrossAttention
        monkeypatch.setattr(f'{heads}.cc_head.CrissCrossAttention', operator)
    else:
        operator = operator_file('point_sample').point_sample
        monkeypatch.setattr(f'{heads}.point_head.point_sample', operator)
    cfg = small(config_of(family), family)
    taken = method_config(cfg, checkpoint, classes_of(cfg))
    adapted(taken, batch)
    if family == 'ccnet':
        return
    # The points that PointRend looks at are part of what it predicts.
    student = MODELS.build(taken.model.student).eval()
    plain = MODELS.build(taken.model.student.segmentor).eval()
    plain.load_state_dict(student.segmentor.state_dict())
    frame = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        expected = plain.encode_decode(frame, [dict(img_shape=SIZE)])
        assert torch.equal(student.step(frame)[0], expected)
        assert student(frame[:, None]).shape[-1] < SIZE[1]


def operator_file(name: str) -> ModuleType:
    """A file of mmcv.ops by itself, which cannot be imported without the compiled part."""
    path = Path(mmcv.__file__).parent / f'ops/{name}.py'
    spec = spec_from_file_location(f'mmcv.ops.{name}', path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_names_every_family():
    page = Path(__file__).parents[2] / 'docs/adapt_your_video.md'
    table = page.read_text(encoding='utf-8').split('## Networks of mmseg')[1]
    rows = [line.split('|')[1:3] for line in table.splitlines() if line.startswith('|')][2:]
    said = {name: what.strip() for names, what in rows for name in names.strip().split(', ')}
    assert sorted(said) == FAMILIES
    assert all((family in REFUSED) != said[family].startswith('work') for family in FAMILIES)
