"""tools/video_demo.py from a file and a folder."""

from __future__ import annotations

import cv2
import pytest

from mmdavss.inference.videos import VideoReader


def test_video_and_masks(run_tool, saved_model, accel, video_file, tmp_path, capsys):
    cfg, checkpoint = saved_model(accel)
    out, masks = tmp_path / 'out.mp4', tmp_path / 'masks'
    run = [
        video_file,
        cfg.filename,
        checkpoint,
        '--out',
        out,
        '--masks',
        masks,
        '--frames',
        5,
        '--no-legend',
        '--device',
        'cpu',
    ]
    run_tool('video_demo.py', *run)
    said = capsys.readouterr()
    assert '5 frames in' in said.out and 'frames/s' in said.err
    reader = VideoReader(out)
    assert [f.image.shape for f in reader] == [(40, 80, 3)] * 5 and reader.fps == 12
    assert cv2.imread(str(masks / '000004.png'), cv2.IMREAD_UNCHANGED).max() < 4
    with pytest.raises(SystemExit, match='out.mp4 is there already.*--overwrite'):
        run_tool('video_demo.py', *run)
    run_tool('video_demo.py', *run, '--overwrite')


def test_damaged_video(run_tool, saved_model, per_frame, jpegs, tmp_path, capsys):
    cfg, checkpoint = saved_model(per_frame)
    video, masks = jpegs(lost=[8]), tmp_path / 'masks'
    run = [video, cfg.filename, checkpoint, '--masks', masks, '--device', 'cpu']
    with pytest.raises(SystemExit) as ended:
        run_tool('video_demo.py', *run)
    assert ended.value.code == 3
    said = capsys.readouterr()
    words = f'{video}: 19 of about 20 frames can be read'
    assert f'warning: {words}' in said.err and '19 frames in' in said.out
    # The masks keep the numbers of their frames.
    assert sorted(int(path.stem) for path in masks.iterdir()) == [n for n in range(20) if n != 8]
    run_tool('video_demo.py', *run, '--overwrite', '--allow-damaged')


def test_side_by_side(run_tool, saved_model, accel, per_frame, frame_folder, tmp_path):
    one, two = saved_model(accel, 'one'), saved_model(per_frame, 'two')
    run_tool(
        'video_demo.py',
        frame_folder,
        one[0].filename,
        one[1],
        '--compare',
        two[0].filename,
        two[1],
        '--out',
        tmp_path / 'out.mp4',
        '--show-input',
        '--fps',
        4,
        '--width',
        60,
        '--opacity',
        0.8,
        '--device',
        'cpu',
    )
    reader = VideoReader(tmp_path / 'out.mp4')
    assert reader.fps == 4 and [f.image.shape[1] for f in reader] == [3 * 60 + 4 * 4] * 8


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({0: 'gone.mp4'}, 'gone.mp4 does not exist'),
        ({1: 'gone.py'}, 'gone.py'),
        ({2: 'gone.pth'}, 'gone.pth'),
        ({3: '--classes', 4: 'a'}, 'leave out --classes'),
    ],
)
def test_mistakes(run_tool, saved_model, per_frame, frame_folder, tmp_path, change, words):
    cfg, checkpoint = saved_model(per_frame)
    arguments = [frame_folder, cfg.filename, checkpoint]
    for place, value in change.items():
        arguments[place : place + 1] = [value]
    with pytest.raises(SystemExit, match=f'error: .*{words}'):
        run_tool('video_demo.py', *arguments, '--out', tmp_path / 'out.mp4', '--device', 'cpu')
