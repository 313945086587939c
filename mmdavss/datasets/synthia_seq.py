"""SYNTHIA video sequences (Ros et al., The SYNTHIA dataset, CVPR 2016)."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmseg.registry import DATASETS

from .clip import ClipSegDataset, Sequences
from .label_maps import SYNTHIA_12


@DATASETS.register_module()
class SynthiaSeqDataset(ClipSegDataset):
    """SYNTHIA-Seq with the 12 classes of DA-VSN and TPS, of which 11 are reported.

    Files, for each sequence: ``SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F/000000.png`` and
    ``SYNTHIA-SEQS-04-DAWN/GT/LABELS/Stereo_Left/Omni_F/000000.png``, a 16-bit image with the id
    in the red channel. The papers cut off the lowest 120 of 760 rows after resizing; use
    ``ClipCrop`` in the pipeline for this.

    Args:
        data_root: Folder with the folders of the sequences.
        sequences: Names of these folders, or a file that lists them; None for all.
        view: Camera: its folder under ``RGB`` and ``GT/LABELS``.
        kwargs: Passed to :class:`ClipSegDataset`.
    """

    METAINFO = SYNTHIA_12.metainfo
    DOCS = 'SYNTHIA-Seq'
    LAYOUT = (
        'SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F/000000.png and '
        'SYNTHIA-SEQS-04-DAWN/GT/LABELS/Stereo_Left/Omni_F/000000.png'
    )

    def __init__(
        self,
        data_root: str,
        sequences: tuple[str, ...] | str | None = ('SYNTHIA-SEQS-04-DAWN',),
        view: str = 'Stereo_Left/Omni_F',
        **kwargs,
    ) -> None:
        self.view = view
        super().__init__(data_root=data_root, labels=SYNTHIA_12, sequences=sequences, **kwargs)

    def scan(self) -> Sequences:
        """Frames of the sequences."""
        sequences: Sequence[str] = self.sequences or ()
        if not sequences:
            folders = self.list_folders(self.data_root)
            # Folders without images are not sequences; if all are, keep them for the error message.
            sequences = [name for name in folders if osp.isdir(self._images(name))] or folders
        return {
            sequence: {
                int(match[1]): path
                for match, path in self.list_images(self._images(sequence), r'(\d+)\.png')
            }
            for sequence in sequences
        }

    def _images(self, sequence: str) -> str:
        return osp.join(self.data_root, sequence, 'RGB', self.view)

    def image_path(self, sequence: str, number: int) -> str:
        return osp.join(self._images(sequence), f'{number:06d}.png')

    def label_path(self, sequence: str, number: int, image: str) -> str:
        return osp.join(self.data_root, sequence, 'GT', 'LABELS', self.view, osp.basename(image))
