"""One small web for all tests of the demo: drawn once, it takes some seconds."""

from collections.abc import Iterator

import pytest

from linkwell.demo.sites import Web, make_web
from linkwell.demo.web import free_socket, serve


@pytest.fixture(scope="session")
def world() -> Iterator[Web]:
    """The demo's web, being served on loopback."""
    listener = free_socket()
    web = make_web(listener.getsockname()[1])
    with serve(web, listener):
        yield web
