"""Tables and sentences of a report, before any renderer dresses them, and the terminal's renderer."""
