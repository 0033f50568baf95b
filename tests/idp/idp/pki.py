"""A certificate authority of our own, and the server's certificate.

Beside the good certificate it makes the bad ones that a client has to refuse.
"""

import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)

# mode -> (help, arguments of Authority.issue); what the `tls` quirk offers.
CERTIFICATE_MODES = {
    "expired": ("certificate that ended yesterday", {"start": -30, "end": -1}),
    "future": ("certificate that starts tomorrow", {"start": 1, "end": 30}),
    "wrong_host": ("certificate for another host name",
                   {"names": ["elsewhere.example"]}),
    "cn_only": ("the host name only in the common name, no subjectAltName",
                {"names": []}),
    "self_signed": ("a certificate that signed itself", {"signer": "itself"}),
    "unknown_ca": ("the right name, signed by a CA nobody knows",
                   {"signer": "stranger"}),
    "client_only": ("a certificate for TLS clients, not for servers",
                    {"usage": ExtendedKeyUsageOID.CLIENT_AUTH}),
}
PROTOCOL_MODES = {
    "tls1.0": "TLS 1.0 at most",
    "tls1.1": "TLS 1.1 at most",
    "tls1.2": "TLS 1.2 at most (a good server, but an older one)",
    "anull": "only anonymous cipher suites, no certificate at all",
}
TLS_MODES = {name: text for name, (text, _) in CERTIFICATE_MODES.items()}
TLS_MODES.update(PROTOCOL_MODES)


def write_private(path, data):
    """Write a 0600 file that is either absent or complete."""
    temporary = f"{path}.new"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.rename(temporary, path)


def pem_of_key(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


def load_or_make_key(path, make):
    """The private key in `path`; made and stored there the first time."""
    try:
        with open(path, "rb") as file:
            return serialization.load_pem_private_key(file.read(), None)
    except FileNotFoundError:
        key = make()
        write_private(path, pem_of_key(key))
        return key


def new_ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """The CA in the state directory; it outlives restarts, so that hosts that
    trust it keep trusting it."""

    def __init__(self, directory, names):
        self.directory = directory
        self.names = names
        self.ca_file = os.path.join(directory, "ca.pem")
        self.key = load_or_make_key(
            os.path.join(directory, "ca.key"), new_ec_key)
        self.subject = common_name("devauth-idp test CA (not for production)")
        if not os.path.exists(self.ca_file):
            write_private(self.ca_file, self._ca_certificate().public_bytes(
                serialization.Encoding.PEM))
            os.chmod(self.ca_file, 0o644)

    def _ca_certificate(self):
        now = datetime.datetime.utcnow()
        public = self.key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(self.subject).issuer_name(self.subject)
            .public_key(public).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(x509.KeyUsage(
                False, False, False, False, False, True, True, False, False),
                True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(public), False)
            .sign(self.key, hashes.SHA256()))

    def issue(self, mode=None):
        """Write a server certificate with its key; returns the PEM file."""
        options = CERTIFICATE_MODES[mode][1] if mode else {}
        names = options.get("names", self.names)
        key = new_ec_key()
        subject = common_name(self.names[0])
        issuer, signer = {
            None: (self.subject, self.key),
            "itself": (subject, key),
            "stranger": (self.subject, new_ec_key()),
        }[options.get("signer")]
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + options.get("start", -1) * DAY)
            .not_valid_after(now + options.get("end", 825) * DAY)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.ExtendedKeyUsage(
                [options.get("usage", ExtendedKeyUsageOID.SERVER_AUTH)]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                signer.public_key()), False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [alternative_name(name) for name in names]), False)
        certificate = builder.sign(signer, hashes.SHA256())
        path = os.path.join(self.directory, f"server-{mode or 'good'}.pem")
        write_private(path, certificate.public_bytes(
            serialization.Encoding.PEM) + pem_of_key(key))
        return path


class Tls:
    """The server's TLS context. It can be changed while the server runs:
    every new connection copies the settings of that moment."""

    def __init__(self, authority, on_hello):
        self.authority = authority
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        # Called for every ClientHello, with and without a server name.
        self.context.sni_callback = lambda *_: on_hello()
        self.good = authority.issue()
        self.set_mode(None)

    def set_mode(self, mode):
        """None is the good server; the others are listed in TLS_MODES."""
        context = self.context
        context.set_ciphers("DEFAULT")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(
            self.authority.issue(mode) if mode in CERTIFICATE_MODES
            else self.good)
        if mode == "tls1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        elif mode == "anull":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("aNULL:@SECLEVEL=0")
        elif mode in ("tls1.0", "tls1.1"):
            version = (ssl.TLSVersion.TLSv1 if mode == "tls1.0"
                       else ssl.TLSVersion.TLSv1_1)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
