"""One worker of the service beside a bare echo and the peers' own servers, in one run: ``python -m tests.benchmarks.service``."""
