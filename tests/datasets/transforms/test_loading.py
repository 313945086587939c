import io
import struct
import zlib
from dataclasses import replace

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from mmdavss.datasets import LabelSet
from mmdavss.datasets.label_maps import CAMVID_COLOUR, CITYSCAPES_19, GTA_19, VIPER_15
from mmdavss.datasets.transforms import (
    ClipCrop,
    ClipFlip,
    ClipResize,
    LoadClip,
    LoadClipAnnotations,
    LoadSoftLabels,
    PackClipInputs,
)
from mmdavss.datasets.transforms import loading as module
from mmdavss.utils.errors import InputError
from mmdavss.utils.inputs import open_image

LABELS = LabelSet('Toy', ('road', 'sky'), ((0, 0, 0), (1, 1, 1)), {3: 0, 5: 1}, official=8)


@pytest.fixture
def picture(texture):
    return texture(1, (48, 64))


def annotations(path, shape=(2, 3), labels=LABELS):
    return dict(
        seg_map_path=str(path),
        label_spec=labels,
        ori_shape=shape,
        seg_fields=[],
        frame_paths=['f.png'],
    )


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
    path.write_bytes(data[: keep if keep > 1 else int(len(data) * keep)])
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
    labels = LabelSet(
        'Toy', ('road',), ((0, 0, 0),), {3: 0}, official=8, encoding=encoding, colours=((1, 2, 3),)
    )
    ids = np.random.default_rng(0).integers(0, 8, (64, 64))
    path = write(
        tmp_path / 'l.png',
        ids.astype(np.uint8)
        if encoding == 'ids'
        else np.stack([ids] * 3, -1).astype(np.uint16 if encoding == 'red' else np.uint8),
    )
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
    data = path.read_bytes()
    for keep in (0.3, 0.95):
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(ValueError, match='l.png: this label cannot be decoded'):
            LoadClipAnnotations()(annotations(path, (64, 64), labels))


def test_missing_label(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.png: this label'):
        LoadClipAnnotations()(annotations(tmp_path / 'gone.png'))
    with pytest.raises(ValueError, match='f.png is used without labels.*with_labels'):
        LoadClipAnnotations()(dict(annotations('x'), seg_map_path=None))


def flipped(data, seed, start=8):
    """The file with one wrong bit, behind the signature."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    changed[rng.integers(start, len(data))] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize('writer', ['pillow', 'opencv'])
@pytest.mark.parametrize('kind', ['frame', 'ids', 'red', 'mask'])
def test_wrong_bits_of_png(tmp_path, picture, write, kind, writer):
    """No wrong bit gives another picture: PNG has checksums."""
    labels = replace(LABELS, encoding='red' if kind == 'red' else 'ids')
    array = picture if kind == 'frame' else (picture[..., 0] // 32).astype(np.uint8)
    if kind == 'red':
        array = np.repeat(array[..., None].astype(np.uint16), 3, 2)
    path = tmp_path / 'x.png'
    if writer == 'pillow' and kind != 'red':
        Image.fromarray(array).save(path)
    else:
        write(path, array)
    read = {'frame': module.read_image, 'mask': module.read_mask}.get(
        kind, lambda name: module.read_label(name, labels)
    )
    right, data = read(str(path)), path.read_bytes()
    errors = 0
    for seed in range(40):
        path.write_bytes(flipped(data, seed))
        try:
            np.testing.assert_array_equal(read(str(path)), right)
        except InputError as error:
            assert 'x.png: this' in str(error)
            errors += 1
    assert errors > 30


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_chunk(data, kind, content):
    """A PNG with one more chunk, behind its header."""
    crc = struct.pack('>I', zlib.crc32(kind + content))
    return data[:33] + struct.pack('>I', len(content)) + kind + content + crc + data[33:]


def pillow(data):
    """What `read_image` returned when it decoded everything with Pillow."""
    open_image(data)
    return np.ascontiguousarray(mmcv.imfrombytes(data, flag='color', backend='pillow'))


def frames(size):
    """Yields files of one picture, and whether OpenCV may decode them."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    picture = (np.dstack([2 * x, 3 * y, x + y]) % 196 + noise).astype(np.uint8)
    image = Image.fromarray(picture)
    turned = Image.Exif()
    turned[0x112] = 6
    thumbnail = b'Exif\0\0II*\0\x08\0\0\0\0\0' + saved(image, 'jpeg')
    png = saved(image, 'png')
    for progressive in (False, True):
        for quality in (30, 95):
            for name in ('4:4:4', '4:2:2', '4:2:0'):
                options = dict(subsampling=name, quality=quality, progressive=progressive)
                yield saved(image, 'jpeg', **options), True
        for factor in (0x411111, 0x441111, 0x121111):  # 4:1:1, 4:1:0, 4:4:0
            options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
            options += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
            options += [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
            yield cv2.imencode('.jpg', picture, options)[1].tobytes(), True
    yield saved(image.convert('L'), 'jpeg'), True
    yield saved(image, 'jpeg', keep_rgb=True), True
    yield saved(image, 'jpeg', exif=thumbnail, comment=b'\xff\xd9'), True
    yield saved(image, 'jpeg', exif=turned), False
    yield saved(image.convert('CMYK'), 'jpeg'), False
    yield png, True
    yield saved(image.convert('L'), 'png'), True
    yield with_chunk(png, b'gAMA', struct.pack('>I', 22000)), True
    yield with_chunk(png, b'sRGB', b'\0'), True
    yield saved(image, 'png', exif=turned), False
    yield saved(image, 'png', transparency=(1, 2, 3)), False
    yield saved(image, 'png', save_all=True, append_images=[image.rotate(180)]), False
    for mode in ('RGBA', 'LA', 'P', '1'):
        yield saved(image.convert(mode), 'png'), False
    yield cv2.imencode('.png', picture.astype(np.uint16) * 257)[1].tobytes(), False
    yield cv2.imencode('.bmp', picture)[1].tobytes(), False


@pytest.mark.parametrize('size', [(37, 53), (64, 96), (5, 3)])
def test_frames_are_those_of_pillow(tmp_path, size):
    for number, (data, by_opencv) in enumerate(frames(size)):
        (tmp_path / 'x').write_bytes(data)
        image = module.read_image(str(tmp_path / 'x'))
        np.testing.assert_array_equal(image, pillow(data), err_msg=str(number))
        assert image.flags.c_contiguous and image.flags.writeable
        plain = module._decode_plain(data, open_image(data)) is not None
        assert plain == by_opencv, number


def test_damage_is_found_where_pillow_finds_it(tmp_path, capfd):
    """Cut off, with wrong bits, with a part left out or repeated: the same pictures and errors."""
    rng = np.random.default_rng(0)
    path = tmp_path / 'x'
    errors = count = 0
    for data, by_opencv in frames((37, 53)):
        for _ in range(4 * by_opencv):
            start, end = np.sort(rng.integers(4, len(data), 2))
            for damaged in (
                data[:end],
                data[:start] + data[end:],
                data[:end] + data[start:],
                flipped(data, rng.integers(1000), 2),
            ):
                path.write_bytes(damaged)
                count += 1
                try:
                    expected = pillow(damaged)
                except Exception:
                    errors += 1
                    with pytest.raises(InputError, match='cannot be decoded'):
                        module.read_image(str(path))
                else:
                    np.testing.assert_array_equal(module.read_image(str(path)), expected)
    assert 0.3 < errors / count < 0.9
    capfd.readouterr()  # remarks of libjpeg


def indexed(path, ids, palette):
    """Writes a palette image; `palette` gives colours to some indices."""
    image = Image.fromarray(np.array(ids, np.uint8), mode='P')
    colours = np.zeros((256, 3), np.uint8)
    for i, colour in palette.items():
        colours[i] = colour
    image.putpalette(colours.tobytes())
    image.save(path)
    return str(path)


ROAD, SKY = (128, 64, 128), (70, 130, 180)
CITY = LabelSet('City', ('road', 'sky'), (ROAD, SKY), {3: 0, 5: 1}, official=8)


@pytest.mark.parametrize(
    'labels, ids, palette',
    [
        (CITY, [3, 5, 0], {3: ROAD, 5: SKY}),
        (CITY, [3, 5, 0], {3: ROAD, 5: SKY, 0: (1, 2, 3)}),  # what is not labelled has some colour
        (CITY, [3, 5, 0], {3: (1, 2, 3), 5: (4, 5, 6)}),  # colours that say nothing
        (CITY, [3, 5, 0], {i: (i, i, i) for i in range(256)}),
        (CITY, [3, 5, 0], {}),
        (GTA_19, [7, 23, 4], {7: ROAD, 23: SKY, 4: (20, 20, 20)}),
        (GTA_19, [7, 18, 34], {7: ROAD, 18: (153, 153, 153), 34: (0, 0, 142)}),
        (GTA_19, [7, 23, 4], {i: (i, i, i) for i in range(256)}),
        (VIPER_15, [3, 7, 8], {3: ROAD, 7: (87, 182, 35), 8: (35, 142, 35)}),
        (CITYSCAPES_19, [7, 18, 23], {7: ROAD, 18: (153, 153, 153), 23: SKY}),
    ],
)
def test_palettes_that_agree_with_the_ids(tmp_path, labels, ids, palette):
    path = indexed(tmp_path / 'p.png', [ids], palette)
    expected = [labels.train_ids.get(i, 255) for i in ids]
    assert module.read_label(path, labels)[0].tolist() == expected


@pytest.mark.parametrize(
    'labels, ids, palette, words',
    [
        (CITY, [3, 5], {3: SKY, 5: ROAD}, r'index 3 the colour \(70, 130, 180\) \(of id 5\)'),
        (CITY, [0, 1], {0: ROAD, 1: SKY}, r'index 0 the colour .*\(of id 3\)'),
        (CITY, [0, 1, 2], {1: (3, 3, 3), 2: (5, 5, 5)}, r'index 1 the colour \(3, 3, 3\)'),
        (GTA_19, [7, 23], {7: SKY, 23: ROAD}, r'index 7 the colour .*\(of id 23\)'),
        (GTA_19, [7, 23], {7: (1, 2, 3), 23: SKY}, r'index 7 the colour \(1, 2, 3\), which is not'),
        (GTA_19, [7, 8], {7: ROAD, 8: (111, 74, 0)}, r'index 8 the colour .*\(of id 5\)'),
        (VIPER_15, [0, 1], {0: (87, 182, 35), 1: (35, 142, 35)}, r'index 0 the .*\(of id 7\)'),
        (CITYSCAPES_19, [1, 2], {1: ROAD, 2: SKY}, r'index 1 the .*\(of id 7\)'),
    ],
)
def test_palettes_that_were_ordered_anew(tmp_path, labels, ids, palette, words):
    path = indexed(tmp_path / 'p.png', [ids], palette)
    with pytest.raises(InputError, match=f'p.png: the palette gives {words}.*official masks'):
        module.read_label(path, labels)


def test_programs_that_order_palettes_anew(tmp_path):
    """The colours stay the same; so do the ids of a grey mask that becomes a palette image."""
    palette = {i: colour for i, colour in enumerate(GTA_19.colours)}
    path = indexed(tmp_path / 'a.png', [[7, 11, 23, 26, 4] * 3], palette)
    assert set(module.read_label(path, GTA_19)[0]) == {0, 2, 10, 13, 255}
    grey = Image.fromarray(np.array([[7, 11, 23, 26, 4] * 3], np.uint8))
    for image, labels in ((Image.open(path).convert('RGB'), GTA_19), (grey, CITYSCAPES_19)):
        image.convert('RGB').quantize(16).save(tmp_path / 'b.png')
        with pytest.raises(InputError, match='b.png: the palette gives'):
            module.read_label(str(tmp_path / 'b.png'), labels)


@pytest.mark.parametrize(
    'bits, words',
    [(1, 'mode 1'), (2, 'grey image of 2 bits.* 85 times'), (4, 'grey image of 4 bits.* 17 times')],
)
def test_grey_masks_of_few_bits(tmp_path, bits, words):
    """Pillow multiplies their values, so that id 1 of 4 bits would be 17."""

    def chunk(kind, data):
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    path = tmp_path / 'few.png'
    header = struct.pack('>IIBBBBB', 8 // bits, 1, bits, 0, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(b'\0\x1b'))
        + chunk(b'IEND', b'')
    )
    for encoding in ('ids', 'panoptic', 'first'):
        labels = replace(LABELS, official=256, encoding=encoding)
        with pytest.raises(InputError, match=f'few.png.*{words}'):
            module.read_label(str(path), labels)


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_palette_masks_of_few_bits(tmp_path, bits):
    path = tmp_path / 'few.png'
    image = Image.fromarray(np.array([[0, 1, 1, 0]], np.uint8), mode='P')
    image.putpalette([0, 0, 0, 128, 64, 128] + [0, 0, 0] * (2**bits - 2))
    image.save(path)
    assert path.read_bytes()[24] == bits
    labels = replace(CITY, train_ids={0: 1, 1: 0})
    assert module.read_label(str(path), labels).tolist() == [[1, 0, 0, 1]]


def test_a_label_is_no_jpeg(tmp_path):
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(tmp_path / 'l.png', 'jpeg')
    with pytest.raises(InputError, match='l.png: this label is a JPEG'):
        module.read_label(str(tmp_path / 'l.png'), LABELS)


def test_colour_labels_of_16_bits(tmp_path):
    """Pillow takes the upper byte, so that all would be black, which is void in CamVid."""
    colours = np.full((2, 3, 3), (128, 64, 128), np.uint16)
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, colours[..., ::-1])
    with pytest.raises(InputError, match='a.png.*16 bits.*8 bits'):
        module.read_label(path, CAMVID_COLOUR)


def test_colour_frames_of_16_bits(tmp_path, picture):
    """Those that use them all are read, those with values of 8 bits would be black."""
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, picture.astype(np.uint16) * 257)
    np.testing.assert_array_equal(module.read_image(path), picture)
    cv2.imwrite(path, picture.astype(np.uint16))
    with pytest.raises(InputError, match='a.png.*16 bits.*black'):
        module.read_image(path)


def test_soft_labels(tmp_path):
    """They go where the label goes: resized, cropped and flipped."""
    soft = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    cv2.imwrite(str(tmp_path / 'a.soft.png'), soft)
    results = annotations(tmp_path / 'a.png')
    # A label that says which pixel is which.
    results.update(
        gt_seg_map=np.arange(6, dtype=np.uint8).reshape(2, 3),
        imgs=[np.zeros((2, 3, 3), np.uint8)],
    )
    results['seg_fields'].append('gt_seg_map')
    results = LoadSoftLabels()(results)
    np.testing.assert_array_equal(results['gt_soft_map'], soft)
    for change in (
        ClipResize(scale=(6, 8)),
        ClipResize(scale=(5, 4), backend='pillow'),
        ClipCrop(crop_size=(3, 4)),
        ClipFlip(prob=1.0),
    ):
        results = change(results)
    sample = PackClipInputs()(results)['data_samples']
    pixels = sample.gt_sem_seg.data[0].numpy()
    assert pixels.shape == (3, 4) and len(np.unique(pixels)) > 2
    expected = soft.reshape(6, 4)[pixels].transpose(2, 0, 1)
    np.testing.assert_array_equal(sample.gt_soft_seg.data, expected)


def test_bad_soft_labels(tmp_path):
    results = annotations(tmp_path / 'a.png')
    with pytest.raises(FileNotFoundError, match=r'a.soft.png'):
        LoadSoftLabels()(results)
    cv2.imwrite(str(tmp_path / 'a.soft.png'), np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(InputError, match=r'a.soft.png is no image of four channels .* f.png'):
        LoadSoftLabels()(results)
    (tmp_path / 'a.soft.png').write_bytes(b'no')
    with pytest.raises(InputError, match=r'a.soft.png is no image of four channels'):
        LoadSoftLabels()(results)
