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
_REASONS = ("not_authorised", "not_delivered", "twice", "wrong_amount")
_STATEMENTS = (
    "Tôi không thực hiện giao dịch này.\nThẻ vẫn ở chỗ tôi.",
    "The goods never came, and the shop does not answer.",
    "Bị trừ tiền hai lần cho một đơn hàng.",
)
_PURPOSES = (
    "Thanh toan hop dong",
    "Chuyen tien gia dinh",
    "Tien thue nha",
    "Hoc phi",
    "Tra no vay",
    "Invoice settlement",
)


def settlement_records(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
    """All records of the department: so many transactions, and a dispute over one in ten."""
    yield from _transactions(cast, draw, count)
    for n in range(1, count // 10 + 1):
        yield _dispute(cast, draw, n)


def _transactions(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
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


def _dispute(cast: Cast, draw: Draw, count: int) -> SampleRecord:
    holder = draw.choice(cast.passers_by)
    received_on = days_ago(draw, 60, 1)
    status = draw.choices(("open", "refunded", "rejected"), (30, 50, 20))[0]
    closed_on = min(TODAY, received_on + timedelta(days=draw.randint(1, 45)))
    return sample_record(
        "settlement",
        "disputes",
        f"dis-{count:04d}",
        {
            "transaction": f"trx-{count * 10:04d}",
            "cardholder": holder.full_name,
            "card": number.card(draw),
            "refund_iban": number.account(draw, foreign=True) if holder.foreign else None,
            "amount": money(amount_between(draw, 50_000, 30_000_000)),
            "reason": draw.choice(_REASONS),
            "received_on": day(received_on),
            "closed_on": None if status == "open" else day(closed_on),
            "statement": draw.choice(_STATEMENTS) if chance(draw, 60) else None,
            "status": status,
        },
    )
