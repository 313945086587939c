"""Devices, and the option ``--device``."""

from __future__ import annotations

import argparse

import torch

from mmdavss.utils.errors import UserError


def devices() -> list[str]:
    """Names of the devices of this machine."""
    found = ['cpu']
    device = torch.accelerator.current_accelerator()
    if device is not None and torch.accelerator.is_available():
        kind = device.type
        found += [f'{kind}:{number}' for number in range(torch.accelerator.device_count())]
    return found


def usable_device(device: str | torch.device) -> torch.device:
    """Checks that this machine has a device.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1`` and the like.

    Raises:
        UserError: If there is no such device; lists the devices.
    """
    there = devices()
    try:
        found = torch.device(device)
    except RuntimeError:  # not a device type of PyTorch
        found = None
    # A type without a number means its current device.
    if found is None or not any(
        name == str(found) or name.split(':')[0] == str(found) for name in there
    ):
        what = 'has no such device' if found is not None else 'knows no such word'
        raise UserError(f'--device {device}: this machine {what}, it has {", ".join(there)}')
    return found


def device_option(text: str) -> str:
    """``type`` of an option ``--device``: the text, if there is such a device."""
    try:
        usable_device(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix('--device ')) from None
    return text
