"""Flow files against bytes written by hand, and round trips."""
import struct

import cv2
import numpy as np
import pytest

from mmdavss.flow import read_flow, write_flow


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
    red, green, blue = (np.array([row], np.uint16) for row in
                        ([2**15 + 64, 2**15, 7], [2**15 - 96, 2**15, 7], [1, 1, 0]))
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


def test_int16_of_davsn_and_tps(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[[15, -3], [0, 200]]], np.int16))
    np.testing.assert_allclose(read_flow(tmp_path / 'a.npy'), [[[1.5, -0.3], [0, 20]]], rtol=1e-6)


@pytest.mark.parametrize('name, dtype, error', [
    ('a.flo', 'float32', 0), ('a.npy', 'float32', 0), ('a.npy', 'float16', 1 / 32),
    ('a.npy', 'int16', 0.0501), ('a.png', 'float32', 1 / 128)])
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
    for array, message in ((np.zeros((4, 5)), r'holds \(4, 5\)'),
                           (np.zeros((4, 5, 3)), r'holds \(4, 5, 3\)'),
                           (np.zeros((4, 5, 2), np.uint8), 'holds uint8'),
                           (np.array([{}]), 'not a complete .npy')):
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
