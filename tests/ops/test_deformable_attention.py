"""Deformable sampling against a plain loop over queries, heads, maps and places."""

import torch

from mmdavss.ops import deformable_sampling


def bilinear(of_map, x, y):
    """Value (D,) of a map (h, w, D) at (x, y) in cells, the first centre being 0; 0 outside."""
    height, width, _ = of_map.shape
    total = torch.zeros(of_map.shape[-1], dtype=of_map.dtype)
    left, top = int(x // 1), int(y // 1)
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                total = total + share * of_map[row, column]
    return total


def test_equals_a_loop():
    torch.manual_seed(0)
    sizes, heads, depth, queries, places = [(3, 5), (2, 2)], 2, 3, 4, 2
    cells = sum(height * width for height, width in sizes)
    values = torch.randn(2, cells, heads, depth, dtype=torch.float64)
    locations = torch.rand(2, queries, heads, 2, places, 2, dtype=torch.float64) * 1.4 - 0.2
    weights = torch.randn(2, queries, heads, 2, places, dtype=torch.float64)
    got = deformable_sampling(values, sizes, locations, weights)
    maps = [
        part.unflatten(1, size)
        for part, size in zip(values.split([h * w for h, w in sizes], 1), sizes, strict=True)
    ]
    for n in range(2):
        for q in range(queries):
            for m in range(heads):
                expected = sum(
                    weights[n, q, m, level, p]
                    * bilinear(
                        maps[level][n, :, :, m],
                        float(locations[n, q, m, level, p, 0]) * sizes[level][1] - 0.5,
                        float(locations[n, q, m, level, p, 1]) * sizes[level][0] - 0.5,
                    )
                    for level in range(2)
                    for p in range(places)
                )
                torch.testing.assert_close(got[n, q, depth * m : depth * (m + 1)], expected)


def test_half_precision_is_summed_in_float32():
    values = torch.randn(1, 4, 1, 2).bfloat16()
    locations, weights = torch.rand(1, 3, 1, 1, 2, 2), torch.rand(1, 3, 1, 1, 2)
    got = deformable_sampling(values, [(2, 2)], locations.bfloat16(), weights.bfloat16())
    assert got.dtype == torch.float32
