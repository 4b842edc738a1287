"""The studio's own certificate authority. A node's key is made where the node is, and never leaves it.

EC P-256 for all keys. The authority's lives as long as the studio; a member's certificate ends, so that what is
forgotten in a drawer does not stay a member for ever. Removed ones are in a signed list (CRL) that every listener looks
at during the handshake.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError

from .members import HEAD, NODE, Studio, keep

YEARS_10 = timedelta(days=3652)  # of the authority, and of its list
MEMBER_AGE = timedelta(days=825)  # the most that browsers used to accept
SKEW = timedelta(hours=1)  # by which a node's clock may be behind
KEY, CERTIFICATE, AUTHORITY_KEY, AUTHORITY, REVOKED = "key.pem", "certificate.pem", "ca.key", "ca.pem", "revoked.pem"
PEM = serialization.Encoding.PEM


def found(home: Path, now: datetime) -> None:
    """Make the authority and the head's certificate where there are none. Raises `RequestError`."""
    if (home / HEAD / AUTHORITY).exists():
        return
    key = _new_key()
    name = _name("Vaporbrush studio")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + YEARS_10)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    keep(home, HEAD / AUTHORITY_KEY, _secret(key))
    head = _new_key()
    keep(home, HEAD / KEY, _secret(head))
    signed = _signed(certificate, key, head.public_key(), "head", now)
    keep(home, HEAD / CERTIFICATE, signed.public_bytes(PEM).decode())
    _write_revoked(home, certificate, key, Studio("", nodes=()), now)
    keep(home, HEAD / AUTHORITY, certificate.public_bytes(PEM).decode())  # last: now it is whole


def request(home: Path, name: str) -> str:
    """A node's request for a certificate, with a key that is made here unless there is one. Raises `RequestError`."""
    path = home / NODE / KEY
    if path.exists():
        key = _load_key(path)
    else:
        key = _new_key()
        keep(home, NODE / KEY, _secret(key))
    made = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return made.public_bytes(PEM).decode()


def admit(home: Path, name: str, asked: str, now: datetime) -> tuple[str, str]:
    """Sign a node's request. Returns the certificate and its serial number. Raises `RequestError`."""
    sentence = _("That is no node's request: `vaporbrush studio join --ask FILE` there makes one.")
    none = RequestError("bad_field", sentence)
    try:
        parsed = x509.load_pem_x509_csr(asked.encode())
        public = parsed.public_key()
    except ValueError:
        raise none from None
    if not parsed.is_signature_valid or not isinstance(public, ec.EllipticCurvePublicKey):
        raise none
    certificate, key = _authority(home)
    signed = _signed(certificate, key, public, name, now)
    return signed.public_bytes(PEM).decode(), f"{signed.serial_number:x}"


def renew_revoked(home: Path, studio: Studio, now: datetime) -> str:
    """Write the list of the removed certificates anew, and return it. Raises `RequestError`."""
    return _write_revoked(home, *_authority(home), studio, now)


def authority_certificate(home: Path) -> str:
    """In PEM."""
    return (home / HEAD / AUTHORITY).read_text(encoding="ascii")


def _authority(home: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((home / HEAD / AUTHORITY).read_bytes())
    except (OSError, ValueError) as error:
        problem = _("The studio's authority cannot be read: {reason}.").format(reason=error)
        raise RequestError("bad_field", problem) from None
    return certificate, _load_key(home / HEAD / AUTHORITY_KEY)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        problem = _("The key {file} cannot be read: {reason}.").format(file=path, reason=error)
        raise RequestError("bad_field", problem) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RequestError("bad_field", _("The key {file} is none of ours: delete it.").format(file=path))
    return key


def _signed(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    name: str,
    now: datetime,
) -> x509.Certificate:
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]  # a node listens, and is a client
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(authority.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + MEMBER_AGE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write_revoked(
    home: Path, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, studio: Studio, now: datetime
) -> str:
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now - SKEW)
        .next_update(now + YEARS_10)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
    )
    for one in studio.nodes:
        if one.removed:
            gone = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16)).revocation_date(now).build()
            made = made.add_revoked_certificate(gone)
    text = made.sign(key, hashes.SHA256()).public_bytes(PEM).decode()
    keep(home, HEAD / REVOKED, text)
    return text


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _secret(key: ec.EllipticCurvePrivateKey) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(PEM, kind, serialization.NoEncryption()).decode()
