"""The agent over a systemd (`systemd --user` of its own) with 500 units: restart of a trivial unit by one
HTTPS request with wait beside `systemctl restart` of the same unit, for one that needs no disarming and
one that does (TimeoutStopSec=90 s, the default); and the list of all of them."""
import sys
import time

from common import ROUNDS, SLEEPER, Agent, Figure
from peers import SystemdUser

if not SystemdUser.is_here():
    sys.exit(0)

UNITS = 500
REPEATS = 5 * ROUNDS
idle = [f"idle{n:03}" for n in range(UNITS - 2)]
settings = {name: "TimeoutStopSec=infinity\n" for name in ["harmless", "limited", *idle]}
settings["limited"] = "TimeoutStopSec=90\n"
systemd = SystemdUser({"harmless": SLEEPER, "limited": SLEEPER}, settings, asleep=idle)

begun = time.monotonic()
agent = Agent("", '[scm]\nbackend = "systemd"\nmanager = "user"\n', environment=systemd.environment)
startup = 1000 * (time.monotonic() - begun)


def timed(action, *words):
    begun = time.monotonic()
    result = action(*words)
    return 1000 * (time.monotonic() - begun), result


def by_agent(unit):
    ms, (status, job) = timed(agent.request, "POST", f"/v1/services/{unit}/restart?wait=30")
    if status != 200 or job["result"] != "succeeded":
        raise RuntimeError(f"the restart ended so: {status} {job}")
    return ms


def rests():
    """The drop-in of the restart before is gone again, so that the next one pays for its own."""
    folder = systemd.folder / "run/systemd/user/limited.service.d"
    while folder.exists():
        time.sleep(0.01)
    time.sleep(0.5)  # the daemon-reload that follows, and the look at 500 units


def by_agent_disarmed():
    rests()
    return by_agent("limited")


def list_all():
    ms, (status, page) = timed(agent.request, "GET", "/v1/services?limit=1000")
    listed = len(page["items"])
    if status != 200 or listed < UNITS:
        raise RuntimeError(f"the list has {listed} of {UNITS} units")
    return ms


figure = Figure("restart of a trivial unit, no disarming", "ms", "systemctl restart + 2 ms")
figure.interleave({
    "noforce": lambda: by_agent("harmless"),
    "systemctl restart": lambda: timed(systemd.ctl, "restart", "harmless")[0],
}, REPEATS)
figure.print("noforce", ["systemctl restart"])

figure = Figure(f"restart of a trivial unit that needs disarming, {UNITS} units", "ms")
figure.interleave({
    "noforce": by_agent_disarmed,
    "systemctl restart": lambda: timed(systemd.ctl, "restart", "limited")[0],
    "systemctl daemon-reload": lambda: timed(systemd.ctl, "daemon-reload")[0],
}, ROUNDS)
figure.print("noforce", ["systemctl restart"])

figure = Figure(f"list of {UNITS} units", "ms")
figure.interleave({
    "noforce, /v1/services": list_all,
    "systemctl list-units": lambda: timed(systemd.ctl, "list-units", "--all", "--type=service")[0],
}, REPEATS)
figure.print("noforce, /v1/services", ["systemctl list-units"])
print(f"\nstart of the agent until it has seen all {UNITS} units: {startup:.0f} ms")

agent.end()
systemd.end()
