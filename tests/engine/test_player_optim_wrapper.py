from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict

from mmdavss.engine.player_optim_wrapper import accumulation


def wrapper(counts: int) -> OptimWrapper:
    weight = torch.nn.Parameter(torch.zeros(()))
    return OptimWrapper(torch.optim.SGD([weight], lr=1.), accumulative_counts=counts)


def test_no_player_is_in_the_middle_of_a_step():
    assert accumulation(wrapper(3)) == 3
    players = OptimWrapperDict(student=wrapper(4), discriminator=wrapper(6))
    assert accumulation(players) == 12
