"""The writer as a child of the soak, with small limits: `python -m tests.soak.writer ARGUMENTS…`."""

import sys

from ringbuf.tools.cli import main
from tests.writer_process import shrink_limits

if __name__ == "__main__":
    shrink_limits(batch_bytes=4 * 1024 * 1024)
    sys.argv = ["ringbuf", "writer", *sys.argv[1:]]
    main()
