"""Whom the installer believes: servers show a certificate that this computer trusts, and no way leaves https."""

import ssl
import subprocess

import pytest

from support.package_index import serving
from support.small_painter import ready, simple
from vaporbrush_host.installer.download import trust


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that vouches for itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def secure(painter, certificate):
    with serving(painter.wheels, certificate=certificate) as served:
        yield served


@pytest.fixture
def trusted(certificate, monkeypatch):
    """This computer trusts that certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def test_a_server_that_nobody_vouches_for_is_asked_for_nothing(painter, secure):
    last, _ = painter.install(simple(secure))
    assert (last.stage, last.error.code) == ("failed", "download_failed")
    assert "does not know who vouches for it" in last.error.message
    assert not secure.served


def test_a_computer_without_any_certificates_believes_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = trust(())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not context.get_ca_certs()


def test_a_host_program_whose_python_knows_no_certificates_finds_the_systems(monkeypatch, tmp_path, certificate):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert len(trust(("/nowhere", str(certificate))).get_ca_certs()) == 1


@pytest.mark.usefixtures("trusted")
def test_a_trusted_index_installs(painter, secure):
    assert painter.install(simple(secure))[0].stage == "done"
    ready(painter)


@pytest.mark.usefixtures("trusted")
def test_a_redirect_out_of_https_is_not_followed(painter, secure, index):
    secure.moved_to = index.url
    last, _ = painter.install(simple(secure))
    assert (last.stage, last.error.code) == ("failed", "download_failed")
    assert "which is not https" in last.error.message
    assert not index.served


@pytest.mark.usefixtures("trusted")
def test_a_page_by_https_that_names_files_by_http_is_not_believed(painter, secure, index):
    secure.files_at = index.url
    last, _ = painter.install(simple(secure))
    assert (last.stage, last.error.code) == ("failed", "download_failed")
    assert "which is not https" in last.error.message
    assert not index.served
