from __future__ import annotations

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from torch import nn

from mmdavss.utils.wrappers import accumulation


def wrapper(counts: int) -> OptimWrapper:
    weight = torch.nn.Parameter(torch.zeros(()))
    return OptimWrapper(torch.optim.SGD([weight], lr=1.0), accumulative_counts=counts)


def test_no_player_is_in_the_middle_of_a_step():
    assert accumulation(wrapper(3)) == 3
    players = OptimWrapperDict(student=wrapper(4), discriminator=wrapper(6))
    assert accumulation(players) == 12


class Model(nn.Module):
    """Two players; the second is of two parts of one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.student = nn.Linear(2, 1, bias=False)
        self.discriminator = nn.ModuleDict(
            dict(a=nn.Linear(2, 1, bias=False), b=nn.Linear(2, 1, bias=False))
        )
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


def build(model: nn.Module, **discriminator) -> OptimWrapperDict:
    sgd = dict(optimizer=dict(type='SGD', lr=1.0))
    return build_optim_wrapper(
        model,
        dict(
            constructor='PlayerOptimWrapperConstructor',
            student=dict(**sgd, clip_grad=dict(max_norm=1.0)),
            discriminator=dict(**sgd, **discriminator),
        ),
    )


def test_a_player_of_a_base_config_can_be_left_out():
    sgd = dict(optimizer=dict(type='SGD', lr=1.0))
    wrappers = build_optim_wrapper(
        Model(),
        dict(
            constructor='PlayerOptimWrapperConstructor', student=sgd, discriminator=sgd, gate=None
        ),
    )
    assert set(wrappers.keys()) == {'student', 'discriminator'}


def test_each_part_is_clipped_by_itself():
    """Gradients (3, 4), (0.3, 0.4) and (6, 8): norms 5, 0.5 and 10."""
    model = Model()
    wrappers = build(model, clip_grad=dict(max_norm=1.0), clip_each=('a', 'b'))
    gradient = torch.tensor([[3.0, 4.0]])
    wrappers['student'].update_params((gradient * model.student.weight).sum())
    a, b = (model.discriminator[part].weight for part in 'ab')
    wrappers['discriminator'].update_params((gradient * (0.1 * a + 2 * b)).sum())
    for weight, expected in (
        (model.student.weight, [-0.6, -0.8]),
        (a, [-0.3, -0.4]),
        (b, [-0.6, -0.8]),
    ):
        torch.testing.assert_close(weight.detach(), torch.tensor([expected]))
    scalars = MessageHub.get_current_instance().log_scalars
    for name, norm in (('student', 5.0), ('discriminator.a', 0.5), ('discriminator.b', 10.0)):
        assert scalars[f'train/{name}.grad_norm'].current() == pytest.approx(norm)


def test_messages():
    for options, message in (
        (dict(clip_each=('a', 'b')), 'clip_grad=dict'),
        (dict(clip_each=('a', 'b'), clip_grad=dict(type='value', clip_value=1.0)), 'clip_grad='),
        (dict(clip_each=('a', 'c'), clip_grad=dict(max_norm=1.0)), "no \\['c'\\]"),
        (dict(clip_each=('a',), clip_grad=dict(max_norm=1.0)), 'every parameter'),
        (dict(clip_each=('', 'a'), clip_grad=dict(max_norm=1.0)), 'every parameter'),
    ):
        with pytest.raises(ValueError, match=message):
            build(Model(), **options)
