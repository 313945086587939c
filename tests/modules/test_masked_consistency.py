"""Masks of MIC against the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.modules import block_mask

GOLDEN = Path(__file__).parents[1] / 'data/golden/mic_block_mask.npz'


def masks():
    arrays = np.load(GOLDEN)
    for case in sorted({name.split('_')[0] for name in arrays.files}):
        yield pytest.param(
            {n.removeprefix(f'{case}_'): arrays[n] for n in arrays.files if n.startswith(case)},
            id=case,
        )


@pytest.mark.parametrize('data', masks())
def test_published_mask(data):
    count, _, *size = data['mask'].shape
    torch.manual_seed(int(data['torch_seed']))
    visible = block_mask(count, size, int(data['block']), float(data['mask_ratio']))
    assert torch.equal(visible, torch.tensor(data['mask']).float())


def test_share_of_what_is_hidden():
    torch.manual_seed(0)
    visible = block_mask(64, (1024, 1024), 64, 0.7)
    assert visible.mean().item() == pytest.approx(0.3, abs=0.01)
    # Square blocks, each whole.
    blocks = visible.unflatten(2, (16, 64)).unflatten(4, (16, 64))
    assert torch.equal(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))


def test_sides_that_are_no_multiples_of_a_block():
    """Python rounds the number of blocks half to even: 2.5 to 2, 3.5 to 4."""
    torch.manual_seed(0)
    visible = block_mask(1, (80, 112), 32, 0.5)[0, 0]
    torch.manual_seed(0)
    draw = torch.rand(1, 1, 2, 4)[0, 0] > 0.5
    for row in range(80):
        for column in range(0, 112, 7):
            assert visible[row, column] == draw[row * 2 // 80, column * 4 // 112]


def test_every_frame_of_a_clip_hides_the_same():
    masked = MODELS.build(dict(type='MaskedConsistency', block_size=8))
    clips = masked.mask(torch.ones(2, 3, 3, 32, 48))
    assert torch.equal(clips, clips[:, :1, :1].expand_as(clips))
    assert not torch.equal(clips[0], clips[1])
    assert set(clips.unique().tolist()) == {0, 1}


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(mode='both'), 'not one of'),
        (dict(mask_ratio=1.1), r'must be in \[0, 1\]'),
        (dict(block_size=0), 'must be 1 or more'),
        (dict(block_size=1.5), 'must be 1 or more'),
        (dict(loss_weight=-1.0), 'must be 0 or more'),
        (dict(loss_weight=float('nan')), 'must be 0 or more'),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        MODELS.build(dict(type='MaskedConsistency', **options))


def test_images_smaller_than_a_block():
    with pytest.raises(ValueError, match='96x30 has no block of 64 pixels'):
        block_mask(1, (30, 96), 64, 0.7)
