"""The kit's pages hold what is needed, in both languages, and nothing becomes markup."""

from __future__ import annotations

import re

import pytest

from secvault.errors import InvalidInput
from secvault.recovery import codes
from secvault.recovery.pages import LANGUAGES, kit_html, kit_pdf, pages_of
from secvault.recovery.share_sheet import share_pdf
from secvault.recovery.words import words
from tests.recovery.a_kit import SECRETS, made_kit

KIT = made_kit(3, 5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_tell_the_companys_own_values_and_no_secret(language: str) -> None:
    page = kit_html(KIT.file, KIT.head, language)
    for value in (
        KIT.head.company,
        KIT.head.kit,
        KIT.head.digest,
        KIT.head.evidence_key,
        *KIT.head.contacts,
        *KIT.head.shares.holders,
        *KIT.head.shares.checks,
        *(one.location for one in KIT.head.repositories),
        *(one.identity for one in KIT.head.repositories),
        *(one.name for one in KIT.head.plans),
        "the safe",
        "secvault recovery start --kit kit.json",
    ):
        assert value.replace("+", "&#43;") in page.replace("+", "&#43;")
    for secret in (*SECRETS.roots, *(one.password for one in SECRETS.passwords)):
        assert secret not in page
    for share in KIT.words:
        assert " ".join(share.text().split()[3:6]) not in page
    assert not re.search(r"<script|(?:src|href)=|\{[a-z_]+\}", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdfs_are_made_of_a_kit_and_of_each_share(language: str) -> None:
    assert kit_pdf(KIT.file, KIT.head, language).startswith(b"%PDF-")
    sheet = share_pdf(KIT.words[0], KIT.head, language)
    assert sheet.startswith(b"%PDF-")
    # One page: a second would be mislaid.
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_kit_of_one_share_and_of_nothing_yet_has_pages_too(language: str) -> None:
    bare = made_kit(1, 1, repositories=(), plans=(), contacts=(), services=())
    assert bare.head.kit in kit_html(bare.file, bare.head, language)
    assert kit_pdf(bare.file, bare.head, language).startswith(b"%PDF-")
    assert share_pdf(bare.words[0], bare.head, language).startswith(b"%PDF-")


def test_what_a_kit_says_is_never_markup() -> None:
    nasty = "<b>#panic()</b> {company} \"'\\ $x$ *y*"
    kit = made_kit(2, 3, company=nasty, contacts=(nasty,), services=(nasty,))
    page = kit_html(kit.file, kit.head, "en")
    assert "<b>#panic" not in page
    assert "&lt;b&gt;#panic()&lt;/b&gt; {company}" in page
    assert kit_pdf(kit.file, kit.head, "en").startswith(b"%PDF-")
    assert share_pdf(kit.words[0], kit.head, "vi").startswith(b"%PDF-")


def test_both_languages_say_the_same_things() -> None:
    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {name: shape(one) for name, one in value.items()}
        if isinstance(value, list):
            return [shape(one) for one in value]
        # The same values stand in both.
        return sorted(re.findall(r"\{[a-z_]+\}", str(value)))

    english, vietnamese = words("en"), words("vi")
    assert shape(english) == shape(vietnamese)
    for one, other in zip(english["steps"], vietnamese["steps"], strict=True):
        assert one["commands"] == other["commands"]
        assert one["key"] == other["key"]


def test_the_codes_on_the_last_pages_are_the_kit() -> None:
    [drawn] = [part.drawn for part in pages_of(KIT.file, KIT.head, "en").sections if part.drawn]
    assert len(drawn) == len(codes.lines(KIT.file))
    assert all(svg.startswith("<svg ") for svg, _ in drawn)


def test_another_language_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must be one of en, vi"):
        kit_html(KIT.file, KIT.head, "fr")
