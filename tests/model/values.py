"""Values of any kind, right and wrong, as trading code may give them."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st


def hostile(error: type[BaseException]) -> list[Any]:
    """Objects whose every method raises."""

    def fail(*_: object) -> Any:
        raise error("on purpose")

    names = [
        "str",
        "repr",
        "float",
        "int",
        "index",
        "hash",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "len",
        "bool",
        "format",
    ]
    names += ["bytes", "iter", "sub", "rsub", "complex", "trunc", "getattr", "contains", "getitem", "neg", "abs"]
    members = {f"__{name}__": fail for name in names}
    members |= {
        "encode": fail,
        "strip": fail,
        "decode": fail,
        "replace": fail,
        "is_finite": fail,
        "as_integer_ratio": fail,
    }
    bases = [(object, ()), (str, ("buy",)), (float, (1.5,)), (int, (1,)), (bytes, (b"buy",)), (Decimal, ("1.5",))]
    return [type(f"Hostile{base.__name__}", (base,), members)(*given) for base, given in bases]


def refuse(_: object) -> type:
    raise RuntimeError("on purpose")


Disguised = type("Disguised", (), {"__class__": property(refuse)})
"""Makes objects whose class cannot even be asked for."""


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.text(st.characters())
    | st.text(st.characters(), min_size=60)
    | st.binary()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Decimal("1e999999"), Decimal("-1e-999999"), Decimal("sNaN")])
    | st.builds(lambda: 10**5000)
    | st.builds(lambda: Fraction(10**5000, 3))
    | st.sampled_from([np.array(1.5), np.array([1, 2]), np.datetime64("NaT", "s"), np.bool_(True), np.float16(1)])
    | st.builds(object)
    | st.integers(0, 255).map(np.uint8)
    | st.floats().map(np.float64)
    | st.floats(width=32).map(np.float32)
)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
