"""Every method of the table passes the tests of mmdavss/testing."""

from mmdavss.testing.method_tests import MethodTests
from tests.methods.table import CASES


class TestEveryMethod(MethodTests):
    cases = CASES
