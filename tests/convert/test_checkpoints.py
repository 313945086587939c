"""Published checkpoints, made here with the names and shapes that the published code gives them."""

from __future__ import annotations

import re

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmdavss.apis import UserError
from mmdavss.convert.checkpoints import FORMATS, convert_state
from mmdavss.video_nets.loading import load_student

pytestmark = pytest.mark.slow

CLASSES = 15


def batch_norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    shapes = dict(
        weight=(width,),
        bias=(width,),
        running_mean=(width,),
        running_var=(width,),
        num_batches_tracked=(),
    )
    return {f'{name}.{part}': shape for part, shape in shapes.items()}


def published_resnet(
    levels: tuple[str, ...] = ('layer5', 'layer6'), prefix: str = ''
) -> dict[str, tuple[int, ...]]:
    """Shapes of DeepLab-v2 ResNet-101 in ADVENT (advent/model/deeplabv2.py)."""
    shapes = {'conv1.weight': (64, 3, 7, 7), **batch_norm('bn1', 64)}
    inputs = 64
    for layer, (blocks, width) in enumerate(((3, 64), (4, 128), (23, 256), (3, 512)), start=1):
        for block in range(blocks):
            name = f'layer{layer}.{block}'
            shapes |= {
                f'{name}.conv1.weight': (width, inputs, 1, 1),
                f'{name}.conv2.weight': (width, width, 3, 3),
                f'{name}.conv3.weight': (4 * width, width, 1, 1),
            }
            for number, size in ((1, width), (2, width), (3, 4 * width)):
                shapes |= batch_norm(f'{name}.bn{number}', size)
            if block == 0:
                shapes[f'{name}.downsample.0.weight'] = (4 * width, inputs, 1, 1)
                shapes |= batch_norm(f'{name}.downsample.1', 4 * width)
            inputs = 4 * width
    for level in levels:
        width = 1024 if level == 'layer5' else 2048
        for branch in range(4):
            shapes |= {
                f'{level}.conv2d_list.{branch}.weight': (CLASSES, width, 3, 3),
                f'{level}.conv2d_list.{branch}.bias': (CLASSES,),
            }
    return {prefix + name: shape for name, shape in shapes.items()}


def published_flownet(prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of FlowNets in SFC (lib/model/flownet.py)."""
    convs = dict(
        conv1=(24, 6, 7),
        conv2=(48, 24, 5),
        conv3=(96, 48, 5),
        conv3_1=(96, 96, 3),
        conv4=(192, 96, 3),
        conv4_1=(192, 192, 3),
        conv5=(192, 192, 3),
        conv5_1=(192, 192, 3),
        conv6=(384, 192, 3),
        conv6_1=(384, 384, 3),
    )
    shapes = {}
    for name, (out, inputs, size) in convs.items():
        shapes |= {f'{name}.0.weight': (out, inputs, size, size), f'{name}.0.bias': (out,)}
    for level, inputs in ((6, 384), (5, 386), (4, 290), (3, 146), (2, 74)):
        shapes |= {
            f'predict_flow{level}.weight': (2, inputs, 3, 3),
            f'predict_flow{level}.bias': (2,),
        }
    for level, (inputs, out) in {5: (384, 192), 4: (386, 96), 3: (290, 48), 2: (146, 24)}.items():
        name = f'upsample_flow{level + 1}to{level}'
        shapes |= {
            f'deconv{level}.0.weight': (inputs, out, 4, 4),
            f'deconv{level}.0.bias': (out,),
            f'{name}.weight': (2, 2, 4, 4),
            f'{name}.bias': (2,),
        }
    return {prefix + name: shape for name, shape in shapes.items()}


def meta(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors without content: names and shapes are what counts, and 180 MB each are saved."""
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def student(name: str) -> nn.Module:
    """Video net of a config, of the published size, without content."""
    with torch.device('meta'):
        return MODELS.build(Config.fromfile(f'configs/{name}.py').model.student)


ADVENT = published_resnet()
DAVSN = {**ADVENT, 'sf_layer.weight': (CLASSES, 2 * CLASSES, 1, 1)}
SFC = {
    **published_resnet(('layer6',), 'net_ref.'),
    **published_resnet(('layer6',), 'net_update.'),
    'merge.weight': (CLASSES, 2 * CLASSES, 1, 1),
    'merge.bias': (CLASSES,),
    **published_flownet('flownet.'),
}


@pytest.mark.parametrize(
    ('kind', 'config', 'shapes'),
    [
        ('advent', 'source_only/deeplabv2-r101_viper2city', ADVENT),
        ('advent', 'source_only/deeplabv2-r101_viper2city', published_resnet(('layer6',))),
        ('davsn', 'davsn/accel_viper2city', DAVSN),
        ('tps', 'tps/accel_viper2city', DAVSN),
        (
            'sfc',
            'sfc/accel_viper2city_source-stage2',
            {**SFC, **published_flownet('flownet_global.'), **published_flownet('SFM.')},
        ),
    ],
)
def test_published_sizes(kind, config, shapes):
    net = student(config)
    done = convert_state(meta(shapes), kind, net)
    own = net.state_dict()
    assert done.state.keys() == own.keys()
    assert all(done.state[name].shape == value.shape for name, value in own.items())
    dropped = {'flownet_global', 'SFM'} if kind == 'sfc' else set()
    assert {name.split('.')[0] for name in done.dropped} == dropped
    # What only helps in training may be lacking.
    assert all('auxiliary_head' in name for name in done.filled)
    assert bool(done.filled) == ('layer5.conv2d_list.0.bias' not in shapes)
    # As DataParallel saves it, and of PyTorch before 0.4.1.
    old = {
        f'module.{name}': value
        for name, value in meta(shapes).items()
        if not name.endswith('num_batches_tracked')
    }
    assert convert_state(old, kind, net).state.keys() == own.keys()


def test_deeplab_v2_places():
    values = {
        name: torch.full((1,), float(number))
        for number, name in enumerate(
            name for name in SFC if not name.startswith(('merge', 'flownet'))
        )
    }
    values['merge.weight'] = torch.arange(12.0).view(2, 6, 1, 1)
    values['flownet.conv1.0.bias'] = torch.ones(3)
    made = FORMATS['sfc'].convert(dict(values), False).state
    for branch, published in (('segmentor', 'net_update'), ('reference_segmentor', 'net_ref')):
        for name in (
            'conv1.weight',
            'bn1.running_var',
            'layer3.22.conv2.weight',
            'layer1.0.downsample.1.bias',
        ):
            assert made[f'{branch}.backbone.{name}'] is values[f'{published}.{name}']
        assert (
            made[f'{branch}.decode_head.conv_seg.branches.2.bias']
            is values[f'{published}.layer6.conv2d_list.2.bias']
        )
    assert made['flow_net.conv1.0.bias'] is values['flownet.conv1.0.bias']
    # SFC joins (key, current), Accel (current, key).
    assert made['fusion.weight'].flatten().tolist() == [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
    # A net of one level has its classifier in layer5.
    single = FORMATS['advent'].convert({'layer5.conv2d_list.0.bias': torch.ones(2)}, False).state
    assert list(single) == ['segmentor.decode_head.conv_seg.branches.0.bias']


def with_dilations(*dilations: int) -> nn.Module:
    """Video net of AdaptSegNet's config, its classifiers as in docs/convert_checkpoints.md."""
    cfg = Config.fromfile('configs/adaptsegnet/deeplabv2-r101_gta2city.py').model.student
    for head in ('decode_head', 'auxiliary_head'):
        cfg.segmentor[head].update(dilations=dilations, num_classes=CLASSES)
    with torch.device('meta'):
        return MODELS.build(cfg)


@pytest.mark.parametrize('levels', [('layer5', 'layer6'), ('layer6',)])
def test_adaptsegnet_has_two_dilations(levels):
    """Shapes of model/deeplab_multi.py, whose forward pass leaves two branches out."""
    state = meta(published_resnet(levels))
    net = with_dilations(6, 12)
    done = convert_state(state, 'adaptsegnet', net)
    assert done.state.keys() == net.state_dict().keys()
    assert {*done.dropped} == {n for n in state if re.search(r'conv2d_list\.[23]\.', n)}
    assert bool(done.filled) == (len(levels) == 1)
    for others in ((6, 12, 18, 24), (6, 18)):
        with pytest.raises(UserError, match=r'dilations \(6, 12\) take part.*decode_head.*give it'):
            convert_state(state, 'adaptsegnet', with_dilations(*others))
    for pool in (module for module in net.modules() if isinstance(module, nn.MaxPool2d)):
        pool.ceil_mode = False
    with pytest.raises(UserError, match='of the format adaptsegnet rounds sizes up'):
        convert_state(state, 'adaptsegnet', net)


def test_scores_of_adaptsegnet_are_the_sum_of_two_convolutions(per_frame, build):
    """Also of UR, whose files have its decoders besides."""
    per_frame['segmentor']['backbone']['type'] = 'CeilResNet'
    heads = dict(layer6='decode_head', layer5='auxiliary_head')
    for head in heads.values():
        per_frame['segmentor'][head]['dilations'] = (6, 12)
    net = build(per_frame)
    parts = {level: net.segmentor.get_submodule(head) for level, head in heads.items()}
    published = {
        name.removeprefix('backbone.'): torch.randn_like(value) if value.ndim else value
        for name, value in net.segmentor.state_dict().items()
        if name.startswith('backbone.')
    }
    for level, head in parts.items():
        for branch in range(4):
            shape = (head.num_classes, head.in_channels, 3, 3)
            published[f'{level}.conv2d_list.{branch}.weight'] = torch.randn(shape)
            published[f'{level}.conv2d_list.{branch}.bias'] = torch.randn(head.num_classes)
    ur = {f'seg_model.{name}': value for name, value in published.items()}
    ur['aux_decoders.decoders.0.upsample.conv2d_list.0.bias'] = torch.randn(3)
    for state in (published, ur):
        done = convert_state(state, 'adaptsegnet', net)
        assert len(done.dropped) == 8 + (state is ur)
        net.load_state_dict(done.state)
        assert torch.equal(net.segmentor.backbone.conv1.weight, published['conv1.weight'])
        for level, head in parts.items():
            features = torch.randn(1, head.in_channels, 30, 40)
            # As published: out = conv2d_list[0](x); out += conv2d_list[1](x); return out.
            out = sum(
                F.conv2d(
                    features,
                    published[f'{level}.conv2d_list.{branch}.weight'],
                    published[f'{level}.conv2d_list.{branch}.bias'],
                    padding=dilation,
                    dilation=dilation,
                )
                for branch, dilation in enumerate((6, 12))
            )
            torch.testing.assert_close(head.cls_seg(features), out)
            for parameter in head.parameters():
                nn.init.zeros_(parameter)


# --------------------------------------------------------------------------- mmseg 0.x

MIT = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_stages=4,
        num_layers=[1, 2, 1, 1],
        num_heads=[1, 2, 2, 4],
        sr_ratios=[8, 4, 2, 1],
        patch_sizes=[7, 3, 3, 3],
        mlp_ratio=2,
    ),
    decode_head=dict(
        type='DAFormerHead',
        in_channels=[8, 16, 16, 32],
        in_index=[0, 1, 2, 3],
        channels=8,
        embed_channels=8,
        dilations=(1, 6),
        num_classes=4,
        norm_cfg=dict(type='BN'),
    ),
)
MIT_NAMES = [  # mmseg's name, that of NVIDIA's mix_transformer.py
    (r'backbone\.layers\.(\d)\.0\.projection', 'backbone.patch_embed{}.proj'),
    (r'backbone\.layers\.(\d)\.0\.norm', 'backbone.patch_embed{}.norm'),
    (r'backbone\.layers\.(\d)\.2', 'backbone.norm{}'),
    (r'backbone\.layers\.(\d)\.1', 'backbone.block{}'),
]


def published_daformer(net: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a small DAFormer under the names of the published code."""
    made = {}
    for name, value in net.segmentor.state_dict().items():
        for pattern, new in MIT_NAMES:
            name = re.sub(f'^{pattern}', lambda m, new=new: new.format(int(m[1]) + 1), name)
        name = name.replace('.ffn.layers.0.', '.mlp.fc1.').replace('.ffn.layers.4.', '.mlp.fc2.')
        name = name.replace('.ffn.layers.1.', '.mlp.dwconv.dwconv.')
        name = name.replace('attn.attn.out_proj', 'attn.proj')
        name = name.replace('decode_head.context.', 'decode_head.fuse_layer.aspp_modules.')
        name = name.replace('decode_head.bottleneck.', 'decode_head.fuse_layer.bottleneck.')
        name = re.sub(r'embeddings\.(\d)', r'embed_layers.\1.proj', name)
        if value.ndim == 4 and re.search(r'fc[12]|embed_layers', name):
            value = value[:, :, 0, 0]
        if 'in_proj' in name:  # queries, and keys with values
            name = name.replace('attn.attn.in_proj_', 'attn.{}.')
            third = len(value) // 3
            made[name.format('q')], made[name.format('kv')] = value[:third], value[third:]
            continue
        made[name] = value
    return made


@pytest.mark.parametrize('teacher', [False, True])
def test_daformer(teacher, build):
    net = build(dict(type='PerFrame', segmentor=MIT, allow_random_init=True))
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    published = published_daformer(net)
    for name in (
        'backbone.patch_embed1.proj.weight',
        'backbone.block2.1.attn.q.weight',
        'backbone.block2.1.attn.kv.bias',
        'backbone.block1.0.attn.sr.weight',
        'backbone.block4.0.mlp.dwconv.dwconv.bias',
        'backbone.norm4.weight',
        'decode_head.embed_layers.0.proj.weight',
        'decode_head.conv_seg.bias',
        'decode_head.fuse_layer.aspp_modules.1.depthwise_conv.conv.weight',
        'decode_head.fuse_layer.bottleneck.bn.running_mean',
    ):
        assert name in published
    assert published['backbone.block1.0.mlp.fc1.weight'].ndim == 2
    names = ('ema_model', 'model') if teacher else ('model', 'ema_model')
    state = {f'{names[0]}.{name}': value for name, value in published.items()}
    state |= {
        f'{other}.{name}': torch.zeros(1)
        for name in published
        for other in (names[1], 'imnet_model')
    }
    done = convert_state(state, 'daformer', net, teacher)
    own = net.state_dict()
    assert done.state.keys() == own.keys() and not done.filled
    assert all(torch.equal(done.state[name], value) for name, value in own.items())
    assert len(done.dropped) == 2 * len(published)
    # A segmentor without a method around it.
    assert convert_state(published, 'daformer', net).state.keys() == own.keys()


def test_sepico(per_frame, build):
    """DeepLab-v2 head of mmseg 0.x; the auxiliary head is the projection of the contrast."""
    per_frame['segmentor']['auxiliary_head'] = None
    net = build(per_frame)
    published = {
        re.sub(r'conv_seg\.branches\.(\d)', r'aspp_modules.\1.conv', f'model.{name}'): value
        for name, value in net.segmentor.state_dict().items()
    }
    assert 'model.decode_head.aspp_modules.1.conv.bias' in published
    published |= {
        'model.auxiliary_head.conv.0.weight': torch.zeros(1),
        'feat_distributions.mean': torch.zeros(1),
    }
    done = convert_state(published, 'sepico', net)
    assert all(torch.equal(done.state[name], value) for name, value in net.state_dict().items())
    assert set(done.dropped) == {'model.auxiliary_head.conv.0.weight', 'feat_distributions.mean'}
    with pytest.raises(UserError, match='no EMA teacher.*--teacher'):
        convert_state(published, 'sepico', net, teacher=True)


def test_single_frame_net_starts_a_video_net(accel, per_frame, build, tmp_path):
    """DeepLab-v2 for Accel: the fusion stays as it is initialised."""
    for net in (accel, per_frame):
        net['segmentor']['backbone']['type'] = 'CeilResNet'
    one = build(per_frame)
    published = {}
    for name, value in one.segmentor.state_dict().items():
        name = name.removeprefix('backbone.')
        for head, level in (('decode_head', 'layer6'), ('auxiliary_head', 'layer5')):
            name = name.replace(f'{head}.conv_seg.branches', f'{level}.conv2d_list')
        published[name] = value
    net = build(accel)
    done = convert_state(published, 'advent', net)
    torch.save(
        dict(state_dict={f'student.{n}': v for n, v in done.state.items()}), tmp_path / 'a.pth'
    )
    load_student(net, str(tmp_path / 'a.pth'))
    weight = 'segmentor.backbone.conv1.weight'
    assert torch.equal(net.state_dict()[weight], one.state_dict()[weight])
    # The same where the config has no auxiliary head.
    per_frame['segmentor']['auxiliary_head'] = None
    assert len(convert_state(published, 'advent', build(per_frame)).dropped) == 4


@pytest.mark.parametrize(
    ('kind', 'config', 'shapes', 'size'),
    [
        ('advent', 'source_only/deeplabv2-r101_viper2city', ADVENT, (65, 129)),
        ('davsn', 'davsn/accel_viper2city', DAVSN, (65, 129)),
        ('tps', 'tps/accel_viper2city', DAVSN, (65, 129)),
        ('sfc', 'sfc/accel_viper2city_source-stage2', SFC, (64, 128)),
        ('sfc', 'sfc/accel_viper2city_stage2', SFC, (64, 128)),
        ('sepico', 'sepico/distcl_deeplabv2-r101_gta2city', None, (64, 128)),
    ],
)
def test_grid_that_the_weights_were_trained_on(kind, config, shapes, size):
    """Score maps of 512x1024 as published. The other grid is refused."""
    cfg = Config.fromfile(f'configs/{config}.py').model.student
    for segmentor in (cfg.segmentor, cfg.get('reference_segmentor') or cfg.segmentor):
        segmentor.backbone.update(init_cfg=None)
        with torch.device('meta'):
            net = MODELS.build(segmentor)
            scores = net.decode_head(net.extract_feat(torch.zeros(1, 3, 512, 1024)))
        assert tuple(scores.shape[-2:]) == size
    net = student(config)
    state = (
        meta(shapes)
        if shapes
        else {
            f'model.{name.removeprefix("segmentor.")}': value
            for name, value in net.state_dict().items()
        }
    )
    for pool in (module for module in net.modules() if isinstance(module, nn.MaxPool2d)):
        pool.ceil_mode = size == (64, 128)
    way = 'down' if size == (64, 128) else 'up'
    with pytest.raises(UserError, match=f'of the format {kind} rounds sizes {way}'):
        convert_state(state, kind, net)


def test_what_does_not_fit():
    net = student('davsn/accel_viper2city')
    state = meta(DAVSN)
    del state['layer2.0.bn1.bias']
    state['extra.weight'] = torch.zeros(3)
    state['layer6.conv2d_list.1.bias'] = torch.zeros(19)
    with pytest.raises(UserError) as error:
        convert_state(state, 'davsn', net)
    text = str(error.value)
    for words in (
        '1 missing: segmentor.backbone.layer2.0.bn1.bias',
        '1 unexpected: extra.weight',
        '1 of another shape: segmentor.decode_head.conv_seg.branches.1.bias (19,) instead of (15,)',
        'as one of the format davsn',
    ):
        assert words in text
    # Another format: what is missing and left over is cut short.
    with pytest.raises(UserError, match=r'missing: .* and \d+ more; \d+ unexpected: .* and'):
        convert_state(meta(SFC), 'davsn', net)
    with pytest.raises(UserError, match='1 missing: fusion.weight'):
        convert_state(meta(ADVENT), 'davsn', net)
    with pytest.raises(UserError, match="format 'other' is not one of advent"):
        convert_state({}, 'other', net)
    with pytest.raises(UserError, match='tps have no EMA teacher'):
        convert_state(state, 'tps', net, teacher=True)
