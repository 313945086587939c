"""What waits for the device is found, and nothing else; simulated rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdavss.testing.numerics import Waits, add_rounding_errors, draws_of_global_batch

X = torch.zeros(2, 3, device='meta')
HOST = torch.ones(2, 3)
WAITING = {
    'item': lambda: X.sum().item(),
    'bool': lambda: bool(X.any()),
    'positions': lambda: X.nonzero(),
    'selection': lambda: X[X > 0],
    'assignment to a selection': lambda: X.index_put_((X > 0,), torch.ones(6, device='meta')),
    'to the host': lambda: X.cpu(),
    'to the device': lambda: HOST.to('meta'),
    'into a tensor of the device': lambda: X.copy_(HOST),
    'a tensor of numbers': lambda: torch.tensor([1.0, 2.0], device='meta'),
    'a tensor of one number': lambda: torch.as_tensor(1.0, device='meta'),
    'numbers beside a tensor': lambda: X.new_tensor([1.0, 2.0]),
    'a list of indices': lambda: X[:, [0, 1]],
    'indices of the host': lambda: X[:, torch.tensor([0, 1])],
}
FREE = {
    'arithmetic': lambda: (X + 1).clamp(min=0.5) * HOST.sum(),
    'filling': lambda: X.new_full((2,), 3.0),
    'assignment of a number': lambda: X.__setitem__((slice(None), 0), 1.0),
    'masking': lambda: torch.where(X > 0, X, 1.0).masked_fill_(X > 0, 2.0),
    'slices': lambda: X[:, 1:],
    'not waiting': lambda: HOST.to('meta', non_blocking=True),
    'on the host': lambda: (torch.tensor([1.0, 2.0])[[0, 1]], HOST[HOST > 0], HOST.sum().item()),
}


@pytest.mark.parametrize('name', WAITING)
def test_waiting_is_found(name):
    with Waits() as waits:
        WAITING[name]()
    assert [file for file, *_ in waits.found] == ['test_numerics.py']


@pytest.mark.parametrize('name', FREE)
def test_nothing_else_is(name):
    with Waits() as waits:
        FREE[name]()
    assert not waits.found


def test_waiting_in_a_folder_named_torch(tmp_path):
    """What is not torch's is not taken for torch."""
    path = tmp_path / 'torch/own.py'
    with Waits() as waits:
        exec(compile('x.sum().item()', str(path), 'exec'), dict(x=X))
    assert [file for file, *_ in waits.found] == ['own.py']


@pytest.mark.parametrize(
    'draw',
    [
        lambda n: torch.rand(n, 3),
        lambda n: torch.rand((n, 3)),
        lambda n: torch.rand([n, 3]),
        lambda n: torch.rand(size=(n, 3)),
        lambda n: torch.randn(n, 3, dtype=torch.float64),
        lambda n: torch.randint(9, (n, 3)),
        lambda n: torch.randint(0, 9, [n, 3]),
        lambda n: torch.randint(high=9, size=(n, 3)),
        lambda n: torch.rand(2, n, 1, 1, 1, 1).transpose(0, 1),
    ],
)
def test_processes_draw_parts_of_one_batch(draw):
    parts = []
    for rank in range(2):
        torch.manual_seed(0)
        with draws_of_global_batch(rank, 2):
            parts.append(draw(2))
    torch.manual_seed(0)
    assert torch.equal(torch.cat(parts), draw(4))


@pytest.mark.parametrize('draw', [lambda: torch.rand(()), lambda: torch.randint(9, size=())])
def test_a_number_is_for_the_whole_batch(draw):
    numbers = []
    for rank in range(2):
        torch.manual_seed(0)
        with draws_of_global_batch(rank, 2):
            numbers.append(draw())
    assert numbers[0] == numbers[1] and numbers[0].dim() == 0


def test_rounding_errors_of_any_size():
    """Of a layer whose tensors have more numbers than are drawn at once: all differ, none by more
    than the unit."""
    x = torch.ones(1, 1, 1024, 1100)
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    model[0].weight.data.fill_(1.0)
    add_rounding_errors(model, ['0'], 2**-8, seed=0)
    out = model(x)
    assert 1.5 * 2**-8 < (out - 1).abs().max() < 3.1 * 2**-8
    assert out.unique().numel() > 1000
