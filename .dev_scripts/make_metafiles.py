"""Writes model-index.yml and the metafile.yml of each folder of configs, as OpenMMLab has them.

    make metafiles

What a config trains on and with is read from it, papers from CITATION.cff, measured values from
docs/results.json, which benchmarks/small_results.py writes. `tests/docs/test_metafiles.py`
compares.
"""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
HEADER = '# Written by `make metafiles`.\n'
#: Collection of a folder of configs, and the beginning of its paper's title in CITATION.cff.
COLLECTIONS = {
    'hcl': ('HCL', 'Model Adaptation: Historical Contrastive Learning'),
    'ld': ('LD', 'Domain Adaptive Semantic Segmentation without Source Data'),
    'tent': ('TENT', 'Tent'),
    'ur': ('UR', 'Uncertainty Reduction'),
    'adabn': ('AdaBN', 'Adaptive Batch Normalization'),
    'adaptsegnet': ('AdaptSegNet', 'Learning to Adapt Structured Output Space'),
    'advent': ('ADVENT', 'ADVENT'),
    'cbst': ('CBST', 'Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced'),
    'ccm': ('CCM', 'Content-Consistent Matching'),
    'cmom': ('CMOM', 'Domain Adaptive Video Semantic Segmentation via Cross-Domain Moving'),
    'crst': ('CRST', 'Confidence Regularized Self-Training'),
    'dacs': ('DACS', 'DACS'),
    'daformer': ('DAFormer', 'DAFormer'),
    'davsn': ('DA-VSN', 'Domain Adaptive Video Segmentation via Temporal Consistency'),
    'fda': ('FDA', 'FDA'),
    'hrda': ('HRDA', 'HRDA'),
    'i2vda': ('I2VDA', 'Is It Necessary to Transfer Temporal Knowledge'),
    'iast': ('IAST', 'Instance Adaptive Self-Training'),
    'intrada': ('IntraDA', 'Unsupervised Intra-domain Adaptation'),
    'mic': ('MIC', 'MIC'),
    'oracle': ('Oracle', None),
    'pixmatch': ('PixMatch', 'PixMatch'),
    'quadmix': ('QuadMix', 'Unified Domain Adaptive Semantic Segmentation'),
    'rda': ('RDA', 'RDA'),
    'sepico': ('SePiCo', 'SePiCo'),
    'sfc': ('SFC', 'Exploit Domain-Robust Optical Flow'),
    'source_only': ('Source-only', None),
    'stpl': ('STPL', 'Spatio-Temporal Pixel-Level Contrastive Learning'),
    'tps': ('TPS', 'Domain Adaptive Video Segmentation via Temporal Pseudo'),
    'vat_vst': ('VAT-VST', 'Unsupervised Domain Adaptation for Video'),
}
DATASETS = {
    'ACDCDataset': 'ACDC',
    'BDDVidDataset': 'BDDVid',
    'CamVidDataset': 'CamVid',
    'CityscapesImageDataset': 'Cityscapes',
    'CityscapesSeqDataset': 'Cityscapes-Seq',
    'CityscapesVPSDataset': 'Cityscapes-VPS',
    'DarkZurichImageDataset': 'Dark Zurich',
    'GTADataset': 'GTAV',
    'SHIFTDataset': 'SHIFT',
    'SynthiaDataset': 'SYNTHIA-RAND',
    'SynthiaSeqDataset': 'SYNTHIA-Seq',
    'ViperSeqDataset': 'VIPER',
}


def dataset_name(dataset: Mapping[str, Any]) -> str:
    """Name of a data set, from its config."""
    name = DATASETS[dataset['type']]
    return f'MiniDrive ({name})' if 'minidrive' in dataset['data_root'] else name


def architecture(model: Mapping[str, Any]) -> list[str]:
    """Networks of a method, from the outside in: video net, backbones, decode head."""
    net = model.get('student')
    if net is None:  # a flow network by itself
        net = model.get('flow_net') or model['sfm']['flow_net']
        return [net['type']]
    names = [net['type']]
    for key in ('segmentor', 'reference_segmentor'):
        part = net.get(key)
        if part:
            backbone = part['backbone']
            names.append(
                backbone['type'] + (f'-{backbone["depth"]}' if 'depth' in backbone else '')
            )
    names.append(net['segmentor']['decode_head']['type'])
    return list(dict.fromkeys(names))


def training_data(cfg: Config) -> list[str]:
    """Names of the data sets that a config trains on, the source first."""
    dataset = cfg.train_dataloader.dataset
    branches = [dataset.get('source'), dataset.get('target')]
    return list(dict.fromkeys(dataset_name(branch) for branch in branches if branch))


@functools.cache
def papers() -> list[dict[str, Any]]:
    """The references of CITATION.cff."""
    return yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))['references']


def by_config(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The main rows, one for each seed: rows of ablations are options of the same config."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if entry['row'] == 'main':
            found.setdefault(entry['config'], []).append(entry)
    return found


@functools.cache
def results() -> dict[str, list[Mapping[str, Any]]]:
    """What was measured: objects of docs/results.json by config."""
    return by_config(json.loads((ROOT / 'docs/results.json').read_text(encoding='utf-8')))


def metrics(seeds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over the seeds, by names of OpenMMLab."""
    names = {'mIoU': 'mIoU', 'aAcc': 'aAcc', 'VPQ': 'VPQ^s'}
    return {
        name: round(statistics.mean(entry[key] for entry in seeds), 1)
        for key, name in names.items()
        if all(key in entry for entry in seeds)
    }


def collection(folder: str) -> dict[str, Any]:
    """The collection of a folder below ``configs``."""
    name, beginning = COLLECTIONS[folder]
    entry: dict[str, Any] = dict(
        Name=name, License='Apache License 2.0', README=f'configs/{folder}/README.md'
    )
    if beginning is not None:
        paper = next(paper for paper in papers() if paper['title'].startswith(beginning))
        entry['Paper'] = {'Title': paper['title']}
        if 'url' in paper:
            entry['Paper']['URL'] = paper['url']
    return entry


def model(path: Path) -> dict[str, Any]:
    """The entry of a config. Its name is the one that mim finds the config by, see setup.py."""
    cfg = Config.fromfile(path)
    config = path.relative_to(ROOT).as_posix()
    entry: dict[str, Any] = {
        'Name': f'{path.parent.name}_{path.stem}',
        'In Collection': COLLECTIONS[path.parent.name][0],
        'Config': config,
        'Metadata': {
            'Training Data': training_data(cfg),
            'Batch Size': cfg.train_dataloader.batch_size,
            'Architecture': architecture(cfg.model),
        },
    }
    if config in results():
        entry['Results'] = [
            {
                'Task': 'Semantic Segmentation',
                'Dataset': dataset_name(cfg.val_dataloader.dataset),
                'Metrics': metrics(results()[config]),
            }
        ]
    return entry


def metafiles() -> Iterator[tuple[Path, dict[str, Any]]]:
    """All files and what they should hold."""
    for folder in COLLECTIONS:
        configs = sorted((ROOT / 'configs' / folder).glob('*.py'))
        content = dict(Collections=[collection(folder)], Models=[model(path) for path in configs])
        yield ROOT / 'configs' / folder / 'metafile.yml', content
    names = [f'configs/{folder}/metafile.yml' for folder in COLLECTIONS]
    yield ROOT / 'model-index.yml', {'Import': names}


if __name__ == '__main__':
    for path, content in metafiles():
        text = HEADER + yaml.safe_dump(content, sort_keys=False, width=100)
        path.write_text(text, encoding='utf-8')
