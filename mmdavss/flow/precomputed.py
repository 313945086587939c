"""Precomputed flow, read from disk."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.ops import resize_flow
from mmdavss.utils.errors import check_share

from .base import BaseFlowProvider, PathPairs
from .io import SUFFIXES, read_flow

TEMPLATE = '{folder}/{stem}__{stem_b}.npy'
FIELDS = ('folder', 'stem', 'stem_b', 'number_b')
STORED = ('a2b', 'negated')


def flow_file(
    root: str | os.PathLike,
    path_a: str | os.PathLike,
    path_b: str | os.PathLike,
    frame_root: str | os.PathLike = '',
    template: str = TEMPLATE,
    frame_suffix: str = '',
) -> Path:
    """Path of the file with flow ``a->b``; see :class:`PrecomputedFlow` for the template.

    Raises:
        ValueError: If frame a is not below ``frame_root``, or if the template asks for a number
            that the name of frame b does not have.
    """
    path_a, path_b = Path(path_a), Path(path_b)
    if '{folder}' in template:
        # Not resolve(): data sets are often trees of symbolic links.
        folder = os.path.relpath(os.path.abspath(path_a.parent), os.path.abspath(frame_root))
        if folder.split(os.sep)[0] == os.pardir:
            raise ValueError(
                f'PrecomputedFlow: the frame {path_a} is not below '
                f'frame_root={str(frame_root)!r}; correct `frame_root`.'
            )
    else:
        folder = ''
    stem, stem_b = (p.stem.removesuffix(frame_suffix) for p in (path_a, path_b))
    numbers = re.findall(r'\d+', stem_b)
    if '{number_b}' in template and not numbers:
        raise ValueError(
            f'PrecomputedFlow: the template {template!r} asks for the number of the '
            f'frame {path_b}, which has none.'
        )
    return Path(root) / template.format(
        folder=folder, stem=stem, stem_b=stem_b, number_b=numbers[-1] if numbers else ''
    )


@MODELS.register_module()
class PrecomputedFlow(BaseFlowProvider):
    """Reads flow files: ``.flo``, KITTI ``.png``, ``.npy`` (floats, or int16 = 10 x the flow).

    The defaults read what ``tools/precompute_flow.py`` writes. The int16 files that DA-VSN and
    TPS use hold the flow current->previous on the current frame's grid, that is ``a->b``. They are
    about half as large as the frames (``resize=True``) and have these names; ``{number_b}`` is the
    last number in the name of frame b:

    - VIPER: ``template='{stem}{number_b}_int16_x10.npy'``
    - SYNTHIA-Seq: ``template='{stem}_int16_x10.npy', rows=640 / 760``, since its lowest 120 rows
      were cut off before
    - Cityscapes: ``template='{stem}_{number_b}_int16_x10.npy', frame_suffix='_leftImg8bit'``

    A pair of a frame with itself (a clip at the start of its sequence) has flow 0 and needs no
    file. The files belong to the frames as they are on disk: do not pass cropped or flipped frames.

    Args:
        root: Folder of the flow files.
        frame_root: Folder of the frames, required if the template has ``{folder}``.
        template: Name of a flow file below ``root``, with the fields ``{folder}`` (folder of
            frame a, below ``frame_root``), ``{stem}`` and ``{stem_b}`` (names of the frames without
            extension and ``frame_suffix``) and ``{number_b}``.
        frame_suffix: Suffix of the frames' names to drop from the stems.
        stored: ``a2b``; or ``negated`` for files with the flow ``b->a``, whose negation is used as
            the flow ``a->b``, as in DA-VSN's splatting. This is exact only for constant motion.
        resize: Whether to resize files of another resolution to that of the frames; otherwise they
            are an error.
        rows: Share of the frames' rows, from the top, that the files cover. The rows below, which a
            crop has to cut off, get the flow of the last one.

    Raises:
        FileNotFoundError: If ``root`` does not exist, or a flow file is missing.
        ValueError: For an unknown option, and for flow files that are broken, incomplete or of
            another size than the frames; the message names the file and the fix.
    """

    reads_files = True

    def __init__(
        self,
        root: str,
        frame_root: str | None = None,
        template: str = TEMPLATE,
        frame_suffix: str = '',
        stored: str = 'a2b',
        resize: bool = False,
        rows: float = 1.0,
    ) -> None:
        super().__init__()
        if not Path(root).is_dir():
            raise FileNotFoundError(
                f'PrecomputedFlow: root={str(root)!r} is not a folder. Compute the flow with '
                'tools/precompute_flow.py, or correct the path.'
            )
        if stored not in STORED:
            raise ValueError(f'PrecomputedFlow: stored={stored!r} is not one of {STORED}.')
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
        if not fields <= set(FIELDS) or Path(template).suffix.lower() not in SUFFIXES:
            raise ValueError(
                f'PrecomputedFlow: template={template!r} may have the fields {FIELDS} '
                f'and must end with one of {SUFFIXES}.'
            )
        if 'folder' in fields and frame_root is None:
            raise ValueError(
                'PrecomputedFlow: set `frame_root`, the folder of the frames, or a '
                '`template` without {folder}.'
            )
        self.root = root
        self.frame_root = frame_root
        self.template = template
        self.frame_suffix = frame_suffix
        check_share('PrecomputedFlow', 'rows', rows)
        self.stored = stored
        self.resize = resize
        self.rows = rows

    def check_both_ways(self) -> None:
        """As in :class:`BaseFlowProvider`: a file named by its first frame alone has flow back."""
        if '{stem_b}' not in self.template and '{number_b}' not in self.template:
            raise ValueError(
                'PrecomputedFlow: flow both ways needs files for both directions, but the template '
                f'{self.template!r} names one frame: add {{stem_b}} or {{number_b}}.'
            )

    def flow_file(self, path_a: str, path_b: str) -> Path:
        """Path of the file with flow ``a->b``."""
        return flow_file(
            self.root, path_a, path_b, self.frame_root or '', self.template, self.frame_suffix
        )

    def _read(self, path_a: str, path_b: str, size: Sequence[int]) -> np.ndarray:
        if Path(path_a) == Path(path_b):
            return np.zeros((*size, 2), np.float32)
        file = self.flow_file(path_a, path_b)
        if not file.is_file():
            raise FileNotFoundError(
                f'PrecomputedFlow: no flow file {file} for the frames {path_a} -> {path_b}. '
                'Compute it with tools/precompute_flow.py (flow forward in time: with --both-ways; '
                'it skips existing files), or correct `root`, `frame_root` or `template`.'
            )
        flow = read_flow(file)
        if not np.isfinite(flow).all():
            raise ValueError(
                f'{file}: the flow has holes (invalid or unknown pixels, or NaN); '
                'a dense flow is needed, as written by tools/precompute_flow.py.'
            )
        height, width = max(1, round(self.rows * size[0])), size[1]
        if flow.shape[:2] != (height, width):
            if not self.resize:
                part = '' if height == size[0] else f', of which rows={self.rows} is {height} rows'
                raise ValueError(
                    f'{file}: the flow is {flow.shape[1]}x{flow.shape[0]}, but its frame {path_a} '
                    f'{size[1]}x{size[0]} (width x height){part}. Compute it at the size of the '
                    'frames, or set resize=True.'
                )
            whole = torch.from_numpy(flow).permute(2, 0, 1)[None]
            resized = resize_flow(whole, (height, width))[0].numpy()
            flow = cv2.merge(list(resized))  # a transposed copy takes three times as long
        if height < size[0]:
            flow = np.pad(flow, ((0, size[0] - height), (0, 0), (0, 0)), 'edge')
        return np.negative(flow, out=flow) if self.stored == 'negated' else flow

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        if paths is None:
            raise ValueError(
                'PrecomputedFlow needs the paths of the frames. Load the flow in the '
                'pipeline, where they are known.'
            )
        flows = [self._read(a, b, frame_a.shape[-2:]) for a, b in paths]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous().to(frame_a.device)

    def estimate_numpy(
        self,
        img_a: np.ndarray,
        img_b: np.ndarray,
        path_a: str | None = None,
        path_b: str | None = None,
    ) -> np.ndarray:
        if path_a is None or path_b is None:
            raise ValueError('PrecomputedFlow needs the paths of both frames.')
        return self._read(path_a, path_b, img_a.shape[:2])
