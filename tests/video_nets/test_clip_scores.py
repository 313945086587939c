"""Scores of all frames of clips, with networks as users write them."""

import torch
from mmseg.models.utils import resize
from torch import Tensor

from mmdavss.testing import SEGMENTOR
from mmdavss.video_nets import PerFrame, clip_scores


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
