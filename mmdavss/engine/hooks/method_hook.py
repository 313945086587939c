"""What the hooks share that tell a method when to do something."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdavss.utils.wrappers import unwrapped


class MethodHook(Hook):
    """Finds the method, without its DDP wrapper.

    Attributes:
        calls: Name of what subclasses call of the method.
    """

    priority = 'NORMAL'
    calls: str

    def before_train(self, runner: Runner) -> None:
        """Finds the method.

        Raises:
            TypeError: If it lacks what this hook calls.
        """
        self._model = unwrapped(runner.model)
        if not hasattr(self._model, self.calls):
            raise TypeError(
                f'{type(self).__name__}: {type(self._model).__name__} has no `{self.calls}`: take '
                'the hook out of `custom_hooks`, or use a method that has one.'
            )
