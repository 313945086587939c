"""Algorithm 1 through the whole generator, by hand, with a network that reads what it predicts.

An image paints its prediction: blue is the class, red its probability in percent; the other classes
share the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmdavss.datasets import ClipFolderDataset
from mmdavss.datasets.label_folder import read_manifest, write_manifest
from mmdavss.pseudo_labels import confidences, folder, generator
from mmdavss.pseudo_labels.folder import remove
from mmdavss.pseudo_labels.generator import PseudoLabelGenerator
from mmdavss.pseudo_labels.predictor import ClipPredictor, Frame, FrameClip
from mmdavss.pseudo_labels.rules import RULES, ClipAdaptive
from mmdavss.pseudo_labels.scores import pseudo_confusion, pseudo_miou, summary
from mmdavss.pseudo_labels.workers import Turns
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.journal import Journal

pytestmark = pytest.mark.slow

CLASSES = ('road', 'sky', 'car')
PIPELINE = [dict(type='LoadClip'), dict(type='PackClipInputs')]


@MODELS.register_module(force=True)
class PaintedNet(nn.Module):
    needs_flow = temporal = needs_checkpoint = False
    num_classes = len(CLASSES)
    align_corners = False
    allow_random_init = True

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def set_normalisation(self, preprocessor):
        pass

    def forward(self, frames, flow=None, features=None):
        classes, percent = frames[:, -1, 0].long(), frames[:, -1, 2] / 100
        rest = ((1 - percent) / 2)[:, None].expand(-1, 3, -1, -1)
        return rest.scatter(1, classes[:, None], percent[:, None]).log()

    predict = forward


MODEL = dict(
    type='SourceOnly',
    student=dict(type='PaintedNet'),
    data_preprocessor=dict(type='DomainDataPreprocessor'),
)


def paint(path, classes, percent):
    classes, percent = np.atleast_2d(classes), np.atleast_2d(percent)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.stack(np.broadcast_arrays(classes, 0, percent), -1).astype(np.uint8)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three frames of two pixels: 0.9 0.6, 0.5 0.7 of road, then 0.95 0.95 of sky."""
    root = tmp_path / 'frames'
    paint(root / 'a/f1.png', 0, [90, 60])
    paint(root / 'a/f2.png', 0, [50, 70])
    paint(root / 'a/f3.png', 1, [95, 95])
    return root


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=MODELS.build(MODEL).state_dict(), meta={}), path)
    return str(path)


ADAPTIVE = dict(alpha=0.5, beta=0.5, gamma=1.0, start=0.8)


def config(root: Path, rule: dict = ADAPTIVE, **generator) -> Config:
    return Config(
        dict(
            model=MODEL,
            pseudo_label_generator=dict(
                dict(aggregate=False, clip_frames=2, pipeline=PIPELINE), **(rule | generator)
            ),
            train_dataloader=dict(
                dataset=dict(
                    type='DomainPairDataset',
                    source=None,
                    target=dict(
                        type='ClipFolderDataset',
                        data_root=str(root),
                        metainfo=dict(classes=CLASSES),
                    ),
                )
            ),
        )
    )


def run(cfg: Config, checkpoint: str, out: Path, **kwargs) -> dict:
    return PseudoLabelGenerator.from_config(cfg).generate(cfg, checkpoint, str(out), **kwargs)


def masks(out: Path) -> list:
    return [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED).ravel().tolist()
        for path in sorted(out.rglob('*.png'))
    ]


def content(out: Path) -> dict:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob('*') if path.is_file()}


def test_clip_adaptive_by_hand(frames, checkpoint, tmp_path):
    out = tmp_path / 'out'
    state = run(config(frames), checkpoint, out)
    # Sorted with theta: 0.5 0.6 0.7 0.8 0.9; the share 0.5 * 0.8 lies above place 2.4.
    assert state['thresholds']['a/f1'] == pytest.approx([0.5 * 0.8 + 0.5 * 0.74, 0.8, 0.8])
    # 0.8 0.95 0.95: place 0.6 * 2 = 1.2.
    assert state['thresholds']['a/f3'] == pytest.approx([0.77, 0.5 * 0.8 + 0.5 * 0.95, 0.8])
    assert masks(out) == [[0, 255], [255, 255], [1, 1]]
    assert state['predicted'] == [4, 2, 0] and state['kept'] == [1, 2, 0] and state['finished']
    assert json.loads((out / 'pseudo_labels.json').read_text())['kept'] == [1, 2, 0]


def test_instance_adaptive_by_hand(frames, checkpoint, tmp_path):
    out = tmp_path / 'out'
    state = run(config(frames, selection='instance_adaptive'), checkpoint, out)
    # 0.6 0.8 0.9, place 1.2: 0.82, theta 0.81. Then 0.5 0.7 0.81, place 0.595 * 2 = 1.19.
    psi = 0.7 + 0.19 * 0.11
    assert state['thresholds']['a/f1'] == pytest.approx([0.5 * 0.81 + 0.5 * psi, 0.8, 0.8])
    assert masks(out) == [[0, 255], [255, 255], [1, 1]]


def test_class_balanced_by_hand(frames, checkpoint, tmp_path):
    out = tmp_path / 'out'
    state = run(config(frames, selection='class_balanced'), checkpoint, out)
    assert state['thresholds']['a/f3'] == pytest.approx([0.7, 0.95, 1.0], abs=2e-3)
    assert masks(out) == [[0, 255], [255, 0], [1, 1]]
    assert np.array(state['histogram']).sum(1).tolist() == [4, 2, 0]


def test_neighbours(tmp_path):
    """Equation 10 in the middle and at the ends; neighbours cross the cuts between clips."""
    root = tmp_path / 'frames'
    for n, percent in enumerate((60, 66, 72, 40), 1):
        paint(root / f'f{n}.png', 0, np.full((2, 3), percent))
    data = ClipFolderDataset(str(root), clip_length=1, metainfo=dict(classes=CLASSES))
    flow = dict(type='ZeroFlow')
    generator = PseudoLabelGenerator(PIPELINE, clip_frames=2, flow=flow)
    clips = generator.clips(data)
    assert [clip.name for clip in clips] == ['f1', 'f3']
    predictor = ClipPredictor(MODELS.build(MODEL), PIPELINE, MODELS.build(flow))
    values = [p.probability for clip in clips for p in predictor(clip)]
    assert all(value.shape == (2, 3) and np.ptp(value) == 0 for value in values)
    # The last looks different (0.32 of the red channel): nothing is averaged with it.
    assert [value[0, 0] for value in values] == pytest.approx(
        [(0.60 + 0.66) / 2, (0.60 + 0.66 + 0.72) / 3, (0.66 + 0.72) / 2, 0.40]
    )
    # Without them.
    alone = ClipPredictor(MODELS.build(MODEL), PIPELINE)(clips[0])
    assert [p.probability[0, 0] for p in alone] == pytest.approx([0.60, 0.66])
    # A greater distance.
    data = ClipFolderDataset(str(root), clip_length=1, frame_distance=2)
    found = [
        [Path(path).stem for path in frame.neighbours]
        for clip in generator.clips(data)
        for frame in clip.frames
    ]
    assert found == [['f3'], ['f4'], ['f1'], ['f2']]


def test_views_are_averaged(tmp_path):
    """Mirrored and scaled frames, and several networks."""

    class Sided(PaintedNet):
        """Sees the left half only, and names its width."""

        widths: list[int] = []

        def predict(self, frames, flow=None):
            self.widths.append(frames.shape[-1])
            scores = super().forward(frames)
            scores[..., frames.shape[-1] // 2 :] = np.log(1 / 3)
            return scores

    paint(tmp_path / 'f1.png', 0, np.full((4, 8), 90))
    frame = Frame('f1.png', str(tmp_path / 'f1.png'))
    model = MODELS.build(MODEL)
    (plain,) = ClipPredictor(model, PIPELINE)(FrameClip('f1', (frame,)))
    assert plain.probabilities.shape == (3, 4, 8)
    np.testing.assert_allclose(plain.probabilities.max(0).values, plain.probability)
    assert plain.probability == pytest.approx(np.full((4, 8), 0.9))
    model.student = Sided()
    (mirrored,) = ClipPredictor(model, PIPELINE, mirror=True)(FrameClip('f1', (frame,)))
    assert mirrored.probability == pytest.approx(np.full((4, 8), (0.9 + 1 / 3) / 2))
    (scaled,) = ClipPredictor(model, PIPELINE, scales=(1.0, 1.5))(FrameClip('f1', (frame,)))
    assert Sided.widths[-2:] == [8, 12] and scaled.probability.shape == (4, 8)
    assert scaled.probability[0, 0] == pytest.approx(0.9)
    other = MODELS.build(MODEL)
    (both,) = ClipPredictor(model, PIPELINE, further=[other])(FrameClip('f1', (frame,)))
    assert both.probability[0] == pytest.approx([0.9] * 4 + [(0.9 + 1 / 3) / 2] * 4)


def test_no_prediction_of_a_part_of_a_frame(tmp_path):
    """It would be stretched over the whole one."""
    paint(tmp_path / 'f1.png', 0, np.full((4, 8), 90))
    path = str(tmp_path / 'f1.png')
    model = MODELS.build(MODEL)
    for step in (
        dict(type='ClipPad', size=(4, 9)),
        dict(type='ClipCrop', crop_size=(0.5, 1.0), mode='top'),
    ):
        pipeline = [PIPELINE[0], step, PIPELINE[1]]
        data = pseudo_collate([Compose(pipeline)(dict(frame_paths=[path], img_path=path))])
        words = f'f1.png: {step["type"]} has cropped or padded it'
        with pytest.raises(UserError, match=words):
            next(ClipPredictor(model, pipeline)(FrameClip('f1', (Frame('f1.png', path),))))
        with pytest.raises(UserError, match=words):
            model.test_step(data)
    # A transform of the user's own says that the part is all that is to be predicted.
    data['data_samples'][0].set_metainfo(dict(ori_shape=(2, 8)))
    assert model.test_step(data)[0].pred_sem_seg.shape == (2, 8)


def test_several_checkpoints(frames, checkpoint, tmp_path):
    """Their digest is that of both, in this order."""
    other = str(tmp_path / 'iter_2.pth')
    torch.save(dict(state_dict={'student.unused': torch.ones(1)}, meta={}), other)
    cfg, out = config(frames, {}, selection='all'), tmp_path / 'out'
    state = run(cfg, [checkpoint, other], out)
    assert masks(out) == [[0, 0], [0, 0], [1, 1]]
    assert state['checkpoint']['path'] == f'{checkpoint}, {other}'
    assert run(cfg, [checkpoint, other], out) == state
    for changed in ([other, checkpoint], checkpoint):
        with pytest.raises(UserError, match='checkpoint: was'):
            run(cfg, changed, out)


def test_a_lost_file_of_the_first_pass(frames, checkpoint, tmp_path, monkeypatch):
    cfg, out = config(frames, {}, selection='cbst'), tmp_path / 'out'

    def fail(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(generator, 'write_mask', fail)
        run(cfg, checkpoint, out)
    (out / 'first_pass/000001.npz').unlink()
    with pytest.raises(UserError, match='1 files of the first pass are missing, such as .*000001'):
        run(cfg, checkpoint, out)
    run(cfg, checkpoint, out, overwrite=True)
    assert masks(out) and not (out / 'first_pass').exists()


def test_files_of_the_first_pass_go_after_all(frames, checkpoint, tmp_path, monkeypatch):
    """If a run is killed when its last mask is written, before they are deleted."""
    cfg, out = config(frames, {}, selection='cbst'), tmp_path / 'out'
    with monkeypatch.context() as patched:
        patched.setattr(confidences, 'remove', lambda folder: None)
        run(cfg, checkpoint, out)
    assert (out / 'first_pass').exists()
    run(cfg, checkpoint, out)
    assert not (out / 'first_pass').exists()


def test_flow_goes_from_the_frame_to_the_neighbour(tmp_path):
    """A neighbour whose picture lies one pixel to the right."""
    paint(tmp_path / 'f1.png', 0, [90, 60, 75])
    paint(tmp_path / 'f2.png', 0, [10, 90, 60])

    def flow(frame, other, paths):
        assert [Path(path).stem for path in paths[0]] == ['f1', 'f2']
        return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)

    predictor = ClipPredictor(MODELS.build(MODEL), PIPELINE, flow)
    first, second = (str(tmp_path / f'f{n}.png') for n in (1, 2))
    (prediction,) = predictor(FrameClip('f1', (Frame('f1.png', first, (second,)),)))
    assert prediction.probability[0] == pytest.approx([0.9, 0.6, 0.75])


@pytest.mark.parametrize('selection', RULES)
def test_an_interrupted_run_goes_on(frames, checkpoint, tmp_path, monkeypatch, selection):
    rule = ADAPTIVE if issubclass(RULES[selection], ClipAdaptive) else {}
    cfg = config(frames, rule, selection=selection)
    written, limit = [], None

    def stop(module, name):
        original = getattr(module, name)

        def wrapped(*args):
            if len(written) == limit:
                raise KeyboardInterrupt
            written.append(name)
            return original(*args)

        monkeypatch.setattr(module, name, wrapped)

    stop(generator, 'write_manifest')
    stop(generator, 'write_frames')
    stop(folder, 'write_png')  # of a mask, and of soft labels
    stop(confidences, 'replace_file')
    run(cfg, checkpoint, tmp_path / 'whole')
    whole, writes = content(tmp_path / 'whole'), len(written)
    # The state, the list, 3 masks (of 2 pairs 4), 2 clips; a first pass has an entry for each clip,
    # or a file too.
    first_pass = {None: 0, 'histogram': 2, 'confidences': 4}[RULES[selection].collects]
    soft, pairs = 3 * (selection == 'lrent'), RULES[selection].pairs
    assert writes == 7 + first_pass + soft + pairs
    for count in range(writes):  # before each of them
        limit, out = count, tmp_path / str(count)
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            run(cfg, checkpoint, out)
        with pytest.raises((FileNotFoundError, ValueError), match='is missing|unfinished'):
            ClipFolderDataset(str(frames), pseudo_labels=str(out))
        limit = None
        written.clear()
        run(cfg, checkpoint, out)
        assert content(out) == whole
        # Nothing that was done is done again: a frame, then its clip's entry.
        assert count < writes - 2 - bool(soft) - pairs or len(written) <= 2 + bool(soft) + pairs


def test_other_processes_give_the_same(tmp_path, per_frame):
    """With a true network and true flow; the clips cut a sequence."""
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 255, (8, 20, 3), np.uint8), (100, 40))
    for n in range(5):
        (tmp_path / 'frames').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'frames/{n}.png'), wide[:, 3 * n :][:, :80])
    cfg = config(
        tmp_path / 'frames',
        aggregate=True,
        flow=dict(type='DISFlowEstimator'),
        pipeline=[
            dict(type='LoadClip'),
            dict(type='ClipResize', scale=(48, 32)),
            dict(type='PackClipInputs'),
        ],
    )
    cfg.train_dataloader.dataset.target.metainfo.classes = ('road', 'sky', 'car', 'person')
    cfg.model = dict(
        type='SourceOnly',
        student=per_frame,
        data_preprocessor=dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3),
    )
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    threads = torch.get_num_threads()
    for rule, files in ((dict(ADAPTIVE, start=0.3), 7), (dict(selection='lrent', portion=0.5), 12)):
        options = cfg.pseudo_label_generator
        for key in ADAPTIVE:
            options.pop(key, None)
        options.update(rule, mirror='selection' in rule)
        one, two = (tmp_path / f'{files}{name}' for name in ('one', 'two'))
        run(cfg, str(path), one)
        assert torch.get_num_threads() == threads
        run(cfg, str(path), two, workers=2)
        assert content(one) == content(two) and len(content(one)) == files
        mask = cv2.imread(str(one / '2.png'), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (40, 80) and len(np.unique(mask)) > 1


def test_finished_is_left_alone(frames, checkpoint, tmp_path, capsys):
    cfg = config(frames)
    run(cfg, checkpoint, tmp_path / 'out')
    before = content(tmp_path / 'out')
    capsys.readouterr()
    run(cfg, checkpoint, tmp_path / 'out')
    assert 'is there already' in capsys.readouterr().out
    assert content(tmp_path / 'out') == before
    (tmp_path / 'out/a/f2.png').unlink()
    with pytest.raises(UserError, match='1 of 3 masks .*a/f2.png.*--overwrite'):
        run(cfg, checkpoint, tmp_path / 'out')


def test_other_settings(frames, checkpoint, tmp_path):
    out = tmp_path / 'out'
    run(config(frames), checkpoint, out)
    with pytest.raises(UserError, match='alpha was 0.5 and is 0.2.*--overwrite.*--out'):
        run(config(frames, alpha=0.2), checkpoint, out)
    cfg = config(frames)
    cfg.train_dataloader.dataset.target.metainfo.classes = CLASSES[::-1]
    with pytest.raises(UserError, match='classes: was .*road'):
        run(cfg, checkpoint, out)
    cfg = config(frames)
    cfg.model.data_preprocessor.pad_val = 1
    with pytest.raises(UserError, match='model.data_preprocessor'):
        run(cfg, checkpoint, out)
    other = tmp_path / 'iter_2.pth'
    torch.save(dict(state_dict={'student.unused': torch.ones(1)}, meta={}), other)
    with pytest.raises(UserError, match='checkpoint: was .*iter_1.pth.*iter_2.pth'):
        run(config(frames), str(other), out)
    paint(frames / 'a/f4.png', 0, [90, 60])
    with pytest.raises(UserError, match='frames: changed'):
        run(config(frames), checkpoint, out)


@pytest.mark.parametrize(
    'option', [dict(mirror=True), dict(scales=(1.0, 0.5)), dict(passes=2), dict(seed=3)]
)
def test_settings_that_are_gone(frames, checkpoint, tmp_path, option):
    out = tmp_path / 'out'
    run(config(frames, **option), checkpoint, out)
    (name,) = option
    with pytest.raises(UserError, match=f'pseudo_label_generator: {name} was .* and is None'):
        run(config(frames), checkpoint, out)
    run(config(frames, **option), checkpoint, out)


def test_overwrite(frames, checkpoint, tmp_path):
    out = tmp_path / 'out'
    run(config(frames), checkpoint, out)
    (out / 'a/mine.png').write_bytes(b'1')
    (out / 'notes').write_text('mine')
    (frames / 'a/f3.png').rename(frames / 'a/g.png')
    # Nothing is deleted before everything else is right.
    with pytest.raises(UserError, match='not found'):
        run(config(frames), 'gone.pth', out, overwrite=True)
    assert (out / 'a/f3.png').is_file()
    run(config(frames, start=0.3), checkpoint, out, overwrite=True)
    assert sorted(str(path) for path in content(out)) == [
        'a/f1.png',
        'a/f2.png',
        'a/g.png',
        'a/mine.png',
        'frames.txt',
        'notes',
        'pseudo_labels.json',
    ]
    # A folder that is not ours.
    foreign = tmp_path / 'foreign'
    foreign.mkdir()
    (foreign / 'x.png').write_bytes(b'1')
    for overwrite in (False, True):
        with pytest.raises(UserError, match='not empty'):
            run(config(frames), checkpoint, foreign, overwrite=overwrite)
    assert [path.name for path in foreign.iterdir()] == ['x.png']
    (foreign / 'pseudo_labels.json').write_text('{}')
    with pytest.raises(ValueError, match='not a file of tools/generate_pseudo_labels'):
        run(config(frames), checkpoint, foreign, overwrite=True)


ANEW = (
    'out/pseudo_labels.json.*again: python tools/generate_pseudo_labels.py .*--out .*/out '
    '--overwrite'
)


@pytest.mark.parametrize(
    'change',
    [
        dict(finished='no'),
        dict(finished=1),
        dict(finished=None),
        dict(version='1'),
        dict(version=True),
        dict(version=7),
        dict(classes=5),
        dict(classes=['a', 'b', 5]),
        dict(classes=['a', 'a', 'b']),
        dict(classes=[]),
        dict(palette=5),
        dict(palette=[[0, 0, 300]] * 3),
        dict(palette=[[0, 0, 0]]),
        dict(kept=[1]),
        dict(kept=[-1, 2, 3]),
        dict(predicted=[1, 2, 3, 4]),
        dict(predicted=None),
        dict(thresholds=[]),
        dict(thresholds={'a/f1': [0.5]}),
        dict(thresholds={'a/f1': ['0.5', 0.5, 0.5]}),
        dict(counted=-1),
        dict(counted='1'),
        dict(checkpoint=None),
        dict(checkpoint={}),
        dict(settings=5),
        dict(network=5),
        dict(frames=3),
        dict(histogram=5),
        dict(histogram=[[-1] * 1000] * 3),
        dict(histogram=[[1] * 1000]),
    ],
)
def test_descriptions_that_were_changed(tmp_path, change):
    """One error that names the file and the command, which then begins anew."""
    out = tmp_path / 'out'
    right = dict(
        finished=True,
        classes=list(CLASSES),
        palette=[[0, 0, 255]] * 3,
        kept=[1, 2, 3],
        predicted=[1, 2, 3],
        thresholds={'a/f1': [0.5, 1, 0.9]},
        counted=0,
        settings={},
        checkpoint=dict(path='a', size=1, sha256='b'),
        network='c',
        frames={},
        histogram=None,
    )
    out.mkdir()
    write_manifest(str(out), right)
    assert read_manifest(str(out), right) == right
    file = out / 'pseudo_labels.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=ANEW):
        read_manifest(str(out), right)
    remove(str(out))
    assert content(out) == {}


@pytest.mark.parametrize(
    'selection, changes',
    [
        (
            'clip_adaptive',
            [dict(finished=False), dict(thresholds={}), dict(thresholds={'b': [1] * 3})],
        ),
        ('class_balanced', [dict(histogram=[[1]] * 3), dict(counted=99)]),
    ],
)
def test_descriptions_that_contradict_themselves(frames, checkpoint, tmp_path, selection, changes):
    cfg, out = config(frames, selection=selection), tmp_path / 'out'
    run(cfg, checkpoint, out)
    file = out / 'pseudo_labels.json'
    right = json.loads(file.read_text())
    for change in changes:
        file.write_text(json.dumps({**right, **change}))
        with pytest.raises(InputError, match=ANEW):
            raise AssertionError(change, run(cfg, checkpoint, out))


@pytest.mark.parametrize('field', ['finished', 'classes', 'version', 'thresholds', 'settings'])
def test_descriptions_that_lack_a_field(frames, checkpoint, tmp_path, field):
    out = tmp_path / 'out'
    run(config(frames), checkpoint, out)
    state = json.loads((out / 'pseudo_labels.json').read_text())
    del state[field]
    (out / 'pseudo_labels.json').write_text(json.dumps(state))
    with pytest.raises(InputError, match='out.pseudo_labels.json.*--out .*out --overwrite'):
        run(config(frames), checkpoint, out)


@pytest.mark.parametrize('line', ['../a.png', '/a.png', 'a/../../b.png'])
def test_a_list_of_masks_that_leads_outside(frames, checkpoint, tmp_path, line):
    out = tmp_path / 'out'
    run(config(frames), checkpoint, out)
    (tmp_path / 'a.png').touch()
    (out / 'frames.txt').write_text(f'a/f1.png\n{line}\n')
    for use in (
        lambda: remove(str(out)),
        lambda: ClipFolderDataset(str(frames), pseudo_labels=str(out), pipeline=[]),
    ):
        with pytest.raises(InputError, match='frames.txt, line 2: .* is outside the folder'):
            use()
    assert (tmp_path / 'a.png').is_file() and (out / 'a/f1.png').is_file()


def test_classes_without_labels_are_named(frames, checkpoint, tmp_path):
    """Road stays below its threshold, a car is never predicted."""
    cfg = config(frames, start=0.99, beta=1.0)
    text = summary(run(cfg, checkpoint, tmp_path / 'none'))
    assert 'warning: car has no pseudo-label at all: it is never predicted' in text
    for name in ('road', 'sky'):
        assert f'warning: {name} has no pseudo-label at all: it never exceeds' in text
    text = summary(run(config(frames), checkpoint, tmp_path / 'some'))
    assert text.count('warning') == 1 and '25.00%' in text and '50.00%' in text


def test_score_by_hand():
    """Neither ignored truth nor missing labels count."""
    truth = np.array([[0, 0, 1, 1, 255, 2]])
    pseudo = np.array([[0, 1, 1, 255, 1, 255]])
    confusion = pseudo_confusion(pseudo, truth, 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    mean, iou = pseudo_miou(confusion)
    assert iou[:2].tolist() == [0.5, 0.5] and np.isnan(iou[2]) and mean == 0.5
    assert np.isnan(pseudo_miou(np.zeros((3, 3)))[0])


def test_own_frames_read_their_masks(frames, checkpoint, tmp_path):
    """The classes of a target without them are those of the pseudo-labels."""
    run(config(frames), checkpoint, tmp_path / 'out')
    dataset = DATASETS.build(
        dict(
            type='ClipFolderDataset',
            data_root=str(frames),
            pseudo_labels=str(tmp_path / 'out'),
            label_clips=True,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                dict(type='PackClipInputs'),
            ],
        )
    )
    assert dataset.metainfo['classes'] == CLASSES and len(dataset) == 3
    assert dataset[1]['data_samples'].gt_clip_seg.data.tolist() == [[[0, 255]], [[255, 255]]]
    (frames / 'clips.txt').write_text('a/f1.png a/f3.png\n')
    listed = ClipFolderDataset(str(frames), clips='clips.txt', pseudo_labels=str(tmp_path / 'out'))
    assert listed.get_data_info(0)['seg_map_path'] == str(tmp_path / 'out/a/f3.png')


@pytest.mark.parametrize(
    'option, words',
    [
        (dict(selection='best'), "selection='best'"),
        (dict(aggregate=True), 'flow is missing'),
        (dict(occlusion=dict(beta=1)), 'occlusion'),
        (dict(alpha=3), 'alpha=3'),
        (dict(alpha=0.0), 'alpha=0.0 must be between 0 and 1: no pixel would be a label'),
        (dict(selection='class_balanced', alpha=1.0), 'alpha=1.0 must be between'),
        (dict(clip_frames=0), 'clip_frames=0'),
        (dict(alfa=3), 'alfa'),
        (dict(scales=()), 'scales=..'),
        (dict(scales=(1.0, 0)), 'scales='),
        (dict(passes=0), 'passes=0'),
        (dict(selection='class_balanced', passes=2), 'do not follow'),
        (dict(selection='pair', mirror=True), 'set aggregate=False, mirror=False'),
    ],
)
def test_bad_options(frames, option, words):
    with pytest.raises((UserError, ValueError), match=words):
        PseudoLabelGenerator.from_config(config(frames, **option))


def test_video_net_predicts_each_frame_as_the_first_of_a_video(frame_folder, tmp_path, accel):
    """With and without the neighbours, of which the aggregation knows."""
    cfg = config(
        frame_folder, aggregate=True, flow=dict(type='ZeroFlow'), occlusion=dict(alpha=0.0)
    )
    cfg.model.student = accel
    model = MODELS.build(cfg.model).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    path = tmp_path / 'accel.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    images = [str(frame_folder / f'f{n}.png') for n in range(2)]
    clip = FrameClip('f0', (Frame('f0.png', images[0], (images[1],)), Frame('f1.png', images[1])))
    frames = torch.stack(
        [torch.from_numpy(cv2.imread(image)).movedim(-1, 0).float() for image in images]
    )
    with torch.no_grad():
        single = nn.functional.interpolate(
            model.student(frames[:, None]), frames.shape[-2:], mode='bilinear', align_corners=True
        ).softmax(1)
    for aggregate in (False, True):
        predictor = PseudoLabelGenerator.from_config(cfg).predictor(
            cfg, str(path), 'cpu', 4, aggregate=aggregate
        )
        expected = single.clone()
        if aggregate:
            expected[0] = single.mean(0)
        for made, maps in zip(predictor(clip), expected, strict=True):
            np.testing.assert_allclose(made.probability, maps.max(0).values, atol=1e-5)
            assert (made.labels == maps.argmax(0).numpy()).mean() > 0.999


def test_networks_that_cannot_be_used(frames, checkpoint, tmp_path):
    cfg = config(frames)
    cfg.train_dataloader.dataset.target.metainfo.classes = ('road', 'sky')
    with pytest.raises(UserError, match='2 classes, the model 3'):
        run(cfg, checkpoint, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    with pytest.raises(UserError, match='None has no pseudo_label_generator'):
        PseudoLabelGenerator.from_config(Config(dict(model=MODEL)))


def test_clips_take_turns():
    """In their order, whichever is ready first; clips after one that failed do not wait, those
    before it go on."""
    turns = Turns(np.zeros(2), multiprocessing.get_context('spawn'))
    order, errors = [], []

    def take(number):
        try:
            with turns.turn(number) as state:
                order.append((number, state.tolist()))
                state += number + 1
        except RuntimeError as error:
            errors.append(str(error))

    def started(*numbers):
        threads = [threading.Thread(target=take, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        return threads

    for thread in started(2, 1, 0):
        thread.join(30)
    assert order == [(0, [0, 0]), (1, [1, 1]), (2, [3, 3])]
    waiting = started(7, 6, 4)
    turns.fail(5)
    for thread in (*waiting[:2], *started(8)):
        thread.join(30)
        assert not thread.is_alive()
    assert errors == ['an earlier clip has failed'] * 3 and len(order) == 3
    turns.fail(6)
    for thread in (*started(3, 7), waiting[2]):
        thread.join(30)
        assert not thread.is_alive()
    assert len(errors) == 4 and order[3:] == [(3, [6, 6]), (4, [10, 10])]


def test_frames_split_by_their_entropy(frames, checkpoint, tmp_path):
    """Labels of all pixels, two lists that data sets read, and other lists without the network."""
    out = tmp_path / 'out'
    every = dict(selection='all', split=dict(easy=0.67))
    cfg = config(frames, {}, **every)
    cfg.train_dataloader.dataset.target.update(
        frame_list=str(out / 'hard.txt'), pseudo_labels=str(out), with_labels=False
    )
    state = run(cfg, checkpoint, out)
    assert masks(out) == [[0, 0], [0, 0], [1, 1]]

    def entropy(*percent: float) -> float:
        """Mean over pixels and classes, the other classes sharing the rest."""
        p = np.array([[q, (1 - q) / 2, (1 - q) / 2] for q in percent])
        return float(-(p * np.log(p)).sum(1).mean() / np.log(3) / 3)

    expected = [entropy(0.9, 0.6), entropy(0.5, 0.7), entropy(0.95, 0.95)]
    assert list(state['entropies'].values()) == pytest.approx(expected, rel=1e-5)
    assert (out / 'easy.txt').read_text() == 'a/f3\na/f1\n'
    assert (out / 'hard.txt').read_text() == 'a/f2\n'
    hard = DATASETS.build(cfg.train_dataloader.dataset.target)
    assert [hard.get_data_info(i)['frame_name'] for i in range(len(hard))] == ['f2']

    before = content(out)
    cfg.pseudo_label_generator.split = dict(easy=0.34, rare_classes=['road', 'car'])
    run(cfg, checkpoint, out)
    # One of two rare classes is in f1 and in f2: their entropy counts as it is, that of f3 by half
    # more, which is not enough.
    assert (out / 'easy.txt').read_text() == 'a/f3\n'
    changed = {path.name for path, own in content(out).items() if before[path] != own}
    assert changed == {'easy.txt', 'hard.txt'}
    cfg.pseudo_label_generator.split = dict(rare_classes=['tree'])
    with pytest.raises(UserError, match="there is no class 'tree', only road, sky, car"):
        run(cfg, checkpoint, out)
    remove(str(out))
    assert not any(out.iterdir())


def test_training_frames_only(frames, checkpoint, tmp_path):
    """Those that the target has as current frames, without its list and its pseudo-labels."""
    out = tmp_path / 'out'
    cfg = config(frames, {}, selection='all', frames='training')
    cfg.train_dataloader.dataset.target.update(clip_length=2, whole_clips=True, ann_file='list.txt')
    (frames / 'list.txt').write_text('f2\nf3\n')
    state = run(cfg, checkpoint, out)
    assert state['frames']['count'] == 2 and state['settings']['frames'] == 'training'
    assert list(state['entropies']) == ['a/f2.png', 'a/f3.png']


def test_all_frames_of_the_sequences_of_a_split_file(frames, checkpoint, tmp_path):
    paint(frames / 'b/f9.png', 0, [50, 50])
    cfg = config(frames, {}, selection='all')
    cfg.train_dataloader.dataset.target.update(ann_file='list.txt')
    (frames / 'list.txt').write_text('f2\n')
    state = run(cfg, checkpoint, tmp_path / 'out')
    assert list(state['entropies']) == ['a/f1.png', 'a/f2.png', 'a/f3.png']


def test_pairs(frames, checkpoint, tmp_path):
    """Each frame together with the one before it; the first one has none."""
    cfg = config(frames, selection='pair', cap=None)
    state = run(cfg, checkpoint, tmp_path / 'out')
    names = ['a/f1.previous.png', 'a/f2.png', 'a/f2.previous.png', 'a/f3.png']
    assert (tmp_path / 'out/frames.txt').read_text().split() == names
    rule = PseudoLabelGenerator.from_config(cfg).rule
    thresholds = rule.start(3)
    for clip in (('f2', 0, [0.5, 0.7], [0.9, 0.6]), ('f3', 1, [0.95, 0.95], [0.5, 0.7])):
        name, kind, current, previous = clip
        w = thresholds.copy()[:3]
        for place, own_kind, own in ((0, kind, current), (3, 0, previous)):
            for k in range(3):
                values = [*np.float16(own if k == own_kind else []), w[k]]
                share = np.percentile(values, 100 * (1 - 0.5 * w[k]))
                thresholds[place + k] = thresholds[place + k] / 2 + share / 2
        np.testing.assert_allclose(state['thresholds'][f'a/{name}'], thresholds, atol=1e-6)
    assert 'road' in summary(state)
    # The data set has the current frames, and labels of both.
    target = dict(cfg.train_dataloader.dataset.target, pseudo_labels=str(tmp_path / 'out'))
    dataset = DATASETS.build(dict(target, with_labels=False, label_clips=True, pipeline=[]))
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [
        [Path(path).name for path in (*info['earlier_seg_map_paths'], info['seg_map_path'])]
        for info in infos
    ] == [['f1.previous.png', 'f2.png'], ['f2.previous.png', 'f3.png']]
    # So it is with a list of clips.
    (frames / 'clips.txt').write_text('a/f2.png a/f3.png\n')
    options = dict(with_labels=False, label_clips=True, clips='clips.txt', pipeline=[])
    info = DATASETS.build(dict(target, **options)).get_data_info(0)
    paths = (*info['earlier_seg_map_paths'], info['seg_map_path'])
    assert [Path(path).name for path in paths] == ['f2.previous.png', 'f3.png']


def test_pairs_need_a_previous_frame(tmp_path, checkpoint):
    paint(tmp_path / 'frames/a/f1.png', 0, [90, 60])
    with pytest.raises(ValueError, match='no frame of ClipFolderDataset has one 1 before it'):
        run(config(tmp_path / 'frames', selection='pair'), checkpoint, tmp_path / 'out')


def test_a_pair_is_seen_by_a_video_net(frame_folder, tmp_path, accel):
    """The current frame with the previous one and their flow, which comes from the pipeline."""
    cfg = config(frame_folder, selection='pair')
    flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))
    cfg.pseudo_label_generator.pipeline = [PIPELINE[0], flow, PIPELINE[1]]
    cfg.model.student = accel
    model = MODELS.build(cfg.model).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    path = tmp_path / 'accel.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    images = [str(frame_folder / f'f{n}.png') for n in range(2)]
    pair = (Frame('f0.previous.png', images[0]), Frame('f1.png', images[1], earlier=images[:1]))
    predictor = PseudoLabelGenerator.from_config(cfg).predictor(
        cfg, str(path), 'cpu', 4, aggregate=False
    )
    arrays = [cv2.imread(image) for image in images]
    frames = torch.stack([torch.from_numpy(array).movedim(-1, 0).float() for array in arrays])
    known = MODELS.build(flow['provider']).estimate_numpy(*arrays[::-1], *images[::-1])
    known = torch.from_numpy(known).movedim(-1, 0)[None, None]
    with torch.no_grad():
        expected = [model.student(frames[None, :1]), model.student(frames[None], known)]
    for made, scores in zip(predictor(FrameClip('f1', pair)), expected, strict=True):
        maps = nn.functional.interpolate(
            scores, frames.shape[-2:], mode='bilinear', align_corners=True
        ).softmax(1)
        np.testing.assert_allclose(made.probability, maps[0].max(0).values, atol=1e-5)


@pytest.mark.parametrize('seed', [None, 3])
def test_passes(frames, checkpoint, tmp_path, monkeypatch, seed):
    """Thresholds follow three times, in another order each time; an interrupted run goes on."""
    options = dict(clip_frames=1, passes=3, seed=seed)
    state = run(config(frames, **options), checkpoint, tmp_path / 'out')
    once = dict(clip_frames=1)
    generator = PseudoLabelGenerator.from_config(config(frames, **options))
    clips = [FrameClip(name, ()) for name in ('a/f1', 'a/f2', 'a/f3')]
    orders = [[clip.name for clip in generator.order(clips, n)] for n in range(3)]
    assert all(sorted(order) == ['a/f1', 'a/f2', 'a/f3'] for order in orders)
    assert (orders[0] != orders[1] or orders[1] != orders[2]) == (seed is not None)
    assert list(state['thresholds']) == orders[2]
    # The same as one pass over the frames three times.
    names = [name for order in orders for name in order]
    for n, name in enumerate(names):
        image = cv2.imread(str(frames / f'{name}.png'))
        paint(tmp_path / f'long/a/f{n}.png', image[..., 0], image[..., 2])
    whole = run(config(tmp_path / 'long', **once), checkpoint, tmp_path / 'whole')
    assert list(whole['thresholds'].values())[-3:] == list(state['thresholds'].values())

    saves = 0
    plain = Journal.save

    def save(self, **changes):
        nonlocal saves
        plain(self, **changes)
        saves += 1
        if saves in (4, 9):  # while thresholds follow; between two clips
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, 'save', save)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(config(frames, **options), checkpoint, tmp_path / 'again')
    run(config(frames, **options), checkpoint, tmp_path / 'again')
    assert content(tmp_path / 'again') == content(tmp_path / 'out')
