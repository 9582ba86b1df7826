"""Start to first 200: from the start of `noforce serve` to 200 on /healthz over TLS, and from the start
of supervisord to its first answer. "cold": nothing runs yet, the keeper and 20 services are started as
well, as supervisord does. "again": the services and their keeper have run on without the agent."""
import time

from common import ROUNDS, Agent, Figure, end, service_table
from peers import Supervisor

tables = "".join(service_table(f"s{n:02}") for n in range(20))
cold = Agent(tables, serve=False)
again = Agent(tables, serve=False)
again.settings.write_text(again.settings.read_text().replace('"stop"', '"leave"'))
supervisor = Supervisor(20)


def timed(action):
    begun = time.monotonic()
    action()
    return 1000 * (time.monotonic() - begun)


def cold_start():
    ms = timed(cold.serve)
    cold.until_running(20)
    cold.end()
    return ms


def start_again():
    end(again.child)
    return timed(again.serve)


def supervisor_start():
    ms = timed(supervisor.serve)
    supervisor.until_running()
    supervisor.end()
    return ms


again.serve()
again.until_running(20)
figure = Figure("start to first 200, 20 services", "ms", "50 ms")
figure.interleave(
    {"noforce, cold": cold_start, "noforce, again": start_again, "supervisord": supervisor_start}, 2 * ROUNDS
)
figure.print("noforce, cold", ["supervisord"])
# The services are to end with the benchmark.
end(again.child)
again.settings.write_text(again.settings.read_text().replace('"leave"', '"stop"'))
again.serve()
again.end()
