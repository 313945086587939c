"""Levels of the backbone that a method has computed are not computed again."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample


@pytest.mark.parametrize('net', ['accel', 'per_frame'])
def test_loss_from_given_levels(net, request, build):
    net = build(request.getfixturevalue(net)).train()
    frames, flow = torch.randn(2, 2, 3, 32, 48), torch.randn(2, 1, 2, 32, 48)
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.randint(4, (1, 32, 48)))) for _ in range(2)
    ]
    expected = net.loss(frames, flow, samples)
    given = net.loss(frames, flow, samples, net.levels(frames[:, -1]))
    assert expected.keys() == given.keys()
    for key in expected:
        torch.testing.assert_close(given[key], expected[key])
    calls = []
    net.segmentor.backbone.register_forward_hook(lambda *args: calls.append(len(args[1][0])))
    net.loss(frames, flow, samples, net.levels(frames[:, -1]))
    # The levels given, and for Accel those of the key frame.
    assert len(calls) == (2 if net.needs_flow else 1)


def test_levels_are_the_features_of_the_classifier(accel, build):
    net = build(accel).eval()
    frames = torch.randn(2, 3, 32, 48)
    levels = net.levels(frames)
    assert [level.shape[1] for level in levels] == [8, 16, 32, 64]
    torch.testing.assert_close(levels[3], net.features(frames))
