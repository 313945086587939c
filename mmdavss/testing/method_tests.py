"""Tests that every training method must pass, run by pytest in a subclass of MethodTests."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest
import torch
import torch.distributed as distributed
from mmengine.model import BaseModel, MMSeparateDistributedDataParallel
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.backbones import DINOv2
from mmdavss.engine import GroupedDistributedDataParallel
from mmdavss.flow import BaseFlowProvider, FlowNetS
from mmdavss.methods import AdversarialAdapter, BaseAdapter
from mmdavss.modules import norm_layers
from mmdavss.utils.memory_format import use_channels_last
from mmdavss.video_nets.loading import load_student

from .methods import (
    MethodCase,
    Training,
    build_method,
    build_optimisers,
    make_batch,
    optimisers_of,
    part_of,
    separate,
    small_net,
    train,
    training_batch,
)
from .numerics import (
    PATIENCE,
    Decisions,
    Waits,
    add_rounding_errors,
    double_precision,
    draws_of_global_batch,
    sum_over_pipe,
    synchronised_batch_norm,
)

WORLD = 2
#: Steps that read no gradient.
SHARED_STEPS = (BaseModel.train_step, BaseAdapter.train_step, AdversarialAdapter.train_step)


def of_cases(applies: Callable[[MethodCase], bool]) -> Callable:
    """Marks a test of :class:`MethodTests` that applies only to some cases."""

    def mark(test: Any) -> Callable:
        test.applies = applies
        return test

    return mark


class MethodTests:
    """Tests that every training method must pass; the names of the cases are the test ids::

        class TestMyMethods(MethodTests):
            cases = {'mine': MethodCase(model=dict(type='Mine'), trains=['student.segmentor'])}

    Attributes:
        cases: The methods, each with one set of options.
    """

    cases: ClassVar[Mapping[str, MethodCase]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if 'name' in metafunc.fixturenames:
            applies = getattr(metafunc.function, 'applies', lambda case: True)
            metafunc.parametrize(
                'name', [name for name, case in self.cases.items() if applies(case)]
            )

    @pytest.fixture(autouse=True)
    def mmseg_scope(self) -> None:
        init_default_scope('mmseg')

    @pytest.fixture
    def case(self, name: str) -> MethodCase:
        return self.cases[name]

    # ------------------------------------------------------------------------------- a step

    def test_trains_what_it_should(self, case: MethodCase) -> None:
        """A step updates exactly the case's parts, by finite gradients, and running statistics.

        Every other trainable parameter gets a gradient too, which DDP waits for.
        """
        model = build_method(case)
        required = {name for name, p in model.named_parameters() if p.requires_grad}
        before = {name: value.clone() for name, value in model.state_dict().items()}
        wrapper = build_optimisers(model)
        reached = gradients_of_step(model, wrapper)
        log = Training(case, model, wrapper)(training_batch(case))
        assert all(torch.isfinite(value).all() for value in log.values())
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())
        missing = {part_of(name) for name in required - reached.keys()}
        assert missing == set(case.idle)
        assert reached.keys() <= required
        assert {part_of(name) for name, size in reached.items() if size > 0} == set(case.trains)
        # A memory of clips begins with the first step.
        changed = {
            n
            for n, value in model.state_dict().items()
            if n not in before or not torch.equal(value, before[n])
        }
        moved = {name for name, _ in model.named_parameters()} & changed
        assert {part_of(name) for name in moved if name in required} == set(case.trains)
        assert any('running_' in name for name in changed if name.startswith('student.')) == (
            case.statistics
        )

    @pytest.mark.slow
    def test_needs_no_other_labels(self, case: MethodCase) -> None:
        """It trains with only its domains, and does not use labels that it must not see."""
        logs, states = [], []
        for stripped in (False, True):
            data = training_batch(case)
            for domain, samples in data['data_samples'].items():
                if stripped and domain not in case.labelled:
                    for sample in samples:
                        del sample.gt_sem_seg, sample.gt_clip_seg, sample.gt_soft_seg
            log, state = train(case, build_method(case), [data])
            logs += log
            states.append(state)
        torch.testing.assert_close(logs[1], logs[0], rtol=0, atol=0)
        torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)

    @pytest.mark.slow
    @of_cases(lambda case: case.student is not None and case.norm_eval)
    def test_batch_norm_stays_in_evaluation_mode(self, case: MethodCase) -> None:
        """With norm_eval the student normalises by its running statistics, which stay fixed."""
        model = build_method(case, norm_eval=True)
        norms = norm_layers(model.student)
        assert norms and not any(norm.training for norm in norms)
        before = {n: v.clone() for n, v in model.student.state_dict().items() if 'running_' in n}
        _, state = train(case, model, [training_batch(case)])
        for name, value in before.items():
            assert torch.equal(state[f'student.{name}'], value), name
        assert model.training and not any(norm.training for norm in norms)

    @pytest.mark.slow
    @of_cases(lambda case: case.student is not None and case.norm_eval)
    def test_batch_norm_trains(self, case: MethodCase) -> None:
        """Without norm_eval the student normalises by the batch, before a step and after it."""
        model = build_method(case, norm_eval=False)
        for _ in range(2):
            assert all(norm.training for norm in norm_layers(model.student))
            train(case, model, [training_batch(case)])

    # -------------------------------------------------------------------------- checkpoints

    @pytest.mark.slow
    def test_resumes_exactly(self, case: MethodCase, tmp_path: Path) -> None:
        """Model, optimisers and hooks resume bit for bit after two iterations."""

        def started(seed: int, start: int = 0) -> tuple[BaseAdapter, Any, Training]:
            model = build_method(case, seed=seed)
            wrapper = build_optimisers(model, momentum=0.9)
            return model, wrapper, Training(case, model, wrapper, start=start)

        model, wrapper, run = started(0)
        for step in range(2):
            run(training_batch(case, step))
        path = tmp_path / 'iter_2.pth'
        players = {name: own.state_dict() for name, own in optimisers_of(wrapper).items()}
        torch.save(dict(state_dict=model.state_dict(), optimizer=players), path)
        other, others, again = started(1, start=2)
        saved = torch.load(path, weights_only=False)
        other.load_state_dict(saved['state_dict'], strict=True)
        for name, own in optimisers_of(others).items():
            own.load_state_dict(saved['optimizer'][name])
        logs = []
        for each in (run, again):
            torch.manual_seed(5)
            logs.append(each(training_batch(case, 2)))
        torch.testing.assert_close(logs[1], logs[0], rtol=0, atol=0)
        torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)

    @pytest.mark.slow
    @of_cases(lambda case: case.student is not None and case.exports)
    def test_exports_its_student(self, case: MethodCase, tmp_path: Path) -> None:
        """A checkpoint loads into the plain video net, which predicts the same as the method."""
        model = build_method(case)
        train(case, model, [training_batch(case)])
        save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'iter_1.pth'))
        net = MODELS.build(small_net(case.student))
        net.set_normalisation(model.data_preprocessor)
        load_student(net, str(tmp_path / 'iter_1.pth'), complete=True)
        model, net = model.eval(), net.eval()
        data = model.data_preprocessor(make_batch(augmented=False))
        clip = data['inputs']
        data['data_samples'][0].set_metainfo(dict(ori_shape=(64, 96)))
        with torch.no_grad():
            scores = net(clip.frames, clip.flow)
            assert torch.equal(model(**data, mode='tensor'), scores)
            samples = model(**data, mode='predict')
            full = nn.functional.interpolate(
                scores[:1], (64, 96), mode='bilinear', align_corners=model.align_corners
            )
        assert samples[1].seg_logits.data.shape == (model.num_classes, 32, 48)
        assert torch.equal(samples[0].pred_sem_seg.data, full.argmax(1))

    # ------------------------------------------------------------------------------ waiting

    @pytest.mark.slow
    def test_flow_comes_before_all_passes(self, case: MethodCase) -> None:
        """A provider on the CPU waits for the device, so it must run before anything is queued
        there.

        That holds for the passes of all networks: student, teacher, proxy, anchor, flow branches.
        """
        calls: list[str] = []
        model = build_method(case)
        model.flow = FlowOfOnePixel(calls)
        data = training_batch(case)
        if case.flow != 'pipeline':
            for inputs in data['inputs'].values():
                del inputs['flow'], inputs['forward_flow']
        for module in model.modules():
            if isinstance(module, ResNet | DINOv2 | FlowNetS):
                module.register_forward_pre_hook(lambda *_: calls.append('pass'))
        train(case, model, [data])
        first = calls.index('pass')
        assert 'flow' not in calls[first:]
        assert (first > 0) == (case.flow == 'provider')

    @pytest.mark.slow
    def test_never_waits_for_the_device(self, case: MethodCase) -> None:
        """No operation of a training iteration waits, after the first, which may look things up.

        Nothing needs the content of a tensor, and nothing but the batch is copied to the device.
        """
        model = build_method(case).to('meta')
        run = Training(case, model, build_optimisers(model))
        for _ in range(2):
            with Waits() as waits:
                run(training_batch(case))
        assert {file for file, *_ in waits.found} == set(case.waits), waits.found

    # ---------------------------------------------------------------- processes, accumulation

    @pytest.fixture(scope='class')
    @classmethod
    def two_processes(cls, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
        """Logs and states of each of two processes, for all methods in one run."""
        folder = tmp_path_factory.mktemp('two_processes')
        cases = {name: case for name, case in cls.cases.items() if case.thorough}
        links = multiprocessing.Pipe()
        args = folder, cases, links
        torch.multiprocessing.start_processes(_work, args, WORLD, start_method='fork')
        return [torch.load(folder / f'{rank}.pth') for rank in range(WORLD)]

    @pytest.mark.slow
    @of_cases(lambda case: case.thorough)
    def test_two_processes_equal_one(
        self, name: str, case: MethodCase, two_processes: list[dict]
    ) -> None:
        """Losses, weights, batch-norm and class statistics, teacher, proxy, banks."""
        with double_precision():
            model = build_method(case)
            before = {key: value.clone() for key, value in model.state_dict().items()}
            logs, state = train(case, model, [training_batch(case, step) for step in range(2)])
        assert any(not torch.equal(value, before[key]) for key, value in state.items())
        # Some but not all pixels are chosen, so that the processes have to agree on the number.
        for key in ('labelled', 'labelled_refined', 'pseudo_label_weight'):
            assert 0 < logs[0].get(key, 0.5) < 1, key
        for results in two_processes:
            assert not isinstance(results[name], str), results[name]
            their_logs, their_state = results[name]
            assert their_state.keys() == state.keys()
            for log, theirs in zip(logs, their_logs, strict=True):
                # mmseg's accuracy is per process: its mean is over labelled pixels.
                torch.testing.assert_close(
                    {key: value for key, value in theirs.items() if 'acc_seg' not in key},
                    {key: value for key, value in log.items() if 'acc_seg' not in key},
                    rtol=1e-6,
                    atol=1e-9,
                )
            torch.testing.assert_close(their_state, state, rtol=1e-6, atol=1e-9)

    @pytest.mark.slow
    @of_cases(lambda case: case.thorough and case.halves is not None)
    def test_two_halves_equal_one_batch(self, case: MethodCase) -> None:
        """Gradient accumulation; adversarial methods too, whose players step after both halves.

        What is drawn for a clip is the same in its half as in the whole batch.
        """
        options = dict(case.halves) | (dict(norm_eval=True) if case.norm_eval else {})
        states = []
        for parts in (1, 2):
            # Schedules count iterations, of which a step of the optimiser takes several.
            hooks = [
                {
                    key: parts * value if type(value) is int and key != 'priority' else value
                    for key, value in hook.items()
                }
                for hook in case.hooks
            ]
            own = replace(case, hooks=hooks)
            with double_precision():
                batches = [
                    training_batch(
                        case,
                        step,
                        first=part * case.clips,
                        count=2 * case.clips // parts,
                        even=True,
                    )
                    for step in range(2)
                    for part in range(parts)
                ]
                model = build_method(case, **options)
                model.train_step = drawing_by_part(model.train_step, parts)
                states.append(train(own, model, batches, accumulative_counts=parts)[1])
        torch.testing.assert_close(states[1], states[0], rtol=1e-6, atol=1e-9)

    # ------------------------------------------------------------------------ memory format

    def test_channels_last(self, case: MethodCase) -> None:
        """Convolutions with channels last change nothing but rounding."""
        data, states = training_batch(case), []
        with double_precision():
            for last in (False, True):
                model = build_method(case)
                if last:
                    use_channels_last(model)
                states.append(train(case, model, [copy.deepcopy(data)]))
        torch.testing.assert_close(states[1], states[0], rtol=1e-6, atol=1e-9)

    # ----------------------------------------------------------------------- half precision

    @pytest.mark.slow
    @of_cases(lambda case: case.thorough)
    def test_bfloat16(self, case: MethodCase) -> None:
        """Losses are float32 and close to those of full precision; the state keeps its types.

        Decisions of full precision (labels, which pixels are confident) are repeated in half
        precision. The tolerance for the losses follows from the arithmetic: their deviation in full
        precision if each layer that bfloat16 rounds makes random errors of the size of its
        rounding. The errors are up to a unit in the last place, 2^-8: twice those of rounding to
        the nearest, as sums between the layers round too. Their effect on a loss is a sum of many
        small errors and so nearly normal; measured, bfloat16 deviates by 1.0 times their root mean
        square. With eight runs to estimate that from (a t distribution with eight degrees of
        freedom), more than ten times it occurs once in 100,000 comparisons.
        """
        data = training_batch(case)

        def trained(model: BaseAdapter, decisions: Decisions, **options: Any) -> tuple:
            with decisions:
                (log,), state = train(case, model, [copy.deepcopy(data)], **options)
            assert not decisions.left
            return log, state

        def losses(model: BaseAdapter, decisions: Decisions) -> dict[str, Tensor]:
            # A step's losses do not depend on its gradients, unless a method reads them itself.
            own = type(model).train_step not in SHARED_STEPS
            with (
                nullcontext()
                if own
                else mock.patch.object(Tensor, 'backward', lambda *args, **kwargs: None)
            ):
                return trained(model, decisions)[0]

        decisions = Decisions()
        full = losses(build_method(case), decisions)

        model = build_method(case)
        kinds = {key: value.dtype for key, value in model.state_dict().items()}
        seen = set()
        for layer, module in model.named_modules():
            if getattr(module, 'weight', None) is not None:
                module.register_forward_hook(
                    lambda _, __, out, layer=layer: seen.add((layer, out.dtype))
                )
        log, state = trained(model, Decisions(decisions.made), type='Bfloat16OptimWrapper')
        types = {key: value.dtype for key, value in state.items()}
        assert {key: types.pop(key) for key in kinds} == kinds
        assert torch.bfloat16 not in types.values()  # what begins with the first step
        assert all(torch.isfinite(value).all() for value in state.values())

        layers = [layer for layer, kind in seen if kind == torch.bfloat16]
        assert layers
        erroneous = []
        for seed in range(8):
            model = build_method(case)
            add_rounding_errors(model, layers, 2**-8, seed)
            erroneous.append(losses(model, Decisions(decisions.made)))
        for key, value in log.items():
            assert torch.isfinite(value), key
            if 'loss' in key:
                assert value.dtype == torch.float32, key
                errors = torch.stack([other[key] - full[key] for other in erroneous])
                limit = 10 * errors.square().mean().sqrt().item()
                torch.testing.assert_close(value, full[key], rtol=1e-5, atol=limit, msg=key)


class FlowOfOnePixel(BaseFlowProvider):
    """Constant flow of one pixel; records its calls."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: Any) -> Tensor:
        self.calls.append('flow')
        return torch.ones_like(frame_a[:, :2])


def drawing_by_part(step: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """A training step that draws, for its part of a batch, what a step of the whole would.

    Args:
        step: The step.
        parts: Number of steps that a batch is divided among.
    """
    numbers = itertools.count()

    def step_of_part(*args: Any, **kwargs: Any) -> Any:
        batch, part = divmod(next(numbers), parts)
        torch.manual_seed(batch)
        with draws_of_global_batch(part, parts):
            return step(*args, **kwargs)

    return step_of_part


def gradients_of_step(model: BaseAdapter, wrapper: Any) -> dict[str, float]:
    """Largest gradient of each parameter in a step of its optimiser, filled in by the step.

    Raises:
        AssertionError: In the step of a player if another player has a gradient.
    """
    reached: dict[str, float] = {}
    for player, own in optimisers_of(wrapper).items():

        def note(*args: Any, step: Callable = own.optimizer.step, player: str = player) -> Any:
            for name, parameter in model.named_parameters():
                if parameter.grad is None:
                    continue
                own = player == 'model' or name.startswith(f'{player}.')
                # Players whose steps come together have their gradients side by side.
                assert own or not separate(model), (player, name)
                if own:
                    reached[name] = parameter.grad.abs().max().item()
            return step(*args)

        own.optimizer.step = note
    return reached


def _work(
    rank: int, folder: Path, cases: Mapping[str, MethodCase], links: Sequence[Connection]
) -> None:
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=PATIENCE),
    )
    nn.BatchNorm2d.forward = synchronised_batch_norm(
        WORLD, partial(sum_over_pipe, link=links[rank])
    )
    results: dict[str, Any] = {}
    for name, case in cases.items():
        try:
            with double_precision():
                results[name] = _work_on(case, rank)
        except Exception:
            results[name] = traceback.format_exc()
    torch.save(results, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


def _work_on(case: MethodCase, rank: int) -> tuple:
    model = build_method(case)
    if separate(model):
        # It moves the parts to a GPU where there is one.
        place = 'mmengine.model.wrappers.seperate_distributed.get_device'
        with mock.patch(place, return_value='cpu'):
            trainer = MMSeparateDistributedDataParallel(
                model, find_unused_parameters=bool(case.idle)
            )
    else:
        trainer = GroupedDistributedDataParallel(
            model, broadcast_buffers=False, find_unused_parameters=bool(case.idle)
        )
    batches = [
        training_batch(case, step, first=rank * case.clips, count=case.clips) for step in range(2)
    ]
    with draws_of_global_batch(rank, WORLD):
        return train(case, model, batches, trainer)
