"""Converts checkpoints of other projects.

===============  =======================================  =======================================
format           of                                       a config that fits
===============  =======================================  =======================================
``advent``       ADVENT and code based on it:             ``source_only/deeplabv2-r101_viper2city``
                 DeepLab-v2 ResNet-101
``adaptsegnet``  AdaptSegNet, PixMatch, UR: the same,     ``adaptsegnet/deeplabv2-r101_gta2city``,
                 of two dilations                         both heads with ``dilations=(6, 12)``
``davsn``        DA-VSN: that of ADVENT and a fusion      ``davsn/accel_viper2city``
``tps``          TPS: the same as DA-VSN                  ``tps/accel_viper2city``
``sfc``          SFC: two DeepLab-v2, fusion, FlowNetS    ``sfc/accel_viper2city_source-stage2``
``sepico``       SePiCo, mmseg 0.x: student, EMA teacher  ``sepico/distcl_deeplabv2-r101_gta2city``
``daformer``     DAFormer, mmseg 0.x: the same            ``dacs/daformer-mitb5_gta2city``
===============  =======================================  =======================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.registry import init_default_scope
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.heads.deeplab_v2 import MultiDilationClassifier
from mmdavss.launch.config_file import read_config_file
from mmdavss.utils.checkpoints import checkpoint_file, lacking, read_checkpoint
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import refuse_existing, refuse_folder, unfinished_file

State = dict[str, Tensor]


class Conversion(NamedTuple):
    """A converted checkpoint.

    Attributes:
        state: Weights under the names of a video net.
        dropped: Names in the published file that prediction does not need.
        filled: Names that the file lacks and prediction does not need: auxiliary heads, counters of
            batch norm.
    """

    state: State
    dropped: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()


# ------------------------------------------------------------------------- DeepLab-v2 and Accel


def _deeplab_v2(state: Mapping[str, Tensor], segmentor: str) -> State:
    """``conv1, bn1, layer1..4, layer5, layer6`` as an mmseg segmentor; other names stay.

    layer6 classifies the last stage and layer5 the one before it; without layer6, as in
    AdaptSegNet's single-level net, layer5 classifies the last stage.
    """
    two_levels = any(name.startswith('layer6.') for name in state)
    heads = dict(layer6='decode_head', layer5='auxiliary_head' if two_levels else 'decode_head')
    made = {}
    for name, value in state.items():
        first, _, rest = name.partition('.')
        if first in heads and rest.startswith('conv2d_list.'):
            rest = rest.removeprefix('conv2d_list.')
            name = f'{segmentor}.{heads[first]}.conv_seg.branches.{rest}'
        elif re.fullmatch('conv1|bn1|layer[1-4]', first):
            name = f'{segmentor}.backbone.{name}'
        made[name] = value
    return made


def _advent(state: State, teacher: bool) -> Conversion:
    return Conversion(_deeplab_v2(state, 'segmentor'))


def _adaptsegnet(state: State, teacher: bool) -> Conversion:
    """Its classifiers return inside the loop over four branches: the last two were not trained."""
    # UR saves the net with its auxiliary decoders.
    groups = _split(state, ('seg_model.', 'aux_decoders.'))
    net = groups['seg_model.'] | groups['']
    unused = [name for name in net if re.match(r'layer[56]\.conv2d_list\.[23]\.', name)]
    for name in unused:
        del net[name]
    decoders = [f'aux_decoders.{name}' for name in groups['aux_decoders.']]
    return Conversion(_deeplab_v2(net, 'segmentor'), (*unused, *decoders))


def _davsn(state: State, teacher: bool) -> Conversion:
    fusion = {name: state.pop(name) for name in list(state) if name.startswith('sf_layer.')}
    made = _deeplab_v2(state, 'segmentor')
    made |= {name.replace('sf_layer', 'fusion'): value for name, value in fusion.items()}
    return Conversion(made)


def _sfc(state: State, teacher: bool) -> Conversion:
    groups = _split(state, ('net_update.', 'net_ref.', 'flownet.', 'flownet_global.', 'SFM.'))
    made = _deeplab_v2(groups['net_update.'], 'segmentor')
    made |= _deeplab_v2(groups['net_ref.'], 'reference_segmentor')
    made |= {f'flow_net.{name}': value for name, value in groups['flownet.'].items()}
    for name, value in groups[''].items():
        if name == 'merge.weight':
            # SFC joins (key frame, current frame), Accel here (current frame, key frame).
            key, current = value.chunk(2, dim=1)
            value = torch.cat([current, key], dim=1)
        made[re.sub(r'^merge\.', 'fusion.', name)] = value
    dropped = [prefix + name for prefix in ('flownet_global.', 'SFM.') for name in groups[prefix]]
    return Conversion(made, tuple(dropped))


def _split(state: State, prefixes: Iterable[str]) -> dict[str, State]:
    """Groups weights by the prefixes of their names, which are removed; '' has the rest."""
    groups: dict[str, State] = {prefix: {} for prefix in (*prefixes, '')}
    for name, value in state.items():
        prefix = next(prefix for prefix in groups if name.startswith(prefix))
        groups[prefix][name.removeprefix(prefix)] = value
    return groups


# ----------------------------------------------------------------------------------- mmseg 0.x


def _mmseg_0(state: State, teacher: bool) -> Conversion:
    """DAFormer and SePiCo: ``model``, ``ema_model`` and weights that only training needs."""
    wanted = 'ema_model.' if teacher else 'model.'
    net = {
        name.removeprefix(wanted): value for name, value in state.items() if name.startswith(wanted)
    }
    dropped = [name for name in state if not name.startswith(wanted)]
    if not net:
        if teacher:
            raise UserError('the checkpoint has no EMA teacher (ema_model): leave out --teacher')
        net, dropped = dict(state), []  # a segmentor without a method around it
    # SePiCo's auxiliary head is the projection of its contrast.
    extra = [name for name in net if name.startswith('auxiliary_head.')]
    for name in extra:
        del net[name]
    net = _daformer_head(_deeplab_v2_head(_mix_transformer(net)))
    return Conversion(
        {f'segmentor.{name}': value for name, value in net.items()},
        (*dropped, *(wanted + name for name in extra)),
    )


def _deeplab_v2_head(state: State) -> State:
    """DLV2Head: ``aspp_modules.I.conv`` are the branches of the classifier."""
    if any(name.startswith('decode_head.bottleneck.') for name in state):
        return state  # an ASPPHead
    return {
        re.sub(
            r'^decode_head\.aspp_modules\.(\d+)\.conv\.', r'decode_head.conv_seg.branches.\1.', name
        ): value
        for name, value in state.items()
    }


def _daformer_head(state: State) -> State:
    """DAFormerHead: linear layers become 1x1 convolutions, ``fuse_layer`` is an ASPP."""
    made = {}
    for name, value in state.items():
        embedding = re.fullmatch(r'decode_head\.embed_layers\.(\d+)\.proj\.(weight|bias)', name)
        if embedding:
            name = f'decode_head.embeddings.{embedding[1]}.{embedding[2]}'
            value = _pointwise(value)
        name = name.replace('decode_head.fuse_layer.aspp_modules.', 'decode_head.context.')
        name = name.replace('decode_head.fuse_layer.bottleneck.', 'decode_head.bottleneck.')
        made[name] = value
    return made


def _mix_transformer(state: State) -> State:
    """Converts SegFormer's original MiT to mmseg's: other names, q and kv in one matrix."""
    if not any(name.startswith('backbone.patch_embed1.') for name in state):
        return state
    made = {}
    for name, value in state.items():
        part = re.fullmatch(r'backbone\.(patch_embed|block|norm)(\d)\.(.+)', name)
        if part is None:
            made[name] = value
            continue
        kind, rest = part[1], part[3]
        stage = f'backbone.layers.{int(part[2]) - 1}'
        if kind == 'patch_embed':
            made[f'{stage}.0.{rest.replace("proj.", "projection.")}'] = value
        elif kind == 'norm':
            made[f'{stage}.2.{rest}'] = value
        elif '.attn.kv.' in rest:
            if name.replace('.kv.', '.q.') not in state:
                made[name] = value  # to be reported
        elif '.attn.q.' in rest:
            other = state.get(name.replace('.q.', '.kv.'))
            rest = rest.replace('.attn.q.', '.attn.attn.in_proj_')
            made[f'{stage}.1.{rest}'] = value if other is None else torch.cat([value, other])
        else:
            rest = rest.replace('.attn.proj.', '.attn.attn.out_proj.')
            if re.search(r'\.mlp\.fc[12]\.', rest):
                value = _pointwise(value)
            for old, new in (('fc1', 0), ('dwconv.dwconv', 1), ('fc2', 4)):
                rest = rest.replace(f'.mlp.{old}.', f'.ffn.layers.{new}.')
            made[f'{stage}.1.{rest}'] = value
    return made


def _pointwise(value: Tensor) -> Tensor:
    """Reshapes weights (N, C) of a linear layer for a 1x1 convolution; a bias stays."""
    return value[:, :, None, None] if value.ndim == 2 else value


# --------------------------------------------------------------------------------------- all


class Format(NamedTuple):
    """Format of a published checkpoint.

    Attributes:
        convert: Converts the weights.
        single_frame: Whether it holds only a single-frame net, which fits every video net.
        ceil_mode: Whether the first pooling of its ResNet rounds sizes up. Weights fit either grid,
            but predict slightly differently on the one that they were not trained on.
        dilations: Those that the classifiers must have, if some of the branches in the file are not
            used; None checks nothing.
    """

    convert: Callable[[State, bool], Conversion]
    single_frame: bool
    ceil_mode: bool
    dilations: tuple[int, ...] | None = None


FORMATS: dict[str, Format] = dict(
    advent=Format(_advent, True, True),
    adaptsegnet=Format(_adaptsegnet, True, True, dilations=(6, 12)),
    davsn=Format(_davsn, False, True),
    tps=Format(_davsn, False, True),
    sfc=Format(_sfc, False, False),
    sepico=Format(_mmseg_0, True, False),
    daformer=Format(_mmseg_0, True, False),
)


def _check_grid(kind: str, net: nn.Module) -> None:
    """Checks that the net has the grid that weights of a format were trained on.

    Raises:
        UserError: If its ResNet rounds differently.
    """
    ceil_mode = FORMATS[kind].ceil_mode
    for module in net.modules():
        if isinstance(module, ResNet) and module.maxpool.ceil_mode != ceil_mode:
            raise UserError(
                f'the first pooling of networks of the format {kind} rounds sizes '
                f'{"up" if ceil_mode else "down"}, that of this config '
                f'{"down" if ceil_mode else "up"}: predictions would differ. Take a config whose '
                f'backbone is a {"CeilResNet" if ceil_mode else "ResNet"}'
            )


def _check_dilations(kind: str, net: nn.Module) -> None:
    """Checks that the classifiers have the branches that took part in a format's training.

    Raises:
        UserError: If they have others.
    """
    wanted = FORMATS[kind].dilations
    if wanted is None:
        return
    for name, module in net.named_modules():
        if isinstance(module, MultiDilationClassifier) and module.dilations != wanted:
            head = name.removesuffix('.conv_seg')
            raise UserError(
                f'in classifiers of the format {kind} only the dilations {wanted} take part, and '
                f'{head} of this config has {module.dilations}: give it dilations={wanted}'
            )


def convert_state(
    state: Mapping[str, Tensor], kind: str, net: nn.Module, teacher: bool = False
) -> Conversion:
    """Converts published weights for a video net.

    Args:
        state: The published ``state_dict``; a prefix ``module.`` of every name does not matter.
        kind: Its format, one of :data:`FORMATS`.
        net: The video net.
        teacher: Whether to take the weights of the EMA teacher instead of the student's.

    Returns:
        The weights under the names of `net`, or only of its segmentor if the checkpoint is of a
        single-frame net.

    Raises:
        UserError: If they do not fit (names missing, unexpected and differently shaped tensors), or
            if the net has another grid or other dilations than the published one.
    """
    if kind not in FORMATS:
        raise UserError(f'format {kind!r} is not one of {", ".join(FORMATS)}')
    if teacher and FORMATS[kind].convert is not _mmseg_0:
        raise UserError(f'checkpoints of {kind} have no EMA teacher: leave out --teacher')
    _check_dilations(kind, net)
    state = dict(state)
    if state and all(name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items()}
    made, dropped, _ = FORMATS[kind].convert(state, teacher)
    own = net.state_dict()
    if FORMATS[kind].single_frame:
        own = {name: value for name, value in own.items() if name.startswith('segmentor.')}
    # A published auxiliary head that the config lacks does not predict either.
    aux = [name for name in made if '.auxiliary_head.' in name and name not in own]
    for name in aux:
        del made[name]
    missing = [name for name in lacking(own, made) if '.auxiliary_head.' not in name]
    filled = [name for name in own if name not in made and name not in missing]
    made |= {name: own[name].clone() for name in filled}
    unexpected = [name for name in made if name not in own]
    shapes = [
        f'{name} {tuple(made[name].shape)} instead of {tuple(own[name].shape)}'
        for name in own
        if name in made and made[name].shape != own[name].shape
    ]
    problems = [
        f'{len(names)} {what}: {_some(names)}'
        for what, names in (
            ('missing', missing),
            ('unexpected', unexpected),
            ('of another shape', shapes),
        )
        if names
    ]
    if problems:
        raise UserError(
            f'the checkpoint does not fit {type(net).__name__} as one of the format {kind}: '
            f'{"; ".join(problems)}. Is it another format, or does the config have another '
            'network or number of classes?'
        )
    _check_grid(kind, net)
    return Conversion(made, (*dropped, *aux), tuple(filled))


def convert_checkpoint(
    kind: str,
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    teacher: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Converts a published checkpoint file to a checkpoint of this package.

    Args:
        kind: Its format, one of :data:`FORMATS`.
        config: A config with the same network: a file, or the name of one of this package.
        checkpoint: The published file.
        out: The new file, for ``model.source_checkpoint`` and all tools.
        teacher: Same as in :func:`convert_state`.
        overwrite: Whether an existing file is replaced.

    Returns:
        The written weights.

    Raises:
        UserError: If an input does not exist or does not fit, or `out` exists already.
    """
    if not checkpoint_file(checkpoint).is_file():
        raise UserError(f'{checkpoint} does not exist')
    refuse_folder(out)  # a Path has lost the slash of its folder
    out = Path(out)
    if out.exists() and out.samefile(checkpoint_file(checkpoint)):
        raise UserError(f'{out} is the checkpoint itself: write to another file (--out)')
    refuse_existing([out], overwrite)
    cfg = read_config_file(config)
    if 'student' not in cfg.get('model', {}):
        raise UserError(f'{config} is not an mmdavss config: it has no model.student')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    loaded = read_checkpoint(checkpoint)
    loaded = loaded.get('state_dict', loaded)
    if not isinstance(loaded, Mapping):
        raise UserError(f'{checkpoint} holds no weights')
    tensors = {name: value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f'{checkpoint} holds no weights')
    try:
        done = convert_state(tensors, kind, MODELS.build(cfg.model.student), teacher)
    except UserError as error:
        raise UserError(f'{checkpoint}: {error}') from None
    out.parent.mkdir(parents=True, exist_ok=True)
    state = {f'student.{name}': value.contiguous() for name, value in done.state.items()}
    meta = dict(converted_from=f'{kind}: {Path(checkpoint).name}')
    with unfinished_file(out) as file:
        torch.save(dict(meta=meta, state_dict=state), file)
    return done


def _some(names: list[str], count: int = 4) -> str:
    text = ', '.join(names[:count])
    return text + (f' and {len(names) - count} more' if len(names) > count else '')
