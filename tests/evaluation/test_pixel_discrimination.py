"""Equation 21 of SePiCo, by hand and pixel by pixel."""

import math

import pytest
import torch

from mmdavss.evaluation import PixelDiscrimination


def maps(rows, labels):
    """Rows (M, A) and labels as one feature map of M cells in a row."""
    return torch.tensor(rows).T[None, :, None], torch.tensor(labels)[None, None]


def run(distance, batches):
    for batch in batches:
        distance.add_to_means(*batch)
    for batch in batches:
        distance.add(*batch)
    return distance.result()


def test_two_classes_by_hand():
    """Means (1, 0) and (1, 1): cosines 1 and 1/sqrt(2), whichever class looks at the other."""
    batch = maps([[2.0, 0.0], [4.0, 0.0], [3.0, 3.0]], [0, 0, 1])
    pdd, share = run(PixelDiscrimination(3, 2), [batch])
    assert pdd[:2].tolist() == pytest.approx([math.sqrt(2), math.sqrt(2)])
    assert math.isnan(pdd[2]) and share == 0


def test_against_a_loop_over_pixels():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 5, 3, 4, generator=generator) + 0.1
    labels = torch.randint(4, (2, 3, 4), generator=generator)
    labels[0, 0] = 255
    pdd, _ = run(
        PixelDiscrimination(4, 5), [(features[:1], labels[:1]), (features[1:], labels[1:])]
    )
    pixels = [
        (features[n, :, y, x], int(labels[n, y, x]))
        for n in range(2)
        for y in range(3)
        for x in range(4)
        if labels[n, y, x] != 255
    ]
    means = {
        k: sum(f for f, c in pixels if c == k) / sum(c == k for _, c in pixels) for k in range(4)
    }

    def cosine(a, b):
        return float(a @ b / (a.norm() * b.norm()))

    for k in range(4):
        mine = [f for f, c in pixels if c == k]
        expected = sum(
            cosine(f, means[k]) / sum(cosine(f, means[i]) for i in range(4) if i != k) for f in mine
        ) / len(mine)
        assert pdd[k].item() == pytest.approx(expected, rel=1e-5)


def test_pixels_without_a_ratio_are_counted():
    """Opposite means: no pixel has a positive denominator."""
    pdd, share = run(PixelDiscrimination(2, 1), [maps([[1.0], [-1.0]], [0, 1])])
    assert share == 1 and torch.isnan(pdd).all()
