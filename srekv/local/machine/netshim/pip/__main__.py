"""`python -m pip` in a machine: the packages are those of the tool's environment, nothing is to install."""

import sys

sys.stderr.write("pip " + " ".join(sys.argv[1:]) + ": nothing to do on a local machine\n")
