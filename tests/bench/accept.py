"""Jobs accepted over HTTPS by 32 keep-alive clients, each on disk before its 202, beside SQLite's own
WAL+FULL commits of one row with a job's JSON, one connection, on the same file system.

"held" is acceptance alone: a hold is on, so that jobs queue and none runs. "run" are jobs that also
run meanwhile, a reload (SIGHUP, ignored by the service) of one of 32 services each."""
import json
import sqlite3
import time

from common import SECONDS, Agent, Figure, service_table, temporary_folder, wrk

IGNORES_HUP = ["/bin/sh", "-c", "trap '' HUP; exec sleep infinity"]
SERVICES = 32


def make_agent(action_hold):
    tables = "".join(
        service_table(f"s{n:02}", IGNORES_HUP, reload_signal="SIGHUP") for n in range(SERVICES)
    )
    agent = Agent(tables, "[jobs]\nmax_queued = 10000000\n").until_running(SERVICES)
    if action_hold:
        agent.request("PUT", "/v1/hold", {"on": True, "reason": "benchmark"})
    return agent


held, runs = make_agent(True), make_agent(False)
script = held.folder / "post.lua"
script.write_text(f"""local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/v1/services/s" .. string.format("%02d", n % {SERVICES}) .. "/reload")
end
""")
job_size = len(json.dumps(held.request("POST", "/v1/services/s00/reload")[1]))

database = sqlite3.connect(temporary_folder("sqlite") / "jobs.db", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE jobs(id TEXT PRIMARY KEY, body TEXT)")
written = 0


def single_commits():
    global written
    body, begun, count = "j" * job_size, time.monotonic(), 0
    while time.monotonic() - begun < SECONDS:
        database.execute("INSERT INTO jobs VALUES(?,?)", (f"{written:026}", body))
        written += 1
        count += 1
    return count / (time.monotonic() - begun)


def after_its_jobs_ended(sample):
    """Lets what the last round left in the queue run first."""
    while runs.request("GET", "/v1/jobs?state=queued&limit=1")[1]["items"]:
        time.sleep(0.2)
    return sample()


figure = Figure("jobs accepted, 32 clients", "jobs/s", "2 x SQLite")
figure.interleave({
    "noforce, held": lambda: wrk(held.url, 32, [held.header], script),
    "noforce, run": lambda: after_its_jobs_ended(lambda: wrk(runs.url, 32, [runs.header], script)),
    "SQLite WAL+FULL": single_commits,
})
figure.print("noforce, held", ["SQLite WAL+FULL"])
held.end()
runs.end()
