"""Supervised training on one domain: the source-only model, and the oracle."""
from __future__ import annotations

from collections.abc import Mapping

from mmseg.registry import MODELS
from mmseg.utils import SampleList

from mmdavss.engine import Clip

from .base import BaseAdapter, branch


@MODELS.register_module()
class SourceOnly(BaseAdapter):
    """Trains the video net on the labels of the source domain, without any adaptation.

    With labelled target clips in the place of the source it is the oracle.
    """

    def loss(self, inputs: Clip | Mapping[str, Clip],
             data_samples: SampleList | Mapping[str, SampleList]) -> dict:
        clip, samples = branch(inputs, data_samples, 'source')
        return self.student.loss(clip.frames, self.clip_flow(clip), samples)
