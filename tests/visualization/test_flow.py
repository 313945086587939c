"""Colours of optical flow."""

import numpy as np
from mmcv.visualization import flow2rgb

from mmdavss.visualization import draw_flow, draw_wheel


def test_one_scale_for_all_pictures():
    flow = np.random.default_rng(0).normal(size=(6, 8, 2)).astype(np.float32)
    longest = np.linalg.norm(flow, axis=-1).max()
    # mmcv scales to the longest flow of the picture: here the same.
    expected = np.rint(255 * flow2rgb(flow).clip(0, 1))
    assert np.abs(draw_flow(flow, longest) - expected).max() <= 1
    # Half the flow on twice the scale is paler: a part of a picture looks as it does in it.
    assert np.array_equal(draw_flow(flow[:3], 5.0), draw_flow(flow, 5.0)[:3])
    assert draw_flow(flow, 50.0).mean() > draw_flow(flow, 5.0).mean()


def test_none_unknown_and_too_long():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 1] = np.nan
    flow[0, 2], flow[0, 3] = (2, 0), (200, 0)
    still, unknown, right, far = draw_flow(flow, 2.0)[0]
    assert (still == 255).all() and (unknown == 0).all()
    assert np.array_equal(right, far) and right[0] > 250 and right[1:].max() < 60  # red


def test_wheel():
    wheel = draw_wheel(41)
    assert wheel.shape == (41, 41, 3)
    assert (wheel[0, 0] == 255).all() and (wheel[20, 20] == 255).all()
    assert np.array_equal(wheel[20, 40], draw_flow(np.array([[[40 / 41, 0]]]), 1.0)[0, 0])
