"""What is left out of the console, and that nothing else is."""

from __future__ import annotations

import os

import pytest
import torch
from mmengine.logging import MMLogger

from mmdavss.utils import quiet


def test_only_the_known_line_of_an_import_is_left_out(monkeypatch, capsys):
    def imported(name):
        assert name == 'mmseg.datasets'
        print('Could not import OneDL\nsomething real\nCould not import OneDL again')
        raise RuntimeError('broken')

    monkeypatch.setattr(quiet, 'import_module', imported)
    with pytest.raises(RuntimeError, match='broken'):
        quiet.import_mmseg()
    assert capsys.readouterr().out == 'something real\nCould not import OneDL again\n'


def test_console_and_log_file(tmp_path, capsys):
    file = tmp_path / 'a.log'
    logger = quiet.shorten_console(MMLogger(name='test_quiet', log_file=str(file)))
    logger.info('Hooks will be executed in the following order:\nbefore_run:\n(VERY_HIGH) ...')
    for number in range(88):
        logger.warning(f'layer{number}.weight is skipped since its requires_grad=False')
    logger.warning('a frame is skipped since its label is missing')
    logger.info('Iter(train) 1')
    shown, kept = capsys.readouterr().out.splitlines(), file.read_text()
    assert [line.split(' - ')[-1] for line in shown] == [
        f'The order of the hooks is in {file}',
        f'Parameters that are not trained are listed in {file}',
        'a frame is skipped since its label is missing',
        'Iter(train) 1',
    ]
    assert kept.count('requires_grad=False') == 88 and '(VERY_HIGH)' in kept
    for handler in logger.handlers:
        handler.close()


def test_determinism_warns_of_what_has_no_deterministic_form(monkeypatch):
    calls = []
    monkeypatch.setattr(
        torch,
        'use_deterministic_algorithms',
        lambda mode, warn_only=False: calls.append((mode, warn_only)),
    )
    for name in ('deterministic', 'benchmark'):
        monkeypatch.setattr(torch.backends.cudnn, name, False)
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', '')
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG')
    runner = quiet.QuietRunner.__new__(quiet.QuietRunner)
    runner.set_randomness(3)
    assert not calls and 'CUBLAS_WORKSPACE_CONFIG' not in os.environ
    runner.set_randomness(3, deterministic=True)
    assert calls[-1] == (True, True) and os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'
    assert torch.backends.cudnn.deterministic
