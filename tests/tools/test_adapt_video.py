"""tools/adapt_video.py: from a plain mmseg model and an mp4 to everything it promises."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import pkgutil
import re
import runpy
import signal
import sys
from importlib.util import find_spec
from itertools import cycle
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss import get_config_path
from mmdavss.adaptation import ADABN_ITERS, Adaptation, Adapted, Settings, adapt
from mmdavss.adaptation.choice import Candidate, candidates_of, choose, explained
from mmdavss.adaptation.estimates import TimeLeft, duration
from mmdavss.adaptation.folder import ResultFolder, video_identity
from mmdavss.adaptation.frames import folder_names
from mmdavss.adaptation.measuring import measure
from mmdavss.adaptation.memory import explained_memory, no_memory
from mmdavss.adaptation.recipes import (
    adabn_model,
    checkpoint_iterations,
    self_training_model,
    stage_config,
    stpl_model,
)
from mmdavss.adaptation.report import report
from mmdavss.adaptation.trial import try_network
from mmdavss.convert.plain_mmseg import export_segmentor, read_method_config
from mmdavss.evaluation.health import Health, HealthFigures
from mmdavss.evaluation.verdict import warnings_of
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.inference.videos import VideoReader
from mmdavss.utils.errors import NotFiniteError, UserError
from mmdavss.utils.files import unfinished_path
from mmdavss.utils.work_dir_lock import NAME as LOCK
from mmdavss.utils.work_dir_lock import WorkDirLock

FEW = [
    '--iters',
    2,
    '--adabn-iters',
    2,
    '--batch-size',
    2,
    '--pairs',
    4,
    '--preview',
    3,
    '--workers',
    0,
    '--device',
    'cpu',
]


#: The only checkpoint of an adaptation.
ONE = [Candidate(100, 0.1, 0.9, False)]


@pytest.fixture
def plain(segmentor, tmp_path):
    """Config and checkpoint of a plain mmseg DeepLabV3+ with classes of its own."""
    segmentor.update(
        auxiliary_head=None,
        test_cfg=dict(mode='whole'),
        decode_head=dict(
            type='DepthwiseSeparableASPPHead',
            in_channels=64,
            in_index=3,
            channels=8,
            num_classes=3,
            dilations=(1, 2),
            c1_in_channels=8,
            c1_channels=4,
            norm_cfg=dict(type='SyncBN'),
        ),
    )
    cfg = Config(
        dict(
            model=dict(
                segmentor,
                data_preprocessor=dict(
                    type='SegDataPreProcessor',
                    mean=[99.0] * 3,
                    std=[50.0] * 3,
                    bgr_to_rgb=True,
                    size=(24, 48),
                ),
            ),
            test_pipeline=[
                dict(type='LoadImageFromFile'),
                dict(
                    type='Resize',
                    scale=(48, 48),
                    keep_ratio=True,
                    interpolation='bicubic',
                    backend='pillow',
                ),
                dict(type='LoadAnnotations'),
                dict(type='PackSegInputs'),
            ],
        )
    )
    cfg.dump(tmp_path / 'plain.py')
    net = MODELS.build(cfg.model)
    torch.nn.init.normal_(net.decode_head.conv_seg.weight)
    torch.save(
        dict(
            state_dict=net.state_dict(),
            meta=dict(dataset_meta=dict(classes=('left', 'right', 'rest'), palette=None)),
        ),
        tmp_path / 'plain.pth',
    )
    return tmp_path / 'plain.py', tmp_path / 'plain.pth'


def exported_wrongly(*args, **kwargs):
    """An export whose classifier has lost what it knew."""
    export = export_segmentor(*args, **kwargs)
    saved = torch.load(export.checkpoint)
    saved['state_dict']['decode_head.conv_seg.weight'].neg_()
    torch.save(saved, export.checkpoint)
    return export


def out_of_memory(*_):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 GB")


def test_from_plain_to_plain(run_tool, plain, video_file, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out'
    run_tool('adapt_video.py', *plain, video_file, '--out', out, *FEW)
    said = capsys.readouterr()
    assert said.out.index('## Verdict') < said.out.index('## Warnings')
    for step in ('frames of drive', 'AdaBN', 'STPL', 'health', 'segment drive'):
        assert step in said.err
    for words in (
        'MultiScaleDeformable',
        'OneDL',
        'is skipped',
        'Hooks will be',
        'avg_non_ignore',
        'scheduler.step',
        'UserWarning',
    ):
        assert words not in said.out + said.err
    # Four pairs of twelve frames, evenly spread.
    pairs = [line.split('\t') for line in (out / 'frames/clips.txt').read_text().splitlines()]
    assert [[name[-6:-4] for name in pair] for pair in pairs] == [
        ['00', '01'],
        ['03', '04'],
        ['07', '08'],
        ['10', '11'],
    ]
    frames = list(VideoReader(video_file))
    assert (cv2.imread(str(out / 'frames/drive/000007.png')) == frames[7].image).all()
    assert len(list((out / 'frames/drive').iterdir())) == 8

    text = (out / 'report.md').read_text()
    for words in (
        'AdaBN (the batch-norm statistics of the videos), then STPL, 2 iterations, of which',
        '| iteration | estimated error |',
        '| left |',
        '| mean confidence |',
        'plain_mmseg/segmentor.py',
        'it labels all pixels of the first frame the same',
        'adapt_video.py',
    ):
        assert words in text
    video = list(VideoReader(out / 'before_after.mp4'))
    assert len(video) == 3 and video[0].image.shape[1] == 3 * 80 + 4 * 4
    assert (out / 'before_after.png').is_file()

    # It has trained with the resize of the model.
    for phase in ('adabn', 'adapt'):
        config = next((out / phase).rglob('config.py'))
        resize = Config.fromfile(config).train_dataloader.dataset.target.pipeline[1]
        assert resize == dict(
            type='ClipResize', scale=(48, 24), interpolation='bicubic', backend='pillow'
        )
    # The weights have moved, and the export is what the adapted model is.
    state = torch.load(out / 'adapted.pth')
    assert state['meta']['dataset_meta']['classes'] == ('left', 'right', 'rest')
    before = torch.load(plain[1])['state_dict']
    moved = [
        name
        for name, value in before.items()
        if not torch.equal(state['state_dict'][f'student.segmentor.{name}'], value)
    ]
    assert 'backbone.conv1.weight' in moved and 'backbone.bn1.running_mean' in moved
    again = read_method_config(out / 'plain_mmseg/segmentor.py', out / 'plain_mmseg/segmentor.pth')
    maps = [
        list(VideoSegmenter(*model)(out / 'frames/drive'))
        for model in (
            (out / 'adapted.py', out / 'adapted.pth'),
            (again, out / 'plain_mmseg/segmentor.pth'),
        )
    ]
    assert all((a == b).all() for a, b in zip(*maps, strict=True))

    # The same again does nothing twice; something else is not mixed with it.
    times = {
        path: path.stat().st_mtime_ns
        for path in out.rglob('*')
        if path.name in ('adapted.pth', 'clips.txt', 'before_after.mp4', 'iter_2.pth')
    }
    assert len(times) == 5
    # But an export is compared with the model, and the report says where they differ.
    monkeypatch.setattr('mmdavss.adaptation.adaptation.export_segmentor', exported_wrongly)
    run_tool('adapt_video.py', *plain, video_file, '--out', out, *FEW)
    text = (out / 'report.md').read_text()
    assert re.search(r'it labels \d+\.\d+% of the pixels of the first frame otherwise', text)
    # Without memory for that there is a report too, in place of the old one.
    os.link(out / 'report.md', tmp_path / 'old.md')
    monkeypatch.setattr('mmdavss.adaptation.adaptation.inference_model', out_of_memory)
    run_tool('adapt_video.py', *plain, video_file, '--out', out, *FEW)
    assert 'could not be checked: the memory ran out' in (out / 'report.md').read_text()
    assert (tmp_path / 'old.md').read_text() == text
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    with pytest.raises(SystemExit, match='holds an adaptation with other settings.*--overwrite'):
        run_tool('adapt_video.py', *plain, video_file, '--out', out, *FEW, '--seed', 1)


@pytest.mark.parametrize('method', ['adabn', 'self-training'])
def test_other_methods_and_video_nets(method, run_tool, saved_model, accel, frame_folder, tmp_path):
    cfg, checkpoint = saved_model(accel)
    out = tmp_path / 'out'
    run_tool(
        'adapt_video.py',
        cfg.filename,
        checkpoint,
        frame_folder,
        '--out',
        out,
        *FEW,
        '--method',
        method,
    )
    text = (out / 'report.md').read_text()
    assert 'There is no plain mmseg export: Accel joins several frames' in text
    before, after = (torch.load(path)['state_dict'] for path in (checkpoint, out / 'adapted.pth'))
    moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
    statistics = {name for name in moved if 'running' in name or 'tracked' in name}
    assert statistics
    if method == 'adabn':
        assert moved == statistics and '## Checkpoints' not in text
    else:
        assert any('conv1.weight' in name for name in moved) and '## Checkpoints' in text


def test_exported_models_can_be_read_anywhere(saved_model, per_frame, video_file, tmp_path):
    """The adapted config brings the Python file along that an exported one imports."""
    cfg, checkpoint = saved_model(per_frame)
    export = export_segmentor(cfg, checkpoint, tmp_path / 'export')
    (module,) = export.modules
    done = adapt(
        export.config, export.checkpoint, video_file, tmp_path / 'out', method='adabn',
        adabn_iters=1, pairs=2, preview=2, workers=0, device='cpu',
    )  # fmt: skip
    beside = done.config.with_name(module.name)
    assert beside.read_bytes() == module.read_bytes()
    # As in a new process.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.path', [p for p in sys.path if not p.startswith(str(tmp_path))])
        patch.delitem(sys.modules, module.stem)
        patch.delitem(MODELS.module_dict, 'ExportedDeepLabV2Head')
        (labels,) = VideoSegmenter(done.config, done.checkpoint)([np.zeros((40, 80, 3), np.uint8)])
        assert labels.shape == (40, 80) and sys.modules[module.stem].__file__ == str(beside)
        sys.modules.pop(module.stem)
    # Another adaptation in the folder needs it no longer.
    ResultFolder(done.config.parent, overwrite=True).begin(dict(model='b'), [])
    assert not beside.exists()


def test_frames_go_on_where_they_were(plain, video_file, tmp_path):
    cfg = read_method_config(*plain)

    def start():
        return Adaptation(
            cfg, plain[1], [video_file, video_file], tmp_path / 'out', Settings(pairs=2)
        )

    folder = start().extract()
    assert sorted(path.name for path in folder.iterdir()) == ['clips.txt', 'drive_0', 'drive_1']
    (folder / 'clips.txt').unlink()
    (folder / 'drive_1/000001.png').unlink()
    (folder / 'drive_1/000000.png').write_text('kept')
    start().extract()
    assert (folder / 'drive_1/000000.png').read_text() == 'kept'
    assert (folder / 'drive_1/000001.png').is_file()
    assert len((folder / 'clips.txt').read_text().splitlines()) == 4


def test_an_interrupted_extraction_remembers_what_is_damaged(plain, jpegs, video_file, tmp_path):
    """The frames of the damaged video are there already, and it is not read again."""
    broken = jpegs(lost=[8])

    def start():
        return Adaptation(
            read_method_config(*plain),
            plain[1],
            [broken, video_file],
            tmp_path / 'out',
            Settings(pairs=2),
        )

    def killed(*_):
        raise KeyboardInterrupt

    first = start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first.readers[1], 'choose', killed)
        with pytest.raises(KeyboardInterrupt):
            first.extract()
    again = start()
    again.extract()
    assert again.readers[0].note is None
    assert [*again.record['notes']] == ['jpegs'] and len(again.pairs()) == 4
    assert '19 of about 20 frames' in again.record['notes']['jpegs']['note']


def test_no_two_videos_share_a_folder():
    assert folder_names(['0001', '0001', '0001_0']) == ['0001_3', '0001_1', '0001_0']
    for names in (
        ['0001', '0001', '0001_0'],
        ['a', 'a', 'a', 'a_1', 'a_5'],
        ['Day', 'day'],
        ['12:30', '12/30', '12_30'],
        ['.a', '_a', 'a', ''],
        ['x\ty', 'x\ny'],
    ):
        found = folder_names(names)
        assert len({name.casefold() for name in found}) == len(names)
        assert all(re.fullmatch(r'\w[\w.-]*', name) for name in found)
    assert folder_names(['drive', 'night']) == ['drive', 'night']


@pytest.fixture
def handlers():
    """A command that was interrupted ends its process; this one goes on."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers[:3]:  # a shell may have it ignored in the background
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


#: Phase, what it calls, and at which call the signal comes.
PHASES = [
    ('trying the network', 'mmdavss.inference.segmenter.VideoSegmenter.__call__', 1),
    ('reading the video', 'mmdavss.adaptation.frames.write_png', 3),
    ('AdaBN', 'mmdavss.methods.adabn.AdaBN.train_step', 2),
    ('training', 'mmdavss.methods.stpl.STPL.train_step', 2),
    ('choosing', 'mmdavss.evaluation.health.Health.add_pair', 5),
    ('writing the checkpoint', 'mmdavss.adaptation.training.save_checkpoint', 1),
    ('preview', 'mmdavss.visualization.video.VideoWriter.write', 2),
    ('export', 'mmdavss.adaptation.adaptation.export_segmentor', 1),
    ('report', 'mmdavss.adaptation.adaptation.report', 1),
]


def test_a_signal_in_each_phase(plain, video_file, tmp_path, run_tool, handlers, capfd):
    """Each call is interrupted one phase later, and continues where the one before was.

    The two signals take turns: both go the same way, and each start takes seconds.
    """
    out, done = tmp_path / 'out', []
    call = ('adapt_video.py', *plain, video_file, '--out', out, *FEW)
    for (phase, place, count), number in zip(
        PHASES, cycle((signal.SIGINT, signal.SIGTERM)), strict=False
    ):
        left = [count]
        place, _, name = place.rpartition('.')
        owner = pkgutil.resolve_name(place)
        original = getattr(owner, name)

        def stop(*args, left=left, original=original, number=number, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(number)
            return original(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, stop)
            with pytest.raises(SystemExit) as end:
                run_tool(*call)
        said = capfd.readouterr().err
        assert end.value.code == 128 + number, phase
        assert said.endswith('\ninterrupted: the same command continues from here\n'), (phase, said)
        assert said.count('interrupted') == 1 and 'Traceback' not in said, (phase, said)
        assert not list(tmp_path.rglob('*.tmp')) and not list(tmp_path.rglob('*.partial.mp4'))
        assert not (out / LOCK).exists(), phase
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(
                signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
            )
        # What was done before is not done again.
        kept = {path: path.stat().st_mtime_ns for path in done}
        done = [
            path
            for path in out.rglob('*')
            if path.name in ('clips.txt', 'iter_2.pth', 'adapted.pth', 'before_after.mp4')
        ]
        assert all(path.stat().st_mtime_ns == time for path, time in kept.items()), phase
    assert len(done) == 5
    run_tool(*call)
    assert 'AdaBN' in (out / 'report.md').read_text()


def test_what_a_killed_start_leaves_blocks_nothing(plain, video_file, tmp_path, run_tool):
    out = tmp_path / 'out'
    out.mkdir()
    unfinished_path(out / 'adapt.json').write_text('{')
    (out / f'{LOCK}.{"0" * 32}').touch()
    run_tool('adapt_video.py', *plain, video_file, '--out', out, *FEW, '--method', 'adabn')
    assert (out / 'report.md').is_file()
    (out / 'report.md').rename(tmp_path / 'mine')
    with pytest.raises(UserError, match='holds other things'):
        adapt(*plain, video_file, tmp_path)


@pytest.mark.parametrize('keep_ratio', [False, True])
def test_videos_of_different_shapes(keep_ratio, plain, video_file, tmp_path):
    tall = tmp_path / 'tall'
    tall.mkdir()
    for number in range(4):
        image = np.full((64, 32, 3), 60 * number, np.uint8)
        cv2.imwrite(str(tall / f'{number}.png'), image)
    cfg = read_method_config(*plain)
    cfg.test_dataloader.dataset.pipeline[1].update(keep_ratio=keep_ratio)
    found = adapt(
        *plain, [tall, video_file], tmp_path / 'out', iters=2, adabn_iters=2, batch_size=3,
        pairs=3, preview=2, workers=0, device='cpu',
    )  # fmt: skip
    assert '6 pairs of frames' in found.report.read_text()
    assert 0 < found.figures['after'].consistency <= 1
    start = Start(cfg, plain[1], [video_file, tall], tmp_path / 'o', Settings(), device='cpu')
    stretched = tall if start.size[0] > start.size[1] else video_file
    assert f'different shapes: {stretched}. Better' in start.plan()
    alike = Start(cfg, plain[1], [tall, tall], tmp_path / 'p', Settings(), device='cpu')
    assert 'Stretched' not in alike.plan()


class Start(Adaptation):
    """As far as before the frames are taken."""

    def extract(self):
        raise RuntimeError('not reached')


@pytest.mark.parametrize(
    ('scale', 'keep_ratio', 'given', 'expected'),
    [
        ((2048, 1024), False, None, (80, 40)),
        ((2048, 1024), True, None, (80, 40)),
        ((48, 48), True, None, (48, 24)),
        ((48, 20), False, None, (48, 20)),
        ((48, 48), False, None, (48, 24)),  # would be higher than the video
        (None, False, None, (80, 40)),
        (None, False, (40, 20), (40, 20)),
        (None, False, [40, 20], (40, 20)),  # as configs and json have it
        ((2048, 1024), True, (64, 30), (64, 30)),
        ((48, 48), True, (96, 48), (96, 48)),
    ],
)
def test_no_video_is_enlarged(scale, keep_ratio, given, expected, plain, video_file, tmp_path):
    cfg = read_method_config(*plain)
    steps = cfg.test_dataloader.dataset.pipeline
    if scale is None:
        del steps[1]
    else:
        steps[1].update(scale=scale, keep_ratio=keep_ratio)
    start = Start(cfg, plain[1], [video_file], tmp_path / 'out', Settings(size=given), device='cpu')
    assert start.size == expected
    # What predicts for the figures and the preview, and what is written, has the same size.
    frame = next(iter(VideoReader(video_file))).image
    segment = VideoSegmenter(start.sized, plain[1])
    shapes = []
    segment.model.net.segmentor.backbone.register_forward_pre_hook(
        lambda _, inputs: shapes.append(tuple(inputs[0].shape[-2:]))
    )
    list(segment([frame]))
    assert shapes == [expected[::-1]]
    plan = start.plan()
    assert f'Frames of {expected[0]}x{expected[1]}' in plan
    assert ('not 2048x1024' in plan) == (given is None and scale == (2048, 1024))
    for words in (
        'drive.mp4: 12 frames of 80x40',
        'To do: STPL, 100 iterations; 2 pairs each',
        '3 classes, on the CPU',
        'Time: ',
    ):
        assert words in plan


def test_what_is_wrong_is_found_before_anything_is_written(
    plain, video_file, per_frame, saved_model, tmp_path, jpegs
):
    out, weights = tmp_path / 'out', tmp_path / 'other.pth'
    torch.save(
        dict(
            state_dict=torch.load(saved_model(per_frame)[1])['state_dict'],
            meta=dict(CLASSES=['x', 'y', 'z']),
        ),
        weights,
    )
    (tmp_path / 'file').touch()
    mixed = tmp_path / 'mixed'
    mixed.mkdir()
    for number, size in enumerate([(80, 40), (60, 30), (80, 40)]):
        cv2.imwrite(str(mixed / f'{number}.png'), np.zeros((*size[::-1], 3), np.uint8))
    nameless, own = saved_model(per_frame)
    nameless.test_dataloader.dataset.metainfo = None
    nameless.dump(tmp_path / 'nameless.py')
    empty = tmp_path / 'empty.avi'
    empty.write_bytes(jpegs(lost=range(19), share=0.9).read_bytes())
    for arguments, options, words in [
        ((*plain, 'gone.mp4', out), {}, 'gone.mp4 does not exist'),
        ((plain[0], weights, video_file, out), {}, 'other.pth'),
        ((tmp_path / 'nameless.py', own, video_file, out), {}, 'no classes: set its metainfo='),
        ((*plain, video_file, out), dict(size=(0, 5)), 'size must be'),
        ((*plain, video_file, out), dict(device='cuda:99'), 'cuda:99'),
        ((*plain, [], out), {}, 'no video'),
        ((*plain, video_file, tmp_path / 'file'), {}, 'file is a file'),
        ((*plain, empty, out), {}, 'no frame|no two successive'),
        ((*plain, [video_file, 'rtsp://127.0.0.1:1/x'], out), {}, 'cannot be opened'),
        ((*plain, [video_file, mixed], out), {}, 'frame 1 has the size 60x30.*80x40'),
        ((*plain, video_file, out), dict(size=(200_000, 5)), 'size must be'),
        ((*plain, video_file, out), dict(record=1), 'record must'),
        ((*plain, video_file, out), dict(workers=-1), 'workers must'),
        ((*plain, video_file, out), dict(seed=-1), 'seed must'),
        ((*plain, video_file, out), dict(lr=0.0), 'lr must'),
        ((*plain, video_file, out), dict(lr=float('inf')), 'lr must'),
        ((*plain, video_file, out), dict(lr=float('nan')), 'lr must'),
    ]:
        with pytest.raises((UserError, ValueError), match=words):
            adapt(*arguments, **options)
        assert not out.exists(), words


@pytest.mark.parametrize(
    'error',
    [
        cv2.error('(-4:Insufficient memory) Failed to allocate 30000000000 bytes'),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_ran_out(error):
    with (
        pytest.raises(UserError, match='the memory ran out.*--size .now 9 8'),
        explained_memory((9, 8)),
    ):
        raise error


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (torch.cuda.OutOfMemoryError('CUDA out of memory'), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError('shapes'), False),
        (OSError("can't allocate memory"), False),
    ],
)
def test_errors_that_say_no_memory(error, expected):
    assert no_memory(error) is expected


@pytest.mark.parametrize(('scale', 'expected'), [((48, 24), (24, 48)), ((160, 80), (40, 80))])
def test_figures_at_the_size_of_the_network(scale, expected, plain, video_file, monkeypatch):
    """But not larger than the frames, which have 80x40."""
    cfg, shapes = read_method_config(*plain), []
    cfg.test_dataloader.dataset.pipeline[1].scale = scale
    add = Health.add_mirrored

    def noted(self, *scores):
        shapes.extend(tuple(one.shape) for one in scores)
        add(self, *scores)

    monkeypatch.setattr(Health, 'add_mirrored', noted)
    image = next(iter(VideoReader(video_file))).image
    cpu = torch.device('cpu')
    try_network(cfg, str(plain[1]), cpu, image, scale, Settings())
    assert shapes == [(3, *expected)] * 4
    monkeypatch.setattr(Health, 'add_mirrored', exhausted)
    with pytest.raises(UserError, match='the memory ran out: choose a smaller --size'):
        try_network(cfg, str(plain[1]), cpu, image, scale, Settings())


def exhausted(*_):
    raise MemoryError


def test_a_failed_start_blocks_nothing(plain, video_file, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    cfg = read_method_config(*plain)

    def failing(*_):
        raise UserError('the memory ran out')

    few = dict(pairs=2, device='cpu', workers=0)
    with monkeypatch.context() as patch:
        patch.setattr(Adaptation, 'adapt', failing)
        with pytest.raises(UserError, match='memory'):
            adapt(*plain, video_file, out, **few)
    assert (out / 'frames/clips.txt').is_file()
    # Another size; nothing had been made but frames.
    again = Adaptation(cfg, plain[1], [video_file], out, Settings(pairs=2, size=(32, 16)))
    assert not (out / 'frames').exists() and again.record['given']['settings']['size'] == [32, 16]
    # With a checkpoint it is worth something.
    (out / 'adabn').mkdir()
    (out / 'adabn/iter_10.pth').touch()
    with pytest.raises(UserError, match='other settings'):
        Adaptation(cfg, plain[1], [video_file], out, Settings(pairs=2))
    # How it is shown and with how many processes is no other adaptation.
    Adaptation(
        cfg,
        plain[1],
        [video_file],
        out,
        Settings(pairs=2, size=(32, 16), preview=7, workers=1),
    )


@pytest.fixture
def adapted(tmp_path):
    """A folder that holds an adaptation."""
    folder = ResultFolder(tmp_path / 'out')
    folder.begin(dict(method='a'), [])
    (folder.path / 'adapt').mkdir()
    for path in (folder.config, folder.checkpoint, folder.video, folder.path / 'adapt/iter_2.pth'):
        path.write_text('')
    return folder.path


@pytest.mark.parametrize('given', ['adapted.py', 'adapted.pth', 'adapt/iter_2.pth', 'adapt'])
def test_overwrite_keeps_what_it_starts_from(given, adapted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(adapted.rglob('*'))
    folder = ResultFolder('out', overwrite=True)
    with pytest.raises(UserError, match=f'{given} belongs to the adaptation in out.*--out'):
        folder.begin(dict(method='b'), [tmp_path / 'video.mp4', adapted / given])
    assert sorted(adapted.rglob('*')) == before
    folder.begin(dict(method='b'), [tmp_path, adapted.parent / 'adapted.pth'])
    assert [path.name for path in adapted.iterdir()] == ['adapt.json']


def test_model_and_videos_are_what_it_starts_from(plain, video_file, tmp_path):
    out = tmp_path / 'out'
    cfg, few = read_method_config(*plain), Settings(pairs=2)
    Adaptation(cfg, plain[1], [video_file], out, few)
    (out / 'frames').mkdir()
    for path in (out / 'adapted.py', out / 'adapted.pth', out / 'frames/drive.mp4'):
        path.write_bytes(
            {'.py': plain[0], '.pth': plain[1]}.get(path.suffix, video_file).read_bytes()
        )
    for config, checkpoint, video in (
        (out / 'adapted.py', plain[1], video_file),
        (plain[0], out / 'adapted.pth', video_file),
        (*plain, out / 'frames/drive.mp4'),
    ):
        cfg = read_method_config(config, checkpoint)
        with pytest.raises(UserError, match='belongs to the adaptation'):
            Adaptation(cfg, checkpoint, [video], out, Settings(seed=1), overwrite=True)
    assert (out / 'adapted.pth').is_file() and (out / 'frames/drive.mp4').is_file()


def test_overwrite_continues_the_same(adapted):
    ResultFolder(adapted, overwrite=True).begin(dict(method='a'), [])
    assert (adapted / 'adapted.pth').is_file()
    (adapted / 'adapt.json').write_text('{')
    with pytest.raises(UserError, match='--overwrite'):
        ResultFolder(adapted).begin(dict(method='a'), [])
    ResultFolder(adapted, overwrite=True).begin(dict(method='a'), [])
    assert not (adapted / 'adapted.pth').exists()


@pytest.mark.parametrize('name', ['frames', 'adapt'])
def test_overwrite_of_results_on_another_disk(name, adapted, tmp_path):
    """With a link in the place of a folder, what it leads to would be taken for new results."""
    (tmp_path / 'disk').mkdir()
    (adapted / 'adapt').rename(adapted / 'old')
    (adapted / name).symlink_to(tmp_path / 'disk')
    (tmp_path / 'disk/clips.txt').write_text('kept')
    ResultFolder(adapted, overwrite=True).begin(dict(method='b'), [])
    assert not (adapted / name).is_symlink() and not (adapted / name).exists()
    assert (tmp_path / 'disk/clips.txt').read_text() == 'kept'


def test_another_adaptation_in_the_same_process(plain, video_file, tmp_path):
    """mmengine keeps loggers and visualizers, with their folder, for the life of a process."""
    few = dict(method='adabn', pairs=2, preview=2, workers=0, device='cpu')
    first = adapt(*plain, video_file, tmp_path / 'out', adabn_iters=1, **few)
    assert first.report.is_file()
    again = adapt(*plain, video_file, tmp_path / 'out', adabn_iters=2, overwrite=True, **few)
    (log,) = (tmp_path / 'out/adabn').glob('*/vis_data')
    assert 'max_iters=2' in (log / 'config.py').read_text()
    assert again.report.is_file() and list(log.parent.glob('*.log'))


def test_other_frames_in_the_folder_are_another_video(plain, frame_folder, tmp_path):
    def start():
        return Adaptation(
            read_method_config(*plain), plain[1], [frame_folder], tmp_path / 'out', Settings()
        )

    start()
    (tmp_path / 'out/adapted.pth').touch()
    start()
    frame = frame_folder / 'f7.png'
    frame.write_bytes((frame_folder / 'f6.png').read_bytes())
    with pytest.raises(UserError, match='with other videos:'):
        start()
    frame.unlink()
    with pytest.raises(UserError, match='with other videos:'):
        start()


def test_names_that_are_not_utf8(run_tool, plain, frame_folder, tmp_path, capsys):
    """From archives of other systems: such a name cannot be printed nor written as it is."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b'/fahrt_\xe4')
    frame_folder.rename(folder)
    few = ['--method', 'adabn', '--adabn-iters', 1, '--pairs', 2, '--preview', 2, '--workers', 0]
    run_tool('adapt_video.py', *plain, folder, '--out', tmp_path / 'out', *few, '--device', 'cpu')
    assert 'fahrt_\\udce4: 8 frames of' in capsys.readouterr().out
    assert 'fahrt_\\udce4' in (tmp_path / 'out/report.md').read_text()


def test_other_classes_and_steps_are_another_adaptation(plain, video_file, tmp_path):
    def start(cfg):
        return Adaptation(cfg, plain[1], [video_file], tmp_path / 'out', Settings(size=(32, 16)))

    start(read_method_config(*plain))
    (tmp_path / 'out/adapted.pth').touch()
    with pytest.raises(UserError, match='with other classes:'):
        start(read_method_config(*plain, classes=['a', 'b', 'c']))
    other = read_method_config(*plain)
    other.test_dataloader.dataset.pipeline[1].interpolation = 'bilinear'
    with pytest.raises(UserError, match='with other pipeline:'):
        start(other)
    start(read_method_config(*plain))


def test_damaged_video(plain, jpegs, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmdavss.inference.videos.print_log', lambda text, **_: said.append(text))
    video = jpegs(share=0.5)
    work = Adaptation(
        read_method_config(*plain), plain[1], [video], tmp_path / 'out', Settings(pairs=4)
    )
    work.extract()
    count = VideoReader(video).length()
    note = f'{video}: {count} of about 20 frames can be read'
    assert len(said) == 2 and all(text.startswith(note) for text in said)  # by two readers
    assert work.record['notes']['jpegs'] == dict(note=work.readers[0].note, damaged=True)
    # As many pairs as asked for, spread over what can be read.
    numbers = [int(later.stem) for _, later in work.pairs()]
    assert len(numbers) == 4 and numbers[0] == 1 and numbers[-1] == count - 1


def test_exit_code_of_a_damaged_video(run_tool, tmp_path, monkeypatch, capsys):
    (tmp_path / 'report.md').write_text(
        '## Verdict: keep A guess without labels ## Warnings None of this says'
    )
    done = Adapted(
        tmp_path,
        tmp_path,
        tmp_path / 'report.md',
        tmp_path / 'b.mp4',
        {},
        ('a.mp4: 2 of about 4',),
        True,
    )
    monkeypatch.setattr('mmdavss.adaptation.adapt', lambda *_, **__: done)
    with pytest.raises(SystemExit) as ended:
        run_tool('adapt_video.py', 'c', 'w', 'v', '--out', 'o')
    assert ended.value.code == 3 and 'a.mp4: 2 of about 4' in capsys.readouterr().err
    run_tool('adapt_video.py', 'c', 'w', 'v', '--out', 'o', '--allow-damaged')


def test_a_pair_is_of_successive_frames(plain, jpegs, tmp_path):
    work = Adaptation(
        read_method_config(*plain),
        plain[1],
        [jpegs(lost=[8])],
        tmp_path / 'out',
        Settings(pairs=100),
    )
    work.extract()
    pairs = [tuple(int(path.stem) for path in pair) for pair in work.pairs()]
    assert pairs == [(n - 1, n) for n in range(1, 20) if n not in (8, 9)]


def test_a_camera_is_recorded_first(plain, tmp_path, monkeypatch, moving_images):
    class Camera:
        def __init__(self, number):
            assert number == 3
            self.images = iter(moving_images(7))

        def isOpened(self):
            return True

        def get(self, _):
            return 0.0

        def grab(self):
            self.image = next(self.images, None)
            return self.image is not None

        def retrieve(self):
            return True, self.image

        def release(self):
            pass

    with monkeypatch.context() as patch:
        patch.setattr('cv2.VideoCapture', Camera)
        work = Adaptation(
            read_method_config(*plain),
            plain[1],
            ['/dev/video3', 3],
            tmp_path / 'out',
            Settings(record=5, pairs=3),
        )
        assert '/dev/video3: the next 5 frames of 80x40' in work.plan()
        work.extract()
        assert [pair[1].name for pair in work.pairs()] == 2 * [f'00000{n}.png' for n in (1, 2, 4)]
        assert len(list((tmp_path / 'out/frames/camera3_0').iterdir())) == 5
        assert work.record['notes'] == {}
        # What was recorded is not thrown away because of another option.
        others = (read_method_config(*plain), plain[1], ['/dev/video3', 3], tmp_path / 'out')
        with pytest.raises(UserError, match='other settings: choose .* or replace'):
            Adaptation(*others, Settings(record=5, pairs=2))
        assert len(list((tmp_path / 'out/frames/camera3_0').iterdir())) == 5
        # One that ends early says so.
        work = Adaptation(
            read_method_config(*plain), plain[1], [3], tmp_path / 'o', Settings(record=50)
        )
        work.extract()
        assert len(work.pairs()) == 6
        assert '7 of 50 frames' in work.record['notes']['camera3']['note']


def test_a_camera_that_is_there_is_no_folder():
    reader = SimpleNamespace(source=os.devnull, place=None, shown='/dev/video0')
    assert video_identity(reader) == ['/dev/video0']


def test_a_checkpoint_at_an_address(tmp_path):
    with pytest.raises(UserError, match='https://a/b.pth is an address: download'):
        adapt('config.py', 'https://a/b.pth', tmp_path, tmp_path / 'out')


@pytest.mark.parametrize(
    ('method', 'base'),
    [(stpl_model, 'stpl_effnet-lite0'), (self_training_model, 'self-training_effnet-lite0')],
)
def test_the_recipe_is_that_of_the_small_config(method, base, plain, tmp_path):
    measured = Config.fromfile(get_config_path(f'_base_/methods/{base}.py'))
    data = Config.fromfile(get_config_path('_base_/datasets/mini.py')).train_dataloader
    cfg, settings = read_method_config(*plain), Settings()
    model = method(cfg, 'source.pth')
    own = stage_config(
        cfg, model, settings, tmp_path, 99, (9, 9), {}, settings.iters, tmp_path, False
    )
    assert own.model.pop('source_checkpoint') == 'source.pth'
    del own.model.resize_to_input  # as plain mmseg predicts
    for model in (own.model, measured.model):
        del model.student, model.data_preprocessor
    assert own.model == measured.model
    assert own.optim_wrapper == measured.optim_wrapper
    assert own.param_scheduler == measured.param_scheduler
    assert own.train_cfg.max_iters == measured.train_cfg.max_iters
    assert own.train_dataloader.batch_size == data.batch_size
    unread = {'LoadFlow'} if own.model.type == 'STPL' else {'LoadFlow', 'CrossFrameAugment'}
    steps, expected = (
        [step.type for step in loader.dataset.target.pipeline if step.type not in unread]
        for loader in (own.train_dataloader, data)
    )
    assert steps == expected


@pytest.mark.parametrize(
    ('method', 'needs_flow', 'expected'),
    [
        (stpl_model, False, ['LoadFlow', 'CrossFrameAugment']),
        (self_training_model, False, []),
        (self_training_model, True, ['LoadFlow']),
        (adabn_model, True, []),
    ],
)
def test_flow_and_augmented_views_where_something_reads_them(
    method, needs_flow, expected, plain, tmp_path
):
    cfg = read_method_config(*plain)
    own = stage_config(
        cfg, method(cfg, 's.pth'), Settings(), tmp_path, 9, (9, 9), {}, 1, tmp_path, needs_flow
    )
    steps = [step.type for step in own.train_dataloader.dataset.target.pipeline]
    assert [step for step in steps if step in ('LoadFlow', 'CrossFrameAugment')] == expected


def test_adabn_only_where_asked_for(plain, video_file, tmp_path):
    assert [Settings(method=name).adabn_iters for name in ('stpl', 'self-training', 'adabn')] == [
        0,
        0,
        ADABN_ITERS,
    ]
    with pytest.raises(UserError, match='adabn_iters must be 1'):
        Settings(method='adabn', adabn_iters=0)
    with pytest.raises(UserError, match='adabn_iters must be 0'):
        Settings(adabn_iters=-1)
    few = dict(batch_size=2, pairs=2, preview=2, workers=0, device='cpu')
    done = adapt(*plain, video_file, tmp_path / 'out', iters=1, lr=1e-2, **few)
    assert (tmp_path / 'out/adapt').is_dir() and not (tmp_path / 'out/adabn').exists()
    assert 'AdaBN' not in done.report.read_text()
    before, after = (torch.load(path)['state_dict'] for path in (plain[1], done.checkpoint))
    moved = {
        name for name in before if not torch.equal(before[name], after[f'student.segmentor.{name}'])
    }
    # All weights but the classifier, and no statistics.
    assert 'backbone.conv1.weight' in moved
    assert not any('running' in name or 'conv_seg' in name for name in moved)


def figures_of(mirrored: float, kept: float = 1.0) -> HealthFigures:
    """Figures of a model of three equally frequent classes: its error is 1 - `mirrored`."""
    return HealthFigures(
        20, 0.8, 0.5, 0.9, 0.9, (1 / 3, 1 / 3, 1 / 3), mirrored=mirrored, kept=kept
    )


@pytest.mark.parametrize(
    ('after', 'chosen', 'words'),
    [
        ({25: (0.91, 1), 50: (0.95, 1), 75: (0.93, 1), 100: (0.92, 1)}, 50, 'lowest of all.'),
        # The better ones are another model.
        ({25: (0.91, 1), 50: (0.92, 1), 75: (0.97, 0.4), 100: (0.99, 0.3)}, 50, 'not rejected.'),
        ({25: (0.91, 0.4), 50: (0.95, 0.3), 100: (0.92, 0.1)}, 50, 'of all, since all are rejec'),
        ({100: (0.95, 1), 75: (0.95, 1), 50: (0.95, 1), 25: (0.9, 1)}, 50, 'the earliest'),
        ({50: (0.5, 1)}, 50, 'lowest of all, since'),
    ],
)
def test_choice_of_the_checkpoint(after, chosen, words):
    candidates = candidates_of(
        figures_of(0.9),
        {iteration: figures_of(*values) for iteration, values in after.items()},
        ('road', 'sky', 'car'),
    )
    assert [one.iteration for one in candidates] == sorted(after)
    assert choose(candidates) == chosen
    text = explained(candidates, chosen)
    row = next(line for line in text.splitlines() if line.startswith(f'| {chosen} |'))
    error, kept = 1 - after[chosen][0], 100 * after[chosen][1]
    assert row.startswith(f'| {chosen} | {error:.3f} | {kept:.1f} | **kept**')
    assert text.count('**kept**') == 1 and words in text
    assert text.count('rejected |') == sum(one.rejected for one in candidates)


def test_candidates_without_figures():
    """One that predicts NaN is rejected; what is kept of hardly any confident pixel is unknown."""
    nan = math.nan
    broken = HealthFigures(9, nan, nan, nan, nan, (nan,) * 3, nan, nan, nan)
    before = dataclasses.replace(figures_of(0.9), confident=0.0)
    candidates = candidates_of(before, {25: broken, 50: figures_of(0.8)}, ('road', 'sky', 'car'))
    assert [(one.kept, one.rejected) for one in candidates] == [(None, True)] * 2
    # Of those that are all rejected it is the last.
    assert candidates[0].error == math.inf and choose(candidates) == 50
    rows = explained(candidates, 50).splitlines()
    assert rows[2:4] == ['| 25 | - | - | rejected |', '| 50 | 0.200 | - | **kept**, rejected |']


def test_a_checkpoint_that_predicts_nan(plain, video_file, tmp_path):
    """It costs neither the figures of the others nor theirs after it."""
    cfg = read_method_config(*plain)
    saved = torch.load(plain[1])
    saved['state_dict']['decode_head.conv_seg.bias'].fill_(math.nan)
    torch.save(saved, tmp_path / 'nan.pth')
    images = [frame.image for frame in VideoReader(video_file)][:3]
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f'{number}.png'), image)
    pairs = [(tmp_path / f'{n}.png', tmp_path / f'{n + 1}.png') for n in range(2)]
    good, bad = (cfg, plain[1]), (cfg, tmp_path / 'nan.pth')
    rest = pairs, 3, 9, torch.device('cpu'), (48, 24)
    before, broken, after = measure([good, bad, good], *rest)
    assert [before, after] == measure([good, good], *rest) and before.frames == 2
    assert math.isnan(broken.mirrored) and len(broken.shares) == 3
    with pytest.raises(NotFiniteError, match='NaN or infinite'):
        measure([bad, good], *rest)


def test_iterations_of_checkpoints():
    assert [checkpoint_iterations(iters) for iters in (1, 2, 5, 10, 100)] == [
        [1],
        [1, 2],
        [2, 4, 5],
        [3, 6, 9, 10],
        [25, 50, 75, 100],
    ]


def test_killed_between_training_and_choosing(plain, video_file, tmp_path, monkeypatch):
    cfg, out = read_method_config(*plain), tmp_path / 'out'
    settings = Settings(iters=4, batch_size=1, pairs=2, workers=0, lr=1e-2)

    def start():
        return Adaptation(cfg, plain[1], [video_file], out, settings, device='cpu')

    def killed(*_):
        raise KeyboardInterrupt

    first = start()
    first.extract()
    with monkeypatch.context() as patch:
        patch.setattr('mmdavss.adaptation.adaptation.measure', killed)
        with pytest.raises(KeyboardInterrupt):
            first.adapt()
    made = sorted((out / 'adapt').glob('iter_*.pth'))
    assert [path.stem for path in made] == ['iter_1', 'iter_2', 'iter_3', 'iter_4']
    assert not (out / 'adapted.pth').exists()

    # Training is done, the choice is not: of five models measured, the second checkpoint is best.
    asked = []

    def measured(models, *_):
        asked.extend(str(checkpoint) for _, checkpoint in models)
        return [figures_of(value) for value in (0.9, 0.91, 0.95, 0.93, 0.94)]

    with monkeypatch.context() as patch:
        patch.setattr('mmdavss.adaptation.adaptation.measure', measured)
        patch.setattr('mmdavss.methods.stpl.STPL.train_step', killed)
        patch.setattr('mmdavss.adaptation.adaptation.save_student', killed)
        with pytest.raises(KeyboardInterrupt):
            start().adapt()
    assert asked == [str(plain[1]), *map(str, made)]

    # Nothing can be kept if all predict NaN.
    nan = dataclasses.replace(figures_of(math.nan), shares=(math.nan,) * 3)
    with monkeypatch.context() as patch:
        patch.setattr(
            'mmdavss.adaptation.adaptation.measure', lambda *_: [figures_of(0.9), *[nan] * 4]
        )
        with pytest.raises(NotFiniteError, match='all predict NaN: choose a smaller --lr'):
            first._choose({1: '', 2: '', 3: '', 4: ''})

    # The choice is in the journal, the model is not written yet.
    with monkeypatch.context() as patch:
        patch.setattr('mmdavss.adaptation.adaptation.measure', killed)
        last = start()
        assert last.record['chosen'] == 2
        kept = torch.load(last.adapt())['state_dict']
        assert last.adapt() == out / 'adapted.pth'
    assert last.figures() == dict(before=figures_of(0.9), after=figures_of(0.95))
    (out / 'before_after.png').mkdir()
    with pytest.raises(IsADirectoryError):  # a picture that cannot be written is none
        last.preview()
    (out / 'before_after.png').rmdir()
    video = list(VideoReader(last.preview()))
    assert (cv2.imread(str(out / 'before_after.png')) == video[6].image).all() and len(video) == 12
    states = [torch.load(path, weights_only=False)['state_dict'] for path in made]
    same = [
        all(torch.equal(value, state[name]) for name, value in kept.items()) for state in states
    ]
    assert same == [False, True, False, False]

    # Several models in one go have the figures that each has alone.
    models = [(last.sized, plain[1]), *((Config.fromfile(out / 'adapted.py'), p) for p in made[2:])]
    rest = last.pairs(), 3, 9, last.device, last.size
    together = measure(models, *rest)
    alone = [measure([models[0], model], *rest)[1] for model in models]
    assert together == alone


def test_time_that_is_left():
    left = TimeLeft(dict(health=10.0, preview=5.0, adabn=20.0, adapt=100.0))
    assert left.total() == 135
    left.measured('adabn', 40.0, 30.0)  # twice as slow as thought, and so will the next be
    assert left.total() == 10 + 5 + 30 + 200
    left.done('adabn')
    left.measured('adapt', 120.0, 60.0)
    assert left.total() == 75
    assert [duration(s) for s in (3, 42, 300, 7200)] == [
        'a few seconds',
        'about 40 s',
        'about 5 min',
        'about 2.0 h',
    ]


def test_public_function(plain, video_file, tmp_path, capsys, monkeypatch):
    import mmdavss.apis

    assert mmdavss.apis.adapt is adapt and find_spec('mmdavss.apis.adapt') is None
    # Every option of the tool is one of the function.
    parser = runpy.run_path('tools/adapt_video.py')['build_parser']()
    options = {action.dest for action in parser._actions} - {'help', 'allow_damaged'}
    names = {field.name for field in dataclasses.fields(Settings)} | set(
        inspect.signature(adapt).parameters
    )
    assert options <= names
    monkeypatch.setattr('sys.argv', ['adapt_video.py', 'rtsp://me:secret@host/x'])
    done = adapt(
        *plain,
        video_file,
        tmp_path / 'out',
        method='adabn',
        adabn_iters=5,
        pairs=2,
        preview=2,
        workers=0,
        device='cpu',
        size=(32, 16),
        command=['adapt', 'rtsp://me:secret@host/x'],
        cfg_options={'model.decode_head.dropout_ratio': 0.3},
    )
    assert done.checkpoint.is_file() and done.config.is_file() and done.video.is_file()
    assert 0 < done.figures['after'].confidence < 1 and not done.damaged and done.notes == ()
    text = done.report.read_text()
    assert '***@host' in text and 'of 32x16' in text
    written = [path for path in (tmp_path / 'out').rglob('*') if path.is_file()]
    assert not any(b'secret' in path.read_bytes() for path in written)
    (run,) = (path for path in written if path.name == 'report.json')
    assert 'rtsp://***@host/x' in run.read_text()
    cfg = Config.fromfile(done.config)
    assert cfg.model.student.segmentor.decode_head.dropout_ratio == 0.3
    assert tuple(cfg.test_dataloader.dataset.pipeline[1].scale) == (32, 16)
    said = capsys.readouterr().out
    assert said.index('80x40') < said.index('Frames of 32x16') < said.index('s for an iteration')


def test_plain_configs(plain, tmp_path):
    cfg = read_method_config(*plain)
    data = cfg.test_dataloader.dataset
    assert data.metainfo.classes == ('left', 'right', 'rest')
    assert data.metainfo.palette == [[128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert [step.type for step in data.pipeline] == ['LoadClip', 'ClipResize', 'PackClipInputs']
    assert cfg.model.student.segmentor.decode_head.norm_cfg.type == 'BN'
    named = read_method_config(*plain, classes=['a', 'b', 'c'])
    assert named.test_dataloader.dataset.metainfo.classes == ('a', 'b', 'c')
    with pytest.raises(UserError, match='3 classes, but 2 names.*--classes'):
        read_method_config(*plain, classes=['a', 'b'])
    weights = torch.load(plain[1])
    torch.save(dict(weights, meta={}), tmp_path / 'nameless.pth')
    with pytest.raises(UserError, match='nameless.pth does not say which classes.*--classes'):
        read_method_config(plain[0], tmp_path / 'nameless.pth')
    torch.save(dict(weights, meta=dict(CLASSES=['x', 'y', 'z'])), tmp_path / 'old.pth')
    old = read_method_config(plain[0], tmp_path / 'old.pth')
    assert old.test_dataloader.dataset.metainfo.classes == ('x', 'y', 'z')
    for change, words in [
        (dict(model=dict(type='DepthEstimator')), 'DepthEstimator cannot be'),
        (dict(test_pipeline=[dict(type='Pad', size=(9, 9))]), 'the step Pad'),
    ]:
        other = Config.fromfile(plain[0])
        other.merge_from_dict(change)
        if 'model' in change:
            other.model.decode_head = [other.model.decode_head] * 2
        other.dump(tmp_path / 'other.py')
        with pytest.raises(UserError, match=words):
            read_method_config(tmp_path / 'other.py', plain[1])


def test_mistakes(run_tool, plain, video_file, tmp_path):
    own = get_config_path('source_only/deeplabv2-r18_miniviper2minivps.py')
    (tmp_path / 'no_test.py').write_text(f'_base_ = {own!r}\ntest_dataloader = None\n')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'thesis.tex').touch()
    for arguments, words in [
        ((*plain, 'gone.mp4', '--out', tmp_path / 'o'), 'gone.mp4 does not exist'),
        ((plain[0], 'gone.pth', video_file, '--out', tmp_path / 'o'), 'gone.pth'),
        ((*plain, video_file, '--out', tmp_path / 'full'), 'full holds other things'),
        ((*plain, video_file, '--out', tmp_path / 'o', '--iters', 0), 'iters must be 1'),
        ((plain[1], plain[0], video_file, '--out', tmp_path / 'o'), 'the config comes first'),
        (
            (tmp_path / 'no_test.py', plain[1], video_file, '--out', tmp_path / 'o'),
            'no_test.py has no test_dataloader',
        ),
        (
            (own, plain[1], video_file, '--out', tmp_path / 'o', '--classes', 'a'),
            'leave out --classes',
        ),
        (
            (*plain, video_file, '--out', tmp_path / 'o', '--cfg-options', 'model=3'),
            'model is a group of settings',
        ),
        (
            (
                *plain,
                video_file,
                '--out',
                tmp_path / 'o',
                '--cfg-options',
                'model.decode_head.type=MyHead',
            ),
            'MyHead is not in .*custom_imports',
        ),
    ]:
        with pytest.raises(SystemExit, match=f'error: .*{words}'):
            run_tool('adapt_video.py', *arguments)
    assert not (tmp_path / 'o').exists() and len(list((tmp_path / 'full').iterdir())) == 1


def test_warnings():
    before = HealthFigures(9, 0.8, 0.5, 0.9, 0.9, (0.5, 0.3, 0.2))
    worse = HealthFigures(9, 0.7, 0.5, 0.9, 0.8, (0.75, 0.24, 0.01))
    names = ('road', 'sky', 'car')
    found = '\n'.join(warnings_of(before, worse, names))
    for words in (
        '**car has collapsed**: from 20.00% to 1.00%',
        '**road takes over**: from 50.0%',
        'flicker more',
        'less confident',
    ):
        assert words in found
    assert warnings_of(before, before, names) == ()
    rest = (names, Settings(), ['a'], 7, 'x', ['adapt'], ONE, 100)
    text = report(dict(before=before, after=worse), *rest)
    assert '**car has collapsed**' in text and '| mean confidence | 80.0 | 70.0 | -10.0 |' in text
    assert 'Together 25.0 %' in text and '| car | 20.00 | 1.00 | -19.00 |' in text
    assert '- None' not in text
    assert text.startswith('# Adapted to a\n\n## Verdict: reject\n\n- Collapsed: 1 of the 3 clas')
    many = dataclasses.replace(before, frames=20, mirrored=0.95)
    text = report(dict(before=many, after=many), *rest)
    assert '- None: no class collapsed' in text and '## Verdict: keep' in text
    noted = report(
        dict(before=before, after=worse), *rest, size=(9, 5), notes=['a.mp4: 2 of about 4 frames']
    )
    assert '**a.mp4: 2 of about 4 frames.**' in noted and 'of 9x5' in noted


def test_report_of_a_total_drift():
    """Half of the pixels move, a class doubles, one loses half: it says so, and not keep."""
    before = HealthFigures(20, 0.8, 0.5, 0.9, 0.9, (0.5, 0.2, 0.2, 0.1), mirrored=0.95)
    after = dataclasses.replace(before, shares=(0.55, 0.15, 0.1, 0.2), moved=0.5, kept=0.9)
    text = report(
        dict(before=before, after=after),
        ('road', 'sky', 'car', 'bus'),
        Settings(),
        ['a'],
        7,
        'x',
        ['adapt'],
        ONE,
        100,
    )
    assert text.index('## Verdict: doubtful') < text.index('## Warnings') < text.index('## Health')
    for words in (
        '**Total drift**: 50%',
        '**car has lost half or more**: from 20.00% to 10.00%',
        '**bus has doubled or more**: from 10.00% to 20.00%',
        'pixel by pixel 50.0 %',
        '| same class in the mirrored frame | 95.0 | 95.0 |',
    ):
        assert words in text


def test_a_second_one_beside_it(run_tool, plain, video_file, tmp_path):
    with WorkDirLock(tmp_path / 'o'), pytest.raises(SystemExit, match='in use by .*--out'):
        run_tool('adapt_video.py', *plain, video_file, '--out', tmp_path / 'o', '--overwrite')
