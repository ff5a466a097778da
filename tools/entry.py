"""Where the command `ringbuf` begins. Ctrl-C ends it quietly, also before anything of it has been imported."""

from ringbuf.tools.interruption import expect_nothing_to_clean_up


def main() -> None:
    """Run the command."""
    expect_nothing_to_clean_up()
    from ringbuf.tools.cli import main as command

    try:
        command()
    finally:
        expect_nothing_to_clean_up()
