"""torch.compile for the video nets of a run."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.video_nets import VideoNet


@HOOKS.register_module()
class CompileNetsHook(Hook):
    """Compiles the video nets of a method before training: student, teacher, proxy, anchor.

    Compiles in place, by :meth:`VideoNet.compile`: names in checkpoints do not change, and DDP and
    mixed precision work as usual. mmengine's own ``compile`` option compiles the whole training
    step, in which losses and statistics break the graph.

    Args:
        backend: See ``torch.compile``. ``inductor`` needs a C++ compiler on CPUs.
        mode: See ``torch.compile``.
        dynamic: See ``torch.compile``.
    """

    def __init__(
        self, backend: str = 'inductor', mode: str | None = None, dynamic: bool | None = None
    ) -> None:
        self.options = dict(backend=backend, mode=mode, dynamic=dynamic)

    def before_train(self, runner: Runner) -> None:
        for module in runner.model.modules():
            if isinstance(module, VideoNet):
                module.compile(**self.options)
