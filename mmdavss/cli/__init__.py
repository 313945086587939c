"""The command line: console commands, arguments and exit handling."""
