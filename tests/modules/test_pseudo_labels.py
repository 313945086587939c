"""Selection of confident pixels, by hand."""
import math

import pytest
import torch

from mmdavss.modules import class_entropy, most_confident


def test_keeps_the_most_confident_of_each_image():
    # Confidence falls with the position in image 0 and rises in image 1; two classes alternate.
    margin = torch.tensor([[6., 5, 4, 3, 2, 1], [1., 2, 3, 4, 5, 6]])
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


def test_class_entropy():
    assert class_entropy(torch.tensor([[0, 0, 1, 1]]), 5).item() == pytest.approx(math.log(2))
    assert class_entropy(torch.tensor([3, 3, 3]), 5).item() == pytest.approx(0, abs=1e-6)
