"""Methods wait for the device on no kind of video net; the table has most of them on Accel."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mmengine.registry import init_default_scope

from mmdavss.testing.method_tests import MethodTests
from tests.methods.table import CASES, FLOW_NET

NETS = {
    'dff': dict(type='DFF'),
    'dff_flow': dict(type='DFF', flow_net=FLOW_NET),
    'distortion_aware': dict(type='DistortionAwareVSS'),
}
#: What of clips, frames and features a method takes from a net.
METHODS = ('tps', 'vat', 'vst', 'stpl', 'davsn', 'dacs')


@pytest.mark.slow
@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('method', METHODS)
def test_never_waits_for_the_device(method: str, net: str) -> None:
    init_default_scope('mmseg')
    case = replace(CASES[method], student=NETS[net])
    MethodTests().test_never_waits_for_the_device(case)
