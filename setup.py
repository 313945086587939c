"""Build of the package. The wheel carries configs, tools and index in ``mmdavss/.mim``."""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def read_requirements(name: str) -> list[str]:
    """Lines of requirements/NAME.txt without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    lines = (line.partition('#')[0].strip() for line in lines)
    return [line for line in lines if line]


class BuildWithConfigs(build_py):
    """Puts configs, tools and index where OpenMMLab packages have them, in the build folder only.

    An editable install needs no copy: the configs are found beside the package.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmdavss' / '.mim'
        # A build folder that is used again must not bring back files that are gone.
        shutil.rmtree(target, ignore_errors=True)
        for name in ('configs', 'tools'):
            shutil.copytree(
                ROOT / name, target / name, ignore=shutil.ignore_patterns('__pycache__', '*.pyc')
            )
        shutil.copy(ROOT / 'model-index.yml', target)
        self.write_unique_names(target / 'configs')

    def write_unique_names(self, configs: Path) -> None:
        """Gives each config of a method a second name, METHOD_NAME.py in ``configs/mim``.

        mim looks for the last part of a path alone, and refuses one that several folders have.
        """
        files = [path.relative_to(configs) for path in configs.glob('[!_]*/*.py')]
        (configs / 'mim').mkdir()
        for path in files:
            base, work_dir = f'../{path.as_posix()}', f'work_dirs/{path.with_suffix("").as_posix()}'
            (configs / 'mim' / '_'.join(path.parts)).write_text(
                f'_base_ = {base!r}\nwork_dir = {work_dir!r}\n'
            )


#: Console command and function of mmdavss.cli.commands: what a user calls, without a clone.
COMMANDS = {
    'mmdavss-train': 'train',
    'mmdavss-test': 'test',
    'mmdavss-run-phases': 'run_phases',
    'mmdavss-adapt': 'adapt',
    'mmdavss-video-demo': 'video_demo',
    'mmdavss-export': 'export',
    'mmdavss-convert': 'convert',
    'mmdavss-pseudo-labels': 'pseudo_labels',
    'mmdavss-select-source': 'select_source',
    'mmdavss-class-statistics': 'class_statistics',
    'mmdavss-precompute-flow': 'precompute_flow',
    'mmdavss-make-minidrive': 'make_minidrive',
    'mmdavss-make-bddvid': 'make_bddvid',
    'mmdavss-analysis': 'analysis',
    'mmdavss-demo': 'demo',
    'mmdavss-torchrun': 'torchrun',
    'mmdavss-config': 'config',
}

EXTRAS = ('mminstall', 'optional', 'pretrained', 'tests')
extras = {name: read_requirements(name) for name in EXTRAS}

setup(
    name='mmdavss',
    version=runpy.run_path(str(ROOT / 'mmdavss' / 'version.py'))['__version__'],
    description='Domain-adaptive video semantic segmentation on top of mmsegmentation',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The mmdavss authors',
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['mmdavss', 'mmdavss.*']),
    package_data={'mmdavss': ['py.typed', 'analysis/published.json']},
    entry_points={
        'console_scripts': [
            f'{name} = mmdavss.cli.commands:{function}' for name, function in COMMANDS.items()
        ]
    },
    install_requires=read_requirements('runtime'),
    extras_require={**extras, 'all': sum(extras.values(), [])},
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False,
)
