"""ClassMix, against reference numbers and by hand."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.modules import (
    ClipLayer,
    class_mix,
    class_mix_masks,
    crop_layer,
    draw_values,
    occurring_values,
    paste_layers,
)
from mmdavss.modules.class_mix import class_masks, draw_classes, draw_share
from mmdavss.ops import resize_flow

# Computed with the published implementation of DAFormer.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/daformer_class_mix.npz')
PUBLISHED = sorted(n.removesuffix('_mask') for n in GOLDEN.files if n.endswith('_mask'))
# With the published implementation of CMOM.
CLIPS = np.load(Path(__file__).parents[1] / 'data/golden/cmom_mix.npz')


@pytest.mark.parametrize('case', PUBLISHED)
def test_golden(case):
    labels, pseudo, source, target, weight = (
        torch.from_numpy(GOLDEN[f'{case}_{key}'])
        for key in (
            'source_label',
            'target_pseudo_label',
            'source_img',
            'target_img',
            'target_weight',
        )
    )
    labels = labels[:, 0]
    chosen = torch.zeros(len(labels), 256, dtype=torch.bool)
    for row, values in zip(
        chosen, GOLDEN[f'{case}_chosen_label_values_padded_minus1'], strict=True
    ):
        row[values[values >= 0]] = True
    mask = class_masks(labels, chosen)
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask, GOLDEN[f'{case}_mask'])
    np.testing.assert_array_equal(class_mix(mask, source, target), GOLDEN[f'{case}_mixed_img'])
    np.testing.assert_array_equal(
        class_mix(mask[:, 0], labels, pseudo), GOLDEN[f'{case}_mixed_label'][:, 0]
    )
    np.testing.assert_array_equal(
        class_mix(mask[:, 0], torch.ones_like(weight), weight), GOLDEN[f'{case}_mixed_weight'][:, 0]
    )


@pytest.mark.parametrize('case', PUBLISHED)
def test_draws_as_many_of_the_same_candidates(case):
    labels = torch.from_numpy(GOLDEN[f'{case}_source_label'])[:, 0]
    candidates = set(GOLDEN[f'{case}_candidate_label_values'].tolist())
    published = (GOLDEN[f'{case}_chosen_label_values_padded_minus1'] >= 0).sum(1)
    seen, seed = set(), 0
    while seed < 20 or not candidates <= seen and seed < 500:
        chosen = draw_classes(labels, torch.Generator().manual_seed(seed))
        np.testing.assert_array_equal(chosen.sum(1), published)
        seen |= set(chosen.nonzero()[:, 1].tolist())
        seed += 1
    assert seen == candidates


def test_draws_are_uniform_and_of_each_sample():
    labels = torch.tensor([0, 3, 7, 255, 9]).expand(3000, 1, 5)
    chosen = draw_classes(labels, torch.Generator().manual_seed(0))
    assert (chosen.sum(1) == 3).all()
    # Three of five: 1800 of 3000 each, within 5 sigma.
    counts = chosen[:, [0, 3, 7, 255, 9]].sum(0)
    assert (counts - 1800).abs().max() < 5 * (3000 * 0.24) ** 0.5


def test_masks_follow_the_labels():
    labels = torch.tensor([[[0, 1, 1], [2, 2, 255]]])
    mask = class_mix_masks(labels, torch.Generator().manual_seed(1))
    assert mask.shape == (1, 1, 2, 3)
    for value in (0, 1, 2, 255):
        assert mask[0, 0][labels[0] == value].unique().numel() == 1
    assert labels[mask[:, 0]].unique().numel() == 2
    assert class_mix_masks(torch.full((1, 2, 2), 255)).all()


def test_clips_are_mixed_in_all_frames():
    mask = torch.tensor([[True, False], [False, False]]).view(1, 1, 1, 2, 2)
    source, target = torch.ones(1, 2, 3, 2, 2), torch.zeros(1, 2, 3, 2, 2)
    mixed = class_mix(mask, source, target)
    assert (mixed[..., 0, 0] == 1).all() and mixed.sum() == 6


def clips(*keys):
    return [torch.from_numpy(CLIPS[key]) for key in keys]


def test_clips_are_mixed_with_the_masks_of_their_frames():
    size = CLIPS['trg_pseudo_label_current'].shape[-2:]
    # Frames (1, 2, ...), the previous one first.
    source, target, labels, pseudo = (
        torch.stack(clips(f'{key}_previous', f'{key}_current'), dim=1)
        for key in ('src_img', 'trg_img', 'src_label', 'trg_pseudo_label')
    )
    source = F.interpolate(source[0].float(), size, mode='bilinear', align_corners=True)[None]
    labels = F.interpolate(labels.float(), size, mode='nearest').long()
    chosen = torch.zeros(1, 256, dtype=torch.bool)
    chosen[0, clips('drawn_classes')[0]] = True
    masks = class_masks(labels.flatten(0, 1), chosen.expand(2, -1)).unflatten(0, (1, 2))
    frames = class_mix(masks, source, target.float())
    mixed = class_mix(masks[:, :, 0], labels, pseudo.long())
    for t, name in enumerate(('previous', 'current')):
        np.testing.assert_allclose(frames[0, t], CLIPS[f'mixed_img_{name}'], atol=1e-5)
        np.testing.assert_array_equal(mixed[:, t], CLIPS[f'mixed_label_{name}'])
    native = clips('src_flow_native', 'trg_flow_native')
    # The mask of the previous frame, as released.
    for key, resized in (
        ('in_pixels_of_its_grid', lambda flow: resize_flow(flow, size)),
        ('as_released', partial(F.interpolate, size=size, mode='bilinear', align_corners=True)),
    ):
        flow = class_mix(masks[:, 0], *map(resized, native))
        np.testing.assert_allclose(flow[0], CLIPS[f'mixed_flow_{key}'], atol=1e-4)


def test_draws_the_published_share_of_the_published_candidates():
    size = CLIPS['trg_pseudo_label_current'].shape[-2:]
    labels = F.interpolate(clips('src_label_current')[0][None].float(), size)[0].long()
    candidates, seen, seed = set(CLIPS['candidate_classes'].tolist()), set(), 0
    while seed < 20 or not candidates <= seen and seed < 500:
        generator = torch.Generator().manual_seed(seed)
        chosen = draw_share(labels, float(CLIPS['mix_ratio']), generator=generator)
        assert chosen.sum() == CLIPS['number_drawn']
        seen |= set(chosen.nonzero()[:, 1].tolist())
        seed += 1
    assert seen == candidates


@pytest.mark.parametrize('count', range(8))
def test_draws_a_rounded_share_of_the_classes_of_each_sample(count):
    labels = torch.full((2, 1, 9), 255)
    labels[0, 0, :count] = torch.arange(count) + 3
    labels[1, 0, 0] = 40
    for share in (0.5, 0.75):
        chosen = draw_share(labels, share)
        assert chosen.sum(1).tolist() == [round(share * count), round(share)]
        assert set(chosen[0].nonzero()[:, 0].tolist()) <= set(range(3, 3 + count))


def test_values_are_drawn_among_those_of_each_sample():
    """As many as asked for, or as there are; all with the same probability."""
    among = torch.zeros(3000, 256, dtype=torch.bool)
    among[:, [3, 9, 255]] = True
    among[0] = False
    among[1] = False
    among[1, 7] = True
    drawn = draw_values(among, 2, torch.Generator().manual_seed(0))
    assert not (drawn & ~among).any()
    assert drawn.sum(1).tolist() == [0, 1] + [2] * 2998
    shares = drawn[2:, [3, 9, 255]].float().mean(0)
    torch.testing.assert_close(shares, torch.full((3,), 2 / 3), rtol=0, atol=0.03)
    labels = torch.tensor([[[0, 4]], [[255, 255]]])
    assert occurring_values(labels).nonzero().tolist() == [[0, 0], [0, 4], [1, 255]]


def test_layers_keep_the_masks_of_their_frames():
    """By hand: an object moves from pixel 0 to 1; flow has the mask of the earlier frame."""
    onto = ClipLayer(
        torch.zeros(1, 2, 3, 1, 3), torch.zeros(1, 2, 1, 3).long(), torch.zeros(1, 1, 2, 1, 3)
    )
    mask = torch.tensor([[1, 0, 0], [0, 1, 0]]).bool().view(1, 2, 1, 3)
    moving = ClipLayer(onto.frames + 1, onto.labels + 1, torch.full_like(onto.flow, 5.0), mask=mask)
    still_mask = torch.tensor([0, 1, 1]).bool().expand(1, 2, 1, 3)
    still = ClipLayer(onto.frames + 2, onto.labels + 2, mask=still_mask)
    mix = paste_layers(onto, [still, moving])
    assert mix.labels[0, :, 0].tolist() == [[1, 2, 2], [0, 1, 2]]
    assert torch.equal(mix.frames, mix.labels[:, :, None].expand(-1, -1, 3, -1, -1).float())
    assert mix.flow[0, 0, :, 0].tolist() == [[5, 0, 0]] * 2
    assert torch.equal(mix.mask, still_mask)
    with pytest.raises(ValueError, match='has no mask'):
        paste_layers(onto, [onto])


def test_crops_of_layers():
    frames = torch.arange(2 * 1 * 3 * 4 * 5.0).view(2, 1, 3, 4, 5)
    layer = ClipLayer(frames, frames[:, :, 0].long())
    crop = crop_layer(layer, [(0, 1), (2, 2)], (2, 3))
    assert torch.equal(crop.frames[1], frames[1, ..., 2:4, 2:5])
    assert torch.equal(crop.labels[0], layer.labels[0, ..., :2, 1:4])
    assert crop.flow is None and crop_layer(layer, [None, None], (4, 5)) is layer
    for corners in ([(0, 0), None], [(0, 0), (3, 0)]):
        with pytest.raises(ValueError, match='give both pipelines one size'):
            crop_layer(layer, corners, (2, 3))
