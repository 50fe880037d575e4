"""Certificate requests and chains: read, held to their key, and made of nothing else."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.certificate import (
    MOST_CERTIFICATES,
    certificate_request,
    check_chain,
    join_chain,
    parse_chain,
    split_chain,
)
from secvault.errors import InvalidInput
from tests.contract.material import certificate_of, private_of, request_template

KINDS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "mldsa-44")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_signed_by_the_key_that_it_is_for(kind: str) -> None:
    key = private_of(kind)
    request = x509.load_pem_x509_csr(certificate_request(key).encode())
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert list(request.subject) == []


def test_a_template_gives_its_subject_and_its_extensions_but_not_its_key() -> None:
    key = private_of("ecdsa-p384")
    template = x509.load_pem_x509_csr(request_template().encode())
    request = x509.load_pem_x509_csr(certificate_request(key, request_template()).encode())
    assert request.subject == template.subject
    assert list(request.extensions) == list(template.extensions)
    assert request.public_key() == key.public_key() != template.public_key()


def test_a_chain_of_the_key_is_kept_and_read_again() -> None:
    chain = certificate_of("ecdsa-p256") + certificate_of("ecdsa-p256", 99, authority=True)
    kept = check_chain(parse_chain(chain), private_of("ecdsa-p256").public_key())
    assert kept == chain
    assert join_chain(split_chain(kept)) == chain


def test_a_chain_of_another_key_is_refused() -> None:
    chain = parse_chain(certificate_of("ecdsa-p256"))
    for kind, number in (("ecdsa-p256", 1), ("ecdsa-p384", 0), ("rsa-2048", 0), ("mldsa-44", 0)):
        with pytest.raises(InvalidInput, match="match"):
            check_chain(chain, private_of(kind, number).public_key())


def test_an_endless_chain_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        parse_chain(certificate_of("ecdsa-p256") * (MOST_CERTIFICATES + 1))


@given(text=st.text(max_size=200) | st.text(max_size=60).map("-----BEGIN CERTIFICATE-----".__add__))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_chain(text)
    with pytest.raises(InvalidInput):
        certificate_request(private_of("ed25519"), text or "x")
