"""Memory of a training step of the full-size configs, and the cards that it fits.

    python benchmarks/full_size.py [tps/accel_viper2city ...] [--missing] [--accumulate N] [--write]

No GPU is needed and nothing is trained: the model of a config is built on PyTorch's meta device,
whose tensors have a size and no content, and runs a whole training step: passes of all networks,
backward passes, clipping, optimisers, which have their state from the start. Every storage is
counted from creation to release. The peak is the memory of the step. ``--write`` writes the table
to docs/speed.md after each config: of all of them, or, with names or ``--missing``, these rows
beside the others that are there. All take hours of one core; configs that differ only in what has
no size are counted once.

Sizes that depend on the content are taken at their largest: every pixel has a label, every class
occurs (SFC's SFM runs all of them), every random view is drawn. Labels are known and flows are
given where a pipeline or DIS, which computes on the CPU, makes them; networks that estimate flow on
the device run.

Not counted: what the allocator keeps in reserve and loses between blocks (some 5 to 15 %), the
workspace of cuDNN's convolutions, and the CUDA context (some 0.5 GiB). A card is listed if it has
1.1 times the memory of the step plus 1 GB.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import logging
import re
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmdavss.analysis.results import with_part
from mmdavss.flow import BaseFlowProvider
from mmdavss.structures import Clip
from mmdavss.utils.wrappers import players_of

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
DOCUMENT = ROOT / 'docs/speed.md'
BEGIN = '<!-- Memory: written by `python benchmarks/full_size.py --write` -->'
END = '<!-- End of memory -->'
#: Memory of cards in GB, 10^9 bytes, as advertised (slightly more than usable).
CARDS = (11, 24, 32, 40, 80)
#: Memory that a card needs in addition to the step: a share for the allocator, and the context.
OVERHEAD, CONTEXT = 0.1, 1e9
aten = torch.ops.aten


class Storages(TorchDispatchMode):
    """Counts the bytes of live storages on the meta device.

    Operations whose result depends on the content of a tensor return the answer that uses the most
    memory: all elements are non-zero, conditions hold.

    Attributes:
        alive: Bytes of live storages.
        peak: Largest value of `alive` since it was last reset.
    """

    def __init__(self, num_values: int = 256) -> None:
        super().__init__()
        self.num_values = num_values
        self.alive = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def see(self, tensor: Tensor) -> None:
        """Counts the storage of a tensor, once."""
        if not tensor.is_meta:
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()

        def gone(_: weakref.ref) -> None:
            del self._known[key]
            self.alive -= size

        self._known[key] = weakref.ref(storage, gone)
        self.alive += size
        self.peak = max(self.peak, self.alive)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        values = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        out = NotImplemented
        if any(x.is_meta for x in values):
            args, out = self._answer(function, args)
        if out is NotImplemented:
            out = function(*args, **kwargs)
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self.see(value)
        return out

    def _answer(self, function: Any, args: tuple) -> tuple[tuple, Any]:
        """A value that cannot be known for tensors without content."""
        x = args[0]
        if function is aten._local_scalar_dense.default:
            return args, {torch.bool: True}.get(x.dtype, 1.0 if x.is_floating_point() else 1)
        if function is aten.nonzero.default:
            return args, self._positions(x)
        if function in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
            indices = []
            for index in args[1]:
                if index is not None and index.dtype == torch.bool:
                    indices += self._positions(index).unbind(1)
                else:
                    indices.append(index)
            return (x, indices, *args[2:]), NotImplemented
        return args, NotImplemented

    def _positions(self, x: Tensor) -> Tensor:
        positions = torch.empty(x.numel(), x.dim(), dtype=torch.int64, device='meta')
        self.see(positions)
        return positions


@dataclass
class Memory:
    """Bytes of a training step.

    Attributes:
        weights: Parameters and buffers of all networks: student, teacher, discriminators, flow.
        optimiser: State of the optimisers.
        gradients: Gradients of all trained parameters.
        saved: Everything else that is alive when the largest backward pass begins.
        groups: Number of backward passes of the student's optimiser.
        peak: Peak memory.
    """

    weights: int
    optimiser: int
    gradients: int
    saved: int
    groups: int
    peak: int

    def cards(self) -> list[int]:
        """Cards, in GB, that hold the step."""
        return [gb for gb in CARDS if self.peak * (1 + OVERHEAD) + CONTEXT <= gb * 1e9]


class GivenFlow(BaseFlowProvider):
    """Replaces a provider that computes on the CPU."""

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: Any) -> Tensor:
        return torch.zeros_like(frame_a[:, :2])


@contextmanager
def meta_device() -> Iterator[None]:
    """Context manager: autocast and checkpointing accept tensors on the meta device."""
    plain = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
        return plain('cpu' if device_type == 'meta' else device_type, *args, **kwargs)

    with mock.patch('torch.autocast', autocast):
        yield


# --------------------------------------------------------------------------------------- batches


def frame_size(pipeline: list[Mapping]) -> tuple[int, int]:
    """Output size (h, w) of a pipeline."""
    size = None
    for step in pipeline:
        if step['type'] == 'ClipResize':
            size = step['scale'][::-1]
        elif step['type'] == 'ClipCrop':
            crop = (
                step['crop_size']
                if isinstance(step['crop_size'], (tuple, list))
                else (step['crop_size'],) * 2
            )
            size = tuple(
                round(side * part) if isinstance(part, float) else min(part, side)
                for side, part in zip(size, crop, strict=True)
            )
    if size is None:
        raise ValueError('The pipeline has no ClipResize, which says how large frames are.')
    return tuple(size)


def option(dataset: Mapping, name: str) -> Any:
    """An option of a data set, or its default."""
    if name in dataset:
        return dataset[name]
    for kind in DATASETS.get(dataset['type']).__mro__:
        parameters = inspect.signature(kind.__init__).parameters if '__init__' in vars(kind) else {}
        if name in parameters:
            return parameters[name].default
        if kind is BaseDataset:
            break
    return None


def batch_of(dataset: Mapping, count: int) -> tuple[Clip, list[SegDataSample]]:
    """Batch from a data set of clips, after the data preprocessor."""
    pipeline = dataset['pipeline']
    steps = {step['type']: step for step in pipeline}
    size = frame_size(pipeline)
    length = 2 if option(dataset, 'day_pairs') else option(dataset, 'clip_length')

    def empty(*shape: int) -> Tensor:
        return torch.empty(count, *shape, *size, device='meta')

    augmented = {'CrossFrameAugment', 'TPSAugment'} & steps.keys()
    flow, forward = None, None
    if 'LoadFlow' in steps and length > 1:
        flow = empty(length - 1, 2)
        forward = empty(length - 1, 2) if steps['LoadFlow'].get('both_ways') else None
    clip = Clip(
        empty(length, 3), empty(length, 3), flow, empty(length, 3) if augmented else None, forward
    )
    samples = []
    for number in range(count):
        sample = SegDataSample(
            metainfo=dict(ori_shape=size, img_shape=size, img_path=f'{number}.png')
        )
        if 'LoadClipAnnotations' in steps:
            labels = torch.empty(length, *size, dtype=torch.int64, device='meta')
            sample.gt_sem_seg = PixelData(data=labels[-1:])
            if option(dataset, 'label_clips'):
                sample.gt_clip_seg = PixelData(data=labels)
        if 'LoadSoftLabels' in steps:
            soft = torch.empty(4, *size, dtype=torch.uint8, device='meta')
            sample.gt_soft_seg = PixelData(data=soft)
        samples.append(sample)
    return clip, samples


def with_patches(
    patches: Mapping, clip: Clip, samples: list[SegDataSample]
) -> tuple[Clip, list[SegDataSample]]:
    """The batch with patches of rare classes, see :class:`RarePatches`."""
    count, size = patches['count'], patches['size']
    for sample in samples:
        labels = torch.empty(count, *size, dtype=torch.int64, device='meta')
        sample.gt_rare_seg = PixelData(data=labels)
        sample.set_metainfo(dict(mix_box=(0, 0)))
    rare = torch.empty(len(samples), count, 3, *size, device='meta')
    return clip._replace(rare=rare), samples


def training_batch(cfg: Config) -> dict[str, dict]:
    """A batch of a config's training data."""
    loader = cfg.train_dataloader
    made = {
        name: batch_of(loader.dataset[name], loader.batch_size)
        for name in ('source', 'target')
        if loader.dataset.get(name)
    }
    if loader.dataset.get('rare_patches'):
        made['source'] = with_patches(loader.dataset.rare_patches, *made['source'])
    return dict(
        inputs={name: clip for name, (clip, _) in made.items()},
        data_samples={name: samples for name, (_, samples) in made.items()},
    )


# ----------------------------------------------------------------------------------------- steps


def networks_of(model: nn.Module) -> list[nn.Module]:
    """The model, and the networks of frozen providers, which are not its submodules."""
    return [
        model,
        *(
            network
            for part in model.modules()
            if isinstance(part, BaseFlowProvider)
            for network in part._networks
        ),
    ]


def build(cfg: Config, device: str = 'meta') -> nn.Module:
    """Builds the model of a config with random weights, by default on the meta device."""
    init_default_scope('mmseg')
    numbers: AbstractContextManager[Any] = nullcontext()
    if device == 'meta':  # MiT reads the numbers of a linspace while it is built
        numbers = mock.patch('torch.linspace', partial(torch.linspace, device='cpu'))
    with torch.device(device), numbers:
        model = MODELS.build(cfg.model)
    for part in model.modules():
        if isinstance(part, BaseFlowProvider):
            part._loaded = True  # a FrozenFlowNet's weights need no file
            for network in part._networks:
                network.to(device)
    if isinstance(getattr(model, 'flow', None), BaseFlowProvider) and not model.flow._networks:
        model.flow = GivenFlow()
    model.data_preprocessor.to(device)
    if hasattr(model, 'schedule_proxy'):
        model.schedule_proxy(copy=False, launched=True)
    if hasattr(model, 'schedule_contrast'):
        model.schedule_contrast(update=True, contrast=True)
    return model.train()


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as a GPU computes it, of which no map of all pairs is kept.

    On the meta device PyTorch would take the plain form.
    """
    return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[0]


def measure(cfg: Config) -> Memory:
    """Memory of a training step of a config."""
    fused = mock.patch('torch.nn.functional.scaled_dot_product_attention', attention)
    with meta_device(), fused:
        model = build(cfg)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        players = players_of(wrapper)
        begins: dict[str, list[int]] = {name: [] for name in players}
        persistent = [0]
        with Storages() as storages:

            def counted(tensors: Iterator[Tensor]) -> int:
                before = storages.alive
                for tensor in tensors:
                    storages.see(tensor)
                return storages.alive - before

            weights = counted(
                tensor
                for network in networks_of(model)
                for tensor in (*network.parameters(), *network.buffers())
            )

            def note(name: str, player: OptimWrapper) -> None:
                backward = player.backward

                def noted(loss: Tensor, **kwargs: Any) -> None:
                    begins[name].append(storages.alive - persistent[0] - size_of_gradients(model))
                    backward(loss, **kwargs)

                player.backward = noted

            for name, player in players.items():
                note(name, player)

            data = training_batch(cfg)
            # Not needed any more.
            model.data_preprocessor.forward = lambda data, training=False: data
            # Optimisers create their state in the first step, which needs no more memory than this.
            trained = [
                p
                for player in players.values()
                for group in player.param_groups
                for p in group['params']
                if p.requires_grad
            ]
            for parameter in trained:
                parameter.grad = torch.empty_like(parameter)
            for player in players.values():
                player.optimizer.step()
                player.optimizer.zero_grad()
            optimiser = size_of(
                [
                    value
                    for player in players.values()
                    for state in player.optimizer.state.values()
                    for value in state.values()
                    if isinstance(value, Tensor)
                ]
            )
            gc.collect()
            persistent[0] = weights + optimiser
            storages.peak = storages.alive
            model.train_step(data, wrapper)
    return Memory(
        weights,
        optimiser,
        size_of(trained),
        max((size for noted in begins.values() for size in noted), default=0),
        len(next(iter(begins.values()))),
        storages.peak,
    )


def size_of(tensors: list[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.nbytes for tensor in tensors)


def size_of_gradients(model: nn.Module) -> int:
    """Bytes of the existing gradients."""
    return size_of([p.grad for p in model.parameters() if p.grad is not None])


# ----------------------------------------------------------------------------------------- table


def full_size() -> list[str]:
    """Names of the configs at the size of the papers, below ``configs/``, without ``.py``."""
    names = (path.relative_to(CONFIGS).as_posix() for path in CONFIGS.glob('[!_]*/*.py'))
    return sorted(
        name.removesuffix('.py')
        for name in names
        if not any(word in name for word in ('-r18', 'effnet-lite0', 'mini', 'camvid-day'))
    )


def quiet() -> None:
    """Shows only the output of this command."""
    warnings.filterwarnings('ignore')
    MMLogger.get_instance('mmengine').setLevel(logging.ERROR)
    logging.disable(logging.WARNING)


def cells(memory: Memory) -> str:
    """What a line of the table says after the names."""

    def gib(size: int) -> str:
        return f'{size / 2**30:.1f}'

    cards = memory.cards()
    return ' | '.join(
        [
            gib(memory.weights),
            gib(memory.optimiser + memory.gradients),
            gib(memory.saved),
            str(memory.groups),
            f'**{gib(memory.peak)}**',
            f'{cards[0]} GB' if cards else 'none',
        ]
    )


def rows_of(page: str) -> dict[str, str]:
    """The cells of each config in a table."""
    found = {}
    for line in page.splitlines():
        names, _, rest = line.removeprefix('| ').partition(' | ')
        if line.startswith('| `') and rest.count(' | ') == 5:
            found.update(dict.fromkeys(re.findall('`([^`]+)`', names), rest.removesuffix(' |')))
    return found


def alike(rows: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    """Configs of a method with the same cells, and these."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, own in sorted(rows.items()):
        found.setdefault((name.split('/')[0], own), []).append(name)
    for (_, own), names in found.items():
        yield names, own


def table(rows: Mapping[str, str]) -> list[str]:
    """Lines of a table; configs of a method with the same cells share a line."""
    lines = [
        '| config | weights | gradients, optimiser | saved for backward | groups | step | fits |',
        '|---|---|---|---|---|---|---|',
    ]
    for names, own in alike(rows):
        lines.append('| ' + '<br>'.join(f'`{name}`' for name in names) + f' | {own} |')
    return lines


def sizes(value: Any) -> Any:
    """A part of a config, or a batch, with shapes in place of tensors and without paths."""
    if isinstance(value, Mapping):
        paths = ('checkpoint', 'init_cfg', 'pretrained')
        return {key: sizes(item) for key, item in value.items() if not key.endswith(paths)}
    if isinstance(value, list | tuple):
        return [sizes(item) for item in value]
    if isinstance(value, SegDataSample):
        return {key: sizes(item) for key, item in value.items()}
    if isinstance(value, PixelData):
        return sizes(value.data)
    return (value.shape, value.dtype) if isinstance(value, Tensor) else value


def step_key(cfg: Config) -> str:
    """What the step of a config depends on: those with the same key have the same operations."""
    return repr(sizes([cfg.model.to_dict(), dict(cfg.optim_wrapper), training_batch(cfg)]))


def measure_all(names: Sequence[str], accumulate: int = 1) -> Iterator[tuple[str, Memory]]:
    """Memory of a step of each config.

    Args:
        names: Of the configs.
        accumulate: ``accumulative_counts`` of the optimiser; for methods with one.
    """
    known: dict[str, Memory] = {}
    for name in names:
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        if accumulate > 1:
            cfg.optim_wrapper.accumulative_counts = accumulate
        key = step_key(cfg)
        if key not in known:
            known[key] = measure(cfg)
        yield name, known[key]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='*', help='names below configs/; all of full size')
    parser.add_argument('--missing', action='store_true', help='those that have no row')
    parser.add_argument(
        '--accumulate', type=int, default=1, metavar='N', help='batches for a step of the optimiser'
    )
    parser.add_argument('--write', action='store_true', help='into docs/speed.md')
    args = parser.parse_args()
    quiet()
    page = DOCUMENT.read_text()
    begin, end = page.index(BEGIN), page.index(END)
    names = [name.removesuffix('.py').removeprefix('configs/') for name in args.configs]
    rows = {}
    if names or args.missing:
        known = {*full_size()}
        rows = {key: own for key, own in rows_of(page[begin:end]).items() if key in known}
    if args.missing:
        names += [name for name in full_size() if name not in rows and name not in names]
    elif not names:
        names = full_size()
    print(*table({}), sep='\n', flush=True)
    for name, memory in measure_all(names, args.accumulate):
        rows[name] = cells(memory)
        print(table({name: rows[name]})[-1], flush=True)
        if args.write:
            text = DOCUMENT.read_text()
            DOCUMENT.write_text(with_part(text, BEGIN, END, '\n'.join(table(rows))))


if __name__ == '__main__':
    main()
