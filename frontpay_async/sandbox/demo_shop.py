"""The products and customers of the demo's shop."""

from __future__ import annotations

from frontpay_async import Address, Customer, CustomerType, Product

HAIRCUT = Product(name="Haircut", quantity=1, rate="450.00", tax=25)
SHAMPOO = Product(name="Shampoo", quantity=2, rate="129.50", tax=25, discount="10.00")
BASKET = (HAIRCUT, SHAMPOO)
ADDRESS = Address(street="Luramyrveien 65", zip="4313", city="Sandnes", country="NO")
KARI = Customer(
    name="Kari Nordmann",
    type=CustomerType.PRIVATE,
    country_code="+47",
    msisdn="40000000",
    email="kari@example.com",
    preferred_language="no",
    personal_number="12345678901",
    address=ADDRESS,
)
SALON = Customer(
    name="Salong AS",
    type=CustomerType.CORPORATE,
    country_code="+47",
    msisdn="40000001",
    email="post@salong.example",
    organization_id="123456789",
    address=ADDRESS,
)
