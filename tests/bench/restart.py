"""Restart of a trivial service (`sleep infinity`), until it runs again: one HTTPS request with wait
(on a connection that is kept; on a fresh one; by curl), `dinitctl restart`, `supervisorctl restart`,
`systemctl --user restart`, one after the other in each round."""
import subprocess
import time

from common import ROUNDS, SLEEPER, Agent, Figure, service_table
from peers import Dinit, Supervisor, SystemdUser

REPEATS = 10 * ROUNDS
PATH = "/v1/services/trivial/restart?wait=30"

agent = Agent(service_table("trivial", start="auto")).until_running(1)
supervisor = Supervisor(commands={"trivial": SLEEPER}).serve().until_running()
dinit = Dinit(commands={"trivial": SLEEPER}) if Dinit.is_here() else None
systemd = SystemdUser({"trivial": SLEEPER}) if SystemdUser.is_here() else None


def timed(action, *words):
    begun = time.monotonic()
    result = action(*words)
    return 1000 * (time.monotonic() - begun), result


def succeeded(status, job):
    if status != 200 or job["result"] != "succeeded":
        raise RuntimeError(f"the restart ended so: {status} {job}")
    return job


def by_kept_connection():
    ms, (status, job) = timed(agent.request, "POST", PATH)
    server_side.add("job's duration_ms", succeeded(status, job)["duration_ms"])
    for step in job["steps"]:
        server_side.add(f"step {step['operation']}", step["duration_ms"])
    return ms


def by_fresh_connection():
    def connect_and_ask():
        connection = agent.connect()
        try:
            return agent.request("POST", PATH, connection=connection)
        finally:
            connection.close()

    ms, (status, job) = timed(connect_and_ask)
    succeeded(status, job)
    return ms


def by_curl():
    argv = ["curl", "-sSf", "-o", "/dev/null", "--cacert", agent.ca, "-H", agent.header, "-X", "POST",
            f"{agent.url}{PATH}&strict=1"]
    return timed(lambda: subprocess.run(argv, check=True))[0]


server_side = Figure("what the agent says of it", "ms")
figure = Figure("restart of a trivial service", "ms", "no slower than dinitctl restart")
sources = {
    "noforce, kept connection": by_kept_connection,
    "noforce, fresh connection": by_fresh_connection,
    "noforce, curl": by_curl,
}
if dinit:
    sources["dinitctl"] = lambda: timed(dinit.ctl, "restart", "trivial")[0]
if systemd:
    sources["systemctl --user"] = lambda: timed(systemd.ctl, "restart", "trivial")[0]
figure.interleave(sources, REPEATS)
figure.interleave({"supervisorctl": lambda: timed(supervisor.ctl, "restart", "trivial")[0]})
figure.print("noforce, kept connection", ["dinitctl", "systemctl --user", "supervisorctl"])
server_side.print()
for peer in (systemd, dinit, supervisor, agent):
    if peer:
        peer.end()
