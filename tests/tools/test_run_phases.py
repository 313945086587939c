"""run_phases.py that is told to stop; what it runs is tested with the methods."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest


class Step(subprocess.Popen):
    """In the place of a training: sends the signal to its parent, and stops when it is told to."""

    def __init__(self, command: list[str], **options: object) -> None:
        super().__init__(
            [
                'bash',
                '-c',
                f'trap "exit 75" TERM; kill -{self.number} {os.getpid()}; '
                'for i in $(seq 300); do sleep 0.1; done',
            ],
            **options,
        )


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_handed_on(number, run_tool, toy_config, monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Step, 'number', number.name[3:], raising=False)
    monkeypatch.setattr(subprocess, 'Popen', Step)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit, match='75'):
        run_tool('run_phases.py', toy_config)
    assert 'is saved. The same call continues from here' in capfd.readouterr().err
    assert signal.getsignal(number) == before
