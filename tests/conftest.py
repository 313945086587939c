"""Networks of a few thousand parameters, and data for them, for all tests."""

import copy
import gc
import os
import re
import tempfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import cv2
import matplotlib.figure  # noqa: F401  # as the next one
import numpy as np
import pytest
import torch
import torch._dynamo  # noqa: F401  # imported by each run, so by each fork unless it is here
import torch.distributed as distributed
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils.dl_utils import mmcv_full_available
from mmseg.registry import MODELS

from mmdavss.testing import SEGMENTOR, make_batch, small_net

CONFIGS = Path(__file__).parents[1] / 'configs'
# Networks are built by the hundred, of modules that stay: at the threshold of Python, 700, a sixth
# of that time goes into looking for garbage among them.
gc.set_threshold(50_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow by what it does, and skips what needs a GPU where there is none."""
    cases: Counter[str] = Counter()
    for item in items:
        if 'run_tool' in item.fixturenames or item.path.parent.name == 'tools':
            item.add_marker('slow')
        if item.get_closest_marker('sampled') and hasattr(item, 'callspec'):
            name = item.nodeid.partition('[')[0]
            if cases[name] % 10:
                item.add_marker('slow')
            cases[name] += 1
        if item.get_closest_marker('gpu') and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason='needs a GPU'))


@pytest.fixture(scope='module', autouse=True)
def frozen_heap() -> None:
    """Takes all that is there before a module out of garbage collections: modules, tests, configs
    that were read. mmengine runs one for each data set that is built, and they took most of its
    time."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Takes out of this process what takes time and changes nothing, modules of tests included,
    which read configs when they are collected."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    _read_configs_once(patch)
    # Each seed notes for each absent kind of device the call that it comes from, which takes 300
    # times as long as to seed the CPU.
    for kind in (torch.cuda, torch.xpu, torch.mtia):
        if not kind.is_available():
            patch.setattr(kind, 'manual_seed_all', lambda seed: None)
    # mmengine searches for a module of mmcv for each module of a network.
    constructor = 'mmengine.optim.optimizer.default_constructor.mmcv_full_available'
    patch.setattr(constructor, cache(mmcv_full_available))
    # Each module has a dozen empty ones, and networks are copied by the hundred.
    patch.setitem(copy._deepcopy_dispatch, OrderedDict, _copy_ordered)


def _copy_ordered(value: OrderedDict, memo: dict) -> OrderedDict:
    """What copy.deepcopy does by way of pickling."""
    memo[id(value)] = copied = OrderedDict()
    if value.__dict__:  # the metadata of a state_dict
        copied.__dict__.update(copy.deepcopy(value.__dict__, memo))
    for key, item in value.items():
        copied[copy.deepcopy(key, memo)] = copy.deepcopy(item, memo)
    return copied


def _read_configs_once(patch: pytest.MonkeyPatch) -> None:
    """Shipped configs and their bases are read once, and the text of configs is not formatted.

    Reading one opens ten files, of which most belong to many configs, each with a temporary folder
    of its own, in memory where that is a folder; and yapf takes seconds for each text that a run
    writes; the commands that tests start as processes of their own still format.
    """
    memory = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    read, read_part = Config.fromfile, Config._file2dict

    @cache
    def part_once(path: str, args: tuple, kwargs: tuple) -> tuple:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, 'tempdir', memory)
            return read_part(path, *args, **dict(kwargs))

    def file2dict(filename: str, *args: object, **kwargs: object) -> tuple:
        path = Path(filename).resolve()
        if CONFIGS not in path.parents:
            return read_part(filename, *args, **kwargs)
        return copy.deepcopy(part_once(str(path), args, tuple(kwargs.items())))

    @cache
    def read_once(name: str, folder: str) -> Config:
        return read(name)

    def fromfile(filename: str | Path, *args: object, **kwargs: object) -> Config:
        if args or kwargs or CONFIGS not in Path(filename).resolve().parents:
            return read(filename, *args, **kwargs)
        return copy.deepcopy(read_once(str(filename), os.getcwd()))

    patch.setattr(Config, '_file2dict', staticmethod(file2dict))
    patch.setattr(Config, 'fromfile', staticmethod(fromfile))
    patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))


@pytest.fixture(autouse=True)
def mmseg_scope():
    torch.manual_seed(0)
    init_default_scope('mmseg')


@pytest.fixture
def segmentor():
    """Config of a small EncoderDecoder."""
    return copy.deepcopy(SEGMENTOR)


@pytest.fixture
def accel():
    """Config of a small Accel."""
    return small_net('Accel')


@pytest.fixture
def per_frame():
    """Config of a small per-frame net."""
    return small_net('PerFrame')


@pytest.fixture
def build():
    """Builds a config in mmseg's registry."""
    return MODELS.build


@pytest.fixture
def video_net(build):
    """Builds a small video net: ``video_net('DFF', stage=2, ...)``; frames are plain images."""

    def make(kind, **options):
        net = build(small_net(kind, **options))
        net.set_normalisation(
            build(dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3))
        )
        return net

    return make


@pytest.fixture
def batch():
    """Collated batch of clips: ``batch('source', 'target', count=2, ...)``; no name, no branch."""
    return make_batch


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


# Models on disk whose predictions differ from place to place, and videos for them.

SEEN = ('road', 'sky', 'car', 'person')
COLOURS = [[128, 64, 128], [70, 130, 180], [0, 0, 142], [220, 20, 60]]


def _moving_images(count: int) -> list[np.ndarray]:
    """Frames (40, 80, 3) of a pattern that moves to the left."""
    wide = np.random.default_rng(0).integers(0, 255, (8, 60, 3), np.uint8)
    wide = cv2.resize(wide, (600, 40))
    return [np.ascontiguousarray(wide[:, 3 * number :][:, :80]) for number in range(count)]


@pytest.fixture
def moving_images() -> Callable[[int], list[np.ndarray]]:
    """``moving_images(count)``: frames (40, 80, 3), BGR, of a moving pattern."""
    return _moving_images


@pytest.fixture
def frame_folder(tmp_path: Path) -> Path:
    """Folder of eight frames."""
    made = tmp_path / 'frames'
    made.mkdir()
    for number, image in enumerate(_moving_images(8)):
        cv2.imwrite(str(made / f'f{number}.png'), image)
    return made


@pytest.fixture
def video_file(tmp_path: Path) -> Path:
    """An mp4 of twelve frames at 12 frames per second."""
    path = tmp_path / 'drive.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 12, (80, 40))
    for image in _moving_images(12):
        writer.write(image)
    writer.release()
    return path


@pytest.fixture
def jpegs(tmp_path: Path) -> Callable[..., Path]:
    """``jpegs(lost=(), share=1.)``: an avi of twenty frames, packets of zeros, cut off."""

    def make(lost: Iterable[int] = (), share: float = 1.0) -> Path:
        path = tmp_path / 'jpegs.avi'
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (80, 40))
        for image in _moving_images(20):
            writer.write(image)
        writer.release()
        data = bytearray(path.read_bytes())
        starts = [match.start() for match in re.finditer(b'\xff\xd8\xff', data)]
        assert len(starts) == 20
        for number in lost:
            end = starts[number + 1] - 8  # the header of the next chunk
            data[starts[number] : end] = bytes(end - starts[number])
        path.write_bytes(data[: round(share * len(data))])
        return path

    return make


@pytest.fixture
def saved_model(tmp_path: Path) -> Callable[..., tuple[Config, str]]:
    """Config and checkpoint of a video net: ``saved_model(student, name='a', flow=True)``."""

    def make(
        student: dict, name: str = 'a', flow: bool = True, seed: int = 1, **dataset: object
    ) -> tuple[Config, str]:
        pipeline = [dict(type='LoadClip'), dict(type='ClipResize', scale=(48, 24))]
        if flow:
            pipeline.append(dict(type='LoadFlow', provider=dict(type='DISFlowEstimator')))
        pipeline.append(dict(type='PackClipInputs'))
        data = dict(
            type='ClipFolderDataset',
            data_root=str(tmp_path / 'frames'),
            metainfo=dict(classes=SEEN, palette=COLOURS),
            pipeline=pipeline,
            **dataset,
        )
        cfg = Config(
            dict(
                custom_imports=dict(imports=['mmdavss']),
                model=dict(
                    type='SourceOnly',
                    student=student,
                    data_preprocessor=dict(
                        type='DomainDataPreprocessor',
                        mean=[99.0] * 3,
                        std=[50.0] * 3,
                        bgr_to_rgb=True,
                    ),
                ),
                test_dataloader=dict(dataset=data),
            )
        )
        torch.manual_seed(seed)
        net = MODELS.build(cfg.model)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        if hasattr(net.student, 'fusion'):  # or the frame before would not count
            torch.nn.init.normal_(net.student.fusion.weight)
        path = tmp_path / name / 'iter_1.pth'
        path.parent.mkdir(exist_ok=True)
        torch.save(dict(state_dict=net.state_dict(), meta={}), path)
        cfg.dump(path.with_name('config.py'))
        return Config.fromfile(path.with_name('config.py')), str(path)

    return make
