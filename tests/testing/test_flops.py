"""FLOPs belong to the network that they are spent in, forward and backward."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmdavss.testing.flops import Flops, NetworkFlops

#: Clips, tokens, channels.
N, L, C = 2, 6, 8
LINEAR = 2 * N * L * C * C
PRODUCT = 2 * N * L * L * C


class Attention(nn.Module):
    """One layer before attention, and products of two kinds."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(C, C)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        if self.fused:
            return F.scaled_dot_product_attention(*3 * [x[:, None]])[:, 0]
        return (x @ x.mT) @ x


def counted(*, fused: bool = False, again: bool = False) -> dict[str, Flops]:
    """Of a step with two networks, of which the first is learnt up the second."""
    torch.manual_seed(0)
    one, two, fixed = Attention(fused), Attention(fused), Attention(fused)
    x = torch.randn(N, L, C)
    with NetworkFlops(dict(one=one, two=two)) as counter:
        with torch.no_grad():
            two(x)
        y = checkpoint(one, x, use_reentrant=False) if again else one(x)
        z = fixed(two(y))
        (z @ z.mT).sum().backward()
    assert counter.get_total_flops() == sum(f.forward + f.backward for f in counter.found.values())
    return counter.found


def test_linear_layers_and_products() -> None:
    pass_of = LINEAR + 2 * PRODUCT
    # Gradients of both factors; the first layer's input needs none.
    learnt = 2 * LINEAR + 4 * PRODUCT
    found = counted()
    assert found['one'] == Flops(pass_of, learnt - LINEAR)
    assert found['two'] == Flops(2 * pass_of, learnt)
    assert found['losses'] == Flops(pass_of + PRODUCT, learnt + 2 * PRODUCT)
    assert 'other' not in found


def test_products_in_place() -> None:
    with NetworkFlops({}) as counter:
        torch.zeros(3, 5).addmm_(torch.zeros(3, 4), torch.zeros(4, 5))
        torch.zeros(2, 3, 5).baddbmm_(torch.zeros(2, 3, 4), torch.zeros(2, 4, 5))
    assert counter.found['losses'].forward == (1 + 2) * 2 * 3 * 4 * 5


def test_attention_in_one_operation() -> None:
    """Its backward pass computes the scores again."""
    found = counted(fused=True)
    assert found['one'] == Flops(LINEAR + 2 * PRODUCT, LINEAR + 5 * PRODUCT)
    assert found['two'] == Flops(2 * (LINEAR + 2 * PRODUCT), 2 * LINEAR + 5 * PRODUCT)


def test_a_pass_that_is_computed_again_is_forward() -> None:
    once, again = counted(), counted(again=True)
    # The result of the last product is not needed again.
    assert again['one'].forward == 2 * once['one'].forward - PRODUCT
    assert again['one'].backward == once['one'].backward
    assert again['two'] == once['two'] and again['losses'] == once['losses']


def test_clones_of_weights_are_no_network_s() -> None:
    """But linear layers of a network that is called are its own, whatever their weights."""
    net = nn.Sequential(nn.Conv1d(C, C, 1, bias=False), nn.Linear(L, L, bias=False))
    clones = {name: p.clone() for name, p in net.named_parameters()}
    x = torch.randn(N, C, L)
    convolution, linear = 2 * N * L * C * C, 2 * N * C * L * L
    calls: dict[Callable[[], Tensor], str] = {
        lambda: copy.deepcopy(net)(x): 'losses',
        lambda: F.linear(F.conv1d(x, clones['0.weight']), clones['1.weight']): 'losses',
        lambda: torch.func.functional_call(net, clones, (x,)): 'net',
    }
    for call, of_linear in calls.items():
        with NetworkFlops(dict(net=net)) as counter:
            call()
        found = {name: flops.forward for name, flops in counter.found.items()}
        assert found == {'other': convolution, of_linear: linear}


def test_a_called_layer_outside_of_its_network_is_that_network_s() -> None:
    net = Attention(fused=False)
    with NetworkFlops(dict(net=net)) as counter:
        net.layer(torch.randn(N, L, C)).sum().backward()
        F.linear(torch.randn(N, L, C), net.layer.weight).sum().backward()
    assert counter.found == dict(net=Flops(2 * LINEAR, 2 * LINEAR))
