"""The writer as a child of the soak, with small limits: `python -m tests.soak.writer PARENT_PID ARGUMENTS…`."""

import sys

from ringbuf.tools.cli import main
from tests.soak.child import end_with_parent
from tests.writer_process import shrink_limits

if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    shrink_limits(batch_bytes=4 * 1024 * 1024)
    sys.argv = ["ringbuf", "writer", *sys.argv[2:]]
    main()
