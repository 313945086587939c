"""Scores of heads that predict masks and their classes."""

from __future__ import annotations

import math

import torch

from mmdavss.video_nets.main_head import query_scores


def test_small_sums_in_float16():
    """A class that hardly any query has, under autocast as with ``--amp`` on a GPU."""
    # Two classes and nothing, for one query whose mask is all of the image.
    classes = torch.tensor([[[0.0, -20.0, -3.0]]])
    masks = torch.full((1, 1, 2, 2), 30.0)

    def head(inputs, samples):
        assert samples[0].img_shape == (2, 2)
        return [classes], [masks]

    with torch.autocast('cpu', dtype=torch.float16):
        assert (torch.ones(1, 1) @ torch.full((1, 1), 1e-9)).item() == 0
        scores = query_scores(head, (torch.zeros(1, 3, 2, 2),))
    assert scores.dtype == torch.float32
    expected = torch.tensor([0.0, -20.0]) - math.log(1 + math.exp(-20) + math.exp(-3))
    torch.testing.assert_close(scores, expected[None, :, None, None].expand(1, 2, 2, 2))
