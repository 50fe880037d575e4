"""What keeps somebody from using a page, as a browser sees it: found by axe-core, and by Tab.

All of it is done in a world of its own beside the page's scripts, so that the page's content
policy stays in force for all that is the page's.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page

ROOT = Path(__file__).parents[2]
TAGS = (
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"),
    # Habits that no criterion asks for, such as headings in order and landmarks.
    "best-practice",
)
_RUN = f"""axe.run(document, {{
  runOnly: {json.dumps(TAGS)}, resultTypes: ['violations'],
  rules: {{'target-size': {{enabled: true}}}},
}}).then(found => found.violations.map(one => ({{
  id: one.id, impact: one.impact, help: one.help,
  nodes: one.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' | ' +
    [...node.any, ...node.all, ...node.none].map(check => check.message).join('; ').slice(0, 200)),
}})))"""
# The focus of something within view, and with an outline or the like around it.
_WATCH = """globalThis.walked = [];
document.addEventListener('focusin', ({target}) => {
  const style = getComputedStyle(target), box = target.getBoundingClientRect();
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const inside = box.width > 0 && box.height > 0 && box.right > 0 && box.left < innerWidth;
  globalThis.walked.push({target, seen: outlined && inside});
}, true);
globalThis.able = [...document.querySelectorAll(
  'a[href], button, input, select, textarea, summary, [tabindex], [contenteditable]'
)].filter(one => !one.disabled && one.type !== 'hidden' && one.tabIndex >= 0
  && one.checkVisibility({visibilityProperty: true})); 0"""
# A field of a date takes Tab more than once, which is not told; so it goes on until it comes again.
_IS_ROUND = "walked.length > 1 && walked.slice(1).some(one => one.target === walked[0].target)"
TURN, MOST_TURNS = 20, 30
_WALKED = """(() => {
  const name = one => one.outerHTML.slice(0, 120).replaceAll('\\n', ' ');
  const reached = new Set(walked.map(({target}) => target));
  const alike = (one, other) => one.type === 'radio' && other.type === 'radio'
    && one.name === other.name && one.form === other.form;
  return [
    ...able.filter(one => !reached.has(one) && ![...reached].some(other => alike(one, other)))
      .map(one => 'is not reached by Tab: ' + name(one)),
    ...walked.filter(({seen}) => !seen).map(({target}) => 'has no visible focus: ' + name(target)),
    ...able.filter(one => one.tabIndex > 0).map(one => 'has a place of its own: ' + name(one)),
  ];
})()"""


@dataclass(frozen=True)
class World:
    """A world beside the scripts of the page that is open now."""

    session: CDPSession
    context: int

    def say(self, expression: str) -> Any:
        """What an expression comes to, as JSON; a promise is waited for."""
        answer = self.session.send(
            "Runtime.evaluate",
            {
                "expression": expression,
                "contextId": self.context,
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


def beside(session: CDPSession) -> World:
    """A new world in what the session's page shows."""
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    made = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "watching"})
    return World(session, made["executionContextId"])


def found_by_axe(world: World) -> list[str]:
    """What axe-core finds wrong, the worst and the least."""
    world.say(f"{_axe()}; 0")
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node}"
        for one in world.say(_RUN)
        for node in one["nodes"]
    ]


def found_by_tab(page: Page, world: World) -> list[str]:
    """What Tab does not reach, and where one does not see that it has."""
    world.say(_WATCH)
    for _ in range(MOST_TURNS):
        for _ in range(TURN):
            page.keyboard.press("Tab")
        if world.say(_IS_ROUND):
            break
    return [str(one) for one in world.say(_WALKED)]


@cache
def _axe() -> str:
    path = subprocess.run(
        [ROOT / "scripts" / "axe"], check=True, capture_output=True, text=True, timeout=900
    )
    return Path(path.stdout.strip()).read_text("utf-8")
