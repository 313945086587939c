from __future__ import annotations

import math
from dataclasses import astuple

import pytest
import torch

from mmdavss.evaluation.health import (
    Health,
    class_drift,
    collapsed_classes,
    swollen_classes,
)
from mmdavss.utils.errors import NotFiniteError


def test_figures_by_hand():
    health = Health(2)
    # Probabilities of the first class: 0.95, 0.5, 0.2, 0.1.
    first = torch.tensor([[0.95, 0.6], [0.2, 0.1]])
    health.add_frame(torch.stack([first, 1 - first]).log())
    before = torch.tensor([[0, 1, 1, 0]], dtype=torch.uint8)
    current = torch.tensor([[1, 1, 0, 0]], dtype=torch.uint8)
    # The picture moved to the left by one: pixel x was at x + 1, the last was outside.
    flow = torch.zeros(2, 1, 4)
    flow[0] = 1
    health.add_pair(before, current, flow, torch.ones(1, 4, dtype=torch.bool))
    figures = health.figures()
    assert figures.frames == 1
    assert figures.confidence == pytest.approx((0.95 + 0.6 + 0.8 + 0.9) / 4)
    assert figures.confident == pytest.approx(0.5)
    assert figures.shares == (0.5, 0.5)
    assert figures.unchanged == 0.5
    assert figures.consistency == 1
    # A pixel that is wrong, and one that is hidden.
    current[0, 1] = 0
    health.add_pair(before, current, flow, torch.tensor([[False, True, True, True]]))
    assert health.figures().consistency == pytest.approx((1 + 1 / 2) / 2)


def test_mirror_and_reference_by_hand():
    health = Health(2)
    # Probabilities of the first class, and of the mirrored frame: turned back 0.6, 0.8, 0.3, 0.9.
    logits, mirrored, reference = (
        torch.stack([p, 1 - p]).log()
        for p in (
            torch.tensor([[0.9, 0.2, 0.3, 0.7]]),
            torch.tensor([[0.9, 0.3, 0.8, 0.6]]),
            torch.tensor([[0.95, 0.91, 0.04, 0.4]]),
        )
    )
    health.add_mirrored(logits, mirrored)
    health.add_reference(logits, reference)
    labels = torch.zeros(1, 4, dtype=torch.uint8)
    health.add_frame(logits)
    health.add_pair(labels, labels, torch.zeros(2, 1, 4), torch.ones(1, 4, dtype=torch.bool))
    figures = health.figures()
    assert figures.mirrored == pytest.approx(3 / 4)
    assert figures.moved == pytest.approx(2 / 4)
    # It was sure of three.
    assert figures.kept == pytest.approx(2 / 3)
    health.add_reference(logits, logits)
    assert health.figures().moved == pytest.approx(1 / 4)


def test_nothing_visible():
    health = Health(2)
    health.add_frame(torch.zeros(2, 1, 4))
    labels = torch.zeros(1, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match='no two successive frames'):
        health.figures()
    health.add_pair(labels, labels, torch.zeros(2, 1, 4), torch.zeros(1, 4, dtype=torch.bool))
    assert health.figures().consistency == 0 and health.figures().unchanged == 1


def test_classes():
    before, after = (0.5, 0.3, 0.196, 0.004), (0.71, 0.25, 0.03, 0.01)
    assert class_drift(before, after) == pytest.approx((0.21 + 0.05 + 0.166 + 0.006) / 2)
    assert class_drift(before, before) == 0 and class_drift((1, 0), (0, 1)) == 1
    assert collapsed_classes(before, after) == [2] and swollen_classes(before, after) == [0]
    # What was hardly there cannot collapse.
    assert collapsed_classes((0.996, 0.004), (1, 0)) == []


def test_scores_that_are_nan_have_no_figures():
    health = Health(3)
    health.add_frame(torch.zeros(3, 2, 2))
    with pytest.raises(NotFiniteError, match='frame 2 are NaN'):
        health.add_frame(torch.full((3, 2, 2), torch.nan))
    health.finite = False
    figures = health.figures()
    assert figures.frames == 1 and len(figures.shares) == 3
    assert all(math.isnan(value) for value in (*figures.shares, *astuple(figures)[1:5]))
