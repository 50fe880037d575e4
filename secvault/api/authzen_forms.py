"""What AuthZEN requests and answers look like (Authorization API 1.0, sections 5 to 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secvault.errors import InvalidInput
from secvault.service.authzen import Answer, Evaluation, Found, Page, Thing
from secvault.service.authzen.asked import LONGEST, MOST_EVALUATIONS, NOTHING
from secvault.service.authzen.page import MOST, USUAL

STEP_UP = "urn:secvault:acr:second-factor"
"""What `acr_values` says when nothing is missing but a fresh second factor."""

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Object = dict[str, Any]
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "subject": ("type", "id"),
    "action": ("name",),
    "resource": ("type", "id"),
}


class _Asked(BaseModel):
    # Unknown members are ignored, so that later versions of the API can be spoken to.
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class Sort(_Asked):
    """Which type is searched for; an `id` is ignored."""

    type: Text = Field(examples=["user"])
    properties: Object | None = None

    def thing(self) -> Thing:
        """The same without an id."""
        return Thing(self.type, "", self.properties or NOTHING)


class Entity(_Asked):
    """A subject or a resource."""

    type: Text = Field(examples=["user", "record"])
    id: Text = Field(examples=["lan.nguyen", "payroll/pay-19"])
    properties: Object | None = None

    def thing(self) -> Thing:
        """What operations take."""
        return Thing(self.type, self.id, self.properties or NOTHING)


class Action(_Asked):
    """What is to be done."""

    name: Text = Field(examples=["record.read"])
    properties: Object | None = None


class PageWanted(_Asked):
    """Which part of the results. token: `next_token` of the part before."""

    token: str | None = None
    limit: int | None = Field(
        None, ge=0, description=f"Results at most; {USUAL} when left out, {MOST} in any case."
    )

    def page(self) -> Page:
        """What operations take."""
        return Page(self.token or "", self.limit)


class EvaluationAsked(_Asked):
    """May the subject do the action to the resource?"""

    subject: Entity
    action: Action
    resource: Entity
    context: Object | None = None

    def asked(self) -> Evaluation:
        """What operations take."""
        return Evaluation(
            self.subject.thing(), self.action.name, self.resource.thing(), self.context or NOTHING
        )


class Options(_Asked):
    """When to end."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )


class EvaluationsAsked(_Asked):
    """Several questions. What one leaves out is taken from beside `evaluations`."""

    subject: Object | None = None
    action: Object | None = None
    resource: Object | None = None
    context: Object | None = None
    evaluations: list[Object] | None = Field(None, max_length=MOST_EVALUATIONS)
    options: Options | None = None

    def single(self) -> Evaluation:
        """The one question that is asked without a list. Raises InvalidInput."""
        return _evaluation({}, self.model_dump(include={*_REQUIRED, "context"}))

    def each(self) -> list[Evaluation | InvalidInput]:
        """The questions in order; in the place of one that is not understood, why."""
        usual = self.model_dump(include={*_REQUIRED, "context"})
        found: list[Evaluation | InvalidInput] = []
        for one in self.evaluations or ():
            try:
                found.append(_evaluation(usual, one))
            except InvalidInput as error:
                found.append(error)
        return found


class SubjectsAsked(_Asked):
    """Who may do the action to the resource?"""

    subject: Sort
    action: Action
    resource: Entity
    context: Object | None = None
    page: PageWanted = PageWanted()

    def asked(self) -> Evaluation:
        """What operations take."""
        return Evaluation(
            self.subject.thing(), self.action.name, self.resource.thing(), self.context or NOTHING
        )


class ResourcesAsked(_Asked):
    """To which resources may the subject do the action?"""

    subject: Entity
    action: Action
    resource: Sort
    context: Object | None = None
    page: PageWanted = PageWanted()

    def asked(self) -> Evaluation:
        """What operations take."""
        return Evaluation(
            self.subject.thing(), self.action.name, self.resource.thing(), self.context or NOTHING
        )


class ActionsAsked(_Asked):
    """What may the subject do to the resource?"""

    subject: Entity
    resource: Entity
    context: Object | None = None
    page: PageWanted = PageWanted()

    def asked(self) -> Evaluation:
        """What operations take."""
        return Evaluation(self.subject.thing(), "", self.resource.thing(), self.context or NOTHING)


class Fault(BaseModel):
    """Why a question has no answer."""

    status: int
    message: str


class DecisionContext(BaseModel):
    """id: of the decision. reason: for the user, in English; reason_user the same by language.

    reason_admin: for whoever may search. acr_values, max_age: a second factor that was shown not
    longer ago (seconds) would turn this into a yes (RFC 9470).
    """

    id: str | None = None
    reason: str | None = None
    reason_user: dict[str, str] | None = None
    reason_admin: dict[str, str] | None = None
    acr_values: str | None = None
    max_age: int | None = None
    error: Fault | None = None


class DecisionAnswer(BaseModel):
    """A decision; `false` in every doubt."""

    decision: bool
    context: DecisionContext

    @classmethod
    def of(cls, answer: Answer) -> DecisionAnswer:
        """The form of one answer."""
        decision, fault = answer.decision, answer.fault
        context = DecisionContext()
        if fault is not None:
            context.error = Fault(status=fault.status, message=fault.message)
            context.reason = fault.message
        if decision is not None:
            context.id = decision.id
            if answer.explained:
                context.reason_admin = {"en": decision.reason_admin}
        if decision is not None and not decision.allowed:
            context.reason = decision.reason_user
            context.reason_user = {"en": decision.reason_user}
            if decision.step_up is not None:
                context.acr_values, context.max_age = STEP_UP, decision.step_up
        return cls(decision=answer.allowed, context=context)


class DecisionsAnswer(BaseModel):
    """Decisions in the order of the questions, until the one that ended them."""

    evaluations: list[DecisionAnswer]


class PageAnswer(BaseModel):
    """next_token: of the next part; empty at the end."""

    next_token: str
    count: int


class EntityAnswer(BaseModel):
    """A subject or resource that was found."""

    type: str
    id: str


class ActionAnswer(BaseModel):
    """An action that was found."""

    name: str


class EntitiesAnswer(BaseModel):
    """Subjects or resources. page: left out where everything is here and no part was asked for."""

    page: PageAnswer | None = None
    results: list[EntityAnswer]


class ActionsAnswer(BaseModel):
    """Actions. page: left out where everything is here and no part was asked for."""

    page: PageAnswer | None = None
    results: list[ActionAnswer]


class MetadataAnswer(BaseModel):
    """Where what is (section 9)."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str


def page_answer(found: Found, wanted: PageWanted) -> PageAnswer | None:
    """The page of an answer, where there is more than one or one was asked for."""
    if not found.next_token and wanted == PageWanted():
        return None
    return PageAnswer(next_token=found.next_token, count=len(found.results))


def _evaluation(usual: Mapping[str, Any], own: Mapping[str, Any]) -> Evaluation:
    whole: dict[str, Any] = {"context": own.get("context") or usual.get("context")}
    for part, required in _REQUIRED.items():
        given, default = own.get(part), usual.get(part)
        if isinstance(given, dict) and isinstance(default, dict):
            # A part replaces the one beside the list as a whole, but for what it must have.
            given = {key: default[key] for key in required if key in default} | given
        whole[part] = default if given is None else given
    # What is missing is said to be missing, not to be null.
    whole = {key: value for key, value in whole.items() if value is not None}
    try:
        return EvaluationAsked.model_validate(whole).asked()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults[:5])
        raise InvalidInput(said) from None
