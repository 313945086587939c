"""t-SNE (van der Maaten and Hinton, 2008) of some thousand points, exact."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def tsne(points: Tensor, perplexity: float = 30., iterations: int = 750,
         progress: Callable[[], None] = lambda: None) -> Tensor:
    """Places points in the plane so that neighbours stay neighbours.

    Gradient descent with momentum and gains on the divergence between the similarities p of the
    points (Gaussian, as wide as `perplexity` neighbours) and q of their places (Student t). In the
    first third p is exaggerated 12 times. The places start at the two principal components, so
    that nothing is random. Time and memory grow with the square of the number of points: 3000 take
    some minutes on one core.

    Args:
        points: (P, A).
        perplexity: About how many neighbours of each point count.
        iterations: Steps of the descent.
        progress: Called after every step.

    Returns:
        (P, 2), float32.

    Raises:
        ValueError: If there are too few points for the perplexity.
    """
    count = len(points)
    if count < 3 * perplexity + 2:
        raise ValueError(f'tsne: {count} points are too few for perplexity={perplexity:g}: it must '
                         f'be below {(count - 2) / 3:.0f}')
    p = joint_similarities(points, perplexity)
    centred = (points - points.mean(0)).float()
    places = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    places *= 1e-4 / places[:, 0].std().clamp(min=1e-12)
    rate = max(count / 12 / 4, 50.)
    gains, step = torch.ones_like(places), torch.zeros_like(places)
    for i in range(iterations):
        early = i < iterations // 3
        gradient = divergence_gradient(p * 12 if early else p, places)
        agree = gradient * step < 0
        gains = torch.where(agree, gains + 0.2, gains * 0.8).clamp(min=0.01)
        step = (0.5 if early else 0.8) * step - rate * gains * gradient
        places += step
        progress()
    return places - places.mean(0)


def joint_similarities(points: Tensor, perplexity: float) -> Tensor:
    """Similarities (P, P), float32, of points (P, A); symmetric, their sum is 1.

    The width of each point's Gaussian is found by bisection, such that its similarities to the
    others have the entropy log(perplexity).
    """
    rows = points.float()
    norms = rows.square().sum(1)
    distances = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0)
    # The scale of the features is no matter, then the bounds of the search are none either.
    distances /= distances.mean().clamp(min=1e-12)
    distances.fill_diagonal_(torch.inf)
    target = torch.log(torch.tensor(float(perplexity)))
    low = torch.full((len(rows), 1), -20., device=rows.device)  # log of the precision
    high = torch.full_like(low, 20.)
    for _ in range(40):
        middle = (low + high) / 2
        log_p = (-distances * middle.exp()).log_softmax(1)
        entropy = -(log_p.exp() * log_p.nan_to_num(neginf=0.)).sum(1, keepdim=True)
        wide = entropy > target
        low, high = torch.where(wide, middle, low), torch.where(wide, high, middle)
    conditional = (-distances * high.exp()).softmax(1)
    return (conditional + conditional.T) / (2 * len(rows))


def divergence_gradient(p: Tensor, places: Tensor) -> Tensor:
    """Gradient (P, 2) of KL(p || q) with respect to places (P, 2).

        4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)
    """
    norms = places.square().sum(1)
    near = 1 / (1 + (norms[:, None] + norms - 2 * places @ places.T).clamp(min=0))
    near.fill_diagonal_(0)
    forces = (p - near / near.sum()) * near
    return 4 * (forces.sum(1, keepdim=True) * places - forces @ places)
