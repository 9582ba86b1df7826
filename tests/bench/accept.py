"""Jobs accepted over HTTPS by 32 keep-alive clients, each on disk before its 202, beside SQLite's own
WAL+FULL commits of one row with a job's JSON, one connection, on the same file system.

"queued" is acceptance alone: 32 services hang in their stop, and restarts of them queue up behind
that, from none each round; "behind 10 000" starts from a queue as long as max_queued's default. "run"
are jobs that also run meanwhile: each a reload (SIGHUP) of one of 32 services."""
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


class Hung:
    """An agent whose services all hang in their stop until this ends."""

    def __init__(self):
        self.control = temporary_folder("control") / "told"
        self.control.write_text("stop = hang\n")
        worker = [BUILD / "tests/services/svc_worker", "--control", self.control]
        self.agent = make_agent("".join(service_table(n, worker) for n in NAMES))
        self.script = make_script(self.agent, "restart")
        for name in NAMES:
            self.agent.request("POST", f"/v1/services/{name}/stop")

    def accepted(self, seconds=SECONDS):
        return wrk(self.agent.url, 32, [self.agent.header], self.script, seconds)

    def end(self):
        self.control.write_text("stop = now\n")
        self.agent.end()


def accepted_from_none():
    hung = Hung()
    try:
        return hung.accepted()
    finally:
        hung.end()


crowded = Hung()
queued = 0
while queued < 10_000:
    queued += crowded.accepted(1)
job_size = len(json.dumps(crowded.agent.request("POST", "/v1/services/s00/restart")[1]))

runs = make_agent("".join(
    service_table(n, [BUILD / "tests/services/svc_worker"], reload_signal="SIGHUP") for n in NAMES
))
reloads = make_script(runs, "reload")

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
    "noforce, queued": accepted_from_none,
    "noforce, run": lambda: after_its_jobs_ended(lambda: wrk(runs.url, 32, [runs.header], reloads)),
    "SQLite WAL+FULL": single_commits,
})
figure.interleave({"noforce, behind 10 000": lambda: crowded.accepted(1)}, 1)
figure.print("noforce, queued", ["SQLite WAL+FULL"])
crowded.end()
runs.end()
