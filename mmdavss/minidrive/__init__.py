"""MiniDrive: a procedural street world with exact labels, optical flow and occlusion.

Requires only numpy, OpenCV and Pillow. `tools/make_minidrive.py` writes it in the layouts of VIPER,
SYNTHIA-Seq, Cityscapes-Seq, GTAV, SYNTHIA-RAND-CITYSCAPES, Cityscapes-VPS, CamVid, ACDC and SHIFT.
"""

from .labels import (
    CAMVID_IDS,
    CITYSCAPES_IDS,
    CITYSCAPES_TRAIN_IDS,
    PALETTE,
    SHIFT_IDS,
    SYNTHIA_IDS,
    SYNTHIA_RAND_IDS,
    VIPER_IDS,
    Label,
)
from .layouts import OLD_TOWN, SUBURB, SUBURB_CARS, Layout, build_scene, varied_layout
from .looks import Look, Sensor, camera_look, dawn_look, rendered_look, varied_look
from .scene import Camera, Ego, Material, Scene, SceneBuilder, Shape, Street
from .world import Frame, World

__all__ = [
    'CAMVID_IDS',
    'CITYSCAPES_IDS',
    'CITYSCAPES_TRAIN_IDS',
    'Camera',
    'Ego',
    'Frame',
    'Label',
    'Layout',
    'Look',
    'Material',
    'OLD_TOWN',
    'PALETTE',
    'SHIFT_IDS',
    'SUBURB',
    'SUBURB_CARS',
    'SYNTHIA_IDS',
    'SYNTHIA_RAND_IDS',
    'Scene',
    'SceneBuilder',
    'Sensor',
    'Shape',
    'Street',
    'VIPER_IDS',
    'World',
    'build_scene',
    'camera_look',
    'dawn_look',
    'rendered_look',
    'varied_layout',
    'varied_look',
]
