"""Variances and neighbours in a feature space, by hand and against loops."""

import math

import pytest
import torch

from mmdavss.evaluation import class_variances, neighbour_purity


def test_variances_by_hand():
    # Of length 1: class 0 (1, 0), (0, 1), mean (.5, .5); class 3 (0, 1) twice. Mean of the means:
    # (.25, .75).
    features = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0], [0.0, 9.0]])
    found = class_variances(features, torch.tensor([0, 0, 3, 3]))
    assert found.intra == pytest.approx((0.5 + 0.0) / 2)
    assert found.inter == pytest.approx((0.125 + 0.125) / 2)
    assert found.ratio == pytest.approx(0.5)
    # Classes count the same however many pixels they have.
    more = class_variances(torch.cat([features, features[2:]]), torch.tensor([0, 0, 3, 3, 3, 3]))
    assert more == pytest.approx(found)
    assert class_variances(features[2:], torch.tensor([1, 2])).ratio == math.inf


def test_variances_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 5, dtype=torch.float64, generator=generator)
    labels = torch.randint(4, (60,), generator=generator)
    intra, means = 0.0, []
    for k in range(4):
        rows = [
            [v / math.sqrt(sum(w * w for w in row)) for v in row]
            for row, label in zip(features.tolist(), labels.tolist(), strict=True)
            if label == k
        ]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        means.append(mean)
        intra += sum(math.dist(row, mean) ** 2 for row in rows) / len(rows) / 4
    centre = [sum(column) / 4 for column in zip(*means, strict=True)]
    inter = sum(math.dist(mean, centre) ** 2 for mean in means) / 4
    assert class_variances(features, labels) == pytest.approx((intra, inter))


def test_purity_by_hand():
    # Angles on a circle: 0, 10, 20 of class 0, 25, 90, 100 of class 1.
    angles = torch.tensor([0.0, 10.0, 20.0, 25.0, 90.0, 100.0]).deg2rad()
    features = torch.stack([angles.cos(), angles.sin()], 1) * torch.arange(1, 7)[:, None]
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    shares, dropped = neighbour_purity(features, labels, [1, 2])
    # Nearest: 10 (0), 0 or 20 (0), 25 (1), 20 (0), 100 (1), 90 (1): 4 of 6 are of the own class.
    assert shares[1] == pytest.approx(4 / 6) and not dropped
    # Second: 20 (0), the other (0), 10 (0), 10 (0), 25 (1), 25 (1): 5 more.
    assert shares[2] == pytest.approx(9 / 12)


def test_purity_in_chunks_and_against_a_loop():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(50, 4, dtype=torch.float64, generator=generator)
    labels = torch.arange(50) % 5
    labels[:3] = 7  # too few
    found, dropped = neighbour_purity(features, labels, [1, 4, 6], chunk=7)
    assert dropped == [7]
    rows, own = features[3:].tolist(), labels[3:].tolist()

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    for k in (1, 4, 6):
        share = 0.0
        for i, row in enumerate(rows):
            others = sorted(
                (j for j in range(len(rows)) if j != i),
                key=lambda j, row=row: -cosine(row, rows[j]),
            )
            share += sum(own[j] == own[i] for j in others[:k]) / k / len(rows)
        assert found[k] == pytest.approx(share)


def test_too_few_pixels():
    with pytest.raises(ValueError, match='1 of 2 classes have the 4 pixels that 3 neighbours'):
        neighbour_purity(torch.eye(6), torch.tensor([0, 0, 0, 0, 1, 1]), [3])
    with pytest.raises(ValueError, match='must be positive'):
        neighbour_purity(torch.eye(6), torch.zeros(6), [0, 3])
