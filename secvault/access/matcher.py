"""The matcher of `model.conf`, parsed once for all the decisions to come.

Casbin parses the matcher anew for each decision, and in Python 3.11 two threads that parse at the
same moment can fail with a SystemError. Parsing when the policy is loaded avoids both.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Literal

import casbin
from casbin.util import SimpleEval

from secvault.errors import ConfigurationError

EngineName = Literal["table", "casbin", "verify"]
"""Who answers: the compiled table; Casbin; or both, and nobody when they differ."""

FUNCTIONS = frozenset({"fieldMatch", "condHolds", "g"})
# What the compiled tables answer; the shipped file says the same.
_UNDERSTOOD = """
(p_act == "*" or r_act == p_act)
and (p_dom == "*" or r_dom == p_dom)
and (p_obj == "*" or r_obj == p_obj)
and fieldMatch(r_obj, r_fld, p_fld, p_eft)
and (g(r_sub, p_sub, r_dom) or g(r_sub, p_sub, "*"))
and condHolds(p_cond, p_eft, r_ctx)
"""


def parse_matcher(model: str) -> ast.expr:
    """Return the parsed matcher. model: the text of `model.conf`, its sections checked.

    Raises ConfigurationError when it is no expression, or uses anything but the columns of
    request and rule and the three functions that this program gives it.
    """
    parts = casbin.Enforcer.new_model(text=model)
    try:
        evaluator = casbin.Enforcer._get_expression(parts["m"]["m"].value)  # noqa: SLF001
    except (SyntaxError, IndexError, AttributeError, TypeError) as error:
        raise ConfigurationError("model.conf: the matcher is not an expression") from error
    parsed: ast.expr = evaluator.ast_parsed_value
    columns = {*parts["r"]["r"].tokens, *parts["p"]["p"].tokens}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Name) and node.id not in columns | FUNCTIONS:
            raise ConfigurationError(
                f"model.conf: the matcher may only use the columns and "
                f"{', '.join(sorted(FUNCTIONS))}, not {node.id}"
            )
        if isinstance(node, ast.Attribute):
            raise ConfigurationError(f"model.conf: the matcher may not use .{node.attr}")
    return parsed


def answering(matcher: ast.expr, engine: EngineName) -> EngineName:
    """Who answers with this matcher when `engine` is asked for: Casbin, unless it is understood."""
    return engine if is_understood(matcher) else "casbin"


def is_understood(matcher: ast.expr) -> bool:
    """Whether the matcher says what the compiled tables answer, but for the order of its parts."""
    return _orderless(matcher) == _orderless(ast.parse(f"({_UNDERSTOOD})", mode="eval").body)


def _orderless(node: ast.expr) -> object:
    if not isinstance(node, ast.BoolOp):
        return ast.dump(node)
    return type(node.op).__name__, frozenset(_orderless(part) for part in node.values)


class ParsedOnce(casbin.Enforcer):  # type: ignore[misc]
    """Casbin's enforcer, with a matcher that is parsed already."""

    def __init__(self, model: Any, matcher: ast.expr) -> None:
        super().__init__(model)
        self._matcher = matcher

    def _get_expression(
        self, expr: str, functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> SimpleEval:
        evaluator = SimpleEval("", functions)
        evaluator.expr = expr
        evaluator.ast_parsed_value = self._matcher
        return evaluator
