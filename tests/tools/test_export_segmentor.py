"""tools/export_segmentor.py: mmseg's own API, without this package, predicts the same bits."""
from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS

from mmdavss.apis.inference import load_model

PLAIN = """
import sys
import cv2
import torch
from mmseg.apis import MMSegInferencer, inference_model, init_model
config, checkpoint, folder, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
names = [f'{folder}/f{n}.png' for n in range(8)]
found = [inference_model(model, name) for name in names]
maps = [inference_model(model, cv2.imread(name)).pred_sem_seg.data for name in names]
infer = MMSegInferencer(config, checkpoint, device='cpu', show_progress=False)
torch.save(dict(logits=[f.seg_logits.data for f in found],
                maps=[f.pred_sem_seg.data for f in found], arrays=maps,
                inferencer=infer(names)['predictions'], meta=model.dataset_meta), out)
assert 'mmdavss' not in sys.modules
"""


def by_mmseg(config, checkpoint, folder, tmp_path) -> dict:
    """What plain mmseg predicts, in a process and from a folder of its own."""
    found = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        [sys.executable, '-c', PLAIN, config, checkpoint, folder, tmp_path / 'found.pth'],
        cwd=tmp_path, env=found, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(tmp_path / 'found.pth', weights_only=False)


def export(run_tool, saved, out, *options):
    run_tool('export_segmentor.py', saved[0].filename, saved[1], '--out', out, *options)


def check(expected, found):
    """All frames, to the bit."""
    for sample, logits, labels, array, other in zip(
            expected, found['logits'], found['maps'], found['arrays'], found['inferencer'],
            strict=True):
        assert torch.equal(sample.seg_logits.data, logits)
        assert len(sample.pred_sem_seg.data.unique()) > 1
        for prediction in (labels, array, torch.as_tensor(other)[None]):
            assert torch.equal(sample.pred_sem_seg.data, prediction)


FCN = dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=4,
           norm_cfg=dict(type='BN'))  # yapf: disable


@pytest.mark.parametrize('kind', ['deeplab_v2', 'fcn', 'accel_stage_1'])
def test_to_the_bit(kind, run_tool, saved_model, per_frame, accel, frame_folder, tmp_path):
    net = dict(accel, stage=1) if kind == 'accel_stage_1' else per_frame
    if kind == 'fcn':
        net['segmentor'].update(decode_head=FCN, auxiliary_head=None)
    saved = cfg, checkpoint = saved_model(net)
    model = load_model(cfg, checkpoint)
    with torch.no_grad():
        expected = [model.test_step(pseudo_collate([item]))[0]
                    for item in DATASETS.build(cfg.test_dataloader.dataset)]
    out = tmp_path / 'export'
    export(run_tool, saved, out)
    names = {'segmentor.py', 'segmentor.pth'}
    if kind != 'fcn':
        names.add('exported_deeplab_v2.py')
    assert {path.name for path in out.iterdir()} == names
    moved = out.rename(tmp_path / 'moved')  # nothing in it says where it was
    found = by_mmseg(moved / 'segmentor.py', moved / 'segmentor.pth', frame_folder, tmp_path)
    check(expected, found)
    assert found['meta']['classes'] == ('road', 'sky', 'car', 'person')
    assert 'import mmdavss' not in (moved / 'segmentor.py').read_text()
    # And back: an export is read as any other plain config, and predicts the same once more.
    again = tmp_path / 'again'
    run_tool('export_segmentor.py', moved / 'segmentor.py', moved / 'segmentor.pth', '--out', again)
    one, two = (torch.load(folder / 'segmentor.pth')['state_dict'] for folder in (moved, again))
    assert all(torch.equal(one[key], value) for key, value in two.items())


def test_nothing_is_overwritten_unasked(run_tool, saved_model, per_frame, tmp_path):
    saved = saved_model(per_frame)
    export(run_tool, saved, tmp_path / 'export')
    before = (tmp_path / 'export' / 'segmentor.pth').stat().st_mtime_ns
    with pytest.raises(SystemExit, match='segmentor.pth.*exist already.*--overwrite'):
        export(run_tool, saved, tmp_path / 'export')
    assert (tmp_path / 'export' / 'segmentor.pth').stat().st_mtime_ns == before
    export(run_tool, saved, tmp_path / 'export', '--overwrite')


def test_video_nets(run_tool, saved_model, accel, frame_folder, tmp_path):
    saved = saved_model(accel)
    with pytest.raises(SystemExit, match='Accel joins several frames.*--per-frame-part'):
        export(run_tool, saved, tmp_path / 'export')
    assert not (tmp_path / 'export').exists()
    export(run_tool, saved, tmp_path / 'export', '--per-frame-part')
    config = tmp_path / 'export' / 'per_frame_part_of_Accel.py'
    assert 'ALONE. It does not' in config.read_text()
    found = by_mmseg(config, config.with_suffix('.pth'), frame_folder, tmp_path)
    model = load_model(*saved)
    assert np.ptp(found['maps'][0].numpy()) > 0
    image = torch.tensor(cv2.resize(cv2.imread(str(frame_folder / 'f0.png')), (48, 24)))
    frames = model.data_preprocessor.normalise(image.flip(-1).permute(2, 0, 1)[None] / 255)
    with torch.no_grad():
        scores = model.net.classify(model.net.features(frames))
    scores = torch.nn.functional.interpolate(scores, (40, 80), mode='bilinear', align_corners=True)
    assert torch.allclose(scores[0], found['logits'][0], atol=1e-3)


def test_what_cannot_be_exported(run_tool, saved_model, per_frame, tmp_path):
    cfg, checkpoint = saved_model(per_frame)
    pipeline = cfg.test_dataloader.dataset.pipeline
    for change, words in [
            (dict(test_dataloader=dict(dataset=dict(pipeline=[
                pipeline[0], dict(type='ClipCrop', crop_size=(8, 8)), pipeline[-1]]))),
             'the step ClipCrop'),
            (dict(model=dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32)))),
             'data_preprocessor.test_cfg')]:
        other = Config.fromfile(cfg.filename)
        other.merge_from_dict(change)
        other.dump(tmp_path / 'other.py')
        with pytest.raises(SystemExit, match=words):
            export(run_tool, (Config.fromfile(tmp_path / 'other.py'), checkpoint), tmp_path / 'e')
    with pytest.raises(SystemExit, match='gone.pth'):
        export(run_tool, (cfg, 'gone.pth'), tmp_path / 'e')
    assert not (tmp_path / 'e').exists()
