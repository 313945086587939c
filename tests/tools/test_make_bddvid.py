"""tools/make_bddvid.py on videos of a few hundred tiny frames, read back by BDDVidDataset."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmdavss.datasets import BDDVidDataset

SIZE = (36, 64)  # height, width
LISTS = Path(__file__).parents[2] / 'tools/bddvid'
NAMES = dict(train=('00054602-3bf57337', 'fe1f2409-5b415eb7'), val=('0010bf16-a457685b',))


def scene(seed: int, number: int) -> np.ndarray:
    """Frame of a video, BGR: a picture that becomes brighter."""
    rng = np.random.default_rng(seed)
    picture = cv2.resize(rng.integers(0, 128, (3, 5, 3), dtype=np.uint8), SIZE[::-1])
    return picture + np.uint8(12 * (number - 300) if number >= 300 else 0)


def write_video(path: Path, seed: int, count: int = 312, quarters: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = np.rot90(scene(0, 0), quarters).shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 30, shape[1::-1])
    assert writer.isOpened()
    for n in range(count):
        writer.write(np.ascontiguousarray(np.rot90(scene(seed, n), quarters)))
    writer.release()


@pytest.fixture
def bdd100k(tmp_path) -> Path:
    """Three videos, one of which lies on its side; with a list of each split."""
    root = tmp_path / 'bdd100k'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    videos = dict(zip((*NAMES['train'], *NAMES['val']), ('train/32', 'val', 'train'), strict=True))
    for folder in ('images/10k/train', 'labels/sem_seg/masks/train', 'lists'):
        (root / folder).mkdir(parents=True)
    for seed, (name, folder) in enumerate(videos.items()):
        write_video(root / 'videos' / folder / f'{name}.mov', seed, quarters=3 * (seed == 1))
        cv2.imwrite(str(root / f'images/10k/train/{name}.jpg'), scene(seed, 308))
        cv2.imwrite(str(root / f'labels/sem_seg/masks/train/{name}.png'), ids)
    for split, names in NAMES.items():
        (root / 'lists' / f'{split}.txt').write_text('\n'.join(names))
    return root


@pytest.fixture
def make(run_tool, bdd100k, tmp_path):
    def run(*options: str) -> Path:
        out = tmp_path / 'bddvid'
        run_tool('make_bddvid.py', bdd100k, out, '--lists', bdd100k / 'lists', *options)
        return out

    return run


def test_the_published_lists():
    """2999 and 430 clips, each once (UnifiedVideoDA's README)."""
    lists = {split: (LISTS / f'{split}.txt').read_text().split() for split in NAMES}
    assert {split: len(names) for split, names in lists.items()} == dict(train=2999, val=430)
    assert len({name for names in lists.values() for name in names}) == 3429
    assert all(set(NAMES[split]) <= set(names) for split, names in lists.items())


@pytest.mark.parametrize('workers', ['1', '2'])
def test_clips(make, bdd100k, workers, capfd):
    out = make('--workers', workers)
    assert 'is complete' in capfd.readouterr().out
    init_default_scope('mmseg')
    dataset = BDDVidDataset(
        str(out), clip_length=3, pipeline=[dict(type='LoadClip'), dict(type='LoadClipAnnotations')]
    )
    assert len(dataset) == 2
    for seed, item in enumerate(dataset):
        for frame, number in zip(item['imgs'], (303, 305, 307), strict=True):
            # Neighbours are 12 levels apart. The second video is upright now.
            assert np.abs(frame.astype(float) - scene(seed, number)).mean() < 5, (seed, number)
        np.testing.assert_array_equal(item['gt_seg_map'][0, :20], [*range(19), 255])
    (info,) = BDDVidDataset(str(out), 'val_orig_10k', clip_length=2)
    image = bdd100k / 'images/10k/train/0010bf16-a457685b.jpg'
    np.testing.assert_array_equal(cv2.imread(info['img_path']), cv2.imread(str(image)))
    for split in ('train', 'val', 'train_orig_10k', 'val_orig_10k'):
        count = len(NAMES[split.removesuffix('_orig_10k')])
        assert len(list((out / split / 'images').iterdir())) == 9 * count


def test_parts_of_the_videos(make, bdd100k, tmp_path, capsys):
    """They can be unpacked, used and deleted one after the other; nothing is written twice."""
    video, later = bdd100k / 'videos/val/fe1f2409-5b415eb7.mov', tmp_path / 'later.mov'
    video.rename(later)
    with pytest.raises(SystemExit, match=r'1 of 3 clips are not made.*videos.*fe1f2409'):
        make()
    out = tmp_path / 'bddvid'
    written = {path: path.stat().st_mtime_ns for path in out.rglob('*.*')}
    assert len(written) == 2 * 19
    for path in (bdd100k / 'videos').rglob('*.mov'):
        path.unlink()
    later.rename(video)
    make('--only', 'train')
    assert '2 clips, 1 there already' in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len(list(out.rglob('*.*'))) == 3 * 19
    # An interrupted clip is finished.
    lost = out / 'train/labels/fe1f2409-5b415eb7_307.png'
    lost.unlink()
    make()
    assert lost.is_file()
    video.unlink()
    make()
    assert '3 clips, 3 there already' in capsys.readouterr().out


def test_broken_files(make, bdd100k, tmp_path):
    name = '00054602-3bf57337'
    video, mask = (
        bdd100k / f'videos/train/32/{name}.mov',
        bdd100k / f'labels/sem_seg/masks/train/{name}.png',
    )
    write_video(video, 0, count=310)
    with pytest.raises(SystemExit, match=r'1 of 3 clips.*3bf57337.mov ends after 310 frames'):
        make()
    assert not (tmp_path / f'bddvid/train/images/{name}_303.jpg').exists()
    video.write_bytes(b'none')
    with pytest.raises(SystemExit, match='3bf57337.mov cannot be read'):
        make()
    good = mask.read_bytes()
    cv2.imwrite(str(mask), np.full(SIZE, 19, np.uint8))
    with pytest.raises(SystemExit, match='3bf57337.png is no mask of train ids'):
        make()
    mask.write_bytes(good)
    (bdd100k / f'images/10k/train/{name}.jpg').unlink()
    with pytest.raises(SystemExit, match='images/10k lacks 1 of the 2 files of train.*3bf57337'):
        make()
    mask.parent.rename(tmp_path / 'masks')
    with pytest.raises(SystemExit, match='masks lacks 2 of the 2 files.*unpack.*segmentation'):
        make()
