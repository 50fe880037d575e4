"""Casbin's CSV policies as rows of `roles.csv`: what can be said there, and a list of what cannot.

Understood is RBAC with or without domains: requests `sub, dom, obj, act` compared for equality, one
`g`, and one of two effects. Nothing else is guessed at, and nothing is left out in silence: every
line either becomes a row, a grant to be given by hand, or a problem with its number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigFault
from dataclasses import dataclass, field
from dataclasses import replace as replaced

from secvault.access import lint
from secvault.access.lint import Faults
from secvault.access.rows import Link, Rule
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTIONS,
    DEPARTMENTS,
    FieldClasses,
)
from secvault.errors import FieldError, InvalidInput

_EFFECTS = {
    "some(where(p.eft==allow))": False,
    "some(where(p.eft==allow))&&!some(where(p.eft==deny))": True,
}
_MATCHES = {
    "g(r.sub,p.sub,r.dom)",
    "g(r.sub,p.sub)",
    "r.dom==p.dom",
    "r.obj==p.obj",
    "r.act==p.act",
}
_SECTIONS = {
    "request_definition": "r",
    "policy_definition": "p",
    "role_definition": "g",
    "policy_effect": "e",
    "matchers": "m",
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Words:
    """What their words are called here: theirs to ours. department: of a model without domains."""

    actions: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    departments: Mapping[str, str] = field(default_factory=dict)
    department: str = ""


@dataclass(frozen=True)
class Imported:
    """rows: lines for `roles.csv`, without its header. grants: subject, role and department, to be
    given by `secvault grants add`: who holds what is no part of a policy here. problems: what
    cannot be said here, with the place that says it.
    """

    rows: tuple[str, ...]
    grants: tuple[tuple[str, str, str], ...]
    problems: tuple[FieldError, ...]


@dataclass(frozen=True)
class _Model:
    columns: tuple[str, ...]
    domains: bool
    denies: bool


def import_casbin(
    model: str,
    policy: str,
    words: Words,
    fields: FieldClasses,
    collections: Mapping[str, str] = COLLECTIONS,
) -> Imported:
    """Read a model and a policy of Casbin. Raises InvalidInput for a model of another kind."""
    shape = _read_model(model)
    faults = Faults("policy")
    rows = list(_rows(policy, faults))
    roles = {row[2] for _, row in rows if row[0] == "g" and len(row) > 2}
    rules: list[Rule] = []
    links: list[Link] = []
    grants: list[tuple[str, str, str]] = []
    # Who stands in a g row and is no role there is somebody who holds one.
    holders = {row[1] for _, row in rows if row[0] == "g" and len(row) > 1} - roles
    for line, row in rows:
        if row[0] == "p":
            _add_rule(line, row[1:], shape, words, holders, rules, faults)
        elif row[0] == "g":
            _add_link(line, row[1:], shape, words, holders, links, grants, faults)
        else:
            faults.add(line, f"begins with {row[0]!r}: only p and g rows can be taken over")
    kept = _kept(rules, links, fields, collections, faults)
    texts = [",".join(("p", r.sub, r.dom, r.obj, r.fld, r.act, r.cond, r.eft, r.id)) for r in kept]
    texts += [f"g,{one.member},{one.role},{one.department}" for one in links]
    return Imported(tuple(texts), tuple(grants), tuple(faults.found))


def _read_model(text: str) -> _Model:
    parser = ConfigParser(
        delimiters=("=",), comment_prefixes=("#",), interpolation=None, strict=True
    )
    try:
        parser.read_string(text)
    except ConfigFault as error:
        raise InvalidInput.at("model", f"is no model of Casbin: {error.message}") from None
    found: dict[str, str] = {}
    for section in parser.sections():
        key = _SECTIONS.get(section)
        if key is None:
            raise InvalidInput.at("model", f"[{section}] cannot be taken over")
        if dict(parser[section]).keys() != {key}:
            raise InvalidInput.at("model", f"[{section}] must hold exactly one `{key} = ...`")
        found[key] = re.sub(r"\s+", "", parser[section][key])
    for section, key in _SECTIONS.items():
        if key not in found and key != "g":
            raise InvalidInput.at("model", f"[{section}] is missing")
    return _shape(found)


def _shape(found: Mapping[str, str]) -> _Model:
    asked = tuple(found["r"].split(","))
    domains = "dom" in asked
    known = {"sub", "obj", "act"} | ({"dom"} if domains else set())
    columns = tuple(found["p"].split(","))
    if set(asked) != known or len(asked) != len(known):
        raise InvalidInput.at("model", "the request must be sub, dom, obj, act, or without dom")
    if set(columns) - {"eft"} != known or len(columns) != len(set(columns)):
        raise InvalidInput.at("model", "the policy must have the request's columns, and may eft")
    if found.get("g", "_,_,_" if domains else "_,_") != ("_,_,_" if domains else "_,_"):
        raise InvalidInput.at("model", "g must be `_, _, _` with domains, `_, _` without")
    if found["e"] not in _EFFECTS:
        raise InvalidInput.at(
            "model", "the effect must be that something allows, and may be that nothing denies"
        )
    parts = set(found["m"].split("&&"))
    who = ("g(r.sub,p.sub,r.dom)" if domains else "g(r.sub,p.sub)") if "g" in found else ""
    wanted = {"r.obj==p.obj", "r.act==p.act", who} | ({"r.dom==p.dom"} if domains else set())
    if parts != wanted:
        raise InvalidInput.at(
            "model", f"the matcher must be exactly {' && '.join(sorted(filter(None, wanted)))}"
        )
    return _Model(columns, domains, _EFFECTS[found["e"]])


def _rows(text: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    for line, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        try:
            cells = next(csv.reader([raw], strict=True, skipinitialspace=True))
        except csv.Error as error:
            faults.add(line, f"is not proper CSV ({error})")
            continue
        row = [cell.strip() for cell in cells]
        if not all(cell and cell.isprintable() for cell in row):
            faults.add(line, "has an empty cell or control characters")
            continue
        yield line, row


def _add_rule(
    line: int,
    cells: list[str],
    shape: _Model,
    words: Words,
    holders: set[str],
    rules: list[Rule],
    faults: Faults,
) -> None:
    if len(cells) == len(shape.columns) - 1 and "eft" in shape.columns[-1:]:
        cells = [*cells, "allow"]
    if len(cells) != len(shape.columns):
        faults.add(line, f"has {len(cells)} values; the model has {', '.join(shape.columns)}")
        return
    said = dict(zip(shape.columns, cells, strict=True))
    effect = said.get("eft", "allow")
    if effect not in ("allow", "deny"):
        faults.add(line, f"eft {effect!r} is neither allow nor deny, so it has no effect there")
        return
    if effect == "deny" and not shape.denies:
        faults.add(line, "denies, which has no effect in this model; here it would have one")
        return
    if said["sub"] in holders:
        faults.add(line, f"gives a right to {said['sub']} itself; give it to a role that they hold")
        return
    where = _department(line, said.get("dom"), words, faults)
    act = words.actions.get(said["act"], said["act"])
    if act not in ACTIONS:
        faults.add(line, f"act {said['act']!r}: say which action this is, as --action NAME=ACTION")
        return
    if said["obj"] == ALL:
        faults.add(line, "obj '*' is only a name in this model, and every object here")
        return
    role = _role(line, said["sub"], where, faults)
    if where and role:
        name = words.objects.get(said["obj"], said["obj"])
        rule = Rule(role, where, name, ALL, act, "always", effect, f"imported-{line}", line)
        twin = next((one for one in rules if _says(one) == _says(rule)), None)
        if twin is not None:
            faults.add(line, f"says the same as line {twin.line}; it is taken over once")
        else:
            rules.append(rule)


def _says(rule: Rule) -> Rule:
    return replaced(rule, id="", line=0)


def _add_link(
    line: int,
    cells: list[str],
    shape: _Model,
    words: Words,
    holders: set[str],
    links: list[Link],
    grants: list[tuple[str, str, str]],
    faults: Faults,
) -> None:
    if len(cells) != (3 if shape.domains else 2):
        faults.add(line, f"has {len(cells)} values; a g row has {3 if shape.domains else 2}")
        return
    where = _department(line, cells[2] if shape.domains else None, words, faults)
    role = _role(line, cells[1], where, faults)
    if not where or not role:
        return
    if cells[0] in holders:
        name = cells[0]
        who = name if name.startswith(("user:", "svc:")) else f"user:{name}"
        grants.append((who, role, where))
        return
    member = _role(line, cells[0], where, faults)
    if member:
        links.append(Link(member, role, where, line))


def _department(line: int, said: str | None, words: Words, faults: Faults) -> str:
    where = words.department if said is None else words.departments.get(said, said)
    if where not in DEPARTMENTS:
        how = "--department DOMAIN=NAME" if said is not None else "--in NAME"
        faults.add(line, f"domain {said!r}: say which department this is, as {how}")
        return ""
    return where


def _role(line: int, said: str, where: str, faults: Faults) -> str:
    name = said.removeprefix("role:").removeprefix(f"{where}.") if where else said
    if not _NAME.fullmatch(name):
        faults.add(line, f"{said!r} cannot be the name of a role: a-z, 0-9 and _, a letter first")
        return ""
    return f"role:{where}.{name}" if where else ""


def _kept(
    rules: list[Rule],
    links: list[Link],
    fields: FieldClasses,
    collections: Mapping[str, str],
    faults: Faults,
) -> list[Rule]:
    """The rules that are sound here; those that are not become problems."""
    kept = []
    for rule in rules:
        own = Faults("policy")
        lint.check_rule(rule, fields, collections, own)
        faults.found += own.found
        if not own.found:
            kept.append(rule)
    for link in list(links):
        own = Faults("policy")
        lint.check_link(link, own)
        faults.found += own.found
        if own.found:
            links.remove(link)
    return kept
