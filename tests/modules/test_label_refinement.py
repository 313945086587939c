"""Pseudo-labels refined along the flow against the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.datasets.label_maps import CLASSES_12, CLASSES_15, CLASSES_19
from mmdavss.modules.label_refinement import LabelRefinement, PseudoLabels, rarer
from mmdavss.ops import carry_by_truncation, compose_by_truncation

GOLDEN = Path(__file__).parents[1] / 'data/golden'
CONFIGS = Path(__file__).parents[2] / 'configs'
#: What the arrays of the filter call rare, the rarest first.
RARE = [3, 5, 12, 16, 18, 17, 7, 6, 15, 4, 11]


def golden(name):
    arrays = np.load(GOLDEN / f'{name}.npz')
    return {key: torch.tensor(arrays[key]) for key in arrays.files}


@pytest.mark.parametrize(
    ('flow', 'warped', 'mask'),
    [('flow', 'warped', 'warped_mask'), ('integer_flow', 'warped_integer', 'warped_integer_mask')],
)
def test_published_carrying(flow, warped, mask):
    data = golden('unifiedvda_warp_filter')
    labels = data['label_at_other_frame'].permute(2, 0, 1)[None]
    height = labels.shape[-2]
    carried, valid = carry_by_truncation(
        labels, data[flow].permute(2, 0, 1)[None], int(0.7 * height)
    )
    assert torch.equal(valid[0], data[mask]) and valid.any() and not valid.all()
    ours = torch.where(valid, carried[:, 0], 255)[0]
    assert torch.equal(ours, data[warped][..., 0].long())


def test_published_concatenation_of_flows():
    data = golden('unifiedvda_warp_filter')
    first, second, merged = (
        data[name].permute(2, 0, 1)[None] for name in ('flow', 'flow_2', 'merged_flow')
    )
    ours = compose_by_truncation(first, second)
    assert torch.equal(ours, merged)
    # Where one of both is zero nothing is known; elsewhere the border is as good as what is beyond.
    assert (merged == 0).all(1).sum() > (first == 0).all(1).sum() > 0


@pytest.mark.parametrize(
    ('name', 'only'), [('rare_filter', False), ('rare_filter_rare_common', True)]
)
def test_published_rare_classes(name, only):
    data = golden('unifiedvda_warp_filter')
    rank = LabelRefinement('rare', rare_classes=RARE).rank
    assert torch.equal(rarer(data['pl1'], data['pl2'], rank, only), data[name])


def pseudo_labels(data, name):
    probability, labels = data[f'logits_{name}'].float().softmax(1).max(1)
    share = (probability >= data['pseudo_threshold']).float().mean()
    weights = share * data['valid_pseudo_mask'][:, 0]
    assert torch.equal(labels, data[f'pseudo_label_{name}'].long())
    torch.testing.assert_close(weights, data[f'pseudo_weight_{name}'], rtol=0, atol=1e-6)
    return PseudoLabels(labels, weights, probability)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('bottom_consis', dict(mode='consistency')),
        ('bottom_maxconf', dict(mode='max-confidence')),
        ('bottom_warpframe', dict(mode='carried')),
        ('bottom_warpframe_05', dict(mode='carried', threshold=0.5)),
        ('bottom_oracle', dict(mode='oracle')),
        ('bottom_thing', dict(mode='carried')),
        ('bottom_stuff', dict(mode='carried')),
    ],
)
def test_published_refinement(name, options):
    data = golden('unifiedvda_refine_published')
    if name in ('bottom_thing', 'bottom_stuff'):
        # The arrays tell which classes these are by what is left of them.
        kept = set(data[f'{name}_label'].unique().tolist()) - {255}
        assert kept and kept < set(data['bottom_warpframe_label'].unique().tolist()) - {255}
        options = dict(options, classes=sorted(kept))
    labels, weights = LabelRefinement(**options)(
        pseudo_labels(data, 'current'),
        pseudo_labels(data, 'other'),
        data['flow'].float(),
        data['target_label'][:, 0].long(),
    )
    assert torch.equal(labels, data[f'{name}_label'].long())
    torch.testing.assert_close(weights, data[f'{name}_weight'], rtol=0, atol=1e-6)


ANYWHERE, NOWHERE = dict(fill_rows=0.0), dict(fill_rows=1.0, fill_columns=0)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('plain', dict(mode='carried', **NOWHERE)),
        ('consis', dict(mode='consistency', **NOWHERE)),
        ('consisconf', dict(mode='consistency', threshold=0.5, **NOWHERE)),
        ('rare', dict(mode='rare', rare_classes=RARE, only_against_common=True, **NOWHERE)),
        ('maxconf', dict(mode='max-confidence', **NOWHERE)),
        ('tpsconf', dict(mode='carried', threshold=0.5, **NOWHERE)),
        ('fill', dict(mode='carried', **ANYWHERE)),
    ],
)
def test_published_switches(name, options):
    """Each by itself."""
    data = golden('unifiedvda_pseudo_label_refine')
    frames = []
    for frame in ('current', 'other'):
        probability, labels = data[f'logits_{frame}'].float().softmax(1).max(1)
        share = (probability >= 0.5).float().mean()
        frames.append(PseudoLabels(labels, share.expand_as(probability), probability))
    labels, weights = LabelRefinement(**options)(*frames, data['flow'])
    assert torch.equal(labels, data[f'{name}_label'][:, 0].long())
    torch.testing.assert_close(weights, data[f'{name}_weight'], rtol=0, atol=1e-6)


def test_rows_of_cityscapes():
    """840 and 800 of 1024 rows."""
    refine = LabelRefinement('carried', carry_rows=840 / 1024, fill_rows=800 / 1024)
    assert int(refine.carry_rows * 1024) == 840 and int(refine.fill_rows * 1024) == 800


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(mode='best'), 'not one of'),
        (dict(mode='rare'), 'needs rare_classes'),
        (dict(mode='rare', rare_classes=[3, 256]), r'rare_classes=\(3, 256\) are not all'),
        (dict(mode='carried', classes=[-1]), r'classes=\(-1,\) are not all in 0..254'),
        (dict(mode='carried', threshold=1.5), r'threshold=1.5 must be in \[0, 1\]'),
        (dict(mode='carried', carry_rows=840), r'carry_rows=840 must be in \[0, 1\]'),
        (dict(mode='carried', fill_rows=float('nan')), 'fill_rows=nan must be in'),
        (dict(mode='carried', fill_columns=-1), 'fill_columns=-1 must be 0 or more'),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        LabelRefinement(**options)


def test_an_oracle_needs_the_truth():
    zeros = torch.zeros(1, 8, 8)
    some = PseudoLabels(zeros.long(), zeros, zeros)
    with pytest.raises(ValueError, match='needs the labels'):
        LabelRefinement('oracle')(some, some, torch.zeros(1, 2, 8, 8))


RARE_CLASSES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.glob('*/*_refined.py')
    if 'effnet' not in path.name or path.name.endswith('_mini_refined.py')
)


@pytest.mark.parametrize('name', RARE_CLASSES)
def test_rare_classes_of_the_configs(name):
    """By one option, with the classes that the arrays call rare, as the config numbers them."""
    cfg = Config.fromfile(CONFIGS / name)
    cfg.merge_from_dict({'model.refinement.mode': 'rare'})
    refine = MODELS.build(cfg.model.refinement)
    classes = {15: CLASSES_15, 12: CLASSES_12}[cfg.model.student.segmentor.decode_head.num_classes]
    numbers = torch.full((256,), 255)
    for k, label in enumerate(CLASSES_19):
        if label in classes:
            numbers[k] = classes.index(label)
    data = golden('unifiedvda_warp_filter')
    labels = [numbers[data[key].long()] for key in ('pl1', 'pl2')]
    known = ((labels[0] != 255) & (labels[1] != 255)).float()
    ones = torch.ones_like(known)
    # Nothing moves: no pixel is carried where the flow is exactly 0.
    flow = torch.full((len(known), 2, *known.shape[1:]), 0.25)
    ours, _ = refine(*(PseudoLabels(own, ones, ones) for own in labels), flow)
    # Below these rows nothing is carried, and the frame has its own labels.
    rows = slice(int(refine.carry_rows * known.shape[1]))
    # As the release's training calls the filter (dacs.py): of two rare classes none is kept.
    wanted = numbers[data['rare_filter_rare_common'].long()]
    assert known[:, rows].any() and (wanted != 255)[:, rows].any()
    seen = known[:, rows].bool()
    differ = (labels[0] != labels[1])[:, rows] & seen
    assert (wanted[:, rows][differ] != 255).any() and (wanted[:, rows][differ] == 255).any()
    both_rare = [refine.rank[own][:, rows] < 256 for own in labels]
    cancelled = differ & both_rare[0] & both_rare[1]
    assert cancelled.any() and (wanted[:, rows][cancelled] == 255).all()
    assert torch.equal(ours[:, rows][seen], wanted[:, rows][seen])
