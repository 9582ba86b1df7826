"""Jobs accepted over HTTPS by 32 keep-alive clients, each on disk before its 202, beside SQLite's own
WAL+FULL commits of one row with a job's JSON, one connection, on the same file system.

"queued" is acceptance alone: 32 services hang in their stop, and restarts of them queue up behind
that. "run" are jobs that also run meanwhile: each a reload (SIGHUP) of one of 32 services."""
import json
import sqlite3
import time

from common import BUILD, SECONDS, Agent, Figure, service_table, temporary_folder, wrk

SERVICES = 32
NAMES = [f"s{n:02}" for n in range(SERVICES)]


def make_agent(tables):
    return Agent(tables, "[jobs]\nmax_queued = 1000000\n").until_running(SERVICES)


def make_script(agent, action):
    path = agent.folder / "post.lua"
    path.write_text(f"""local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/v1/services/s" .. string.format("%02d", n % {SERVICES}) .. "/{action}")
end
""")
    return path


control = temporary_folder("control") / "told"
control.write_text("stop = hang\n")
worker = [BUILD / "tests/services/svc_worker"]
queues = make_agent("".join(service_table(n, worker + ["--control", control]) for n in NAMES))
runs = make_agent("".join(service_table(n, worker, reload_signal="SIGHUP") for n in NAMES))
for name in NAMES:
    queues.request("POST", f"/v1/services/{name}/stop")
restarts, reloads = make_script(queues, "restart"), make_script(runs, "reload")
job_size = len(json.dumps(queues.request("POST", "/v1/services/s00/restart")[1]))

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
    "noforce, queued": lambda: wrk(queues.url, 32, [queues.header], restarts),
    "noforce, run": lambda: after_its_jobs_ended(lambda: wrk(runs.url, 32, [runs.header], reloads)),
    "SQLite WAL+FULL": single_commits,
})
figure.print("noforce, queued", ["SQLite WAL+FULL"])
control.write_text("stop = now\n")
queues.end()
runs.end()
