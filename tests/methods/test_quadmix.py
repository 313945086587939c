"""QuadMix: published arrays, the step, the memory, and what it cannot use."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.losses import maximum_mean_discrepancy
from mmdavss.losses.mmd import mmd_kernel
from mmdavss.modules import ClipLayer, class_masks, class_mean_scores, crop_layer, paste_layers
from mmdavss.modules.class_templates import DRAWN, source_template, still_layers, target_template
from mmdavss.modules.temporal_labels import labels_of_pair
from mmdavss.ops import backward_warp
from mmdavss.structures import Clip
from mmdavss.testing import PREPROCESSOR, build_method, build_optimisers, small_net
from mmdavss.testing.methods import Training, training_batch
from tests.methods.table import CASES
from tests.shipped import shipped

GOLDEN = Path(__file__).parents[1] / 'data/golden'
CASE = CASES['quadmix']
CONFIGS = [
    f'quadmix/{net}_{source}2city'
    for net in ('accel', 'accel-daformer-mitb5')
    for source in ('viper', 'synthia')
]


def arrays(name: str) -> dict[str, Tensor]:
    data = np.load(GOLDEN / f'quadmix_{name}.npz')
    return {key: torch.from_numpy(np.asarray(data[key])) for key in data.files}


def chosen(values: Tensor, count: int = 1) -> Tensor:
    """(count, 256), bool, of label values."""
    return torch.zeros(count, 256, dtype=torch.bool).index_fill_(1, values.long(), True)


# ----------------------------------------------------------------------- published arrays


def pair(a: dict[str, Tensor], name: str) -> ClipLayer:
    """Previous and current frame of a domain, maybe those of the step before."""
    frames, labels = (
        torch.stack([a[f'{name}_prev_{part}'], a[f'{name}_{part}']], dim=1)
        for part in ('img', 'label')
    )
    return ClipLayer(frames.double(), labels.long(), a[f'{name}_flow'][:, None].double())


def sure_pixels(
    layer: ClipLayer, probabilities: Tensor, confidence: float, patch: pytest.MonkeyPatch
) -> Tensor:
    """Where a method that predicts such labels and probabilities (N, 2, H, W) is sure of them."""
    model = quadmix(template_confidence=confidence)
    labels = layer.labels, probabilities
    patch.setattr('mmdavss.methods.quadmix.labels_of_pair', lambda maps, flow: labels)
    clip = Clip(*[layer.frames.float()[:, [0, 0, 1]]] * 2)  # three frames
    flow = layer.flow.float().expand(-1, 2, -1, -1, -1)
    return model.target_layer(clip, flow)[2]


def test_equals_the_published_mixes(monkeypatch):
    a = arrays('mix')
    count = len(a['src_img'])
    size = int(a['crop_height']), int(a['crop_width'])
    corners = [(int(a['crop_rows_from']), int(a['crop_cols_from']))] * count

    last_source = pair(a, 'last_src')
    masks = class_masks(last_source.labels, chosen(a['drawn_source_classes'], count))[:, 0]
    last_source = crop_layer(last_source._replace(mask=masks), corners, size)
    for t, name in enumerate(('source_mask_prev', 'source_mask')):
        assert torch.equal(last_source.mask[:, t], a[name].bool())

    last_target = pair(a, 'last_trg')
    probabilities = torch.stack([a['last_trg_prev_prob'], a['last_trg_prob']], 1)
    sure = sure_pixels(last_target, probabilities, float(a['confidence']), monkeypatch)
    masks = class_masks(last_target.labels, chosen(a['drawn_target_classes'], count))[:, 0] & sure
    last_target = last_target._replace(mask=masks)
    for t, name in enumerate(('target_mask_prev', 'target_mask')):
        assert torch.equal(last_target.mask[:, t], a[name].bool())

    whole = a['rare_label'].long()
    own = whole.where(whole == a['rare_classes'][:, None, None], 255)
    rare = ClipLayer(a['rare_img'][None].double(), own[None])
    rare = crop_layer(rare, corners[:1], size)
    patches = still_layers(
        rare.frames.expand(count, -1, -1, -1, -1), rare.labels, 2, rare.frames.shape[-2:]
    )

    for domain, onto in (
        ('target', pair(a, 'trg')),
        ('source', crop_layer(pair(a, 'src'), corners, size)),
    ):
        part = paste_layers(onto, [last_source, *patches])
        mix = paste_layers(onto, [last_source, *patches, last_target])
        for t, when in enumerate(('_prev', '')):
            for state, got in (('_source_and_rare', part), ('', mix)):
                expected = a[f'into_{domain}{when}_img{state}'].double()
                assert torch.equal(got.frames[:, t], expected), (domain, when, state)
                label = a[f'into_{domain}{when}_label{state}'].long()
                assert torch.equal(got.labels[:, t], label), (domain, when, state)
        torch.testing.assert_close(
            mix.flow[:, 0], a[f'into_{domain}_flow'].double(), rtol=0, atol=1e-3
        )
        for t in range(2):
            assert torch.equal(mix.mask[:, t], (a['rare_mask_sum'] > 0).expand(count, -1, -1))


@pytest.mark.parametrize(('dtype', 'close'), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
@pytest.mark.parametrize('name', CONFIGS[:2])
def test_equals_the_published_fusion(name, dtype, close):
    a = arrays('fusion')
    net = shipped(name, a['current_logits'].shape[1]).student.to(dtype)
    net.fusion.weight.data = a['fusion_weight'].to(dtype)
    current, previous, flow = (
        a[key].to(dtype) for key in ('current_logits', 'previous_logits', 'flow')
    )
    mixed = net.fuse_pasted(current, previous, flow, a['rare_mask'].bool())
    torch.testing.assert_close(mixed, a['fused_mixed'].to(dtype), rtol=close, atol=close)
    # The release scales u by the ratio of the heights too.
    (h, w), (height, width) = current.shape[-2:], flow.shape[-2:]
    flow = flow * torch.tensor([h / height / (w / width), 1.0]).view(2, 1, 1)
    plain = net._fuse(current, previous, flow)
    torch.testing.assert_close(plain, a['fused_plain'].to(dtype), rtol=close, atol=close)


@pytest.mark.parametrize(
    ('dtype', 'near', 'steep'), [(torch.float64, 1e-6, 1e-6), (torch.float32, 1e-5, 1e-4)]
)
def test_equals_the_published_aggregation(monkeypatch, dtype, near, steep):
    """Vectors, discrepancy and its gradients."""
    a = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in arrays('aggregation').items()
    }
    model = quadmix()
    source, by_previous, by_before = (
        a[key].requires_grad_()
        for key in ('src_logits', 'trg_logits_by_previous', 'trg_logits_by_the_one_before')
    )
    of_source = class_mean_scores(source, a['src_label'].long())
    pairs = [class_mean_scores(maps) for maps in (by_previous, by_before)]
    monkeypatch.setattr(model.net, 'pasted_scores', lambda frames, flow: by_before)
    frames = torch.zeros(len(by_before), 3, 3, 8, 8)
    of_target = model.aggregated(by_previous, Clip(frames, frames), torch.zeros(1))

    def close(value: Tensor, key: str) -> None:
        torch.testing.assert_close(value.detach(), a[key], rtol=near, atol=near)

    close(of_source, 'src_vectors')
    close(pairs[0], 'trg_vectors_by_previous')
    close(pairs[1], 'trg_vectors_by_the_one_before')
    close(of_target, 'trg_vectors')
    loss = maximum_mean_discrepancy(of_source, of_target)
    close(loss, 'loss_mmd')
    close(maximum_mean_discrepancy(of_source, pairs[0]), 'loss_mmd_of_one_pair')
    close(maximum_mean_discrepancy(a['mmd_x'], a['mmd_y']), 'mmd_xy')
    close(mmd_kernel(torch.cat([a['mmd_x'], a['mmd_y']])), 'kernel_xy')
    loss.backward()
    for maps, key in (
        (source, 'grad_src'),
        (by_previous, 'grad_trg_by_previous'),
        (by_before, 'grad_trg_by_the_one_before'),
    ):
        expected = a[key]
        # The arrays have float32.
        torch.testing.assert_close(
            maps.grad, expected, rtol=steep, atol=1e-6 * expected.abs().max().item()
        )


def test_class_vectors_of_one_pair():
    model = quadmix(aggregate_earlier=False)
    model.net.pasted_scores = None  # there is no pass
    scores, frames = torch.randn(2, 4, 4, 6), torch.zeros(2, 3, 3, 32, 48)
    vectors = model.aggregated(scores, Clip(frames, frames), torch.zeros(1))
    assert torch.equal(vectors, class_mean_scores(scores))


def test_no_discrepancy_of_equal_sets():
    """Classes that no pixel has are zeros in both: neither a NaN nor a gradient that is one."""
    zeros = torch.zeros(4, 4, requires_grad=True)
    loss = maximum_mean_discrepancy(zeros, torch.zeros(4, 4))
    loss.backward()
    assert loss == 0 and torch.equal(zeros.grad, torch.zeros(4, 4))


# ----------------------------------------------------------------------------- templates


def test_templates_are_of_different_classes():
    """Two of each, and all rare ones in that of the source; 255 may be drawn, as released."""
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 6, 255]).expand(500, 2, 1, 8)
    layer = ClipLayer(torch.zeros(500, 2, 3, 1, 8), labels)
    template, drawn = source_template(layer, chosen(torch.tensor([5, 9]))[0])
    assert (drawn.sum(1) == DRAWN).all() and drawn[:, 255].any()
    pasted = class_masks(labels, drawn | chosen(torch.tensor([5])))[:, 0]
    assert torch.equal(template.mask, pasted)
    sure = torch.ones_like(labels, dtype=torch.bool)
    sure[..., 2] = False
    other = target_template(layer, sure, drawn)
    assert not (other.mask & class_masks(labels, drawn)[:, 0]).any()
    count = other.mask[:, -1].sum((1, 2))
    assert set(count.tolist()) == {1, 2} and not other.mask[..., 2].any()


def test_a_template_of_few_classes():
    """All classes of a label are taken if there are not more, and none if none is left."""
    labels = torch.zeros(1, 2, 2, 2, dtype=torch.int64)
    layer = ClipLayer(torch.zeros(1, 2, 3, 2, 2), labels)
    template, drawn = source_template(layer, torch.zeros(256, dtype=torch.bool))
    assert template.mask.all()
    assert not target_template(layer, torch.ones_like(labels).bool(), drawn).mask.any()


def test_labels_of_a_pair():
    """The earlier frame's are those of its scores, with these; the later one's are carried."""
    torch.manual_seed(0)
    scores, flow = torch.randn(2, 4, 6, 7), 2 * torch.randn(2, 2, 6, 7)
    labels, sure = labels_of_pair(scores, flow)
    assert torch.equal(labels[:, 0], scores.argmax(1))
    assert torch.equal(sure[:, 0], scores.amax(1))
    carried = backward_warp(scores.softmax(1), flow, padding_mode='border')
    assert torch.equal(labels[:, 1], carried.argmax(1))
    assert torch.equal(sure[:, 1], carried.amax(1))


# ---------------------------------------------------------------------------------- a step


class Seen:
    """What a method's mixed passes are given, step by step."""

    def __init__(self, model: nn.Module) -> None:
        self.mixes: list[ClipLayer] = []
        compute = model.mixed_loss

        def mixed_loss(mix: ClipLayer) -> Tensor:
            self.mixes.append(mix)
            return compute(mix)

        model.mixed_loss = mixed_loss


def quadmix(**options):
    return build_method(CASE, **options)


def test_weights_of_the_losses(monkeypatch):
    """The alignment and the pseudo-labels of the target have factors; mixes onto the source not."""
    model = quadmix(mmd_weight=0.3, pseudo_weight=0.25)
    monkeypatch.setattr(model, 'mixed_loss', lambda mix: torch.tensor(3.0))
    monkeypatch.setattr(
        'mmdavss.methods.quadmix.maximum_mean_discrepancy', lambda x, y: torch.tensor(5.0)
    )
    log = model.loss(**model.data_preprocessor(training_batch(CASE), True))
    names = ('mix.loss_into_source', 'mix.loss_into_target', 'loss_mmd')
    assert [log[name].item() for name in names] == pytest.approx([3, 0.75, 1.5])


def test_size_of_the_source_pass(monkeypatch):
    """Frames are resized, labels are not; None leaves frames as they are."""
    for size in ((16, 40), None):
        model = quadmix(source_size=size)
        batch = model.data_preprocessor(training_batch(CASE), True)
        clip, samples = batch['inputs']['source'], batch['data_samples']['source']
        labels = torch.stack([sample.gt_clip_seg.data for sample in samples])[:, -2:]
        layer = ClipLayer(clip.frames[:, -2:], labels, clip.flow[:, -1:])
        seen, fused = [], model.fused

        def noted(frames, flow, again, seen=seen, fused=fused):
            seen.append(frames)
            return fused(frames, flow, again)

        monkeypatch.setattr(model, 'fused', noted)
        _, vectors = model.source_losses(layer)
        expected = layer.frames
        if size is not None:
            expected = torch.stack(
                [
                    F.interpolate(frames, size, mode='bilinear', align_corners=True)
                    for frames in expected
                ]
            )
        torch.testing.assert_close(seen[0], expected)
        assert vectors.shape == (4, 4)


def test_pastes_what_the_step_before_had():
    """Pixels of the mixes are those of this step's clips, the last step's, or a patch."""
    model = quadmix(histogram_matching=False)
    seen, run = Seen(model), Training(CASE, model, build_optimisers(model))
    batches = [training_batch(CASE, step) for step in range(2)]
    run(batches[0])
    kept = model.memory.recall(
        dict(source=torch.zeros(2, 2, 3, 32, 48), target=torch.zeros(2, 2, 3, 32, 48))
    )
    inputs = [model.data_preprocessor(data, True)['inputs'] for data in batches]
    assert torch.equal(kept['source'].frames, inputs[0]['source'].frames[:, -2:])
    assert torch.equal(kept['target'].frames, inputs[0]['target'].frames[:, -2:])
    assert torch.equal(kept['source'].flow, inputs[0]['source'].flow[:, -1:])
    assert kept['target'].mask.any() and kept['source'].mask is None
    run(batches[1])
    into_source, into_target = seen.mixes[2:]
    for mix, onto in (
        (into_source, inputs[1]['source'].frames),
        (into_target, inputs[1]['target'].augmented),
    ):
        found = torch.zeros_like(mix.labels, dtype=torch.bool)
        for origin in (onto[:, -2:], kept['source'].frames, kept['target'].frames):
            same = (mix.frames == origin).all(2)
            assert same.any()  # of each there is something
            found |= same
        patches = (mix.frames[:, :, None] == inputs[1]['source'].rare[:, None]).all(3).any(2)
        assert (found | patches).all()
        top = kept['target'].mask  # the last target's template is on top
        assert torch.equal(
            mix.frames[:, 1][:, 0][top[:, 1]], kept['target'].frames[:, 1, 0][top[:, 1]]
        )
        assert torch.equal(mix.labels[top], kept['target'].labels[top])
        # Where a patch was pasted scores are not carried.
        rare = torch.stack([s.gt_rare_seg.data for s in batches[1]['data_samples']['source']])
        assert torch.equal(mix.mask[:, -1], (rare != 255).any(1))


def test_the_first_step_has_its_own_templates():
    model = quadmix(histogram_matching=False, rare_classes=())
    seen, run = Seen(model), Training(CASE, model, build_optimisers(model))
    data = training_batch(CASE, 0)
    run(data)
    into_source, into_target = seen.mixes
    inputs = model.data_preprocessor(data, True)['inputs']
    source, target = inputs['source'].frames[:, -2:], inputs['target']
    kept = model.memory.recall(dict(source=source, target=source))['target']
    top = kept.mask[:, :, None]
    assert torch.equal(into_source.frames, torch.where(top, kept.frames, source))
    assert not into_target.mask.any()
    assert not torch.equal(into_target.frames, target.augmented[:, -2:])


def test_clips_of_another_number_forget_the_memory():
    """A run resumed with another batch size goes on as a first step does."""
    model = quadmix()
    run = Training(CASE, model, build_optimisers(model))
    run(training_batch(CASE, 0))
    assert (
        model.memory.recall(dict.fromkeys(('source', 'target'), torch.zeros(1, 2, 3, 8, 8))) is None
    )
    run(training_batch(CASE, 1, count=1))
    assert len(model.memory.source_frames) == 1


def test_who_labels():
    """A frozen copy until the hook's iteration, then the student, whose statistics move."""
    model = quadmix(mirror_prob=0.0)
    clip = model.data_preprocessor(training_batch(CASE), True)['inputs']['target']
    with torch.no_grad():
        model.student.fusion.weight.mul_(-1)
    before = model.student.segmentor.backbone.bn1.running_mean.clone()
    frozen = model.target_layer(clip, clip.flow)[1].labels
    assert torch.equal(model.student.segmentor.backbone.bn1.running_mean, before)
    model.schedule_labels(by_student=True)
    own = model.target_layer(clip, clip.flow)[1].labels
    assert not torch.equal(own, frozen)
    assert not torch.equal(model.student.segmentor.backbone.bn1.running_mean, before)
    assert not any(p.requires_grad for p in model.labeller.parameters())
    assert not model.labeller.training


@pytest.mark.parametrize('by_student', [False, True])
def test_statistics_of_the_target(by_student):
    """Those of the plain pair that the student sees: the earlier one if it labels."""
    model = quadmix(running_statistics='target', mirror_prob=0.0)
    model.schedule_labels(by_student)
    data = model.data_preprocessor(training_batch(CASE), True)
    clip = data['inputs']['target']
    reference = copy.deepcopy(model)
    with torch.no_grad():
        if by_student:
            reference.target_layer(clip, clip.flow)
        else:
            with reference.counts_for('target'):
                reference.net.pasted_scores(clip.frames, clip.flow)
    start = model.student.segmentor.backbone.bn1.running_mean.clone()
    model.loss(**data)
    for name, value in model.student.named_buffers():
        if 'running' in name:
            torch.testing.assert_close(value, reference.student.get_buffer(name))
    assert not torch.equal(model.student.segmentor.backbone.bn1.running_mean, start)


def test_mirroring_changes_little():
    """Of a labeller that sees single pixels nothing: what was mirrored is mirrored back."""
    model = quadmix(mirror_prob=0.0)
    clip = model.data_preprocessor(training_batch(CASE), True)['inputs']['target']

    def scores(net, frames, flow):
        return dict(decode=F.avg_pool2d(frames[:, -1], 4), aux=F.avg_pool2d(frames[:, -1], 4))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmdavss.methods.tps.fused_scores', scores)
        plain = model.target_layer(clip, clip.flow)
        model.mirror_prob = 1.0
        mirrored = model.target_layer(clip, clip.flow)
        assert torch.equal(plain[0]['decode'], mirrored[0]['decode'])
        assert torch.equal(plain[1].labels, mirrored[1].labels)
        model.released_mirror = True
        assert not torch.equal(plain[1].labels, model.target_layer(clip, clip.flow)[1].labels)


def test_recomputed_passes_are_the_same(monkeypatch):
    """Losses, gradients, and running statistics, with and without graphs that are kept."""
    states = []
    for again in (True, False):
        model = quadmix()
        if not again:
            fused = model.fused
            monkeypatch.setattr(
                model, 'fused', lambda *args, again=False, fused=fused, **kw: fused(*args, **kw)
            )
        run = Training(CASE, model, build_optimisers(model))
        torch.manual_seed(1)
        log = run(training_batch(CASE))
        states.append((log, model.state_dict()))
    for part in zip(*states, strict=True):
        # A recomputed pass counts as one more batch; nothing reads the number.
        a, b = ({k: v for k, v in s.items() if 'num_batches' not in k} for s in part)
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------ bad input


def test_what_it_cannot_use():
    init_default_scope('mmseg')

    def build(student, **options):
        cfg = dict(type='QuadMix', student=student, data_preprocessor=PREPROCESSOR, **options)
        return MODELS.build(copy.deepcopy(cfg))

    for student in (
        small_net('PerFrame'),
        small_net('Accel', fusion='feature'),
        small_net('Accel', stage=1),
    ):
        with pytest.raises(TypeError, match='student must be an Accel'):
            build(student)
    with pytest.raises(ValueError, match='set both labeller and labeller_checkpoint'):
        build(small_net('Accel'), labeller=small_net('Accel'))
    with pytest.raises(ValueError, match='with new_classifier a copy cannot label'):
        build(small_net('Accel'), new_classifier=True)
    for options in (dict(mmd_weight=-1.0), dict(source_size=(0, 5)), dict(source_size=(5,))):
        with pytest.raises(ValueError, match=f'^QuadMix: {next(iter(options))}='):
            build(small_net('Accel'), **options)
    with pytest.raises(ValueError, match=re.escape('rare_classes=[99] are no classes')):
        build(small_net('Accel'), rare_classes=(1, 99))
    other = small_net('Accel')
    other['segmentor']['decode_head']['num_classes'] += 1
    with pytest.raises(ValueError, match='classes and heads of the student'):
        build(small_net('Accel'), labeller=other, labeller_checkpoint='none.pth')
    with pytest.raises(FileNotFoundError, match=re.escape("labeller_checkpoint 'none.pth'")):
        build(
            small_net('Accel'), labeller=small_net('Accel'), labeller_checkpoint='none.pth'
        ).init_weights()


@pytest.mark.parametrize(
    'lacks, error, message',
    [
        ('rare', KeyError, 'come without patches of rare classes: set'),
        ('gt_clip_seg', KeyError, '`label_clips=True`'),
        ('flow', ValueError, 'source clips come without flow'),
        ('frames', ValueError, 'source clips have 1 frame'),
        ('size', ValueError, 'set `rare_patches.size` to that'),
        ('augmented', KeyError, 'needs an augmented view'),
    ],
)
def test_clips_that_lack_something(lacks, error, message):
    model, data = quadmix(), training_batch(CASE)
    source, samples = data['inputs']['source'], data['data_samples']['source']
    if lacks == 'gt_clip_seg':
        for sample in samples:
            del sample.gt_clip_seg
    elif lacks == 'augmented':
        del data['inputs']['target']['augmented']
    elif lacks == 'frames':
        source['frames'] = [frames[:1] for frames in source['frames']]
    elif lacks == 'size':
        data = training_batch(CASE)
        for part in ('frames', 'augmented', 'flow', 'forward_flow'):
            own = data['inputs']['target'][part]
            data['inputs']['target'][part] = [maps[..., :16, :] for maps in own]
    else:
        del source[lacks]
    with pytest.raises(error, match=re.escape(message)):
        model.train_step(data, build_optimisers(model))


@pytest.mark.parametrize('name', CONFIGS[:2])
def test_the_released_classifier(name):
    """Dilated convolutions to 256 channels, dropout, 1x1 without bias; the labeller has TPS's."""
    model = shipped(name)
    head = model.student.segmentor.decode_head
    assert [branch.out_channels for branch in head.hidden.branches] == [256] * 4
    assert head.conv_seg.bias is None and head.conv_seg.weight.shape[1:] == (256, 1, 1)
    assert head.dropout.p == 0.1
    assert model.labeller.segmentor.decode_head.hidden is None
    features = torch.randn(1, 32, 5, 6)
    head.eval()
    expected = head.conv_seg(sum(branch(features) for branch in head.hidden.branches))
    torch.testing.assert_close(head([None] * 3 + [features]), expected)


def test_starts_from_a_model_with_another_classifier(tmp_path):
    """All is from the TPS model but the new classifier; the labeller is that model."""
    model = shipped(CONFIGS[0], 5)
    tps = shipped('tps/accel_viper2city', 5)
    path = tmp_path / 'iter_40000.pth'
    torch.save(dict(state_dict=tps.state_dict()), path)
    model.source_checkpoint = model.labeller_checkpoint = str(path)
    model.init_weights()
    theirs, own = tps.student.state_dict(), model.student.state_dict()
    shared = theirs.keys() & own.keys()
    assert {n for n in theirs.keys() - shared} == {n for n in theirs if '.decode_head.' in n}
    for name in shared:
        assert torch.equal(own[name], theirs[name]), name
    assert 0.005 < own['segmentor.decode_head.hidden.branches.0.weight'].std() < 0.02
    for name, value in model.labeller.state_dict().items():
        assert torch.equal(value, theirs[name]), name
