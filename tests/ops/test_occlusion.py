"""Occlusion against the textbook formula (golden arrays) and a scene with known occlusion."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.ops import (
    backward_warp,
    forward_backward_visible,
    photometric_visible,
    photometric_weight,
)

GOLDEN = Path(__file__).parents[1] / 'data/golden/flow_fb_consistency.npz'


@pytest.fixture
def data():
    """Random flows, and masks of public code; 'textbook' has the squares that mmflow lost."""
    return {k: torch.from_numpy(v) for k, v in np.load(GOLDEN).items()}


def test_textbook(data):
    visible = forward_backward_visible(data['flow_fw'], data['flow_bw'])
    limit = data['rhs_textbook']
    clear = (data['sq_diff'] - limit).abs() > 1e-5 * limit.clamp(min=1)
    _, inside = backward_warp(data['flow_bw'], data['flow_fw'], return_mask=True)
    expected = data['textbook_occ_fw'].bool()  # 1 = visible
    compared = clear & inside
    assert torch.equal(visible[compared], expected[compared])
    assert expected[compared].any() and not expected[compared].all()
    assert not visible[~inside].any()  # the reference warps zeros there


@pytest.mark.parametrize('key, distance', [('fb_abs', 1.5), ('fb_abs_diff0.5', 0.5)])
def test_absolute_difference(data, key, distance):
    """alpha = 0 is mmflow's absolute difference, whose default distance is 1.5 pixels."""
    for there, back, name in (('fw', 'bw', 'occ_fw'), ('bw', 'fw', 'occ_bw')):
        visible = forward_backward_visible(
            data[f'flow_{there}'], data[f'flow_{back}'], alpha=0.0, beta=distance**2
        )
        _, inside = backward_warp(data[f'flow_{back}'], data[f'flow_{there}'], return_mask=True)
        assert torch.equal(visible[inside], data[f'{key}_{name}'].bool()[inside])


@pytest.fixture
def square():
    """A 6 x 6 square moves 4 pixels to the right, from columns 5..10 to 9..14, over still ground.

    Returns images (1, 3, 16, 24), exact flows and masks of the square in both frames.
    """
    ground = torch.linspace(0, 0.3, 24).expand(1, 3, 16, 24)
    a, b = torch.zeros(2, 1, 1, 16, 24, dtype=torch.bool)
    a[..., 5:11, 5:11] = True
    b[..., 5:11, 9:15] = True
    motion = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1)
    return dict(
        image_a=torch.where(a, 0.9, ground),
        image_b=torch.where(b, 0.9, ground),
        flow_ab=motion * a,
        flow_ba=-motion * b,
        a=a,
        b=b,
    )


def test_moving_square(square):
    """Hidden in b is the ground of a that the square covers there, and nothing else."""
    hidden = square['b'] & ~square['a']
    visible = forward_backward_visible(square['flow_ab'], square['flow_ba'])
    assert visible.dtype == torch.bool and torch.equal(visible, ~hidden)
    warped = backward_warp(square['image_b'], square['flow_ab'])
    assert torch.equal(photometric_visible(square['image_a'], warped), ~hidden)


def test_leaving_the_image(square):
    """Everything moves 4 pixels to the right: the last 4 columns leave."""
    flow = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 16, 24)
    visible = forward_backward_visible(flow, -flow)
    assert visible[..., :20].all() and not visible[..., 20:].any()


def test_photometric_weight():
    """Two channels differ by 0.1 and 0.2: exp(-50 * 0.05)."""
    frame = torch.full((1, 3, 1, 1), 0.5)
    warped = frame + torch.tensor([0.1, -0.2, 0.0]).view(1, 3, 1, 1)
    weight = photometric_weight(frame, warped)
    assert weight.shape == (1, 1, 1, 1)
    assert weight.item() == pytest.approx(math.exp(-2.5), rel=1e-5)
    assert not photometric_visible(frame, warped)
    assert photometric_visible(frame, warped, threshold=0.08)
    assert photometric_visible(frame, warped, alpha=1.0)
