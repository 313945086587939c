"""Losses that are backpropagated one group after the other."""

from __future__ import annotations

import copy
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner.amp import autocast
from torch import is_autocast_cache_enabled

from mmdavss.engine import Bfloat16OptimWrapper
from mmdavss.methods import BaseAdapter, SourceOnly
from mmdavss.structures import DomainBatch
from mmdavss.testing import PREPROCESSOR, build_method, build_optimisers
from mmdavss.testing.methods import Training, optimisers_of, training_batch
from tests.methods.table import CASES


class TwoPasses(BaseAdapter):
    """Both domains supervised, each by itself."""

    calls: tuple = ()

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict]:
        for name, (clip, samples) in dict(source=batch.source, target=batch.target).items():
            losses = self.student.loss(clip.frames, self.clip_flow(clip), samples)
            self.calls += (name,)
            yield {f'{name}.{key}': value for key, value in losses.items()}


class OwnLoss(TwoPasses):
    """A subclass that has changed the loss."""

    def loss(self, inputs, data_samples) -> dict:
        return {f'own.{key}': value for key, value in super().loss(inputs, data_samples).items()}


@pytest.fixture
def made(accel):

    def make(kind, **options):
        torch.manual_seed(0)
        model = kind(student=copy.deepcopy(accel), data_preprocessor=PREPROCESSOR, **options)
        return model.double().train()

    return make


def step(model, data, counts=1, iterations=2):
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), accumulative_counts=counts
    )
    wrapper.initialize_count_status(model, 0, iterations)
    passes = []
    backward = wrapper.backward

    def note(loss, **kwargs):
        passes.append(loss.detach())
        backward(loss, **kwargs)

    wrapper.backward = note
    logs = [model.train_step(data, wrapper) for _ in range(iterations)]
    return logs, passes


def doubled(batch):
    data = batch('source', 'target')
    for clips in data['inputs'].values():
        clips['flow'] = [flow.double() for flow in clips['flow']]
    return data


def test_the_step_is_that_of_the_sum(made, batch):
    data = doubled(batch)
    grouped, whole = made(TwoPasses), made(TwoPasses)
    whole._has_groups = lambda: False
    logs, passes = step(grouped, data)
    other, others = step(whole, data)
    assert len(passes) == 4 and len(others) == 2
    assert logs[1].keys() == other[1].keys()
    for name, value in logs[1].items():
        torch.testing.assert_close(value, other[1][name], rtol=1e-6, atol=0)
    for name, value in grouped.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-6, atol=1e-9)


def test_a_group_is_backpropagated_before_the_next_is_computed(made, batch):
    model = made(TwoPasses)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    backward = wrapper.backward

    def note(loss, **kwargs):
        model.calls += ('backward',)
        backward(loss, **kwargs)

    wrapper.backward = note
    model.train_step(doubled(batch), wrapper)
    assert model.calls == ('source', 'backward', 'target', 'backward')


class MmengineAutocast(OptimWrapper):
    """mmengine's ``AmpOptimWrapper``, which needs a GPU, without its scaler."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), autocast('cpu', torch.bfloat16):
            yield


@pytest.mark.parametrize('kind', [Bfloat16OptimWrapper, MmengineAutocast])
@pytest.mark.parametrize('grouped', [True, False])
def test_autocast_keeps_no_copies_of_weights(made, batch, kind, grouped):
    """Older PyTorch takes those of a pass without gradient for one with gradient."""
    model = made(TwoPasses).float()
    model._has_groups = lambda: grouped
    seen = []
    model.student.segmentor.backbone.register_forward_pre_hook(
        lambda *_: seen.append((torch.is_autocast_enabled('cpu'), is_autocast_cache_enabled()))
    )
    wrapper = kind(torch.optim.SGD(model.parameters(), lr=0.1))
    data = batch('source', 'target')
    model.train_step(data, wrapper)
    assert set(seen) == {(True, False)} and is_autocast_cache_enabled()
    # As mmengine's data-parallel wrapper runs it.
    seen.clear()
    with wrapper.optim_context(model):
        model(**model.data_preprocessor(data, True), mode='loss')
        assert is_autocast_cache_enabled()
    assert set(seen) == {(True, False)} and is_autocast_cache_enabled()


def test_accumulation_is_that_of_the_sum(made, batch):
    """Two iterations are one step, also where the last step has one only."""
    data = doubled(batch)
    grouped, whole = made(TwoPasses), made(TwoPasses)
    whole._has_groups = lambda: False
    for iterations in (1, 2, 3):
        logs, passes = step(grouped, data, counts=2, iterations=iterations)
        other, others = step(whole, data, counts=2, iterations=iterations)
        assert len(passes) == 2 * len(others) == 2 * iterations
        assert torch.stack(passes).sum() == pytest.approx(torch.stack(others).sum().item())
        for name, value in grouped.state_dict().items():
            torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-6, atol=1e-9)


class Saved:
    """What a graph holds for its backward pass, by group: weak references."""

    def __init__(self) -> None:
        self.references: list[weakref.ref] = []

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        kept = Kept(tensor)
        self.references.append(weakref.ref(kept))
        return kept

    def alive(self) -> int:
        return sum(reference() is not None for reference in self.references)


class Kept:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def held_before_each_group(model: BaseAdapter, run: Callable[[], object]) -> list[tuple[int, int]]:
    """Tensors saved for backward passes in a run: all so far, and those alive, at each group."""
    found, saved = [], Saved()
    groups = model.loss_groups

    def noted(batch: DomainBatch) -> Iterator[dict]:
        for losses in groups(batch):
            yield losses
            del losses
            found.append((len(saved.references), saved.alive()))

    model.loss_groups = noted
    with torch.autograd.graph.saved_tensors_hooks(saved, lambda kept: kept.tensor):
        run()
    return found


@pytest.mark.parametrize('counts', [1, 2])
def test_a_graph_is_gone_before_the_next_group(made, batch, counts):
    model = made(TwoPasses)
    data = doubled(batch)
    (saved, alive), (more, _) = held_before_each_group(
        model, lambda: step(model, data, counts, iterations=1)
    )
    assert 0 < saved < more
    assert alive == 0


@pytest.mark.parametrize('name, groups', [('daformer', 2), ('dacs_refined', 2), ('mic_hrda', 3)])
def test_graphs_of_source_mix_and_masked_images_do_not_add_up(name, groups):
    """As in the published code, each is backpropagated before the next is made."""
    init_default_scope('mmseg')
    case = CASES[name]
    model = build_method(case)
    run = Training(case, model, build_optimisers(model))
    held = held_before_each_group(model, lambda: run(training_batch(case)))
    assert [alive for _, alive in held] == [0] * groups
    assert 0 < held[0][0] and all(a < b for (a, _), (b, _) in pairwise(held))


#: Groups of losses of a step by player and row of the table: passes whose graphs share nothing.
ONE, TWO, THREE, FOUR, FIVE = (dict(model=count) for count in range(1, 6))


def game(groups: int, **players: int) -> dict[str, int]:
    """Those of a student, and the one of its discriminators, of both domains."""
    return dict(student=groups, discriminator=1, **players)


GROUPS: dict[str, dict[str, int]] = {
    # Of one domain, and losses that compare its passes.
    **dict.fromkeys(
        (
            *('source_only', 'source_only_dff', 'source_only_distortion_aware'),
            *('self_training', 'tent', 'tent_released', 'iast', 'ur', 'hcl', 'ld', 'vst'),
            *('stpl', 'stpl_add', 'stpl_concat', 'stpl_conv', 'stpl_norm', 'stpl_anchor'),
            *('temporal_anchor', 'spatial', 'temporal', 'naive', 'duplicate'),
            *('minent_source_free', 'tps_source_free'),
            *('flow_pretraining', 'sfm_pretraining'),
        ),
        ONE,
    ),
    'davsn_source_free': dict(student=1),  # a game without an adversary
    'adabn': {},  # it learns nothing
    **dict.fromkeys(
        (
            *('mrkld', 'lrent', 'ccm', 'minent', 'tps', 'cmom', 'cmom_released'),
            *('fda', 'fda_sst'),
        ),
        TWO,
    ),
    'minent_masked': THREE,
    'quadmix': THREE,  # both mixes; source and target, whose class vectors are compared
    'sfc': THREE,  # source, both frames' flow, TPL
    'pixmatch': FOUR,  # source and three views
    # Source and target, and masked clips.
    **dict.fromkeys(('vat', 'i2vda', 'adaptsegnet', 'advent', 'davsn'), game(2)),
    **dict.fromkeys(('vat_masked', 'i2vda_masked', 'adaptsegnet_masked', 'davsn_masked'), game(3)),
    # The attacked target too, and a gate that plays by the gradient of its choice.
    'rda_released': game(3),
    'rda': game(3, gate=1),
    'rda_masked': game(4, gate=1),
    # Source and mix; masked clips; both distilled views; the contrast of the target; both frames of
    # the target, that a discriminator sees.
    **dict.fromkeys(('dacs', 'dacs_refined', 'daformer'), TWO),
    **dict.fromkeys(('dacs_masked', 'mic', 'mic_hrda', 'mic_accel_hrda'), THREE),
    'dacs_distilled': FIVE,
    'dacs_discriminator': game(3),
    **dict.fromkeys(('mic_hrda_discriminator', 'mic_accel_hrda_combined'), game(4)),
    **dict.fromkeys(
        (
            *('sepico_dist', 'sepico_released', 'sepico_dist_full', 'sepico_proto'),
            *('sepico_bank', 'sepico_fused'),
        ),
        THREE,
    ),
    'sepico_masked': FOUR,
}


def test_the_groups_of_every_method_are_written_down():
    assert GROUPS.keys() == CASES.keys()


@pytest.mark.sampled
@pytest.mark.parametrize('name', GROUPS)
def test_what_shares_nothing_is_a_group(name):
    """Or a step would need the memory of several."""
    init_default_scope('mmseg')
    case = CASES[name]
    model = build_method(case)
    wrapper = build_optimisers(model)
    counts = Counter()

    def noted(player, backward, loss, **kwargs):
        counts[player] += 1
        backward(loss, **kwargs)

    for player, own in optimisers_of(wrapper).items():
        own.backward = partial(noted, player, own.backward)
    Training(case, model, wrapper)(training_batch(case))
    assert counts == GROUPS[name]


def test_a_loss_of_its_own_is_not_passed_over(made, batch):
    logs, passes = step(made(OwnLoss), doubled(batch))
    assert len(passes) == 2
    assert any(name.startswith('own.source') for name in logs[0])


def test_methods_without_groups(made, batch):
    _, passes = step(made(SourceOnly), doubled(batch))
    assert len(passes) == 2


def test_neither_is_an_error(made, batch):
    with pytest.raises(TypeError, match='neither'):
        made(BaseAdapter).loss(None, None)
