"""Connected components, against a search pixel by pixel."""

import pytest
import torch

from mmdavss.ops import connected_components


def searched(labels: list[list[int]]) -> list[int]:
    """The first pixel of each pixel's component, by a flood from each pixel that has none."""
    height, width = len(labels), len(labels[0])
    found = [-1] * (height * width)
    for start in range(height * width):
        if found[start] >= 0:
            continue
        found[start] = start
        border = [start]
        while border:
            y, x = divmod(border.pop(), width)
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if found[v * width + u] < 0 and labels[v][u] == labels[y][x]:
                        found[v * width + u] = start
                        border.append(v * width + u)
    return found


def spiral(size: int) -> torch.Tensor:
    """A path one pixel wide, about half as long as the image has pixels."""
    labels = torch.zeros(size, size, dtype=torch.int64)
    top, left, bottom, right = 0, 0, size - 1, size - 1
    while top <= bottom and left <= right:
        labels[top, max(left - 2, 0) : right + 1] = 1
        labels[top : bottom + 1, right] = 1
        labels[bottom, left : right + 1] = 1
        labels[top + 2 : bottom + 1, left] = 1
        top, left, bottom, right = top + 2, left + 2, bottom - 2, right - 2
    return labels


@pytest.mark.parametrize('values', [1, 2, 3, 5, 40])
@pytest.mark.parametrize('size', [(1, 1), (1, 9), (7, 1), (13, 22)])
def test_equals_a_search(values, size):
    labels = torch.randint(values, (3, *size), generator=torch.Generator().manual_seed(values))
    labels[0, 0] = 255
    assert connected_components(labels).tolist() == [searched(one) for one in labels.tolist()]


def test_winding_components_are_found_whole():
    one = spiral(33)
    # Its turns touch nowhere: it is one path from the corner to the middle.
    labels = torch.stack([one, one.flip(0), one.T, one.flip(0, 1)])
    found = connected_components(labels)
    assert found.tolist() == [searched(own) for own in labels.tolist()]
    assert len(found[0][one.flatten() == 1].unique()) == 1
    assert one.sum() > 33 * 33 / 2 - 33


def test_a_snake_of_numbers_that_rise_and_fall():
    """A chain in which many neighbours choose each other."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(1, 31, 31, dtype=torch.int64)
    labels[:, ::2] = 1
    for row in range(1, 31, 2):
        labels[0, row, -1 if row % 4 == 1 else 0] = 1
    labels[0, 8, torch.randint(31, (3,), generator=generator)] = 2
    assert connected_components(labels)[0].tolist() == searched(labels[0].tolist())
