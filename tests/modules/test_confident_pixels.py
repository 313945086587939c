"""Selection of confident pixels, by hand."""

import math

import pytest
import torch

from mmdavss.modules import class_entropy, most_confident


def test_keeps_the_most_confident_of_each_image():
    # Confidence falls with the position in image 0 and rises in image 1; two classes alternate.
    margin = torch.tensor([[6.0, 5, 4, 3, 2, 1], [1.0, 2, 3, 4, 5, 6]])
    classes = torch.arange(6) % 2
    logits = torch.zeros(2, 2, 6)
    for i in range(6):
        logits[:, classes[i], i] = margin[:, i]
    positions, labels = most_confident(logits.view(2, 2, 2, 3), ratio=0.5)
    assert [set(p.tolist()) for p in positions] == [{0, 1, 2}, {3, 4, 5}]
    assert torch.equal(labels, positions % 2)


@pytest.mark.parametrize('ratio, count', [(0.7, 4), (1.0, 6), (0.01, 1)])
def test_count_is_floored_and_at_least_one(ratio, count):
    assert most_confident(torch.randn(1, 3, 2, 3), ratio)[0].shape == (1, count)


def test_share_of_each_class():
    """Six pixels of class 0 and two of class 1, none of class 2; half of each is kept."""
    margin = torch.tensor([9.0, 8, 7, 6, 5, 4, 1, 2])
    classes = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
    shuffled = torch.tensor([3, 6, 0, 5, 7, 1, 4, 2])
    logits = torch.zeros(1, 3, 8)
    for place, i in enumerate(shuffled):
        logits[0, classes[i], place] = margin[i]
    positions, labels = most_confident(logits.view(1, 3, 2, 4), ratio=0.5, per_class=True)
    kept = shuffled[positions[0]]
    assert set(kept.tolist()) == {0, 1, 2, 7}
    assert torch.equal(labels[0], classes[kept])
    # Over all classes together the unsure class has nothing.
    positions, _ = most_confident(logits.view(1, 3, 2, 4), ratio=0.5)
    assert set(shuffled[positions[0]].tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize('ratio', [0.3, 0.7])
def test_share_of_each_class_against_a_loop(ratio):
    logits = torch.randn(2, 5, 12, 10)
    positions, _ = most_confident(logits, ratio, per_class=True)
    confidence, labels = logits.flatten(2).softmax(1).max(1)
    for n in range(2):
        for k in range(5):
            mine = (labels[n] == k).nonzero()[:, 0]
            best = mine[confidence[n, mine].argsort(descending=True)].tolist()
            kept = [p for p in best if p in set(positions[n].tolist())]
            assert kept == best[: len(kept)]
            assert abs(len(kept) - ratio * len(best)) <= 1


def test_class_entropy():
    assert class_entropy(torch.tensor([[0, 0, 1, 1]]), 5).item() == pytest.approx(math.log(2))
    assert class_entropy(torch.tensor([3, 3, 3]), 5).item() == pytest.approx(0, abs=1e-6)
