"""CMOM: what is pasted where, which features are aligned, and input that lacks something."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn.functional import interpolate

from mmdavss.ops import resize_flow
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing.methods import (
    NUM_CLASSES,
    SEGMENTOR,
    SIZE,
    build_method,
    small_net,
    train,
    training_batch,
)
from mmdavss.video_nets import HeadScores
from tests.methods.table import CASES

CASE = CASES['cmom']
# Computed with the published implementation.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/cmom_mix.npz')


def preprocessed(model, data=None) -> DomainBatch:
    return DomainBatch(**model.data_preprocessor(training_batch(CASE) if data is None else data))


def mixed(model, batch):
    flows = (batch.source.clip.flow, batch.target.clip.flow)
    return model.mix(batch, *flows), *flows


def published_batch(dtype) -> tuple[DomainBatch, list[torch.Tensor]]:
    """The published clips, and their flow: the source's at its size, the target's at the mix's."""

    def clip(key):
        """Both frames, (2, ...), the previous one first."""
        return torch.cat([torch.from_numpy(GOLDEN[f'{key}_{t}']) for t in ('previous', 'current')])

    inputs, samples = {}, {}
    for name, key, labels in (
        ('source', 'src', 'src_label'),
        ('target', 'trg', 'trg_pseudo_label'),
    ):
        inputs[name] = Clip(*[clip(f'{key}_img')[None].to(dtype)] * 2)
        maps = clip(labels)
        own = dict(gt_clip_seg=PixelData(data=maps), gt_sem_seg=PixelData(data=maps[1:]))
        samples[name] = [SegDataSample()]
        samples[name][0].set_data(own)
    size = inputs['target'].frames.shape[-2:]
    source, target = (
        torch.from_numpy(GOLDEN[f'{key}_flow_native']).to(dtype) for key in ('src', 'trg')
    )
    return DomainBatch(inputs, samples), [source[None], resize_flow(target, size)[None]]


# The arrays' positions of samples are float32's: 4e-4 of values of 160, 7e-5 of motion of 15.
@pytest.mark.parametrize(('dtype', 'close'), [(torch.float64, 1e-3), (torch.float32, 1e-5)])
def test_equals_the_published_mix(dtype, close, monkeypatch):
    model = build_method(CASE, mix_share=float(GOLDEN['mix_ratio']), released_flow=True)
    drawn = torch.zeros(1, 256, dtype=torch.bool)
    drawn[0, torch.from_numpy(GOLDEN['drawn_classes'])] = True

    def draw(labels, share):
        candidates = sorted(set(labels.flatten().tolist()) - {255})
        assert candidates == GOLDEN['candidate_classes'].tolist()
        assert round(share * len(candidates)) == GOLDEN['number_drawn']
        return drawn

    monkeypatch.setattr('mmdavss.methods.cmom.draw_share', draw)
    batch, flows = published_batch(dtype)
    frames, flow, labels = model.mix(batch, *flows)
    assert frames.dtype == flow.dtype == dtype
    for t, name in enumerate(('previous', 'current')):
        np.testing.assert_allclose(frames[0, t], GOLDEN[f'mixed_img_{name}'], atol=close)
    np.testing.assert_array_equal(labels, GOLDEN['mixed_label_current'])
    expected = GOLDEN['mixed_flow_in_pixels_of_its_grid']
    np.testing.assert_allclose(flow[0, 0], expected, atol=1e-4)


@pytest.mark.parametrize('released', [False, True])
def test_each_frame_has_the_mask_of_its_own_labels(released):
    model = build_method(CASE, released_flow=released)
    data = training_batch(CASE)
    for sample in data['data_samples']['source']:
        # A class that has left.
        labels = sample.gt_clip_seg.data
        labels[1][labels[1] == 2] = 1
        sample.gt_sem_seg = PixelData(data=labels[1:])
    batch = preprocessed(model, data)
    source, target = batch.source, batch.target
    (frames, flow, labels), *flows = mixed(model, batch)
    own = source.clip_labels('source')
    masks = []
    for t in range(2):
        pasted = (frames[:, t] == source.clip.frames[:, t]).all(1)
        pair = source.clip.frames[:, t], target.clip.frames[:, t]
        assert torch.equal(frames[:, t], torch.where(pasted[:, None], *pair))
        masks.append(pasted)
    for n in range(len(own)):
        # The same classes in both frames, those of the current one; three quarters of them.
        chosen = [set(own[n, t][masks[t][n]].tolist()) for t in range(2)]
        assert chosen[0] <= chosen[1] and 255 not in chosen[1]
        assert len(chosen[1]) == round(0.75 * len(set(own[n, 1].flatten().tolist()) - {255}))
        for t in range(2):
            of_them = torch.isin(own[n, t], torch.tensor(sorted(chosen[1])))
            assert torch.equal(masks[t][n], of_them)
    assert torch.equal(labels, torch.where(masks[1], source.labels, target.labels))
    assert not torch.equal(masks[0], masks[1])
    expected = torch.where(masks[0 if released else 1][:, None, None], *flows)
    assert torch.equal(flow, expected)


def test_the_mix_has_the_size_of_the_target():
    model = build_method(CASE, mix_share=1.0)
    data = training_batch(CASE)
    large = (2 * SIZE[0], 3 * SIZE[1] // 2)
    inputs = data['inputs']['source']
    for key in ('frames', 'flow', 'forward_flow', 'augmented'):
        inputs[key] = [
            interpolate(maps.float(), large, mode='nearest').to(maps.dtype) for maps in inputs[key]
        ]
    for sample in data['data_samples']['source']:
        for key in ('gt_sem_seg', 'gt_clip_seg'):
            maps = interpolate(getattr(sample, key).data[None].float(), large)[0].long()
            sample.set_data({key: PixelData(data=maps)})
        sample.set_metainfo(dict(img_shape=large))
    batch = preprocessed(model, data)
    (frames, flow, labels), source_flow, _ = mixed(model, batch)
    small = batch.source.labels[:, ::2, :]
    small = interpolate(small[:, None].double(), SIZE)[:, 0].long()
    assert torch.equal(labels, torch.where(small < 255, small, batch.target.labels))
    # u and v are in pixels of the mix.
    factors = torch.tensor([2 / 3, 1 / 2])
    torch.testing.assert_close(flow[0, 0, :, -1, -1], source_flow[0, 0, :, -1, -1] * factors)
    logs, _ = train(CASE, model, [data])
    assert all(value.isfinite().all() for value in logs[0].values())


def test_consensus_of_both_frames():
    """A pixel that nothing reaches has class 0, as published."""
    model = build_method(CASE)
    key = maps_of(torch.tensor([[1, 2, 3, 1]]))
    current = maps_of(torch.tensor([[0, 1, 2, 2]]))
    scores = dict(decode=HeadScores(current=current, key=key))
    # From the current frame back: everything has moved right by one.
    flow = torch.tensor([-1.0, 0.0])[None, None, :, None, None].expand(1, 1, 2, 1, 4)
    assert model.consensus(scores, flow).tolist() == [[[0, 1, 2, 255]]]


def maps_of(classes):
    return torch.eye(NUM_CLASSES)[classes].movedim(-1, 0)[None] * 5


def test_running_statistics_move_once():
    """The features that are aligned come from the pass of the supervised loss."""
    head = dict(
        SEGMENTOR['decode_head'],
        type='FCNHead',
        num_convs=1,
        channels=8,
        norm_cfg=dict(type='BN'),
    )
    del head['dilations']
    net = small_net(dict(type='Accel', segmentor=dict(SEGMENTOR, decode_head=head)))
    states = []
    for options in ({}, dict(alignment=None)):
        model = build_method(CASE, student=net, **options)
        batch = preprocessed(model)
        torch.manual_seed(0)
        model.source_losses(batch.source, batch.source.clip.flow)
        states.append({n: v for n, v in model.student.state_dict().items() if 'running_' in n})
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert any('decode_head' in name for name in states[0])


def test_no_dropout_where_the_classifier_confirms():
    model = build_method(CASE)
    model.student.segmentor.decode_head.dropout = torch.nn.Dropout2d(0.5)
    rows = torch.randn(5, 64, 1, 1)
    assert torch.equal(model.classify(rows), model.classify(rows))
    assert model.student.segmentor.decode_head.training


@pytest.mark.parametrize('released', [False, True])
def test_the_consensus_follows_the_objects_of_the_source(released):
    model = build_method(CASE, released_flow=released, mix_share=1.0)
    batch = preprocessed(model)
    seen = []
    consensus = model.consensus
    model.consensus = lambda scores, flow: seen.append(flow) or consensus(scores, flow)
    flows = batch.source.clip.flow, batch.target.clip.flow
    model.mix_losses(batch, *flows)
    assert torch.equal(seen[0], flows[1]) == released
    assert torch.equal(seen[0], mixed(model, batch)[0][1]) != released


def test_only_right_predictions_fill_the_banks():
    model = build_method(CASE)
    batch = preprocessed(model)
    seen = []
    model.alignment.update = lambda features, labels, classify: seen.append((features, labels))
    model.source_losses(batch.source, batch.source.clip.flow)
    ((features, labels),) = seen
    assert not features.requires_grad
    with torch.no_grad():
        own = model.student.features(batch.source.clip.frames[:, -1])
        torch.testing.assert_close(features, own)
        found = model.student.classify(own).argmax(1)
    truth = batch.source.labels[:, :: SIZE[0] // 4, :: SIZE[1] // 6]
    assert torch.equal(labels, torch.where(truth == found, truth, 255))
    assert 0 < (labels < 255).float().mean() < 1


def test_features_come_near_to_the_banks():
    """Both losses fall when they alone are followed, and reach the backbone but not the banks."""
    model = build_method(CASE, norm_eval=True)
    batch = preprocessed(model)
    for bank in (model.alignment.background, model.alignment.foreground):
        bank.written.fill_(100)
        torch.nn.init.normal_(bank.entries)
    model.alignment._confirmed = lambda means, classes, classify: torch.ones_like(
        means[..., 0], dtype=torch.bool
    )
    model.source_losses = lambda source, flow: dict(loss_none=torch.zeros(()))
    before = []
    for _ in range(2):
        torch.manual_seed(0)
        losses = model.mix_losses(batch, batch.source.clip.flow, batch.target.clip.flow)
        aligned = torch.stack([losses['loss_background'], losses['loss_foreground']])
        before.append(aligned.detach())
        parameters = dict(model.student.segmentor.backbone.named_parameters())
        gradients = torch.autograd.grad(aligned.sum(), parameters.values())
        with torch.no_grad():
            for value, gradient in zip(parameters.values(), gradients, strict=True):
                value -= 1e-3 * gradient
    assert (before[1].sum() < before[0].sum()) and before[0].min() > 0
    assert not model.alignment.background.entries.requires_grad


@pytest.mark.parametrize(
    ('kind', 'other'), [('background', 'foreground'), ('foreground', 'background')]
)
def test_a_source_of_one_kind_of_classes(kind, other):
    """Stuff without things, or the reverse: only the banks of that kind are filled and aligned."""
    model = build_method(CASE)
    alignment = model.alignment
    # The classifier is random: any mean of its right predictions counts.
    alignment._confirmed = lambda means, classes, classify: torch.ones_like(
        means[..., 0], dtype=torch.bool
    )
    absent = getattr(alignment, f'classes_{other}')
    data = training_batch(CASE)
    for sample in data['data_samples']['source']:
        for key in ('gt_sem_seg', 'gt_clip_seg'):
            labels = getattr(sample, key).data
            labels[torch.isin(labels, absent)] = 255
    logs, state = train(CASE, model, [data] * 3)
    assert all(value.isfinite().all() for value in [*state.values(), *logs[-1].values()])
    assert getattr(alignment, kind).full.any() and logs[-1][f'mix.loss_{kind}'] > 0
    assert not getattr(alignment, other).written.any() and logs[-1][f'mix.loss_{other}'] == 0


@pytest.mark.parametrize('ignored', ['source', 'target', 'both'])
def test_nothing_labelled(ignored):
    """No class to paste leaves the target; nothing labelled at all costs nothing."""
    model = build_method(CASE)
    data = training_batch(CASE)
    for domain in ('source', 'target') if ignored == 'both' else (ignored,):
        for sample in data['data_samples'][domain]:
            sample.gt_sem_seg.data.fill_(255)
            sample.gt_clip_seg.data.fill_(255)
    batch = preprocessed(model, data)
    (frames, _, labels), *_ = mixed(model, batch)
    if ignored != 'target':
        assert torch.equal(frames, batch.target.clip.frames)
        assert torch.equal(labels, batch.target.labels)
    logs, state = train(CASE, model, [data])
    assert all(value.isfinite().all() for value in state.values())
    assert all(value.isfinite().all() for value in logs[0].values())
    if ignored == 'both':
        assert logs[0]['mix.decode.loss_ce'] == 0


def without_labels(data):
    for sample in data['data_samples']['source']:
        del sample.gt_clip_seg


def one_frame(data):
    for key, maps in data['inputs']['source'].items():
        data['inputs']['source'][key] = [own[-1:] if key == 'frames' else own for own in maps]


def longer(data):
    other = training_batch(CASES['tps'])['inputs']['target']
    data['inputs']['target'] = other


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        (without_labels, KeyError, 'CMOM: the source clips come without the labels of all frames'),
        (
            one_frame,
            ValueError,
            'source clips have 1 frame .* clip_length=2 in the source data set',
        ),
        (longer, ValueError, '2 source clips of 2 frames and 2 target clips of 3'),
    ],
)
def test_clips_that_do_not_fit(change, error, message):
    model = build_method(CASE)
    data = training_batch(CASE)
    change(data)
    with pytest.raises(error, match=message):
        list(model.loss_groups(preprocessed(model, data)))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mix_share=1.5), r'mix_share=1.5 must be in \[0, 1\]'),
        (
            dict(alignment=dict(type='FeatureAlignment', background=[0, 7], foreground=[9])),
            r'the classes \[7, 9\] of `alignment` are not among the 4',
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build_method(CASE, **options)
