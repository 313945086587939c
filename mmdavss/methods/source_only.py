"""Supervised training on one domain: the source-only model, and the oracle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmseg.registry import MODELS
from mmseg.utils import SampleList

from mmdavss.engine import Clip

from .base import BaseAdapter, branch


@MODELS.register_module()
class SourceOnly(BaseAdapter):
    """Trains the video net on the labels of the source domain, without any adaptation.

    With labelled target clips in the place of the source it is the oracle.
    """

    def loss_groups(
        self, inputs: Clip | Mapping[str, Clip], data_samples: SampleList | Mapping[str, SampleList]
    ) -> Iterator[dict]:
        """Those of the video net: in stage one of Accel the branches one after the other."""
        clip, samples = branch(inputs, data_samples, 'source')
        yield from self.student.loss_groups(clip.frames, self.clip_flow(clip), samples)
