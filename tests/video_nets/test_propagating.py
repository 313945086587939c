"""What video nets with a flow branch, two stages and streams have in common."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.runner import save_checkpoint
from torch import nn

from mmdavss.video_nets import PerFrame
from mmdavss.video_nets.loading import load_student

pytestmark = pytest.mark.sampled

GOLDEN = Path(__file__).parents[1] / 'data/golden/sfc_stage2_step.npz'
FLOW_NET = dict(type='FlowNetS', base_channels=4)
SIZE = (32, 48)


def video(length, seed=0):
    """Frames (2, length, 3, H, W) and flows (2, length, 2, H, W) to the frame before."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(2, length, 3, *SIZE, generator=generator)
    flow = 4 * torch.randn(2, length, 2, *SIZE, generator=generator)
    flow[:, 0] = 0
    return frames, flow


def noisy(net):
    """Weights that make the other frame, the flow and every part count."""
    torch.manual_seed(2)
    for name, parameter in net.named_parameters():
        if 'bn' not in name and 'downsample.1' not in name:
            nn.init.normal_(parameter, std=0.1)
    return net.eval()


class StandIn(nn.Module):
    """The flow network of the golden arrays."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def forward(self, current, previous):
        w = self.weights
        x = F.conv2d(torch.cat([current, previous], 1), w['c1.weight'], w['c1.bias'], 2, 1)
        return 5 * F.conv2d(F.leaky_relu(x, 0.1), w['c2.weight'], w['c2.bias'], 2, 1)


# -------------------------------------------------------------------------------- golden


def test_accel_of_sfc_equals_published(video_net, segmentor, build):
    """Scores doubled, warped along the branch's flow, merged; t and t-1 of the golden step."""
    data = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN).items()}
    count = int(data['num_classes'])
    segmentor['decode_head']['num_classes'] = segmentor['auxiliary_head']['num_classes'] = count
    net = video_net(
        'Accel',
        flow_net=FLOW_NET,
        fusion_init='xavier',
        fusion_bias=True,
        enlarge=2,
        padding_mode='border',
        key_grad=True,
    )
    net.set_normalisation(
        build(dict(type='DomainDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True))
    )
    net.flow_net = StandIn(
        {k.removeprefix('w.flownet.'): v for k, v in data.items() if k.startswith('w.flownet.')}
    )
    # Published: cat(reference, update); ours: cat(current, key).
    net.fusion.weight.data = data['w.merge.weight'].roll(count, dims=1)
    net.fusion.bias.data = data['w.merge.bias']

    def scores(name, number):
        return F.conv2d(
            data['seg_input'][number : number + 1],
            data[f'w.{name}.c.weight'],
            data[f'w.{name}.c.bias'],
            8,
            1,
        )

    for tag, now in (('t', 2), ('tm1', 1)):
        to_key = net.key_flow(data['frames'][None, now - 1 : now + 1], None)
        key = scores('net_ref', now - 1)
        doubled = F.interpolate(key, scale_factor=2, mode='bilinear')
        torch.testing.assert_close(
            net.carry(doubled, to_key), data[f'merge_input_{tag}'][:, :count], rtol=0, atol=1e-5
        )
        fused = net._fuse(scores('net_update', now), key, to_key)
        torch.testing.assert_close(fused.detach(), data[f'merge_out_{tag}'], rtol=0, atol=1e-5)


# ----------------------------------------------------------------------------------- flow


@pytest.mark.parametrize('to_rgb', [False, True])
def test_flow_branch_sees_images(video_net, build, batch, to_rgb):
    """What reaches the flow network is the frame before normalisation: ``Clip.raw``."""
    preprocessor = build(
        dict(
            type='DomainDataPreprocessor',
            mean=[103.0, 116.0, 123.0],
            std=[58.0, 57.0, 56.0],
            bgr_to_rgb=to_rgb,
        )
    )
    clip = preprocessor(batch(length=3))['inputs']
    net = video_net('Accel', flow_net=FLOW_NET)
    net.set_normalisation(preprocessor)
    torch.testing.assert_close(net.images(clip.frames), clip.raw, rtol=0, atol=1e-6)
    flow = net.estimate_flow(clip.frames)
    assert flow.shape == (2, 2, 2, 8, 12)
    for k in range(2):
        torch.testing.assert_close(flow[:, k], net.flow_net(clip.raw[:, k + 1], clip.raw[:, k]))
    torch.testing.assert_close(
        net.key_flow(clip.frames, None), net.flow_net(clip.raw[:, 2], clip.raw[:, 0])
    )


def test_needs(video_net):
    for kind in ('Accel', 'DFF', 'DistortionAwareVSS'):
        assert video_net(kind).needs_flow and video_net(kind).temporal
        assert not video_net(kind, flow_net=FLOW_NET).needs_flow
        assert not video_net(kind, stage=1).needs_flow
    assert not PerFrame.temporal
    frames, flow = video(2)
    net = video_net('DFF').eval()
    with pytest.raises(ValueError, match='DFF got a clip of several frames without flow'):
        net(frames)
    with pytest.raises(RuntimeError, match='no flow branch'):
        net.estimate_flow(frames)
    with pytest.raises(ValueError, match='stage=3'):
        video_net('Accel', stage=3)
    with pytest.raises(ValueError, match='key_interval=0'):
        video_net('DFF', key_interval=0)
    own = video_net('DFF', flow_net=FLOW_NET)
    own._mean = None
    with pytest.raises(RuntimeError, match='set_normalisation'):
        own(frames)


@pytest.mark.parametrize('kind', ['Accel', 'DFF', 'DistortionAwareVSS'])
def test_given_flow_replaces_the_branch(video_net, kind):
    net = noisy(video_net(kind, flow_net=FLOW_NET))
    frames, _ = video(2)
    own = net.estimate_flow(frames)
    torch.testing.assert_close(net(frames, own), net(frames))
    assert (net(frames, own + 9) - net(frames)).abs().max() > 1e-3


@pytest.mark.parametrize('kind', ['Accel', 'DFF', 'DistortionAwareVSS'])
def test_gradient_reaches_the_flow_net(video_net, batch, kind):
    net = video_net(
        kind, flow_net=FLOW_NET, **(dict(fusion_init='xavier') if kind == 'Accel' else {})
    )
    losses = net.loss(video(2)[0], None, batch()['data_samples'])
    sum(v for n, v in losses.items() if 'loss' in n).backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad.abs().max() > 0 for p in net.flow_net.parameters())


@pytest.mark.slow
def test_flow_branch_learns_to_align(video_net, batch):
    """Through the segmentation loss alone: the second frame is the first, moved by 8 pixels."""
    net = video_net('DFF', flow_net=dict(type='FlowNetS', base_channels=8)).eval()
    net.segmentor.requires_grad_(False)
    noisy(net.segmentor)
    torch.manual_seed(0)
    wide = F.interpolate(torch.randn(4, 3, 9, 17), (64, 136), mode='bicubic')
    frames = torch.stack([wide[..., :128], wide[..., 8:]], dim=1)
    with torch.no_grad():
        label = net.classify(net.features(frames[:, 1])).argmax(1)
    optimizer = torch.optim.Adam(net.flow_net.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        losses.append(F.cross_entropy(net(frames), label))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    with torch.no_grad():
        perfect = torch.zeros(4, 1, 2, 64, 128)
        perfect[:, :, 0] = 8
        best = F.cross_entropy(net(frames, perfect), label)
        u = net.estimate_flow(frames)[:, 0, 0]
    assert best < losses[0]
    assert losses[-1] < losses[0] - 0.5 * (losses[0] - best)
    assert u.mean() > 0.5  # 2 pixels of a quarter of the resolution


# -------------------------------------------------------------------------- by hand


def test_dff_by_hand(video_net):
    """Flow zero hands on the key frame; a shift of whole cells shifts its scores."""
    net = noisy(video_net('DFF'))
    frames, _ = video(3)
    key = net.classify(net.features(frames[:, 0]))
    zero = torch.zeros(2, 2, 2, *SIZE)
    torch.testing.assert_close(net(frames, zero), key)
    torch.testing.assert_close(net(frames[:, :1]), key)
    shift = zero.clone()
    shift[:, :, 0] = 4.0  # twice: one cell of stride 8
    carried = net.carry(net.features(frames[:, 0]), net.key_flow(frames, shift))
    torch.testing.assert_close(
        carried[..., :-1], net.features(frames[:, 0])[..., 1:], rtol=1e-4, atol=1e-4
    )
    features = net.features(frames.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(net(frames, shift, features), net(frames, shift))


def test_distortion_aware_by_hand(video_net):
    """M = 0 is DFF, M = 1 the correction alone, in between their mean."""
    net = noisy(video_net('DistortionAwareVSS'))
    frames, flow = video(2)
    flow = flow[:, 1:]
    carried = net.carry(net.features(frames[:, 0]), flow[:, 0])
    correction = net.correction(net.images(frames[:, 1]))
    assert correction.shape == carried.shape
    with torch.no_grad():
        net.distortion[-1].weight.zero_()
        for bias, expected in (
            (-99.0, carried),
            (99.0, correction),
            (0.0, (carried + correction) / 2),
        ):
            net.distortion[-1].bias.fill_(bias)
            torch.testing.assert_close(
                net(frames, flow), net.classify(expected), rtol=1e-4, atol=1e-5
            )


def test_distortion_loss_by_hand(video_net, batch):
    """Binary cross entropy against where carried features are classified otherwise."""
    net = noisy(video_net('DistortionAwareVSS', distortion_weight=3.0))
    frames, flow = video(2)
    flow = flow[:, 1:]
    samples = batch()['data_samples']
    losses = net.loss(frames, flow, samples)
    carried = net.classify(net.carry(net.features(frames[:, 0]), flow[:, 0])).argmax(1)
    own = net.classify(net.features(frames[:, 1])).argmax(1)
    wrong = (carried != own).double()
    assert 0 < wrong.mean() < 1
    m = net.distortion_logits(frames[:, 1], frames[:, 0], flow[:, 0], wrong.shape[-2:])
    m = m.double().sigmoid()[:, 0]
    expected = -3 * (wrong * m.log() + (1 - wrong) * (1 - m).log()).mean()
    torch.testing.assert_close(losses['loss_distortion'].double(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses['distorted'].double(), wrong.mean())
    given = net.loss(frames, flow, samples, net.levels(frames[:, 1]))
    torch.testing.assert_close(given['loss_distortion'], losses['loss_distortion'])
    # A distortion network that knew the flow's gradient would train the flow to look distorted.
    flow.requires_grad_(True)
    net.loss(frames, flow, samples)['loss_distortion'].backward()
    assert flow.grad is None or flow.grad.abs().max() == 0


# ------------------------------------------------------------------------------ streams


def stream(net, frames, flow, clip_length):
    """Scores of every frame, and how many frames went through each backbone."""
    counts = []
    for segmentor in getattr(net, 'segmentors', (net.segmentor,)):
        calls = []
        segmentor.backbone.register_forward_pre_hook(
            lambda module, args, calls=calls: calls.append(len(args[0]))
        )
        counts.append(calls)
    state, scores = None, []
    for t in range(frames.shape[1]):
        given = None if flow is None else flow[:, t]
        out, state = net.step(frames[:, t], given, state, clip_length)
        scores.append(out)
    return scores, [sum(calls) // len(frames) for calls in counts]


@pytest.mark.parametrize('clip_length', [1, 2, 3])
@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(fusion='feature'),
        dict(flow_net=FLOW_NET),
        dict(two=True),
        dict(two=True, flow_net=FLOW_NET, enlarge=2, padding_mode='border', fusion_bias=True),
        dict(propagation='splat'),
        dict(stage=1),
    ],
)
@torch.no_grad()
def test_accel_streams(video_net, segmentor, options, clip_length):
    """Each frame goes through each network once, and the scores are those of the clips."""
    if options.pop('two', False):
        options = dict(options, reference_segmentor=segmentor)
    net = noisy(video_net('Accel', **options))
    frames, flow = video(5)
    flow = flow if net.needs_flow else None
    scores, counts = stream(net, frames, flow, clip_length)
    assert counts == ([5] * len(net.segmentors) if options.get('stage') != 1 else [5])
    for t, out in enumerate(scores):
        clip = [max(t - back, 0) for back in reversed(range(clip_length))]
        flows = None
        if flow is not None:  # a repeated first frame has flow zero to itself
            flows = (
                torch.stack(
                    [flow[:, b] * (a != b) for a, b in zip(clip[:-1], clip[1:], strict=True)], dim=1
                )
                if clip_length > 1
                else flow[:, :0]
            )
        torch.testing.assert_close(out, net(frames[:, clip], flows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', ['DFF', 'DistortionAwareVSS'])
@pytest.mark.parametrize('own_flow', [False, True])
@torch.no_grad()
def test_key_frame_nets_stream(video_net, kind, own_flow):
    """The backbone sees key frames only; scores are those of the clips that start there."""
    net = noisy(video_net(kind, key_interval=3, flow_net=FLOW_NET if own_flow else None))
    frames, flow = video(7)
    scores, counts = stream(net, frames, None if own_flow else flow, 2)
    assert counts == [3]
    for t, out in enumerate(scores):
        key = t - t % 3
        flows = None if own_flow else flow[:, key + 1 : t + 1]
        torch.testing.assert_close(out, net(frames[:, key : t + 1], flows), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_clips_of_one_frame_are_key_frames(video_net):
    """They come without flow."""
    net = noisy(video_net('DFF'))
    frames, _ = video(3)
    scores, counts = stream(net, frames, None, 1)
    assert counts == [3]
    for t, out in enumerate(scores):
        torch.testing.assert_close(out, net(frames[:, t : t + 1]))


@torch.no_grad()
def test_per_frame_streams(per_frame, build):
    net = noisy(build(per_frame))
    frames, _ = video(3)
    scores, counts = stream(net, frames, None, 2)
    assert counts == [3]
    for t, out in enumerate(scores):
        torch.testing.assert_close(out, net(frames[:, : t + 1]), rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------- stages


@pytest.fixture
def method(segmentor, build):

    def make(kind, seed=0, source_checkpoint=None, **options):
        torch.manual_seed(seed)
        model = build(
            dict(
                type='SourceOnly',
                source_checkpoint=source_checkpoint,
                student=dict(
                    type=kind,
                    allow_random_init=True,
                    **dict(segmentor=segmentor, flow_net=FLOW_NET) | options,
                ),
                data_preprocessor=dict(
                    type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3
                ),
            )
        )
        model.init_weights()
        return model

    return make


def train(model, batch, steps=2):
    """Changed parameters and buffers of the student, and the losses."""
    before = {n: v.clone() for n, v in model.student.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    model.train()
    for seed in range(steps):
        data = model.data_preprocessor(batch('source', seed=seed), True)
        losses = model(**data, mode='loss')
        total, log = model.parse_losses(losses)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert all(torch.isfinite(v).all() for v in log.values())
    after = model.student.state_dict()
    return {n for n, v in before.items() if not torch.equal(v, after[n])}, log


def parts(names):
    return {n.split('.')[0] + ('.' + n.split('.')[1] if 'segmentor' in n else '') for n in names}


@pytest.mark.parametrize(
    'kind, extra',
    [('Accel', {'fusion'}), ('DFF', set()), ('DistortionAwareVSS', {'distortion', 'correction'})],
)
def test_train_steps(method, batch, kind, extra):
    """Everything at once: every part is trained, batch-norm statistics move."""
    changed, log = train(method(kind), batch)
    assert parts(changed) == {
        'segmentor.backbone',
        'segmentor.decode_head',
        'segmentor.auxiliary_head',
        'flow_net',
        *extra,
    }
    assert {'decode.loss_ce', 'aux.loss_ce'} <= set(log)


@pytest.mark.slow
def test_two_stages_of_accel(method, segmentor, batch, tmp_path):
    options = dict(reference_segmentor=segmentor, key_grad=True, fusion_init='xavier')
    first = method('Accel', stage=1, **options)
    changed, log = train(first, batch)
    assert parts(changed) == {
        f'{net}.{part}'
        for net in ('segmentor', 'reference_segmentor')
        for part in ('backbone', 'decode_head', 'auxiliary_head')
    }
    names = {'decode.loss_ce', 'aux.loss_ce'}
    assert names | {f'reference.{n}' for n in names} == {n for n in log if 'loss_' in n}
    # Each branch by its own loss on the current frame.
    first.eval()
    clip = first.data_preprocessor(batch('source'))
    samples = clip['data_samples']['source']
    frames = clip['inputs']['source'].frames
    losses = first.student.loss(frames, None, samples)
    for prefix, net in zip(('', 'reference.'), first.student.segmentors, strict=True):
        for name, value in net.loss(frames[:, -1], samples).items():
            torch.testing.assert_close(losses[prefix + name], value)
    torch.testing.assert_close(
        first.student(frames), first.student.classify(first.student.features(frames[:, -1]))
    )

    path = str(tmp_path / 'stage1.pth')
    save_checkpoint(dict(state_dict=first.state_dict()), path)
    second = method('Accel', seed=1, stage=2, source_checkpoint=path, **options)
    for name, value in first.student.state_dict().items():
        assert torch.equal(second.student.state_dict()[name], value)
    changed, log = train(second, batch)
    moved = {n for n in changed if 'running_' in n or 'num_batches' in n}
    assert parts(changed - moved) == {
        'segmentor.decode_head',
        'reference_segmentor.decode_head',
        'fusion',
        'flow_net',
    }
    # SFC's release leaves all of the net in training mode.
    statistics = {
        n
        for n in second.student.state_dict()
        if 'backbone' in n and ('running_' in n or 'num_batches' in n)
    }
    assert moved == statistics
    assert {n for n in log if 'loss_' in n} == {'decode.loss_ce'}


def test_stage_two_with_fixed_statistics(method, segmentor, batch, tmp_path):
    """Those of backbones whose ``norm_eval`` says so; they normalise by them."""
    path = str(tmp_path / 'stage1.pth')
    save_checkpoint(dict(state_dict=method('Accel', stage=1).state_dict()), path)
    fixed = dict(segmentor, backbone=dict(segmentor['backbone'], norm_eval=True))
    model = method('Accel', stage=2, source_checkpoint=path, segmentor=fixed)
    changed, _ = train(model, batch)
    assert not [n for n in changed if 'backbone' in n]


def test_stage_two_with_another_flow_branch(method, build, tmp_path, monkeypatch):
    """RAFT after FlowNetS in stage one (SFC, table 5): its own weights, all else of stage one."""
    first = method('Accel', stage=1)
    path, other = str(tmp_path / 'stage1.pth'), str(tmp_path / 'flow.pth')
    save_checkpoint(dict(state_dict=first.state_dict()), path)
    wider = dict(FLOW_NET, base_channels=2 * FLOW_NET['base_channels'])
    pretrained = build(wider).state_dict()
    torch.save(pretrained, other)
    with pytest.raises(ValueError, match="does not fit: 'flow_net.*shape"):
        method('Accel', seed=1, stage=2, source_checkpoint=path, flow_net=wider)
    said = []
    monkeypatch.setattr(
        'mmdavss.video_nets.loading.print_log', lambda text, **kwargs: said.append(text)
    )
    second = method(
        'Accel', seed=1, stage=2, source_checkpoint=path, flow_net=dict(wider, checkpoint=other)
    )
    assert said == [f'{path} has another flow branch: that of Accel starts from {other}.']
    state = second.student.state_dict()
    for name, value in pretrained.items():
        assert torch.equal(state[f'flow_net.{name}'], value)
    for name, value in first.student.state_dict().items():
        assert name.startswith('flow_net.') or torch.equal(state[name], value)


def test_stage_two_leaves_auxiliary_heads_out(video_net, batch):
    """Of clips of one frame too."""
    net = video_net('DFF', stage=2).eval()
    samples = batch()['data_samples']
    for length in (1, 2):
        frames, flow = video(length)
        losses = net.loss(frames, flow[:, 1:], samples)
        assert set(losses) == {'decode.loss_ce', 'decode.acc_seg'}
        if length == 1:
            expected = net.segmentor.loss(frames[:, 0], samples)['decode.loss_ce']
            torch.testing.assert_close(losses['decode.loss_ce'], expected)


@pytest.mark.parametrize('kind', ['DFF', 'DistortionAwareVSS'])
def test_stage_two_from_a_single_frame_net(method, per_frame, build, batch, tmp_path, kind):
    single = build(dict(type='SourceOnly', student=per_frame))
    path = str(tmp_path / 'single.pth')
    save_checkpoint(dict(state_dict=single.state_dict()), path)
    model = method(kind, seed=1, stage=2, source_checkpoint=path)
    assert torch.equal(
        model.student.segmentor.decode_head.conv_seg.branches[0].weight,
        single.student.segmentor.decode_head.conv_seg.branches[0].weight,
    )
    changed, _ = train(model, batch)
    trained = dict(model.student.named_parameters())
    assert not {n for n in changed if ('backbone' in n and n in trained) or 'auxiliary' in n}
    assert {'segmentor.decode_head', 'flow_net'} <= parts(changed)


def test_single_frame_net_fills_both_branches(
    video_net, segmentor, per_frame, build, tmp_path, monkeypatch
):
    single = build(dict(type='SourceOnly', student=per_frame))
    path = str(tmp_path / 'single.pth')
    save_checkpoint(dict(state_dict=single.state_dict()), path)
    net = video_net('Accel', reference_segmentor=segmentor)
    said = []
    monkeypatch.setattr(
        'mmdavss.video_nets.loading.print_log', lambda text, **kwargs: said.append(text)
    )
    load_student(net, path)
    assert "['fusion'] of Accel start as they were initialised" in said[0]
    for name, value in single.student.segmentor.state_dict().items():
        for branch in net.segmentors:
            assert torch.equal(branch.state_dict()[name], value)


def test_checkpoint_errors(method, segmentor, tmp_path):
    with pytest.raises(ValueError, match='stage two.*Train stage one.*source_checkpoint'):
        method('Accel', stage=2)
    with pytest.raises(FileNotFoundError, match='gone.pth.*does not exist'):
        method('Accel', stage=2, source_checkpoint='gone.pth')
    path = str(tmp_path / 'stage1.pth')
    save_checkpoint(dict(state_dict=method('Accel', stage=1).state_dict()), path)
    with pytest.raises(ValueError, match="lacks.*'reference_segmentor"):
        method('Accel', stage=2, reference_segmentor=segmentor, source_checkpoint=path)
    state = method('Accel', stage=1, fusion='feature').state_dict()
    save_checkpoint(dict(state_dict=state), path)
    with pytest.raises(ValueError, match="does not fit: 'fusion.weight'"):
        method('Accel', stage=2, source_checkpoint=path)


@pytest.mark.parametrize('kind', ['Accel', 'DFF', 'DistortionAwareVSS'])
def test_freeze_classifier(video_net, kind):
    """Hypothesis transfer: features are trained, nothing behind them."""
    net = video_net(kind, flow_net=FLOW_NET)
    net.freeze_classifier()
    assert parts(n for n, p in net.named_parameters() if p.requires_grad) == {'segmentor.backbone'}


def test_clip_flow(method, batch):
    """A net with a flow branch is not given the flow of the data."""
    model = method('Accel')
    clip = model.data_preprocessor(batch())['inputs']
    assert clip.flow is not None and model.clip_flow(clip) is None
    scores = model.encode_decode(clip)
    torch.testing.assert_close(scores, model.student(clip.frames))
