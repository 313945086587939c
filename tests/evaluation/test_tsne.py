"""t-SNE against its definition."""
import pytest
import torch

from mmdavss.evaluation.tsne import divergence_gradient, joint_similarities, tsne


def test_similarities_have_the_perplexity():
    points = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    p = joint_similarities(points, 4.)
    assert p.sum().item() == pytest.approx(1., abs=1e-6)
    assert (p == p.T).all() and (p.diagonal() == 0).all()
    # By definition: find each width by a fine search, in float64.
    distances = torch.cdist(points.double(), points.double()).square()
    conditional = torch.zeros(12, 12, dtype=torch.float64)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        low, high = 1e-6, 1e6
        for _ in range(200):
            precision = (low * high)**0.5
            weights = torch.exp(-(distances[i, others] - distances[i, others].min()) * precision)
            share = weights / weights.sum()
            entropy = -(share * share.clamp(min=1e-300).log()).sum()
            low, high = (precision, high) if entropy > torch.tensor(4.).log() else (low, precision)
        conditional[i, others] = share
    torch.testing.assert_close(p, ((conditional + conditional.T) / 24).float(), atol=1e-5,
                               rtol=1e-3)


def test_gradient_is_that_of_the_divergence():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(9, 9, dtype=torch.float64, generator=generator)
    p = (p + p.T).fill_diagonal_(0)
    p /= p.sum()
    places = torch.randn(9, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    off = ~torch.eye(9, dtype=torch.bool)
    near = 1 / (1 + (places[:, None] - places).square().sum(-1))[off]
    (p[off] * (p[off] / (near / near.sum())).log()).sum().backward()
    torch.testing.assert_close(divergence_gradient(p, places.detach()), places.grad)


def test_clusters_stay_together():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    points = torch.randn(90, 6, generator=generator) + 20 * torch.eye(6)[labels]
    steps = []
    places = tsne(points, perplexity=10, iterations=300, progress=lambda: steps.append(1))
    assert len(steps) == 300 and places.shape == (90, 2)
    distances = torch.cdist(places, places).fill_diagonal_(torch.inf)
    assert (labels[distances.argmin(1)] == labels).all()
    # Nothing in it is random.
    assert torch.equal(places, tsne(points, perplexity=10, iterations=300))
    # Each cluster in one piece: nearer to its own mean than to the others'.
    means = torch.stack([places[labels == k].mean(0) for k in range(3)])
    assert (torch.cdist(places, means).argmin(1) == labels).all()


def test_too_few_points():
    with pytest.raises(ValueError, match='20 points are too few for perplexity=30'):
        tsne(torch.randn(20, 3))
