"""Disagreement of auxiliary decoders with the main one (UR, Sivaprasad and Fleuret, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmdavss.ops import at_least_float32


def decoder_disagreement(scores: Tensor, auxiliary: Sequence[Tensor]) -> Tensor:
    """Squared difference of probabilities, summed over decoders, averaged over all else.

    Args:
        scores: (N, K, H, W), those of the main decoder, before the softmax. They get no gradient.
        auxiliary: (N, K, H, W) of each auxiliary decoder. A stacked (D, N, K, H, W) is one too.

    Returns:
        Scalar, float32 at least. The mean is over the classes too: the squared distance between two
        predictions counts K times less than in a mean over pixels.
    """
    main = at_least_float32(scores.detach()).softmax(1)
    total = main.new_zeros(())
    for other in auxiliary:
        total = total + (at_least_float32(other).softmax(1) - main).square().mean()
    return total
