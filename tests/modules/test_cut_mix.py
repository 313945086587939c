"""CutMix: the box of PixMatch's release, and how it is drawn."""

import math
from pathlib import Path

import numpy as np
import torch

from mmdavss.modules import random_cut
from mmdavss.modules.cut_mix import cut_box

GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/rivals_pixmatch_step.npz')


def test_box_of_the_release():
    """Its centre is drawn by numpy, the column first; sides int(W sqrt(1 - lambda))."""
    height, width = GOLDEN['source'].shape[-2:]
    row0, column0, row1, column1 = GOLDEN['cutmix_box_row0_col0_row1_col1'].tolist()
    share = 1 - float(GOLDEN['cutmix_lambda'])
    boxes = {
        (row, column)
        for row in range(height)
        for column in range(width)
        if cut_box((height, width), share, (row, column))
        == (slice(row0, row1), slice(column0, column1))
    }
    # Where one side is cut off, the other tells the centre.
    half = [int(side * math.sqrt(share)) // 2 for side in (height, width)]
    row = row0 + half[0] if row0 else row1 - half[0]
    column = column0 + half[1] if column0 else column1 - half[1]
    assert (row, column) in boxes


def test_boxes():
    """Whole, empty, and cut off at a corner."""
    assert cut_box((10, 20), 0.25, (5, 10)) == (slice(3, 7), slice(5, 15))
    assert cut_box((10, 20), 0.25, (0, 19)) == (slice(0, 2), slice(14, 20))
    assert cut_box((10, 20), 1.0, (5, 10)) == (slice(0, 10), slice(0, 20))
    rows, columns = cut_box((10, 20), 0.0, (5, 10))
    assert rows.start == rows.stop and columns.start == columns.stop


def test_masks_are_boxes_of_either_image():
    torch.manual_seed(0)
    inverted = 0
    for _ in range(200):
        mask = random_cut((12, 16))
        assert mask.shape == (12, 16) and mask.dtype == torch.bool
        # The complement of a box touches all borders, or is drawn as one.
        boxes = [m for m in (mask, ~mask) if torch.equal(m, m.any(1)[:, None] & m.any(0))]
        assert boxes
        inverted += boxes[0] is not mask
    assert 60 < inverted < 140
