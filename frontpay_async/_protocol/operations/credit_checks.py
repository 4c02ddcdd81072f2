"""Credit checks: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.operations.fields import REQUIRED
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety
from frontpay_async._protocol.rules import TEXT, Field, Rules
from frontpay_async.models._fields import exact, masked
from frontpay_async.models.checks import CreditCheck

if TYPE_CHECKING:
    from frontpay_async._exact_json import JsonObject


@frozen(field_transformer=exact)
class PrivateCreditCheck:
    """The checked person."""

    personal_id: str = field(repr=masked)
    country_code: str | None
    msisdn: str | None = field(repr=masked)


@frozen(field_transformer=exact)
class CorporateCreditCheck:
    """The checked company."""

    organization_id: str = field(repr=masked)


_PRIVATE_RULES = Rules(
    (Field("personalId", TEXT, REQUIRED), Field("countryCode", TEXT), Field("msisdn", TEXT))
)
_CORPORATE_RULES = Rules((Field("organizationId", TEXT, REQUIRED),))


def _in_lower_case(source: JsonObject) -> JsonObject:
    """Return a row with its type in lower case, as in orders."""
    kind = source.get("type")
    return {**source, "type": kind.lower()} if isinstance(kind, str) else source


describe(CreditCheck, names={"checked_on": "date"}, prepare=_in_lower_case)

# The pages print the paths with a double slash (connect//credit/check), another client with one.
CHECK_PRIVATE: Operation[None] = Operation(
    name="credit_checks.check_private",
    method="POST",
    path="credit/check/private",
    other_path="/credit/check/private",
    success=200,
    # It costs money, and the person is notified.
    safety=Safety.UNSAFE,
    request=PrivateCreditCheck,
    rules=_PRIVATE_RULES,
    refusals=("personCurrentStatusIsWrong",),
    look_at="credit_checks.list",
    message="creditCheckRequestedSuccessful",
    evidence=Evidence.VENDOR_PAGE,
    reference="Private Credit Check",
)
CHECK_CORPORATE: Operation[None] = Operation(
    name="credit_checks.check_corporate",
    method="POST",
    path="credit/check/corporate",
    other_path="/credit/check/corporate",
    success=200,
    safety=Safety.UNSAFE,
    request=CorporateCreditCheck,
    rules=_CORPORATE_RULES,
    refusals=("personCurrentStatusIsWrong",),
    look_at="credit_checks.list",
    message="creditCheckRequestedSuccessful",
    evidence=Evidence.VENDOR_PAGE,
    reference="Corporate Credit Check",
)
LIST_CREDIT_CHECKS: Operation[tuple[CreditCheck, ...]] = Operation(
    name="credit_checks.list",
    method="GET",
    path="credit/check/list",
    other_path="/credit/check/list",
    success=200,
    safety=Safety.READ,
    result=CreditCheck,
    listed=True,
    message="creditCheckHistoryRetrievedSuccessfully",
    has_data=True,
    evidence=Evidence.VENDOR_PAGE,
    reference="Credit Check History",
)
