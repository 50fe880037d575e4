"""Certificates of signing keys (X.509, RFC 5280) and requests for them (PKCS #10, RFC 2986).

In the reading of the transit engine, whose words the errors begin with. A chain is PEM, the key's
own certificate first; whether anybody should trust it is for those who use it to decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from secvault.crypto.key_kind import PrivateKey, PublicKey, SeededPrivateKey
from secvault.errors import InvalidInput

MOST_CERTIFICATES = 20

_FAULTS = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}


def certificate_request(private: PrivateKey, template: str = "") -> str:
    """A certificate request, PEM, signed by this key.

    template: another request, PEM, whose subject and extensions are taken over; its own key and
    signature are not. Raises InvalidInput.
    """
    request = x509.CertificateSigningRequestBuilder()
    if not template:
        return _signed(request.subject_name(x509.Name([])), private)
    if "-----BEGIN" not in template:
        raise InvalidInput("could not decode PEM CSR")
    try:
        given = x509.load_pem_x509_csr(template.encode())
        request = request.subject_name(given.subject)
        for extension in given.extensions:
            request = request.add_extension(extension.value, extension.critical)
        return _signed(request, private)
    except _FAULTS:
        raise InvalidInput.at("csr", "must be a certificate request in PEM") from None


Chain = Sequence[x509.Certificate]


def check_chain(certificates: Chain, public: PublicKey) -> str:
    """The chain as it is kept, PEM, when it begins with a certificate of this key.

    Further certificates end with one of an authority. Raises InvalidInput.
    """
    first, last = certificates[0], certificates[-1]
    if _is_authority(first):
        raise InvalidInput("certificate in the first element is not a valid leaf certificate")
    if len(certificates) > 1 and not _is_authority(last):
        raise InvalidInput("certificate in the last element is not a valid CA certificate")
    try:
        own = first.public_key()
    except _FAULTS:
        own = None
    if not isinstance(own, type(public)):
        raise InvalidInput(
            "could not validate key match between leaf certificate key and key entry in transit: "
            "the certificate is of another type of key"
        )
    if own != public:
        raise InvalidInput("leaf certificate public key does not match the selected key version")
    return _pem(certificates)


def split_chain(chain: str) -> list[bytes]:
    """The certificates of a chain that is kept, DER."""
    loaded = x509.load_pem_x509_certificates(chain.encode())
    return [each.public_bytes(Encoding.DER) for each in loaded]


def join_chain(certificates: Sequence[bytes]) -> str:
    """The chain of these certificates, DER. Raises InvalidInput."""
    try:
        loaded = [x509.load_der_x509_certificate(each) for each in certificates]
    except _FAULTS:
        raise InvalidInput("a certificate of the chain cannot be read") from None
    return _pem(_few(loaded))


def parse_chain(chain: str) -> Chain:
    """The certificates of a PEM text, at least one. Raises InvalidInput."""
    text = chain.strip()
    if not text or "-----BEGIN CERTIFICATE REQUEST-----" in text:
        raise InvalidInput(
            "provided certificate chain did not contain any valid PEM encoded certificate"
        )
    if not text.startswith("-----BEGIN") or not text.endswith("-----"):
        raise InvalidInput("could not decode a PEM block in the certificate chain")
    try:
        return _few(x509.load_pem_x509_certificates(text.encode()))
    except _FAULTS:
        raise InvalidInput("could not parse a certificate in the certificate chain") from None


def _few(certificates: list[x509.Certificate]) -> list[x509.Certificate]:
    if len(certificates) > MOST_CERTIFICATES:
        raise InvalidInput(f"a certificate chain holds {MOST_CERTIFICATES} certificates at most")
    return certificates


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    except _FAULTS:
        raise InvalidInput("could not parse a certificate in the certificate chain") from None
    return found.value.ca


def _pem(certificates: Chain) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def _signed(request: x509.CertificateSigningRequestBuilder, private: PrivateKey) -> str:
    algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = hashes.SHA256()
    if isinstance(private, SeededPrivateKey):
        algorithm = None
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = _HASHES[private.curve.name]()
    return request.sign(private, algorithm).public_bytes(Encoding.PEM).decode()
