"""Reservations: money set aside on a card, captured, charged and refunded later.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import reservations as rows
from frontpay_async._protocol.request_bodies import Note, Resend
from frontpay_async.resources.filters import to_unix

if TYPE_CHECKING:
    from datetime import datetime

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.reservations import (
        Capture,
        Charge,
        CreatedReservation,
        ReservationDetails,
        ReservationHistoryEntry,
        ReservationOrder,
        ReservationPayment,
        ReservationRefund,
        ReservationSession,
    )


@frozen(eq=False, repr=False)
class Reservations:
    """The operations on reservations; reached as ``client.reservations``."""

    _session: Session
    _options: CallOptions

    async def submit(self, reservation: ReservationOrder) -> CreatedReservation:
        """Create a reservation that the customer accepts through a link (page "Reservation").

        Evidence: vendor page.

        Args:
            reservation: The reservation.

        Returns:
            The ids, and the page on which the customer accepts it.

        Raises:
            InvalidOrderError: The reservation breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``reservations.list_history`` for a
                reservation that your records do not know; nothing else lists reservations.
        """
        return await self._session.execute(rows.SUBMIT_RESERVATION, self._options, value=reservation)

    async def create_session(self, session: ReservationSession) -> CreatedReservation:
        """Create a reservation that the customer accepts on a payment page (page "Reservation Session").

        Evidence: vendor page.

        Args:
            session: The reservation, with how it is paid and the URLs to which the browser returns.

        Returns:
            The ids, and the page to which to redirect the browser.

        Raises:
            InvalidOrderError: The session breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``reservations.list_history`` for a
                reservation that your records do not know; nothing else lists reservations.
        """
        return await self._session.execute(rows.CREATE_RESERVATION_SESSION, self._options, value=session)

    async def get_details(self, reservation_uuid: str) -> ReservationDetails:
        """Get all details of a reservation (page "Reservation Details").

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.

        Returns:
            The reservation with its lines, amounts and payment history.

        Raises:
            NotFoundError: There is no such reservation.
        """
        return await self._session.execute(rows.GET_RESERVATION_DETAILS, self._options, uuid=reservation_uuid)

    async def capture(self, reservation_uuid: str, capture: Capture) -> ReservationPayment:
        """Capture reserved money, fully or partly (page "Capture Reservation").

        The uncaptured rest is released within some days. A reservation can be captured for 7 to 31 days,
        depending on the card.

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            capture: The lines and amounts to capture.

        Returns:
            The id of the capture, which a refund names.

        Raises:
            InvalidOrderError: The capture breaks a documented rule; nothing was sent.
            NotFoundError: There is no such reservation.
            BusinessRuleError: The API rejected it, such as a capture above what is reserved.
            OutcomeUnknownError: The response was lost. Look at ``reservations.get_details``:
                ``payments.captured`` has grown, and ``history`` has a new capture, if it took effect.
        """
        return await self._session.execute(
            rows.CAPTURE_RESERVATION, self._options, uuid=reservation_uuid, value=capture
        )

    async def charge(self, reservation_uuid: str, charge: Charge) -> ReservationPayment:
        """Charge the customer beyond the reservation (page "Charge Reservation").

        Possible for ``charge_validity`` days, 90 where the reservation names none.

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            charge: The lines and amounts to charge.

        Returns:
            The id of the charge, which a refund names.

        Raises:
            InvalidOrderError: The charge breaks a documented rule; nothing was sent.
            NotFoundError: There is no such reservation.
            BusinessRuleError: The API rejected it, such as a charge after its validity.
            OutcomeUnknownError: The response was lost. Look at ``reservations.get_details``:
                ``payments.charged`` has grown, and ``history`` has a new charge, if it took effect.
        """
        return await self._session.execute(
            rows.CHARGE_RESERVATION, self._options, uuid=reservation_uuid, value=charge
        )

    async def cancel(self, reservation_uuid: str, *, note: str) -> None:
        """Cancel a reservation, which releases the money (page "Cancel Reservation").

        Safe to repeat. The pages call it a GET and another client a POST: the one that the API takes is
        found out and remembered.

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            note: The reason; required by the API.

        Raises:
            InvalidOrderError: The note is empty; nothing was sent.
            AlreadyCompletedError: The reservation is completed.
            PrerequisiteFailedError: Its status does not allow it.
            AlreadyCancelledError: It was cancelled before this call.
            NotFoundError: There is no such reservation.
        """
        why = Note(note)
        # Deleted so that tracebacks do not contain it.
        del note
        await self._session.execute(rows.CANCEL_RESERVATION, self._options, uuid=reservation_uuid, value=why)

    async def complete(self, reservation_uuid: str, *, note: str) -> None:
        """Complete a reservation: nothing more is captured or charged (page "Complete Reservation").

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            note: The reason; required by the API.

        Raises:
            InvalidOrderError: The note is empty; nothing was sent.
            PrerequisiteFailedError: It is SENT, RESERVED NOT PAID or EXPIRED.
            NotFoundError: There is no such reservation.
            OutcomeUnknownError: The response was lost. Look at ``reservations.get_details``: ``status`` has
                become ``COMPLETED`` if it took effect.
        """
        why = Note(note)
        # Deleted so that tracebacks do not contain it.
        del note
        await self._session.execute(
            rows.COMPLETE_RESERVATION, self._options, uuid=reservation_uuid, value=why
        )

    async def resend(
        self,
        reservation_uuid: str,
        *,
        country_code: str | None = None,
        msisdn: str | None = None,
        email: str | None = None,
    ) -> None:
        """Send the link of a reservation again, to any address (page "Resend Reservation").

        Give an e-mail address, or a country code and a phone number, or all three.

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            country_code: The country code of the phone number, such as ``+47``.
            msisdn: The phone number without country code.
            email: The e-mail address.

        Raises:
            InvalidOrderError: No complete address; nothing was sent.
            BusinessRuleError: The reservation is completed or cancelled.
            NotFoundError: There is no such reservation.
            OutcomeUnknownError: The response was lost. Look in ``reservations.list_history`` for the
                message; a second one is the worst that sending again can cause.
        """
        where = Resend(country_code, msisdn, email)
        # Deleted so that tracebacks do not contain them.
        del msisdn, email
        await self._session.execute(
            rows.RESEND_RESERVATION, self._options, uuid=reservation_uuid, value=where
        )

    async def refund(self, reservation_uuid: str, refund: ReservationRefund) -> None:
        """Refund a capture or a charge, fully or partly (page "Refund Reservation").

        Evidence: vendor page.

        Args:
            reservation_uuid: The reservation, such as ``RES3506777330``.
            refund: The refund, with its capture or charge.

        Raises:
            InvalidOrderError: The refund breaks a documented rule; nothing was sent.
            RefundRejectedError: The API rejected it; see ``reason``.
            NotFoundError: There is no such reservation.
            OutcomeUnknownError: The response was lost. Look at ``reservations.get_details``:
                ``payments.refunded_from_captured`` or ``payments.refunded_from_charged`` has grown if it
                took effect.
        """
        await self._session.execute(
            rows.REFUND_RESERVATION, self._options, uuid=reservation_uuid, value=refund
        )

    async def list_history(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[ReservationHistoryEntry, ...]:
        """List what happened to the account's reservations (page "Reservation History").

        Evidence: vendor page.

        Args:
            start: From when: a zone-aware datetime. Defaults to 24 hours ago.
            end: Until when: a zone-aware datetime, after ``start``; give both or neither.

        Returns:
            The entries.

        Raises:
            InvalidOrderError: Only one of both is given, one has no zone, or they are the wrong way round;
                nothing was sent.
        """
        period = to_unix(rows.LIST_RESERVATION_HISTORY, start, end)
        return await self._session.execute(rows.LIST_RESERVATION_HISTORY, self._options, steps=period)
