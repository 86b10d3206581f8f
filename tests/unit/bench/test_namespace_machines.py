"""Machines of namespaces: a network of their own, and nothing that stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from actors.processes import wait
from bench.cluster.namespaces import NamespaceMachine, missing, own_network

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no namespaces: {missing()}")

PORT = 9300
WITHIN_S = 20.0
CONNECT_S = 1.0
LISTEN = f"import socket; s = socket.create_server(('', {PORT}))\nwhile True: s.accept()"
CONNECT = (
    f"import socket, sys; socket.create_connection((sys.argv[1], {PORT}), {CONNECT_S}).close()"
)
START_AND_WAIT = """
import sys, time
from pathlib import Path
from bench.cluster.namespaces import NamespaceMachine, own_network
with own_network() as network:
    machine = NamespaceMachine("left", 9, network, Path(sys.argv[1]), None)
    machine.on()
    print(network.gateway, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[NamespaceMachine]]:
    """Two machines on one network, which listen on the same port."""
    with own_network() as network:
        made = [
            NamespaceMachine(f"m{host}", host, network, tmp_path / f"m{host}", None)
            for host in (11, 12)
        ]
        listening = []
        for machine in made:
            machine.on()
            listening.append(subprocess.Popen(machine.words(sys.executable, "-c", LISTEN)))
        wait(lambda: all(reaches(made[0], machine) for machine in made), WITHIN_S)
        yield made
        for machine in made:
            machine.off()
        for process in listening:
            process.wait(WITHIN_S)


def reaches(machine: NamespaceMachine, other: NamespaceMachine) -> bool:
    """Tell whether a connection from one machine to another succeeds."""
    command = machine.words(sys.executable, "-c", CONNECT, other.ip)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_each_has_the_port_and_its_own_folder(machines: list[NamespaceMachine]) -> None:
    first, second = machines

    subprocess.run(first.words("touch", "/tmp/mine"), check=True)

    assert reaches(first, second)
    assert reaches(second, first)
    assert (first.folder / "mine").exists()
    assert not (second.folder / "mine").exists()


def test_one_that_is_cut_off_is_silent_until_it_is_mended(
    machines: list[NamespaceMachine],
) -> None:
    first, second = machines

    second.cut()
    began = time.monotonic()

    assert not reaches(first, second)
    # Not refused: nobody answered.
    assert time.monotonic() - began >= CONNECT_S
    second.mend()
    assert reaches(first, second)


def test_one_that_is_paused_stands_still(machines: list[NamespaceMachine]) -> None:
    (process,) = machines[1].processes()

    machines[1].pause()
    stopped = process.status()
    machines[1].resume()

    assert stopped == psutil.STATUS_STOPPED
    assert process.status() != psutil.STATUS_STOPPED


def test_one_that_was_switched_off_comes_back_at_its_address(
    machines: list[NamespaceMachine],
) -> None:
    first, second = machines
    processes = second.processes()

    second.off()

    assert not any(process.is_running() for process in processes)
    assert not reaches(first, second)
    second.on()
    with subprocess.Popen(second.words(sys.executable, "-c", LISTEN)):
        wait(lambda: reaches(first, second), WITHIN_S)
        assert reaches(first, second)
        second.off()


def test_nothing_is_left_of_a_program_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "machine")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        gateway = program.stdout.readline().strip()
        below = psutil.Process(program.pid).children(recursive=True)
        assert gateway in addresses()

        os.kill(program.pid, signal.SIGKILL)

    assert len(below) >= 4
    wait(lambda: gateway not in addresses(), WITHIN_S)
    assert gateway not in addresses()
    psutil.wait_procs(below, WITHIN_S)
    assert not any(is_left(process) for process in below)


def addresses() -> set[str]:
    """Return the addresses of this computer."""
    return {one.address for card in psutil.net_if_addrs().values() for one in card}


def is_left(process: psutil.Process) -> bool:
    """Tell whether a process still runs."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
