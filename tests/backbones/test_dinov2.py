"""DINOv2 and its adapter against the published code, and files of weights that are not theirs.

``golden/dinov2.npz`` was computed by the code of DINOv2 and by the adapter of VFM-UDA++, with
weights and images by formula, all in float64 (batch norm for its synchronised form).
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.utils.checkpoints import CheckpointError

GOLDEN = dict(np.load(Path(__file__).parents[1] / 'data/golden/dinov2.npz'))
SMALL = dict(arch=(16, 4, 2))
ADAPTER = dict(type='DINOv2Adapter', arch=(64, 4, 1), channels=8)


def by_formula(net):
    """The network with the weights of the arrays."""
    for number, (name, parameter) in enumerate(sorted(net.named_parameters())):
        steps = torch.arange(parameter.numel(), dtype=torch.float64)
        values = 0.1 * torch.sin(steps * (1 + number % 7) + number).view(parameter.shape)
        if parameter.ndim == 1 and name.endswith(('weight', 'gamma')):
            values = 1 + values
        parameter.data = values
    return net.double()


def images(*shape):
    return torch.sin(torch.arange(np.prod(shape), dtype=torch.float64) ** 1.5).view(shape)


@pytest.mark.parametrize('registers', [0, 4])
def test_published_tokens(registers):
    net = MODELS.build(dict(type='DINOv2', num_registers=registers, **SMALL))
    (maps,) = by_formula(net)(images(2, 3, 70, 98))
    expected = torch.from_numpy(GOLDEN[f'tokens_{registers}_registers'])
    assert maps.shape == (len(expected), expected.shape[2], 5, 7)  # 70 x 98 pixels
    torch.testing.assert_close(maps.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-9)


def test_published_adapter():
    net = by_formula(MODELS.build(ADAPTER)).train()
    maps = net(images(2, 3, 224, 224))
    assert len(maps) == sum(name.startswith('adapter_map_') for name in GOLDEN)
    for number, got in enumerate(maps):
        assert got.shape == (2, 64, *[56 // 2**number] * 2)
        expected = torch.from_numpy(GOLDEN[f'adapter_map_{number}'])
        torch.testing.assert_close(got[:, ::8, ::5, ::5], expected, rtol=0, atol=1e-9)
    loss = sum((own * own.detach().roll(1, 1)).mean() for own in maps)
    assert loss.item() == pytest.approx(float(GOLDEN['adapter_loss']), rel=1e-6)
    loss.backward()
    names = [n.removeprefix('adapter_grad_') for n in GOLDEN if n.startswith('adapter_grad_')]
    assert names
    for name in names:
        expected = torch.from_numpy(GOLDEN[f'adapter_grad_{name}'])
        got = net.get_parameter(name).grad[tuple(map(slice, expected.shape))]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_recomputed_activations_train_alike():
    gradients = []
    for with_cp in (False, True):
        net = by_formula(MODELS.build(dict(ADAPTER, with_cp=with_cp)))
        net(images(1, 3, 64, 96))[2].square().mean().backward()
        gradients.append([own.grad for own in net.parameters() if own.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize('size', [(32, 48), (70, 98), (61, 45)])
def test_frames_of_any_size(size):
    net = MODELS.build(dict(ADAPTER, input_scale=35 / 32))
    height, width = (14 * round(side * 35 / 32 / 14) for side in size)
    first, *_, last = net(torch.randn(1, 3, *size))
    assert first.shape[-2:] == (-(-height // 4), -(-width // 4))
    assert last.shape[-2:] == (-(-height // 32), -(-width // 32))


# ------------------------------------------------------------------------------------- weights


def official(arch=(16, 4, 2), patch=14, registers=0):
    """Random weights in the layout of dinov2_vitb14_pretrain.pth."""
    width, depth, _ = arch
    shapes = {
        'cls_token': (1, 1, width),
        'pos_embed': (1, 1370, width),
        'mask_token': (1, width),
        'patch_embed.proj.weight': (width, 3, patch, patch),
        'patch_embed.proj.bias': (width,),
        'norm.weight': (width,),
        'norm.bias': (width,),
    }
    if registers:
        shapes['register_tokens'] = (1, registers, width)
    for number in range(depth):
        for name, shape in {
            'norm1.weight': (width,),
            'norm1.bias': (width,),
            'attn.qkv.weight': (3 * width, width),
            'attn.qkv.bias': (3 * width,),
            'attn.proj.weight': (width, width),
            'attn.proj.bias': (width,),
            'ls1.gamma': (width,),
            'norm2.weight': (width,),
            'norm2.bias': (width,),
            'mlp.fc1.weight': (4 * width, width),
            'mlp.fc1.bias': (4 * width,),
            'mlp.fc2.weight': (width, 4 * width),
            'mlp.fc2.bias': (width,),
            'ls2.gamma': (width,),
        }.items():
            shapes[f'blocks.{number}.{name}'] = shape
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def load(tmp_path, weights, **config):
    path = tmp_path / 'weights.pth'
    torch.save(weights, path)
    net = MODELS.build(
        dict(
            dict(type='DINOv2', init_cfg=dict(type='Pretrained', checkpoint=str(path)), **SMALL)
            | config
        )
    )
    net.init_weights()
    return net


@pytest.mark.parametrize('registers', [0, 4])
def test_official_layout(tmp_path, registers):
    weights = official(registers=registers)
    net = load(tmp_path, weights, num_registers=registers)
    del weights['mask_token']
    assert net.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())


def test_adapter_on_official_weights(tmp_path):
    weights = official()
    net = load(tmp_path, weights, type='DINOv2Adapter', channels=4)
    own = net.state_dict()
    known = weights.keys() - {'mask_token', 'norm.weight', 'norm.bias'}
    assert all(torch.equal(own[name], weights[name]) for name in known)
    assert {name.split('.')[0] for name in own.keys() - known} == {
        'level_embed', 'spm', 'interactions', 'up', 'norm1', 'norm2', 'norm3', 'norm4'
    }  # fmt: skip


def test_layout_of_vfmuda(tmp_path):
    """A checkpoint of its pretraining: all of the encoder, and a head that is left out."""
    given = by_formula(MODELS.build(dict(type='DINOv2Adapter', channels=4, **SMALL))).float()
    weights = {f'network.encoder.{name}': value for name, value in given.state_dict().items()}
    weights['network.head.weight'] = torch.ones(2)
    net = load(tmp_path, dict(state_dict=weights), type='DINOv2Adapter', channels=4)
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), given.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ('weights', 'config', 'message'),
    [
        (official(patch=16), {}, 'of patches of 16x16 pixels, and DINOv2 has 14x14'),
        (official((32, 4, 2)), {}, 'width 32 with 4 blocks and 0 registers; the config has 16, 4'),
        (official((16, 3, 2)), {}, 'with 3 blocks.* set `arch`'),
        (official(registers=4), {}, '1 tensors.*4 registers'),
        (official(), dict(num_registers=4), "such as 'register_tokens'"),
        (official(registers=4), dict(type='DINOv2Adapter', channels=4), 'take weights without reg'),
        (
            official() | {'pos_embed': torch.ones(1, 257, 16)},
            dict(type='DINOv2Adapter', channels=4),
            "'pos_embed'.* of that tensor they have 1x257x16 and 1x",
        ),
        ({'conv1.weight': torch.ones(2)}, {}, "is not of DINOv2.*'conv1.weight'"),
    ],
)
def test_weights_of_another_network(tmp_path, weights, config, message):
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path, weights, **config)


def test_half_an_adapter(tmp_path):
    """Of another width of the convolutions: not taken for weights without an adapter."""
    given = MODELS.build(dict(type='DINOv2Adapter', channels=8, **SMALL)).state_dict()
    with pytest.raises(CheckpointError, match='have another shape or'):
        load(tmp_path, given, type='DINOv2Adapter', channels=4)
    del given['up.bias']
    with pytest.raises(CheckpointError, match="1 tensors are missing.*'up.bias'"):
        load(tmp_path, given, type='DINOv2Adapter', channels=8)


def test_missing_file():
    net = MODELS.build(
        dict(type='DINOv2', init_cfg=dict(type='Pretrained', checkpoint='gone.pth'), **SMALL)
    )
    with pytest.raises(FileNotFoundError, match="'gone.pth' do not exist. Download them"):
        net.init_weights()


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='DINOv2', arch='huge'), "arch='huge' is not one of"),
        (
            dict(type='DINOv2', init_cfg=[dict(type='Pretrained', checkpoint='x')]),
            'checked as a whole',
        ),
        (dict(type='DINOv2Adapter', arch=(16, 3, 2)), 'the number of blocks'),
        (dict(type='DINOv2', out_indices=(-1, 9), **SMALL), r'out_indices=\[9\] are no blocks'),
    ],
)
def test_options(config, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(config)
