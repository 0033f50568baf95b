"""One provider for each test file, reset before each test."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from approve import Idp  # noqa: E402
from relying_party import Api  # noqa: E402


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Idp(tmp_path_factory.mktemp("idp")) as idp:
        yield idp
        assert idp.log() == "", "the provider complained"


@pytest.fixture
def idp(running):
    running.control.reset()
    return running


@pytest.fixture
def control(idp):
    return idp.control


@pytest.fixture
def api(idp):
    return Api(idp)


@pytest.fixture
def clean(control):
    """For tests whose client follows the RFCs: nothing to complain about."""
    yield
    assert control.violations() == []
