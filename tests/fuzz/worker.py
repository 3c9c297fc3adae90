"""A worker process of :mod:`tests.fuzz.hunt`."""

import sys

from tests.fuzz.hunt import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]))
