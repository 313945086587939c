"""Whether a checkpoint that a run is to go on from is one of a run."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ..checkpoint import CheckpointError

#: What mmengine takes from a checkpoint to go on.
NEEDED = ('meta', 'message_hub', 'optimizer')


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Says so if a run is to be resumed from a file of nothing but weights."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what was loaded.

        Raises:
            CheckpointError: If the run resumes and the file holds no state of a run.
        """
        if not runner._resume:
            return
        missing = [key for key in NEEDED if key not in checkpoint]
        if not missing and not {'iter', 'epoch'} <= set(checkpoint['meta']):
            missing = ["meta['iter']"]
        if missing:
            raise CheckpointError(
                f'{runner._load_from} has no {", ".join(missing)}: it holds weights and not the '
                'state of a run, so no run can go on from it. To start from these weights leave '
                'out resume (load_from alone, or model.source_checkpoint).')
