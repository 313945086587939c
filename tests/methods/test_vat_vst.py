"""VAT and VST: what each player sees and learns."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from torch import nn

from mmdavss.losses import tube_dice_loss
from mmdavss.structures import DomainBatch
from mmdavss.testing import PREPROCESSOR, build_optimisers
from tests.methods.groups import student_losses


@pytest.fixture
def vat(per_frame):

    def make(discriminator='SequenceDiscriminator', **kwargs):
        torch.manual_seed(0)
        # ResNets start with zeroed residual branches, the discriminators need no such care.
        return MODELS.build(
            dict(
                dict(
                    type='VAT',
                    student=copy.deepcopy(per_frame),
                    data_preprocessor=PREPROCESSOR,
                    tube_loss=dict(type='TubeDiceLoss'),
                    discriminator=discriminator and dict(type=discriminator, channels=4),
                ),
                **kwargs,
            )
        ).train()

    return make


@pytest.fixture
def clips(batch):

    def make():
        data = batch('source', 'target')
        generator = torch.Generator().manual_seed(1)
        for sample in data['data_samples']['source']:
            labels = torch.randint(4, (2, 32, 48), generator=generator)
            labels[:, 0] = 255
            sample.gt_clip_seg = PixelData(data=labels)
        return data

    return make


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def changed(module, before):
    return any(not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


@pytest.mark.parametrize('discriminator', ['SequenceDiscriminator', 'ImageDiscriminator', None])
def test_trains_both_players(vat, clips, discriminator):
    model = vat(discriminator)
    student = weights(model.student)
    adversary = [] if discriminator is None else weights(model.discriminator)
    log = model.train_step(clips(), build_optimisers(model))
    assert changed(model.student, student)
    assert discriminator is None or changed(model.discriminator, adversary)
    assert all(torch.isfinite(value).all() for value in log.values())
    assert ('loss_adversarial' in log) == (discriminator is not None)


@pytest.mark.parametrize('player', ['student', 'discriminator'])
def test_gradients_stay_with_their_player(vat, clips, player):
    """With a rate of 0 for one player, the other's step leaves no gradient in it."""
    model = vat()
    grads = {}
    wrappers = build_optimisers(model)
    for name, wrapper in wrappers.items():

        def record(loss, name=name):
            loss.backward()
            grads[name] = {
                other: sum(p.grad.abs().sum().item() for p in m.parameters() if p.grad is not None)
                for other, m in (('student', model.student), ('discriminator', model.discriminator))
            }

        wrapper.backward = record
    model.train_step(clips(), wrappers)
    other = 'discriminator' if player == 'student' else 'student'
    assert grads[player][player] > 0 and grads[player][other] == 0


def test_losses_by_hand(vat, clips):
    model = vat(adversarial_weight=0.5)
    data = model.data_preprocessor(clips(), True)
    source, target = (data['inputs'][name] for name in ('source', 'target'))
    labels = torch.stack([s.gt_clip_seg.data for s in data['data_samples']['source']])

    def scores(clip):
        return nn.functional.interpolate(
            model.student(clip.frames.flatten(0, 1)[:, None]),
            (32, 48),
            mode='bilinear',
            align_corners=True,
        ).unflatten(0, (2, 2))

    copied = copy.deepcopy(model)
    log = copied.train_step(clips(), build_optimisers(copied, lr=0.0))
    s, t = scores(source), scores(target)
    expected = sum(
        nn.functional.cross_entropy(s[:, k], labels[:, k], ignore_index=255) for k in range(2)
    )
    torch.testing.assert_close(log['loss_ce'], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        log['loss_tube'], tube_dice_loss(s.softmax(2), labels), rtol=1e-4, atol=1e-5
    )
    judge_s, judge_t = (torch.sigmoid(model.discriminator(x.softmax(2))) for x in (s, t))
    torch.testing.assert_close(
        log['loss_adversarial'], -0.5 * judge_t.log().mean(), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        log['discriminator.loss_source'], -0.5 * judge_s.log().mean(), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        log['discriminator.loss_target'], -0.5 * (1 - judge_t).log().mean(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('options', [{}, dict(separate=True, key_grad=True), dict(type='DFF')])
def test_video_net(vat, clips, accel, options):
    """Of each frame the prediction of the clip up to it; every weight in training learns."""
    student = dict(accel, **options)
    if student.pop('separate', False):
        student['reference_segmentor'] = copy.deepcopy(student['segmentor'])
    model = vat(student=student, adversarial_weight=0.5)
    data = model.data_preprocessor(clips(), True)
    source, target = (data['inputs'][name] for name in ('source', 'target'))
    labels = torch.stack([s.gt_clip_seg.data for s in data['data_samples']['source']])
    copied = copy.deepcopy(model)
    losses, scores = student_losses(model, DomainBatch(**data))
    for clip, made in (
        (source, scores['source']['decode']),
        (target, scores['target']['decode']),
    ):
        for t, expected in enumerate(
            (copied.student(clip.frames[:, :1]), copied.student(clip.frames, clip.flow))
        ):
            torch.testing.assert_close(
                made[:, t],
                nn.functional.interpolate(expected, (32, 48), mode='bilinear', align_corners=True),
                rtol=1e-4,
                atol=1e-5,
            )
    expected = sum(
        nn.functional.cross_entropy(
            scores['source']['decode'][:, k], labels[:, k], ignore_index=255
        )
        for k in range(2)
    )
    torch.testing.assert_close(losses['loss_ce'], expected)
    (
        sum(losses.values()) + model.game.student_loss(model.discriminator, scores['target'])
    ).backward()
    trained = dict(model.student.named_parameters())
    assert {n for n, p in trained.items() if p.grad is not None} == {
        n for n, p in trained.items() if p.requires_grad
    }
    assert not any(p.requires_grad for n, p in trained.items() if 'auxiliary' in n)
    log = copied.train_step(clips(), build_optimisers(copied))
    assert all(torch.isfinite(value).all() for value in log.values())


def test_messages(vat, clips, batch):
    model = vat()
    with pytest.raises(KeyError, match='label_clips=True'):
        model.train_step(batch('source', 'target'), build_optimisers(model))
    with pytest.raises(TypeError, match='an optimiser for each'):
        model.train_step(clips(), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0)))
    with pytest.raises(ValueError, match=r"VAT has no \['discriminator'\]"):
        build_optim_wrapper(
            vat(None),
            dict(
                constructor='PlayerOptimWrapperConstructor',
                discriminator=dict(optimizer=dict(type='SGD', lr=1.0)),
            ),
        )
    with pytest.raises(ValueError, match='in the config of a player'):
        build_optim_wrapper(
            model,
            dict(
                constructor='PlayerOptimWrapperConstructor',
                paramwise_cfg={},
                student=dict(optimizer=dict(type='SGD', lr=1.0)),
            ),
        )


def test_each_player_has_its_optimiser(vat):
    model = vat()
    wrappers = build_optim_wrapper(
        model,
        dict(
            constructor='PlayerOptimWrapperConstructor',
            student=dict(
                optimizer=dict(type='SGD', lr=1.0),
                paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.0)}),
            ),
            discriminator=dict(optimizer=dict(type='Adam', lr=2.0, betas=(0.9, 0.99))),
        ),
    )
    assert isinstance(wrappers, OptimWrapperDict)
    assert set(wrappers['student'].get_lr()['lr']) == {1.0, 10.0}
    adam = wrappers['discriminator'].optimizer
    assert isinstance(adam, torch.optim.Adam) and adam.param_groups[0]['betas'] == (0.9, 0.99)
    own = {id(p) for p in model.discriminator.parameters()}
    assert {id(p) for group in adam.param_groups for p in group['params']} == own


# ------------------------------------------------------------------------------------------- VST


@pytest.fixture
def vst(per_frame):

    def make(**kwargs):
        torch.manual_seed(0)
        return MODELS.build(
            dict(
                dict(type='VST', student=copy.deepcopy(per_frame), data_preprocessor=PREPROCESSOR),
                **kwargs,
            )
        ).train()

    return make


def pseudo_labelled(batch, flow=(3.0, 0.0)):
    """Target clips whose flow points `flow` back in time, labels by columns, one column void."""
    data = batch('target')
    inputs = data['inputs']['target']
    back = torch.tensor(flow)[None, :, None, None].expand(1, 2, 32, 48)
    inputs['flow'] = [back.clone() for _ in range(2)]
    inputs['forward_flow'] = [-back for _ in range(2)]
    columns = torch.arange(48)
    earlier = (columns // 6 % 4).expand(32, 48).clone()
    current = ((columns + 3) // 6 % 4).expand(32, 48).clone()  # earlier, 3 px to the left
    current[10] = 3
    current[:, 20] = 255
    for sample in data['data_samples']['target']:
        sample.gt_clip_seg = PixelData(data=torch.stack([earlier, current]))
    return data, earlier, current


def refined_by_hand(kind, current, earlier):
    """Equations 13 and 14 pixel by pixel; a pixel x of the current frame was at x + 3."""
    frames = []
    for labels, other, shift in ((earlier, current, -3), (current, earlier, 3)):
        out = labels.clone()
        for y in range(32):
            for x in range(48):
                there = other[y, x + shift] if 0 <= x + shift < 48 else 255
                if kind == 'consensus' and labels[y, x] != there:
                    out[y, x] = 255
                if kind == 'fill_in' and labels[y, x] == 255:
                    out[y, x] = there
        frames.append(out)
    return torch.stack(frames)


@pytest.mark.parametrize('kind', ['consensus', 'fill_in'])
def test_refinement_by_hand(vst, batch, kind):
    # Occlusion off, but for pixels outside the image, which have nothing to take over.
    model = vst(refinement=kind, occlusion=dict(alpha=0.0, threshold=0.5))
    data, earlier, current = pseudo_labelled(batch)
    clip = model.data_preprocessor(data, True)['inputs']['target']
    labels = torch.stack([earlier, current])[None].expand(2, -1, -1, -1)
    expected = refined_by_hand(kind, current, earlier)
    refined = model.refine(labels, clip)
    torch.testing.assert_close(refined, expected[None].expand_as(labels))
    assert not torch.equal(refined, labels)


def test_vst_of_a_video_net(vst, batch, accel):
    model = vst(student=accel, refinement=None)
    data, earlier, current = pseudo_labelled(batch)
    data = model.data_preprocessor(data, True)
    clip = data['inputs']['target']
    loss = model(data['inputs'], data['data_samples'], mode='loss')['loss_ce']
    made = model.student(clip.frames[:, :1]), model.student(clip.frames, clip.flow)
    scores = [
        nn.functional.interpolate(one, (32, 48), mode='bilinear', align_corners=True)
        for one in made
    ]
    torch.testing.assert_close(
        loss,
        sum(
            nn.functional.cross_entropy(one, labels[None].expand(2, -1, -1), ignore_index=255)
            for one, labels in zip(scores, (earlier, current), strict=True)
        ),
    )


@pytest.mark.parametrize('kind', ['consensus', None])
def test_vst_losses_by_hand(vst, batch, kind):
    model = vst(
        refinement=kind,
        regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
    )
    data, earlier, current = pseudo_labelled(batch)
    labels = (
        torch.stack([earlier, current]) if kind is None else refined_by_hand(kind, current, earlier)
    )
    data = model.data_preprocessor(data, True)
    clip = data['inputs']['target']
    losses = model(data['inputs'], data['data_samples'], mode='loss')
    scores = (
        nn.functional.interpolate(
            model.student(clip.frames.flatten(0, 1)[:, None]),
            (32, 48),
            mode='bilinear',
            align_corners=True,
        )
        .unflatten(0, (2, 2))
        .double()
    )
    ce = entropy = kld = 0.0
    for t in range(2):
        p = scores[:, t].softmax(1)
        known = labels[t] != 255
        own = p.movedim(1, -1)[:, known]  # clip, pixel, class
        ce -= own.gather(2, labels[t][known][None, :, None].expand(2, -1, -1)).log().mean()
        kld -= 0.1 * own.log().mean() / 4
        other = p.movedim(1, -1)[:, ~known]
        if other.numel():
            entropy -= 3 * (other * other.log()).sum(-1).mean() / 4
    for name, value in dict(loss_ce=ce, loss_entropy=entropy, loss_kld=kld).items():
        torch.testing.assert_close(
            losses[name].double(), torch.as_tensor(value).double(), rtol=1e-4, atol=1e-5
        )
    assert losses['labelled_refined'] == (labels != 255).float().mean()


def test_vst_messages(vst, batch):
    with pytest.raises(ValueError, match="refinement='cutout'"):
        vst(refinement='cutout')
    data, *_ = pseudo_labelled(batch)
    del data['inputs']['target']['forward_flow']
    model = vst()
    data = model.data_preprocessor(data, True)
    with pytest.raises(ValueError, match='both_ways=True'):
        model(data['inputs'], data['data_samples'], mode='loss')
    data = model.data_preprocessor(batch('target'), True)
    with pytest.raises(KeyError, match='label_clips=True'):
        model(data['inputs'], data['data_samples'], mode='loss')
