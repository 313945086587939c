"""DACS with pseudo-labels that the video refines."""

import pytest
import torch

from mmdavss.modules import PseudoLabels
from mmdavss.structures import DomainBatch
from mmdavss.testing import build_method, build_optimisers, small_net
from mmdavss.testing.methods import Training, training_batch
from tests.methods.table import CASES, MASKED

CASE = CASES['dacs_refined']


def target_of(model, case=CASE):
    batch = DomainBatch(**model.data_preprocessor(training_batch(case), True))
    return batch, model.target(batch.target)


def test_labels_of_the_mix_and_of_everything_else():
    model = build_method(CASE, student=small_net('PerFrame'), masked=MASKED)
    batch, target = target_of(model)
    clip = batch.target.clip
    seen = []
    for frame in (clip.frames[:, -1:], clip.frames[:, -2:-1]):
        with torch.no_grad():
            probability, labels = model.teacher_probabilities(
                clip._replace(frames=frame), None
            ).max(1)
        seen.append(PseudoLabels(labels, model.label_weights(probability), probability))
    assert torch.equal(target.labels, seen[0].labels)
    labels, weights = model.refinement(*seen, clip.flow[:, -1])
    assert torch.equal(target.for_mix().labels, labels) and not torch.equal(labels, target.labels)
    assert torch.equal(target.for_mix().weights, weights)
    used = {}
    model.mix_loss = lambda source, target, decisions: used.update(mix=target.labels) or {}
    model.masked_loss = lambda masked, source, target: used.update(masked=target.labels) or {}
    list(model.loss_groups(batch))
    assert torch.equal(used['mix'], labels) and torch.equal(used['masked'], target.labels)


def test_starts_when_it_is_told():
    """Before that only the source is learnt, and the earlier frame is not labelled."""
    case = CASE
    model = build_method(case)
    run = Training(case, model, build_optimisers(model))
    run.hooks[-1].start = 1
    logs = [run(training_batch(case, step)) for step in range(2)]
    assert 'mix.loss_ce' not in logs[0] and 'mix.loss_ce' in logs[1]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(target_crop=dict(crop_size=(32, 48))), 'does not go with target_crop'),
        (dict(day_reference=dict()), 'does not go with'),
    ],
)
def test_options_that_exclude_one_another(options, words):
    with pytest.raises(ValueError, match=words):
        build_method(CASE, **options)


@pytest.mark.parametrize('name', ['classes', 'rare_classes'])
def test_classes_that_the_network_lacks(name):
    refinement = {'type': 'LabelRefinement', 'mode': 'rare', 'rare_classes': (3,), name: (3, 4)}
    with pytest.raises(ValueError, match=rf'refinement.{name}=\[4\] are not among the 4 classes'):
        build_method(CASE, refinement=refinement)


def test_an_oracle_needs_labels_of_the_target():
    """Which are in no target's data set but for that."""
    model = build_method(CASE, refinement=dict(type='LabelRefinement', mode='oracle'))
    data = training_batch(CASE)
    list(model.loss_groups(DomainBatch(**model.data_preprocessor(data, True))))
    for sample in data['data_samples']['target']:
        del sample.gt_sem_seg
    with pytest.raises(ValueError, match='png comes without a label.*with_labels=True'):
        model.target(DomainBatch(**model.data_preprocessor(data, True)).target)


def test_a_single_frame_has_nothing_to_refine_it():
    model = build_method(CASE)
    data = training_batch(CASE)
    for inputs in data['inputs'].values():
        inputs['frames'] = [frames[-1:] for frames in inputs['frames']]
        del inputs['flow'], inputs['forward_flow']
    with pytest.raises(ValueError, match='need 2 or more'):
        model.loss(**model.data_preprocessor(data, True))
