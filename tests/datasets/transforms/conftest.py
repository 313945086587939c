"""A clip as it is after loading."""

import numpy as np
import pytest


@pytest.fixture
def clip():
    """Two 16 x 24 frames, the later one 2 px further right and 1 px up, label and flow."""
    rng = np.random.default_rng(0)
    world = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    previous, current = world[10:26, 10:34], world[11:27, 8:32]
    # current(p) = previous(p + flow): u = -2, v = 1.
    flow = np.zeros((16, 24, 2), np.float32) + np.array([-2, 1], np.float32)
    label = rng.integers(0, 5, (16, 24)).astype(np.uint8)
    return dict(
        imgs=[previous.copy(), current.copy()],
        flows=[flow],
        gt_seg_map=label,
        seg_fields=['gt_seg_map'],
        frame_paths=['a/1.png', 'a/2.png'],
        img_path='a/2.png',
        img_shape=(16, 24),
        ori_shape=(16, 24),
    )


def agree(results):
    """Share of the pixels of the current frame that the flow finds in the previous one."""
    (previous, current), flow = results['imgs'], results['flows'][0]
    height, width = current.shape[:2]
    hits = total = 0
    for y in range(height):
        for x in range(width):
            u, v = np.round(flow[y, x]).astype(int)
            if 0 <= x + u < width and 0 <= y + v < height:
                total += 1
                hits += (previous[y + v, x + u] == current[y, x]).all()
    assert total > 0
    return hits / total


@pytest.fixture(name='agree')
def agree_fixture():
    return agree
