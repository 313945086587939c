"""What the documentation names exists: links, files, options, targets of make, messages."""

from __future__ import annotations

import ast
import functools
import itertools
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob('*.md'),
        *ROOT.glob('docs/**/*.md'),
        *ROOT.glob('configs/*/README.md'),
    )
)
FOLDERS = 'configs|tools|tests|docs|mmdavss|benchmarks|docker|requirements'
FOREIGN = ('docs/DATASET.md',)  # of github.com/mcahny/vps
TOOLS = sorted((*ROOT.glob('tools/**/*.py'), *ROOT.glob('benchmarks/*.py')))


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding='utf-8')


def without_code(text: str) -> str:
    return re.sub(r'```.*?```', '', text, flags=re.S)


def anchors(text: str) -> set[str]:
    """Those that GitHub makes of the headings."""
    titles = re.findall(r'^#+ (.*)$', without_code(text), re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def expand(name: str) -> list[str]:
    """The names that a{b,c} stands for."""
    parts = re.split(r'\{([^{}]*)\}', name)
    return [
        ''.join(choice)
        for choice in itertools.product(
            *(part.split(',') if k % 2 else [part] for k, part in enumerate(parts))
        )
    ]


@functools.cache
def options(tool: Path) -> set[str]:
    """What a tool accepts, with what all analyses share."""
    text = tool.read_text(encoding='utf-8')
    if 'mmdavss.cli.analysis import' in text:
        text += (ROOT / 'mmdavss/cli/analysis.py').read_text(encoding='utf-8')
    return set(re.findall(r"""['"](--[\w-]+)['"]""", text)) | {'--help'}


@functools.cache
def strings() -> str:
    """All texts in the package and the tools, … where a value goes in."""
    found = []
    for path in (*ROOT.glob('mmdavss/**/*.py'), *TOOLS):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    ''.join(
                        part.value if isinstance(part, ast.Constant) else '…'
                        for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return '\n'.join(found)


def test_expand():
    assert expand('a{b,c}d') == ['abd', 'acd']
    assert expand('{a,b}{,_c}') == ['a', 'a_c', 'b', 'b_c']
    assert expand('a.py') == ['a.py']


def test_anchors():
    assert anchors('# STPL: what was tried\n## `A`, b\n```\n# no\n```') == {
        'stpl-what-was-tried',
        'a-b',
    }


@pytest.mark.parametrize('page', PAGES)
def test_links(page):
    wrong = []
    for link in re.findall(r'\]\(([^)\s]+)\)', without_code(read(page))):
        if '://' in link:
            continue
        name, _, anchor = link.partition('#')
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists():
            wrong.append(link)
        elif anchor and anchor not in anchors(path.read_text(encoding='utf-8')):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize('page', PAGES)
def test_files(page):
    text = read(page)
    named = re.findall(rf'(?<![\w./-])((?:{FOLDERS})/[\w./{{}},*-]*)', text)
    if page.startswith('configs/'):  # which names its configs without their folder
        named += [
            f'{Path(page).parent}/{name}'
            for name in re.findall(r'^\| `([\w{},.-]+\.py)`', text, re.M)
            if '...' not in name
        ]
    wrong = []
    for name in named:
        name = name.rstrip('.,/')
        if '...' in name or name in FOREIGN or 'NAME' in name:
            continue
        for each in expand(name):
            found = list(ROOT.glob(each)) if '*' in each else [ROOT / each]
            if not found or not all(path.exists() for path in found):
                wrong.append(each)
    assert wrong == []


def commands(text: str) -> list[str]:
    """Lines of the code blocks, joined where they go on."""
    blocks = re.findall(r'```(?:bash|shell)?\n(.*?)```', text, re.S)
    blocks += [''.join(re.findall(r'^    (.*\n)', text, re.M))]
    lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
    return lines + re.findall(r'`([^`\n]*(?:python|bash|make) [^`\n]+)`', text)


@pytest.mark.parametrize('page', PAGES)
def test_options_of_commands(page):
    if page == 'docs/results_2026.md':  # commands of another revision
        return
    wrong = []
    for line in commands(read(page)):
        line = line.partition(' #')[0]
        tool = re.search(r'((?:tools|benchmarks)/[\w/]+\.(?:py|sh))', line)
        if tool is None:
            continue
        path = ROOT / tool[1]
        if path.suffix == '.sh':
            path = ROOT / 'tools' / ('test.py' if 'test' in path.stem else 'train.py')
        given = re.findall(r'(?<=\s)(--[\w-]+)', line[tool.end() :])
        wrong += [f'{tool[1]} {option}' for option in given if option not in options(path)]
    assert wrong == []


@pytest.mark.parametrize('page', PAGES)
def test_options_in_the_text(page):
    known = set().union(*map(options, TOOLS))
    foreign = {'--shm-size', '--no-build-isolation', '--no-deps'}  # of docker and pip
    named = re.findall(r'`(--[\w-]+)', without_code(read(page)))
    assert [name for name in named if name not in known | foreign] == []


@pytest.mark.parametrize('page', PAGES)
def test_targets_of_make(page):
    targets = set(re.findall(r'^(\w+):', read('Makefile'), re.M))
    named = [match for line in commands(read(page)) for match in re.findall(r'^make (\w+)', line)]
    assert [name for name in named if name not in targets] == []


@pytest.mark.slow
@pytest.mark.parametrize('page', [page for page in PAGES if page.startswith('docs/methods/')])
def test_options_in_tables_of_methods(page):
    names = re.findall(r'^\| (`[^|]+`) \|', read(page), re.M)
    words = {
        word
        for cell in names
        for name in re.findall(r'`([^`]+)`', cell)
        for word in name.split('.')
        if word not in ('model', 'train_cfg')
    }
    source = '\n'.join(path.read_text(encoding='utf-8') for path in ROOT.glob('mmdavss/**/*.py'))
    schedules = '\n'.join(path.read_text(encoding='utf-8') for path in ROOT.glob('configs/**/*.py'))
    assert words
    assert [word for word in words if not re.search(rf'\b{word}\b', source + schedules)] == []


@pytest.mark.sampled
@pytest.mark.parametrize('page', [page for page in PAGES if page.startswith('docs/')])
def test_classes(page):
    """Names in capitals that are called or set as a type."""
    named = re.findall(r"type='(\w+)'", read(page))
    source = '\n'.join(path.read_text(encoding='utf-8') for path in ROOT.glob('mmdavss/**/*.py'))
    own = set(re.findall(r'\bclass (\w+)', source + read(page)))
    foreign = {'CheckpointHook', 'TensorboardVisBackend', 'MMSeparateDistributedDataParallel'}
    assert [name for name in named if name not in own | foreign] == []


@pytest.mark.slow
def test_messages_of_the_faq():
    """Bold messages are of this package, but for those that say whose they are."""
    page = read('docs/faq.md')
    found = re.findall(r'\*\*`([^`]+)`\*\*(?! \(| or| and \*\*`[^`]*`\*\* \()', page)
    assert len(found) > 25
    wrong = [
        (message, part)
        for message in found
        for part in re.split('…', message)
        if part.strip() and part.strip() not in strings()
    ]
    assert wrong == []


def test_every_method_has_a_page_with_a_small_picture():
    folders = {
        path.name
        for path in (ROOT / 'configs').iterdir()
        if path.is_dir() and not path.name.startswith('_')
    }
    folders -= {'source_only', 'oracle'}
    for name in folders:
        assert f'images/methods/{name}.svg' in read(f'docs/methods/{name}.md')
        assert f'methods/{name}.md' in read('docs/README.md')
        assert (ROOT / f'docs/images/methods/{name}.svg').stat().st_size < 20_000


def shapes(svg: str) -> list[tuple]:
    """Each element of a picture: kind, text, attributes; numbers as numbers."""
    found = []
    for element in ElementTree.fromstring(svg).iter():
        words = {
            key: [word for word in re.split(r'[\s,]+', value) if word]
            for key, value in element.attrib.items()
        }
        found.append((element.tag, (element.text or '').strip(), words))
    return found


def differences(ours: str, theirs: str) -> list[tuple]:
    """The elements in which two pictures differ by more than a hundredth of a pixel."""

    def number(word: str) -> float | None:
        try:
            return float(word)
        except ValueError:
            return None

    def alike(a: str, b: str) -> bool:
        x, y = number(a), number(b)
        return a == b if x is None or y is None else abs(x - y) < 0.01

    def same(a: tuple, b: tuple) -> bool:
        return (
            a[:2] == b[:2]
            and a[2].keys() == b[2].keys()
            and all(
                len(words) == len(b[2][key]) and all(map(alike, words, b[2][key]))
                for key, words in a[2].items()
            )
        )

    pairs = itertools.zip_longest(shapes(ours), shapes(theirs), fillvalue=('', '', {}))
    return [(a, b) for a, b in pairs if not same(a, b)]


@pytest.mark.parametrize(
    'change, count',
    [
        (('x="16"', 'x="16.000001"'), 0),
        (('x="16"', 'x="17"'), 1),
        (('target clips', 'source clips'), 1),
        (('#3f71b0', '#3f71b1'), 1),
        (('</svg>', '<path d="M0 0"/></svg>'), 1),
    ],
)
def test_differences_of_pictures(change, count):
    picture = read('docs/images/methods/adabn.svg')
    assert change[0] in picture
    assert len(differences(picture, picture.replace(*change, 1))) == count


def test_pictures_are_those_of_the_script():
    script = runpy.run_path(str(ROOT / 'docs/images/methods/draw.py'))
    for name, picture in script['PICTURES'].items():
        found = differences(script['draw'](*picture), read(f'docs/images/methods/{name}.svg'))
        assert found == [], name
