"""`python -m crossrt`: the command line."""

import sys

from crossrt.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
