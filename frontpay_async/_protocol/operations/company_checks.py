"""Company checks: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from attrs import field, frozen

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.operations.fields import REQUIRED, redirects
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety
from frontpay_async._protocol.rules import WHOLE, Field, Rules
from frontpay_async.models._fields import exact, masked
from frontpay_async.models.checks import CompanyCheck, StartedCompanyCheck


@frozen(field_transformer=exact)
class CompanyCheckRequest:
    """The checked company, and the URLs for the browser and the callback."""

    company_id: int
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)
    callback_url: str = field(repr=masked)


_START_RULES = Rules((Field("companyId", WHOLE, REQUIRED), redirects(REQUIRED)))

describe(
    CompanyCheckRequest,
    names={
        "callback_url": "callback.callbackUrl",
        "success_url": "callback.success",
        "failure_url": "callback.failure",
    },
)
describe(StartedCompanyCheck, other_names={"uuid": "companyCheckUuid"})
describe(CompanyCheck, other_names={"uuid": "companyCheckUuid"})

START_COMPANY_CHECK: Operation[StartedCompanyCheck] = Operation(
    name="company_checks.start",
    method="POST",
    path="company/check",
    success=201,
    safety=Safety.UNSAFE,
    result=StartedCompanyCheck,
    request=CompanyCheckRequest,
    rules=_START_RULES,
    look_at="company_checks.get_details",
    message="Company Check Request is Created Successfully",
    evidence=Evidence.VENDOR_PAGE,
    reference="Company Check",
)
GET_COMPANY_CHECKS: Operation[tuple[CompanyCheck, ...]] = Operation(
    name="company_checks.get_details",
    method="GET",
    path="company/details/{company_id}",
    success=200,
    safety=Safety.READ,
    result=CompanyCheck,
    listed=True,
    # The vendor's spelling.
    message="companyRecordRetriveSuccessfully",
    has_data=True,
    not_found="companyNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Company Check History",
)
