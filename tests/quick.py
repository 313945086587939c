"""Leaves out what takes time and what no test looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from torch import Tensor, nn
from torch.optim import Optimizer

#: What torch's layers fill their parameters with when they are made.
FILLS = (
    'kaiming_uniform_',
    'kaiming_normal_',
    'xavier_uniform_',
    'uniform_',
    'normal_',
    'constant_',
    'ones_',
    'zeros_',
)


@contextmanager
def no_first_values() -> Iterator[None]:
    """Context manager: layers that are built keep the memory as it was."""

    def keep(*args: Tensor, **kwargs: Tensor) -> Tensor:
        return args[0] if args else kwargs['tensor']

    with ExitStack() as stack:
        for name in FILLS:
            stack.enter_context(patch.object(nn.init, name, keep))
        yield


@contextmanager
def linear_parameter_groups() -> Iterator[None]:
    """Context manager: optimisers that are built take a time linear in the groups, not quadratic.

    torch compares each group with all before it; mmengine makes a group of each parameter, and logs
    a line for each of its options.

    Raises:
        ValueError: At the end, if a parameter is in several groups of an optimiser.
    """
    made = set()

    def add(self: Optimizer, group: dict) -> None:
        if not isinstance(group['params'], list):
            group['params'] = [group['params']]
        self.param_groups.append(self.defaults | group)
        made.add(self)

    log = 'mmengine.optim.optimizer.default_constructor.print_log'
    with patch.object(Optimizer, 'add_param_group', add), patch(log):
        yield
    for optimiser in made:
        parameters = [p for group in optimiser.param_groups for p in group['params']]
        if len(parameters) != len(set(parameters)):
            raise ValueError('A parameter is in several groups.')
