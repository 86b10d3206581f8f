"""What the benchmarks compare a server with."""

import pytest

from bench.limits.starting import running_empty


# A start, and nothing of the product.
@pytest.mark.long
def test_the_empty_application_starts_in_the_environment_of_a_server() -> None:
    # Entering it waits for the first answer to a request.
    with running_empty() as empty:
        assert empty.process.is_running()
