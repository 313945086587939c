"""Makes two computations comparable, and detects where a computation waits for the device."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.distributed.nn.functional import all_reduce
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

#: Seconds that a process waits for another.
PATIENCE = 100


@contextmanager
def double_precision() -> Iterator[None]:
    """Context manager: computes in float64, so that another order of sums flips no ReLU or
    label."""
    with mock.patch.object(torch.Tensor, 'float', torch.Tensor.double):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


# ---------------------------------------------------------------------------------- two processes


class _SumOverPipe(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, link: Connection) -> Tensor:
        ctx.link = link
        link.send_bytes(memoryview(x.contiguous().numpy()).cast('B'))
        if not link.poll(PATIENCE):
            raise TimeoutError(f'The other process sent nothing for {PATIENCE} s.')
        other = torch.frombuffer(bytearray(link.recv_bytes()), dtype=x.dtype)
        return x + other.view(x.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _SumOverPipe.apply(grad, ctx.link), None


def sum_over_pipe(x: Tensor, link: Connection) -> Tensor:
    """Sum of a small tensor on the CPU over two processes, as all_reduce, gradients included.

    Far faster than torch's by gloo, which takes a millisecond for each of thousands of sums.

    Raises:
        TimeoutError: If the other process sends nothing for :data:`PATIENCE` seconds.
    """
    return _SumOverPipe.apply(x, link)


def synchronised_batch_norm(
    world: int, total: Callable[[Tensor], Tensor] = all_reduce
) -> Callable[[nn.BatchNorm2d, Tensor], Tensor]:
    """Makes a ``forward`` for BatchNorm2d that acts like SyncBatchNorm; torch's needs GPUs.

    Args:
        world: Number of processes.
        total: Sums a tensor over the processes.
    """

    def forward(self: nn.BatchNorm2d, x: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        # Both moments at once; their difference needs float64.
        wide = x.double()
        moments = torch.stack((wide.mean((0, 2, 3)), wide.square().mean((0, 2, 3))))
        mean, square = (total(moments) / world).unbind()
        mean, variance = mean.to(x.dtype), (square - mean.square()).to(x.dtype)
        if self.track_running_stats:
            count = world * x.numel() / x.shape[1]
            _track(self, mean, variance * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]

    return forward


@torch.no_grad()
def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Moves the running statistics."""
    assert norm.num_batches_tracked is not None  # it tracks
    norm.num_batches_tracked += 1
    momentum = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    for running, value in ((norm.running_mean, mean), (norm.running_var, variance)):
        assert running is not None
        running += momentum * (value - running)


@contextmanager
def draws_of_global_batch(rank: int, world: int) -> Iterator[None]:
    """Context manager: torch.rand, torch.randn and torch.randint draw for all processes, return
    this one's part.

    Their first dimension is that of the samples of a batch; a number without dimensions is for the
    whole batch.
    """

    def part(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def drawn(*args: Any, **kwargs: Any) -> Tensor:
            # torch.rand(2, 3), torch.randint(9, (2, 3)), torch.randint(0, 9, size=[2, 3]).
            if 'size' in kwargs:
                size = kwargs.pop('size')
            elif isinstance(args[-1], tuple | list):
                *args, size = args
            else:
                args, size = (), args
            if not size:  # one number for the whole batch
                return draw(*args, size=size, **kwargs)
            samples = 1 if len(size) == 6 else 0  # StrongAugment: (count, N, 1, 1, 1, 1)
            whole = [world * n if i == samples else n for i, n in enumerate(size)]
            out = draw(*args, size=whole, **kwargs)
            return out.narrow(samples, rank * size[samples], size[samples])

        return drawn

    with ExitStack() as patches:
        for name in ('rand', 'randn', 'randint'):
            patch = mock.patch(f'torch.{name}', part(getattr(torch, name)))
            patches.enter_context(patch)
        yield


# --------------------------------------------------------------------------------- half precision


class Decisions(TorchFunctionMode):
    """Records decisions made from real numbers, or repeats recorded ones.

    A decision is a function from real numbers to integers or booleans: labels by argmax, the most
    confident pixels, comparisons with thresholds. Scores of an untrained net are so close that
    rounding, which depends on the CPU, changes decisions, and losses jump. Between runs with the
    same decisions the losses are continuous in all rounded values. Backward passes are left out:
    no loss of a step depends on them.

    Args:
        made: Decisions to repeat, or None to record them in :attr:`made`.
    """

    #: Which argument is the dimension, of functions that return values and where they are.
    DIM = {'max': 1, 'min': 1, 'median': 1, 'mode': 1, 'sort': 1, 'topk': 2, 'kthvalue': 2}

    def __init__(self, made: list[tuple[Any, Tensor]] | None = None) -> None:
        super().__init__()
        self.made = [] if made is None else made
        self.left = None if made is None else list(reversed(made))

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        several = isinstance(out, tuple) and not isinstance(out, torch.Size)
        decided = out[-1] if several and out else out
        # Most functions: what follows takes longer than they do.
        if not isinstance(decided, Tensor) or decided.is_floating_point() or decided.is_complex():
            return out
        if torch._C._current_graph_task_id() != -1:
            return out
        # In place, or a copy, which gets all that was copied before.
        if (args and out is args[0]) or function is Tensor.__deepcopy__:
            return out
        if not any(is_real(x) for x in tensors_in((args, kwargs))):
            return out
        if self.left is None:
            self.made.append((function, decided.clone()))
            return out
        theirs, decided = self.left.pop()
        assert function == theirs
        decided = decided.clone()
        if not several:
            return decided
        place = self.DIM[function.__name__]
        dim = args[place] if len(args) > place else (kwargs or {}).get('dim', -1)
        keeps = out[1].dim() == args[0].dim()
        values = args[0].gather(dim, decided if keeps else decided.unsqueeze(dim))
        return type(out)((values if keeps else values.squeeze(dim), decided))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors among arguments or results of an operation."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)


def is_real(value: Any) -> bool:
    """Whether a value is a tensor of floating-point numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


def add_rounding_errors(model: nn.Module, layers: Sequence[str], unit: float, seed: int) -> None:
    """Simulates rounding in layers by random relative errors of up to `unit`, in float32.

    Weights, inputs and outputs of a layer get separate errors.
    """
    generator = torch.Generator().manual_seed(seed)
    starts = random.Random(seed)

    def draw(count: int) -> Tensor:
        return torch.empty(count).uniform_(1 - unit, 1 + unit, generator=generator)

    # To draw takes longer than all else: parts of what was drawn once, from other places each time.
    drawn = draw(2**20)

    def rounded(x: Any) -> Any:
        nonlocal drawn
        with torch._C.DisableTorchFunction():  # no decision is made here
            if not is_real(x):
                return x
            count = x.numel()
            if drawn.numel() < 2 * count:
                drawn = draw(2 * count)
            start = starts.randrange(drawn.numel() - count)
            return x * drawn[start : start + count].view(x.shape)

    for name in layers:
        module = model.get_submodule(name)
        module.weight.data = rounded(module.weight.data)
        module.register_forward_pre_hook(lambda _, args: tuple(rounded(x) for x in args))
        module.register_forward_hook(lambda _, __, out: rounded(out))


# ---------------------------------------------------------------------------------------- waiting


META = torch.device('meta')
_RESULTS: dict[tuple, tuple] = {}


def run_on_meta(function: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
    """Runs an operation on tensors on the meta device.

    PyTorch derives the results of most operations there in Python, which takes far longer than the
    operations: sizes, strides and types of results are kept, for inputs that have the same ones.
    """
    schema = function._schema
    if schema.is_mutable or any(result.alias_info is not None for result in schema.returns):
        return function(*args, **kwargs)
    try:
        key = (function, _signature(args), _signature(tuple(kwargs.items())))
        found = _RESULTS.get(key)
    except TypeError:  # an argument that is neither of the below nor hashable
        return function(*args, **kwargs)
    if found is None:
        out = function(*args, **kwargs)
        outputs = out if isinstance(out, tuple) else (out,)
        if all(_on_device(x) for x in outputs):
            makes = [(x.shape, x.stride(), x.dtype) for x in outputs]
            _RESULTS[key] = isinstance(out, tuple), makes
        return out
    several, makes = found
    made = tuple(
        torch.empty_strided(size, stride, dtype=dtype, device=META) for size, stride, dtype in makes
    )
    return made if several else made[0]


def _signature(value: Any) -> Any:
    """What the result of an operation depends on, less the content of tensors.

    Raises:
        TypeError: If there is a tensor that is not on the meta device, whose content may count.
    """
    if isinstance(value, Tensor):
        if not value.is_meta:
            raise TypeError
        return value.dtype, value.shape, value.stride()
    if isinstance(value, list | tuple):
        return tuple(_signature(one) for one in value)
    return type(value), value


class _FromNumbers(TorchFunctionMode):
    """Finds tensors on the meta device that are made of numbers of the host.

    Args:
        note: Is told the operation.
    """

    MAKES = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
    INDEXES = (Tensor.__getitem__, Tensor.__setitem__)

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        if function in self.MAKES and out.is_meta and not _on_device(args[-1]):
            self.note(function.__name__)
        elif function in self.INDEXES and args[0].is_meta:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(one, list) or _on_host(one) for one in index):
                self.note('index by a list')
        return out


def _on_device(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def _on_host(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.is_meta


def calls_torch(path: Path) -> bool:
    """Whether a file is a layer of torch, or none of torch's."""
    return not path.is_relative_to(Path(torch.__file__).parent) or path.parent.name == 'modules'


class Waits(TorchDispatchMode):
    """Finds where the host would wait for the device, with tensors on the meta device.

    Operations that need the content of a tensor (``item``, ``bool``, positions of true elements, a
    copy to the host) have to wait, and so does a copy to the device: of a tensor on the CPU unless
    it is ``non_blocking``, of numbers that a tensor is made of (``torch.tensor``), of a list that
    indexes. Random numbers drawn on the host are on the CPU and do not.

    Attributes:
        found: File, line and operation of each wait.
    """

    #: Operations whose output size depends on the content.
    SIZED = ('nonzero', 'masked_select', 'unique', '_unique2', 'bincount', 'repeat_interleave')

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int, str]] = []

    def __enter__(self) -> Waits:
        plain = torch.autocast
        # Autocast does not know the meta device.
        self._patch = mock.patch(
            'torch.autocast',
            lambda kind, *args, **kwargs: plain('cpu' if kind == 'meta' else kind, *args, **kwargs),
        )
        self._patch.start()
        self._numbers = _FromNumbers(self._note)
        self._numbers.__enter__()
        return super().__enter__()

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self._numbers.__exit__(*args)
        self._patch.stop()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = function._schema.name.partition('::')[2]
        self._to_device(name, args, kwargs)
        if not any(x.is_meta for x in tensors_in((args, kwargs))):
            return function(*args, **kwargs)
        x = args[0]
        if name == '_local_scalar_dense':
            self._note(name)
            return {torch.bool: True}.get(x.dtype, 1.0 if x.is_floating_point() else 1)
        if name == 'equal':
            self._note(name)
            return True
        if name in self.SIZED:
            self._note(name)
            if name == 'nonzero':
                return self._positions(x)
        if name in ('index', 'index_put', 'index_put_'):
            indices = []
            for index in args[1]:
                if index is not None and index.dtype == torch.bool:
                    # index_put of one value is a masked_fill.
                    if name == 'index' or args[2].numel() > 1:
                        self._note(name)
                    indices += self._positions(index).unbind(1)
                else:
                    indices.append(index)
            args = (x, indices, *args[2:])
        if name in ('_to_copy', 'copy_'):
            target = kwargs.get('device', x.device if name == 'copy_' else None)
            source = args[1] if name == 'copy_' else x
            if source.is_meta and target is not None and torch.device(target).type != 'meta':
                self._note(name)
                return x if name == 'copy_' else torch.ones(x.shape, dtype=kwargs.get('dtype'))
        return run_on_meta(function, args, kwargs)

    def _to_device(self, name: str, args: tuple, kwargs: dict) -> None:
        """Notes a copy from the host to the device that waits for it."""
        if name == '_to_copy':
            source, target = args[0], kwargs.get('device')
            waits = not kwargs.get('non_blocking', False)
        elif name == 'copy_':
            source, target = args[1], args[0].device
            waits = not (args[2] if len(args) > 2 else kwargs.get('non_blocking', False))
        else:
            return
        if waits and not source.is_meta and target is not None and torch.device(target) == META:
            self._note(name)

    @staticmethod
    def _positions(x: Tensor) -> Tensor:
        return torch.empty(x.numel(), x.dim(), dtype=torch.int64, device='meta')

    def _note(self, operation: str) -> None:
        for frame in reversed(traceback.extract_stack()):
            path = Path(frame.filename)
            if path.parent != Path(__file__).parent and calls_torch(path):
                self.found.append((path.name, frame.lineno or 0, operation))
                return
