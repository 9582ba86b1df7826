"""List of 20 services: the agent's `GET /v1/services` over TLS, and Supervisor's getAllProcessInfo
over plain HTTP. 8 connections each, by wrk."""
from common import Agent, Figure, service_table, wrk
from peers import Supervisor

agent = Agent("".join(service_table(f"s{n:02}") for n in range(20))).until_running(20)
supervisor = Supervisor(20).serve().until_running()
script = supervisor.folder / "call.lua"
script.write_text("""wrk.method = "POST"
wrk.headers["Content-Type"] = "text/xml"
wrk.body = "<?xml version='1.0'?><methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>"
""")

figure = Figure("list of 20 services, 8 connections", "requests/s", "50 x supervisord")
figure.interleave({
    "noforce": lambda: wrk(f"{agent.url}/v1/services", 8, [agent.header]),
    "supervisord (plain HTTP)": lambda: wrk(supervisor.url, 8, script=script),
})
figure.print("noforce", ["supervisord (plain HTTP)"])
supervisor.end()
agent.end()
