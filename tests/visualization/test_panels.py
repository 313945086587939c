from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmdavss.visualization import colourise, draw_grid, draw_legend, overlay, panels

PALETTE = [(10, 20, 30), (200, 100, 0)]


def test_colourise():
    colours = colourise(np.array([[0, 1], [255, 1]], np.uint8), PALETTE)
    assert colours.dtype == np.uint8
    assert colours.tolist() == [[[10, 20, 30], [200, 100, 0]], [[0, 0, 0], [200, 100, 0]]]


@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_colourise_any_type(dtype):
    palette = np.random.default_rng(0).integers(0, 256, (19, 3))
    labels = np.arange(256).reshape(8, 32)[:, ::-1]
    expected = [[palette[k].tolist() if k < 19 else [0, 0, 0] for k in row] for row in labels]
    assert colourise(labels.astype(dtype), palette).tolist() == expected


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


def test_a_legend_is_drawn_once(monkeypatch):
    calls = []
    write = panels._write
    monkeypatch.setattr(panels, '_write', lambda *args: calls.append(args) or write(*args))
    panels._legend.cache_clear()
    first = draw_legend(['a', 'b'], PALETTE, 200)
    expected = first.copy()
    first[:] = 0  # the caller's own
    np.testing.assert_array_equal(draw_legend(('a', 'b'), np.array(PALETTE), 200), expected)
    assert len(calls) == 2
    assert (draw_legend(['a', 'c'], PALETTE, 200) != expected).any()
    assert (draw_legend(['a', 'b'], PALETTE[::-1], 200) != expected).any()


@pytest.mark.parametrize('place', [(60, 30), (60, 3), (2, 57)])
@pytest.mark.parametrize('anchor', ['mm', 'lm'])
def test_text_is_that_of_the_whole_canvas(place, anchor):
    canvas = np.random.default_rng(0).integers(0, 256, (60, 120, 3), np.uint8)
    picture = Image.fromarray(canvas)
    font = panels._font(16)
    ImageDraw.Draw(picture).text(place, 'Ågjpqy|Ä a longer title', panels.INK, font, anchor)
    panels._write(canvas, 'Ågjpqy|Ä a longer title', place, 16, anchor)
    np.testing.assert_array_equal(canvas, picture)
