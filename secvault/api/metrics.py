"""`/metrics`: what a monitoring system is told, in the text format of Prometheus or OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request, Response

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service, metrics
from secvault.service.metrics import Metric
from secvault.service.spine import Caller

if TYPE_CHECKING:
    from prometheus_client import Metric as Exposed

_FAULTS = (401, 403, 429, 500, 503)
router = Routes(
    tags=["health"], responses={status: problem_responses()[status] for status in _FAULTS}
)

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The metrics."}},
)
@operation("it/metrics", "metrics.read")
def metrics_read(at: Authenticated, request: Request) -> Response:
    """Numbers of the whole installation, for a monitoring system with a token of its own.

    In the text format of Prometheus, or as OpenMetrics where the request accepts that.
    """
    service, who = at
    found = metrics.read_metrics(service, who)
    body, form = exposition(found, request.headers.get("accept", ""))
    return Response(body, media_type=form)


def exposition(found: Sequence[Metric], accept: str) -> tuple[bytes, str]:
    """The metrics as text, and its content type by what the other side takes."""
    # An eighth of a second that only whoever asks for metrics pays.
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(found))
    encode, form = choose_encoder(accept)
    return encode(registry), form


# Known to the library by which object it is.
@dataclass(frozen=True, eq=False)
class _Given:
    """A collector of what was gathered already."""

    found: Sequence[Metric]

    def collect(self) -> Iterator[Exposed]:
        """As the library asks for it."""
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for one in self.found:
            family = CounterMetricFamily if one.kind == "counter" else GaugeMetricFamily
            exposed = family(one.name, one.help, labels=one.labels)
            for labels, value in one.points.items():
                exposed.add_metric(labels, value)
            yield exposed
