"""Sampling of labelled pixels."""

import pytest
import torch
from mmengine.structures import PixelData

from mmdavss.analysis.features import labelled_features, sample_pixels


def frames(count=20, seed=0):
    """Features that hold the number of their pixel, and labels 0 to 3 and 255."""
    generator = torch.Generator().manual_seed(seed)
    for i in range(count):
        labels = torch.randint(5, (1, 4, 6), generator=generator)
        labels[labels == 4] = 255
        yield torch.arange(i * 24, (i + 1) * 24).view(1, 1, 4, 6).expand(1, 3, 4, 6).float(), labels


def test_as_many_of_each_class_without_repetition():
    features, labels = sample_pixels(frames(), 6, 10)
    assert labels.tolist() == sorted([0, 1, 2, 3] * 10)
    assert features.shape == (40, 3) and features.dtype == torch.float32
    numbers = features[:, 0].long()
    assert len(numbers.unique()) == 40
    truth = torch.cat([own.flatten() for _, own in frames()])
    assert (truth[numbers] == labels).all()
    # All there are, if there are fewer.
    features, labels = sample_pixels(frames(1), 6, 10**6)
    own = next(frames(1))[1].flatten()
    assert sorted(features[:, 0].long().tolist()) == (own != 255).nonzero()[:, 0].tolist()


def test_the_seed_decides_and_not_the_features():
    one = sample_pixels(frames(), 4, 5)[0]
    assert torch.equal(one, sample_pixels(frames(), 4, 5)[0])
    assert not torch.equal(one, sample_pixels(frames(), 4, 5, seed=1)[0])
    other = sample_pixels(((torch.cat([f, -f], 1), y) for f, y in frames()), 4, 5)[0]
    assert torch.equal(other[:, :3], one)


def test_the_sample_is_uniform():
    # The first of ten frames holds a tenth of the pixels, however late the sample fills.
    first = sum(
        (sample_pixels(frames(10), 4, 6, seed)[0][:, 0] < 24).sum().item() for seed in range(100)
    )
    assert first / 2400 == pytest.approx(0.1, abs=0.03)


def test_no_labels():
    with pytest.raises(ValueError, match='no pixel of the data has a label'):
        sample_pixels([(torch.zeros(1, 2, 3, 3), torch.full((1, 3, 3), 255))], 4, 5)


def test_data_without_labels(per_frame, build, batch):
    normalise = dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3)
    model = build(dict(type='SourceOnly', student=per_frame, data_preprocessor=normalise)).eval()
    clip = batch(count=1)
    del clip['data_samples'][0].gt_sem_seg
    with pytest.raises(ValueError, match='without a label.*LoadClipAnnotations.*with_labels=True'):
        next(labelled_features(model, [clip]))


@pytest.mark.parametrize('finer', [1, 2])
def test_labels_are_padded_as_their_frame(per_frame, build, batch, finer):
    """Also those of a larger file than the frames."""
    padding = dict(type='DomainDataPreprocessor', test_cfg=dict(size=(40, 64)))
    model = build(dict(type='SourceOnly', student=per_frame, data_preprocessor=padding)).eval()
    clip = batch(count=1)
    sample = clip['data_samples'][0]
    sample.gt_sem_seg = PixelData(data=torch.full((1, 32 * finer, 48 * finer), 2))
    ((features, labels),) = labelled_features(model, [clip])
    h, w = features.shape[-2:]
    assert labels.shape == (1, h, w)
    # Cells of which at least half are in the frame.
    expected = torch.full((1, h, w), 255)
    expected[:, : round(h * 32 / 40), : round(w * 48 / 64)] = 2
    assert torch.equal(labels, expected)


def test_features_of_the_student(per_frame, build, batch):
    model = build(
        dict(
            type='SourceOnly',
            student=per_frame,
            data_preprocessor=dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3),
        )
    ).eval()
    clips = [batch(count=1, seed=seed) for seed in range(2)]
    found = list(labelled_features(model, clips))
    assert len(found) == 2
    for (features, labels), clip in zip(found, clips, strict=True):
        frame = model.data_preprocessor(clip, False)['inputs'].frames[:, -1]
        torch.testing.assert_close(features, model.student.features(frame))
        assert labels.shape == (1, *features.shape[-2:])
        # The cell at the corner, by counting.
        h, w = features.shape[-2:]
        truth = clip['data_samples'][0].gt_sem_seg.data[0]
        cell = truth[-(truth.shape[0] // h) :, -(truth.shape[1] // w) :]
        counts = torch.bincount(cell.flatten(), minlength=256)
        assert labels[0, -1, -1] == (counts.argmax() if counts.max() * 2 >= cell.numel() else 255)
