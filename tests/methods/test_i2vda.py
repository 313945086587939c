"""I2VDA: what is computed in a step, when the proxy acts, and what nobody may ask for."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as distributed
from mmengine.model import MMSeparateDistributedDataParallel
from mmseg.registry import MODELS
from torch import nn

from mmdavss.engine import ProxyNetworkHook
from mmdavss.flow import BaseFlowProvider
from mmdavss.testing import PREPROCESSOR, build_method, build_optimisers
from tests.methods.table import CASES

pytestmark = pytest.mark.sampled

HEIGHT, WIDTH = 32, 48


class Recorder(BaseFlowProvider):
    """Flow by the two frames' order: `shift` pixels to the left for each call, all noted."""

    def __init__(self, shift=2.0):
        super().__init__()
        self.shift = shift
        self.calls = []

    def _estimate(self, frame_a, frame_b, paths):
        self.calls.append((frame_a, frame_b))
        flow = frame_a.new_zeros(len(frame_a), 2, *frame_a.shape[-2:])
        flow[:, 0] = -self.shift
        return flow


def build(per_frame, **kwargs):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            dict(
                type='I2VDA',
                student=copy.deepcopy(per_frame),
                data_preprocessor=PREPROCESSOR,
                discriminator=dict(type='ImageDiscriminator', channels=4),
                flow=dict(type='ZeroFlow'),
            ),
            **kwargs,
        )
    ).train()
    # ResNets start with zeroed residual branches and classifiers near 0: let all have a part.
    for branch in model.student.segmentor.decode_head.conv_seg.branches:
        nn.init.normal_(branch.weight, std=0.1)
    if model.proxy is not None:
        model.move_companions('copy')
    return model


@pytest.fixture
def i2vda(per_frame):
    return lambda **kwargs: build(per_frame, **kwargs)


@pytest.fixture
def pairs(batch):
    """Source images without flow, of another size than the target's clips of two frames."""

    def make(flow=None, seed=0):
        source = batch('source', length=1, size=(40, 56), augmented=False, seed=seed)
        target = batch('target', augmented=False, seed=seed + 50, label=False)
        del source['inputs']['source']['flow'], target['inputs']['target']['flow']
        if flow is not None:  # u of frame 0 -> 1
            there = torch.zeros(1, 2, HEIGHT, WIDTH)
            there[:, 0] = flow
            target['inputs']['target'].update(forward_flow=[there, there], flow=[-there, -there])
        return {key: source[key] | target[key] for key in ('inputs', 'data_samples')}

    return make


def shifted(images, by):
    """``out(x) = images(x + by)`` for whole `by`, the border repeated."""
    return images[..., (torch.arange(WIDTH) + by).clamp(0, WIDTH - 1)]


def close(value, expected):
    torch.testing.assert_close(
        torch.as_tensor(value).float(), torch.as_tensor(expected).float(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    'options',
    [dict(), dict(mask_grid='paper'), dict(eta=None), dict(delta=None), dict(augmentation=False)],
    ids=str,
)
def test_losses_by_hand(i2vda, pairs, options):
    """Everything moves 4 pixels to the right; I_t is seen 2 pixels to the left of I_1."""
    model = i2vda(t=0.5, alpha=0.25, **{'delta': 0.5, **options})
    model.flow = Recorder(shift=2.0)
    for branch in model.proxy.segmentor.decode_head.conv_seg.branches:
        branch.weight.data.mul_(20)  # another net than the student, certain of about half
    model.schedule_proxy(copy=False, launched=True)
    data = model.data_preprocessor(pairs(flow=4.0), True)
    source, target = (data['inputs'][name] for name in ('source', 'target'))
    copied = copy.deepcopy(model)
    log = copied.train_step(pairs(flow=4.0), build_optimisers(copied, lr=0.0))

    def scores(net, frames):
        return nn.functional.interpolate(
            net(frames[:, None]), frames.shape[-2:], mode='bilinear', align_corners=True
        )

    # Equation 10
    p_s = scores(model.student, source.frames[:, 0])
    labels = torch.cat([s.gt_sem_seg.data for s in data['data_samples']['source']])
    close(log['loss_seg'], nn.functional.cross_entropy(p_s, labels, ignore_index=255))
    # Equations 2 and 3: F_{t->0} = -2, F_{t->1} = 2
    synthetic = 0.25 * shifted(target.raw[:, 0], -2) + 0.75 * shifted(target.raw[:, 1], 2)
    frames = [target.frames[:, 0], (synthetic.flip(1) * 255 - 120) / 60]
    if not model.augmentation:
        frames = frames[:1]
    # One batch of both: its statistics normalise them.
    p = scores(model.student, torch.stack(frames, 1).flatten(0, 1)).softmax(1)
    p_0, p_t = (p[0::2], p[1::2]) if model.augmentation else (p, p)
    # Equations 4 and 5: the recorder's F_{1->t} is -2; without I_t it is F_{1->0}, -4
    back = 2 if model.augmentation else 4
    carried = shifted(p_t, -back)
    # Equations 6 to 9, pixel by pixel
    p_1 = scores(model.proxy, target.frames[:, 1]).softmax(1)
    total, count, certain = 0.0, 0, 0
    for n in range(2):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                pixel = p_1[n, :, y, x].double()
                entropy = -(pixel * pixel.log()).sum() / torch.log(torch.tensor(4.0))
                sure = model.delta is None or entropy < model.delta
                certain += int(sure)
                # The way from frame 1 goes 4 to the left, that from frame 0 4 to the right.
                seen = dict(current=x >= 4, paper=x < WIDTH - 4)[model.mask_grid]
                if sure and x >= back and (seen or model.eta is None):
                    total = total - carried[n, pixel.argmax(), y, x].log()
                    count += 1
    close(log['loss_tc'], total / count)
    close(log['labelled'], count / (2 * HEIGHT * WIDTH))
    if model.delta is not None:
        assert 0.3 < certain / (2 * HEIGHT * WIDTH) < 0.7  # delta takes part
    assert (
        log['visible']
        == (
            WIDTH
            - (2 if model.eta is None else 4)
            - (2 if model.mask_grid == 'paper' else 0)
            - (2 if model.eta is None and not model.augmentation else 0)
        )
        / WIDTH
    )
    # Equations 11 and 12
    judged = [model.discriminator(m) for m in (p_s.softmax(1), p_0, p_t)]
    shown = judged[1:] if model.augmentation else judged[1:2]
    adversarial = 0.01 * sum(((d - 1) ** 2).mean() for d in shown)
    close(log['loss_adversarial'], adversarial)
    close(log['discriminator.loss_source'], ((judged[0] - 1) ** 2).mean())
    close(log['discriminator.loss_target'], sum((d**2).mean() for d in shown) / len(shown))
    close(log['loss'], log['loss_seg'] + log['loss_tc'] + adversarial)


def test_before_the_launch(i2vda, pairs):
    """Algorithm 1, line 9: no L_tc, but synthesised frames for the discriminator."""
    model = i2vda(t=0.5)
    model.flow = Recorder()
    model.schedule_proxy(copy=True, launched=False)
    log = model.train_step(pairs(flow=4.0), build_optimisers(model))
    assert set(log) == {
        'loss',
        'loss_seg',
        'loss_adversarial',
        'discriminator.loss_source',
        'discriminator.loss_target',
    }
    assert not model.flow.calls  # nothing to carry


@pytest.mark.parametrize(
    'options, keys, calls',
    [
        (dict(), ('loss_tc', 'loss_adversarial'), 3),
        (dict(augmentation=False), ('loss_tc', 'loss_adversarial'), 2),
        (dict(consistency_weight=0.0), ('loss_adversarial',), 2),
        (dict(augmentation=False, consistency_weight=0.0), ('loss_adversarial',), 0),
        (dict(discriminator=None), ('loss_tc',), 3),
    ],
    ids=str,
)
def test_no_source_flow_is_ever_asked_for(i2vda, pairs, options, keys, calls):
    """Without flow in the batch the provider sees target frames only, and none without need."""
    model = i2vda(**options)
    model.flow = Recorder()
    model.schedule_proxy(copy=True, launched=True)
    log = model.train_step(pairs(), build_optimisers(model))
    assert {key for key in log if key in ('loss_tc', 'loss_adversarial')} == set(keys)
    assert all(torch.isfinite(value).all() for value in log.values())
    assert len(model.flow.calls) == calls
    for frames in model.flow.calls:
        assert all(frame.shape == (2, 3, HEIGHT, WIDTH) for frame in frames)
    if options == dict():
        raw = model.data_preprocessor(pairs(), True)['inputs']['target'].raw
        (a, b), (c, d), (current, synthetic) = model.flow.calls
        assert torch.equal(a, raw[:, 0]) and torch.equal(b, raw[:, 1])  # 0 -> 1
        assert torch.equal(c, raw[:, 1]) and torch.equal(d, raw[:, 0])  # 1 -> 0
        assert torch.equal(current, raw[:, 1])  # 1 -> t
        assert not torch.equal(synthetic, raw[:, 0]) and 0 <= synthetic.min() <= 1


@pytest.mark.parametrize('kind', ['all', 'target'])
def test_running_statistics(i2vda, pairs, kind):
    """Of the first normalisation: 0.9 of what it was and 0.1 of the batch, for each pass."""
    model = i2vda(running_statistics=kind, consistency_weight=0.0, augmentation=False)
    data = pairs()
    inputs = model.data_preprocessor(data, True)['inputs']
    stem = model.student.segmentor.backbone
    conv, norm = (stem.stem[0], stem.stem[1]) if stem.deep_stem else (stem.conv1, stem.norm1)
    expected = norm.running_mean.clone()
    with torch.no_grad():
        for clip, frame in (('source', -1), ('target', 0)):
            if kind == 'all' or clip == 'target':
                mean = conv(inputs[clip].frames[:, frame]).mean((0, 2, 3))
                expected = 0.9 * expected + 0.1 * mean
    model.train_step(data, build_optimisers(model))
    close(norm.running_mean, expected)


def test_t_is_drawn_for_each_sample(i2vda, pairs):
    model = i2vda()
    frames = torch.empty(64, 2, 3, 4, 4)
    torch.manual_seed(3)
    t = model.moments(frames)
    assert t.shape == (64, 1, 1, 1) and 0 < t.min() < 0.1 and 0.9 < t.max() < 1
    assert not torch.equal(t, model.moments(frames))
    assert i2vda(t=0.25).moments(frames) == 0.25


@pytest.mark.parametrize('player', ['student', 'discriminator'])
def test_gradients_stay_with_their_player(i2vda, pairs, player):
    model = i2vda()
    model.schedule_proxy(copy=True, launched=True)
    grads, wrappers = {}, build_optimisers(model)
    for name, wrapper in wrappers.items():

        def record(loss, name=name):
            loss.backward()
            grads[name] = {
                child: sum(
                    p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None
                )
                for child, module in model.named_children()
            }

        wrapper.backward = record
    model.train_step(pairs(), wrappers)
    assert {name for name, value in grads[player].items() if value > 0} == {player}


# ----------------------------------------------------------------------------------------- proxy


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


def train(model, pairs, hook, iterations):
    """As the runner does it; returns what was logged and the proxy's state in each iteration."""
    runner = SimpleNamespace(model=model, iter=0)
    wrappers = build_optimisers(model)
    hook.before_train(runner)
    logs, students, proxies = [], [], []
    for runner.iter in iterations:
        hook.before_train_iter(runner, runner.iter)
        students.append(state(model.student))
        proxies.append(state(model.proxy))
        logs.append(model.train_step(pairs(seed=runner.iter), wrappers))
    return logs, students, proxies


def test_launch_and_copies_to_the_iteration(i2vda, pairs):
    model = i2vda(t=0.5)
    logs, students, proxies = train(model, pairs, ProxyNetworkHook(launch=3, interval=4), range(6))
    assert ['loss_tc' in log for log in logs] == [False, False, False, True, True, True]
    # The student that the proxy is: copied at 0 and 4, and at the launch.
    assert [[i for i in range(6) if same(proxies[k], students[i])] for k in range(6)] == [
        [0],
        [0],
        [0],
        [3],
        [4],
        [4],
    ]
    # Statistics of batch norm too, and the proxy's own never move.
    assert any('running_mean' in name for name in proxies[0])
    assert not model.proxy.training and model.student.training
    assert all(not p.requires_grad for p in model.proxy.parameters())


def test_resumed(i2vda, pairs):
    """Weights of the proxy are in the checkpoint; the schedule follows from the iteration."""
    hook = ProxyNetworkHook(launch=2, interval=2)
    model = i2vda(t=0.5)
    train(model, pairs, hook, range(3))
    checkpoint = state(model)
    assert not same({f'proxy.{k}': v for k, v in state(model.student).items()}, checkpoint)
    expected, _, _ = train(model, pairs, hook, range(3, 5))
    resumed = i2vda(t=0.5)
    resumed.load_state_dict(checkpoint, strict=True)
    logs, _, _ = train(resumed, pairs, hook, range(3, 5))
    for a, b in zip(expected, logs, strict=True):
        assert 'loss_tc' in a and a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert same(state(model), state(resumed))


def test_starts_as_the_source_model(i2vda, tmp_path):
    path = tmp_path / 'source.pth'
    source = i2vda(consistency_weight=0.0)
    assert source.proxy is None
    torch.save(dict(state_dict=source.state_dict()), path)
    model = i2vda(source_checkpoint=str(path))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    model.init_weights()
    assert same(state(model.proxy), state(source.student))


def work(rank, folder, per_frame, data):
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    model = build(per_frame, t=0.5)
    wrapped = MMSeparateDistributedDataParallel(model)
    wrappers = build_optimisers(model)
    runner, hook = SimpleNamespace(model=wrapped, iter=0), ProxyNetworkHook(launch=1, interval=2)
    hook.before_train(runner)
    for runner.iter in range(3):
        hook.before_train_iter(runner, runner.iter)
        log = wrapped.train_step(data[2 * runner.iter + rank], wrappers)
    torch.save((wrapped.module.state_dict(), 'loss_tc' in log), f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes(per_frame, pairs, tmp_path):
    """Forked: weights stay the same, the proxy too, though statistics of the student do not."""
    data = [pairs(seed=seed) for seed in range(6)]
    torch.multiprocessing.start_processes(work, (tmp_path, per_frame, data), 2, start_method='fork')
    (first, launched), (second, _) = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    assert launched
    different = {name for name in first if not torch.equal(first[name], second[name])}
    assert different and all(
        name.startswith('student.') and 'running_' in name for name in different
    )
    assert any(name.startswith('proxy.') and 'running_mean' in name for name in first)


def test_messages(i2vda, pairs, batch, accel):
    for option in (
        dict(t=1.5),
        dict(alpha=-0.1),
        dict(eta=0.0),
        dict(delta=-1.0),
        dict(mask_grid='both'),
        dict(running_statistics='source'),
    ):
        ((name, value),) = option.items()
        with pytest.raises(ValueError, match=f'{name}={value!r}'):
            i2vda(**option)
    with pytest.raises(ValueError, match='set `model.flow`'):
        i2vda(flow=None)
    with pytest.raises(ValueError, match='use PerFrame'):
        i2vda(student=accel)
    model = i2vda()
    with pytest.raises(RuntimeError, match='ProxyNetworkHook'):
        model.train_step(pairs(), build_optimisers(model))
    model.schedule_proxy(copy=True, launched=True)
    data = pairs()
    data['inputs']['target'] = batch('target', length=1, augmented=False)['inputs']['target']
    del data['inputs']['target']['flow']
    with pytest.raises(ValueError, match='clip_length=2'):
        model.train_step(data, build_optimisers(model))
    model = i2vda(flow=None, consistency_weight=0.0)
    with pytest.raises(ValueError, match='both_ways=True'):
        model.train_step(pairs(), build_optimisers(model))
    with pytest.raises(KeyError, match='no target clips'):
        data = pairs()
        del data['inputs']['target'], data['data_samples']['target']
        model.train_step(data, build_optimisers(model))


@pytest.mark.parametrize('cached', [False, True])
def test_flow_files_know_no_synthesised_frames(tmp_path, cached):
    """Known when it is built, not when the proxy is launched."""
    files = dict(type='PrecomputedFlow', root=str(tmp_path), frame_root=str(tmp_path))
    flow = dict(type='CachedFlow', provider=files, cache_dir=str(tmp_path)) if cached else files
    with pytest.raises(ValueError, match='no file can hold'):
        build_method(CASES['i2vda'], flow=flow)
