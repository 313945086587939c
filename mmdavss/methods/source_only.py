"""Supervised training on one domain: the source-only model, and the oracle."""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.registry import MODELS

from mmdavss.structures import DomainBatch

from .base import BaseAdapter


@MODELS.register_module()
class SourceOnly(BaseAdapter):
    """Trains the video net on the labels of the source domain, without any adaptation.

    With labelled target clips in the place of the source it is the oracle.
    """

    def loss_groups(self, batch: DomainBatch) -> Iterator[dict]:
        """Those of the video net: in stage one of Accel the branches one after the other."""
        clip, samples = batch.source
        yield from self.student.loss_groups(clip.frames, self.clip_flow(clip), samples)
