"""mmflow's networks behind the bridge, small ones with random weights."""

import copy
import sys

import mmcv
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from torch import nn

MEAN, STD = [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]
PREPROCESSOR = dict(type='FlowDataPreprocessor', mean=MEAN, std=STD, bgr_to_rgb=False)
LEVELS = [f'level{i}' for i in range(1, 7)]
NETWORKS = dict(
    flownets=dict(
        type='FlowNetS',
        data_preprocessor=PREPROCESSOR,
        encoder=dict(
            type='FlowNetEncoder',
            in_channels=6,
            pyramid_levels=LEVELS,
            num_convs=(1, 1, 2, 2, 2, 2),
            out_channels=(4, 4, 8, 8, 8, 16),
            kernel_size=(7, 5, (5, 3), 3, 3, 3),
            strides=(2,) * 6,
            dilations=(1,) * 6,
        ),
        decoder=dict(
            type='FlowNetSDecoder',
            in_channels=dict(level6=16, level5=18, level4=18, level3=18, level2=14),
            out_channels=dict(level6=8, level5=8, level4=8, level3=8),
        ),
    ),
    # With the correlation operator.
    pwcnet=dict(
        type='mmflow.PWCNet',
        data_preprocessor=PREPROCESSOR,
        encoder=dict(
            type='PWCNetEncoder',
            in_channels=3,
            net_type='Basic',
            pyramid_levels=LEVELS,
            out_channels=(4, 4, 8, 8, 8, 8),
            strides=(2,) * 6,
            dilations=(1,) * 6,
        ),
        decoder=dict(
            type='PWCNetDecoder',
            densefeat_channels=(8, 8),
            in_channels=dict(level6=81, level5=93, level4=93, level3=93, level2=89),
            corr_cfg=dict(type='Correlation', max_displacement=4, padding=0),
            warp_cfg=dict(type='Warp', align_corners=True),
        ),
    ),
    raft=dict(
        type='RAFT',
        data_preprocessor=PREPROCESSOR,
        num_levels=4,
        radius=3,
        cxt_channels=64,
        h_channels=96,
        encoder=dict(
            type='RAFTEncoder',
            in_channels=3,
            out_channels=128,
            net_type='Small',
            norm_cfg=dict(type='IN'),
        ),
        cxt_encoder=dict(
            type='RAFTEncoder',
            in_channels=3,
            out_channels=160,
            net_type='Small',
            norm_cfg=dict(type='SyncBN'),
        ),
        decoder=dict(
            type='RAFTDecoder',
            net_type='Small',
            num_levels=4,
            radius=3,
            iters=2,
            corr_op_cfg=dict(type='CorrLookup', align_corners=True),
            gru_type='Conv',
        ),
    ),
)


@pytest.fixture
def estimator(build):

    def make(config='flownets', **kwargs):
        config = copy.deepcopy(NETWORKS.get(config, config)) if isinstance(config, str) else config
        kwargs.setdefault('allow_random_init', 'checkpoint' not in kwargs)
        return build(dict(type='MMFlowEstimator', config=config, **kwargs))

    return make


def frames(size=(50, 70), count=2):
    return torch.rand(2, count, 3, *size, generator=torch.Generator().manual_seed(1)).unbind()


@pytest.mark.parametrize('name', NETWORKS)
def test_networks(estimator, name):
    parent = nn.Module()
    parent.flow = estimator(name)
    parent.train()
    (net,) = parent.flow._networks
    assert not any(m.training for m in net.modules())
    assert not parent.state_dict() and not list(parent.parameters())
    a, b = frames()
    flow = parent.flow(a, b)
    assert flow.shape == (2, 2, 50, 70) and flow.dtype == torch.float32
    assert flow.isfinite().all() and not flow.requires_grad
    assert torch.equal(parent.flow(a, b), flow)
    torch.testing.assert_close(parent.flow(a[1:], b[1:]), flow[1:])
    assert (parent.flow(b, a) - flow).abs().max() > 1e-6


@pytest.mark.parametrize('to_rgb', [False, True])
def test_input_and_output_by_hand(estimator, to_rgb):
    """FlowNetS: normalised BGR (or RGB), values 0 to 255; flow / 20 at a quarter of the size."""
    config = copy.deepcopy(NETWORKS['flownets'])
    config['data_preprocessor']['bgr_to_rgb'] = to_rgb
    provider = estimator(config)
    a, b = frames((64, 128))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    order = [0, 1, 2] if to_rgb else [2, 1, 0]
    inputs = torch.cat([(f[:, order] * 255 - mean) / std for f in (a, b)], dim=1)
    (net,) = provider._networks
    with torch.no_grad():
        quarter = net.decoder(net.encoder(inputs))['level2']
    assert quarter.shape[-2:] == (16, 32)
    expected = 20 * F.interpolate(quarter, size=(64, 128), mode='bilinear', align_corners=False)
    torch.testing.assert_close(provider(a, b), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'name, divisor, padded',
    [('flownets', None, (64, 128)), ('raft', None, (64, 72)), ('raft', 16, (64, 80))],
)
def test_padding(estimator, name, divisor, padded):
    """Border pixels are repeated on all sides, and the flow is cut back."""
    provider = estimator(name, size_divisor=divisor)
    top, left = ((n - m) // 2 for n, m in zip(padded, (50, 70), strict=True))
    a, b = frames()
    full = [
        torch.from_numpy(
            np.pad(
                f,
                ((0, 0), (0, 0), (top, padded[0] - 50 - top), (left, padded[1] - 70 - left)),
                mode='edge',
            )
        )
        for f in (a, b)
    ]
    expected = provider(*full)[..., top : top + 50, left : left + 70]
    torch.testing.assert_close(provider(a, b), expected)


def test_numpy_images(estimator):
    provider = estimator()
    images = np.random.default_rng(0).integers(256, size=(2, 50, 70, 3), dtype=np.uint8)
    a, b = (torch.from_numpy(i[None, ..., ::-1].copy()).permute(0, 3, 1, 2) / 255 for i in images)
    np.testing.assert_allclose(
        provider.estimate_numpy(*images), provider(a, b)[0].permute(1, 2, 0), rtol=1e-4, atol=1e-5
    )


def test_follows_its_owner(estimator):
    """With its preprocessor, which would move frames back to the CPU."""
    parent = nn.Module()
    parent.flow = estimator()
    parent.to('meta')
    # Not the provider's call, as there is no autocast on this device.
    flow = parent.flow._estimate(*(f.to('meta') for f in frames()), None)
    assert flow.device.type == 'meta' and flow.shape == (2, 2, 50, 70)


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_checkpoint(tmp_path, estimator, prefix):
    trained = estimator()
    file = str(tmp_path / 'weights.pth')
    weights = {prefix + k: v for k, v in trained._networks[0].state_dict().items()}
    torch.save(dict(state_dict=weights, meta={}), file)
    torch.manual_seed(1)
    other = estimator(checkpoint=file)
    assert torch.equal(other(*frames()), trained(*frames()))
    with pytest.raises(ValueError, match='weights.pth does not fit PWCNet.*such as'):
        estimator('pwcnet', checkpoint=file)


def test_missing_weights(tmp_path, estimator):
    with pytest.raises(ValueError, match='`checkpoint` is missing.*DISFlowEstimator'):
        estimator(allow_random_init=False)
    with pytest.raises(FileNotFoundError, match='none.pth'):
        estimator(checkpoint=str(tmp_path / 'none.pth'))


def test_configs(tmp_path, estimator):
    """By the name of one that mmflow ships, and by path."""
    shipped = estimator('pwcnet_8xb1_slong_flyingchairs-384x448')
    assert type(shipped._networks[0]).__name__ == 'PWCNet'
    file = tmp_path / 'small.py'
    file.write_text(f'model = {NETWORKS["flownets"]!r}')
    assert type(estimator(str(file))._networks[0]).__name__ == 'FlowNetS'
    with pytest.raises(FileNotFoundError, match='raft_8x.*Similar ones:.*raft_8xb2'):
        estimator('raft_8x2_100k_mixed_368x768')
    with pytest.raises(ValueError, match='data_preprocessor'):
        estimator(dict(type='RAFT'))


def test_leaves_mmcv_as_it_was(estimator):
    version = mmcv.__version__
    estimator()
    assert mmcv.__version__ == version
    operators = sys.modules.get('mmcv.ops')
    assert operators is None or operators.__spec__ is not None  # not the stand-in
    assert DefaultScope.get_current_instance().scope_name == 'mmseg'


@pytest.mark.slow
@pytest.mark.parametrize('name', NETWORKS)
def test_trained_network_is_the_frozen_one(tmp_path, estimator, build, name):
    """A batch in one pass, in training mode, with gradient: the flow of the provider."""
    frozen = estimator(name)
    file = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=frozen._networks[0].state_dict(), meta={}), file)
    net = build(dict(type='MMFlowNet', config=copy.deepcopy(NETWORKS[name]), checkpoint=file))
    net.init_weights()
    a, b = frames()
    flow = net.train()(a, b)
    torch.testing.assert_close(flow.detach(), frozen(a, b), rtol=1e-4, atol=1e-4)
    assert not [m for m in net.modules() if isinstance(m, nn.SyncBatchNorm) and m.training]
    flow.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.slow
@pytest.mark.parametrize('chunk', [None, 1])
def test_sfm_of_raft(build, chunk):
    """SFC, table 5: all classes in a batch, or one at a time, are the loop over them; the gradient
    goes through the network to the regions."""
    torch.manual_seed(0)
    sfm = build(
        dict(
            type='SFM',
            chunk=chunk,
            flow_net=dict(type='MMFlowNet', config=copy.deepcopy(NETWORKS['raft'])),
        )
    )
    sfm.requires_grad_(False).eval()
    a, b = frames((32, 48))
    regions = torch.rand(2, 2, 3, 32, 48).softmax(2).requires_grad_()
    weight = torch.rand(2, 2, 32, 48)
    flow = sfm(a, b, *regions)
    assert flow.shape == (2, 2, 32, 48)  # RAFT's flow has the size of the frame
    (gradient,) = torch.autograd.grad((flow * weight).sum(), regions)
    expected = torch.cat(
        [
            sum(
                sfm.flow_net(a[n : n + 1] * regions[0, n, c], b[n : n + 1] * regions[1, n, c])
                for c in range(3)
            )
            for n in range(2)
        ]
    )
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-4)
    (by_loop,) = torch.autograd.grad((expected * weight).sum(), regions)
    assert gradient.abs().max() > 1e-3
    torch.testing.assert_close(gradient, by_loop, rtol=1e-3, atol=1e-3 * by_loop.abs().max().item())


def test_trained_network_out_of_a_method(tmp_path, estimator, build):
    config = copy.deepcopy(NETWORKS['flownets'])
    net = build(dict(type='MMFlowNet', config=config))
    file = str(tmp_path / 'method.pth')
    state = {f'student.flow_net.{k}': v for k, v in net.state_dict().items()}
    torch.save(dict(state_dict=state, meta={}), file)
    other = build(dict(type='MMFlowNet', config=copy.deepcopy(config), checkpoint=file))
    other.init_weights()
    torch.testing.assert_close(other(*frames()), net(*frames()))
    torch.testing.assert_close(
        estimator(checkpoint=file)(*frames()), net(*frames()).detach(), rtol=1e-4, atol=1e-5
    )
