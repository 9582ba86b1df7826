"""What the benchmarks share: an agent in a folder of its own, rounds, medians and their spread.

NOFORCE_BENCH_ROUNDS   rounds of each measurement (default 5)
NOFORCE_BENCH_SECONDS  how long one round of load lasts (default 3)
NOFORCE_BENCH_BUILD    the build that is measured (default build/release)
"""
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NOFORCE_BENCH_BUILD", ROOT / "build/release")).resolve()
PROGRAM = BUILD / "noforce"
BENCHES = BUILD / "tests/bench"
ROUNDS = int(os.environ.get("NOFORCE_BENCH_ROUNDS", 5))
SECONDS = float(os.environ.get("NOFORCE_BENCH_SECONDS", 3))
SLEEPER = ["/bin/sleep", "infinity"]  # the trivial service, the same for every manager


# --- figures ------------------------------------------------------------------------------------


def readable(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(values):
    return f"{readable(min(values)):>8} - {readable(max(values))}"


class Figure:
    """Samples of the agent and its peers, taken side by side, and how they are printed."""

    def __init__(self, title, unit, goal=""):
        self.title, self.unit, self.goal = title, unit, goal
        self.samples = {}

    def add(self, name, value):
        self.samples.setdefault(name, []).append(value)

    def interleave(self, sources, rounds=ROUNDS):
        """sources: name -> function that takes one sample. Each round asks all of them once."""
        for _ in range(rounds):
            for name, sample in sources.items():
                self.add(name, sample())
        return self

    def print(self, ours=None, peers=()):
        """The ratio is ours / peer, of each peer named, from the medians."""
        print(f"\n{self.title}, {self.unit}" + (f"   [goal: {self.goal}]" if self.goal else ""))
        for name, values in self.samples.items():
            median = readable(statistics.median(values))
            print(f"  {name:<38} {median:>9}   {spread(values)}  (n={len(values)})")
        for peer in peers:
            if ours in self.samples and peer in self.samples:
                ratio = statistics.median(self.samples[ours]) / statistics.median(self.samples[peer])
                print(f"  {'ratio ' + ours + ' / ' + peer:<38} {ratio:>9.3g}")
        sys.stdout.flush()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- processes ----------------------------------------------------------------------------------

_running = []


def start(argv, **options):
    """A child that is ended at the end of the benchmark, whatever happens."""
    child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, **options)
    _running.append(child)
    return child


def end(child, seconds=30):
    """SIGTERM, then wait. A peer that does not end is reported, not killed."""
    if child in _running:
        _running.remove(child)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"pid {child.pid} ({child.args[0]}) has not ended after {seconds} s", file=sys.stderr)


@atexit.register
def end_all():
    for child in list(reversed(_running)):
        end(child)


def temporary_folder(name):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"noforce-bench-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# Interrupted from outside: leave by the handlers above.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=30, pause=0.002):
    give_up = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > give_up:
            raise TimeoutError(what)
        time.sleep(pause)


def find_tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        print(f"  ({name} is not installed: left out)")
    return path


def private_memory(pid):
    """RssAnon in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+)", status, re.M).group(1)) / 1024


def sleeps_of_threads(pid):
    """Thread -> how often it has gone to sleep until now."""
    pattern = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.M)
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {task.name: int(pattern.search((task / "status").read_text()).group(1)) for task in tasks}


def wake_ups(before, after):
    """Between two sleeps_of_threads; a thread that has ended meanwhile counts once."""
    ended = len(before.keys() - after.keys())
    return ended + sum(count - before.get(thread, 0) for thread, count in after.items())


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pid_by_command_line(*words):
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                return int(entry.name)
    return None


# --- load ---------------------------------------------------------------------------------------


def wrk(url, connections, headers=(), script=None, seconds=SECONDS):
    """wrk's requests a second; one thread of it, since it shares two cores with the server."""
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    for header in headers:
        argv += ["-H", header]
    if script:
        argv += ["-s", str(script)]
    run = subprocess.run(argv + [url], capture_output=True, text=True, check=True)
    bad = re.search(r"Non-2xx.*|Socket errors:.*", run.stdout)
    if bad:
        raise RuntimeError(f"wrk {url}: {bad.group(0)}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout).group(1))


# --- the agent ----------------------------------------------------------------------------------


def service_table(name, command=SLEEPER, **more):
    lines = [f'[[service]]\nname = "{name}"', f"command = {json.dumps([str(c) for c in command])}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    return "\n".join(lines) + "\n"


class Agent:
    """`noforce serve` on a free port of the loopback, over the services of `tables`."""

    def __init__(self, tables, sections="", serve=True, environment=None):
        self.environment = environment
        if "[scm]" not in sections:  # the services of another manager are not the agent's to stop
            sections = '[supervisor]\non_exit = "stop"\n' + sections
        self.folder = temporary_folder("agent")
        self.state = self.folder / "state"
        self.settings = self.folder / "settings.toml"
        self.settings.write_text(
            f'[server]\nlisten = "127.0.0.1:0"\nstate_dir = "{self.state}"\n'
            f'[log]\nlevel = "warning"\n{sections}\n{tables}'
        )
        self.settings.chmod(0o600)
        subprocess.run(
            [PROGRAM, "init", "--state-dir", self.state, "--host", "localhost", "--host", "127.0.0.1"],
            check=True, stdout=subprocess.DEVNULL,
        )
        self.header = (self.state / "admin.header").read_text().strip()
        self.certificate = self.state / "tls/server.pem"
        self.key = self.state / "tls/server.key"
        self.ca = self.state / "tls/ca.pem"
        self.tls = ssl.create_default_context(cafile=self.ca)
        self._connection = None
        self.child = None
        if serve:
            self.serve()

    def serve(self):
        """Returns as soon as it answers 200 on /healthz."""
        (self.state / "agent.address").unlink(missing_ok=True)
        self.log = open(self.folder / "agent.log", "ab")
        self.child = start([PROGRAM, "serve", "--config", self.settings], stdout=self.log, stderr=self.log,
                           env=self.environment)
        until(self._is_healthy, f"the agent is healthy; its log: {self.folder}/agent.log", pause=0.0005)

    def _is_healthy(self):
        if self.child.poll() is not None:
            sys.exit(f"noforce serve ended at once:\n{(self.folder / 'agent.log').read_text()[-2000:]}")
        try:
            self.address = (self.state / "agent.address").read_text()
            if not self.address.endswith("\n"):
                return False
            self.address = self.address.strip()
            self.port = int(self.address.rsplit(":", 1)[1])
            self._connection = None
            return self.request("GET", "/healthz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    @property
    def url(self):
        return f"https://{self.address}"

    def connect(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, method, path, body=None, connection=None):
        """(status, JSON) over one kept connection."""
        if connection is None:
            self._connection = self._connection or self.connect()
            connection = self._connection
        name, value = self.header.split(": ", 1)
        headers = {name: value}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, (json.loads(text) if text[:1] in (b"{", b"[") else text)

    def until_running(self, count):
        def are_running():
            items = self.request("GET", "/v1/services?limit=1000&state=running")[1]["items"]
            return len(items) >= count

        until(are_running, f"{count} services run", pause=0.02)
        return self

    def keeper(self):
        return pid_by_command_line("noforce\0keeper", str(self.state))

    def pids(self):
        return {"agent": self.child.pid, "keeper": self.keeper()}

    def end(self):
        keeper = self.keeper()
        end(self.child)
        self.log.close()
        self._connection = None
        if keeper:
            until(lambda: not os.path.exists(f"/proc/{keeper}"), f"the keeper {keeper} ends")
