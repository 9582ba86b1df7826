"""A flood: 2 000 idle connections, 200 event streams, 200 half-open handshakes and 100 headers of a byte a
second, all from one address and then from many. Meanwhile a person asks /healthz and a service's status on a
connection of his own and on a new one each time; beside the same without the flood. Memory and the
share of a core with it."""
import socket
import threading
import time

from clients import ask, hold, still_open, tls_socket
from common import ROUNDS, Agent, Figure, cpu_seconds, percentile, private_memory, service_table

IDLE, STREAMS, HALF, SLOW = 2000, 200, 200, 100
SPAN = 5
STATUS = "/v1/services/s07"


def one_address(n):
    return "127.0.0.1"


def many_addresses(n):
    return f"127.1.{n // 250}.{n % 250 + 1}"


class Flood:
    def __init__(self, agent, source):
        self.agent, self.source = agent, source
        self.streams = hold(agent, agent.port, "/v1/events", agent.header, STREAMS, source)
        self.idle = hold(agent, agent.port, "/healthz", "X: y", IDLE, source)
        self.half, self.slow, self.renewed = [], [], 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def renew(self, held, wanted, make):
        """The agent lets those go whose time is over; others come in their place."""
        alive = []
        for sock in held:
            sock.settimeout(0.0)
            try:
                gone = sock.recv(1) == b""
            except OSError as error:
                gone = not (isinstance(error, BlockingIOError) or "did not complete" in str(error))
            if gone:
                sock.close()
                self.renewed += 1
            else:
                alive.append(sock)
        while len(alive) < wanted and not self.ending.is_set():
            try:
                alive.append(make(len(alive)))
            except OSError:
                break
        return alive

    def half_open(self, n):
        return socket.create_connection(("127.0.0.1", self.agent.port), 10, (self.source(n), 0))

    def slow_header(self, n):
        sock = tls_socket(self.agent, self.agent.port, self.source(n))
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        return sock

    def run(self):
        while not self.ending.is_set():
            self.half = self.renew(self.half, HALF, self.half_open)
            self.slow = self.renew(self.slow, SLOW, self.slow_header)
            for sock in self.slow:
                try:
                    sock.setblocking(True)
                    sock.sendall(b"x")
                except OSError:
                    pass
            self.ending.wait(1)

    def end(self):
        self.ending.set()
        self.thread.join()
        for sock in self.streams + self.idle + self.half + self.slow:
            sock.close()


def times(agent, path, fresh):
    taken, held = [], tls_socket(agent, agent.port, "127.9.9.9")
    for _ in range(20 * SPAN):
        begun = time.monotonic()
        sock = tls_socket(agent, agent.port, "127.9.9.9") if fresh else held
        status = ask(sock, path, agent.header)
        taken.append(1000 * (time.monotonic() - begun))
        if status != 200:
            raise RuntimeError(f"{path} gave {status}")
        if fresh:
            sock.close()
        time.sleep(0.05)
    held.close()
    return taken


agent = Agent("".join(service_table(f"s{n:02}") for n in range(20))).until_running(20)
median = Figure("a person's request, median", "ms", "below 20 ms")
worst = Figure("the worst one of %d" % (20 * SPAN), "ms", "below 1 000 ms")
memory = Figure("memory", "MB RssAnon")
share = Figure("share of a core, a person's 20 requests a second included", "%")
taken = []


def measure(name):
    used, begun = cpu_seconds(agent.child.pid), time.monotonic()
    for path in ("/healthz", STATUS):
        for fresh in (False, True):
            samples = times(agent, path, fresh)
            what = f"{name}, {path.split('/')[1]}, {'new connection' if fresh else 'kept'}"
            median.add(what, percentile(samples, 0.5))
            worst.add(what, max(samples))
    share.add(name, 100 * (cpu_seconds(agent.child.pid) - used) / (time.monotonic() - begun))
    memory.add(name, private_memory(agent.child.pid))


for _ in range(max(1, ROUNDS // 2)):
    measure("nobody else")
    for name, source in (("from one address", one_address), ("from many", many_addresses)):
        flood = Flood(agent, source)
        measure(name)
        taken.append(f"  {name}: idle {still_open(flood.idle)} of {IDLE}, streams {still_open(flood.streams)}"
                     f" of {STREAMS}, half-open {len(flood.half)}, slow {len(flood.slow)}, renewed {flood.renewed}")
        flood.end()

print("\nopen together at the end of each round:")
print("\n".join(taken))
for figure in (median, worst, memory, share):
    figure.print()
agent.end()
