"""Imports models from plain mmseg, and exports adapted models to it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import WEIGHT_INITIALIZERS, Registry, init_default_scope
from mmengine.utils import get_object_from_string
from mmseg.models.segmentors import (
    DepthEstimator,
    EncoderDecoder,
    MultimodalEncoderDecoder,
)
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from mmdavss.datasets.label_maps import colour_map
from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.launch.config_file import (
    imports_of,
    merge_options,
    read_config_file,
    require,
    type_name,
)
from mmdavss.launch.model import load_model
from mmdavss.launch.packages import check_packages, dicts_in
from mmdavss.utils.checkpoints import is_missing, read_checkpoint
from mmdavss.utils.classes import check_classes, class_names
from mmdavss.utils.errors import UserError
from mmdavss.utils.files import refuse_existing, replace_file, unfinished_file
from mmdavss.video_nets import HRDA, VideoNet

#: Packages whose classes are registered wherever this one is imported.
IMPORTED = ('mmcv', 'mmdavss', 'mmengine', 'mmseg', 'torch')
#: Keys of a plain data preprocessor for normalisation, and for padding in tests.
NORMALISATION = ('mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr', 'pad_val', 'seg_pad_val', 'test_cfg')
#: Kinds of segmentors that do not predict a class of a fixed list for each pixel.
OTHER_TASKS = {
    DepthEstimator: 'it estimates depth, not classes',
    MultimodalEncoderDecoder: 'its classes come from a language model',
}


# ------------------------------------------------------------------------------------ plain in


def read_method_config(
    config: str | Path,
    checkpoint: str | Path,
    classes: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """Reads a config of this package, or converts one of plain mmseg.

    Args:
        config: Config file.
        checkpoint: Its weights; those of a plain config also give the class names.
        classes: Class names for a plain model whose checkpoint has none.
        options: Dotted keys and values that override the file.

    Returns:
        A config with ``model.student`` and ``test_dataloader``.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If there is no such config, a part of it is missing, or the network is not
            supported.
    """
    cfg = read_config_file(config)
    merge_options(cfg, options, config)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    if not isinstance(cfg.get('model'), Mapping):
        raise UserError(f'{config} has no `model`')
    if 'student' not in cfg.model:
        return method_config(cfg, checkpoint, classes)
    require(cfg, 'test_dataloader.dataset.pipeline')
    known = (cfg.test_dataloader.dataset.get('metainfo') or {}).get('classes')
    if classes is not None and list(classes) != list(known or ()):
        raise UserError(
            f'{config} defines its classes: leave out --classes, which is for configs of plain '
            'mmseg'
        )
    return Config(as_plain(cfg.to_dict()), filename=cfg.filename)


def method_config(
    cfg: Config, checkpoint: str | Path, classes: Sequence[str] | None = None
) -> Config:
    """Converts the config of a plain mmseg segmentor: its net predicts frame by frame.

    Auxiliary heads, which do not predict, are left out. Sliding windows of its ``test_cfg`` stay.
    ``SyncBN`` becomes ``BN``, which has the same weights.

    Args:
        cfg: The plain config.
        checkpoint: Its weights.
        classes: Names of the classes, if the checkpoint has none.

    Returns:
        A config with ``model`` (``SourceOnly`` on a ``PerFrame``) and a ``test_dataloader`` whose
        data need not exist.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If it is not such a segmentor, its test pipeline has steps that are not supported
            for clips, or its classes are unknown.
    """
    name = getattr(cfg, 'filename', None) or 'the config'
    cfg = Config(as_plain(cfg.to_dict()), filename=cfg.filename)
    _check_segmentor(cfg.model, name)
    segmentor = _plain_segmentor(cfg.model)
    segmentor.pop('auxiliary_head', None)
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    preprocessor = {k: preprocessor[k] for k in NORMALISATION if preprocessor.get(k) is not None}
    metainfo = _dataset_meta(cfg, checkpoint, classes)
    number = _num_classes(segmentor['decode_head'])
    if len(metainfo['classes']) != number:
        raise UserError(
            f'{name} has {number} classes, but {len(metainfo["classes"])} names are '
            f'known: {metainfo["classes"]}. Is {checkpoint} of this config? If so name '
            'them with --classes'
        )
    dataset = dict(
        type='ClipFolderDataset',
        data_root='.',
        clip_length=1,
        metainfo=metainfo,
        pipeline=_clip_pipeline(cfg),
    )
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset,
    )
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=imports_of(cfg),
            model=dict(
                type='SourceOnly',
                data_preprocessor=dict(type='DomainDataPreprocessor', **preprocessor),
                student=dict(type='PerFrame', segmentor=segmentor, allow_random_init=True),
                resize_to_input=_resizes_twice(cfg),
            ),
            test_dataloader=loader,
        ),
        filename=cfg.filename,
    )


def _check_segmentor(model: Mapping, name: str) -> None:
    """Refuses unsupported networks before anything is built.

    Raises:
        UserError: If it is not a segmentor, has another task, or needs packages that are not
            installed.
    """
    check_packages(as_plain(model), name, operators=True)
    kind = MODELS.get(model['type'])
    for other, why in OTHER_TASKS.items():
        if kind is not None and issubclass(kind, other):
            raise UserError(
                f'{name}: a {kind.__name__} cannot be taken, {why}. An EncoderDecoder '
                'or a CascadeEncoderDecoder can'
            )
    if kind is None or not issubclass(kind, EncoderDecoder) or not model.get('decode_head'):
        raise UserError(
            f'{name}: a {model["type"]} cannot be taken, an EncoderDecoder or a '
            'CascadeEncoderDecoder of mmseg can'
        )


def _num_classes(head: Mapping | Sequence[Mapping]) -> int | None:
    """The number of classes of a decode head's config, or of the last of several."""
    last = head if isinstance(head, Mapping) else head[-1]
    # A K-Net has the number in its initial head.
    return last.get('num_classes', (last.get('kernel_generate_head') or {}).get('num_classes'))


def _dataset_meta(cfg: Config, checkpoint: str | Path, classes: Sequence[str] | None) -> dict:
    """``classes`` and ``palette`` as given, or from the checkpoint, or from the data set."""
    if is_missing(checkpoint):
        raise FileNotFoundError(f'checkpoint not found: {checkpoint}')
    saved = read_checkpoint(checkpoint).get('meta') or {}
    meta = dict(saved.get('dataset_meta') or {})
    if 'CLASSES' in saved:  # mmseg 0.x
        meta = dict(classes=saved['CLASSES'], palette=saved.get('PALETTE'))
    if meta.get('classes') is not None:
        meta['classes'] = tuple(meta['classes'])  # of an array too
    if not meta.get('classes'):
        dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
        while 'dataset' in dataset:  # wrappers
            dataset = dataset['dataset']
        kind = DATASETS.get(dataset['type']) if 'type' in dataset else None
        meta = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    if classes is not None:
        known = list(meta.get('classes') or ())
        meta = dict(meta if list(classes) == known else {}, classes=classes)
    if not meta.get('classes'):
        raise UserError(f'{checkpoint} does not say which classes it has: name them with --classes')
    names = tuple(str(name) for name in meta['classes'])
    palette = meta.get('palette')
    if palette is None or len(palette) != len(names):
        palette = colour_map(len(names) + 1)[1:]  # without black
    return dict(classes=names, palette=[[int(c) for c in colour] for colour in palette])


def _clip_pipeline(cfg: Config) -> list[dict]:
    """Converts the test pipeline of a plain config for clips without labels."""
    steps = _test_steps(cfg)
    if not steps:
        raise UserError(f'{cfg.filename} has no test_pipeline')
    made: list[dict[str, Any]] = []
    for step in steps:
        kind = type_name(step)
        if kind == 'KeyMapper':  # as exports of this package have it
            kind = type_name(step['transforms'][-1])
        if kind in ('LoadImageFromFile', 'LoadImageFromNDArray'):
            made.append(dict(type='LoadClip'))
        elif kind == 'Resize' and step.get('scale') is not None:
            made.append(
                dict(
                    type='ClipResize',
                    scale=_pair(step['scale']),
                    keep_ratio=step.get('keep_ratio', False),
                    **resize_options(step),
                )
            )
        elif kind == 'PackSegInputs':
            made.append(dict(type='PackClipInputs'))
        elif kind != 'LoadAnnotations':
            raise UserError(
                f'{cfg.filename}: the step {kind} of the test pipeline is not supported for '
                'videos; loading, Resize with `scale` and packing are. Change it in the config'
            )
    return made


def _resizes_twice(cfg: Config) -> bool:
    """Whether scores are resized to the resized frame before they are resized to the frame."""
    kinds = [type_name(step) for step in _test_steps(cfg)]
    return 'Resize' in kinds and 'KeyMapper' not in kinds


def _test_steps(cfg: Config) -> list[dict]:
    """The test pipeline of a plain config: that of its test, as mmseg's inferencer has it."""
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    return dataset.get('pipeline') or cfg.get('test_pipeline') or []


def resize_options(step: Mapping) -> dict:
    """Options that Resize and ClipResize share: the interpolation."""
    return {key: step[key] for key in ('interpolation', 'backend') if key in step}


def _pair(scale: Any) -> tuple[int, int]:
    return (scale, scale) if isinstance(scale, int) else tuple(scale)


def _plain_segmentor(model: Mapping) -> dict:
    """A segmentor's config without the parts that only training needs."""
    segmentor = as_plain(model)
    for key in ('data_preprocessor', 'pretrained', 'init_cfg'):
        segmentor.pop(key, None)
    segmentor.update(
        train_cfg=dict(), test_cfg=dict(mode='whole') | (segmentor.get('test_cfg') or {})
    )
    leave_out_downloads(segmentor)
    return segmentor


def leave_out_downloads(segmentor: dict) -> None:
    """Prepares the config of a network whose weights are all loaded later, in place.

    Downloads are disabled, and ``SyncBN`` becomes ``BN``, which has the same weights.
    """
    for part in dicts_in(segmentor):
        if (
            isinstance(part.get('init_cfg'), Mapping)
            and part['init_cfg'].get('type') == 'Pretrained'
        ):
            part['init_cfg'] = None
        if part.get('pretrained') is not None:
            part['pretrained'] = None
        if 'type' in part and type_name(part) in ('SyncBN', 'SyncBatchNorm'):
            part['type'] = 'BN'


def as_plain(value: Any) -> Any:
    """Copies part of a config deeply, as dicts, lists and tuples, with names instead of classes.

    Args:
        value: A config, or anything in it.
    """
    if isinstance(value, Mapping):
        return {
            key: _registered(item) if key == 'type' else as_plain(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(as_plain(item) for item in value)
    return value


def _registered(kind: Any) -> Any:
    """The name of a class in its registry; configs in pure Python have the class or its path.

    Classes of other packages keep their path: only that tells a new process what to import.
    """
    if isinstance(kind, str) and kind.count('.') > 1:  # one dot: a scope, as in mmdet.FPN
        kind = get_object_from_string(kind) or kind
    if not isinstance(kind, type):
        return kind
    path = f'{kind.__module__}.{kind.__qualname__}'
    if path.split('.')[0] not in IMPORTED:
        return path
    for registry in (MODELS, TRANSFORMS, DATASETS, WEIGHT_INITIALIZERS):
        level: Registry | None = registry
        while level is not None:
            for name, known in level.module_dict.items():
                # A registry and its parent may have different classes of the same name.
                if known is kind and level.get(name) is kind:
                    return name
            level = level.parent
    return path


# ----------------------------------------------------------------------------------- plain out


@dataclass(frozen=True)
class Export:
    """The files of an export.

    Attributes:
        config: Plain mmseg config.
        checkpoint: Its weights.
        modules: Python files that the config imports from its folder.
    """

    config: Path
    checkpoint: Path
    modules: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.config, self.checkpoint, *self.modules)


def export_segmentor(
    cfg: Config,
    checkpoint: str | Path,
    out: str | Path,
    per_frame_part: bool = False,
    overwrite: bool = False,
) -> Export:
    """Exports a trained method as a plain mmseg config and checkpoint.

    The export of a net that predicts frame by frame (``PerFrame``, and video nets of stage one)
    predicts the same as the adapted model, bit for bit: images are decoded and resized alike, and
    scores are resized to the image in the same steps. Backbones and heads that mmseg lacks are
    exported as Python files that the config imports from its own folder; this package is not
    needed.

    Args:
        cfg: Config of the method.
        checkpoint: Same as in :func:`load_model`.
        out: Folder of the export, created if needed.
        per_frame_part: For video nets that join frames, which no plain mmseg model can do: export
            only the segmentor of the current frame. It predicts differently, so the file is named
            differently.
        overwrite: Whether an existing export is replaced.

    Returns:
        The files: ``segmentor.py`` and ``segmentor.pth``, or ``per_frame_part_of_NET.py`` and
        ``.pth``.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If the network cannot be exported, or an export exists already.
        ValueError: If the checkpoint does not fit.
    """
    require(cfg, 'model.student', 'test_dataloader.dataset.pipeline')
    kind = MODELS.get(cfg.model.student.type)
    if kind is None:
        raise UserError(f'model.student.type={cfg.model.student.type!r} is not registered')
    if MODELS.get(cfg.model.student.segmentor.type) is HRDA:
        raise UserError('HRDA sees an image at two scales, which no plain mmseg model can do')
    name = _export_name(kind, cfg.model.student, per_frame_part)
    folder = Path(out)
    pipeline = _image_pipeline(cfg, bool(cfg.model.get('resize_to_input')))
    preprocessor = as_plain(cfg.model.data_preprocessor)
    if preprocessor.pop('test_cfg', None):
        raise UserError(
            'data_preprocessor.test_cfg: models that pad frames in tests cannot be exported '
            'exactly; resize the frames to a fitting size in the pipeline'
        )
    preprocessor['type'] = 'SegDataPreProcessor'
    segmentor = _plain_segmentor(cfg.model.student.segmentor)
    _replace_losses(segmentor)
    modules = _take_modules(segmentor)
    export = Export(
        folder / f'{name}.py', folder / f'{name}.pth', tuple(folder / file for file in modules)
    )
    refuse_existing(export.files, overwrite)
    model = load_model(cfg, checkpoint)
    # A lazy data set knows its classes and opens no file.
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True))
    what = 'the data set of test_dataloader'
    classes = class_names(dataset.metainfo, what)
    check_classes(model, len(classes), what)
    metainfo = dict(
        classes=classes,
        palette=[list(map(int, c)) for c in dataset.metainfo['palette']],
    )
    own = imports_of(cfg)
    imports = [module for module in own['imports'] if not _is_own(module)]
    imports += [path.stem for path in export.modules if path.stem not in imports]
    content = dict(
        default_scope='mmseg',
        **(dict(custom_imports=dict(own, imports=imports)) if imports else {}),
        model=dict(segmentor, data_preprocessor=preprocessor),
        test_pipeline=pipeline,
        test_dataloader=dict(
            batch_size=1,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='BaseSegDataset',
                data_root='data/images',
                metainfo=metainfo,
                data_prefix=dict(img_path='', seg_map_path=''),
                pipeline=pipeline,
            ),
        ),
        visualizer=dict(
            type='SegLocalVisualizer',
            name='visualizer',
            vis_backends=[dict(type='LocalVisBackend')],
        ),
    )
    if model.net.temporal and per_frame_part:
        what = (
            f'# The current-frame part of a {type(model.net).__name__} ALONE. It does not '
            'predict what the whole\n# video net predicts, which joins several frames.\n'
        )
    else:
        what = '# A segmentor exported by mmdavss; needs mmseg only.\n'
    state = {key: value.cpu() for key, value in model.net.segmentor.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    with unfinished_file(export.checkpoint) as file:
        torch.save(dict(meta=dict(dataset_meta=metainfo), state_dict=state), file)
        file.flush()
        # Weights of an earlier export never lie beside the new config, which may fit them.
        export.checkpoint.unlink(missing_ok=True)
        write_config(export.config, Config(content), modules, what)
    return export


def write_config(path: Path, cfg: Config, modules: Mapping[str, str], head: str = '') -> None:
    """Writes a config and the Python files that it imports from its folder, each atomically.

    Args:
        path: The config's file; its folder exists.
        cfg: The config.
        modules: Names and contents of the Python files.
        head: Comment at the start of the config.
    """
    for name, source in modules.items():
        replace_file(path.with_name(name), source.encode())
    text = head + (_IMPORT_BESIDE if modules else '') + cfg.pretty_text
    replace_file(path, text.encode())


#: How the Python files of an export begin.
EXPORTED = 'exported_'
# Three quotes: mmengine fills in the path as it is, and that may hold an apostrophe.
_IMPORT_BESIDE = '''import sys

# The backbone or head is in a Python file beside this one.
sys.path.insert(0, """{{ fileDirname }}""")
'''


def _export_name(kind: type[VideoNet], student: ConfigDict, per_frame_part: bool) -> str:
    """Name of the files.

    Raises:
        UserError: If the net joins frames and `per_frame_part` is not set.
    """
    if not kind.temporal or student.get('stage') == 1:
        return 'segmentor'
    if per_frame_part:
        return f'per_frame_part_of_{kind.__name__}'
    raise UserError(
        f'{kind.__name__} joins several frames, which no plain mmseg model can do. Its segmentor '
        'of the current frame can be exported alone (--per-frame-part), but predicts something '
        'else; only a network that sees frames alone (PerFrame) is the same in plain mmseg'
    )


def _image_pipeline(cfg: Config, resize_to_input: bool) -> list[dict]:
    """Converts the test pipeline of a config of clips for single images without labels."""
    made: list[dict[str, Any]] = []
    resized = False
    for step in cfg.test_dataloader.dataset.pipeline:
        kind = type_name(step)
        if kind == 'LoadClip':
            made.append(dict(type='LoadImageFromFile', imdecode_backend='pillow'))
        elif kind == 'ClipResize' and step.get('ratio_range') is None:
            made.append(
                dict(
                    type='Resize',
                    scale=tuple(step['scale']),
                    keep_ratio=step.get('keep_ratio', False),
                    **resize_options(step),
                )
            )
            resized = True
        elif kind == 'PackClipInputs':
            pack = dict(type='mmseg.PackSegInputs')
            # mmseg resizes scores to img_shape, then to ori_shape. Methods of mmdavss may go
            # straight to ori_shape, and so does mmseg if both are the same.
            made.append(
                dict(
                    type='KeyMapper',
                    mapping=dict(img_shape='ori_shape'),
                    auto_remap=False,
                    transforms=[pack],
                )
                if resized and not resize_to_input
                else pack
            )
        elif kind not in ('LoadFlow', *LABEL_STEPS):
            raise UserError(
                f'the step {kind} of the test pipeline cannot be exported to plain mmseg'
            )
    return made


def _replace_losses(segmentor: dict) -> None:
    """Puts mmseg's cross-entropy in the place of this package's losses, which do not predict."""
    for part in dicts_in(segmentor):
        for key, value in part.items():
            if not key.startswith('loss_'):
                continue
            for loss in dicts_in(value):
                kind = _class_of(loss)
                if kind is not None and _is_own(kind.__module__):
                    loss.clear()
                    loss.update(type='CrossEntropyLoss')


def _class_of(part: Mapping) -> type | None:
    """The registered class of a part of a config."""
    return MODELS.get(part['type']) if isinstance(part.get('type'), str) else None


def _is_own(module: str | None) -> bool:
    return module is not None and module.split('.')[0] == 'mmdavss'


def _take_modules(segmentor: dict) -> dict[str, str]:
    """Finds the backbones and heads that mmseg does not have, and renames them in the config.

    Those of an earlier export have their name already.

    Returns:
        Names and contents of the Python files.

    Raises:
        UserError: If such a file needs this package.
    """
    modules = exported_modules(segmentor)
    for part in dicts_in(segmentor):
        kind = _class_of(part)
        if kind is None or not _is_own(kind.__module__):
            continue
        source = inspect.getsource(sys.modules[kind.__module__])
        if _needs_package(source):
            raise UserError(
                f'{kind.__name__} cannot be exported: {kind.__module__} needs other '
                'parts of mmdavss'
            )
        name = f'Exported{kind.__name__}'
        # Under another name, so that mmdavss may be imported too.
        source = source.replace(
            '@MODELS.register_module()', f"@MODELS.register_module(name='{name}', force=True)"
        )
        modules[f'{EXPORTED}{kind.__module__.split(".")[-1]}.py'] = source
        part['type'] = name
    return modules


def exported_modules(model: Mapping) -> dict[str, str]:
    """Names and contents of the Python files of earlier exports that a model's config needs."""
    kinds = filter(None, map(_class_of, dicts_in(model)))
    names = dict.fromkeys(kind.__module__ for kind in kinds)
    return {
        f'{name}.py': inspect.getsource(sys.modules[name])
        for name in names
        if name.startswith(EXPORTED)
    }


def _needs_package(source: str) -> bool:
    """Whether Python code imports parts of this package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.level or _is_own(node.module)):
            return True
        if isinstance(node, ast.Import) and any(_is_own(alias.name) for alias in node.names):
            return True
    return False
