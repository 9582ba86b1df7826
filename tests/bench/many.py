"""1 000 idle keep-alive TLS connections and 200 event streams: status p99 (one client, 100 requests a
second), memory and the share of a core, beside nginx with 1 200 idle connections. Where the agent takes
fewer, the figure says how many it took."""
import time

from clients import hold, still_open
from common import ROUNDS, Agent, Figure, cpu_seconds, percentile, private_memory, service_table
from peers import Nginx

IDLE, STREAMS = 1000, 200
SPAN = 5

def status_times(connection, agent, path):
    times, next_at = [], time.monotonic()
    for _ in range(100 * SPAN):
        begun = time.monotonic()
        connection.request("GET", path, headers=dict([agent.header.split(": ", 1)]))
        connection.getresponse().read()
        times.append(1000 * (time.monotonic() - begun))
        next_at += 0.01
        time.sleep(max(0, next_at - time.monotonic()))
    return times


agent = Agent("".join(service_table(f"s{n:02}") for n in range(20))).until_running(20)
path = "/v1/services/s07"
alone = agent.connect()
p99 = Figure("status, 100 a second", "ms p99", "below 5 ms")
for _ in range(ROUNDS):
    p99.add("noforce, nobody else", percentile(status_times(alone, agent, path), 0.99))
before = private_memory(agent.child.pid)
streams = hold(agent, agent.port, "/v1/events", agent.header, STREAMS)
idle = hold(agent, agent.port, path, agent.header, IDLE)

open_idle, open_streams = still_open(idle), still_open(streams)
nginx = Nginx(agent, b"x" * 400)
nginx_before = sum(map(private_memory, nginx.workers()))
nginx_idle = hold(agent, nginx.port, "/file.json", "X: y", IDLE + STREAMS)

share = Figure("share of a core", "%", "below 2 %")
for _ in range(ROUNDS):
    pids = {"noforce, idle": [agent.child.pid], "nginx, idle": nginx.workers()}
    used = {name: sum(map(cpu_seconds, of)) for name, of in pids.items()}
    time.sleep(SPAN)
    for name, of in pids.items():
        share.add(name, 100 * (sum(map(cpu_seconds, of)) - used[name]) / SPAN)
    alone.close()  # it was idle, and may have had to go
    alone = agent.connect()
    used = cpu_seconds(agent.child.pid)
    p99.add("noforce, beside them", percentile(status_times(alone, agent, path), 0.99))
    share.add("noforce, 100 status a second", 100 * (cpu_seconds(agent.child.pid) - used) / SPAN)

print(f"\nconnections answered: noforce {len(idle)} idle of {IDLE} and {len(streams)} streams of {STREAMS},"
      f"\n  of them open together: {open_idle} and {open_streams}; nginx {len(nginx_idle)} idle")
print(f"memory, MB RssAnon [goal: below 64]: noforce {private_memory(agent.child.pid):.1f}"
      f" (before them {before:.1f}); nginx {sum(map(private_memory, nginx.workers())):.1f}"
      f" (before {nginx_before:.1f})")
p99.print()
share.print()
for sock in idle + streams + nginx_idle:
    sock.close()
nginx.end()
agent.end()
