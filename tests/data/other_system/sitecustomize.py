"""Takes away from Python what it has on Linux only, in this process and in all that it starts."""

import os
import pathlib
import resource

del os.sched_getaffinity, os.sched_setaffinity, resource.prlimit
found = pathlib.Path.exists
pathlib.Path.exists = lambda self, **options: not str(self).startswith("/proc/") and found(self, **options)
