"""How an explanation looks at the terminal: may or may not, because, how to mend."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from secvault.cli import operations, show

_HEADS = {"may": "MAY", "may_not": "MAY NOT", "needs_approval": "MAY, WHEN OTHERS APPROVE"}
_VERDICTS = {
    "same": "The same answer again.",
    "differs": "ANOTHER ANSWER than was recorded:",
    "too_old": "Too old to be replayed.",
    "token_changed": "Cannot be replayed.",
}

_MENDS = {
    "step_up": "they show a second factor again: not older than {max_age} s",
    "use_network": "they do it from the network {network}",
    "name_ticket": "they name a ticket: secvault --ticket TICKET ...",
    "other_person": "somebody does it who did not make or change it",
    "meet_condition": "the condition {condition} must hold",
    "request": "give, or let them ask for, {role} in {department}",
    "wait_until": "wait until {moment}",
    "use_other_department": "do it in the department {department}",
    "reveal": "they may reveal it: secvault records reveal ... --reason REASON",
    "read_masked": "they may read the field masked",
    "leave_out_field": "leave {field} out; the rest is allowed",
    "use_other_token": "use a token of the system that is not limited so",
    "lift_deny": "take away {role} in {department}{by}, or the deny {rule}",
    "revoke_grant": "revoke the grant {grant}, which cannot be",
    "ask_for_approval": "{others} of {department} approve it: secvault --ask REASON ...",
    "enable_subject": "let {subject} in again",
    "correct_name": "write the {what} as it is{meant}",
    "ask_for_unsealing": "unseal the vault: secvault unseal",
    "try_again": "try again",
    "report": "report it: the program is at fault",
}

Lines = list[tuple[str, str]]
"""Headings with their texts; an empty heading continues the one before."""


def explained(document: Mapping[str, Any]) -> tuple[str, Lines]:
    """The title and the lines of an explanation, of `access_documents.explanation`."""
    asked = document["request"]
    on = f"{asked['object']}.{asked['field']}" if asked["field"] else asked["object"]
    title = f"{_HEADS[document['verdict']]}: {asked['name']}, {asked['action']} {on}"
    title = show.cell(f"{title}, department {asked['department']}")
    full = document.get("full")
    lines: Lines = [("At", document["at"])]
    if full is None:
        lines.append(("Because", document["reason"]["en"]))
    else:
        lines += _because(document, full)
    if full is None:
        lines += _under("Mend", [own_remedy(one) for one in document["remedies"]])
    else:
        lines += _under("Mend", _mends(document, full))
        lines.append(("They read", document["reason"]["en"]))
    if document["decision"]:
        lines.append(("Decision", document["decision"]))
    return title, lines


def replayed(document: Mapping[str, Any]) -> str:
    """What came of a replay, of `access_documents.replay`."""
    event = document["event"]
    what = f"{event['actor']}, {event['kind']} on {show.cell(event['resource'])}"
    lines = [
        _VERDICTS[document["verdict"]],
        f"decision {document['decision']}: {what}, {event['time']}",
    ]
    if document["why"]:
        lines.append(document["why"])
    if recorded := document["recorded"]:
        rule = f" by rule {recorded['rule']}" if recorded["rule"] else ""
        lines.append(
            f"recorded: {'allowed' if recorded['allowed'] else 'refused'}, "
            f"{recorded['kind']}{rule}, policy {recorded['policy'][:16]}"
        )
    lines += [
        f"{one['what']}: recorded {one['recorded'] or '-'}, now {one['again'] or '-'}"
        for one in document["differences"]
    ]
    return "\n".join(lines)


def terms(when: Sequence[str], unless: Sequence[str]) -> str:
    """Conditions, as an administrator reads them."""
    parts = [f"only if {' or '.join(when)}"] if when else []
    parts += [f"not if {' or '.join(unless)}"] if unless else []
    return "; ".join(parts) or "always"


def remedy(one: Mapping[str, Any]) -> str:
    """What would mend a no, as whoever looks after others reads it; see `access.remedies`."""
    count = one.get("people", 1)
    words = {
        **one,
        "by": f" (grant {one['grant']})" if "grant" in one else "",
        "others": "one other person" if count == 1 else f"{count} other people",
        "meant": f"; {one['nearest']} was perhaps meant" if "nearest" in one else "",
    }
    return _MENDS[one["type"]].format_map(words)


def own_remedy(one: Mapping[str, Any]) -> str:
    """What one can do oneself, in the words of `access.remedies`."""
    facts = {name: value for name, value in one.items() if name != "type"}
    return operations.remedies.Remedy(one["type"], facts).text()


def grouped(rows: Sequence[Mapping[str, Any]], departments: int) -> list[dict[str, Any]]:
    """Entitlements that differ in the action or the department only, each put in one row."""
    by_actions: dict[tuple[str, ...], list[str]] = {}
    first: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in rows:
        of_what = tuple(
            show.cell(row[name])
            for name in ("department", "objects", "shown_fields", "path", "grant", "terms", "until")
        )
        by_actions.setdefault(of_what, []).append(row["action"])
        first.setdefault(of_what, row)
    everywhere: dict[tuple[str, ...], list[str]] = {}
    for (department, *others), actions in by_actions.items():
        everywhere.setdefault((*others, *actions), []).append(department)
    made: list[dict[str, Any]] = []
    done: set[tuple[str, ...]] = set()
    for of_what, actions in by_actions.items():
        key = (*of_what[1:], *actions)
        if key not in done:
            done.add(key)
            where = everywhere[key]
            shown = "every" if len(where) == departments and departments > 1 else where
            made.append({**first[of_what], "department": shown, "action": actions})
    return made


def show_panel(title: str, lines: Lines, *, good: bool) -> None:
    """Print it: framed for a person, plain lines for a file or a pipe."""
    if not sys.stdout.isatty():
        show.out(title)
        for heading, text in lines:
            show.out(f"  {heading:<10}{show.cell(text)}".rstrip())
        return
    from rich.console import Console  # noqa: PLC0415 - not loaded for --json
    from rich.panel import Panel  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    inside = Table.grid(padding=(0, 2))
    for heading, text in lines:
        inside.add_row(Text(heading, style="bold"), Text(show.cell(text)))
    colour = "green" if good else "red"
    Console(file=sys.stdout).print(
        Panel(inside, title=Text(title), title_align="left", border_style=colour)
    )


def _because(document: Mapping[str, Any], full: Mapping[str, Any]) -> Lines:
    lines: Lines = [("Because", f"{document['kind']}: {full['reason']}")]
    condition = full["decisive"]["condition"]
    if condition and condition["name"] != "always":
        lines.append(("Condition", _condition(condition)))
    lines += _under("Rules", [_rule(one) for one in full["matched"]])
    if event := full["event"]:
        ended = f"{event['outcome']}, {event['reason']}" if event["reason"] else event["outcome"]
        lines.append(("Ended", f"{ended} (audit entry {event['seq']})"))
    return lines


def _mends(document: Mapping[str, Any], full: Mapping[str, Any]) -> list[str]:
    """One line for each single change that would do: with all that it takes, and the rule."""
    near = full["near_misses"]
    said = [step for one in near for step in one["remedies"]]
    return [
        *(remedy(one) for one in document["remedies"] if one not in said),
        *(
            ", and ".join(remedy(step) for step in one["remedies"])
            + (f" (rule {one['rule']})" if one["rule"] else "")
            for one in near
        ),
    ]


def _rule(one: Mapping[str, Any]) -> str:
    grant = one["grant"]
    given = ""
    if grant:
        until = f"until {grant['expires_at']}" if grant["expires_at"] else "without end"
        given = f", grant {grant['id']} by {grant['granted_by_name']}, {until}"
    fired = "" if one["fired"] else f", does not count: {_condition(one['condition'])}"
    return f"{one['effect']} {one['rule']} by {' > '.join(one['path'])}{given}{fired}"


def _condition(one: Mapping[str, Any]) -> str:
    def values(found: Mapping[str, Any]) -> str:
        return ", ".join(
            f"{name} {'unknown' if value is None else show.cell(value)}"
            for name, value in found.items()
        )

    needed, actual = values(one["needed"]), values(one["actual"])
    said = f"; needed {needed}, was {actual}" if needed or actual else ""
    return f"{one['name']} {one['outcome']}{said}"


def _under(heading: str, texts: Sequence[str]) -> Lines:
    return [(heading if at == 0 else "", text) for at, text in enumerate(texts)]
