"""Flow files found by the frames' paths."""

import numpy as np
import pytest
import torch

from mmdavss.flow import write_flow


@pytest.fixture
def flow():
    return np.random.default_rng(0).normal(scale=5, size=(4, 6, 2)).astype(np.float32)


@pytest.fixture
def provider(tmp_path, build):
    (tmp_path / 'flow').mkdir()

    def make(**kwargs):
        return build(
            dict(
                dict(
                    type='PrecomputedFlow',
                    root=str(tmp_path / 'flow'),
                    frame_root=str(tmp_path / 'img'),
                ),
                **kwargs,
            )
        )

    return make


def image(size=(4, 6)):
    return np.zeros((*size, 3), np.uint8)


@pytest.mark.parametrize(
    'frame_a, frame_b, options, expected',
    [
        ('s1/000007.png', 's1/000006.png', {}, 's1/000007__000006.npy'),
        (
            '0001TP_006720.jpg',
            '0001TP_006690.jpg',
            dict(template='{folder}/{stem}.flo'),
            '0001TP_006720.flo',
        ),
        # The names of DA-VSN and TPS.
        (
            '001/001_00005.jpg',
            '001/001_00004.jpg',
            dict(template='{stem}{number_b}_int16_x10.npy'),
            '001_0000500004_int16_x10.npy',
        ),
        (
            'rgb/000005.png',
            'rgb/000004.png',
            dict(template='{stem}_int16_x10.npy'),
            '000005_int16_x10.npy',
        ),
        (
            'ulm/ulm_000000_000019_leftImg8bit.png',
            'ulm/ulm_000000_000018_leftImg8bit.png',
            dict(template='{stem}_{number_b}_int16_x10.npy', frame_suffix='_leftImg8bit'),
            'ulm_000000_000019_000018_int16_x10.npy',
        ),
    ],
)
def test_names(tmp_path, provider, frame_a, frame_b, options, expected):
    path_a, path_b = (str(tmp_path / 'img' / frame) for frame in (frame_a, frame_b))
    assert provider(**options).flow_file(path_a, path_b) == tmp_path / 'flow' / expected


def test_reads(tmp_path, provider, flow):
    write_flow(tmp_path / 'flow/s/2__1.npy', flow, 'float32')
    paths = [str(tmp_path / 'img/s' / f'{k}.png') for k in (2, 1)]
    read = provider().estimate_numpy(image(), image(), *paths)
    np.testing.assert_array_equal(read, flow)
    np.testing.assert_array_equal(
        provider(stored='negated').estimate_numpy(image(), image(), *paths), -flow
    )
    frames = torch.zeros(2, 3, 4, 6)
    # A clip at the start of a sequence repeats its first frame.
    batch = provider()(frames, frames, [tuple(paths), (paths[0], paths[0])])
    np.testing.assert_array_equal(batch[0].permute(1, 2, 0), flow)
    assert batch.shape == (2, 2, 4, 6) and not batch[1].any()


def test_resize(tmp_path, provider):
    """Twice as high, three times as wide; constant, so that only the values change."""
    write_flow(tmp_path / 'flow/2__1.npy', np.full((4, 6, 2), 1.5, np.float32))
    paths = [str(tmp_path / 'img' / f'{k}.png') for k in (2, 1)]
    read = provider(resize=True).estimate_numpy(image((8, 18)), image((8, 18)), *paths)
    assert read.shape == (8, 18, 2) and read.dtype == np.float32
    np.testing.assert_allclose(read, np.broadcast_to([4.5, 3.0], (8, 18, 2)), rtol=1e-6)
    with pytest.raises(
        ValueError,
        match=r'2__1.npy: the flow is 6x4, but its frame .*2.png 18x8.*'
        r'resize=True',
    ):
        provider().estimate_numpy(image((8, 18)), image((8, 18)), *paths)


def test_files_of_the_upper_rows(tmp_path, provider, flow):
    """Those of SYNTHIA-Seq, without the lowest 120 of 760 rows."""
    write_flow(tmp_path / 'flow/2__1.npy', flow, 'float32')
    paths = [str(tmp_path / 'img' / f'{k}.png') for k in (2, 1)]
    read = provider(rows=0.8).estimate_numpy(image((5, 6)), image((5, 6)), *paths)
    np.testing.assert_array_equal(read, np.concatenate([flow, flow[3:]]))
    # Twice the size: the covered part is what the file is resized to.
    options = dict(rows=0.8, resize=True)
    read = provider(**options).estimate_numpy(image((10, 12)), image((10, 12)), *paths)
    part = provider(resize=True).estimate_numpy(image((8, 12)), image((8, 12)), *paths)
    np.testing.assert_array_equal(read[:8], part)
    np.testing.assert_array_equal(read[8:], np.repeat(part[7:], 2, 0))
    with pytest.raises(ValueError, match='frame .*2.png 12x10 .* of which rows=0.8 is 8 rows'):
        provider(rows=0.8).estimate_numpy(image((10, 12)), image((10, 12)), *paths)


def test_bad_files(tmp_path, provider, flow):
    paths = [str(tmp_path / 'img' / f'{k}.png') for k in (2, 1)]
    with pytest.raises(
        FileNotFoundError, match='2__1.npy.*2.png.*tools/precompute_flow.py .*--both-ways'
    ):
        provider().estimate_numpy(image(), image(), *paths)
    flow[1, 2] = np.nan
    write_flow(tmp_path / 'flow/2__1.png', flow)
    with pytest.raises(ValueError, match='2__1.png: the flow has holes'):
        provider(template='{stem}__{stem_b}.png').estimate_numpy(image(), image(), *paths)
    (tmp_path / 'flow/2__1.npy').write_bytes(b'')
    with pytest.raises(ValueError, match='2__1.npy: not a complete'):
        provider().estimate_numpy(image(), image(), *paths)


def test_bad_options(tmp_path, provider):
    with pytest.raises(FileNotFoundError, match="root='none'.*precompute_flow"):
        provider(root='none')
    with pytest.raises(ValueError, match='frame_root'):
        provider(frame_root=None)
    for rows in (0, 1.5):
        with pytest.raises(ValueError, match=f'rows={rows}'):
            provider(rows=rows)
    with pytest.raises(ValueError, match="stored='b2a'"):
        provider(stored='b2a')
    for template in ('{folder}/{name}.npy', '{stem}.tif'):
        with pytest.raises(ValueError, match='template='):
            provider(template=template)
    with pytest.raises(ValueError, match='elsewhere/2.png is not below frame_root'):
        provider().flow_file(str(tmp_path / 'elsewhere/2.png'), 'x/1.png')
    with pytest.raises(ValueError, match='asks for the number'):
        provider(template='{stem}_{number_b}.npy').flow_file('b.png', 'a.png')
    with pytest.raises(ValueError, match='needs the paths'):
        provider().estimate_numpy(image(), image())
    with pytest.raises(ValueError, match='needs the paths'):
        provider()(torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 4, 6))
