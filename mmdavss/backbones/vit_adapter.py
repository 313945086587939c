"""ViT-Adapter on DINOv2: maps at four strides, as VFM-UDA++ has them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn

from mmdavss.ops import deformable_sampling

from .dinov2 import DINOv2

#: Parts of the adapter, which files of DINOv2 lack.
ADAPTER = ('level_embed', 'spm', 'interactions', 'up', 'norm1', 'norm2', 'norm3', 'norm4')
#: Places that a query looks at in each map, for each head.
POINTS = 4
#: Widths of the values of deformable attention and of the convolutional feed-forward networks, as
#: shares of the transformer's.
VALUE_RATIO, HIDDEN_RATIO = 0.5, 0.25

Size = tuple[int, int]


def cell_centres(sizes: Sequence[Size], device: torch.device) -> Tensor:
    """Centres (x, y) of the cells of maps, (cells of all, 2), the corners being (0, 0), (1, 1)."""
    centres = []
    for height, width in sizes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        centres.append(torch.stack(torch.meshgrid(x, y, indexing='xy'), -1).flatten(0, 1))
    return torch.cat(centres)


def maps_of(tokens: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
    """Tokens (N, cells of all maps, C) as maps (N, C, h, w)."""
    parts = tokens.transpose(1, 2).split([height * width for height, width in sizes], -1)
    return [part.unflatten(-1, size) for part, size in zip(parts, sizes, strict=True)]


def tokens_of(maps: Sequence[Tensor]) -> Tensor:
    """Inverse of :func:`maps_of`."""
    return torch.cat([of_map.flatten(2) for of_map in maps], -1).transpose(1, 2)


class DeformableAttention(nn.Module):
    """Attention to a few places of each map, which the query chooses (Deformable DETR)."""

    def __init__(self, width: int, heads: int, num_maps: int) -> None:
        super().__init__()
        self.shape = (heads, num_maps, POINTS)
        places, inner = math.prod(self.shape), int(VALUE_RATIO * width)
        self.sampling_offsets = nn.Linear(width, 2 * places)
        self.attention_weights = nn.Linear(width, places)
        self.value_proj = nn.Linear(width, inner)
        self.output_proj = nn.Linear(inner, width)

    def reset(self) -> None:
        """Initially each head looks in a direction of its own, 1 to `POINTS` cells away."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        heads = self.shape[0]
        angles = torch.arange(heads) * (2 * math.pi / heads)
        directions = torch.stack([angles.cos(), angles.sin()], -1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = directions[:, None, None] * torch.arange(1, POINTS + 1)[:, None]
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(steps.expand(*self.shape, 2).flatten())

    def forward(
        self, queries: Tensor, centres: Tensor, cells: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Queries (N, Q, C) at `centres` (Q, 2) look at `cells` (N, S, C) of maps of `sizes`."""
        values = self.value_proj(cells).unflatten(-1, (self.shape[0], -1))
        offsets = self.sampling_offsets(queries).unflatten(-1, (*self.shape, 2))
        weights = self.attention_weights(queries).unflatten(-1, (self.shape[0], -1))
        weights = weights.softmax(-1).unflatten(-1, self.shape[1:])
        # In cells of each map. A tensor of the sizes would have to be copied to the device.
        shares = [
            torch.stack([own[..., 0] / width, own[..., 1] / height], -1)
            for own, (height, width) in zip(offsets.unbind(3), sizes, strict=True)
        ]
        locations = centres[:, None, None, None] + torch.stack(shares, 3)
        joined = deformable_sampling(values, sizes, locations, weights)
        return self.output_proj(joined.to(values.dtype))


class Injector(nn.Module):
    """Patches look at the maps of the adapter."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.feat_norm = nn.LayerNorm(width)
        self.attn = DeformableAttention(width, heads, 3)
        self.gamma = nn.Parameter(torch.zeros(width))

    def forward(self, patches: Tensor, size: Size, cells: Tensor, sizes: Sequence[Size]) -> Tensor:
        centres = cell_centres([size], patches.device)
        seen = self.attn(self.query_norm(patches), centres, self.feat_norm(cells), sizes)
        return patches + self.gamma * seen


class ConvFFN(nn.Module):
    """Feed-forward network with a depthwise convolution of each map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(HIDDEN_RATIO * width)
        self.fc1 = nn.Linear(width, hidden)
        layer = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.dwconv = nn.Sequential(OrderedDict(dwconv=layer))
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, cells: Tensor, sizes: Sequence[Size]) -> Tensor:
        maps = [self.dwconv(of_map) for of_map in maps_of(self.fc1(cells), sizes)]
        return self.fc2(F.gelu(tokens_of(maps)))


class Extractor(nn.Module):
    """Cells of the adapter look at the patches."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.feat_norm = nn.LayerNorm(width)
        self.attn = DeformableAttention(width, heads, 1)
        self.ffn = ConvFFN(width)
        self.ffn_norm = nn.LayerNorm(width)

    def forward(self, cells: Tensor, sizes: Sequence[Size], patches: Tensor, size: Size) -> Tensor:
        centres = cell_centres(sizes, cells.device)
        cells = cells + self.attn(self.query_norm(cells), centres, self.feat_norm(patches), [size])
        return cells + self.ffn(self.ffn_norm(cells), sizes)


class Interaction(nn.Module):
    """What the adapter does around a quarter of the blocks: injects before, extracts behind."""

    def __init__(self, width: int, heads: int, last: bool) -> None:
        super().__init__()
        self.injector = Injector(width, heads)
        self.extractor = Extractor(width, heads)
        self.extra_extractors = nn.ModuleList(Extractor(width, heads) for _ in range(2 * last))

    def forward(
        self,
        tokens: Tensor,
        size: Size,
        cells: Tensor,
        sizes: Sequence[Size],
        blocks: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        patches = self.injector(tokens[:, 1:], size, cells, sizes)
        tokens = blocks(torch.cat([tokens[:, :1], patches], 1))
        for extractor in (self.extractor, *self.extra_extractors):
            cells = extractor(cells, sizes, tokens[:, 1:], size)
        return tokens, cells


class SpatialPrior(nn.Module):
    """A small convolutional network: maps (N, C, h, w) at strides 4, 8, 16 and 32."""

    def __init__(self, width: int, channels: int, norm_cfg: ConfigType) -> None:
        super().__init__()

        def layer(given: int, made: int, stride: int) -> list[nn.Module]:
            conv = nn.Conv2d(given, made, 3, stride, padding=1, bias=False)
            return [conv, build_norm_layer(norm_cfg, made)[1], nn.ReLU(inplace=True)]

        self.stem = nn.Sequential(
            *layer(3, channels, 2),
            *layer(channels, channels, 1),
            *layer(channels, channels, 1),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.conv2 = nn.Sequential(*layer(channels, 2 * channels, 2))
        self.conv3 = nn.Sequential(*layer(2 * channels, 4 * channels, 2))
        self.conv4 = nn.Sequential(*layer(4 * channels, 4 * channels, 2))
        self.fc1 = nn.Conv2d(channels, width, 1)
        self.fc2 = nn.Conv2d(2 * channels, width, 1)
        self.fc3 = nn.Conv2d(4 * channels, width, 1)
        self.fc4 = nn.Conv2d(4 * channels, width, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [self.stem(images)]
        for conv in (self.conv2, self.conv3, self.conv4):
            maps.append(conv(maps[-1]))
        layers = (self.fc1, self.fc2, self.fc3, self.fc4)
        return [layer(own) for layer, own in zip(layers, maps, strict=True)]


@MODELS.register_module()
class DINOv2Adapter(DINOv2):
    """ViT-Adapter (Chen et al., ICLR 2023) on DINOv2, as in VFM-UDA++ (Englert et al., 2025).

    A convolutional network beside the transformer, with which it exchanges features four times.
    Maps are at strides 4, 8, 16 and 32 of the images at `input_scale`. Names of weights are those
    of VFM-UDA++, whose adapters pretrained on ImageNet load; with weights of DINOv2 the adapter
    starts as it is drawn.

    Args:
        arch: As of :class:`DINOv2`; a number of blocks that is a multiple of 4.
        channels: Width of the convolutional network.
        norm_cfg: Config of its norm layers; by default, batch norm as published. The release's is
            synchronised: ``sync_bn='torch'`` in a config.
        input_scale: As of :class:`DINOv2`.
        with_cp: As of :class:`DINOv2`.
        init_cfg: As of :class:`DINOv2`.

    Raises:
        ValueError: For an unknown `arch`, or a number of blocks that does not divide.
    """

    register_advice = 'take weights without registers, whose names lack reg4'

    def __init__(
        self,
        arch: str | Sequence[int] = 'base',
        channels: int = 64,
        norm_cfg: ConfigType | None = None,
        input_scale: float = 1.0,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            arch, final_norm=False, input_scale=input_scale, with_cp=with_cp, init_cfg=init_cfg
        )
        width = self.embed_dims
        norm_cfg = norm_cfg or dict(type='BN', momentum=0.01)
        if len(self.blocks) % 4:
            raise ValueError(
                f'{type(self).__name__}: the number of blocks ({len(self.blocks)}) must be a '
                'multiple of 4.'
            )
        self.level_embed = nn.Parameter(torch.zeros(3, width))
        self.spm = SpatialPrior(width, channels, norm_cfg)
        self.interactions = nn.ModuleList(
            Interaction(width, self.num_heads, number == 3) for number in range(4)
        )
        self.up = nn.ConvTranspose2d(width, width, 2, 2)
        for number in range(1, 5):
            self.add_module(f'norm{number}', build_norm_layer(norm_cfg, width)[1])
        self._draw()

    def _draw(self) -> None:
        """Initial weights of the adapter, as published."""
        nn.init.normal_(self.level_embed)
        for module in [self.up, *self.spm.modules(), *self.interactions.modules()]:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                fan = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan))
            if isinstance(getattr(module, 'bias', None), Tensor):
                nn.init.zeros_(cast(Tensor, module.bias))
        for module in self.interactions.modules():
            if isinstance(module, DeformableAttention):
                module.reset()

    def is_new(self, name: str) -> bool:
        return name.partition('.')[0] in ADAPTER

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to four maps (N, C, h, w)."""
        images = self.resized(images)
        first, *maps = self.spm(images)
        sizes = [(own.shape[-2], own.shape[-1]) for own in maps]
        cells = tokens_of(
            [own + level[:, None, None] for own, level in zip(maps, self.level_embed, strict=True)]
        )
        tokens, size = self.tokens(images)
        seen, quarter = [], len(self.blocks) // 4
        for number, interaction in enumerate(self.interactions):
            own = self.blocks[number * quarter : (number + 1) * quarter]

            def blocks(tokens: Tensor, own: nn.ModuleList = own) -> Tensor:
                for block in own:
                    tokens = self.run(block, tokens)
                return tokens

            tokens, cells = interaction(tokens, size, cells, sizes, blocks)
            seen += maps_of(tokens[:, 1:], [size])
        maps = maps_of(cells, sizes)
        height, width = first.shape[-2:]
        # Of sides that are no multiple of 8 the larger map is a row or column short.
        maps = [first + self.up(maps[0])[..., :height, :width], *maps]
        norms = [getattr(self, f'norm{number}') for number in range(1, 5)]
        return tuple(
            norm(own + F.interpolate(patches, own.shape[-2:], mode='bilinear', align_corners=False))
            for norm, own, patches in zip(norms, maps, seen, strict=True)
        )
