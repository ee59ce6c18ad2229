"""The subcommands. Their modules import click alone: everything else is imported when a command runs."""
