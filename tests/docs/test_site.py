"""The documentation site has all pages and packages, without building it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_api_reference_has_every_package_that_exports_something():
    listed = re.findall(r'^   (mmdavss\.[\w.]+)$', (ROOT / 'docs/api/index.rst').read_text(), re.M)
    exporting = {
        '.'.join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.glob('mmdavss/*/__init__.py')
        if '__all__' in path.read_text(encoding='utf-8')
    }
    # Users import what `adaptation` has from `apis`.
    assert exporting - set(listed) == {'mmdavss.adaptation'}
    for name in listed:
        path = ROOT / name.replace('.', '/')
        assert path.is_dir() or path.with_suffix('.py').is_file()


def test_the_navigation_has_every_page():
    tree = ast.parse((ROOT / 'docs/conf.py').read_text(encoding='utf-8'))
    navigation = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'NAVIGATION'
    )
    named = {page for pages in navigation.values() for page in pages}
    pages = {path.stem for path in ROOT.glob('docs/*.md')}
    assert pages - named == set()
