"""Optical flow of consecutive frames in the colours of the wheel: a row for each frame, columns
for the image, each flow provider, and the flow branch of each checkpoint that has one (as SFC's).

The frames are those of the config's test_dataloader, from the second one of a sequence on; the flow
goes from each frame to the one before it, at the size of the frames; all pictures share one scale,
that of the wheel. The csv has the mean length of each flow in pixels and how far the frame before,
warped along it, is from the frame: the mean absolute difference of grey values (0 to 255) where the
flow stays in the image, beside that without any flow.

    python tools/analysis/flow.py CONFIG --providers DISFlowEstimator --first 8 --count 3
    python tools/analysis/flow.py CONFIG CHECKPOINT CHECKPOINT --names source-only SFC
    python tools/analysis/flow.py CONFIG --providers DISFlowEstimator "exact=PrecomputedFlow(
        root='data/flow', frame_root='data/frames', template='{folder}/{stem}__{stem_b}.flo')"
"""

from __future__ import annotations

import argparse
import ast

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

from mmdavss.cli.analysis import (
    IMAGES,
    CheckpointParser,
    VideoFrame,
    add_frame_arguments,
    models,
    read_config,
    run,
    save_image,
    video_frames,
)
from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.launch.config_file import check_part, type_name
from mmdavss.methods.base import BaseAdapter
from mmdavss.ops import backward_warp, resize_flow
from mmdavss.utils.errors import UserError
from mmdavss.visualization import draw_flow, draw_grid, draw_wheel
from mmdavss.visualization.panels import PAPER

Pair = tuple[VideoFrame, VideoFrame]


def provider(text: str) -> tuple[str, dict]:
    """Title and config of ``NAME`` or ``NAME(key=value, ...)``, with or without ``TITLE=``."""
    title, equals, rest = text.strip().partition('=')
    if not (equals and title.isidentifier()):
        title, rest = '', text.strip()
    try:
        node = ast.parse(rest, mode='eval').body
        if isinstance(node, ast.Name):
            return title or node.id, dict(type=node.id)
        if isinstance(node, ast.Call) and not node.args:
            return title or node.func.id, dict(
                type=node.func.id, **{key.arg: ast.literal_eval(key.value) for key in node.keywords}
            )
    except (AttributeError, SyntaxError, ValueError):
        pass
    raise argparse.ArgumentTypeError(
        f'{text!r} is neither NAME nor NAME(key=value, ...), with text values in quotes'
    )


@torch.no_grad()
def branch_flow(model: BaseAdapter, pipeline: Compose, pair: Pair) -> np.ndarray:
    """Flow (H, W, 2) of a net's own branch, at the size of the frames."""
    current, previous = pair
    paths = [previous.path, current.path]
    data = pipeline(dict(frame_paths=paths, img_path=paths[-1], seg_fields=[]))
    batch = model.data_preprocessor(pseudo_collate([data]), False)
    frames, (sample,) = batch['inputs'].frames, batch['data_samples']
    flow = model.net.estimate_flow(frames)[:, -1]
    if any(sample.metainfo.get('img_padding_size', ())):
        height, width = sample.img_shape[:2]
        flow = resize_flow(flow, frames.shape[-2:])[..., :height, :width]
    size = tuple(sample.ori_shape[:2])
    return resize_flow(flow.float(), size)[0].permute(1, 2, 0).cpu().numpy()


def branches(
    cfg: Config, args: argparse.Namespace, pairs: list[Pair]
) -> dict[str, list[np.ndarray]]:
    """Flows of all checkpoints.

    Raises:
        UserError: If the network has no flow branch.
    """
    options = cfg.test_dataloader.dataset
    steps = [step for step in options.pipeline if type_name(step) not in ('LoadFlow', *LABEL_STEPS)]
    dataset = DATASETS.build(dict(options, lazy_init=True, pipeline=steps))
    flows = {}
    for name, model in models(cfg, args, dataset.metainfo):
        if getattr(model.net, 'flow_net', None) is None:
            raise UserError(
                f'{args.config}: model.student ({type(model.net).__name__}) has no '
                'flow branch (flow_net): its checkpoints have no flow to show. Call '
                'this without checkpoints for the flow of --providers'
            )
        flows[name] = [branch_flow(model, dataset.pipeline, pair) for pair in pairs]
    return flows


def warp_error(flow: np.ndarray, image: np.ndarray, previous: np.ndarray) -> float:
    """Mean absolute grey difference of a frame and the one before it, warped."""
    grey, before = (
        torch.tensor(cv2.cvtColor(im, cv2.COLOR_BGR2GRAY))[None, None].double()
        for im in (image, previous)
    )
    field = torch.tensor(flow).permute(2, 0, 1)[None].double()
    warped, inside = backward_warp(before, field, return_mask=True)
    return (warped - grey).abs()[inside].mean().item()


def centred(image: np.ndarray, width: int) -> np.ndarray:
    """An image (H, W, 3) in the middle of paper that is `width` pixels wide."""
    left, odd = divmod(width - image.shape[1], 2)
    return cv2.copyMakeBorder(image, 0, 0, left, left + odd, cv2.BORDER_CONSTANT, value=PAPER)


def main() -> None:
    parser = CheckpointParser(__doc__, 'work_dirs/flow.png', optional=True, suffixes=IMAGES)
    add_frame_arguments(parser, 2, 'the second')
    parser.add_argument(
        '--providers',
        nargs='*',
        type=provider,
        default=[provider('DISFlowEstimator')],
        metavar='[TITLE=]PROVIDER',
        help='registered flow providers (DISFlowEstimator)',
    )
    parser.add_argument(
        '--longest',
        type=float,
        metavar='PIXELS',
        help='flow of full colour (default: only 1 %% of all pixels have more)',
    )
    parser.add_argument('--width', type=int, default=384, help='width of a panel, pixels (384)')
    args = parser.parse_args()
    if not args.providers and not args.checkpoints:
        parser.error('neither checkpoints nor --providers')
    if args.width < 32 or (args.longest is not None and args.longest <= 0):
        parser.error('--width must be 32 or more, --longest positive')
    titles = [title for title, _ in args.providers] + args.names
    if len(set(titles)) < len(titles):
        parser.error(f'{", ".join(titles)}: give each its own title (--names, TITLE=PROVIDER)')
    cfg = read_config(args)
    for _, options in args.providers:
        check_part(MODELS, options, '--providers')
    frames, chosen = video_frames(cfg, args, before=1, needed=1)
    pairs = [(frames[i], frames[i - 1]) for i in chosen]
    images = [tuple(read_image(frame.path) for frame in pair) for pair in pairs]
    # First: a checkpoint that does not fit is found before anything is computed for the providers.
    by_branches = branches(cfg, args, pairs)
    flows: dict[str, list[np.ndarray]] = {}
    for title, options in args.providers:
        estimator = MODELS.build(options).to(args.device)
        flows[title] = [
            estimator.estimate_numpy(*image, *(frame.path for frame in pair))
            for image, pair in zip(images, pairs, strict=True)
        ]
    flows |= by_branches
    longest = args.longest or float(
        np.nanpercentile(
            np.concatenate(
                [np.linalg.norm(flow, axis=-1).ravel() for own in flows.values() for flow in own]
            ),
            99,
        )
    )
    longest = max(longest, 1e-3)
    panels, rows = [], []
    for number, ((frame, _), (image, previous)) in enumerate(zip(pairs, images, strict=True)):
        panels.append(image[..., ::-1])
        rows.append(
            [
                'no flow',
                frame.path,
                0.0,
                warp_error(np.zeros((*image.shape[:2], 2)), image, previous),
            ]
        )
        for name, own in flows.items():
            panels.append(draw_flow(own[number], longest))
            rows.append(
                [
                    name,
                    frame.path,
                    float(np.nanmean(np.linalg.norm(own[number], axis=-1))),
                    warp_error(own[number], image, previous),
                ]
            )
    height = round(args.width * image.shape[0] / image.shape[1])
    grid = draw_grid(panels, ['image', *flows], len(flows) + 1, (args.width, height))
    wheel = draw_grid([draw_wheel(96)], [f'{longest:.1f} pixels at the rim'], 1, (240, 96))
    width = max(grid.shape[1], wheel.shape[1])
    save_image(
        np.vstack([centred(part, width) for part in (grid, wheel)]),
        args.out,
        ['flow', 'frame', 'mean length', 'warping error'],
        rows,
    )


if __name__ == '__main__':
    run(main)
