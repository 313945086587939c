"""Flow files against bytes written by hand, and round trips."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from mmdavss.flow import read_flow, write_flow
from mmdavss.utils.errors import InputError


@pytest.fixture
def flow():
    return np.random.default_rng(0).normal(scale=20, size=(5, 7, 2)).astype(np.float32)


def test_flo_by_hand(tmp_path):
    """Middlebury: 'PIEH', width, height, then u and v of each pixel, row by row."""
    file = tmp_path / 'a.flo'
    file.write_bytes(b'PIEH' + struct.pack('<2i', 3, 2) + struct.pack('<12f', *range(12)))
    flow = read_flow(file)
    assert flow.shape == (2, 3, 2) and flow.dtype == np.float32
    assert flow[0, 1].tolist() == [2, 3] and flow[1, 2].tolist() == [10, 11]
    write_flow(tmp_path / 'b.flo', flow)
    assert (tmp_path / 'b.flo').read_bytes() == file.read_bytes()


def test_kitti_by_hand(tmp_path):
    """KITTI: 16 bits, u and v as 64 * value + 2**15 in red and green, validity in blue."""
    file = tmp_path / 'a.png'
    red, green, blue = (
        np.array([row], np.uint16)
        for row in ([2**15 + 64, 2**15, 7], [2**15 - 96, 2**15, 7], [1, 1, 0])
    )
    cv2.imwrite(str(file), np.dstack([blue, green, red]))
    flow = read_flow(file)
    np.testing.assert_array_equal(flow[0], [[1, -1.5], [0, 0], [np.nan, np.nan]])
    write_flow(tmp_path / 'b.png', flow)
    np.testing.assert_array_equal(read_flow(tmp_path / 'b.png'), flow)


@pytest.mark.parametrize('channels_last', [True, False])
@pytest.mark.parametrize('dtype', ['float64', 'float32', 'float16'])
def test_npy_of_others(tmp_path, flow, dtype, channels_last):
    np.save(tmp_path / 'a.npy', (flow if channels_last else flow.transpose(2, 0, 1)).astype(dtype))
    read = read_flow(tmp_path / 'a.npy')
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, flow.astype(dtype).astype(np.float32))


@pytest.mark.parametrize('order', ['<', '>'])
def test_every_float16_is_read_as_numpy_does(tmp_path, order):
    """Bit by bit, subnormal numbers and both zeros too; what is no number is one NaN."""
    values = np.arange(2**16, dtype=np.uint16).view(np.float16)
    field = np.stack([values, values[::-1]]).reshape(2, 256, 256)
    np.save(tmp_path / 'a.npy', field.astype(f'{order}f2'))
    expected = field.astype(np.float32).transpose(1, 2, 0)
    expected = np.where(np.isfinite(expected).all(2, keepdims=True), expected, np.float32('nan'))
    read = read_flow(tmp_path / 'a.npy')
    assert read.flags.c_contiguous and read.flags.writeable
    np.testing.assert_array_equal(read.view(np.uint32), expected.view(np.uint32).copy())


def test_int16_of_davsn_and_tps(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[[15, -3], [0, 200]]], np.int16))
    np.testing.assert_allclose(read_flow(tmp_path / 'a.npy'), [[[1.5, -0.3], [0, 20]]], rtol=1e-6)


@pytest.mark.parametrize(
    'name, dtype, error',
    [
        ('a.flo', 'float32', 0),
        ('a.npy', 'float32', 0),
        ('a.npy', 'float16', 1 / 32),
        ('a.npy', 'int16', 0.0501),
        ('a.png', 'float32', 1 / 128),
    ],
)
def test_round_trip(tmp_path, flow, name, dtype, error):
    file = tmp_path / 'new' / name
    write_flow(file, flow, dtype)
    assert np.abs(read_flow(file) - flow).max() <= error
    assert [p.name for p in file.parent.iterdir()] == [name]  # nothing unfinished is left


@pytest.mark.parametrize('name', ['a.flo', 'a.npy', 'a.png'])
def test_truncated(tmp_path, flow, name):
    file = tmp_path / name
    write_flow(file, flow)
    whole = file.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f'{name}: .*Delete the file'):
            read_flow(file)


def test_wrong_content(tmp_path, flow):
    file = tmp_path / 'a.flo'
    file.write_bytes(b'HIEP' + bytes(20))
    with pytest.raises(ValueError, match='a.flo: not a .flo file'):
        read_flow(file)
    for array, message in (
        (np.zeros((4, 5)), r'holds \(4, 5\)'),
        (np.zeros((4, 5, 3)), r'holds \(4, 5, 3\)'),
        (np.zeros((4, 5, 2), np.uint8), 'holds uint8'),
        (np.array([{}]), 'not a complete .npy'),
    ):
        np.save(tmp_path / 'a.npy', array)
        with pytest.raises(ValueError, match=f'a.npy: {message}'):
            read_flow(tmp_path / 'a.npy')
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match='a.png.*picture of the flow'):
        read_flow(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='a.txt.*end with'):
        read_flow(tmp_path / 'a.txt')
    with pytest.raises(FileNotFoundError, match='none.flo'):
        read_flow(tmp_path / 'none.flo')


def test_what_a_format_cannot_hold(tmp_path, flow):
    with pytest.raises(ValueError, match=r'\(H, W, 2\), got \(2, 5, 7\)'):
        write_flow(tmp_path / 'a.flo', flow.transpose(2, 0, 1))
    with pytest.raises(ValueError, match='a.png: KITTI'):
        write_flow(tmp_path / 'a.png', flow + 600)
    with pytest.raises(ValueError, match='a.npy: .*float16'):
        write_flow(tmp_path / 'a.npy', flow * 1e6)
    with pytest.raises(ValueError, match='a.npy: .*int16'):
        write_flow(tmp_path / 'a.npy', flow * np.nan, 'int16')
    with pytest.raises(ValueError, match="dtype='int8'"):
        write_flow(tmp_path / 'a.npy', flow, 'int8')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['a.flo', 'a.npy'])
@pytest.mark.parametrize('value', [1.666666752e9, -1e10, 1e9, np.inf, np.nan])
def test_unknown_flow_is_nan(tmp_path, flow, name, value):
    """Middlebury: unknown where u or v is above 1e9."""
    flow[1, 2, 1] = value
    if name == 'a.npy':
        np.save(tmp_path / name, flow)
    else:
        (tmp_path / name).write_bytes(b'PIEH' + struct.pack('<2i', 7, 5) + flow.tobytes())
    read = read_flow(tmp_path / name)
    assert np.isnan(read[1, 2]).all() and np.isnan(read).sum() == 2
    flow[1, 2] = np.nan
    np.testing.assert_array_equal(read, flow)


def test_unknown_flow_is_written_as_such(tmp_path, flow):
    flow[1, 2] = np.nan
    write_flow(tmp_path / 'a.flo', flow)
    values = np.frombuffer((tmp_path / 'a.flo').read_bytes(), '<f4', offset=12).reshape(5, 7, 2)
    assert (values[1, 2] > 1e9).all() and np.isfinite(values).all()
    np.testing.assert_array_equal(read_flow(tmp_path / 'a.flo'), flow)


def npy_bytes(shape, body=bytes(256), descr='<f4'):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b' ' * (63 - (len(header) + 10) % 64) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + body


def png_bytes(width, height):
    def chunk(kind, data):
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0))
        + chunk(b'IDAT', zlib.compress(b''))
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize(
    'name, content',
    [
        ('giant.npy', npy_bytes('(1000000000, 1000000000, 2)')),
        ('overflow.npy', npy_bytes('(100000000000000000000000, 4, 2)')),
        ('negative.npy', npy_bytes('(-4, -8, 2)')),
        ('none.npy', npy_bytes('(0, 4, 2)', b'')),
        ('torn.npy', npy_bytes('(4, 8, 2)').replace(b'}', b' ')),
        ('deep.npy', npy_bytes('(' * 3000 + ')' * 3000)),
        ('text.npy', npy_bytes('"4"')),
        ('type.npy', npy_bytes('(4, 8, 2)', descr='<f3')),
        ('version.npy', npy_bytes('(4, 8, 2)').replace(b'Y\x01', b'Y\x09')),
        ('surplus.npy', npy_bytes('(4, 8, 2)', bytes(257))),
        ('surplus.flo', b'PIEH' + struct.pack('<2i', 4, 8) + bytes(257)),
        ('giant.flo', b'PIEH' + struct.pack('<2i', 2**31 - 1, 2**31 - 1) + bytes(256)),
        ('negative.flo', b'PIEH' + struct.pack('<2i', -4, -8) + bytes(256)),
        ('giant.png', png_bytes(100_000, 100_000)),
        ('wide.png', png_bytes(2**31 - 1, 1)),
        ('empty.png', png_bytes(0, 0)),
        ('short.png', png_bytes(8, 4)),
    ],
)
def test_absurd_headers(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f'{name}: '):
        read_flow(tmp_path / name)


def test_npy_bytes_are_those_of_numpy(tmp_path, flow):
    """Or the cases above would prove nothing."""
    (tmp_path / 'a.npy').write_bytes(npy_bytes((5, 7, 2), flow.tobytes()))
    np.testing.assert_array_equal(read_flow(tmp_path / 'a.npy'), flow)
    np.save(tmp_path / 'b.npy', np.asfortranarray(flow))
    np.testing.assert_array_equal(read_flow(tmp_path / 'b.npy'), flow)


def test_wrong_bits_of_kitti(tmp_path, flow):
    file = tmp_path / 'a.png'
    write_flow(file, flow)
    right, data = read_flow(file), file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        changed = bytearray(data)
        changed[rng.integers(8, len(data))] ^= 1 << rng.integers(8)
        file.write_bytes(changed)
        try:
            np.testing.assert_array_equal(read_flow(file), right)
        except InputError as error:
            assert 'a.png: not a complete PNG file' in str(error)


def test_suffix_in_capitals(tmp_path, flow):
    write_flow(tmp_path / 'a.FLO', flow)
    np.testing.assert_array_equal(read_flow(tmp_path / 'a.FLO'), flow)
