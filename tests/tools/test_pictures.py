"""tools/analysis/panels.py and flow.py on a few generated frames."""

import csv
from argparse import Namespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

from mmdavss.cli.analysis import video_frames
from mmdavss.datasets import CityscapesSeqDataset
from mmdavss.datasets.transforms import LABEL_STEPS
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.launch.model import load_model
from mmdavss.utils.errors import UserError


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_panels(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    out = tmp_path / 'out/panels.png'
    call = ('analysis/panels.py', config, checkpoint, checkpoint, '--names', 'a', 'b', '--out', out)
    run_tool(*call, '--first', '18', '--count', '2', '--width', '100')
    image = cv2.imread(str(out))
    # Two rows of four columns of 100x50.
    assert image.shape[1] == 4 * 104 + 4 and image.shape[0] > 2 * 54
    rows = read(out.with_suffix('.csv'))
    assert [row['name'] for row in rows] == ['a', 'a', 'b', 'b']
    assert [(row['right'], row['as in the frame before']) for row in rows[:2]] == [
        (row['right'], row['as in the frame before']) for row in rows[2:]
    ]
    # By hand: the net sees 17 before 18; 19 is the one with a label.
    cfg = Config.fromfile(config)
    dataset = CityscapesSeqDataset(cfg.test_dataloader.dataset.data_root, split='val')
    info = next(
        info
        for info in map(dataset.get_data_info, range(2))
        if info['img_path'] == rows[1]['frame']
    )
    sequence = dataset.scan()[info['seq_name']]
    maps = list(VideoSegmenter(cfg, checkpoint)([sequence[n] for n in (17, 18, 19)]))
    truth = info['label_spec'].to_train_ids(
        cv2.imread(info['seg_map_path'], cv2.IMREAD_UNCHANGED), 'test'
    )
    assert rows[0]['right'] == '' and float(rows[1]['right']) == pytest.approx(
        (maps[2] == truth)[truth != 255].mean()
    )
    assert [float(row['as in the frame before']) for row in rows[:2]] == pytest.approx(
        [(maps[1] == maps[0]).mean(), (maps[2] == maps[1]).mean()]
    )
    for extra, message in (
        (('--sequence', 'x'), '--sequence x: there is no sequence of this name'),
        (('--first', '3'), '--first 3: .* has the frames 17 to 19'),
        (('--count', '4'), '--count 4: .* has 3 frames from 17 on'),
    ):
        with pytest.raises(SystemExit, match=message):
            run_tool(*call, '--overwrite', *extra)


def test_clips_are_those_of_the_data_set(analysed, tmp_path, run_tool):
    """Where frame numbers on disk have gaps, too: at distance 2 the frame 17 precedes 19."""
    config, checkpoint = analysed
    for path in tmp_path.rglob('*_000018_leftImg8bit.png'):
        path.rename(str(path).replace('_000018_', '_000015_'))
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.frame_distance = 2
    cfg.dump(config)
    weights = torch.load(checkpoint)
    torch.nn.init.normal_(weights['state_dict']['student.fusion.weight'])  # the clip counts
    torch.save(weights, checkpoint)
    out = tmp_path / 'panels.png'
    run_tool(
        'analysis/panels.py', config, checkpoint, '--first', '19', '--count', '1', '--out', out
    )
    (row,) = read(out.with_suffix('.csv'))
    model = load_model(cfg, checkpoint)
    maps = {}
    for number, options in ((17, dict(frames='all', with_labels=False)), (19, {})):
        options['pipeline'] = [
            step
            for step in cfg.test_dataloader.dataset.pipeline
            if number == 19 or step['type'] not in LABEL_STEPS
        ]
        dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, **options))
        (item,) = (
            dataset[i]
            for i in range(len(dataset))
            if dataset.get_data_info(i)['img_path']
            == row['frame'].replace('_000019_', f'_{number:06d}_')
        )
        with torch.no_grad():
            (sample,) = model.test_step(pseudo_collate([item]))
        maps[number] = sample.pred_sem_seg.data[0].numpy()
    truth = item['data_samples'].gt_sem_seg.data[0].numpy()
    assert float(row['right']) == pytest.approx((maps[19] == truth)[truth != 255].mean())
    assert float(row['as in the frame before']) == pytest.approx((maps[19] == maps[17]).mean())


def test_sequences_that_are_not_scored_are_not_shown(analysed, tmp_path, run_tool):
    config, checkpoint = analysed
    root = Config.fromfile(config).test_dataloader.dataset.data_root
    sequences = CityscapesSeqDataset(root, split='val').scan()
    other, scored = sequences
    option = f'test_dataloader.dataset.sequences={scored},'
    for number, tool in enumerate((('panels.py', config, checkpoint), ('flow.py', config))):
        out = tmp_path / f'{number}.png'
        call = (f'analysis/{tool[0]}', *tool[1:], '--count', '2', '--out', out)
        run_tool(*call, '--cfg-options', option)
        shown = {row['frame'] for row in read(out.with_suffix('.csv'))}
        assert len(shown) == 2 and shown <= set(sequences[scored].values())
        message = f'--sequence {other}: there is no sequence of this name in the test data, .*'
        with pytest.raises(SystemExit, match=f'{message}which have 1: {scored}$'):
            run_tool(*call, '--overwrite', '--sequence', other, '--cfg-options', option)


def test_flow_needs_a_frame_before(analysed, tmp_path, run_tool):
    config = analysed[0]
    out = tmp_path / 'flow.png'
    call = ('analysis/flow.py', config, '--providers', 'DISFlowEstimator', '--out', out)
    sequences = CityscapesSeqDataset(
        Config.fromfile(config).test_dataloader.dataset.data_root, split='val'
    ).scan()
    frames = next(iter(sequences.values()))
    run_tool(*call, '--width', '32')
    # The wheel is wider than two columns.
    assert cv2.imread(str(out)).shape[1] == 240 + 2 * 4
    rows = read(out.with_suffix('.csv'))
    assert [row['frame'] for row in rows[::2]] == [frames[18], frames[19]]
    assert all(float(row['warping error']) > 0.1 for row in rows)
    with pytest.raises(SystemExit, match='--first 17: a frame needs 1 before it: .* from 18 on'):
        run_tool(*call, '--overwrite', '--first', '17', '--count', '2')
    with pytest.raises(SystemExit, match='has 2 frames from 18 on: take fewer$'):
        run_tool(*call, '--overwrite', '--count', '3')


def test_sequences_with_too_few_frames(tmp_path):
    for name in ('a/0.png', 'b/0.png', 'b/1.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 8, 3), np.uint8))
    dataset = dict(type='ClipFolderDataset', data_root=str(tmp_path), clip_length=1)
    cfg = Config(dict(test_dataloader=dict(dataset=dataset)))

    def found(sequence: str | None = None, needed: int = 1) -> tuple[list[str], list[int]]:
        args = Namespace(sequence=sequence, first=None, count=1, step=1)
        frames, chosen = video_frames(cfg, args, before=needed, needed=needed)
        return [frame.path for frame in frames], chosen

    assert found(needed=0) == ([str(tmp_path / 'a/0.png')], [0])
    assert found() == ([str(tmp_path / 'b/0.png'), str(tmp_path / 'b/1.png')], [1])
    with pytest.raises(UserError, match='--sequence a: it has 1 frame, and a frame needs 1 before'):
        found('a')
    with pytest.raises(UserError, match='--sequence a: it has 1 frame, and a frame needs 2 before'):
        found(needed=2)


def test_frames_of_a_list_of_clips(tmp_path):
    """In the data root itself, too; what lies elsewhere has no frames before it."""
    (tmp_path / 'own/a').mkdir(parents=True)
    frames = [tmp_path / 'own' / name for name in ('0.png', '1.png', 'a/0.png', 'a/1.png')]
    for path in frames:
        cv2.imwrite(str(path), np.zeros((4, 8, 3), np.uint8))
    dataset = dict(type='ClipFolderDataset', data_root=str(tmp_path / 'own'), clips='clips.txt')
    cfg = Config(dict(test_dataloader=dict(dataset=dataset)))
    args = Namespace(sequence=None, first=1, count=1, step=1)
    for line, expected in (
        ('0.png 1.png', frames[:2]),
        ('./0.png ./1.png', frames[:2]),
        ('./a/0.png ./a/1.png', frames[2:]),
    ):
        (tmp_path / 'own/clips.txt').write_text(line)
        found, chosen = video_frames(cfg, args, before=1)
        assert ([frame.path for frame in found], chosen) == ([*map(str, expected)], [1])
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path / 'own/a'), allow_outside=True)
    (tmp_path / 'own/a/clips.txt').write_text('../0.png ../1.png')
    with pytest.raises(UserError, match=r'a/\.\./1\.png, are not in .*own/a, where'):
        video_frames(cfg, args, before=1)


def test_flow_of_providers(analysed, tmp_path, run_tool, capsys):
    config, checkpoint = analysed
    out = tmp_path / 'flow.png'
    run_tool(
        'analysis/flow.py',
        config,
        '--providers',
        'DIS=DISFlowEstimator',
        'ZeroFlow()',
        '--count',
        '2',
        '--first',
        '18',
        '--width',
        '100',
        '--out',
        out,
    )
    assert cv2.imread(str(out)).shape[1] == 3 * 104 + 4
    rows = {(row['flow'], i // 3): row for i, row in enumerate(read(out.with_suffix('.csv')))}
    for i in range(2):
        still, zero = rows['no flow', i], rows['ZeroFlow', i]
        assert zero['mean length'] == '0.0' and float(rows['DIS', i]['mean length']) > 0
        assert zero['warping error'] == still['warping error']
    images = [
        cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2GRAY).astype(float)
        for name in (rows['ZeroFlow', 0]['frame'], rows['ZeroFlow', 1]['frame'])
    ]
    assert float(rows['ZeroFlow', 1]['warping error']) == pytest.approx(
        np.abs(images[0] - images[1]).mean()
    )
    call = ('analysis/flow.py', config, '--out', tmp_path / 'b.png')
    with pytest.raises(SystemExit, match=r'model.student \(Accel\) has no flow branch'):
        run_tool(*call[:2], checkpoint, *call[2:])
    with pytest.raises(SystemExit, match='--providers NoFlow: .*NoFlow is not in the mmseg::model'):
        run_tool(*call, '--providers', 'NoFlow')
    for extra, message in (
        (('--providers', 'A(1)'), 'is neither NAME nor NAME(key=value'),
        (('--providers',), 'neither checkpoints nor --providers'),
        (('--providers', 'ZeroFlow', 'ZeroFlow'), 'give each its own title'),
        (('--out', tmp_path / 'b.pdf'), 'b.pdf: must be a picture (.png), or end in .jpg\n'),
    ):
        with pytest.raises(SystemExit):
            run_tool(*call, *extra)
        assert message in capsys.readouterr().err


def test_flow_of_branches(analysed, tmp_path, run_tool):
    cfg = Config.fromfile(analysed[0])
    cfg.model.student.flow_net = dict(type='FlowNetS', base_channels=4)
    cfg.test_dataloader.dataset.pipeline.insert(-1, dict(type='LoadTracks'))
    cfg.dump(tmp_path / 'branch.py')
    student = MODELS.build(cfg.model.student)
    torch.save(
        dict(state_dict={f'student.{name}': value for name, value in student.state_dict().items()}),
        tmp_path / 'net.pth',
    )
    out = tmp_path / 'flow.png'
    run_tool(
        'analysis/flow.py',
        tmp_path / 'branch.py',
        tmp_path / 'net.pth',
        '--names',
        'own',
        '--providers',
        '--count',
        '1',
        '--first',
        '18',
        '--out',
        out,
    )
    rows = read(out.with_suffix('.csv'))
    assert [row['flow'] for row in rows] == ['no flow', 'own']
    # By hand: the frames at the size of the pipeline, flow from 18 to 17.
    paths = [rows[1]['frame'].replace('000018', n) for n in ('000017', '000018')]
    frames = (
        torch.stack(
            [
                torch.tensor(
                    cv2.resize(cv2.imread(path), (192, 96), interpolation=cv2.INTER_LINEAR)[
                        ..., ::-1
                    ].copy()
                )
                for path in paths
            ]
        )
        .permute(0, 3, 1, 2)
        .float()
        / 255
    )
    with torch.no_grad():
        flow = student.eval().flow_net(frames[1:], frames[:1])[0]
    h, w = flow.shape[-2:]
    scaled = torch.nn.functional.interpolate(
        flow[None], (32, 64), mode='bilinear', align_corners=True
    )[0]
    scaled = scaled * torch.tensor([64 / w, 32 / h])[:, None, None]
    assert float(rows[1]['mean length']) == pytest.approx(
        scaled.norm(dim=0).mean().item(), rel=1e-3
    )
