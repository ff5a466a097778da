"""The command line, a file per subcommand, each thin over a library call.

Arguments come in, tables or JSON go out. May import everything; `bench` and `demo` only by name.
"""
