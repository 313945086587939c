"""DINOv2's vision transformer, for weights that the user has."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule, PretrainedInit
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmdavss.ops import at_least_float32
from mmdavss.utils.checkpoints import CheckpointError, read_weights

#: Width, number of blocks and heads of the published networks.
ARCHS = {
    'small': (384, 12, 6),
    'base': (768, 12, 12),
    'large': (1024, 24, 16),
}
PATCH = 14
#: Patches along a side of the images of 518x518 that the position embeddings are of.
GRID = 37
#: The rest of a checkpoint: what VFM-UDA++ puts before all names, and what only pretraining needs.
PREFIX = 'network.encoder.'
LEFT_OUT = re.compile(r'mask_token$|(?:.*\.)?head\.')
SOURCE = 'https://github.com/facebookresearch/dinov2'


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


class Attention(nn.Module):
    """Self-attention of tokens (N, L, C), without the (L, L) maps in memory."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        joined = F.scaled_dot_product_attention(query, key, value)
        return self.proj(joined.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A transformer block with the names of DINOv2's weights.

    mmseg's ``TransformerEncoderLayer`` lacks the two layer scales, and mmcv's attention builds a
    map of all pairs of tokens: 0.7 GB for an image of 1120x1120 and each layer of ViT-L.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        layers = dict(fc1=nn.Linear(width, 4 * width), act=nn.GELU())
        self.mlp = nn.Sequential(OrderedDict(layers, fc2=nn.Linear(4 * width, width)))
        self.ls2 = LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


@MODELS.register_module()
class DINOv2(BaseModule):
    """Vision transformer of DINOv2 (Oquab et al., TMLR 2024): patches of 14 pixels, layer scale.

    Names of weights are the official ones: ``init_cfg=dict(type='Pretrained', checkpoint=FILE)``
    takes ``dinov2_vitb14_pretrain.pth`` and the like as they are. Images are RGB, normalised by
    ImageNet's mean and deviation, of any size: they are resized to whole patches.

    Args:
        arch: ``small``, ``base`` or ``large``; or (width, number of blocks, heads).
        num_registers: Register tokens: 4 for weights named ``reg4``, else 0.
        out_indices: Blocks whose tokens are maps of the output, in the order of the blocks; -1 for
            the last one.
        final_norm: Whether the maps are those behind the last layer norm.
        input_scale: Factor by which images are resized, to the nearest whole patches: 1.09375 (35
            / 32) makes 1024 pixels 1120.
        with_cp: Whether activations of the blocks are recomputed in the backward pass.
        init_cfg: Where the weights come from.

    Raises:
        ValueError: For an unknown `arch`, a block that is not there, or weights of several files.
    """

    #: What to do about weights with another number of register tokens.
    register_advice = 'set `num_registers`'

    def __init__(
        self,
        arch: str | Sequence[int] = 'base',
        num_registers: int = 0,
        out_indices: Sequence[int] = (-1,),
        final_norm: bool = True,
        input_scale: float = 1.0,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for start in init_cfg if isinstance(init_cfg, list) else [init_cfg or {}]:
            if start.get('type') in ('Pretrained', PretrainedInit) and (
                start is not init_cfg or {*start} != {'type', 'checkpoint'}
            ):
                raise ValueError(
                    f'{type(self).__name__}: init_cfg={init_cfg} must be '
                    "dict(type='Pretrained', checkpoint=FILE): the file is checked as a whole."
                )
        if isinstance(arch, str) and arch not in ARCHS:
            raise ValueError(f'{type(self).__name__}: arch={arch!r} is not one of {(*ARCHS,)}.')
        width, depth, heads = ARCHS[arch] if isinstance(arch, str) else arch
        self.embed_dims = width
        self.num_heads = heads
        self.num_registers = num_registers
        if wrong := [index for index in out_indices if not -depth <= index < depth]:
            raise ValueError(
                f'{type(self).__name__}: out_indices={wrong} are no blocks: there are {depth}.'
            )
        self.out_indices = sorted({index % depth for index in out_indices})
        self.input_scale = input_scale
        self.with_cp = with_cp
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID**2, width))
        if num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, width))
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, PATCH, PATCH)))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6) if final_norm else nn.Identity()
        # Drawn as by DINOv2 before its training; only tests use random weights.
        for token in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(token, std=0.02)

    def init_weights(self) -> None:
        """Loads the weights, if `init_cfg` names some.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If it is not of this network.
        """
        config = self.init_cfg
        if isinstance(config, Mapping) and config['type'] in ('Pretrained', PretrainedInit):
            self._load(config['checkpoint'])
        else:
            super().init_weights()

    def _load(self, path: str) -> None:
        """Loads weights in the official layout, or of VFM-UDA++'s encoder."""
        kind = type(self).__name__
        given = {
            name.removeprefix(PREFIX): value
            for name, value in read_weights(
                path,
                f'{kind}: its weights {path!r} do not exist. Download them ({SOURCE}, "Pretrained '
                'backbones"), or set init_cfg.checkpoint of the backbone to where you have them.',
            ).items()
        }
        given = {name: value for name, value in given.items() if not LEFT_OUT.match(name)}
        patches = given.get('patch_embed.proj.weight')
        if patches is None or patches.ndim != 4:
            raise CheckpointError(
                f'{path} is not of DINOv2: it has no patch_embed.proj.weight, but such as '
                f'{next(iter(given), None)!r}. {kind} takes files of {SOURCE}.'
            )
        if patches.shape[-2:] != (PATCH, PATCH):
            raise CheckpointError(
                f'{path} is of patches of {patches.shape[-1]}x{patches.shape[-2]} pixels, and '
                f'{kind} has {PATCH}x{PATCH}: take a file named vits14, vitb14 or vitl14.'
            )
        # Of a frozen network the state is empty, so that it is in no checkpoint.
        own = dict((*self.named_parameters(), *self.named_buffers()))
        new = not any(self.is_new(name) for name in given)
        wrong = [
            name
            for name, value in own.items()
            if (name in given and given[name].shape != value.shape)
            or (name not in given and not (new and self.is_new(name)))
        ]
        # The adapter does without the last layer norm.
        wrong += [name for name in given if name not in own and not name.startswith('norm.')]
        if wrong:
            width, depth = patches.shape[0], sum(n.endswith('.ls1.gamma') for n in given)
            registers = _registers(given)
            if (width, depth) != (self.embed_dims, len(self.blocks)):
                advice = 'set `arch`'
            elif registers == self.num_registers:
                shapes = (
                    'none' if weight is None else 'x'.join(map(str, weight.shape))
                    for weight in (given.get(wrong[0]), own.get(wrong[0]))
                )
                advice = 'of that tensor they have {} and {}'.format(*shapes)
            else:
                advice = self.register_advice
            raise CheckpointError(
                f'{path} does not fit {kind}: {len(wrong)} tensors are missing, have another shape '
                f'or no place, such as {wrong[0]!r}. It is of width {width} with {depth} blocks '
                f'and {registers} registers; the config has {self.embed_dims}, '
                f'{len(self.blocks)} and {self.num_registers}: {advice}.'
            )
        if any(self.is_new(name) for name in own.keys() - given.keys()):
            print_log(
                f'{path} has no adapter: that of {kind} starts as it was drawn.',
                logger='current',
                level=logging.WARNING,
            )
        self.load_state_dict(given, strict=False)

    def is_new(self, name: str) -> bool:
        """Whether a weight belongs to a part that files may lack as a whole; none here."""
        return False

    def blocks_behind(self, name: str) -> int | None:
        """Number of blocks that are nearer to the output than a parameter of the transformer.

        Args:
            name: Of the parameter.

        Returns:
            0 for the last block and the norm behind it; the number of all blocks for what makes
            the tokens; None for parts that are not the transformer's.
        """
        part, _, rest = name.partition('.')
        if part == 'blocks':
            return len(self.blocks) - 1 - int(rest.split('.')[0])
        if part == 'norm':
            return 0
        stems = ('cls_token', 'pos_embed', 'register_tokens', 'patch_embed')
        return len(self.blocks) if part in stems else None

    def resized(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) at `input_scale`, in whole patches."""
        height, width = (
            PATCH * max(1, round(self.input_scale * side / PATCH)) for side in images.shape[-2:]
        )
        if images.shape[-2:] == (height, width):
            return images
        return F.interpolate(images, (height, width), mode='bilinear', align_corners=False)

    def tokens(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """What the first block sees.

        Args:
            images: (N, 3, H, W), in whole patches.

        Returns:
            (N, 1 + registers + h * w, C), the class token, the registers and the patches, row by
            row; and (h, w).
        """
        patches = self.patch_embed(images)
        size = patches.shape[-2], patches.shape[-1]
        places = self.pos_embed[:, 1:] if size == (GRID, GRID) else self._positions(size)
        tokens = patches.flatten(2).transpose(1, 2) + places
        first = [self.cls_token + self.pos_embed[:, :1]]
        if self.num_registers:
            first.append(self.register_tokens)
        first = [token.expand(len(tokens), -1, -1).to(tokens.dtype) for token in first]
        return torch.cat([*first, tokens], 1), size

    def _positions(self, size: tuple[int, int]) -> Tensor:
        """Position embeddings (1, h * w, C) of another grid.

        As DINOv2: of networks without registers the ratio of the grids is a tenth of a patch too
        large; with registers it is exact, and what shrinks is smoothed.
        """
        grid = at_least_float32(self.pos_embed)[:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))
        if self.num_registers:
            grid = F.interpolate(grid, size, mode='bicubic', antialias=True)
        else:
            ratios = [(side + 0.1) / GRID for side in size]
            grid = F.interpolate(grid, scale_factor=ratios, mode='bicubic')
        return grid.flatten(2).transpose(1, 2).to(self.pos_embed.dtype)

    def run(self, block: nn.Module, tokens: Tensor) -> Tensor:
        """Runs a block; with `with_cp` its activations are recomputed in the backward pass."""
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(block, tokens, use_reentrant=False)
        return block(tokens)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to maps (N, C, h, w) with a cell for each patch."""
        tokens, size = self.tokens(self.resized(images))
        maps = []
        for number, block in enumerate(self.blocks):
            tokens = self.run(block, tokens)
            if number in self.out_indices:
                patches = self.norm(tokens)[:, 1 + self.num_registers :]
                maps.append(patches.transpose(1, 2).unflatten(2, size))
        return tuple(maps)


def _registers(weights: Mapping[str, Tensor]) -> int:
    tokens = weights.get('register_tokens')
    return 0 if tokens is None else tokens.shape[1]
