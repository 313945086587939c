"""What a test writes: no frame takes the file of another one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from mmdavss.datasets import ClipFolderDataset, SynthiaSeqDataset
from mmdavss.evaluation import SavePredictionsHook
from mmdavss.evaluation.save_predictions import frame_files
from mmdavss.utils.errors import UserError

SEQUENCES = ('SYNTHIA-SEQS-02-DAWN', 'SYNTHIA-SEQS-04-DAWN')


class Images:
    """A data set that knows the keys given of each frame."""

    def __init__(self, *infos: dict) -> None:
        self.infos = infos

    def __len__(self) -> int:
        return len(self.infos)

    def get_data_info(self, index: int) -> dict:
        return dict(self.infos[index])


@pytest.fixture
def synthia(tmp_path: Path) -> SynthiaSeqDataset:
    """Two sequences whose frames have the same names."""
    for sequence in SEQUENCES:
        folder = tmp_path / sequence / 'RGB/Stereo_Left/Omni_F'
        folder.mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / f'{number:06d}.png'), np.full((4, 6, 3), 90, np.uint8))
    return SynthiaSeqDataset(str(tmp_path), SEQUENCES, clip_length=1, with_labels=False)


@pytest.mark.parametrize('root', ['..', '{root}'])
def test_frames_outside_the_data_root_are_not_replaced(root, tmp_path):
    for folder in ('data', 'mine'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / 'f.png'), np.full((4, 6, 3), 90, np.uint8))
    (tmp_path / 'data/l.txt').write_text(f'{root.format(root=tmp_path)}/mine/f.png\n')
    dataset = ClipFolderDataset(
        str(tmp_path / 'data'), clips='l.txt', clip_length=1, allow_outside=True
    )
    (name,) = frame_files(dataset).values()
    out = tmp_path / 'data/out' / name
    assert out.name == 'f.png' and tmp_path / 'data/out' in out.resolve().parents


def test_each_frame_has_its_file(synthia, tmp_path):
    out, pictures = tmp_path / 'out', tmp_path / 'pictures'
    hook = SavePredictionsHook(str(out), str(pictures))
    visualizer = SegLocalVisualizer(alpha=1.0)
    visualizer.dataset_meta = synthia.metainfo
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=synthia), visualizer=visualizer
    )
    hook.before_test(runner)
    for index in range(4):
        sample = SegDataSample(metainfo=dict(img_path=synthia.get_data_info(index)['img_path']))
        sample.pred_sem_seg = PixelData(data=torch.full((1, 4, 6), index))
        hook.after_test_iter(runner, index, None, [sample])
    files = [f'{sequence}/{number:06d}.png' for sequence in SEQUENCES for number in range(2)]
    for folder in (out, pictures):
        written = [path for path in folder.rglob('*') if path.is_file()]
        assert sorted(str(path.relative_to(folder)) for path in written) == files
    for index, name in enumerate(files):
        labels = np.array(Image.open(out / name))
        assert labels.dtype == np.uint8 and labels.shape == (4, 6) and (labels == index).all()
        drawn = cv2.imread(str(pictures / name))[..., ::-1]
        assert (drawn[0, 0] == synthia.metainfo['palette'][index]).all()
    for option, folders in (('--out', (str(out), None)), ('--show-dir', (None, str(pictures)))):
        with pytest.raises(UserError, match=f'000000.png is there already.*{option}.*--overwrite'):
            SavePredictionsHook(*folders).before_test(runner)
        SavePredictionsHook(*folders, overwrite=True).before_test(runner)
    (tmp_path / 'none' / files[0]).mkdir(parents=True)
    with pytest.raises(UserError, match='none/.*000000.png is a folder.*--out'):
        SavePredictionsHook(str(tmp_path / 'none'), overwrite=True).before_test(runner)
    (tmp_path / 'link').symlink_to(out)
    with pytest.raises(UserError, match='--out and --show-dir are both .*/out, .*two folders'):
        SavePredictionsHook(str(out), str(tmp_path / 'link'), overwrite=True).before_test(runner)


def test_pictures_need_the_names_of_the_classes(tmp_path):
    """Those of one's own frames have none; known before anything is predicted."""
    cv2.imwrite(str(tmp_path / 'f.png'), np.full((4, 6, 3), 90, np.uint8))
    dataset = ClipFolderDataset(str(tmp_path), clip_length=1)
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=dataset),
        visualizer=SimpleNamespace(dataset_meta=dataset.metainfo),
    )
    with pytest.raises(UserError, match='--show-dir: the data set names no classes.*metainfo='):
        SavePredictionsHook(show_dir=str(tmp_path / 'pictures')).before_test(runner)
    SavePredictionsHook(out=str(tmp_path / 'out')).before_test(runner)


def test_data_sets_without_sequences(tmp_path):
    """Plain mmseg's: the folders of the images tell them apart."""
    names = frame_files(
        Images(
            *(
                dict(img_path=f'{tmp_path}/img/{name}')
                for name in ('a/1.jpg', 'a/2.jpg', 'b/c/1.png')
            )
        )
    )
    assert [*names.values()] == ['a/1.png', 'a/2.png', 'b/c/1.png']


@pytest.mark.parametrize(
    'infos',
    [
        [dict(img_path='x/1.jpg'), dict(img_path='x/1.png')],
        [
            dict(img_path='x/1.png', seq_name='s', frame_name='1'),
            dict(img_path='y/1.png', seq_name='s', frame_name='1'),
        ],
    ],
)
def test_two_frames_of_one_file_are_refused_before_the_test(infos):
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=Images(*infos)))
    with pytest.raises(UserError, match=r'(?s)1\.(jpg|png) and .*1\.png would both be written'):
        SavePredictionsHook('out').before_test(runner)


def test_a_frame_that_comes_twice_is_one(tmp_path):
    info = dict(img_path='x/1.png', seq_name='s', frame_name='1')
    assert frame_files(Images(info, info)) == {'x/1.png': 's/1.png'}


@pytest.mark.parametrize('dataset', [range(3), Images(dict(x=1))])
def test_data_sets_that_do_not_name_images(dataset):
    with pytest.raises(UserError, match='img_path'):
        frame_files(dataset)
