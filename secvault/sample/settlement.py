"""Settlement, as in a bank: transactions between accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from secvault.sample import number
from secvault.sample.cast import Cast
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    amount_between,
    chance,
    day,
    days_ago,
    in_working_hours,
    moment,
    money,
    sample_record,
)

# Transfers of half a billion đồng and more take the high-value channel.
_HIGH_VALUE = 500_000_000
_PURPOSES = (
    "Thanh toan hop dong",
    "Chuyen tien gia dinh",
    "Tien thue nha",
    "Hoc phi",
    "Tra no vay",
    "Invoice settlement",
)


def settlement_records(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
    """All records of the department, in the order of booking."""
    holders = [
        (person.full_name, number.account(draw, foreign=person.foreign), person.foreign)
        for person in cast.passers_by
    ] + [
        (company.name, company.account, company.foreign)
        for company in (*cast.customers, *cast.suppliers)
    ]
    days = sorted(days_ago(draw, 90) for _ in range(count))
    for n, on in enumerate(days, 1):
        (debtor, debtor_account, abroad), (creditor, creditor_account, also) = draw.sample(
            holders, 2
        )
        amount = amount_between(draw, 200_000, 3_000_000_000)
        if abroad or also:
            channel = "cross_border"
        elif amount >= _HIGH_VALUE:
            channel = "high_value"
        else:
            channel = draw.choices(("instant", "low_value"), (80, 20))[0]
        value_date = on + timedelta(days=2 if channel == "cross_border" else 0)
        settled = draw.choices(("settled", "returned", "held"), (95, 3, 2))[0]
        yield sample_record(
            "settlement",
            "transactions",
            f"trx-{n:04d}",
            {
                "reference": f"FT{on:%y%j}{n:07d}",
                "channel": channel,
                "booked_at": moment(in_working_hours(draw, on)),
                "value_date": day(value_date),
                "debtor": debtor,
                "debtor_account": debtor_account,
                "creditor": creditor,
                "creditor_account": creditor_account,
                "amount": money(amount),
                "fee": money(0 if channel == "instant" else amount_between(draw, 5_000, 800_000)),
                "purpose": draw.choice(_PURPOSES) if chance(draw, 90) else None,
                "screened": settled != "held",
                "status": settled if value_date <= TODAY else "pending",
            },
        )
