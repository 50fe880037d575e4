"""OpenID AuthZEN Authorization API 1.0 over HTTP: other programs ask for decisions.

A no is a 200. Statuses of 400 and above are about the request or its caller, with a sentence as
plain text (section 10.1.2); see `problem`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Request

from secvault.api.authzen_forms import (
    ActionAnswer,
    ActionsAnswer,
    ActionsAsked,
    DecisionAnswer,
    DecisionsAnswer,
    EntitiesAnswer,
    EntityAnswer,
    EvaluationAsked,
    EvaluationsAsked,
    MetadataAnswer,
    Options,
    ResourcesAsked,
    SubjectsAsked,
    page_answer,
)
from secvault.api.caller import caller, service_of
from secvault.api.declared import open_to_all, operation
from secvault.api.problem import AUTHZEN_METADATA, AUTHZEN_PATHS, sentence_responses
from secvault.api.routing import Routes
from secvault.service import Service, authzen
from secvault.service.authzen import Semantic
from secvault.service.spine import Caller

router = Routes(tags=["access"], responses=sentence_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


@router.get(AUTHZEN_METADATA)
@open_to_all("names the paths of this interface, which are the same everywhere")
def authzen_metadata(request: Request) -> MetadataAnswer:
    """Where decisions are asked for."""
    here = service_of(request).settings.public_url
    paths = f"{here}{AUTHZEN_PATHS}"
    return MetadataAnswer(
        policy_decision_point=here,
        access_evaluation_endpoint=f"{paths}evaluation",
        access_evaluations_endpoint=f"{paths}evaluations",
        search_subject_endpoint=f"{paths}search/subject",
        search_resource_endpoint=f"{paths}search/resource",
        search_action_endpoint=f"{paths}search/action",
    )


@router.post(f"{AUTHZEN_PATHS}evaluation", response_model_exclude_none=True)
@operation("it/access", "access.evaluate", "access.search")
def access_evaluation(
    at: Authenticated, given: Annotated[EvaluationAsked, Body()]
) -> DecisionAnswer:
    """May somebody do something."""
    service, who = at
    return DecisionAnswer.of(authzen.evaluate(service, who, given.asked()))


@router.post(f"{AUTHZEN_PATHS}evaluations", response_model_exclude_none=True)
@operation("it/access", "access.evaluate", "access.search")
def access_evaluations(
    at: Authenticated, given: Annotated[EvaluationsAsked, Body()]
) -> DecisionsAnswer | DecisionAnswer:
    """Several such questions at once; a single one where `evaluations` is empty or left out."""
    service, who = at
    if not given.evaluations:
        return DecisionAnswer.of(authzen.evaluate(service, who, given.single()))
    semantic = Semantic((given.options or Options()).evaluations_semantic)
    answers = authzen.evaluate_each(service, who, given.each(), semantic)
    return DecisionsAnswer(evaluations=[DecisionAnswer.of(answer) for answer in answers])


@router.post(f"{AUTHZEN_PATHS}search/subject", response_model_exclude_none=True)
@operation("it/access", "access.search")
def access_search_subject(
    at: Authenticated, given: Annotated[SubjectsAsked, Body()]
) -> EntitiesAnswer:
    """Who may do it."""
    service, who = at
    found = authzen.search_subjects(service, who, given.asked(), given.page.page())
    return EntitiesAnswer(
        page=page_answer(found, given.page),
        results=[EntityAnswer(type=given.subject.type, id=one) for one in found.results],
    )


@router.post(f"{AUTHZEN_PATHS}search/resource", response_model_exclude_none=True)
@operation("it/access", "access.search")
def access_search_resource(
    at: Authenticated, given: Annotated[ResourcesAsked, Body()]
) -> EntitiesAnswer:
    """To what somebody may do it."""
    service, who = at
    found = authzen.search_resources(service, who, given.asked(), given.page.page())
    return EntitiesAnswer(
        page=page_answer(found, given.page),
        results=[EntityAnswer(type=given.resource.type, id=one) for one in found.results],
    )


@router.post(f"{AUTHZEN_PATHS}search/action", response_model_exclude_none=True)
@operation("it/access", "access.search")
def access_search_action(
    at: Authenticated, given: Annotated[ActionsAsked, Body()]
) -> ActionsAnswer:
    """What somebody may do to something."""
    service, who = at
    found = authzen.search_actions(service, who, given.asked(), given.page.page())
    return ActionsAnswer(
        page=page_answer(found, given.page),
        results=[ActionAnswer(name=one) for one in found.results],
    )
