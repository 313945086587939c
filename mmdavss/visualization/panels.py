"""Label colours, panels side by side, legends. All images are RGB, uint8."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (255, 255, 255)
INK = (32, 33, 36)
GAP = 4  # pixels between panels


def colourise(labels: np.ndarray, palette: np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
    """Draws a label map in the colours of its classes.

    Args:
        labels: (H, W), classes; values that are not a class (255, ignored) become black.
        palette: (K, 3), RGB.

    Returns:
        (H, W, 3).
    """
    palette = np.asarray(palette, np.uint8)
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    if labels.dtype != np.uint8:
        return table[labels]
    return cv2.LUT(cv2.merge([labels] * 3), table[None])  # indexing takes ten times as long


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    palette: np.ndarray | Sequence[Sequence[int]],
    opacity: float = 0.6,
) -> np.ndarray:
    """Draws label colours over an image; pixels without a class are darkened.

    Args:
        image: (H, W, 3).
        labels: (H, W), classes.
        palette: (K, 3), RGB.
        opacity: Opacity of the colours, 0 to 1.

    Returns:
        (H, W, 3).
    """
    if labels.shape != image.shape[:2]:
        raise ValueError(
            f'overlay: labels of shape {labels.shape} do not fit an image of '
            f'shape {image.shape[:2]}'
        )
    return cv2.addWeighted(colourise(labels, palette), opacity, image, 1 - opacity, 0)


def draw_grid(
    images: Sequence[np.ndarray], titles: Sequence[str], columns: int, size: tuple[int, int]
) -> np.ndarray:
    """Draws images side by side in rows, with titles above the first ones.

    Args:
        images: (H, W, 3) each, of any size: each is scaled to fit its panel and keeps its aspect
            ratio.
        titles: Titles of the first images; with one per column, they head the columns.
        columns: Panels per row.
        size: Width and height of a panel.

    Returns:
        The image, with even sides (required by video codecs).
    """
    width, height = size
    rows = -(-len(images) // columns)
    text = max(14, width // 20)
    head = round(1.7 * text)
    heads = [head if row * columns < len(titles) else 0 for row in range(rows)]
    canvas = _paper(
        sum(heads) + rows * (height + GAP) + GAP,
        columns * (width + GAP) + GAP,
    )
    top = GAP
    for row in range(rows):
        for column, image in enumerate(images[row * columns : (row + 1) * columns]):
            left = GAP + column * (width + GAP)
            number = row * columns + column
            if number < len(titles):
                middle = left + width // 2, top + head // 2 - GAP // 2
                _write(canvas, titles[number], middle, text, 'mm')
            _place(canvas, image, left, top + heads[row], size)
        top += heads[row] + height + GAP
    return _even(canvas)


def draw_legend(
    classes: Sequence[str],
    palette: np.ndarray | Sequence[Sequence[int]],
    width: int,
    text: int = 16,
) -> np.ndarray:
    """Draws the names of classes beside their colours, in columns.

    A legend is kept for the next call: the frames of a video have the same one.

    Args:
        classes: K names.
        palette: (K, 3), RGB.
        width: Width of the image.
        text: Font size in pixels.

    Returns:
        (H, `width`, 3).
    """
    colours = tuple((int(r), int(g), int(b)) for r, g, b in palette)
    return _legend(tuple(classes), colours, width, text).copy()


@lru_cache(maxsize=8)
def _legend(
    classes: tuple[str, ...], colours: tuple[tuple[int, int, int], ...], width: int, text: int
) -> np.ndarray:
    swatch, line = round(1.1 * text), round(1.8 * text)
    longest = max(_font(text).getlength(name) for name in classes)
    widest = int(swatch + 0.5 * text + longest + text)
    columns = max(1, min((width - 2 * GAP) // widest, len(classes)))
    rows = -(-len(classes) // columns)
    columns = -(-len(classes) // rows)  # rows as equal as possible
    step = (width - 2 * GAP) // columns
    canvas = _paper(rows * line + GAP, width)
    for number, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        row, column = divmod(number, columns)
        left, middle = GAP + column * step, row * line + line // 2
        canvas[middle - swatch // 2 : middle - swatch // 2 + swatch, left : left + swatch] = colour
        _write(canvas, name, (left + swatch + text // 2, middle), text, 'lm')
    return canvas


def with_legend(
    image: np.ndarray,
    classes: Sequence[str],
    palette: np.ndarray | Sequence[Sequence[int]],
    text: int = 16,
) -> np.ndarray:
    """Adds :func:`draw_legend` below an image; the resulting height is even."""
    return _even(np.vstack([image, draw_legend(classes, palette, image.shape[1], text)]))


def _paper(height: int, width: int) -> np.ndarray:
    # One number: a colour is filled in ten times as slowly.
    return np.full((height, width, 3), PAPER[0], np.uint8)


def _place(
    canvas: np.ndarray, image: np.ndarray, left: int, top: int, size: tuple[int, int]
) -> None:
    """Puts an image in the centre of a panel, as large as possible."""
    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    if (w, h) != image.shape[1::-1]:
        image = cv2.resize(
            image, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
    x, y = left + (width - w) // 2, top + (height - h) // 2
    canvas[y : y + h, x : x + w] = image


def _write(canvas: np.ndarray, text: str, place: tuple[int, int], size: int, anchor: str) -> None:
    x, y = place
    top = max(0, y - 2 * size)
    rows = canvas[top : y + 2 * size]  # higher than any letter
    picture = Image.fromarray(rows)
    ImageDraw.Draw(picture).text((x, y - top), text, INK, _font(size), anchor)
    rows[:] = np.asarray(picture)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # scalable, ships with Pillow


def _even(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 == width % 2 == 0:
        return image
    return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, value=PAPER)
