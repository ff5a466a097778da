"""The benchmarks behind `ringbuf bench`. Nothing imports this room but the command line, by name.

Numbers go out, with the machine they were measured on and the floor beside them.
"""
