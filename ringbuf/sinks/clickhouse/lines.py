"""Answers as lines."""

from collections.abc import Iterable, Iterator


def as_lines(answer: Iterable[bytes]) -> Iterator[bytes]:
    """Rows as lines, also where `output_format_json_array_of_rows` is fixed and makes an array of them.

    Args:
        answer: cut anywhere.
    """
    rest, is_array = b"", False
    for piece in answer:
        *lines, rest = (rest + piece).split(b"\n")
        if lines and lines[0] == b"[" and not is_array:
            is_array, lines = True, lines[1:]
        yield b"".join(line.removesuffix(b",") + b"\n" for line in lines if not is_array or line not in (b"", b"]"))
    yield rest
