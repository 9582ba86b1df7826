"""How long after a service's end it is known. The service stamps its last act (stamp.cpp), so the
kernel's part of its end counts too. "seen": until `finished_at` of the job's stop step, which is in
whole milliseconds, cut off (so 0 to 1 ms too early). "answer": until the waiting HTTPS request has its
answer, which is more than the goal asks. Beside it Supervisor's stopProcess and `dinitctl stop`."""
import datetime
import time

from common import BENCHES, ROUNDS, Agent, Figure, percentile, service_table, temporary_folder, until
from peers import Dinit, Supervisor

REPEATS = 60 * ROUNDS
folder = temporary_folder("stamps")


def command(name):
    return [BENCHES / "bench_stamp", folder / name]


def stamps(name):
    """(monotonic, wall clock) in seconds, of the last end; removes them."""
    text = until(lambda: (folder / name).read_text(), f"{name} has written its stamp")
    (folder / name).unlink()
    return [int(word) / 1e9 for word in text.split()]


def is_up(name):
    until((folder / name).exists, f"{name} is up", pause=0.001)


agent = Agent(service_table("agent", command("agent"))).until_running(1)
supervisor = Supervisor(commands={"supervisor": command("supervisor")}).serve().until_running()
dinit = Dinit(commands={"dinit": command("dinit")}) if Dinit.is_here() else None

figure = Figure("end of a stop seen", "ms after the process's last act", "p99 below 2 ms")


def stop_by_agent():
    is_up("agent")
    status, job = agent.request("POST", "/v1/services/agent/stop?wait=30")
    answered = time.monotonic()
    if status != 200:
        raise RuntimeError(f"stop: {status} {job}")
    ended, ended_wall = stamps("agent")
    seen = datetime.datetime.fromisoformat(job["steps"][0]["finished_at"]).timestamp()
    figure.add("noforce, seen", 1000 * (seen - ended_wall))
    figure.add("noforce, answer", 1000 * (answered - ended))
    agent.request("POST", "/v1/services/agent/start?wait=30")


def stop_by_supervisor():
    is_up("supervisor")
    supervisor.rpc.stopProcess("supervisor")
    answered = time.monotonic()
    figure.add("supervisord, answer", 1000 * (answered - stamps("supervisor")[0]))
    supervisor.rpc.startProcess("supervisor")


def stop_by_dinit():
    is_up("dinit")
    dinit.ctl("stop", "--ignore-unstarted", "dinit")
    answered = time.monotonic()
    figure.add("dinitctl, end of the command", 1000 * (answered - stamps("dinit")[0]))
    dinit.ctl("start", "dinit")


for n in range(REPEATS):
    stop_by_agent()
    if n % 10 == 0:
        stop_by_supervisor()
    if dinit and n % 3 == 0:
        stop_by_dinit()
figure.print()
for name, values in figure.samples.items():
    print(f"  {'p99 ' + name:<38} {percentile(values, 0.99):9.3g}")
for peer in (dinit, supervisor, agent):
    if peer:
        peer.end()
