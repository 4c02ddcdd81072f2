"""``python3 -m frontpay_async.cli`` is ``frontpay``."""

import sys

from frontpay_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
