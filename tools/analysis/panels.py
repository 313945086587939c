"""Predictions of one or several checkpoints on consecutive frames: a row for each frame, columns
for the image, its label if there is one, and each checkpoint.

The frames are those of the config's test_dataloader; every checkpoint processes them as a video,
with as many earlier frames as its network uses. For each frame and checkpoint, the csv has the
share of labelled pixels that are correct, and the share of all pixels that keep the class of the
previous frame.

    python tools/analysis/panels.py CONFIG CHECKPOINT [CHECKPOINT ...] --names source-only STPL \
        --sequence 0401 --first 9 --count 4 --out work_dirs/panels.png
"""

from __future__ import annotations

import numpy as np

from mmdavss.cli.analysis import (
    IMAGES,
    CheckpointParser,
    add_frame_arguments,
    check_checkpoints,
    read_config,
    run,
    save_image,
    video_frames,
)
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.datasets.transforms.loading import read_image, read_label
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.utils.progress import progress
from mmdavss.visualization import draw_grid, overlay, with_legend


def main() -> None:
    parser = CheckpointParser(__doc__, 'work_dirs/panels.png', suffixes=IMAGES)
    add_frame_arguments(parser)
    parser.add_argument('--width', type=int, default=384, help='width of a panel, pixels (384)')
    parser.add_argument('--opacity', type=float, default=0.75, help='opacity of the classes (0.75)')
    args = parser.parse_args()
    if not 0 <= args.opacity <= 1 or args.width < 32:
        parser.error('--opacity must be from 0 to 1, --width 32 or more')
    cfg = read_config(args)
    check_checkpoints(cfg, args)
    columns, rows, frames = [], [], []
    for name, checkpoint in zip(args.names, args.checkpoints, strict=True):
        segment = VideoSegmenter(cfg, checkpoint, args.device)
        # The frame before the first one gets its whole clip, too: it is compared with that one.
        reach = (segment.clip_length - 1) * segment.frame_distance
        frames, chosen = video_frames(cfg, args, before=1, reach=reach)
        predicted = segment([frame.path for frame in frames], [frame.number for frame in frames])
        maps = list(progress(name, predicted, len(frames)))
        columns.append([maps[i] for i in chosen])
        for i in chosen:
            right = None
            if frames[i].label is not None:
                truth = read_label(*frames[i].label)
                right = float((maps[i] == truth)[truth != IGNORE].mean())
            same = None if i == 0 else float((maps[i] == maps[i - 1]).mean())
            rows.append([name, frames[i].path, right, same])
    shown = [frames[i] for i in chosen]
    labelled = any(frame.label is not None for frame in shown)
    panels = []
    for number, frame in enumerate(shown):
        image = read_image(frame.path)[..., ::-1]
        panels.append(image)
        if labelled:
            panels.append(
                np.full_like(image, 255)
                if frame.label is None
                else overlay(image, read_label(*frame.label), segment.palette, args.opacity)
            )
        panels += [
            overlay(image, column[number], segment.palette, args.opacity) for column in columns
        ]
    titles = ['image', *(['label'] if labelled else []), *args.names]
    height = round(args.width * image.shape[0] / image.shape[1])
    grid = draw_grid(panels, titles, len(titles), (args.width, height))
    save_image(
        with_legend(grid, segment.classes, segment.palette, max(14, args.width // 20)),
        args.out,
        ['name', 'frame', 'right', 'as in the frame before'],
        rows,
    )


if __name__ == '__main__':
    run(main)
