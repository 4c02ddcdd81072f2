"""Company checks in the sandbox: started by the API, confirmed or cancelled by a person on a page."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from attrs import define, field

from frontpay_async.sandbox.state import ForbiddenEventError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async._exact_json import JsonObject


class CheckStatus(StrEnum):
    """The status of a company check; the values are invented."""

    SENT = "SENT"
    """A person of the company has yet to confirm it."""
    CONFIRMED = "success"
    FAILED = "failure"


def _report_nothing(_: object) -> None:
    pass


@define(eq=False, kw_only=True)
class SandboxCompanyCheck:
    """One company check.

    Args:
        uuid: The id.
        company_id: The company's number.
        body: The JSON body that started it; hidden in reprs.
        created_at: When it was started, in Unix seconds.
        status: Its status.
        report: Called when it has been decided.
        note: Called with the id when anything changes.
    """

    KEPT_IN: ClassVar = "company_checks"

    uuid: str
    company_id: str
    body: JsonObject = field(repr=False)
    created_at: float
    status: CheckStatus = CheckStatus.SENT
    report: Callable[[SandboxCompanyCheck], None] = field(default=_report_nothing, repr=False)
    note: Callable[[str], None] = field(default=_report_nothing, repr=False)

    @property
    def score(self) -> int | None:
        """The score; None until a person has confirmed the check."""
        return 87 if self.status is CheckStatus.CONFIRMED else None

    def decide(self, *, confirmed: bool) -> None:
        """Let a person of the company confirm or cancel the check."""
        if self.status is not CheckStatus.SENT:
            raise ForbiddenEventError("confirm" if confirmed else "cancel", f"a check that is {self.status}")
        self.status = CheckStatus.CONFIRMED if confirmed else CheckStatus.FAILED
        self.note(self.uuid)
        self.report(self)

    def row(self) -> JsonObject:
        """Return its entry in the history."""
        is_known = self.score is not None
        return {
            "companyCheckUuid": self.uuid,
            "companyId": self.company_id,
            "companyType": "AS",
            "companyName": "Sandbox AS",
            "score": self.score,
            "riskLevel": "low" if is_known else None,
            "scoreMessage": "Low risk" if is_known else None,
        }
