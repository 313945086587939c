from __future__ import annotations

import numpy as np
import pytest

from mmdavss.visualization import colourise, draw_grid, draw_legend, overlay

PALETTE = [(10, 20, 30), (200, 100, 0)]


def test_colourise():
    colours = colourise(np.array([[0, 1], [255, 1]], np.uint8), PALETTE)
    assert colours.dtype == np.uint8
    assert colours.tolist() == [[[10, 20, 30], [200, 100, 0]], [[0, 0, 0], [200, 100, 0]]]


def test_overlay_blends():
    image = np.full((1, 2, 3), 100, np.uint8)
    # 0.25 * colour + 0.75 * 100; no class is black.
    assert overlay(image, np.array([[1, 255]]), PALETTE, 0.25).tolist() == [
        [[125, 100, 75], [75, 75, 75]]
    ]


def test_overlay_needs_one_size():
    with pytest.raises(ValueError, match=r'\(2, 2\).*\(1, 2\)'):
        overlay(np.zeros((1, 2, 3), np.uint8), np.zeros((2, 2), np.uint8), PALETTE)


def test_grid_places_panels_untouched():
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 255, (4, 20, 40, 3), np.uint8))
    grid = draw_grid(images, [], 2, (40, 20))
    # Gaps of 4 pixels around panels of 40 x 20.
    assert grid.shape == (3 * 4 + 2 * 20, 3 * 4 + 2 * 40, 3)
    for number, (top, left) in enumerate([(4, 4), (4, 48), (28, 4), (28, 48)]):
        assert (grid[top : top + 20, left : left + 40] == images[number]).all()
    assert (grid[:4] == 255).all() and (grid[:, 44:48] == 255).all()


def test_grid_keeps_the_aspect():
    square = np.full((30, 30, 3), (9, 8, 7), np.uint8)
    grid = draw_grid([square], [], 1, (40, 20))
    inside = (grid == (9, 8, 7)).all(-1)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    # 20 x 20 in the middle of 40 x 20, that is 10 from the left of the panel at 4.
    assert (rows[0], len(rows), columns[0], len(columns)) == (4, 20, 14, 20)


def test_titles_head_the_columns():
    panel = np.zeros((50, 100, 3), np.uint8)
    plain, headed = (
        draw_grid([panel] * 4, titles, 2, (100, 50)) for titles in ([], ['left', 'right'])
    )
    head = headed.shape[0] - plain.shape[0]
    assert 14 < head < 40
    for left in (4, 108):
        assert (headed[4 : 4 + head - 4, left : left + 100] < 128).any()  # ink
        assert (headed[4 + head : 4 + head + 50, left : left + 100] == 0).all()
    # The second row has none.
    assert (headed[-54:-4, 4:104] == 0).all()


def test_sides_are_even():
    assert draw_grid([np.zeros((21, 41, 3), np.uint8)], [], 1, (41, 21)).shape == (30, 50, 3)


@pytest.mark.parametrize('width', [60, 200, 1000])
def test_legend_has_every_class(width):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255)]
    legend = draw_legend(['road', 'sky', 'person', 'car'], colours, width)
    assert legend.shape[1] == width
    # A swatch of 1.1 times the letters' height, 16 pixels.
    for colour in colours:
        assert (legend == colour).all(-1).sum() == 18 * 18
    rows = {60: 4, 200: 2, 1000: 1}[width]
    assert legend.shape[0] == rows * 29 + 4
