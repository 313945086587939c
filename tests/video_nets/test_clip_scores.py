"""Scores of several frames of clips; with networks as users write them, too."""

import pytest
import torch
from mmseg.models.utils import resize
from torch import Tensor

from mmdavss.testing import SEGMENTOR
from mmdavss.video_nets import PerFrame, clip_scores, scores_of_last
from tests.methods.table import FLOW_NET, HRDA


class MeanOfFrames(PerFrame):
    """Averages the features of all frames, and does not say which frames it reads."""

    temporal = True

    def scores(
        self, frames: Tensor, flow: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        if features is None:
            features = torch.stack([self.features(frame) for frame in frames.unbind(1)], 1)
        return self.classify(features.mean(1))


def test_a_temporal_net_reads_all_frames_unless_it_says_otherwise():
    net = MeanOfFrames(SEGMENTOR, allow_random_init=True).eval()
    frames = torch.randn(2, 3, 3, 32, 48)
    with torch.no_grad():
        scores = clip_scores(net, frames, align_corners=False)
        for t in range(3):
            wanted = resize(net(frames[:, : t + 1]), (32, 48), mode='bilinear', align_corners=False)
            torch.testing.assert_close(scores[:, t], wanted)
    assert not torch.allclose(scores[:, 2], clip_scores(net, frames[:, 2:], False)[:, 0])


@pytest.mark.parametrize(
    ('net', 'passes'),
    [
        (dict(type='PerFrame'), 2),
        (dict(type='Accel'), 3),
        (dict(type='DFF', flow_net=FLOW_NET), 1),
        (dict(type='DistortionAwareVSS', flow_net=FLOW_NET), 1),
        # The context and the details of a frame are a pass each.
        (dict(type='Accel', segmentor=HRDA, propagation='truncate'), 6),
    ],
)
@torch.no_grad()
def test_last_frames_as_if_each_ended_a_clip(video_net, net, passes):
    """The same bits, each frame read once: of three frames the last two, and the first as key."""
    model = video_net(net).eval()
    frames, flow = torch.randn(2, 3, 3, 64, 96), torch.randn(2, 2, 2, 64, 96)
    flow = flow if model.needs_flow else None
    wanted = [model(frames[:, :t], None if flow is None else flow[:, : t - 1]) for t in (2, 3)]
    seen = []
    model.segmentor.backbone.register_forward_hook(lambda *args: seen.append(None))
    scores = scores_of_last(model, frames, flow, 2)
    assert len(seen) == passes
    assert all(torch.equal(*two) for two in zip(scores, wanted, strict=True))
