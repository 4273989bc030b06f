"""What the tests share: emulators, an outside issuer, and a Graph client.

Nothing tells a client about the development CA but the environment, as the clients' own documentation
has it (`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`).
"""

import asyncio
from uuid import uuid4

import pytest

import certificate
import emulator as program
import issuer as outside
from graph import Graph


@pytest.fixture(scope="session")
def issuer(tmp_path_factory):
    """An identity provider that is not the emulator."""
    folder = tmp_path_factory.mktemp("issuer")
    with outside.running(certificate.self_signed("build service"), folder) as running:
        yield running


@pytest.fixture(scope="session")
def emulator(issuer):
    """An emulator that all tests share: they find what they made by its own unique names."""
    with program.running(trusted=issuer.bundle) as running:
        yield running


@pytest.fixture
def own_emulator():
    """An emulator for one test alone, whose clock and keys it may change."""
    with program.running() as running:
        yield running


@pytest.fixture(scope="session")
def own_certificate():
    """A client's certificate; making one takes a while."""
    return certificate.self_signed("interop client")


@pytest.fixture
def unique():
    """Makes names that no other test uses."""
    return lambda what: f"{what} {uuid4()}"


@pytest.fixture
def perform():
    """Runs a coroutine of the Graph SDK to its end."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def graph(emulator, perform):
    """The Graph SDK as the administrator application."""
    with Graph(emulator, perform, emulator.administrator) as client:
        yield client
