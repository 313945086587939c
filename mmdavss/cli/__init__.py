"""The command line: console commands, arguments, and how a command ends."""
