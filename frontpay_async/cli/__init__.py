"""The ``frontpay`` command, with the extra ``cli``; described in ``docs/cli.md``.

Only the imports for help and completion are at module level; commands import the rest.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command with the arguments of this process; return the exit status."""
    try:
        from frontpay_async.cli.app import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("frontpay needs an extra: pip install 'frontpay_async[cli]'", file=sys.stderr)
        return 1
    from frontpay_async.cli.signals import heed_signals, ignore_signals

    heed_signals()
    try:
        return run()
    finally:
        ignore_signals()
