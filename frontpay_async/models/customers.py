"""Customers: their records, and updates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from frontpay_async.models._fields import exact, is_a_or_none, masked, tuple_of
from frontpay_async.models.common import Address, Language, to_language
from frontpay_async.models.orders import unknown_fields_field
from frontpay_async.models.value import Value


@frozen(kw_only=True, eq=False, repr=False)
class CustomerRecord(Value):
    """A customer's record (page "Customer Details"); personal data is masked in reprs.

    Args:
        uuid: The customer's id, such as ``CSRT3463048878``.
        type: ``private`` or ``corporate``, in lower case; None if the API omitted it.
        name: The full name.
        country_code: The country code of the phone number.
        msisdn: The phone number without country code.
        email: The e-mail address.
        personal_number: The identity number.
        organization_id: The organisation number.
        preferred_language: The language in which the customer is addressed.
        status: The customer's status, such as ``Active``.
        billing_address: Where invoices are sent.
        shipping_address: Where goods are sent.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    uuid: str
    type: str | None = None
    name: str | None = field(default=None, repr=masked)
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    email: str | None = field(default=None, repr=masked)
    personal_number: str | None = field(default=None, repr=masked)
    organization_id: str | None = field(default=None, repr=masked)
    preferred_language: Language | str | None = None
    status: str | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class PrivateCustomerUpdate(Value):
    """The new record of a private customer (page "Update Private Customer").

    Args:
        name: The full name.
        email: The e-mail address.
        country_code: The country code of the phone number, such as ``+47``.
        msisdn: The phone number without country code.
        preferred_language: en, no, sv, da or de.
        billing_address: Where invoices are sent; required by the API.
        shipping_address: Where goods are sent.
        personal_number: The Norwegian identity number: 11 digits.
    """

    name: str = field(repr=masked)
    email: str = field(repr=masked)
    country_code: str
    msisdn: str = field(repr=masked)
    preferred_language: Language | str = field(converter=to_language)
    billing_address: Address | None = field(default=None, validator=is_a_or_none(Address))
    shipping_address: Address | None = field(default=None, validator=is_a_or_none(Address))
    personal_number: str | None = field(default=None, repr=masked)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class CustomerContact(Value):
    """A person to contact at a corporate customer.

    Args:
        name: The full name.
        email: The e-mail address.
        designation: The person's role.
        country_code: The country code of the phone number.
        msisdn: The phone number without country code.
        note: A note.
    """

    name: str | None = field(default=None, repr=masked)
    email: str | None = field(default=None, repr=masked)
    designation: str | None = None
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    note: str | None = field(default=None, repr=masked)


def to_contacts(values: Iterable[CustomerContact]) -> tuple[CustomerContact, ...]:
    """Freeze the contacts of a customer."""
    return tuple_of(CustomerContact, values)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class CorporateCustomerUpdate(Value):
    """The new record of a corporate customer (page "Update Corporate Customer").

    Args:
        name: The company's name.
        email: The e-mail address.
        country_code: The country code of the phone number, such as ``+47``.
        msisdn: The phone number without country code.
        preferred_language: en, no, sv, da or de.
        billing_address: Where invoices are sent; required by the API.
        shipping_address: Where goods are sent.
        organization_id: The organisation number: digits only.
        additional_contacts: People to contact.
    """

    name: str = field(repr=masked)
    email: str = field(repr=masked)
    country_code: str
    msisdn: str = field(repr=masked)
    preferred_language: Language | str = field(converter=to_language)
    billing_address: Address | None = field(default=None, validator=is_a_or_none(Address))
    shipping_address: Address | None = field(default=None, validator=is_a_or_none(Address))
    organization_id: str | None = field(default=None, repr=masked)
    additional_contacts: tuple[CustomerContact, ...] = field(default=(), converter=to_contacts)
