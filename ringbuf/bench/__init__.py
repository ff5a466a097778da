"""The benchmarks behind `ringbuf bench`. Nothing imports this room but the command line, by name.

What goes out are figures, with the machine they were measured on and a floor measured in the same run.
"""
