"""SFM's error against the share of wrong labels, to test the premise of SFC.

    python benchmarks/sfm_corruption.py --config configs/sfc/sfm_miniviper.py \
        --checkpoint work_dirs/sfc/sfm_miniviper/iter_600.pth

SFM is given the labels of MiniDrive's VIPER validation frames, in which a growing share of blocks
has the labels of another clip: in each frame separately, as in predictions that flicker, or the
same blocks with the same wrong labels in both frames, as in predictions that are always wrong. Its
flow is compared with the exact one at pixels visible in both frames. MiniDrive's frames with flow
are written to --data if they do not exist. Prints a table and draws docs/images/sfc_corruption.png.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from torch import Tensor

import mmdavss  # noqa: F401
from mmdavss.losses import flow_epe
from mmdavss.methods.sfc import load_sfm
from mmdavss.minidrive.generate import PRESETS, generate
from mmdavss.modules import label_regions
from mmdavss.ops import backward_warp, resize_flow

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402

#: Kinds of corruption.
KINDS = {'each frame separately': True, 'the same in both frames': False}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', required=True, help='of SFMPretraining')
    parser.add_argument('--checkpoint', required=True, help='of SFMPretraining')
    parser.add_argument('--data', type=Path, default=Path('data/minidrive_viper_flow'))
    parser.add_argument('--size', type=int, nargs=2, default=(192, 108), metavar=('W', 'H'))
    parser.add_argument('--block', type=int, default=12, help='side of a block, pixels')
    parser.add_argument('--steps', type=int, default=6, help='shares from 0 to 1')
    parser.add_argument('--out', type=Path, default=Path('docs/images/sfc_corruption.png'))
    return parser.parse_args()


def load_clips(
    root: Path, size: tuple[int, int], preprocessor: torch.nn.Module
) -> tuple[Tensor, Tensor, Tensor]:
    """Images (M, 2, 3, H, W), labels (M, 2, H, W) and exact flow (M, 2, H, W) of all pairs."""
    settings = dataclasses.replace(
        PRESETS['demo'],
        viper=0,
        synthia=0,
        cityscapes=0,
        cityscapes_val=0,
        gta=0,
        synthia_rand=0,
        cityscapes_vps=0,
        cityscapes_vps_val=0,
        camvid=0,
        flow=True,
    )
    generate(root, settings)
    flow = dict(
        type='PrecomputedFlow',
        root=str(root / 'viper/flow'),
        frame_root=str(root / 'viper'),
        template='{folder}/{stem}__{stem_b}.flo',
    )
    dataset = DATASETS.build(
        dict(
            type='ViperSeqDataset',
            data_root=str(root / 'viper'),
            split='val',
            label_clips=True,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                dict(type='LoadFlow', provider=flow),
                dict(type='ClipResize', scale=tuple(size)),
                dict(type='PackClipInputs'),
            ],
        )
    )
    # A first frame is its own previous one.
    items = [
        item
        for item in map(dataset.__getitem__, range(len(dataset)))
        if len(set(item['data_samples'].frame_paths)) == 2
    ]
    data = preprocessor(pseudo_collate(items))
    labels = torch.stack([item['data_samples'].gt_clip_seg.data for item in items])
    return data['inputs'].raw, labels, data['inputs'].flow[:, 0]


def corrupt(
    labels: Tensor, share: float, block: int, independent: bool, generator: torch.Generator
) -> Tensor:
    """Labels (M, 2, H, W) in which a share of blocks comes from another clip."""
    count, frames, height, width = labels.shape
    grid = (count, frames if independent else 1, -(-height // block), -(-width // block))
    wrong = torch.rand(grid, generator=generator) < share
    wrong = wrong.repeat_interleave(block, 2).repeat_interleave(block, 3)[..., :height, :width]
    # A frame of another clip; for both frames the same one.
    shift = torch.randint(count // 4, 3 * count // 4, grid[:2], generator=generator)
    others = (torch.arange(count)[:, None] + shift) % count
    other = labels[others, torch.arange(grid[1])]
    # Unlabelled pixels stay unlabelled.
    return torch.where(wrong & (labels != 255) & (other != 255), other, labels)


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    init_default_scope('mmseg')
    # Neither the FlowNet nor SFM's initial weights are needed.
    cfg.model.flow = None
    cfg.model.sfm.flow_net.pop('checkpoint', None)
    model = MODELS.build(cfg.model).eval()
    load_sfm(model.sfm, args.checkpoint)
    images, labels, flow = load_clips(args.data, args.size, model.data_preprocessor)
    generator = torch.Generator().manual_seed(0)

    def errors(current: Tensor) -> tuple[float, float]:
        """Mean EPE of SFM, and of a flow of zero."""
        total = torch.zeros(2)
        for i in range(len(images)):
            regions = [label_regions(current[i : i + 1, t], model.num_classes) for t in (1, 0)]
            own = model.sfm(images[i : i + 1, 1], images[i : i + 1, 0], *regions)
            exact = resize_flow(flow[i : i + 1], own.shape[-2:])
            valid = F.interpolate(labels[i : i + 1, 1:].float(), own.shape[-2:])[:, 0] != 255
            inside = backward_warp(torch.ones_like(exact), exact)[:, 0] > 0.99
            total += torch.stack(
                [flow_epe(f, exact, valid & inside) for f in (own, torch.zeros_like(own))]
            )
        return tuple((total / len(images)).tolist())

    figure, axes = pyplot.subplots(figsize=(6, 4), layout='constrained')
    print(f'{len(images)} pairs; EPE in pixels of the flow, a quarter of the frames')
    print('| labels | wrong pixels | EPE | EPE of zero |\n|---|---|---|---|')
    for kind, independent in KINDS.items():
        points = []
        with torch.no_grad():
            for step in range(args.steps):
                given = corrupt(labels, step / (args.steps - 1), args.block, independent, generator)
                share = (given != labels)[labels != 255].float().mean().item()
                epe, zero = errors(given)
                points.append((share, epe))
                print(f'| {kind} | {share:.1%} | {epe:.3f} | {zero:.3f} |', flush=True)
        axes.plot(*zip(*points, strict=True), marker='o', label=f'wrong: {kind}')
    axes.axhline(zero, color='grey', linestyle='--', label='flow of zero')
    axes.set(
        xlabel='share of wrong labels',
        ylabel='EPE of the segmentation-based flow, pixels',
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
