"""What was asked, and what of it is finished; the work that uses it has its own tests."""

from __future__ import annotations

import hashlib
import json

import pytest

from mmdavss.utils.journal import Journal, as_json, differences, digest_of, file_digest, write_json

ASKED = dict(model=dict(type='STPL', depth=18), size=[64, 32], cap=None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'work.json'


def test_goes_on_with_what_is_finished(path):
    first = Journal(path, ASKED)
    first.save(done=['a'])
    again = Journal(path, ASKED)
    assert again.resume(json.loads(path.read_text())) == {}
    assert again.state == dict(ASKED, done=['a'])
    again.save(done=['a', 'b'])
    assert json.loads(path.read_text())['done'] == ['a', 'b']


@pytest.mark.parametrize(
    ('asked', 'name'),
    [
        (dict(ASKED, model=dict(type='STPL', depth=50)), 'model'),
        (dict(ASKED, model='STPL'), 'model'),
        (dict(ASKED, size=[32, 64]), 'size'),
        (dict(ASKED, cap=0.5), 'cap'),
        (dict(ASKED, seed=1), 'seed'),
    ],
)
def test_other_work_is_told_apart(path, asked, name):
    Journal(path, ASKED).save(done=['a'])
    other = Journal(path, asked)
    changed = other.resume(json.loads(path.read_text()))
    assert changed == {name: (ASKED.get(name), asked[name])}
    assert other.state == asked


def test_a_file_may_say_more(path):
    """Files that an earlier version wrote are read as well as those of a later one."""
    found = dict(ASKED, model=dict(ASKED['model'], flow=None), config='a.py')
    del found['cap']
    kept = Journal(path, ASKED)
    assert kept.resume(found) == {}
    assert kept.state == found


def test_state_of_its_own(path):
    """What is compared need not be all of what is written of it."""
    written = []
    asked = dict(file=dict(size=3))
    state = dict(file=dict(size=3, path='b.pth'))
    journal = Journal(path, asked, state, lambda path, state: written.append((path, dict(state))))
    journal.save(finished=False)
    assert written == [(path, dict(state, finished=False))]
    found = dict(file=dict(size=3, path='a.pth'), finished=True)
    assert journal.resume(found) == {} and journal.state == found


def test_the_file_is_whole_at_any_time(path, monkeypatch):
    journal = Journal(path, ASKED)
    journal.save(done=[])

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr('os.replace', killed)
    with pytest.raises(KeyboardInterrupt):
        journal.save(done=['a'])
    assert json.loads(path.read_text())['done'] == []
    with pytest.raises(TypeError):
        journal.save(done=[object()])
    assert json.loads(path.read_text())['done'] == []


def test_values_are_those_that_a_file_gives_back(path):
    value = {1: (2, 3), 'kind': object}
    write_json(path, as_json(value, default=lambda kind: kind.__name__))
    assert json.loads(path.read_text()) == {'1': [2, 3], 'kind': 'object'}


def test_digests(path):
    content = b'x' * (1 << 20) + b'y'
    path.write_bytes(content)
    assert file_digest(path) == hashlib.sha256(content).hexdigest()
    assert digest_of(dict(a=1, b=2)) == digest_of(dict(b=2, a=1)) != digest_of(dict(a=1, b=3))
    assert digest_of([]) == hashlib.sha256(b'[]').hexdigest()


def test_differences():
    old = dict(model=dict(type='A', layers=[1, 2]), name='n', long='a' * 60)
    new = dict(model=dict(type='B', layers=[1, 3]), extra=1, long='b' * 60)
    assert differences(old, new) == [
        'model.type: A -> B',
        'model.layers.1: 2 -> 3',
        'name: n -> None',
        'long',
        'extra: None -> 1',
    ]
    assert differences(old, old) == []
