"""What is wanted of each further node."""

from bench.cluster.growth import Size, report


def size(nodes: int, turns_per_s: float, send_ms: float) -> Size:
    return Size(nodes, turns_per_s, [send_ms], [send_ms], 0.1)


def test_each_size_is_held_against_the_first() -> None:
    found = report([size(1, 100, 10), size(2, 190, 12), size(3, 200, 40)])

    assert [(target.what, target.reached) for target in found.targets] == [
        ("turns/s on 2 nodes", True),
        ("p50 of sends on 2 nodes, ms", True),
        ("turns/s on 3 nodes", False),
        ("p50 of sends on 3 nodes, ms", False),
    ]
    assert [row[:3] for row in found.rows] == [
        ["1", "100.0", "100.0"],
        ["2", "190.0", "95.0"],
        ["3", "200.0", "66.7"],
    ]
