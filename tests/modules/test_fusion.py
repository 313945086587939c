"""Fusion operations against the paper's equations written out with numpy."""

import numpy as np
import torch

from mmdavss.modules import STAM, AddFusion, ConcatFusion, ConvFusion, ProjectionHead


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_stam_equations_5_to_7():
    torch.manual_seed(1)
    stam = STAM(in_channels=3).double()
    z = torch.randn(2, 2, 3, 5, 6, dtype=torch.float64)
    out = stam(z).detach().numpy()
    w, b = stam.fc.weight.detach().numpy(), stam.fc.bias.detach().numpy()
    kernel, bias = stam.conv.weight.detach().numpy()[0], stam.conv.bias.item()
    for n in range(2):
        x = z[n].numpy()
        mean = np.array([x[t].mean() for t in range(2)])
        top = np.array([x[t].max() for t in range(2)])
        a_tem = sigmoid((w @ mean + b) + (w @ top + b))  # equation 6
        u = a_tem[:, None, None, None] * x
        maps = np.pad(np.stack([u.mean((0, 1)), u.max((0, 1))]), ((0, 0), (3, 3), (3, 3)))
        a_spa = np.array(
            [
                [sigmoid((maps[:, i : i + 7, j : j + 7] * kernel).sum() + bias) for j in range(6)]
                for i in range(5)
            ]
        )  # equation 7
        expected = a_spa * u + x  # equation 5
        np.testing.assert_allclose(out[n], expected.reshape(6, 5, 6), rtol=1e-10)
    assert stam.out_channels == 6


def test_simple_fusions():
    z = torch.randn(2, 2, 3, 4, 5)
    assert torch.equal(AddFusion(3)(z), z[:, 0] + z[:, 1])
    concat = ConcatFusion(3)(z)
    assert torch.equal(concat[:, :3], z[:, 0]) and torch.equal(concat[:, 3:], z[:, 1])
    conv = ConvFusion(3)
    weight = conv.conv.weight[:, :, 0, 0]
    expected = (
        torch.einsum('oc,nchw->nohw', weight[:, :3], z[:, 0])
        + torch.einsum('oc,nchw->nohw', weight[:, 3:], z[:, 1])
        + conv.conv.bias[:, None, None]
    )
    torch.testing.assert_close(conv(z), expected)
    assert (AddFusion(3).out_channels, ConcatFusion(3).out_channels, conv.out_channels) == (3, 6, 3)


def test_projection_head_by_hand():
    head = ProjectionHead(3, channels=4, hidden_channels=5)
    x = torch.randn(1, 3, 2, 2)
    first, second = head[0], head[2]
    hidden = (first.weight[:, :, 0, 0] @ x[0, :, 1, 0] + first.bias).clamp(min=0)
    y = second.weight[:, :, 0, 0] @ hidden + second.bias
    torch.testing.assert_close(head(x)[0, :, 1, 0], y / y.norm())
    assert ProjectionHead(7)[0].out_channels == 7
