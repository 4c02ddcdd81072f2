"""Django views that show an order: under WSGI with threads, and under ASGI.

# urls.py
urlpatterns = [
    path("orders/<str:uuid>", show),
    path("async/orders/<str:uuid>", show_async),
]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import JsonResponse
from portal import frontpay

from frontpay_async import FrontPayClient, FrontPayError, Outcome

if TYPE_CHECKING:
    from django.http import HttpRequest

STATUS = {Outcome.NOT_SENT: 503, Outcome.REJECTED: 404, Outcome.UNKNOWN: 503}


def show(_: HttpRequest, uuid: str) -> JsonResponse:
    """Answer with an order's status, from a thread of a WSGI server."""
    try:
        report = frontpay(lambda client: client.orders.get_status(uuid))
    except FrontPayError as error:
        return JsonResponse(
            {"detail": type(error).__name__}, status=STATUS[error.outcome]
        )
    return JsonResponse({"order": uuid, "status": report.status})


async def show_async(_: HttpRequest, uuid: str) -> JsonResponse:
    """Return an order's status, in the event loop of an ASGI server.

    The client lives for one request. A project that runs under ASGI only opens one
    client when it starts, as the FastAPI example does.
    """
    async with FrontPayClient() as client:
        try:
            report = await client.orders.get_status(uuid)
        except FrontPayError as error:
            return JsonResponse(
                {"detail": type(error).__name__}, status=STATUS[error.outcome]
            )
    return JsonResponse({"order": uuid, "status": report.status})
