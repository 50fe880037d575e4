"""The reviewed policy files: `model.conf` and `roles.csv`, read strictly or not at all.

A row that Casbin would drop, misread or stumble over later is refused here, with its line.
Rows are `p,sub,dom,obj,fld,act,cond,eft,id` for what a role may (or, with `deny`, never may) do,
`g,<role>,<inherited role>,<department>` for inheritance, and `g,<local subject>,<role>,*` for the
server's own command line and jobs. Blank lines and lines beginning with `#` are remarks.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

from secvault.access import lint
from secvault.access.conditions import looks_at_object
from secvault.access.lint import Faults
from secvault.access.matcher import parse_matcher
from secvault.access.rows import Link, Rule
from secvault.access.vocabulary import CLASSES, COLLECTIONS, DEPARTMENTS, FieldClasses
from secvault.errors import ConfigurationError

HEADER = ["ptype", "sub", "dom", "obj", "fld", "act", "cond", "eft", "id"]
# What the code relies on, word for word; a second definition (p2, e2) would not be evaluated.
_DEFINITIONS = {
    "request_definition": {"r": "sub, dom, obj, fld, act, ctx"},
    "policy_definition": {"p": "sub, dom, obj, fld, act, cond, eft, id"},
    "role_definition": {"g": "_, _, _"},
    "policy_effect": {"e": "some(where (p.eft == allow)) && !some(where (p.eft == deny))"},
}


@dataclass(frozen=True)
class Rules:
    """A policy that passed every check. digest: SHA-256 in hex of all that decisions rest on.

    links: inheritance between roles, and the roles of the local subjects.
    """

    model: str
    matcher: ast.expr
    rules: tuple[Rule, ...]
    links: tuple[Link, ...]
    fields: FieldClasses
    collections: Mapping[str, str]
    digest: str

    @cached_property
    def role_of(self) -> Mapping[str, str]:
        """The role that each rule is of, by the rule's id."""
        return {rule.id: rule.sub for rule in self.rules}

    @cached_property
    def roles(self) -> frozenset[str]:
        """Every role that the policy knows."""
        named = {rule.sub for rule in self.rules} | {link.role for link in self.links}
        return frozenset(named | {one.member for one in self.links if one.between_roles})

    @cached_property
    def about_objects(self) -> frozenset[str]:
        """The actions of which a rule looks at the object; `*` among them when one is of all."""
        return frozenset(rule.act for rule in self.rules if looks_at_object(rule.cond))


def load_rules(
    folder: Path, fields: FieldClasses, collections: Mapping[str, str] = COLLECTIONS
) -> Rules:
    """Read `model.conf` and `roles.csv` in `folder`.

    fields: the class of every field. collections: the department of every collection.
    Raises ConfigurationError that names file, line and mend of every fault.
    """
    return parse_rules(
        read_text(folder / "model.conf"), read_text(folder / "roles.csv"), fields, collections
    )


def parse_rules(
    model: str, roles: str, fields: FieldClasses, collections: Mapping[str, str] = COLLECTIONS
) -> Rules:
    """The same from the text of the two files."""
    check_model(model)
    parse_matcher(model)
    check_fields(fields, collections)
    faults = Faults("roles.csv")
    rules, links = _parse_rows(roles, faults)
    for rule in rules:
        lint.check_rule(rule, fields, collections, faults)
    for link in links:
        lint.check_link(link, faults)
    lint.check_whole(rules, links, faults)
    faults.raise_if_any()
    return assemble(model, rules, links, fields, collections)


def assemble(
    model: str,
    rules: tuple[Rule, ...],
    links: tuple[Link, ...],
    fields: FieldClasses,
    collections: Mapping[str, str] = COLLECTIONS,
) -> Rules:
    """Put checked parts together under their digest."""
    content = [
        model,
        [list(astuple(rule))[:-1] for rule in rules],
        [[link.member, link.role, link.department] for link in links],
        {name: dict(sorted(classes.items())) for name, classes in sorted(fields.items())},
        dict(sorted(collections.items())),
    ]
    digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    return Rules(model, parse_matcher(model), rules, links, fields, collections, digest)


def check_model(text: str) -> None:
    """Return when the sections of `text` are those that this program knows.

    Raises ConfigurationError; see `matcher.parse_matcher` for the matcher itself.
    """
    sections: dict[str, dict[str, str]] = {}
    section = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if heading := re.fullmatch(r"\[([a-z_]+)\]", line):
            section = heading[1]
            sections.setdefault(section, {})
            continue
        key, equals, value = line.partition("=")
        if not section or not equals or key.strip() in sections[section]:
            raise ConfigurationError(
                f"model.conf line {number}: write `key = value` once, under a [section]"
            )
        sections[section][key.strip()] = value.strip()
    matchers = sections.pop("matchers", {})
    for name, expected in _DEFINITIONS.items():
        if sections.pop(name, None) != expected:
            key, value = next(iter(expected.items()))
            raise ConfigurationError(f"model.conf: [{name}] must hold exactly `{key} = {value}`")
    if sections or list(matchers) != ["m"]:
        raise ConfigurationError(
            "model.conf: keep one [matchers] section with one `m = ...`, and no other sections"
        )


def check_fields(fields: FieldClasses, collections: Mapping[str, str]) -> None:
    """Return when all names in the two mappings are known. Raises ConfigurationError."""
    for collection, department in collections.items():
        if department not in DEPARTMENTS:
            raise ConfigurationError(f"collection {collection}: no department {department!r}")
    for collection, classes in fields.items():
        if collection not in collections:
            raise ConfigurationError(f"collection {collection}: belongs to no department")
        for field, known in classes.items():
            if known not in CLASSES:
                raise ConfigurationError(
                    f"collection {collection}, field {field}: class {known!r} is not one of "
                    f"{', '.join(CLASSES)}"
                )
            if field == "*" or ":" in field or not field:
                raise ConfigurationError(f"collection {collection}: no field can be {field!r}")


def read_text(file: Path) -> str:
    """The text of a policy file. Raises ConfigurationError that names it."""
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file}: is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error


def _parse_rows(text: str, faults: Faults) -> tuple[tuple[Rule, ...], tuple[Link, ...]]:
    rules: list[Rule] = []
    links: list[Link] = []
    rows = _rows(text, faults)
    line, header = next(rows, (1, []))
    if header != HEADER:
        faults.add(line, f"the first row must be {','.join(HEADER)}")
        return (), ()
    for line, row in rows:
        if row[0] == "p" and len(row) == len(HEADER):
            sub, dom, obj, fld, act, cond, eft, name = row[1:]
            rules.append(Rule(sub, dom, obj, fld, act, cond, eft, name, line))
        elif row[0] == "g" and len(row) == 4:
            links.append(Link(row[1], row[2], row[3], line))
        elif row[0] in ("p", "g"):
            wanted = len(HEADER) if row[0] == "p" else 4
            faults.add(line, f"has {len(row)} columns; a {row[0]} row has {wanted}")
        else:
            faults.add(line, f"begins with {row[0]!r}; rows begin with p or g")
    return tuple(rules), tuple(links)


def _rows(text: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    # Line by line: an unbalanced quote must not swallow the rows (the denies) that follow it.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            row = next(csv.reader([line], strict=True))
        except csv.Error as error:
            faults.add(number, f'is not proper CSV ({error}); quote cells with "..." in pairs')
            continue
        if any(cell != cell.strip() or not cell.isprintable() or not cell for cell in row):
            faults.add(number, "has an empty cell, or blanks or control characters around a value")
            continue
        yield number, row
