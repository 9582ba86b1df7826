"""Idle with 20 services: private memory (RssAnon) and wake-ups a second (voluntary context switches of
all threads), for agent, keeper, supervisord and dinit in the same ten seconds. The agent has answered
a request of each kind before, and nobody is connected."""
import time

from common import Agent, Figure, private_memory, service_table, sleeps_of_threads, wake_ups
from peers import Dinit, Supervisor

SPAN = 10

agent = Agent("".join(service_table(f"s{n:02}") for n in range(20))).until_running(20)
supervisor = Supervisor(20).serve().until_running()
dinit = Dinit(20) if Dinit.is_here() else None
agent.request("POST", "/v1/services/s00/restart?wait=30")
for path in ("/v1/services", "/v1/services/s00", "/v1/jobs", "/v1/audit"):
    agent.request("GET", path)
agent._connection.close()
agent._connection = None

pids = agent.pids() | {"supervisord": supervisor.child.pid}
if dinit:
    pids["dinit"] = dinit.child.pid
memory = Figure("private memory, idle, 20 services", "MB RssAnon", "agent and keeper 10 MB")
wakes = Figure("wake-ups, idle, 20 services", "a second", "below 1")

time.sleep(3)  # what a start leaves to be done
for _ in range(3):
    before = {name: sleeps_of_threads(pid) for name, pid in pids.items()}
    time.sleep(SPAN)
    for name, pid in pids.items():
        wakes.add(name, wake_ups(before[name], sleeps_of_threads(pid)) / SPAN)
        memory.add(name, private_memory(pid))
    for figure in (wakes, memory):
        figure.add("agent and keeper", figure.samples["agent"][-1] + figure.samples["keeper"][-1])
memory.print("agent and keeper", ["supervisord", "dinit"])
wakes.print("agent and keeper", ["supervisord"])
for peer in (dinit, supervisor, agent):
    if peer:
        peer.end()
