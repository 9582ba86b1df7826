"""Status of a service over TLS, keep-alive, 8 connections: the agent's `GET /v1/services/NAME` with
a bearer token, and nginx serving a file of the same size with the same certificate. Both by wrk."""
from common import Agent, Figure, service_table, wrk
from peers import Nginx

agent = Agent("".join(service_table(f"s{n:02}") for n in range(20))).until_running(20)
agent.request("GET", "/v1/services/s07")
connection = agent.connect()
connection.request("GET", "/v1/services/s07", headers=dict([agent.header.split(": ", 1)]))
body = connection.getresponse().read()
connection.close()
nginx = Nginx(agent, body)

figure = Figure(f"status of a service ({len(body)} bytes), 8 connections", "requests/s", "0.9 x nginx")
figure.interleave({
    "noforce": lambda: wrk(f"{agent.url}/v1/services/s07", 8, [agent.header]),
    "noforce /healthz (no token, no body)": lambda: wrk(f"{agent.url}/healthz", 8),
    "nginx": lambda: wrk(nginx.url, 8),
})
figure.print("noforce", ["nginx"])
nginx.end()
agent.end()
