"""The programs that the agent is measured beside, each in a temporary folder, on the loopback."""
import os
import pathlib
import shutil
import subprocess
import time
import xmlrpc.client

from common import SLEEPER, end, find_tool, free_port, start, temporary_folder, until


class Nginx:
    """Serves one file over TLS, with the agent's own certificate."""

    def __init__(self, agent, body):
        self.folder = temporary_folder("nginx")
        self.port = free_port()
        (self.folder / "www").mkdir()
        (self.folder / "www/file.json").write_bytes(body)
        config = self.folder / "nginx.conf"
        paths = "".join(
            f"  {kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        config.write_text(f"""{user}daemon off;
worker_processes auto;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
{paths}  access_log off;
  sendfile on;
  types {{ application/json json; }}
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {agent.certificate};
    ssl_certificate_key {agent.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    root {self.folder}/www;
  }}
}}
""")
        log = open(self.folder / "stderr.log", "wb")
        self.child = start([find_tool("nginx"), "-c", config, "-e", self.folder / "error.log"], stderr=log)
        until(lambda: (self.folder / "nginx.pid").exists() and self.workers(), "nginx runs")
        time.sleep(0.1)
        self.url = f"https://127.0.0.1:{self.port}/file.json"

    def workers(self):
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def end(self):
        end(self.child)


class Supervisor:
    """supervisord over sleepers (or `commands`: name -> argv), with its HTTP server."""

    def __init__(self, count=0, commands=None):
        self.folder = temporary_folder("supervisor")
        self.port = free_port()
        self.config = self.folder / "supervisord.conf"
        commands = commands or {f"s{n:02}": SLEEPER for n in range(count)}
        programs = "".join(
            # startsecs=0: it runs once it is started, as the agent's type "simple"
            f"[program:{name}]\ncommand={' '.join(map(str, argv))}\nstartsecs=0\nautorestart=false\n"
            for name, argv in commands.items()
        )
        self.config.write_text(f"""[supervisord]
nodaemon=true
logfile={self.folder}/supervisord.log
pidfile={self.folder}/supervisord.pid
childlogdir={self.folder}
[inet_http_server]
port=127.0.0.1:{self.port}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=http://127.0.0.1:{self.port}
{programs}""")
        self.url = f"http://127.0.0.1:{self.port}/RPC2"
        self.rpc = xmlrpc.client.ServerProxy(self.url).supervisor
        self.count = len(commands)

    def serve(self):
        """Returns at its first answer."""
        log = open(self.folder / "stdout.log", "ab")
        self.child = start([find_tool("supervisord"), "-c", self.config], stdout=log, stderr=log)
        until(self._answers, "supervisord answers", pause=0.0005)
        return self

    def _answers(self):
        try:
            return self.rpc.getState()["statename"] == "RUNNING"
        except (OSError, xmlrpc.client.ProtocolError):
            self.rpc = xmlrpc.client.ServerProxy(self.url).supervisor
            return False

    def until_running(self):
        def are_running():
            return sum(p["statename"] == "RUNNING" for p in self.rpc.getAllProcessInfo()) == self.count

        until(are_running, "supervisord's services run", pause=0.05)
        return self

    def ctl(self, *words):
        subprocess.run(
            [find_tool("supervisorctl"), "-c", self.config, *words], check=True, stdout=subprocess.DEVNULL
        )

    def end(self):
        end(self.child)


class Dinit:
    """dinit as a user's manager. Debian 12 has no package of it: one in PATH is used, or the
    folder of NOFORCE_BENCH_DINIT (dinit's src/ after `./configure && make -C src`)."""

    @staticmethod
    def tool(name):
        return shutil.which(name, path=os.environ.get("NOFORCE_BENCH_DINIT", os.environ["PATH"]))

    @classmethod
    def is_here(cls):
        if cls.tool("dinit") and cls.tool("dinitctl"):
            return True
        print("  (dinit is not here, see tests/bench/peers.py: left out)")
        return False

    def __init__(self, count=0, commands=None):
        self.folder = temporary_folder("dinit")
        self.socket = self.folder / "socket"
        commands = commands or {f"s{n:02}": SLEEPER for n in range(count)}
        services = self.folder / "services"
        services.mkdir()
        for name, argv in commands.items():
            (services / name).write_text(
                f"type = process\ncommand = {' '.join(map(str, argv))}\nrestart = false\n"
            )
        (services / "boot").write_text("type = internal\n" + "".join(f"waits-for: {n}\n" for n in commands))
        log = open(self.folder / "dinit.log", "ab")
        self.child = start(
            [self.tool("dinit"), "--user", "-d", services, "-p", self.socket], stdout=log, stderr=log
        )
        until(lambda: self.socket.exists() and self._boot_is_up(), "dinit's services run", pause=0.05)

    def _boot_is_up(self):
        run = subprocess.run(
            [self.tool("dinitctl"), "-p", self.socket, "is-started", "boot"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return run.returncode == 0

    def ctl(self, *words):
        subprocess.run([self.tool("dinitctl"), "-p", self.socket, *words], check=True, stdout=subprocess.DEVNULL)

    def end(self):
        end(self.child)


class SystemdUser:
    """`systemd --user` in a mount namespace of its own, where /run/systemd/system exists; root only."""

    @staticmethod
    def is_here():
        if os.geteuid() == 0 and os.path.exists("/lib/systemd/systemd") and shutil.which("unshare"):
            return True
        print("  (systemd --user needs root, systemd and unshare: left out)")
        return False

    # `settings`: more lines of a service's [Service], by its name. `asleep`: services that are not started.
    def __init__(self, commands, settings=None, asleep=()):
        self.folder = temporary_folder("systemd")
        run = self.folder / "run"
        run.mkdir(mode=0o700)
        units = self.folder / "config/systemd/user"
        units.mkdir(parents=True)
        for name, argv in [*commands.items(), *((name, SLEEPER) for name in asleep)]:
            (units / f"{name}.service").write_text(
                f"[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart={' '.join(map(str, argv))}\n"
                + (settings or {}).get(name, "")
            )
        self.environment = dict(
            os.environ, XDG_RUNTIME_DIR=str(run), XDG_CONFIG_HOME=str(self.folder / "config"),
            DBUS_SESSION_BUS_ADDRESS=f"unix:path={run}/systemd/private",
        )
        script = """mount --make-rprivate / && mount -t tmpfs tmpfs /run/systemd &&
            mkdir -p /run/systemd/system && exec /lib/systemd/systemd --user --unit=basic.target"""
        log = open(self.folder / "systemd.log", "wb")
        self.child = start(
            ["unshare", "-m", "sh", "-c", script], env=self.environment, stdout=log, stderr=log
        )
        until(lambda: (run / "systemd/private").exists(), "systemd --user is there", pause=0.05)
        for name in commands:
            self.ctl("start", name)

    def ctl(self, *words):
        subprocess.run(
            ["systemctl", "--user", *words], check=True, env=self.environment, stdout=subprocess.DEVNULL
        )

    def end(self):
        end(self.child)
