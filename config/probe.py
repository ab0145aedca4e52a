"""Asks this container's web server whether it is ready; the exit code is the answer."""

import os
import sys
import urllib.request
from urllib.parse import urlsplit


def main() -> int:
    # the host it is called by, because any other one is refused; the port it listens on
    host = urlsplit(os.environ["BASE_URL"]).netloc
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz"
    request = urllib.request.Request(address, headers={"Host": host})  # noqa: S310 - loopback
    try:
        urllib.request.urlopen(request, timeout=8).close()  # noqa: S310 - loopback
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
