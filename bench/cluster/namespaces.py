"""A machine made of Linux namespaces: its own network, processes, host name and ``/tmp``.

Whatever happens to the program that makes them, nothing stays behind. A namespace of processes ends
with its first process, which reads a pipe and ends when nobody holds the other end any more. A
network that no process is in is removed by the kernel, and so are both ends of its cables.
"""

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import psutil

from bench.cluster.machines import NotPossibleHereError, wait_until_stopped
from bench.cluster.quota import Quota

COMMAND_TIMEOUT_S = 20.0
NETWORKS = range(1, 250)
API_PORT = 9300
PROJECT = Path(__file__).parents[2]
GCS_PORT = 6379
SHARED_MEMORY = "512m"
PROGRAMS = ("unshare", "nsenter", "ip", "bash")

# The first process. It also takes in orphans, so that nothing of a machine is a zombie for long.
FIRST = """
ip link set lo up
{prepare}
echo ready
read -r _ || true
"""
SWITCH = "ip link add name bridge type bridge; ip link set bridge up"
MACHINE = f"""
hostname "$1"
# A project that is in /tmp is wanted there too.
case "$4" in /tmp/*) mkdir -p "$2${{4#/tmp}}"; mount --bind "$4" "$2${{4#/tmp}}" ;; esac
mount --rbind "$2" /tmp
mount -t tmpfs -o size={SHARED_MEMORY} tmpfs /dev/shm
# Nobody answers questions for names here; without this, each would wait for seconds.
printf '127.0.0.1 localhost\n%s %s\n' "$3" "$1" > /tmp/hosts
: > /tmp/resolv.conf
mount --bind /tmp/hosts /etc/hosts
mount --bind /tmp/resolv.conf /etc/resolv.conf
"""


def missing() -> str | None:
    """Return why there can be no namespaces here, if so."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    absent = [name for name in PROGRAMS if which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class Life:
    """Namespaces with their first process.

    Args:
        kinds: Flags of ``unshare``.
        prepare: Shell commands to run in them first.
        arguments: Of these commands.
    """

    def __init__(self, kinds: tuple[str, ...], prepare: str, *arguments: str) -> None:
        script = FIRST.format(prepare=prepare)
        command = ["unshare", "--fork", "--pid", "--mount-proc", *kinds]
        self._parent = subprocess.Popen(
            [*command, "bash", "-euc", script, "bash", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._parent.stdout is not None
        if self._parent.stdout.readline() != "ready\n":
            told = self._parent.communicate(timeout=COMMAND_TIMEOUT_S)[1]
            raise NotPossibleHereError(f"Namespaces cannot be made here: {told}")
        self.pid = psutil.Process(self._parent.pid).children()[0].pid

    def enter(self, *kinds: str) -> list[str]:
        """Return the words before a command that run it in here."""
        return ["nsenter", f"--target={self.pid}", *kinds, "--"]

    def processes(self) -> list[psutil.Process]:
        """Return all processes in here, but for the first."""
        own = _namespace(self.pid)
        return [
            process
            for process in psutil.process_iter()
            if process.pid != self.pid and _namespace(process.pid) == own
        ]

    def end(self) -> None:
        """Kill every process in here at once."""
        # To kill the parent would leave its child.
        for child in psutil.Process(self._parent.pid).children() if self.is_alive() else ():
            child.kill()
        self._parent.communicate(timeout=COMMAND_TIMEOUT_S)

    def is_alive(self) -> bool:
        """Tell whether it has not ended."""
        return self._parent.poll() is None


class Network:
    """A bridge in a namespace of its own, and a cable from it to this machine.

    Args:
        number: Which network of this machine; it is part of the addresses.

    Raises:
        FileExistsError: Another cluster has this number.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._life = Life(("--net",), SWITCH)
        self.gateway = self.address(1)
        try:
            cable = ["ip", "link", "add", "name", f"everruns{number}", "type", "veth"]
            _run([*cable, "peer", "name", "host", "netns", str(self._life.pid)])
        except subprocess.CalledProcessError as error:
            self._life.end()
            raise FileExistsError(error.stderr) from None
        _run(["ip", "address", "add", f"{self.gateway}/24", "dev", f"everruns{number}"])
        _run(["ip", "link", "set", f"everruns{number}", "up"])
        self.run("ip", "link", "set", "host", "master", "bridge", "up")

    def address(self, host: int) -> str:
        """Return the address of a machine on this network."""
        return f"10.213.{self._number}.{host}"

    def run(self, *command: str) -> None:
        """Run a command where the bridge is."""
        _run([*self._life.enter("--net"), *command])

    def plug(self, life: Life, host: int, port: str) -> None:
        """Connect a machine's namespace; it keeps its hardware address from life to life."""
        cable = ["ip", "link", "add", "name", port, "type", "veth"]
        card = ["peer", "name", "eth0", "address", f"02:00:00:00:00:{host:02x}"]
        self.run(*cable, *card, "netns", str(life.pid))
        self.run("ip", "link", "set", port, "master", "bridge", "up")
        inside = life.enter("--net")
        _run([*inside, "ip", "address", "add", f"{self.address(host)}/24", "dev", "eth0"])
        _run([*inside, "ip", "link", "set", "eth0", "up"])
        # Nothing is forwarded from there. Programs ask which address they would be seen with.
        _run([*inside, "ip", "route", "add", "default", "via", self.gateway])

    def end(self) -> None:
        """Remove it."""
        self._life.end()


@contextmanager
def own_network() -> Generator[Network]:
    """Make a network with addresses that nothing else on this machine has.

    Raises:
        NotPossibleHereError: There is none left.
    """
    for number in NETWORKS:
        try:
            network = Network(number)
        except FileExistsError:
            continue
        try:
            yield network
        finally:
            network.end()
        return
    raise NotPossibleHereError("Every network that clusters may take is taken.")


class NamespaceMachine:
    """A machine of namespaces; see ``Machine``.

    Args:
        name: Its host name.
        host: The last number of its address.
        network: Where it is plugged in.
        folder: Its own.
        quota: How much of a CPU its processes may use together.
    """

    def __init__(
        self, name: str, host: int, network: Network, folder: Path, quota: Quota | None
    ) -> None:
        self.name = name
        self.ip = network.address(host)
        self.port = API_PORT
        self.gcs_port = GCS_PORT
        self.folder = folder
        self.tmp = Path("/tmp")
        self._host = host
        self._network = network
        self._quota = quota
        self._lives = 0
        self._life: Life | None = None
        folder.mkdir(parents=True)

    def on(self) -> None:
        """Switch it on; see ``Machine.on``."""
        self._lives += 1
        kinds = ("--net", "--mount", "--uts", "--ipc")
        self._life = Life(kinds, MACHINE, self.name, str(self.folder), self.ip, str(PROJECT))
        if self._quota is not None:
            self._quota.add(self._life.pid)
        self._network.plug(self._life, self._host, self._port)

    def off(self) -> None:
        """Kill all its processes; see ``Machine.off``."""
        if self._life is not None:
            self._life.end()
            self._life = None

    def words(self, *command: str) -> list[str]:
        """Return the words of a command that runs another one on this machine."""
        inside = self._alive.enter("--net", "--mount", "--pid", "--uts", "--ipc")
        return [*(self._quota.words() if self._quota else []), *inside, *command]

    def variables(self) -> Mapping[str, str]:
        """Return nothing: it shares nothing with others."""
        return {}

    def ray_options(self) -> list[str]:
        """Return nothing, for the same reason."""
        return []

    def processes(self) -> list[psutil.Process]:
        """Return its processes."""
        return self._life.processes() if self._life else []

    def cut(self) -> None:
        """Drop every packet from and to it from now on, and tell nobody."""
        # The cable stays plugged in, and what comes out of it is for nobody.
        self._network.run("ip", "link", "set", self._port, "nomaster")

    def mend(self) -> None:
        """Let packets pass again."""
        self._network.run("ip", "link", "set", self._port, "master", "bridge")

    def slow(self, delay_ms: float) -> None:
        """Delay every packet that it sends; 0 ends that.

        Raises:
            NotPossibleHereError: The kernel has no ``netem``.
        """
        device = ["tc", "qdisc", "replace", "dev", "eth0", "root"]
        how = ["netem", "delay", f"{delay_ms}ms"] if delay_ms else ["pfifo"]
        try:
            _run([*self._alive.enter("--net"), *device, *how])
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise NotPossibleHereError("This kernel cannot delay packets (netem).") from error

    def pause(self) -> None:
        """Stop all its processes where they stand; return when they do."""
        self._signal("STOP")
        wait_until_stopped(self.processes())

    def resume(self) -> None:
        """Let them go on."""
        self._signal("CONT")
        for child in psutil.Process().children():
            # It stops itself when the command that it runs is stopped.
            if child.name() == "nsenter":
                child.resume()

    @property
    def _alive(self) -> Life:
        if self._life is None:
            raise ProcessLookupError(f"{self.name} is off.")
        return self._life

    @property
    def _port(self) -> str:
        # The kernel takes a while to remove that of the life before.
        return f"n{self._host}.{self._lives}"

    def _signal(self, name: str) -> None:
        # All but the first process, which keeps the others alive.
        _run([*self._alive.enter("--pid", "--mount"), "bash", "-c", f"kill -{name} -1"])


def _namespace(pid: int) -> Path | None:
    """Return the name of a process's namespace of processes; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return None


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
