"""run_phases.py that is told to stop; what it runs is tested with the methods."""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from mmdavss.cli.key_values import KeyValues
from mmdavss.utils.errors import UserError

TOOL = Path(__file__).parents[2] / 'tools/run_phases.py'


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


ROUNDED = """
_base_ = '{}'
rounds = [
    {{'pseudo_label_generator.portion': 0.2, 'optim_wrapper.optimizer.lr': 0.1}},
    {{'pseudo_label_generator.portion': 0.25}},
    {{
        'pseudo_label_generator.portion': 0.3,
        'pseudo_label_generator.checkpoint': ['{{previous}}/iter_1.pth'],
    }},
]
pseudo_label_generator = dict(selection='cbst', portion=0.2, aggregate=False, pipeline=[])
train_dataloader = dict(dataset=dict(target=dict(pseudo_labels='labels')))
model = dict(source_checkpoint='start.pth')
train_cfg = dict(max_iters=2)
default_hooks = dict(checkpoint=dict(interval=1))
work_dir = 'work'
"""


def steps_of(*arguments: str):
    tool = runpy.run_path(str(TOOL))
    with patch.object(sys, 'argv', ['run_phases.py', *arguments]):
        return tool['find_steps'](tool['parse_args']())


@pytest.fixture
def rounded(toy_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'rounded.py').write_text(ROUNDED.format(toy_config))
    (tmp_path / 'start.pth').write_bytes(b'')
    return 'rounded.py'


def test_one_folder_for_two_trainings(rounded, tmp_path):
    """The second would be taken for done."""
    (tmp_path / 'second.py').write_text("_base_ = 'rounded.py'\nrounds = None\n")
    with pytest.raises(UserError, match='second.py and rounded.py would be trained in one folder'):
        steps_of(rounded, 'second.py', '--cfg-options', 'work_dir=work')


def test_rounds(rounded):
    """Each starts from the one before, which labels, if no other model does."""
    steps = steps_of(rounded, '--cfg-options', 'pseudo_label_generator.portion=0.4')
    assert [step.title for step in steps] == [
        f'{what} of rounded, round {number}'
        for number in (1, 2, 3)
        for what in ('pseudo-labels', 'training')
    ]
    assert [str(step.result) for step in steps[::2]] == [
        'work_round1/iter_2.pth',
        'work_round2/iter_2.pth',
        'work/iter_2.pth',
    ]
    for label, train in zip(steps[::2], steps[1::2], strict=True):
        start = label.command.index('--cfg-options')
        assert label.command[start:] == train.command[train.command.index('--cfg-options') :]
    options = [step.command[step.command.index('--cfg-options') + 1 :] for step in steps[::2]]
    labels = 'train_dataloader.dataset.target.pseudo_labels=labels_round'
    asked = 'pseudo_label_generator.portion=0.4'
    one = 'rounds=None'
    assert options == [
        [asked, 'optim_wrapper.optimizer.lr=0.1', one, f'{labels}1'],
        [asked, 'model.source_checkpoint=work_round1/iter_2.pth', one, f'{labels}2'],
        [
            asked,
            "pseudo_label_generator.checkpoint=['work_round2/iter_1.pth']",
            'model.source_checkpoint=work_round2/iter_2.pth',
            one,
        ],
    ]
    assert ['--work-dir' in step.command for step in steps[1::2]] == [True, True, False]


def test_options_that_are_given_twice(rounded):
    """As in the tools that it starts: all of them count."""
    portion, rate = 'pseudo_label_generator.portion=0.4', 'optim_wrapper.optimizer.lr=0.2'
    command = steps_of(rounded, '--cfg-options', portion, '--cfg-options', rate)[-1].command
    assert command[command.index('--cfg-options') + 1 :][:2] == [portion, rate]


@pytest.mark.parametrize(
    ('key', 'titles'),
    [
        ('pseudo_label_generator', ['training']),
        ('source_selection', ['pseudo-labels', 'training']),
        ('default_hooks', ['pseudo-labels', 'training']),
        ('default_hooks.checkpoint', ['pseudo-labels', 'training']),
    ],
)
def test_none_is_as_good_as_nothing(key, titles, rounded):
    steps = steps_of(rounded, '--cfg-options', 'rounds=None', f'{key}=None')
    assert [step.title for step in steps] == [f'{title} of rounded' for title in titles]


@pytest.mark.parametrize('key', ['model', 'train_dataloader', 'train_dataloader.dataset'])
def test_a_config_that_cannot_be_trained(key, rounded):
    with pytest.raises(UserError, match=f'rounded.py has no {key}: inherit'):
        steps_of(rounded, '--cfg-options', f'{key}=None')


def test_rounds_in_a_folder_with_a_space_and_a_comma(rounded):
    """The steps read the options as this tool does."""
    steps = steps_of(rounded, '--cfg-options', 'work_dir="my work, 2"')
    assert str(steps[-1].result) == 'my work, 2/iter_2.pth'
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues)
    command = steps[-1].command
    options = parser.parse_args(command[command.index('--cfg-options') :]).cfg_options
    assert options['model.source_checkpoint'] == 'my work, 2_round2/iter_2.pth'
    assert options['pseudo_label_generator.checkpoint'] == ['my work, 2_round2/iter_1.pth']


def test_checkpoints_in_the_home_folder(rounded, monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    (tmp_path / 'home').mkdir()
    start = 'model.source_checkpoint=~/start.pth'
    with pytest.raises(UserError, match='starts from ~/start.pth'):
        steps_of(rounded, '--cfg-options', start)
    (tmp_path / 'start.pth').rename(tmp_path / 'home/start.pth')
    assert len(steps_of(rounded, '--cfg-options', start)) == 6


@pytest.mark.parametrize('kept', ['-1', '0', '3', '4', '5', '9'])
def test_checkpoints_that_a_round_leaves(kept, rounded):
    """Of four, the first is needed; mmengine deletes none if 0 or less are to be kept."""
    options = ['train_cfg.max_iters=4', f'default_hooks.checkpoint.max_keep_ckpts={kept}']
    if kept != '3':
        assert len(steps_of(rounded, '--cfg-options', *options)) == 6
        return
    with pytest.raises(UserError, match='work_round2/iter_1.pth .pseudo_label_generator.check'):
        steps_of(rounded, '--cfg-options', *options)


def test_checkpoints_that_no_round_leaves(rounded):
    with pytest.raises(UserError, match='starts from start2.pth .model.source_checkpoint'):
        steps_of(rounded, '--cfg-options', 'model.source_checkpoint=start2.pth')
    with pytest.raises(UserError, match='work_round2/iter_1.pth .pseudo_label_generator.check'):
        steps_of(rounded, '--cfg-options', 'default_hooks.checkpoint.interval=2')
    with pytest.raises(UserError, match='rounded.py has no train_cfg.max_iters'):
        steps_of(rounded, '--cfg-options', 'train_cfg.max_iters=None')
    with pytest.raises(UserError, match='rounds must be a list of dicts'):
        steps_of(rounded, '--cfg-options', 'rounds=[1]')
