"""Time of drawing a frame of a segmented video: overlay and legend, and three panels with titles.

    python benchmarks/drawing.py [--width 960] [--height 540] [--rounds 11]

Decoding, the network and encoding are not included. `before` is the plain form: colours by
indexing, channels by a strided copy, a legend drawn for each frame.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from medians import medians, one_thread
from reading import picture, regions

from mmdavss.datasets.label_maps import CITYSCAPES_19
from mmdavss.visualization import draw_grid, draw_legend, overlay, panels

CLASSES = CITYSCAPES_19.classes
PALETTE = np.array(CITYSCAPES_19.palette, np.uint8)


def before(frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rgb = np.ascontiguousarray(frame[..., ::-1])
    table = np.zeros((256, 3), np.uint8)
    table[: len(PALETTE)] = PALETTE
    image = cv2.addWeighted(table[labels], 0.6, rgb, 0.4, 0)
    panels._legend.cache_clear()
    image = np.vstack([image, draw_legend(CLASSES, PALETTE, image.shape[1])])
    return np.ascontiguousarray(image[..., ::-1])


def now(frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    image = overlay(rgb, labels, PALETTE)
    image = np.vstack([image, draw_legend(CLASSES, PALETTE, image.shape[1])])
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--width', type=int, default=960)
    parser.add_argument('--height', type=int, default=540)
    parser.add_argument('--rounds', type=int, default=11)
    args = parser.parse_args()
    one_thread()
    size = args.width, args.height
    frame, labels = picture(*size, 0), regions(*size, len(CLASSES))
    assert np.array_equal(before(frame, labels), now(frame, labels))

    def three() -> None:
        draw_grid(
            [frame, overlay(frame, labels, PALETTE), overlay(frame, labels, PALETTE)],
            ['input', 'one model', 'another'],
            3,
            size,
        )

    times = medians(
        dict(before=lambda: before(frame, labels), now=lambda: now(frame, labels), three=three),
        args.rounds,
    )
    print(
        f'{args.width}x{args.height}: overlay and legend {times["before"]:.1f} ms before, '
        f'{times["now"]:.1f} ms now ({times["now"] / times["before"]:.2f}); '
        f'three panels with titles {times["three"]:.1f} ms'
    )


if __name__ == '__main__':
    main()
