"""Run the sandbox over a socket: ``python3 -m frontpay_async.sandbox --port 0``; see ``command``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from frontpay_async.sandbox.command import HELP, Printer, options, serve

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    help=HELP,
    params=[
        *options(),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the URLs as a JSON object."),
        click.Option(["--quiet", "-q"], is_flag=True, help="Print the base URL and warnings only."),
    ],
)
def _command(*, as_json: bool, quiet: bool, **given: Any) -> None:  # noqa: ANN401 - click's values, by name
    def result(url: str, page: str) -> None:
        print(json.dumps({"base_url": url, "page": page}) if as_json else url, flush=True)

    def warn(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    serve(given, Printer(result, note=(lambda _: None) if quiet else warn, warn=warn))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until Ctrl-C; return the exit status."""
    try:
        _command.main(arguments, prog_name="python3 -m frontpay_async.sandbox", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
