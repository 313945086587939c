"""Segmenting frames in order gives what the data set and its pipeline give."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, MODELS

from mmdavss.flow import PrecomputedFlow
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.launch.model import load_model
from mmdavss.testing import small_net
from mmdavss.utils.errors import NotFiniteError, UserError
from mmdavss.utils.inputs import list_frames

CLASSES = ('road', 'sky', 'car', 'person')


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Folder of a Cityscapes snippet: five frames of a pattern that moves, and one label."""
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 255, (8, 20, 3), np.uint8), (100, 40))
    folder = tmp_path / 'leftImg8bit_sequence' / 'val' / 'ulm'
    labels = tmp_path / 'gtFine' / 'val' / 'ulm'
    for path in (folder, labels):
        path.mkdir(parents=True)
    for number in range(5):
        name = folder / f'ulm_000000_{17 + number:06d}_leftImg8bit.png'
        cv2.imwrite(str(name), wide[:, 3 * number :][:, :80])
    cv2.imwrite(str(labels / 'ulm_000000_000021_gtFine_labelIds.png'), np.zeros((40, 80), np.uint8))
    return folder


@pytest.fixture
def config(accel: dict, tmp_path: Path) -> Config:
    dataset = dict(
        type='CityscapesSeqDataset',
        data_root=str(tmp_path),
        split='val',
        metainfo=dict(classes=CLASSES),
        test_mode=True,
        pipeline=[
            dict(type='LoadClip'),
            dict(type='ClipResize', scale=(48, 24)),
            dict(type='LoadFlow', provider=dict(type='DISFlowEstimator')),
            dict(type='LoadClipAnnotations'),
            dict(type='PackClipInputs'),
        ],
    )
    return Config(
        dict(
            model=dict(
                type='SourceOnly',
                student=accel,
                data_preprocessor=dict(
                    type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3
                ),
            ),
            test_dataloader=dict(dataset=dataset),
        )
    )


@pytest.fixture
def checkpoint(config: Config, tmp_path: Path) -> str:
    torch.manual_seed(1)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    # The previous frame must count, or a clip in the wrong order would not be seen.
    torch.nn.init.normal_(model.student.fusion.weight)
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def test_gives_what_the_data_set_gives(config, checkpoint, frames):
    maps = list(VideoSegmenter(config, checkpoint)(frames))
    assert [m.shape for m in maps] == [(40, 80)] * 5
    assert all(m.dtype == np.uint8 and len(np.unique(m)) > 1 for m in maps)

    model = MODELS.build(config.model)
    model.load_state_dict(torch.load(checkpoint)['state_dict'])
    data = DATASETS.build(config.test_dataloader.dataset)[0]
    (sample,) = model.eval().test_step(pseudo_collate([data]))
    assert (maps[-1] == sample.pred_sem_seg.data[0].numpy()).all()
    # The clip's other frame makes a difference.
    (alone,) = VideoSegmenter(config, checkpoint)(sorted(frames.iterdir())[-1:])
    assert (maps[-1] != alone).any()


def test_steps_of_labels_are_left_out(config, checkpoint, frames):
    expected = list(VideoSegmenter(config, checkpoint)(frames))
    steps = config.test_dataloader.dataset.pipeline
    steps[4:4] = [dict(type='LoadTracks'), dict(type='LoadSoftLabels')]
    maps = VideoSegmenter(config, checkpoint)(frames)
    assert all((a == b).all() for a, b in zip(maps, expected, strict=True))


def test_takes_files_and_arrays(config, checkpoint, frames):
    segment = VideoSegmenter(config, checkpoint)
    files = sorted(frames.iterdir())
    expected = list(segment(frames))
    for video in (files, map(str, files), (cv2.imread(str(file)) for file in files)):
        assert all((a == b).all() for a, b in zip(segment(video), expected, strict=True))


def test_classes_and_colours_without_the_data(config, checkpoint):
    config.test_dataloader.dataset.data_root = 'nowhere'
    segment = VideoSegmenter(config, checkpoint)
    assert segment.classes == CLASSES
    assert segment.palette.tolist() == [[128, 64, 128], [70, 130, 180], [0, 0, 142], [220, 20, 60]]


def test_every_frame_follows_the_one_a_distance_back(config, checkpoint, monkeypatch):
    config.test_dataloader.dataset.update(clip_length=3, frame_distance=2)
    segment = VideoSegmenter(config, checkpoint)
    # A state that is the clip: what the step before saw.
    # A frame is its grey level, a prediction what it was made of, a state the frames up to it.
    monkeypatch.setattr(
        segment, '_prepare', lambda pair, size: [int(image[0, 0, 0]) for _, image in pair]
    )
    monkeypatch.setattr('mmdavss.inference.segmenter.pseudo_collate', list)
    segment.model = SimpleNamespace(
        data_preprocessor=lambda batch: dict(pair=batch[0]),
        step=lambda pair, state, **_: ([(pair, state)], (*(state or ()), pair[1])),
    )
    video = [np.full((4, 4, 3), number, np.uint8) for number in range(6)]

    def seen(*numbers):
        return list(zip(*segment._predicted(segment.prepared(video, *numbers)), strict=True))

    pairs, states = seen()
    assert pairs == ([0, 0], [0, 1], [0, 2], [1, 3], [2, 4], [3, 5])
    assert states == (None, (0,), (0,), (0, 1), (0, 2), (0, 1, 3))
    # The distance counts in numbers, as in the data set; 14 has no frame 2 before it.
    pairs, states = seen([0, 2, 4, 5, 6, 14])
    assert pairs == ([0, 0], [0, 1], [1, 2], [1, 3], [2, 4], [4, 5])
    assert states == (None, (0,), (0, 1), (0, 1), (0, 1, 2), (0, 1, 2, 4))
    with pytest.raises(ValueError, match='longer'):
        list(segment.prepared(video, [0, 1]))


@pytest.mark.parametrize(
    'options', [dict(clip_length=3, frame_distance=2), dict(clip_length=3), dict(clip_length=1)]
)
def test_clips_of_the_data_set(config, checkpoint, frames, options):
    """Longer clips, and frames that are not neighbours: the same maps as from the data set."""
    config.test_dataloader.dataset.update(options)
    maps = list(VideoSegmenter(config, checkpoint)(frames))
    model = load_model(config, checkpoint)
    data = DATASETS.build(config.test_dataloader.dataset)[0]
    with torch.no_grad():
        (sample,) = model.test_step(pseudo_collate([data]))
    assert (maps[-1] == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999


def test_key_frames_of_a_video_are_an_interval_apart(saved_model, frame_folder):
    """Whatever the distance of the frames of the data set's clips."""
    net = small_net('DFF', key_interval=3)
    near, far = (
        list(VideoSegmenter(*saved_model(net, frame_distance=distance))(frame_folder))
        for distance in (1, 2)
    )
    assert all((a == b).all() for a, b in zip(near, far, strict=True))


def test_a_key_frame_net_that_sees_single_frames(saved_model, frame_folder):
    """As in a test: without flow each frame is a key frame."""
    segment = VideoSegmenter(*saved_model(small_net('DFF'), clip_length=1))
    files = list_frames(frame_folder)[:3]
    maps = list(segment(files))
    assert all((m == next(segment([file]))).all() for m, file in zip(maps, files, strict=True))


@MODELS.register_module()
class OwnFiles(PrecomputedFlow):
    """Reads flow as somebody else keeps it."""


@pytest.mark.parametrize('kind', ['PrecomputedFlow', 'OwnFiles', 'mmseg.OwnFiles', OwnFiles])
def test_files_of_a_data_set_give_no_flow_of_a_video(config, checkpoint, kind):
    steps = config.test_dataloader.dataset.pipeline
    steps[2].provider = dict(type=kind, root='gone')
    segment = VideoSegmenter(config, checkpoint)
    (flow,) = [t for t in segment.pipeline.transforms if type(t).__name__ == 'LoadFlow']
    assert type(flow.provider).__name__ == 'DISFlowEstimator'


def test_nets_with_a_flow_branch_load_no_flow(config, checkpoint, frames):
    config.model.student.flow_net = dict(type='FlowNetS', base_channels=2)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    segment = VideoSegmenter(config, checkpoint)
    assert not [t for t in segment.pipeline.transforms if type(t).__name__ == 'LoadFlow']
    maps = list(segment(frames))
    data = DATASETS.build(config.test_dataloader.dataset)[0]
    with torch.no_grad():
        (sample,) = load_model(config, checkpoint).test_step(pseudo_collate([data]))
    assert (maps[-1] == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999


def test_only_the_video_net_is_read(config, checkpoint):
    """A checkpoint of another method has other things besides the video net."""
    whole = torch.load(checkpoint)
    whole['state_dict']['projection.weight'] = torch.zeros(3)
    torch.save(whole, checkpoint)
    model = load_model(config, checkpoint)
    assert not model.training
    name = 'student.fusion.weight'
    assert (model.state_dict()[name] == whole['state_dict'][name]).all()


def test_natural_order(tmp_path):
    for name in ('f10.png', 'f9.png', 'f1.JPG', 'notes.txt'):
        (tmp_path / name).touch()
    assert [path.name for path in list_frames(tmp_path)] == ['f1.JPG', 'f9.png', 'f10.png']


@pytest.mark.parametrize('use', [load_model, VideoSegmenter])
def test_misspelt_config(use, checkpoint):
    """Names of the package's configs are found without a clone, and nearest ones named."""
    with pytest.raises(UserError, match='not found.*did you mean stpl/accel_viper2city.py'):
        use('configs/stpl/accel_viper2cty.py', checkpoint)


def test_mistakes(config, checkpoint, frames, tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        load_model(config, 'gone.pth')
    segment = VideoSegmenter(config, checkpoint)
    for folder in (tmp_path / 'gone', frames.parent):
        with pytest.raises(FileNotFoundError, match=str(folder)):
            next(segment(folder))
    with pytest.raises(ValueError, match='frame 0 has the size 8x4, frame 1 8x6'):
        list(segment([np.zeros((4, 8, 3), np.uint8), np.zeros((6, 8, 3), np.uint8)]))
    config.test_dataloader.dataset.metainfo = dict(classes=CLASSES[:3])
    with pytest.raises(ValueError, match='3 classes, the model 4'):
        VideoSegmenter(config, checkpoint)
    config.test_dataloader.dataset = dict(
        type='ClipFolderDataset', data_root=str(frames), pipeline=[dict(type='PackClipInputs')]
    )
    with pytest.raises(UserError, match='data set of test_dataloader names no classes.*metainfo='):
        VideoSegmenter(config, checkpoint)
    for key in ('test_dataloader', 'model'):
        config[key] = None
        with pytest.raises(UserError, match=f'has no {key}: inherit a config'):
            VideoSegmenter(config, checkpoint)
        config.test_dataloader = dict(dataset=dict())


@pytest.mark.parametrize(
    ('trained', 'used', 'words'),
    [
        ('accel', 'per_frame', 'no place for.*fusion'),
        ('per_frame', 'accel', 'single-frame net.*fusion'),
    ],
)
def test_a_network_predicts_whole_or_not_at_all(trained, used, words, saved_model, request):
    """Of a video net's checkpoint a single-frame net would take a part, and the other way round."""
    _, checkpoint = saved_model(request.getfixturevalue(trained), 'trained')
    cfg, _ = saved_model(request.getfixturevalue(used), 'used')
    with pytest.raises(ValueError, match=f'(?s)does not fit.*({words})'):
        load_model(cfg, checkpoint)
    # As tools/test.py and load_from do.
    with pytest.raises(ValueError, match='does not fit.*(no place for|lacks)'):
        load_checkpoint(MODELS.build(cfg.model), checkpoint)


def test_auxiliary_classifiers_may_be_missing(saved_model, per_frame, frame_folder):
    """They predict nothing."""
    _, checkpoint = saved_model(copy.deepcopy(per_frame), 'trained', flow=False)
    del per_frame['segmentor']['auxiliary_head']
    cfg, _ = saved_model(per_frame, 'used', flow=False)
    model = load_model(cfg, checkpoint)
    load_checkpoint(MODELS.build(cfg.model), checkpoint)
    state = model.state_dict()
    name = next(n for n in state if 'decode_head' in n)
    assert torch.equal(state[name], torch.load(checkpoint)['state_dict'][name])


def test_scores_that_are_nan_are_no_prediction(saved_model, per_frame, frame_folder):
    """Their largest value is any, and a broken network would be scored as one that works."""
    cfg, checkpoint = saved_model(per_frame, flow=False)
    broken = torch.load(checkpoint)
    for name, value in broken['state_dict'].items():
        if 'decode_head' in name:
            value.fill_(float('nan'))
    torch.save(broken, checkpoint)
    with pytest.raises(NotFiniteError, match='f0.png: the scores of the network are NaN'):
        next(VideoSegmenter(cfg, checkpoint)(frame_folder))
