"""``frontpay invoices``: a file of orders, each sent once; the extra ``batch``."""

from __future__ import annotations

import os
import re
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, cast
from urllib.parse import parse_qsl, urlsplit

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
    from frontpay_async.batch.store import Store

_TOLD = 20
_PAGE = 500
_EMPTY = "the file has no orders: nothing was sent"


@click.group()
def invoices() -> None:
    """Send each order of a file once, even across interruptions."""


_STRICT_TOTALS = click.option(
    "--strict-totals/--no-strict-totals",
    default=True,
    help="Whether to reject amounts that contradict each other.",
)


def _file_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options for reading a file."""
    for option in (
        click.option("--zone", help="The time zone of times without one, such as Europe/Oslo."),
        click.option(
            "--default",
            "defaults",
            multiple=True,
            metavar="COLUMN=VALUE",
            help="CSV: a value for empty cells.",
        ),
        click.option(
            "--map", "titles", multiple=True, metavar="TITLE=COLUMN", help="CSV: your own column title."
        ),
        click.option("--skip", multiple=True, metavar="TITLE", help="CSV: a column title to skip."),
        click.option(
            "--mapping",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="CSV: a TOML file with your titles and these settings.",
        ),
        click.option("--encoding", help="CSV: the encoding. Defaults to UTF-8."),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            help="CSV: the decimal sign. Detected from the file by default.",
        ),
        click.option(
            "--date-format", help="CSV: a date format such as dd/mm/yyyy, in addition to ISO and dd.mm.yyyy."
        ),
        click.option("--delimiter", help="CSV: the delimiter. Detected from the file by default."),
        _STRICT_TOTALS,
        click.option(
            "--kind",
            type=click.Choice(list(ORDER_KINDS)),
            help="The kind of orders without one.",
        ),
        click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


@invoices.command(cls=PlainCommand, name="template")
@click.option("--kind", type=click.Choice(list(ORDER_KINDS)), default="invoice", show_default=True)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a new file, with a byte order mark for Excel.",
)
@click.pass_obj
def write_template(command: CommandContext, kind: str, to: Path | None) -> None:
    """Write a template: a CSV file with the columns of a kind, and one order."""
    from frontpay_async.order_files import template

    text = template(kind, datetime.now(UTC).date())
    if to is None:
        shown = text.removeprefix("\ufeff")
        if command.output.as_json:
            command.output.result({"kind": kind, "text": shown})
        else:
            # A file may be opened in Excel, so it gets a byte order mark; a pipe does not.
            click.echo(text.encode() if _is_a_file(sys.stdout) else shown, nl=False)
        return
    try:
        with to.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"{to} cannot be written: {error.strerror}") from None
    command.output.result({"kind": kind, "file": str(to)})


def _is_a_file(stream: TextIO) -> bool:
    """Whether a stream was redirected to a file."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # such as a stream in memory


_SECRET = re.compile("pass(word|wd|phrase)|pwd", re.IGNORECASE)


def _journal(context: click.Context, _: click.Parameter, value: str) -> str:
    in_sight = context.get_parameter_source("journal") is ParameterSource.COMMANDLINE
    if "\0" in value:
        raise click.BadParameter("the path or URL contains a NUL character")
    # Without a scheme it may be a libpq connection string: host=db password=…
    if in_sight and (_has_password(value) if "://" in value else _SECRET.search(value) and "=" in value):
        raise click.BadParameter(
            "other users can read arguments: set the URL with the password in FRONTPAY_JOURNAL"
        )
    return value


def _has_password(url: str) -> bool:
    """Whether a URL has a password, before the host or as a parameter such as ``sslpassword``."""
    try:
        split = urlsplit(url)
        parameters = parse_qsl(split.query, keep_blank_values=True)
    except ValueError:
        raise click.BadParameter("it must be a path or an SQLAlchemy URL") from None
    return bool(split.password) or any(_SECRET.search(name) for name, _ in parameters)


_JOURNAL = click.option(
    "--journal",
    required=True,
    envvar="FRONTPAY_JOURNAL",
    callback=_journal,
    help="The journal: an SQLite file or a database URL. Defaults to FRONTPAY_JOURNAL.",
)
_NAME = click.option("--name", required=True, help="The batch's name in the journal.")
_ACCOUNT = click.option(
    "--account",
    default="",
    help="The account that the batch belongs to, in a journal of several accounts.",
)
_CHECK_ACCOUNT = click.option(
    "--check-account/--no-check-account",
    default=True,
    help="Whether to verify first that the token belongs to the account. Disable it only if you know that it"
    " does, and the API no longer shows the account's confirmed orders.",
)
_CONCURRENCY = click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="The maximum number of requests in flight.",
)


@invoices.command(cls=PlainCommand)
@_file_options
@click.pass_obj
def validate(command: CommandContext, /, file: Path, **form: object) -> int:
    """Validate a whole FILE of orders, and sum it up; sends nothing.

    FILE is CSV, or JSON lines if its name ends in .jsonl.
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
        summed["warnings"] = [asdict(each) for each in judged.warnings]
    totals = [*judged.kinds.items(), ("total", judged.total)]
    rows = [(kind, f"{each.orders}", f"{each.products}", f"{each.grand_total:.2f}") for kind, each in totals]
    command.output.result(summed, table=(("kind", "orders", "products", "grand total"), rows))
    if judged.violation_count:
        return Exit.FAILED
    command.output.note("the file is valid; nothing was sent" if judged.total.orders else _EMPTY)
    return Exit.OK


@invoices.command(cls=MoneyCommand)
@_file_options
@_JOURNAL
@_NAME
@_ACCOUNT
@_CONCURRENCY
@click.option(
    "--again",
    is_flag=True,
    help="Also send orders that another batch of the account has with the same key and content, a second"
    " time.",
)
@_CHECK_ACCOUNT
@click.pass_obj
def send(
    command: CommandContext,
    /,
    file: Path,
    journal: str,
    name: str,
    *,
    account: str,
    concurrency: int,
    again: bool,
    check_account: bool,
    **form: object,
) -> int:
    """Send a FILE of orders. Run it again to continue: nothing in the journal is sent twice."""
    # Before the question, so that invalid files are rejected without a confirmation.
    with extra("batch", "sqlalchemy"):
        from frontpay_async.cli.batch_progress import ChosenBatch, run_batch
    command.strict_totals = bool(form["strict_totals"])
    orders = _orders(file, form)
    judged = orders.dry_run()
    _tell_warnings(command, judged)
    if judged.violation_count:
        # It raises all violations.
        orders.check()
    total = judged.total
    if not total.orders:
        command.output.tell(_EMPTY)
        return Exit.OK

    def question() -> str:
        kinds = ", ".join(f"{each.orders} {kind}" for kind, each in judged.kinds.items())
        what = f"{counted(total.orders, 'order')} ({kinds}), {total.grand_total:.2f} in all"
        repeated = " Orders that another batch has are sent AGAIN." if again else ""
        return f"Send {what}, as batch {name!r}?{repeated}"

    if not command.confirm(question):
        return Exit.NOT_SENT
    batch = ChosenBatch(journal, name, account, checks_account=check_account)
    return run_batch(command, batch, concurrency=concurrency, orders=orders, again=again)


@invoices.command(cls=MoneyCommand)
@_JOURNAL
@_NAME
@_ACCOUNT
@_CONCURRENCY
@_STRICT_TOTALS
@_CHECK_ACCOUNT
@click.pass_obj
def resume(
    command: CommandContext,
    journal: str,
    name: str,
    *,
    account: str,
    concurrency: int,
    strict_totals: bool,
    check_account: bool,
) -> int:
    """Continue a batch: send pending orders, and reconcile unresolved ones."""
    command.strict_totals = strict_totals
    opened, number = _find(journal, name, account)
    try:
        counts = opened.counts(number)
    finally:
        opened.close()
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no orders"
    if not command.confirm(lambda: f"Continue batch {name!r} ({told})?"):
        return Exit.NOT_SENT
    from frontpay_async.cli.batch_progress import ChosenBatch, run_batch

    batch = ChosenBatch(journal, name, account, checks_account=check_account)
    return run_batch(command, batch, concurrency=concurrency)


@invoices.command(cls=PlainCommand)
@_JOURNAL
@click.option("--open", "only_open", is_flag=True, help="Only unfinished batches.")
@click.pass_obj
def overview(command: CommandContext, journal: str, *, only_open: bool) -> None:
    """Show the state of all batches of all accounts in a journal; without requests to the API."""
    opened = _open(journal)
    from frontpay_async.batch import all_accounts

    try:
        found = all_accounts.overview(opened)
    finally:
        opened.close()
    shown = [each for each in found if not (only_open and each.is_settled and not each.parked)]
    rows = [
        {
            "account": each.account,
            "name": each.name,
            "total": each.total,
            **{state.value: count for state, count in each.counts.items()},
            "in_hand": each.in_hand,
        }
        for each in shown
    ]
    states = ("done", "pending", "unknown", "parked", "failed")
    padded = [{**dict.fromkeys(states, 0), **row} for row in rows]
    command.output.rows(padded, ("account", "name", "total", *states, "in_hand"))
    command.output.note(counted(len(shown), "batch", "batches"))


@invoices.command(cls=PlainCommand)
@_JOURNAL
@_NAME
@_ACCOUNT
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a .csv or .jsonl file that only its owner can read.",
)
@click.option("--delimiter", default=",", show_default=True, help="CSV: the delimiter.")
@click.option("--bom", is_flag=True, help="CSV: write a byte order mark for Excel.")
@click.pass_obj
def report(
    command: CommandContext,
    journal: str,
    name: str,
    to: Path | None,
    *,
    account: str,
    delimiter: str,
    bom: bool,
) -> None:
    """Show the state of each order of a batch, from the journal; without requests to the API.

    For Norwegian Excel: --to report.csv --delimiter ";" --bom.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise click.UsageError("the delimiter is one character, such as ; or ,")
    if to is not None and to.suffix.lower() not in (".csv", ".jsonl"):
        raise click.UsageError("a report's name ends in .csv or .jsonl")
    opened, number = _find(journal, name, account)
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
        _write(rows, to, delimiter, bom=bom)
        command.output.result({"rows": len(rows), "file": str(to)})


@invoices.command(cls=PlainCommand, name="trust-lists")
@_JOURNAL
@_ACCOUNT
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def trust_lists(command: CommandContext, journal: str, *, account: str) -> int:
    """Trust an account's lists of orders again, after one hid a confirmed order; without requests.

    Only when the cause is fixed: an order that a list hides is sent twice.
    """
    opened = _open(journal)
    from frontpay_async.batch import all_accounts
    from frontpay_async.order_files.items import normal

    whose = f"account {account!r}" if account else "the journal's account"
    try:
        if not command.confirm(lambda: f"Trust the lists of orders of {whose} again?"):
            return Exit.NOT_SENT
        changed = all_accounts.trust_lists(opened, normal(account))
    finally:
        opened.close()
    if changed is None:
        raise click.UsageError(f"the journal does not have {whose}; see: frontpay invoices overview")
    command.output.result({"account": account, "changed": changed})
    return Exit.OK


def _write(rows: list[BatchRow], to: Path, delimiter: str, *, bom: bool) -> None:
    from frontpay_async.batch import write_csv, write_jsonl

    try:
        if to.suffix.lower() == ".csv":
            write_csv(rows, to, delimiter=delimiter, bom=bom)
        else:
            write_jsonl(rows, to)
    except OSError as error:
        raise click.ClickException(f"{to} cannot be written: {error.strerror}") from None


def _open(target: str) -> Store:
    """Open an existing journal."""
    with extra("batch", "sqlalchemy"):
        from frontpay_async.batch.encryption import cipher_of
        from frontpay_async.batch.store import Store
    import os

    # A missing journal would be created: a misspelt path must not leave an empty one behind.
    if "://" not in target and not Path(target).is_file():
        raise click.UsageError(f"the journal {target} does not exist")
    return Store.open(target, cipher_of(os.environ.get("FRONTPAY_JOURNAL_KEY")), None)


def _find(target: str, name: str, account: str) -> tuple[Store, int]:
    """Open an existing journal, and find a batch in it."""
    opened = _open(target)
    from frontpay_async.order_files.items import normal

    found = opened.find_batch(normal(name), normal(account))
    if found is None:
        opened.close()
        whose = f" of account {account!r}" if account else ""
        raise click.UsageError(f"the journal has no batch {name!r}{whose}; see: frontpay invoices overview")
    return opened, found.id


def _orders(file: Path, form: dict[str, object]) -> OrderFile:
    from frontpay_async.order_files import read_csv, read_jsonl, read_mapping

    kind, zone = cast("str | None", form["kind"]), cast("str | None", form["zone"])
    strict_totals = bool(form["strict_totals"])
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        return read_jsonl(file, kind=kind, zone=zone, strict_totals=strict_totals)
    of_file = None if form["mapping"] is None else read_mapping(cast("Path", form["mapping"]))
    titles: dict[str, str | None] = {} if of_file is None else dict(of_file.columns)
    titles |= {title: column or None for title, column in _pairs(form["titles"], "--map TITLE=COLUMN")}
    settings = {} if of_file is None else dict(of_file.settings)
    settings |= {
        name: cast("str", form[name])
        for name in ("kind", "encoding", "delimiter", "decimal", "date_format", "zone")
        if form[name] is not None
    }
    return read_csv(
        file,
        mapping=titles,
        defaults={
            **({} if of_file is None else of_file.defaults),
            **dict(_pairs(form["defaults"], "--default COLUMN=VALUE")),
        },
        skip=(*(() if of_file is None else of_file.skip), *cast("tuple[str, ...]", form["skip"])),
        kind=settings.get("kind"),
        encoding=settings.get("encoding"),
        delimiter=settings.get("delimiter"),
        decimal=cast('Literal[".", ","] | None', settings.get("decimal")),
        date_format=settings.get("date_format"),
        zone=settings.get("zone"),
        strict_totals=strict_totals,
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
    _tell_warnings(command, judged)
    groups = judged.groups[:_TOLD]
    for group in groups:
        command.output.tell(str(group))
    if more := judged.violation_count - sum(len(group.lines) for group in groups):
        command.output.tell(f"and {more} more")


def _tell_warnings(command: CommandContext, judged: DryRun) -> None:
    for each in () if command.output.as_json else judged.warning_groups[:_TOLD]:
        command.output.tell(f"warning: {each}")
