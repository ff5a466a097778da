"""The database that a data directory loads into, as its files name it: `database NAME, SERVER`, whoever the user is."""

import re
from typing import Final

_LEFT_OUT: Final = re.compile(r"https?://|[\[\]]")


def is_same(one: str, other: str) -> bool:
    """Whether two of these texts name one database.

    Release 0.1.0 left out the brackets around an address of IPv6, and the scheme if the URL named a user.
    """
    return _LEFT_OUT.sub("", one) == _LEFT_OUT.sub("", other)
