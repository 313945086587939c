import cv2
import numpy as np
import pytest

from mmdavss.datasets import LabelSet
from mmdavss.datasets.transforms import LoadClip, LoadClipAnnotations
from mmdavss.datasets.transforms import loading as module

LABELS = LabelSet('Toy', ('road', 'sky'), ((0, 0, 0), (1, 1, 1)), {3: 0, 5: 1}, official=8)


@pytest.fixture
def picture(texture):
    return texture(1, (48, 64))


def annotations(path, shape=(2, 3), labels=LABELS):
    return dict(seg_map_path=str(path), label_spec=labels, ori_shape=shape, seg_fields=[],
                frame_paths=['f.png'])


def test_frames_are_bgr_and_decoded_once(tmp_path, picture, write, monkeypatch):
    paths = [str(write(tmp_path / f'{n}.png', picture + n)) for n in (0, 1)]
    calls = []
    real = module.read_image
    monkeypatch.setattr(module, 'read_image', lambda path: calls.append(path) or real(path))
    results = LoadClip()(dict(frame_paths=[paths[0], paths[0], paths[1]]))
    assert calls == paths
    for img, n in zip(results['imgs'], (0, 0, 1), strict=True):
        np.testing.assert_array_equal(img, picture + n)
        assert img.flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (48, 64)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('keep', [0.5, 0.9, 20])
def test_truncated_frame_is_named(tmp_path, picture, write, suffix, keep):
    path = write(tmp_path / f'x{suffix}', picture)
    data = path.read_bytes()
    path.write_bytes(data[:keep if keep > 1 else int(len(data) * keep)])
    with pytest.raises(ValueError, match=f'x{suffix}.*cannot be decoded.*truncated'):
        LoadClip()(dict(frame_paths=[str(path)]))


def test_frames_that_are_no_images(tmp_path):
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ValueError, match='empty.png'):
        LoadClip()(dict(frame_paths=[str(tmp_path / 'empty.png')]))
    with pytest.raises(FileNotFoundError, match='gone.png'):
        LoadClip()(dict(frame_paths=[str(tmp_path / 'gone.png')]))


def test_frames_of_one_size(tmp_path, picture, write):
    paths = [str(write(tmp_path / 'a.png', picture)), str(write(tmp_path / 'b.png', picture[:40]))]
    with pytest.raises(ValueError, match='a.png has the size 64x48.*b.png.*64x40'):
        LoadClip()(dict(frame_paths=paths))


def test_label(tmp_path, write):
    path = write(tmp_path / 'l.png', np.array([[3, 5, 0], [7, 3, 4]], np.uint8))
    results = LoadClipAnnotations()(annotations(path))
    assert results['gt_seg_map'].dtype == np.uint8 and results['seg_fields'] == ['gt_seg_map']
    np.testing.assert_array_equal(results['gt_seg_map'], [[0, 1, 255], [255, 0, 255]])


def test_palette_label_gives_its_ids(tmp_path):
    from PIL import Image
    image = Image.fromarray(np.array([[3, 5, 0], [7, 3, 4]], np.uint8), mode='P')
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(tmp_path / 'p.png')
    results = LoadClipAnnotations()(annotations(tmp_path / 'p.png'))
    np.testing.assert_array_equal(results['gt_seg_map'], [[0, 1, 255], [255, 0, 255]])


def test_unknown_id(tmp_path, write):
    path = write(tmp_path / 'l.png', np.array([[3, 5, 9]], np.uint8))
    with pytest.raises(ValueError, match=r'l.png: has the label ids \[9\].*official ids of Toy'):
        LoadClipAnnotations()(annotations(path, (1, 3)))


def test_colour_image_instead_of_ids(tmp_path, picture, write):
    path = write(tmp_path / 'l.png', picture)
    with pytest.raises(ValueError, match='l.png: labels of Toy have one channel.*mode RGB'):
        LoadClipAnnotations()(annotations(path))


def test_label_of_another_size_than_its_image(tmp_path, write):
    path = write(tmp_path / 'l.png', np.full((4, 6), 3, np.uint8))
    with pytest.raises(ValueError, match='l.png has the size 6x4, its image f.png 3x2'):
        LoadClipAnnotations()(annotations(path))


@pytest.mark.parametrize('encoding', ['ids', 'red', 'colour'])
def test_truncated_label_is_named(tmp_path, write, encoding):
    labels = LabelSet('Toy', ('road', ), ((0, 0, 0), ), {3: 0}, official=8, encoding=encoding,
                      colours=((1, 2, 3), ))
    ids = np.random.default_rng(0).integers(0, 8, (64, 64))
    path = write(tmp_path / 'l.png', ids.astype(np.uint8) if encoding == 'ids' else
                 np.stack([ids] * 3, -1).astype(np.uint16 if encoding == 'red' else np.uint8))
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
    data = path.read_bytes()
    for keep in (0.3, 0.95):
        path.write_bytes(data[:int(len(data) * keep)])
        with pytest.raises(ValueError, match='l.png: this label cannot be decoded'):
            LoadClipAnnotations()(annotations(path, (64, 64), labels))


def test_missing_label(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.png: this label'):
        LoadClipAnnotations()(annotations(tmp_path / 'gone.png'))
    with pytest.raises(ValueError, match='f.png is used without labels.*with_labels'):
        LoadClipAnnotations()(dict(annotations('x'), seg_map_path=None))
