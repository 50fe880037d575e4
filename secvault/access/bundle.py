"""A policy as it is published: the texts of its files, whole, under one digest.

Names are those of the policies folder, with `/` between the parts. Nothing else is in a bundle, so
that two bundles with one digest are the same policy to the letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.errors import ConfigurationError, Damaged, FieldError

MODEL, ROLES, OBLIGATIONS = "model.conf", "roles.csv", "obligations.toml"
REQUIRED = (MODEL, ROLES, OBLIGATIONS)
COLLECTIONS, TESTS = "collections", "tests"
SEPARATION, NAMES = "separation.toml", "authzen.toml"
OPTIONAL = frozenset({SEPARATION, NAMES})
"""Files that a policy may have beside the required ones."""
FOLDERS = (COLLECTIONS, TESTS)
"""Folders that hold `*.toml` files; there must be a collection, there may be tests."""

LARGEST_FILE = 1 << 20
"""Bytes of one file, in UTF-8."""
LARGEST_BUNDLE = 4 << 20
MOST_FILES = 200

_IN_FOLDER = re.compile(rf"(?:{'|'.join(FOLDERS)})/[a-z0-9][a-z0-9_-]{{0,62}}\.toml")
_OF_POLICIES = frozenset({".conf", ".csv", ".toml"})
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Bundle:
    """The files of a policy, name to text, in the order of their names. Make it by `bundle_of`."""

    files: Mapping[str, str]

    @cached_property
    def body(self) -> bytes:
        """The canonical JSON (`crypto.canonical`) of names and texts, as it is stored."""
        return canonical_json(dict(self.files))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    def inside(self, folder: str) -> Mapping[str, str]:
        """The files of one of the folders, by their whole names."""
        return {name: it for name, it in self.files.items() if name.startswith(f"{folder}/")}


def bundle_of(files: Mapping[str, str]) -> Bundle:
    """The bundle of these texts. Raises ConfigurationError with every name and size at fault.

    Only the names are looked at here; what the files say is looked at by whoever parses them.
    """
    faults = [
        FieldError(name[:80], "is no file of a policy; there are " + _known())
        for name in sorted(files)
        if not _is_name(name)
    ]
    faults += [FieldError(name, "is missing") for name in REQUIRED if name not in files]
    if not any(name.startswith(f"{COLLECTIONS}/") for name in files):
        faults.append(FieldError(COLLECTIONS, "holds no *.toml file; add one per department"))
    sizes = {name: len(text.encode(errors="replace")) for name, text in files.items()}
    faults += [
        FieldError(name, f"is larger than {LARGEST_FILE} bytes")
        for name, size in sorted(sizes.items())
        if size > LARGEST_FILE
    ]
    if len(files) > MOST_FILES or sum(sizes.values()) > LARGEST_BUNDLE:
        most = f"{MOST_FILES} files and {LARGEST_BUNDLE} bytes"
        faults.append(FieldError("policy", f"takes {most} at most"))
    faults += [
        FieldError(name, "is not Unicode text; save it as UTF-8")
        for name, text in sorted(files.items())
        if _SURROGATE.search(text)
    ]
    _raise_if_any(faults)
    return Bundle(MappingProxyType(dict(sorted(files.items()))))


def read_folder(folder: Path) -> Bundle:
    """The bundle of a policies folder.

    Hidden files and those that look like no file of a policy (a README, say) are passed over; one
    that does and has no meaning, such as a misspelt `separtion.toml`, is a fault. Raises
    ConfigurationError that names every fault.
    """
    files: dict[str, str] = {}
    faults: list[FieldError] = []
    for file in _listed(folder):
        name = file.relative_to(folder).as_posix()
        if file.suffix not in _OF_POLICIES or any(one.startswith(".") for one in name.split("/")):
            continue
        if not _is_name(name):
            faults.append(FieldError(str(file), "is no file of a policy; there are " + _known()))
            continue
        try:
            if file.stat().st_size > LARGEST_FILE:
                faults.append(FieldError(str(file), f"is larger than {LARGEST_FILE} bytes"))
                continue
            files[name] = file.read_bytes().decode()
        except OSError as error:
            faults.append(FieldError(str(file), f"cannot be read ({error.strerror})"))
        except UnicodeDecodeError as error:
            faults.append(FieldError(str(file), f"is not UTF-8 at byte {error.start}"))
    lost = {fault.field for fault in faults}
    faults += [
        FieldError(str(folder / name), "is missing")
        for name in REQUIRED
        if name not in files and str(folder / name) not in lost
    ]
    _raise_if_any(faults)
    return bundle_of(files)


def stored_bundle(body: bytes, digest: str) -> Bundle:
    """The bundle that was stored. Raises Damaged when it is not the one of this digest."""
    if hashlib.sha256(body).hexdigest() != digest:
        raise Damaged("a published policy is damaged: it does not have its digest")
    files = parse_canonical(body, "A published policy")
    if not isinstance(files, dict):
        raise Damaged("a published policy is damaged: it holds no files")
    texts = {name: text for name, text in files.items() if isinstance(text, str)}
    if len(texts) != len(files):
        raise Damaged("a published policy is damaged: a file is no text")
    return Bundle(MappingProxyType(texts))


def changed_files(before: Bundle, after: Bundle) -> Mapping[str, str]:
    """Name to `added`, `removed` or `changed`, for every file that is not the same in both."""
    return {
        name: "added"
        if name not in before.files
        else "removed"
        if name not in after.files
        else "changed"
        for name in sorted({*before.files, *after.files})
        if before.files.get(name) != after.files.get(name)
    }


def _is_name(name: str) -> bool:
    return name in REQUIRED or name in OPTIONAL or _IN_FOLDER.fullmatch(name) is not None


def _known() -> str:
    folders = [f"{folder}/<name>.toml" for folder in FOLDERS]
    return ", ".join([*REQUIRED, *sorted(OPTIONAL), *folders])


def _listed(folder: Path) -> Iterable[Path]:
    try:
        found = sorted(folder.iterdir())
        for inside in FOLDERS:
            if (folder / inside).is_dir():
                found += sorted((folder / inside).iterdir())
    except OSError as error:
        fault = FieldError(str(folder), f"cannot be listed ({error.strerror})")
        raise ConfigurationError(f"{fault.field}: {fault.detail}", fields=(fault,)) from error
    return [file for file in found if not file.is_dir()]


def _raise_if_any(faults: list[FieldError]) -> None:
    if faults:
        listed = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults[:10])
        raise ConfigurationError(listed, fields=tuple(faults))
