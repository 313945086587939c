"""Every ``_base_/datasets`` config reads the official layouts, here tiny fakes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, METRICS
from PIL import Image

from mmdavss.datasets.rare_class import label_files, write_statistics

pytestmark = pytest.mark.sampled
CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
# name: size of source and target frames, classes, full size of a label of the target
EXPECTED = {
    'viper2city': ((720, 1280), (512, 1024), 15, (12, 20)),
    'synthia2city': ((640, 1280), (512, 1024), 12, (12, 20)),
    'camvid_day2dusk': ((180, 240), (180, 240), 11, (12, 20)),
    'miniviper2minicity': ((108, 192), (96, 192), 15, (12, 20)),
    'minisynthia2minicity': ((96, 192), (96, 192), 12, (12, 20)),
    'gta2city': ((640, 640), (640, 1280), 19, (12, 20)),
    'gta2city_512': ((512, 512), (512, 512), 19, (12, 20)),
    'synthia_rand2city': ((640, 640), (640, 1280), 19, (12, 20)),
    'city2darkzurich': ((640, 640), (720, 1280), 19, (12, 20)),
    'synthia_rand2city_512': ((512, 512), (512, 512), 19, (12, 20)),
    'city2acdc_512': ((512, 512), (512, 512), 19, (12, 20)),
    'city2darkzurich_512': ((512, 512), (512, 512), 19, (12, 20)),
    'gta2city_1024': ((1024, 1024), (1024, 1024), 19, (12, 20)),
    'gta2city_1024-rescaled': ((1024, 1024), (1024, 1024), 19, (12, 20)),
    'synthia_rand2city_1024': ((1024, 1024), (1024, 1024), 19, (12, 20)),
    'city2darkzurich_1024': ((1024, 1024), (1024, 1024), 19, (12, 20)),
    'city2acdc_1024': ((1024, 1024), (1024, 1024), 19, (12, 20)),
    'viper2city_1024': ((1024, 1024), (1024, 1024), 15, (12, 20)),
    'synthia2city_1024': ((1024, 1024), (1024, 1024), 12, (12, 20)),
    'viper2bddvid': ((720, 720), (720, 720), 15, (12, 20)),
    'synthia2bddvid': ((720, 720), (720, 720), 12, (12, 20)),
    'viper2city_mix': ((640, 640), (640, 1280), 15, (12, 20)),
    'miniviper2minicity_mix': ((96, 192), (96, 192), 15, (12, 20)),
    'camvid_day2dusk_mix': ((180, 240), (180, 240), 11, (12, 20)),
    'minigta2minicity': ((96, 96), (96, 192), 19, (12, 20)),
    'viper2cityvps': ((720, 1280), (512, 1024), 15, (12, 20)),
    'synthia2cityvps': ((640, 1280), (512, 1024), 12, (12, 20)),
    'miniviper2minivps': ((108, 192), (96, 192), 15, (12, 20)),
    'camvid_day2dusk_frames': ((180, 240), (180, 240), 11, (12, 20)),
    'camvid_sunny2foggy': ((360, 480), (360, 480), 11, (12, 20)),
    'viper2city_image2video': ((512, 896), (512, 1024), 15, (12, 20)),
    'synthia2city_image2video': ((768, 1280), (512, 1024), 12, (12, 20)),
    'gta2city_image2video': ((720, 1280), (512, 1024), 19, (12, 20)),
    'miniviper2minivps_image2video': ((108, 192), (96, 192), 15, (12, 20)),
    'camvid_day2dusk_image2video': ((180, 240), (180, 240), 11, (12, 20)),
    'mini': ((128, 256), (128, 256), 15, (12, 20)),
    'mini2camvid': ((192, 256), (240, 320), 11, (12, 20)),
    'day2dusk': ((192, 256), (240, 320), 11, (12, 20)),
    'gta2city_whole': ((720, 1280), (512, 1024), 19, (12, 20)),
    'synthia_rand2city_whole': ((760, 1280), (512, 1024), 19, (12, 20)),
    'mini_twice': ((256, 512), (256, 512), 15, (12, 20)),
    'mini2camvid_twice': ((384, 512), (384, 512), 11, (12, 20)),
    'day2dusk_twice': ((384, 512), (384, 512), 11, (12, 20)),
    'minishift': ((120, 192), (120, 192), 14, (12, 20)),
}
#: For all methods: flow both ways, an augmented view of the target.
BENCHMARKS = ('mini', 'mini2camvid', 'day2dusk')
#: For HRDA, which predicts frame by frame.
TWICE = tuple(f'{name}_twice' for name in BENCHMARKS)
#: For nets with a flow branch and methods with a flow network: the same without flow.
OWN_FLOW = tuple(
    f'{name}_own-flow'
    for name in ('viper2city', 'synthia2city', 'camvid_day2dusk', 'miniviper2minicity')
)
EXPECTED |= {name: EXPECTED[name.removesuffix('_own-flow')] for name in OWN_FLOW}
#: Of these only the configs with temporal pseudo-labels add an augmented view.
NOT_AUGMENTED = ('viper2city_own-flow', 'synthia2city_own-flow')
#: For nets that predict frame by frame: clips without flow, single frames in validation.
PER_FRAME = (
    'viper2cityvps',
    'synthia2cityvps',
    'miniviper2minivps',
    'camvid_day2dusk_frames',
    'camvid_sunny2foggy',
)
#: The same, but source images, and target clips with flow both ways.
IMAGE_TO_VIDEO = tuple(name for name in EXPECTED if name.endswith('_image2video'))
IMAGES = (
    'gta2city',
    'gta2city_512',
    'gta2city_1024',
    'gta2city_1024-rescaled',
    'viper2city_1024',
    'synthia2city_1024',
    'synthia_rand2city_1024',
    'city2acdc_1024',
    'city2darkzurich_1024',
    'viper2bddvid',
    'synthia2bddvid',
    'synthia_rand2city',
    'synthia_rand2city_512',
    'city2acdc_512',
    'city2darkzurich',
    'city2darkzurich_512',
    'minigta2minicity',
    'gta2city_whole',
    'synthia_rand2city_whole',
    'minishift',
    *TWICE,
)
#: Whole images, where the target of training is cropped in the pipeline.
VALIDATED = {
    'gta2city_512': (512, 1024),
    'synthia_rand2city_512': (512, 1024),
    'city2acdc_512': (540, 960),
    'city2darkzurich_512': (540, 960),
    **dict.fromkeys(
        (
            f'{name}_1024'
            for name in ('gta2city', 'synthia_rand2city', 'viper2city', 'synthia2city')
        ),
        (1024, 2048),
    ),
    'gta2city_1024-rescaled': (1024, 2048),
    'city2acdc_1024': (1080, 1920),
    'city2darkzurich_1024': (1080, 1920),
    'viper2bddvid': (720, 1280),
    'synthia2bddvid': (720, 1280),
    'mini2camvid_twice': (480, 640),
    'day2dusk_twice': (480, 640),
}
#: With margins of the target that no pseudo-labels are learnt in.
MARGINS = [
    name
    for name in VALIDATED
    if name.endswith('-rescaled') or (name.endswith('_1024') and not name.startswith('city2'))
]
VIDEOS = [name for name in EXPECTED if name not in IMAGES]
# No oracle is trained with them; Dark Zurich has no labels to train with.
UNLABELLED = (
    'city2darkzurich',
    'city2darkzurich_512',
    'city2acdc_512',
    'synthia_rand2city_512',
    'city2acdc_1024',
    'city2darkzurich_1024',
    'minishift',
    'viper2bddvid',
    'synthia2bddvid',
    *MARGINS,
    *TWICE,
)
LABELLED = [name for name in EXPECTED if name not in UNLABELLED]


def narrow_margins(dataset):
    """Those of the configs are wider than the fake frames."""
    for step in dataset.pipeline:
        if step.type == 'PseudoLabelMargins':
            step.update(top=1, bottom=2, left=1, right=1)


def config(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = 1
    for branch in filter(None, (cfg.train_dataloader.dataset.get(b) for b in ('source', 'target'))):
        narrow_margins(branch)
        for step in branch.pipeline:
            if 'ratio_range' in step and name in (*BENCHMARKS, *TWICE):
                # The fake frames are narrower than the real ones, and may not fill the crop.
                step.ratio_range = (1.5, 1.5)
    return cfg


def test_all_configs_are_tested():
    assert {path.stem for path in CONFIGS.glob('*.py')} == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize('name', EXPECTED)
def test_trains_and_validates(data, name):
    source_size, target_size, classes, full = EXPECTED[name]
    lengths = dict.fromkeys(('source', 'target'), 1 if name in IMAGES else 2)
    if name in IMAGE_TO_VIDEO:
        lengths['source'] = 1
    cfg = config(name)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert len(loader.dataset.metainfo['classes']) == classes
    batch = next(iter(loader))
    for branch, size in (('source', source_size), ('target', target_size)):
        inputs = batch['inputs'][branch]
        assert inputs['frames'][0].shape == (lengths[branch], 3, *size)
        if name in BENCHMARKS:
            view = {'augmented'} if branch == 'target' else set()
            assert set(inputs) == {'frames', 'flow', 'forward_flow'} | view
            assert inputs['flow'][0].shape == inputs['forward_flow'][0].shape == (1, 2, *size)
        elif name in IMAGE_TO_VIDEO and branch == 'target':
            assert set(inputs) == {'frames', 'flow', 'forward_flow'}
            assert inputs['flow'][0].shape == inputs['forward_flow'][0].shape == (1, 2, *size)
        elif name in VIDEOS and name not in (*PER_FRAME, *IMAGE_TO_VIDEO):
            assert ('flow' in inputs) == (name not in OWN_FLOW)
            assert name in OWN_FLOW or inputs['flow'][0].shape == (1, 2, *size)
            assert ('augmented' in inputs) == (
                branch == 'target' and name not in NOT_AUGMENTED and not name.endswith('_mix')
            )
        else:  # strong augmentation is the method's
            margins = {'valid'} if branch == 'target' and name in MARGINS else set()
            assert set(inputs) == {'frames'} | margins
    assert batch['data_samples']['source'][0].gt_sem_seg.shape == source_size
    assert 'gt_sem_seg' not in batch['data_samples']['target'][0]

    loader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
    batch = next(iter(loader))
    length = 1 if name in (*PER_FRAME, *IMAGE_TO_VIDEO) else lengths['target']
    assert batch['inputs']['frames'][0].shape == (length, 3, *VALIDATED.get(name, target_size))
    sample = batch['data_samples'][0]
    assert sample.gt_sem_seg.shape == sample.ori_shape == full
    assert cfg.test_dataloader.dataset == cfg.val_dataloader.dataset


@pytest.mark.parametrize(
    'name', sorted(path.stem for path in (CONFIGS.parents[1] / 'vat_vst').glob('*.py'))
)
def test_vat_vst_never_pairs_a_frame_with_itself(data, name):
    """Neither a source pair nor a target pair of VAT, nor one of VST; all other pairs are there."""
    cfg = Config.fromfile(CONFIGS.parents[1] / 'vat_vst' / f'{name}.py')
    branches = {
        branch: options
        for branch, options in ((b, cfg.train_dataloader.dataset[b]) for b in ('source', 'target'))
        if options
    }
    assert set(branches) == ({'source', 'target'} if name.startswith('vat') else {'target'})
    for options in branches.values():
        # Masks that nobody has made here; of all frames, which then are current ones.
        options.update(
            dict(frames='all') if options.get('pseudo_labels') else {},
            pseudo_labels=None,
            label_clips=False,
        )
        options.pipeline.clear()
        pairs, all_pairs = (
            [dataset.get_data_info(i)['frame_paths'] for i in range(len(dataset))]
            for dataset in (
                DATASETS.build(options),
                DATASETS.build(dict(options, whole_clips=False)),
            )
        )
        assert pairs and not [pair for pair in pairs if pair[0] == pair[1]]
        left_out = [pair for pair in all_pairs if pair not in pairs]
        assert len(left_out) + len(pairs) == len(all_pairs)
        assert all(pair[0] == pair[1] for pair in left_out)
        # Neither the lists of the ADVENT family nor Cityscapes' labelled frames have a first frame.
        never = name.startswith('vat_accel') or (
            options.type == 'CityscapesSeqDataset' and options.get('frames') != 'all'
        )
        assert bool(left_out) == (not never)


@pytest.mark.parametrize('name', ['viper2city_1024', 'synthia2bddvid'])
def test_clips_for_refined_pseudo_labels(data, name):
    """Two frames, the flow to the previous one, and margins if there are, all of one crop."""
    cfg = config(name)
    target = dict(cfg.target_train, clip_length=2, pipeline=cfg.target_clip_pipeline)
    narrow_margins(ConfigDict(target))
    inputs = DATASETS.build(target)[0]['inputs']
    size = EXPECTED[name][1]
    assert inputs['frames'].shape == (2, 3, *size) and inputs['flow'].shape == (1, 2, *size)
    assert ('valid' in inputs) == (name in MARGINS)
    if name in MARGINS:
        valid = inputs['valid']
        assert valid.shape[-2:] == size and set(valid.unique().tolist()) == {0, 1}


@pytest.mark.parametrize('name', EXPECTED)
def test_evaluator_takes_the_subset_of_the_classes(data, name):
    cfg = config(name)
    classes = DATASETS.build(cfg.val_dataloader.dataset).metainfo['classes']
    if name.startswith('synthia_rand2city'):
        metric, without = map(METRICS.build, cfg.val_evaluator)
        assert set(classes) - set(metric.subset) == {'terrain', 'truck', 'train'}
        assert set(metric.subset) - set(without.subset) == {'wall', 'fence', 'pole'}
        assert (metric.prefix, without.prefix) == (None, '13') and len(without.subset) == 13
        return
    metrics = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    others = ['VideoConsistencyMetric' if name == 'minishift' else 'VPQMetric']
    assert [metric.type for metric in metrics] == ['ClassSubsetIoU', *others][: len(metrics)]
    for metric in map(METRICS.build, metrics):
        if type(metric).__name__ == 'VideoConsistencyMetric':
            assert metric.lengths == (8, 16)  # it has no classes
        elif 'synthia' in name:
            assert len(metric.subset) == 11 and set(classes) - set(metric.subset) == {'fence'}
        else:
            assert metric.subset is None


@pytest.mark.sampled
@pytest.mark.parametrize('name', LABELLED)
def test_oracle_and_source_free(data, name, tmp_path):
    """The idioms of the method configs: other branches of the same pair."""
    folder = tmp_path / 'configs'
    folder.mkdir()
    for kind, dataset in (
        (
            'oracle',
            "_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}}",
        ),
        ('source_free', 'source=None'),
        ('source_only', 'target=None'),
    ):
        path = folder / f'{kind}.py'
        path.write_text(
            f"_base_ = '{CONFIGS / name}.py'\ntrain_dataloader = dict(dataset=dict({dataset}))\n"
        )
        item = DATASETS.build(Config.fromfile(path).train_dataloader.dataset)[0]
        branch = 'target' if kind == 'source_free' else 'source'
        assert set(item['inputs']) == {branch}
        sample = item['data_samples'][branch]
        assert ('gt_sem_seg' in sample) == (kind != 'source_free')
        if kind == 'oracle':
            target = DATASETS.build(Config.fromfile(path).target_train)
            images = {target.get_data_info(i)['img_path'] for i in range(len(target))}
            assert sample.img_path in images


def test_cityscapes_vps_is_trained_on_frames_of_cityscapes(data):
    dataset = DATASETS.build(config('viper2cityvps').train_dataloader.dataset)
    target = dataset.branches['target']
    assert len(target) == 60 and target.get_data_info(5)['frame_paths'] == [
        'data/cityscapes/leftImg8bit_sequence/val/frankfurt/'
        f'frankfurt_000000_{n:06d}_leftImg8bit.png'
        for n in (279, 280)
    ]


@pytest.mark.parametrize('name', (*PER_FRAME, *BENCHMARKS))
def test_pseudo_labels_are_trained_with_flow_both_ways(data, name):
    cfg = config(name)
    dataset = DATASETS.build(
        dict(cfg.target_train_labelled, clip_length=2, pipeline=cfg.pseudo_labelled_pipeline)
    )
    inputs = dataset[0]['inputs']
    size = EXPECTED[name][1]
    assert inputs['flow'].shape == inputs['forward_flow'].shape == (1, 2, *size)
    predicted = DATASETS.build(dict(cfg.target_train, pipeline=cfg.prediction_pipeline))[0]
    assert predicted['inputs']['frames'].shape == (2, 3, *size)


def test_day2dusk_is_scored_on_the_other_half(data):
    """In the config, and the other way round as its first lines say; the oracle's training too."""
    cfg = config('day2dusk')
    for _ in range(2):
        frames = []
        for dataset in (
            cfg.train_dataloader.dataset.target,
            dict(cfg.target_train_labelled, half=cfg.train_dataloader.dataset.target.half),
            cfg.val_dataloader.dataset,
            cfg.test_dataloader.dataset,
        ):
            clips = DATASETS.build(dataset)
            frames.append({clips.get_data_info(i)['img_path'] for i in range(len(clips))})
        assert frames[0] == frames[1] and frames[2] == frames[3]
        assert frames[0] and frames[2] and not frames[0] & frames[2]
        cfg.merge_from_dict(
            {
                'train_dataloader.dataset.target.half': 'second',
                'val_dataloader.dataset.half': 'first',
                'test_dataloader.dataset.half': 'first',
            }
        )


def test_mini2camvid_is_scored_on_another_sequence(data):
    cfg = config('mini2camvid')
    train, scored = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert train.source.data_root == 'data/minidrive/camvid'
    assert train.target.data_root == scored.data_root == 'data/camvid'
    assert cfg.target_train_labelled.sequences == train.target.sequences
    assert not {*train.target.sequences} & {*scored.sequences}


def test_camvid_pair_is_day_and_dusk(data):
    cfg = config('camvid_day2dusk')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sequences = {
        name: {branch.get_data_info(i)['seq_name'] for i in range(len(branch))}
        for name, branch in dataset.branches.items()
    }
    assert sequences == dict(source={'0006R0', '0016E5', 'Seq05VD'}, target={'0001TP'})


def test_synthia_is_cut_below(data):
    """The label of the lowest 3 of 19 rows is not in the crop, at any size."""
    cfg = config('minisynthia2minicity')
    pipeline = [t for t in cfg.source_train.pipeline if t['type'] not in ('ClipFlip', 'LoadFlow')]
    label = (
        DATASETS.build(dict(cfg.source_train, pipeline=pipeline))[0]['data_samples']
        .gt_sem_seg.data[0]
        .numpy()
    )
    whole = (
        DATASETS.build(
            dict(
                cfg.source_train,
                pipeline=[t for t in pipeline if t['type'] not in ('ClipResize', 'ClipCrop')],
            )
        )[0]['data_samples']
        .gt_sem_seg.data[0]
        .numpy()
    )
    np.testing.assert_array_equal(label[::6, ::6], whole[:16])


@pytest.mark.parametrize('name', [name for name in IMAGES if 'rare_class_sampling' in config(name)])
def test_rare_classes_are_sampled_with_one_line(own_data, name, tmp_path):
    """The idiom of the method configs; the crop's threshold is half of the sampling's, or twice."""
    sampling = config(name).rare_class_sampling
    crop = next(t for t in config(name).source_train.pipeline if t.type == 'ClipCrop')
    share = 2 if name.endswith(('_1024', '-rescaled', '2bddvid')) else 0.5
    assert crop.rare_class_min_pixels == share * sampling.min_pixels
    path = tmp_path / f'{name}_rare.py'
    path.write_text(
        f"_base_ = '{CONFIGS / name}.py'\n"
        'train_dataloader = dict(dataset=dict(\n'
        '    rare_class_sampling={{_base_.rare_class_sampling}}))\n'
    )
    pair = Config.fromfile(path).train_dataloader.dataset
    narrow_margins(pair.target)
    with pytest.raises(FileNotFoundError, match=f'{sampling.statistics}.*tools/class_statistics'):
        DATASETS.build(pair)
    source = DATASETS.build(pair.source)
    count = len(source.metainfo['classes'])
    write_statistics(
        sampling.statistics,
        source.metainfo['classes'],
        {file: [4000] * count for file in label_files(source)},
    )
    item = DATASETS.build(pair)[0]
    assert item['inputs']['source']['frames'].shape[-2:] == EXPECTED[name][0]


def frame_numbers(dataset):
    """Numbers of the frames of every clip."""
    return [
        [int(Path(path).stem[-5:]) for path in dataset.get_data_info(i)['frame_paths']]
        for i in range(len(dataset))
    ]


@pytest.mark.parametrize('name', ['viper2city', 'viper2city_own-flow', 'viper2city_mix'])
def test_every_tenth_frame_of_viper_is_a_current_one(own_data, write, texture, name):
    """The list of DA-VSN, TPS and SFC: the numbers that end in 0, each with the frame before."""
    viper = own_data / 'data/viper'
    ids = np.full((12, 20), 3, np.uint8)
    for sequence, last in (('001', 30), ('002', 21), ('077', 9)):
        for n in range(1, last + 1):
            write(viper / f'train/img/{sequence}/{sequence}_{n:05d}.jpg', texture(n))
            write(viper / f'train/cls/{sequence}/{sequence}_{n:05d}.png', ids)
    source = config(name).train_dataloader.dataset.source
    assert frame_numbers(DATASETS.build(source)) == [[9, 10], [19, 20], [29, 30], [9, 10], [19, 20]]
    # SFM is pretrained on the labels of both frames, also of the one that is no current one.
    clips = DATASETS.build(dict(source, label_clips=True))
    assert clips[0]['data_samples'].gt_clip_seg.data.shape[0] == 2
    # VAT-VST has all frames of some sequences.
    (viper / 'day.txt').write_text('002\n')
    some = DATASETS.build(dict(config('viper2cityvps').source_train, sequences='day.txt'))
    assert frame_numbers(some) == [[max(n - 1, 1), n] for n in range(1, 22)]


def test_first_frame_of_synthia_is_a_previous_one_only(data):
    """849 of the 850 frames are listed; here 3 of 4."""
    for name in ('synthia2city', 'synthia2city_own-flow'):
        for length in (1, 2, 3):
            source = dict(config(name).train_dataloader.dataset.source, clip_length=length)
            clips = frame_numbers(DATASETS.build(source))
            assert [clip[-1] for clip in clips] == [1, 2, 3]
            assert length != 2 or clips == [[0, 1], [1, 2], [2, 3]]
    # I2VDA and VAT-VST have all.
    for name in ('synthia2city_image2video', 'synthia2cityvps', 'minisynthia2minicity'):
        assert len(DATASETS.build(config(name).source_train)) == 4


@pytest.mark.parametrize('name', EXPECTED)
def test_flips_and_resize_are_those_of_the_releases(name):
    """ADVENT's family: no flip, Pillow's bicubic in every pipeline. All others: mmcv's.

    But for VFM-UDA++, which trains with Pillow's.
    """
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    of_advent = name.endswith('_whole') or name.removesuffix('_own-flow') in (
        'viper2city',
        'synthia2city',
    )
    chains = [cfg[key] for key in cfg if key.endswith('pipeline')] if of_advent else []
    chains += [
        cfg.train_dataloader.dataset.source.pipeline,
        cfg.train_dataloader.dataset.target.pipeline,
        cfg.val_dataloader.dataset.pipeline,
    ]
    for chain in chains:
        (resize,) = [step for step in chain if step['type'] == 'ClipResize']
        found = resize.get('interpolation', 'bilinear'), resize.get('backend', 'cv2')
        training = chain is not chains[-1]
        own = 'pillow' if name.endswith('-rescaled') and training else 'cv2'
        assert found == (('bicubic', 'pillow') if of_advent else ('bilinear', own))
        assert not of_advent or 'ClipFlip' not in [step['type'] for step in chain]
    flips = [
        step for step in cfg.train_dataloader.dataset.source.pipeline if step['type'] == 'ClipFlip'
    ]
    images = name.endswith('image2video') and 'mini' not in name and 'camvid' not in name
    assert [step.prob for step in flips] == [] if of_advent or images else [0.5]


@pytest.mark.slow
@pytest.mark.parametrize('bonnet', [24, 3])
def test_source_of_viper_as_the_releases_prepare_it(own_data, write, bonnet):
    """A frame and a label of full size against Pillow, with the own car ignored."""
    viper = own_data / 'data/viper'
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    ids = np.repeat(np.repeat(rng.choice([3, 4, 9, 24, 27], (27, 48)), 40, 0), 40, 1)
    ids[1000:, 320:1600] = bonnet
    ids[960:1000, 280:1640] = 3  # the other cars do not touch it
    ids[1000:, 280:320] = ids[1000:, 1600:1640] = 3
    for number in (9, 10):
        write(viper / f'train/img/001/001_{number:05d}.png', image[..., ::-1])
        (viper / f'train/img/001/001_{number:05d}.jpg').unlink()
    write(viper / 'train/cls/001/001_00010.png', ids.astype(np.uint8))
    cfg = config('viper2city')
    item = DATASETS.build(
        dict(
            cfg.source_train,
            pipeline=[step for step in cfg.source_train.pipeline if step['type'] != 'LoadFlow'],
        )
    )[0]
    expected = np.asarray(Image.fromarray(image).resize((1280, 720), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(
        item['inputs']['frames'][1].numpy(), expected[..., ::-1].transpose(2, 0, 1)
    )
    small = np.asarray(Image.fromarray(ids.astype(np.uint8)).resize((1280, 720), 0))
    label = item['data_samples'].gt_sem_seg.data[0].numpy()
    # Of RELEASES: raw id to class; where the own car is, nothing.
    classes = {3: 0, 4: 1, 9: 2, 24: 10, 27: 11}
    expected = np.vectorize(classes.get)(small)
    if bonnet == 24:
        own = np.zeros((1080, 1920), np.uint8)
        own[1000:, 320:1600] = 1
        expected[np.asarray(Image.fromarray(own).resize((1280, 720), 0)) == 1] = 255
    np.testing.assert_array_equal(label, expected)
    assert (label == 10).any()


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_i2vda_is_scored_for_tc_on_neighbouring_frames(data, source):
    """All frames of val, of which one has a label: configs/i2vda/*_tc.py can be evaluated."""
    cfg = Config.fromfile(CONFIGS.parents[1] / f'i2vda/deeplabv2-r101_{source}2city_tc.py')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    metric = METRICS.build(dict(cfg.test_evaluator, flow=dict(type='ZeroFlow'), flow_name='none'))
    assert cfg.test_evaluator.flow.type == 'DISFlowEstimator'
    metric.dataset_meta = dataset.metainfo
    # Three of them are the snippet of Münster, which has a label for the last.
    frames = [i for i in range(len(dataset)) if 'munster' in dataset.get_data_info(i)['img_path']]
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        item = dataset[frame]
        assert item['inputs']['frames'].shape == (1, 3, 512, 1024)
        sample = item['data_samples']
        sample.pred_sem_seg = PixelData(data=torch.full((1, 12, 20), index // 2))
        metric.process(None, [sample.to_dict()])
    # Classes 0, 0, 1: two pairs, of which the first agrees: IoU 1/2 and 0.
    found = metric.evaluate(len(frames))
    assert (found['TC.none'], found['consistency']) == (25.0, 50.0)
    assert cfg.val_evaluator.type == 'ClassSubsetIoU'


def test_images_of_i2vda(data):
    """Section 4.1: the frames of VIPER that end in 0; the annotated frame and the one before it."""
    pair = DATASETS.build(config('viper2city_image2video').train_dataloader.dataset)
    names = {
        name: [
            [Path(p).stem for p in branch.get_data_info(i)['frame_paths']]
            for i in range(len(branch))
        ]
        for name, branch in pair.branches.items()
    }
    assert names['source'] == [['001_00010']]
    assert names['target'][0] == [f'aachen_000000_{n:06d}_leftImg8bit' for n in (18, 19)]
    for name, kind in (('synthia2city', 'SynthiaSeqDataset'), ('gta2city', 'GTADataset')):
        source = DATASETS.build(config(f'{name}_image2video').source_train)
        assert type(source).__name__ == kind and len(source) > 1


def test_sfc_scored_as_released(data):
    """Labels and predictions at the size of the input."""
    cfg = Config.fromfile(CONFIGS.parents[1] / 'sfc/accel_viper2city_stage2_1024x512.py')
    item = DATASETS.build(cfg.test_dataloader.dataset)[0]
    sample = item['data_samples']
    assert item['inputs']['frames'].shape[-2:] == (512, 1024)
    assert sample.gt_sem_seg.shape == sample.ori_shape == (512, 1024)
    assert set(item) == {'inputs', 'data_samples'}
    assert METRICS.build(dict(cfg.test_evaluator)).absent == 'zero'
