"""Customers: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.operations.fields import ADDRESS, WITH_LANGUAGE
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety
from frontpay_async._protocol.rules import (
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    KEYED_ROWS,
    OBJECT,
    OPTIONAL_OBJECT,
    TEXT,
    Field,
    Rules,
)
from frontpay_async.models.customers import (
    CorporateCustomerUpdate,
    CustomerContact,
    CustomerRecord,
    PrivateCustomerUpdate,
)

if TYPE_CHECKING:
    from frontpay_async._exact_json import JsonObject

# Rules

_ADDRESSES = Field(
    "addresses",
    OBJECT,
    fields=(
        Field("billing", OBJECT, fields=ADDRESS.fields),
        Field("shipping", OPTIONAL_OBJECT, fields=ADDRESS.fields),
    ),
)
_PRIVATE_RULES = Rules((*WITH_LANGUAGE, Field("personalNumber", ELEVEN_DIGITS), _ADDRESSES))
_CORPORATE_RULES = Rules(
    (
        *WITH_LANGUAGE,
        Field("organizationId", DIGITS),
        _ADDRESSES,
        Field(
            "additionalContact",
            KEYED_ROWS,
            fields=(
                Field("name", TEXT),
                Field("email", EMAIL),
                Field("designation", TEXT),
                Field("countryCode", TEXT),
                Field("msisdn", TEXT),
                Field("note", TEXT),
            ),
        ),
    )
)

# Names on the wire

_NAMES = {
    "billing_address": "addresses.billing",
    "shipping_address": "addresses.shipping",
    "additional_contacts": "additionalContact",
}


def _in_lower_case(source: JsonObject) -> JsonObject:
    """Return a record with its type in lower case, as in orders."""
    kind = source.get("type")
    return {**source, "type": kind.lower()} if isinstance(kind, str) else source


describe(PrivateCustomerUpdate, names=_NAMES)
describe(CorporateCustomerUpdate, names=_NAMES)
describe(CustomerContact)
describe(
    CustomerRecord,
    names=_NAMES,
    other_names={"customerUuid": "uuid"},
    prepare=_in_lower_case,
)

# Rows

GET_CUSTOMER_DETAILS: Operation[CustomerRecord] = Operation(
    name="customers.get_details",
    method="GET",
    path="customers/details/{customer_uuid}",
    success=200,
    safety=Safety.READ,
    result=CustomerRecord,
    message="customerDetailsRetrievedSuccessfully",
    has_data=True,
    not_found="customerNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Customer Details",
)
UPDATE_PRIVATE_CUSTOMER: Operation[None] = Operation(
    name="customers.update_private",
    method="PUT",
    path="customers/update/private/{customer_uuid}",
    success=200,
    # The whole record is written, so a repetition changes nothing.
    safety=Safety.IDEMPOTENT,
    request=PrivateCustomerUpdate,
    rules=_PRIVATE_RULES,
    message="customerUpdatedSuccessfully",
    message_seen=False,
    has_data=True,
    not_found="customerNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Update Private Customer",
)
UPDATE_CORPORATE_CUSTOMER: Operation[None] = Operation(
    name="customers.update_corporate",
    method="PUT",
    path="customers/update/corporate/{customer_uuid}",
    success=200,
    safety=Safety.IDEMPOTENT,
    request=CorporateCustomerUpdate,
    rules=_CORPORATE_RULES,
    message="customerUpdatedSuccessfully",
    message_seen=False,
    has_data=True,
    not_found="customerNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Update Corporate Customer",
)
