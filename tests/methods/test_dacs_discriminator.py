"""DACS with a discriminator of two frames: who learns from what."""

import pytest
import torch

from mmdavss.structures import DomainBatch
from mmdavss.testing import build_method, build_optimisers, small_net
from mmdavss.testing.methods import training_batch
from tests.methods.table import ADVERSARY, CASES

CASE = CASES['dacs_discriminator']


def test_gradients_stay_with_their_player():
    """After the losses of DACS come those of the game, the student's and the discriminator's."""
    model = build_method(CASE)
    batch = DomainBatch(**model.data_preprocessor(training_batch(CASE), True))
    learnt = []
    for losses in model.loss_groups(batch):
        model.parse_losses(losses)[0].backward()
        reached = {name.split('.')[0] for name, p in model.named_parameters() if p.grad is not None}
        learnt.append((sorted(name for name in losses if 'loss' in name), reached))
        model.zero_grad(set_to_none=True)
    assert learnt[-2:] == [
        (['loss_adversarial'], {'student'}),
        (['discriminator.loss_source', 'discriminator.loss_target'], {'discriminator'}),
    ]
    assert all(reached == {'student'} for _, reached in learnt[:-2]) and len(learnt) == 4


def test_both_frames_of_the_target_learn():
    """And the discriminator sees the clip, and the clip before its last frame."""
    model = build_method(CASE)
    seen = []
    student = model.net.scores
    model.net.scores = lambda frames, flow, features: (
        seen.append(frames) or student(frames, flow, features)
    )
    batch = DomainBatch(**model.data_preprocessor(training_batch(CASE), True))
    source, target = model.source(batch.source), model.target(batch.target)
    seen.clear()
    game = model.adversarial_losses(model.discriminator, source, target)
    pair = []
    loss = model.discriminator.student_loss
    model.discriminator.student_loss = lambda scores, size: (
        pair.extend(scores) or loss(scores, size)
    )
    next(game)
    expected = [
        frames
        for domain in (source, target)
        for frames in (domain.clip.frames[:, :-1], domain.clip.frames)
    ]
    assert all(torch.equal(*two) for two in zip(seen, expected, strict=True))
    assert all(scores.requires_grad for scores in pair) and len(pair) == 2


def test_needs_two_frames():
    model = build_method(CASE, student=small_net('PerFrame'))
    data = training_batch(CASE)
    for inputs in data['inputs'].values():
        inputs['frames'] = [frames[-1:] for frames in inputs['frames']]
        del inputs['flow'], inputs['forward_flow']
    with pytest.raises(ValueError, match='clip_length=2'):
        model.loss(**model.data_preprocessor(data, True))


def test_needs_an_optimiser_for_each_player():
    model, plain = build_method(CASE), build_method(CASES['dacs'])
    with pytest.raises(TypeError, match="'student', 'discriminator'"):
        model.train_step(training_batch(CASE), build_optimisers(plain))


def test_does_not_go_with_a_projection():
    with pytest.raises(ValueError, match='SePiCo: no discriminator'):
        build_method(CASES['sepico_dist'], discriminator=ADVERSARY)
