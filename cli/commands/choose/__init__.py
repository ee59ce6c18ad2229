"""Commands that name one file to ship: from a report, or from a search of their own."""
