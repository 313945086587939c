"""Every method trains alike in one process and in two, in parts of a batch, in half precision."""

import copy
import traceback
from contextlib import contextmanager
from datetime import timedelta

import pytest
import torch
import torch.distributed as distributed
from mmengine.model import MMDistributedDataParallel, MMSeparateDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn
from torch.distributed.nn.functional import all_reduce
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmdavss.flow import BaseFlowProvider, FlowNetS
from mmdavss.methods import AdaBN, AdversarialAdapter
from mmdavss.methods.adversarial import PLAYERS

WORLD = 2
PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3)
FLOW_NET = dict(type='FlowNetS', base_channels=2)
SFM = dict(type='SFM', flow_net=FLOW_NET)
STPL = dict(
    type='STPL',
    fusion=dict(type='STAM'),
    loss=dict(type='STPLLoss'),
    projection=dict(type='ProjectionHead', channels=8, hidden_channels=16),
)
SEPICO = dict(
    type='SePiCo',
    contrastive_loss=dict(type='DistCLLoss', temperature=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    label_ratio=0.3,
    projection=dict(type='ProjectionHead', in_channels=64, channels=8),
    confidence_threshold=0.5,
)
VAT = dict(
    type='VAT',
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator', channels=4),
)
METHODS = {
    'source_only': dict(type='SourceOnly'),
    'source_only_dff': dict(type='SourceOnly', student='DFF'),
    'source_only_distortion_aware': dict(type='SourceOnly', student='DistortionAwareVSS'),
    'adabn': dict(type='AdaBN'),
    'self_training': dict(type='SelfTraining'),
    'stpl': STPL,
    'stpl_anchor': dict(STPL, anchor_weight=0.5, confident_per_class=True, norm_eval=False),
    'vat': dict(VAT, student='PerFrame'),
    'vst': dict(type='VST', student='PerFrame', regulariser=dict(type='PseudoLabelRegulariser')),
    'i2vda': dict(
        type='I2VDA',
        student='PerFrame',
        flow=dict(type='ZeroFlow'),
        delta=0.99,
        eta=2.0,
        discriminator=dict(type='ImageDiscriminator', channels=4),
    ),
    'davsn': dict(type='DAVSN', discriminator=dict(type='SpatioTemporalDiscriminator', channels=4)),
    'davsn_source_free': dict(type='DAVSN'),
    'tps': dict(type='TPS', confidence_threshold=0.5),
    'sfc': dict(type='SFC', sfm=SFM, pseudo_weight=1.0, confidence_threshold=0.5),
    'flow_pretraining': dict(type='FlowPretraining', flow_net=FLOW_NET),
    'sfm_pretraining': dict(type='SFMPretraining', sfm=SFM, num_classes=4),
    'dacs': dict(type='DACS', augment=dict(type='StrongAugment'), confidence_threshold=0.5),
    'sepico_dist': dict(
        SEPICO, target_crop=dict(crop_size=(32, 48)), augment=dict(type='StrongAugment')
    ),
    'sepico_released': dict(
        SEPICO,
        target_crop=dict(crop_size=(32, 48)),
        relabel_crop=True,
        augment_source=True,
        augment=dict(type='StrongAugment'),
        projection=dict(type='ProjectionHead', channels=8, norm_cfg=dict(type='BN')),
    ),
    'sepico_proto': dict(
        SEPICO,
        contrastive_loss=dict(type='ProtoCLLoss', temperature=1.0),
        statistics=dict(type='ClassStatistics', covariance='full'),
    ),
    'sepico_bank': dict(
        SEPICO,
        contrastive_loss=dict(type='BankCLLoss', temperature=1.0),
        statistics=dict(type='ClassStatistics', bank_size=3),
    ),
}
#: Target clips of three frames; all others have two.
LONG = ('tps', 'sfc')
WITHOUT_STUDENT = ('flow_pretraining', 'sfm_pretraining')
#: They need none, or that of their pipeline.
WITHOUT_FLOW = ('adabn', 'vat', 'vst')


@pytest.fixture
def clips(batch):
    """Global batches of both domains, or the part of one process; labels of all frames."""

    def make(name, step=0, first=0, count=WORLD, even=False):
        data = batch(
            'source', 'target', count=count, seed=10 * step + first, length=3 if name in LONG else 2
        )
        for branch, samples in data['data_samples'].items():
            inputs = data['inputs'][branch]
            inputs['forward_flow'] = [-flow for flow in inputs['flow']]
            for i, sample in enumerate(samples):
                generator = torch.Generator().manual_seed(100 * step + first + i)
                # The samples differ in their classes, and much in how many pixels have a label.
                odd = (first + i) % 2
                labels = torch.randint(
                    4 if even else 3 + odd, (len(inputs['frames'][i]), 32, 48), generator=generator
                )
                labels[:, : 4 if even else 4 + 20 * odd] = 255
                sample.gt_clip_seg = PixelData(data=labels)
                sample.gt_sem_seg = PixelData(data=labels[-1:])
        if name == 'davsn_source_free':
            return {key: dict(target=value['target']) for key, value in data.items()}
        return data

    return make


def build(name, accel, **options):
    torch.manual_seed(0)
    cfg = dict(METHODS[name], data_preprocessor=PREPROCESSOR) | options
    if name not in WITHOUT_STUDENT:
        cfg['student'] = dict(copy.deepcopy(accel), type=cfg.get('student', 'Accel'))
    model = MODELS.build(cfg)
    for part, module in model.named_modules():
        # Small as they are made: one bias would decide, and flow networks would say nothing.
        if 'conv_seg.branches.' in part or part.split('.')[-1].startswith('predict_flow'):
            nn.init.normal_(module.weight, std=0.1)
        # Frames are to be joined.
        if part == 'student.fusion':
            nn.init.normal_(module.weight, std=0.3)
    return model.train()


def optimisers(model, **options):
    wrapper = dict(options, optimizer=dict(type='SGD', lr=1e-2))
    if not isinstance(model, AdversarialAdapter):
        return build_optim_wrapper(model, wrapper)
    return build_optim_wrapper(
        model,
        dict(
            constructor='PlayerOptimWrapperConstructor',
            **{name: wrapper for name in PLAYERS if getattr(model, name) is not None},
        ),
    )


def hooks(model, step):
    """What the hooks of the configs do before a step of the optimiser."""
    if hasattr(model, 'update_teacher'):
        model.update_teacher(min(1 - 1 / (step + 1), 0.9))
    if hasattr(model, 'schedule_proxy'):
        model.schedule_proxy(copy=step == 0, launched=True)


def train(model, batches, trainer=None, **options):
    """Steps of the optimiser, each with a list of batches; logs of each batch, and the state."""
    wrappers = optimisers(model, accumulative_counts=len(batches[0]), **options)
    torch.manual_seed(1)
    logs = []
    for step, parts in enumerate(batches):
        hooks(model, step)
        logs += [(trainer or model).train_step(data, wrappers) for data in parts]
    return (
        [{key: value.detach() for key, value in log.items()} for log in logs],
        {key: value.detach().clone() for key, value in model.state_dict().items()},
    )


# ------------------------------------------------------------------------------ two processes


@contextmanager
def double_precision():
    """Sums in another order are no reason then for another ReLU, or another label, to be on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, 'float', torch.Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def synchronised(self, x):
    """What SyncBatchNorm computes; torch's refuses CPUs."""
    if not self.training:
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
    mean = all_reduce(x.mean((0, 2, 3))) / WORLD
    centred = x - mean[:, None, None]
    variance = all_reduce(centred.square().mean((0, 2, 3))) / WORLD
    with torch.no_grad():
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        count = WORLD * x.numel() / x.shape[1]
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (variance * count / (count - 1) - self.running_var)
    scale = self.weight * (variance + self.eps).rsqrt()
    return centred * scale[:, None, None] + self.bias[:, None, None]


def of_global_batch(draw, rank):
    """Makes a random function draw for all processes and return what is for this one."""

    def drawn(*args, **kwargs):
        # torch.rand(2, 3), torch.randint(9, (2, 3)).
        *first, size = args if isinstance(args[-1], tuple) else (args,)
        samples = 1 if len(size) == 6 else 0  # StrongAugment: (count, N, 1, 1, 1, 1)
        whole = [WORLD * n if i == samples else n for i, n in enumerate(size)]
        return draw(*first, whole, **kwargs).narrow(samples, rank * size[samples], size[samples])

    return drawn


def work(rank, folder, accel, clips):
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=100),
    )
    nn.BatchNorm2d.forward = synchronised
    results = {}
    for name in METHODS:
        try:
            with double_precision():
                results[name] = work_on(name, rank, accel, clips)
        except Exception:
            results[name] = traceback.format_exc()
    torch.save(results, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


def work_on(name, rank, accel, clips):
    model = build(name, accel)
    if isinstance(model, AdversarialAdapter | AdaBN):
        # Fuses frames, and that gets no gradient without the source.
        trainer = MMSeparateDistributedDataParallel(
            model, find_unused_parameters=name == 'davsn_source_free'
        )
    else:
        trainer = MMDistributedDataParallel(model, broadcast_buffers=False)
    batches = [[clips(name, step, first=rank, count=1)] for step in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        for draw in ('rand', 'randint'):
            patch.setattr(torch, draw, of_global_batch(getattr(torch, draw), rank))
        return train(model, batches, trainer)


@pytest.fixture(scope='module')
def seen():
    return []


@pytest.fixture
def two_processes(seen, tmp_path, accel, clips):
    """What each of two processes has seen and learnt; all methods are run at once."""
    if not seen:
        torch.multiprocessing.start_processes(
            work, (tmp_path, accel, clips), WORLD, start_method='fork'
        )
        seen += [torch.load(tmp_path / f'{rank}.pth') for rank in range(WORLD)]
    return seen


@pytest.mark.parametrize('name', METHODS)
def test_two_processes_equal_one(two_processes, clips, accel, name):
    """Losses, weights, batch-norm and class statistics, teacher, proxy, banks."""
    with double_precision():
        model = build(name, accel)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        logs, state = train(model, [[clips(name, step)] for step in range(2)])
    assert any(not torch.equal(value, before[key]) for key, value in state.items())
    # Something is chosen, and not everything: the processes have to agree on how much.
    for key in ('labelled', 'labelled_refined', 'pseudo_label_weight'):
        assert 0 < logs[0].get(key, 0.5) < 1, key
    for results in two_processes:
        assert not isinstance(results[name], str), results[name]
        their_logs, their_state = results[name]
        assert their_state.keys() == state.keys()
        for log, theirs in zip(logs, their_logs, strict=True):
            # mmseg's accuracy is one of each process: its mean is over labelled pixels.
            torch.testing.assert_close(
                {key: value for key, value in theirs.items() if 'acc_seg' not in key},
                {key: value for key, value in log.items() if 'acc_seg' not in key},
                rtol=1e-6,
                atol=1e-9,
            )
        torch.testing.assert_close(their_state, state, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------- accumulation


#: Where a loss depends on what else is in the batch, what makes it the same in both halves.
ACCUMULATED = {
    'source_only': {},
    'source_only_distortion_aware': {},
    'self_training': {},
    'stpl': {},
    'stpl_anchor': {},
    'vat': {},
    'vst': dict(refinement=None),
    'davsn': {},
    'davsn_source_free': {},
    'i2vda': dict(t=0.5, delta=None, eta=None),
    'tps': dict(confidence_threshold=None),
    'sfc': dict(confidence_threshold=None),
    'dacs': dict(confidence_threshold=0.0, augment=None, teacher_norm='student'),
}


@pytest.mark.parametrize('name', ACCUMULATED)
def test_two_halves_equal_one_batch(clips, accel, name):
    """Adversarial methods too: both players step when both halves are seen."""
    states = []
    for halves in (False, True):
        with double_precision():
            model = build(name, accel, norm_eval=True, **ACCUMULATED[name])
            batches = [
                [clips(name, step, first=i, count=1, even=True) for i in range(2)]
                if halves
                else [clips(name, step, even=True)]
                for step in range(2)
            ]
            states.append(train(model, batches)[1])
    torch.testing.assert_close(states[1], states[0], rtol=1e-6, atol=1e-9)


# -------------------------------------------------------------------------------------- order


class Recorder(BaseFlowProvider):
    """Flow of one pixel; notes its calls."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def _estimate(self, frame_a, frame_b, paths):
        self.calls.append('flow')
        return torch.ones_like(frame_a[:, :2])


@pytest.mark.parametrize('name', METHODS)
def test_flow_comes_before_all_passes(clips, accel, name):
    """A provider that computes on the CPU waits for the device: nothing may be queued there yet.

    That goes for the passes of all networks: student, teacher, proxy, anchor, flow branches.
    """
    calls = []
    model = build(name, accel)
    model.flow = Recorder(calls)
    data = clips(name)
    if name != 'vst':
        for inputs in data['inputs'].values():
            del inputs['flow'], inputs['forward_flow']
    for module in model.modules():
        if isinstance(module, ResNet | FlowNetS):
            module.register_forward_pre_hook(lambda *_: calls.append('pass'))
    train(model, [[data]])
    first = calls.index('pass')
    assert 'flow' not in calls[first:]
    assert (first == 0) == (name in WITHOUT_FLOW)


# ---------------------------------------------------------------------------- mixed precision

aten = torch.ops.aten


class Decisions(TorchDispatchMode):
    """Writes down what is decided from real numbers, or decides again as it was written down.

    A decision is whatever comes out of real numbers as integers or booleans: labels by argmax, the
    most confident pixels, comparisons with thresholds. Scores of an untrained net lie near to each
    other, so that rounding, and the kind of CPU that rounds, decides otherwise: the losses jump.
    Between runs that decide alike they are continuous in all that is rounded.

    Args:
        made: Decisions to be made again; None writes them down in :attr:`made`.
    """

    #: The largest value is continuous in all values; the mask of dropout is drawn.
    NONE = (aten.max_pool2d_with_indices.default, aten.native_dropout.default)

    def __init__(self, made=None):
        super().__init__()
        self.made = [] if made is None else made
        self.left = None if made is None else list(reversed(made))

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function in self.NONE or function._schema.is_mutable:
            return out
        if not any(real(value) for value in tree_leaves((args, kwargs))):
            return out
        if not any(
            isinstance(value, torch.Tensor) and not real(value) for value in tree_leaves(out)
        ):
            return out
        decided = out if isinstance(out, torch.Tensor) else out[1]
        if self.left is None:
            self.made.append((function, decided.clone()))
            return out
        theirs, decided = self.left.pop()
        assert function == theirs
        if isinstance(out, torch.Tensor):
            return decided.clone()
        # Values and where they are, of max, topk, sort.
        names = [argument.name for argument in function._schema.arguments]
        options = dict(zip(names, args, strict=False)) | (kwargs or {})
        dim = options.get('dim', -1)
        keeps = out[1].dim() == args[0].dim()
        where = decided if keeps else decided.unsqueeze(dim)
        values = args[0].gather(dim, where)
        return values if keeps else values.squeeze(dim), decided.clone()


def real(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def with_errors(model, layers, unit, seed):
    """`model`, whose `layers` round: random relative errors of up to `unit`, in float32.

    Weights, inputs and results of a layer get errors of their own.
    """
    generator = torch.Generator().manual_seed(seed)

    def rounded(x):
        if not real(x):
            return x
        return x * (1 + unit * (2 * torch.rand(x.shape, generator=generator) - 1))

    for name in layers:
        module = model.get_submodule(name)
        module.weight.data = rounded(module.weight.data)
        module.register_forward_pre_hook(lambda _, args: tuple(rounded(x) for x in args))
        module.register_forward_hook(lambda _, __, out: rounded(out))
    return model


@pytest.mark.parametrize('name', METHODS)
def test_bfloat16(clips, accel, name):
    """Losses come out in float32, near to those of full precision; what is kept stays as it was.

    What is decided in full precision (labels, which pixels are confident) is decided so in half
    precision too. How near losses have to be then follows from the arithmetic: as near as they
    stay in full precision where each layer that bfloat16 rounds makes random errors of the size of
    its rounding. They are up to a unit in the last place, 2^-8: twice those of rounding to the
    nearest, as sums between the layers round too. What they do to a loss is a sum of many small
    errors and so nearly normal; measured, bfloat16 deviates by 1.0 times their root mean square.
    With eight runs to estimate that from (a t distribution with eight degrees of freedom), more
    than ten times it is seen once in 100,000 comparisons.
    """
    data = clips(name)

    def trained(model, decisions, **options):
        with decisions:
            (log,), state = train(model, [[copy.deepcopy(data)]], **options)
        assert not decisions.left
        return log, state

    decisions = Decisions()
    full, _ = trained(build(name, accel), decisions)

    model = build(name, accel)
    kinds = {key: value.dtype for key, value in model.state_dict().items()}
    seen = set()
    for layer, module in model.named_modules():
        if getattr(module, 'weight', None) is not None:
            module.register_forward_hook(
                lambda _, __, out, layer=layer: seen.add((layer, out.dtype))
            )
    log, state = trained(model, Decisions(decisions.made), type='Bfloat16OptimWrapper')
    assert {key: value.dtype for key, value in state.items()} == kinds
    assert all(torch.isfinite(value).all() for value in state.values())

    layers = [layer for layer, kind in seen if kind == torch.bfloat16]
    assert layers
    erroneous = [
        trained(with_errors(build(name, accel), layers, 2**-8, seed), Decisions(decisions.made))[0]
        for seed in range(8)
    ]
    for key, value in log.items():
        assert torch.isfinite(value), key
        if 'loss' in key:
            assert value.dtype == torch.float32, key
            errors = torch.stack([other[key] - full[key] for other in erroneous])
            torch.testing.assert_close(
                value, full[key], rtol=1e-5, atol=10 * errors.square().mean().sqrt().item(), msg=key
            )
