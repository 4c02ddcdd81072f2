"""Credit checks of persons and companies, and company checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from attrs import field, frozen

from frontpay_async.models._fields import masked
from frontpay_async.models.orders import unknown_fields_field
from frontpay_async.models.value import Value


@frozen(kw_only=True, eq=False, repr=False)
class CreditCheck(Value):
    """One row of the account's credit checks (page "Credit Check History"); personal data is masked in reprs.

    Args:
        checked_on: When it was made; text if it could not be read.
        name: The checked person or company.
        type: ``private`` or ``corporate``, in lower case.
        company_type: The form of the company.
        organization_id: The organisation number.
        personal_number: The identity number, masked in the middle by the API.
        country_code: The country code of the phone number.
        msisdn: The phone number.
        default_probability: The probability of default, as the API writes it.
        score: The score.
        score_message: The meaning of the score.
        risk_level: The level of risk.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    checked_on: datetime | date | str | None = None
    name: str | None = field(default=None, repr=masked)
    type: str | None = None
    company_type: str | None = None
    organization_id: str | None = field(default=None, repr=masked)
    personal_number: str | None = field(default=None, repr=masked)
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    default_probability: str | None = field(default=None, repr=masked)
    score: Decimal | None = field(default=None, repr=masked)
    score_message: str | None = field(default=None, repr=masked)
    risk_level: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class StartedCompanyCheck(Value):
    """The company check that was started.

    Args:
        company_check_uuid: The check's id, such as ``COMCHK3506777330``.
        url: The page on which a person of the company identifies with BankID. A secret, masked in reprs.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    company_check_uuid: str
    url: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class CompanyCheck(Value):
    """One check of a company (page "Company Check History").

    Args:
        company_check_uuid: The check's id.
        company_id: The company's id.
        company_type: The form of the company.
        company_name: The company's name.
        score: The score. Masked in reprs.
        risk_level: The level of risk. Masked in reprs.
        score_message: The meaning of the score. Masked in reprs.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    company_check_uuid: str
    company_id: str | None = None
    company_type: str | None = None
    company_name: str | None = None
    score: Decimal | None = field(default=None, repr=masked)
    risk_level: str | None = field(default=None, repr=masked)
    score_message: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()
