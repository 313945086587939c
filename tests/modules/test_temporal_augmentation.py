"""Frames between frames: by hand, and on MiniDrive's exact flow and occlusion."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.minidrive import SUBURB, World, rendered_look
from mmdavss.modules import (
    intermediate_flows,
    normalised_entropy,
    probability_cross_entropy,
    rectified_labels,
    round_trip_visible,
    synthesise_frame,
)

SIZE = (192, 96)  # width, height


@pytest.fixture(scope='module')
def drive():
    """Two frames of a drive, 0 to 1, without noise, with exact flow and visibility both ways."""
    world = World.create((11,), SUBURB, rendered_look, 30, True)
    frames = [
        torch.from_numpy(world.render(k, SIZE).rgb.copy()).permute(2, 0, 1)[None] / 255.0
        for k in (10, 11)
    ]
    flows, visible = zip(
        *(world.exact_flow(a, b, SIZE) for a, b in ((10, 11), (11, 10))), strict=True
    )
    return (
        frames,
        [torch.from_numpy(flow).permute(2, 0, 1)[None] for flow in flows],
        [torch.from_numpy(mask) for mask in visible],
    )


def coordinates():
    """An image (1, 3, H, W) whose colour is its pixel, and blue a plane: sampling it is exact."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]].astype(float)
    return np.stack([u, v, 2 * u - 3 * v])[None]


@pytest.mark.parametrize('t', [0, 1])
def test_the_ends_are_the_frames(drive, t):
    """A frame whose every pixel shows the colour of its counterpart in the other one comes back."""
    _, flows, visible = drive
    other = coordinates()
    flow = flows[t].numpy()  # from frame t to the other one
    u, v = other[:, 0] + flow[:, 0], other[:, 1] + flow[:, 1]
    frame = np.stack([u, v, 2 * u - 3 * v], axis=1)
    pair = [torch.from_numpy(x) for x in ((frame, other), (other, frame))[t]]
    for alpha in (0.5, 0.2):
        result = synthesise_frame(*pair, *flows, t, alpha).numpy()
        seen = visible[t].numpy()
        np.testing.assert_allclose(result[0][:, seen], frame[0][:, seen], rtol=0, atol=1e-9)
    assert (0.83, 0.92)[t] < seen.mean() < (0.84, 0.94)[t]


@pytest.mark.parametrize('t, error, hidden', [(0, 0.00596, 0.0971), (1, 0.00698, 0.0702)])
def test_the_ends_are_the_frames_as_rendered(drive, t, error, hidden):
    """What remains is interpolation: the frames differ by 0.0497, half of which is blended in."""
    frames, flows, visible = drive
    result = synthesise_frame(*(frame.double() for frame in frames), *flows, float(t))
    apart = (result - frames[t]).abs().mean(1)[0]
    assert apart[visible[t]].mean() == pytest.approx(error, abs=2e-4)
    assert apart[~visible[t]].mean() == pytest.approx(hidden, abs=2e-3)
    assert (frames[0] - frames[1]).abs().mean() == pytest.approx(0.0497, abs=1e-3)


def test_in_between_by_hand():
    """Everything moves 4 pixels to the right: at t it has moved 4t, and t may differ by sample."""
    ramp = torch.arange(24.0).expand(2, 3, 5, 24)
    frame_0, frame_1 = ramp.clone(), ramp - 4
    there = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(2, 2, 5, 24)
    t = torch.tensor([0.25, 0.5]).view(2, 1, 1, 1)
    flow_t0, flow_t1 = intermediate_flows(there, -there, t)
    assert flow_t0[0, 0, 0, 0] == -1 and flow_t0[1, 0, 0, 0] == -2 and not flow_t0[:, 1].any()
    assert flow_t1[0, 0, 0, 0] == 3 and flow_t1[1, 0, 0, 0] == 2 and not flow_t1[:, 1].any()
    result = synthesise_frame(frame_0, frame_1, there, -there, t, alpha=0.3)
    for n, moved in ((0, 1), (1, 2)):
        expected = ramp[n] - moved
        torch.testing.assert_close(result[n, ..., 2:20], expected[..., 2:20])
        # Left of the image frame 0 is its first column, 0; frame 1 is inside.
        assert result[n, 0, 0, 0] == pytest.approx(0.3 * 0 + 0.7 * -moved)
        # Right of it frame 1 is its last column, 19.
        assert result[n, 0, 0, 23] == pytest.approx(0.3 * (23 - moved) + 0.7 * 19)


@pytest.mark.parametrize(
    'grid, eta, precision, recall',
    [
        ('current', 1.0, 0.778, 0.857),
        ('current', 0.1, 0.557, 0.985),
        ('current', 2.0, 0.835, 0.762),
        ('paper', 1.0, 0.947, 0.940),
    ],
)
def test_occlusion_against_the_exact_one(drive, grid, eta, precision, recall):
    """Precision and recall of what is masked, 7 and 17 % of the two frames.

    What is missed has a counterpart that moves alike; what is masked wrongly lies at the outlines,
    where bilinear sampling of the flow mixes two motions.
    """
    _, flows, visible = drive
    masked = ~round_trip_visible(*flows, eta, grid)[0, 0]
    hidden = ~visible[1 if grid == 'current' else 0]
    hits = (masked & hidden).sum()
    assert hits / masked.sum() == pytest.approx(precision, abs=0.005)
    assert hits / hidden.sum() == pytest.approx(recall, abs=0.005)


def test_the_printed_mask_is_of_the_other_frame(drive):
    """On the grid of frame 0 the mask says nothing about the labels of frame 1."""
    _, flows, visible = drive
    masked, hidden = ~round_trip_visible(*flows, 1.0, 'paper')[0, 0], ~visible[1]
    assert (masked & hidden).sum() / masked.sum() == pytest.approx(0.143, abs=0.005)
    assert (masked & hidden).sum() / hidden.sum() == pytest.approx(0.338, abs=0.005)


def test_round_trip_by_hand():
    """Row 0 comes back to 0.9, row 1 to 1.0 pixels of its start (not below eta), row 2 leaves."""
    flow_01, flow_10 = torch.zeros(2, 1, 2, 3, 6)
    flow_10[0, 0] = 2.0
    flow_01[0, 0, 0], flow_01[0, 0, 1], flow_01[0, 0, 2] = -1.1, -1.0, -2.0
    flow_10[0, 0, 2] = 6.0
    visible = round_trip_visible(flow_01, flow_10, eta=1.0)[0, 0].int().tolist()
    assert visible == [[1, 1, 1, 1, 0, 0], [0] * 6, [0] * 6]
    # The length counts, not the sum or a component: (0.6, -0.8) is 1 long.
    flow_01, flow_10 = torch.zeros(2, 1, 2, 3, 6)
    flow_01[0, :, 1, 2] = torch.tensor([0.6, -0.8])
    assert not round_trip_visible(flow_01, flow_10, 0.99)[0, 0, 1, 2]
    assert round_trip_visible(flow_01, flow_10, 1.01).all()
    # The paper's eta is the default: 1 is not below it.
    assert not round_trip_visible(flow_01, flow_10)[0, 0, 1, 2]
    assert round_trip_visible(0.99 * flow_01, flow_10).all()
    with pytest.raises(ValueError, match="grid='both'"):
        round_trip_visible(flow_01, flow_10, 1.0, 'both')


def test_rectified_labels_by_hand():
    """Four pixels, K = 3: entropies over log 3 = 1.0986."""
    pixels = [
        ([1.0, 0.0, 0.0], 0.0),  # 0 log 0 = 0
        ([0.02, 0.96, 0.02], (0.96 * -math.log(0.96) - 0.04 * math.log(0.02)) / math.log(3)),
        ([0.1, 0.1, 0.8], 0.5817),  # (0.8 * 0.2231 + 0.2 * 2.3026) / 1.0986
        ([1 / 3] * 3, 1.0),
    ]
    probabilities = torch.tensor([p for p, _ in pixels]).T.reshape(1, 3, 1, 4)
    entropy = normalised_entropy(probabilities)
    assert entropy.shape == (1, 1, 4)
    assert entropy[0, 0].tolist() == pytest.approx([e for _, e in pixels], abs=1e-4)
    visible = torch.ones(1, 1, 1, 4, dtype=torch.bool)
    for delta, expected in (
        (0.1, [0, 255, 255, 255]),
        (0.3, [0, 1, 255, 255]),
        (0.6, [0, 1, 2, 255]),
        (None, [0, 1, 2, 0]),
    ):
        assert rectified_labels(probabilities, visible, delta)[0, 0].tolist() == expected
    # The paper's delta is the default.
    assert rectified_labels(probabilities, visible)[0, 0].tolist() == [0, 1, 255, 255]
    visible[..., 1] = False
    assert rectified_labels(probabilities, visible, 0.6)[0, 0].tolist() == [0, 255, 2, 255]


def test_cross_entropy_by_hand():
    probabilities = torch.tensor([[0.5, 0.25, 0.0, 0.9], [0.5, 0.75, 1.0, 0.1]]).reshape(1, 2, 1, 4)
    probabilities.requires_grad_()
    loss = probability_cross_entropy(probabilities, torch.tensor([[[0, 1, 255, 0]]]))
    assert loss.item() == pytest.approx((math.log(2) - math.log(0.75) - math.log(0.9)) / 3)
    loss.backward()
    expected = [[-1 / 0.5 / 3, 0, 0, -1 / 0.9 / 3], [0, -1 / 0.75 / 3, 0, 0]]
    np.testing.assert_allclose(probabilities.grad[0, :, 0], expected, rtol=1e-6)
    # A probability of 0 is finite, and so is nothing to learn.
    loss = probability_cross_entropy(probabilities, torch.tensor([[[255, 255, 0, 255]]]))
    assert loss.item() == pytest.approx(12 * math.log(10), rel=1e-5)
    loss = probability_cross_entropy(probabilities, torch.full((1, 1, 4), 255))
    assert loss.item() == 0 and loss.requires_grad


def test_entropy_is_the_published_one():
    """ADVENT's entropy maps: the sum of their channels."""
    path = Path(__file__).parents[1] / 'data/golden/advent_entropy_adversarial.npz'
    with np.load(path) as arrays:
        entropy = normalised_entropy(torch.from_numpy(arrays['prob']))
        torch.testing.assert_close(
            entropy, torch.from_numpy(arrays['entropy_sum_over_channels']), rtol=1e-10, atol=0
        )
