"""``frontpay invoices``: a file of orders, each sent once; the extra ``batch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

import click
from attrs import asdict
from click.core import ParameterSource

from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, MoneyCommand, PlainCommand, extra
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.batch import BatchRow, DryRun, OrderFile
    from frontpay_async.batch.journal import Journal

_TOLD = 20
_PAGE = 500
_EMPTY = "the file has no orders: nothing is sent"


@click.group()
def invoices() -> None:
    """Send a file of orders, each once, whatever is interrupted."""


def _file_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add what says how a file is read."""
    for option in (
        click.option("--zone", help="The zone of times that name none, such as Europe/Oslo."),
        click.option(
            "--default", "defaults", multiple=True, metavar="COLUMN=VALUE", help="CSV: for empty cells."
        ),
        click.option("--map", "titles", multiple=True, metavar="TITLE=COLUMN", help="CSV: your own title."),
        click.option("--encoding", default="utf-8-sig", show_default=True, help="CSV: the encoding."),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            default=".",
            show_default=True,
            help="CSV: what stands before decimals.",
        ),
        click.option("--delimiter", help="CSV: what stands between cells; found out unless given."),
        click.option(
            "--kind",
            type=click.Choice(list(ORDER_KINDS)),
            help="What the orders are that name no kind.",
        ),
        click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


def _journal(context: click.Context, _: click.Parameter, value: str) -> str:
    in_sight = context.get_parameter_source("journal") is ParameterSource.COMMANDLINE
    if in_sight and "://" in value and urlsplit(value).password:
        raise click.BadParameter("arguments can be read by everybody: put a password into FRONTPAY_JOURNAL")
    return value


_JOURNAL = click.option(
    "--journal",
    required=True,
    envvar="FRONTPAY_JOURNAL",
    callback=_journal,
    help="The SQLite file, or URL of a database, that knows what was sent; or FRONTPAY_JOURNAL.",
)
_NAME = click.option("--name", required=True, help="The batch's name in the journal.")
_CONCURRENCY = click.option(
    "--concurrency", type=click.IntRange(min=1), default=16, show_default=True, help="Requests in flight."
)


@invoices.command(cls=PlainCommand)
@_file_options
@click.pass_obj
def validate(command: CommandContext, /, file: Path, **form: object) -> int:
    """Check a FILE of orders as a whole, and sum it up; sends nothing.

    FILE is CSV, or JSON lines where its name ends in .jsonl.
    """
    judged = _orders(file, form).dry_run()
    _tell_violations(command, judged)
    summed: dict[str, object] = {
        "file": file.name,
        "orders": judged.total.orders,
        "products": judged.total.products,
        "grand_total": judged.total.grand_total,
        "kinds": {kind: asdict(total) for kind, total in judged.kinds.items()},
        "violation_count": judged.violation_count,
    }
    if command.output.as_json:
        summed["violations"] = [asdict(each) for each in judged.violations]
    totals = [*judged.kinds.items(), ("total", judged.total)]
    rows = [(kind, f"{each.orders}", f"{each.products}", f"{each.grand_total:.2f}") for kind, each in totals]
    command.output.result(summed, table=(("kind", "orders", "products", "grand total"), rows))
    if judged.violation_count:
        return Exit.FAILED
    command.output.note("no rule is broken; nothing was sent" if judged.total.orders else _EMPTY)
    return Exit.OK


@invoices.command(cls=MoneyCommand)
@_file_options
@_JOURNAL
@_NAME
@_CONCURRENCY
@click.pass_obj
def send(
    command: CommandContext, /, file: Path, journal: str, name: str, concurrency: int, **form: object
) -> int:
    """Send a FILE of orders. Run it again to continue: what the journal has is not sent twice."""
    orders = _orders(file, form)
    judged = orders.dry_run()
    if judged.violation_count:
        # It raises what it found, all of it.
        orders.check()
    total = judged.total
    if not total.orders:
        command.output.tell(_EMPTY)
        return Exit.OK

    def question() -> str:
        kinds = ", ".join(f"{each.orders} {kind}" for kind, each in judged.kinds.items())
        what = f"{counted(total.orders, 'order')} ({kinds}), {total.grand_total:.2f} in all"
        return f"Send {what}, as batch {name!r}?"

    if not command.confirm(question):
        return Exit.NOT_SENT
    from frontpay_async.cli.batches import run_batch

    return run_batch(command, journal, name, concurrency=concurrency, orders=orders)


@invoices.command(cls=MoneyCommand)
@_JOURNAL
@_NAME
@_CONCURRENCY
@click.pass_obj
def resume(command: CommandContext, journal: str, name: str, concurrency: int) -> int:
    """Continue a batch: send what is left, and look for what is in doubt."""
    opened, number = _find(journal, name)
    try:
        counts = opened.counts(number)
    finally:
        opened.close()
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no orders"
    if not command.confirm(lambda: f"Continue batch {name!r} ({told})?"):
        return Exit.NOT_SENT
    from frontpay_async.cli.batches import run_batch

    return run_batch(command, journal, name, concurrency=concurrency)


@invoices.command(cls=PlainCommand)
@_JOURNAL
@_NAME
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to a file, .csv or .jsonl, that only its owner can read.",
)
@click.pass_obj
def report(command: CommandContext, journal: str, name: str, to: Path | None) -> None:
    """Show where each order of a batch stands, as the journal knows it; asks the API for nothing."""
    if to is not None and to.suffix.lower() not in (".csv", ".jsonl"):
        raise click.UsageError("a report's name ends in .csv or .jsonl")
    opened, number = _find(journal, name)
    try:
        rows: list[BatchRow] = []
        after = 0
        while page := opened.page(number, after, _PAGE):
            after = page[-1][0]
            rows += [row for _, row in page]
    finally:
        opened.close()
    if to is None:
        command.output.rows(rows, ("key", "state", "order_uuid", "error"))
    else:
        _write(rows, to)
        command.output.result({"rows": len(rows), "file": str(to)})


def _write(rows: list[BatchRow], to: Path) -> None:
    from frontpay_async.batch import write_csv, write_jsonl

    try:
        if to.suffix.lower() == ".csv":
            write_csv(rows, to)
        else:
            write_jsonl(rows, to)
    except OSError as error:
        raise click.ClickException(f"{to} cannot be written: {error.strerror}") from None


def _find(target: str, name: str) -> tuple[Journal, int]:
    """Open a journal that there is, and find a batch in it."""
    with extra("batch", "sqlalchemy"):
        from frontpay_async.batch.encryption import cipher_of
        from frontpay_async.batch.journal import Journal
    import os

    # A journal is made where there is none: a misspelt path must not leave an empty one behind.
    if "://" not in target and not Path(target).is_file():
        raise click.UsageError(f"there is no journal {target}")
    opened = Journal.open(target, cipher_of(os.environ.get("FRONTPAY_JOURNAL_KEY")), None)
    number = opened.find_batch(name)
    if number is None:
        opened.close()
        raise click.UsageError(f"the journal has no batch {name!r}")
    return opened, number


def _orders(file: Path, form: dict[str, object]) -> OrderFile:
    with extra("batch", "sqlalchemy"):
        from frontpay_async.batch import read_csv, read_jsonl
    kind, zone = cast("str | None", form["kind"]), cast("str | None", form["zone"])
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        return read_jsonl(file, kind=kind, zone=zone)
    return read_csv(
        file,
        kind=kind,
        mapping={title: column or None for title, column in _pairs(form["titles"], "--map TITLE=COLUMN")},
        defaults=dict(_pairs(form["defaults"], "--default COLUMN=VALUE")),
        encoding=cast("str", form["encoding"]),
        delimiter=cast("str | None", form["delimiter"]),
        decimal=cast('Literal[".", ","]', form["decimal"]),
        zone=zone,
    )


def _pairs(given: object, form: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for each in cast("tuple[str, ...]", given):
        name, sign, value = each.partition("=")
        if not sign:
            raise click.UsageError(f"it is written {form}")
        pairs.append((name, value))
    return pairs


def _tell_violations(command: CommandContext, judged: DryRun) -> None:
    if command.output.as_json:
        return
    for each in judged.violations[:_TOLD]:
        command.output.tell(str(each))
    if judged.violation_count > _TOLD:
        command.output.tell(f"and {judged.violation_count - _TOLD} more")
