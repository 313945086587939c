"""Tests the mean prediction of several trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.wrappers import unwrapped
from mmdavss.video_nets.loading import load_student


@HOOKS.register_module()
class MeanPredictionHook(Hook):
    """Has a test score the mean of the class probabilities of several networks.

    They are those of the model and of further checkpoints of the same network, of equal weight:
    FDA's multi-band transfer (``evaluation_multi.py`` of its release). Means are taken at the
    resolution of the scores, and resized to the image.

    Args:
        checkpoints: The further checkpoints, of any method of this package with the same video
            net, or of a plain mmseg segmentor.

    Raises:
        ValueError: If there is none.
        FileNotFoundError: Before the test, if one does not exist.
        CheckpointError: Before the test, if one does not fit the network.
    """

    def __init__(self, checkpoints: Sequence[str]) -> None:
        if not checkpoints:
            raise ValueError('MeanPredictionHook: checkpoints names no further checkpoint.')
        self.checkpoints = tuple(checkpoints)

    def before_test(self, runner: Runner) -> None:
        method = unwrapped(runner.model)
        further = []
        for path in self.checkpoints:
            net = deepcopy(method.net)
            load_student(net, path, complete=True)
            further.append(net.eval())
        method.further_nets = tuple(further)
        runner.logger.info(
            f'Scores are those of the mean of the probabilities of {len(further) + 1} networks: '
            f'the loaded one, {", ".join(self.checkpoints)}'
        )

    def after_test(self, runner: Runner) -> None:
        unwrapped(runner.model).further_nets = ()
