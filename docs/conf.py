"""Documentation site: `make docs` builds it from the pages as they are and from the docstrings.

The source folder is the root of the repository, so that links between pages hold in both places.
The home page is README.md, to which the navigation is added here.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mmdavss  # noqa: E402

project = 'mmdavss'
author = 'The mmdavss authors'
project_copyright = author
version = release = mmdavss.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
root_doc = 'README'
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
include_patterns = ['README.md', 'C*.md', 'docs/**', 'configs/README.md', 'configs/*/README.md']
exclude_patterns = ['.*', 'data', 'docs/api/_templates', 'work_dirs']
templates_path = [str(ROOT / 'docs/api/_templates')]  # for autosummary not below the sources

myst_heading_anchors = 3
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented_params'
autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autosummary_ignore_module_all = False
autosummary_imported_members = True
napoleon_use_ivar = True

html_theme = 'furo'
html_title = f'mmdavss {release}'
html_show_sphinx = False

#: Captions and pages, in the order in which a user needs them.
NAVIGATION = {
    'Use': [
        'README',
        'get_started',
        'adapt_your_video',
        'datasets',
        'evaluation',
        'analyses',
        'faq',
    ],
    'Train': ['speed', 'gpu', 'reliability', 'bad_input', 'convert_checkpoints'],
    'Methods': ['methods/*'],
    'Results': ['results', 'results_2026', 'rivals'],
    'Develop': ['add_a_method', 'api/index', '/CONTRIBUTING', '/CHANGELOG'],
}
CONFIGS = 'Configs'
#: Text and target of a link to a file.
LINK = re.compile(r'(?<!!)\[([^\]\n]*)\]\(((?!\w+:)[^)\s#]+(?:#[^)\s]*)?)\)')


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Adds tables of contents to the home page."""
    if docname != root_doc:
        return
    trees = NAVIGATION | {CONFIGS: ['/configs/README', '/configs/*/README']}
    for caption, pages in trees.items():
        names = [page if page.startswith('/') else f'docs/{page}' for page in pages]
        lines = ['```{toctree}', ':hidden:', ':glob:', f':caption: {caption}', '', *names, '```']
        source[0] += '\n' + '\n'.join(lines) + '\n'


def link_folders(app: Sphinx, docname: str, source: list[str]) -> None:
    """Leads links to folders to their pages; Sphinx offers other files for download."""
    folder = (ROOT / docname).parent

    def replace(match: re.Match[str]) -> str:
        text, link = match.groups()
        target = (folder / link.partition('#')[0]).resolve()
        if (target / '__init__.py').is_file():
            room = '.'.join(target.relative_to(ROOT).parts)
            return f'[{text}](/docs/api/{room}.rst)'
        if (target / 'README.md').is_file():
            return f'[{text}]({link}/README.md)'
        return text if target.is_dir() else match[0]  # a folder of the repository alone

    source[0] = LINK.sub(replace, source[0])


def skip_foreign(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leaves to its own page what a package exports of another package that has one."""
    page = app.env.docname.rpartition('/')[2]
    room = '.'.join(str(getattr(member, '__module__', '')).split('.')[:2])
    has_page = (ROOT / f'docs/api/{room}.rst').is_file()
    return True if has_page and not page.startswith(room) else None


def find_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Node
) -> nodes.Node | None:
    """Resolves references such as :class:`VideoNet`, which name no module."""
    if node.get('refdomain') != 'py':
        return None
    domain, target = env.domains.python_domain, node['reftarget']
    found = [name for name in domain.objects if name.endswith(f'.{target}')]
    if len(found) != 1:
        return None
    node['reftarget'] = found[0]
    return domain.resolve_xref(
        env, node['refdoc'], app.builder, node['reftype'], found[0], node, contnode
    )


def name_home_page(app: Sphinx, error: Exception | None) -> None:
    """Names the home page as servers expect it."""
    if error is None and app.builder.name == 'html':
        shutil.copy(Path(app.outdir, f'{root_doc}.html'), Path(app.outdir, 'index.html'))


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the functions of this file."""
    app.connect('source-read', add_navigation)
    app.connect('source-read', link_folders)
    app.connect('autodoc-skip-member', skip_foreign)
    app.connect('missing-reference', find_short_name)
    app.connect('build-finished', name_home_page)
    return {'parallel_read_safe': True}
