// noforce.exe as a whole, under Wine: asked from Linux over TLS, on a console and as a Windows service.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, openSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const program = process.env.NOFORCE_BIN;
const drive = path.join(process.env.WINEPREFIX, "drive_c");
const service = "noforce-tried";

// A state of each agent's own, made by `init`.
function makeState(name) {
  const folder = path.join(drive, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  const settings = path.join(folder, "noforce.toml");
  writeFileSync(
    settings,
    `[server]\nlisten = "127.0.0.1:0"\nstate_dir = 'C:\\${name}\\state'\n` +
      `[log]\nfile = 'C:\\${name}\\noforce.log'\n`,
    { mode: 0o600 },
  );
  const state = path.join(folder, "state");
  return { name, folder, state, settings: `C:\\${name}\\noforce.toml` };
}

function run(words, options = {}) {
  const done = spawnSync("wine", words, { encoding: "utf8", timeout: 60_000, ...options });
  return { status: done.status, out: done.stdout, err: done.stderr };
}
const noforce = (...words) => run([program, ...words]);

async function until(what, is_so, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
    const seen = await is_so();
    if (seen) return seen;
  }
  assert.fail(`${what} did not come within ${seconds} s`);
}

const served = (agent) =>
  until("the agent's address", () => {
    const file = path.join(agent.state, "agent.address");
    return existsSync(file) && readFileSync(file, "utf8").trim();
  });

function ask(agent, address, target, token) {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        host, port, path: target, timeout: 20_000,
        ca: readFileSync(path.join(agent.state, "tls/ca.pem")),
        headers: token ? { Authorization: `Bearer ${token}` } : {},
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece) => (text += piece));
        answer.on("end", () => resolve({ status: answer.statusCode, body: JSON.parse(text) }));
      },
    );
    request.on("error", reject).end();
  });
}

const admin = (agent) =>
  readFileSync(path.join(agent.state, "admin.token"), "utf8").split("\n")[0];

function stateOf(name) {
  return /STATE\s*:\s*(\d+)/.exec(run(["sc", "query", name]).out)?.[1];
}

const agents = { console: makeState("console"), service: makeState("service") };

before(() => {
  for (const agent of Object.values(agents)) {
    const made = noforce("init", "--config", agent.settings, "--state-dir", `C:\\${agent.name}\\state`);
    assert.equal(made.status, 0, made.err);
  }
});
after(() => {
  run(["sc", "stop", service]);
  run(["sc", "delete", service]);
});

test("init is repeated without overwriting, and what it made is for nobody else", () => {
  const again = noforce("init", "--config", agents.console.settings);
  assert.equal(again.status, 0, again.err);
  assert.match(again.out, /kept .*server\.pem/);
  assert.doesNotMatch(again.out, /made/);
});

test("check-config names what belongs to Linux", () => {
  const file = path.join(agents.console.folder, "linux.toml");
  writeFileSync(file, '[server]\nuser = "agent"\n[scm]\nbackend = "systemd"\n', { mode: 0o600 });
  const checked = noforce("check-config", "C:\\console\\linux.toml");
  assert.equal(checked.status, 1);
  assert.match(checked.err, /the account that its service was installed with/);
  assert.match(checked.err, /it has 'windows'/);
});

test("on a console it serves Linux's clients over TLS, obeys the local pipe and ends with Ctrl-C", async () => {
  const agent = agents.console;
  const output = openSync(path.join(agent.folder, "output"), "w");
  const serving = spawn("wine", [program, "serve", "--config", agent.settings], {
    stdio: ["ignore", output, output],
  });
  const ended = new Promise((resolve) => serving.on("exit", (code) => resolve(code)));
  const address = await served(agent);

  assert.equal((await ask(agent, address, "/v1/services")).status, 401);
  const about = await ask(agent, address, "/v1/agent", admin(agent));
  assert.equal(about.status, 200);
  assert.equal(about.body.backend, "windows");
  const list = await ask(agent, address, "/v1/services", admin(agent));
  const running = list.body.items.find((one) => one.state === "running" && one.pid > 0);
  assert.ok(running, "Wine runs at least its Plug and Play");
  // Names are matched without case, as Windows does.
  const one = await ask(agent, address, `/v1/services/${running.name.toUpperCase()}`, admin(agent));
  assert.equal(one.body.name, running.name);
  assert.equal(one.body.pid, running.pid);

  const made = noforce("token", "create", "ci", "--role", "viewer", "--config", agent.settings);
  assert.equal(made.status, 0, made.err);
  const token = made.out.trim();
  assert.equal((await ask(agent, address, "/v1/services", token)).status, 200);
  assert.equal((await ask(agent, address, "/v1/audit", token)).status, 403);
  assert.equal(noforce("token", "revoke", "ci", "--config", agent.settings).status, 0);
  assert.equal((await ask(agent, address, "/v1/services", token)).status, 401);

  const second = noforce("serve", "--config", agent.settings);
  assert.equal(second.status, 4, second.err);
  assert.match(second.err, /another noforce \(pid \d+\) holds/);

  serving.kill("SIGINT");
  assert.equal(await Promise.race([ended, sleep(20_000).then(() => "still there")]), 0);
  const log = readFileSync(path.join(agent.folder, "noforce.log"), "utf8");
  assert.match(log, /msg=ended/);
  assert.ok(!existsSync(path.join(agent.state, "agent.address")));
});

test("it is not installed as a service where others could put another program in its place", () => {
  const folder = path.join(drive, "loose");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  copyFileSync(program, path.join(folder, "noforce.exe"));
  chmodSync(folder, 0o777);
  const refused = run(["C:\\loose\\noforce.exe", "service", "install", "--name", "noforce-loose"]);
  assert.equal(refused.status, 1, refused.out);
  assert.match(refused.err, /loose can be written by .*Put noforce\.exe into a directory of its own/);
  assert.equal(stateOf("noforce-loose"), undefined);
});

test("nor with settings that others can change, nor with a state that they may enter", () => {
  const folder = path.join(drive, "loose");
  chmodSync(folder, 0o755);
  const state = path.join(folder, "state");
  mkdirSync(state);
  const settings = path.join(folder, "noforce.toml");
  writeFileSync(settings, "[server]\nstate_dir = 'C:\\loose\\state'\n");
  const install = ["C:\\loose\\noforce.exe", "service", "install", "--name", "noforce-loose", "--config", "C:\\loose\\noforce.toml"];
  chmodSync(settings, 0o666);
  const changed = run(install);
  assert.equal(changed.status, 1, changed.out);
  assert.match(changed.err, /noforce\.toml can be written by /);
  chmodSync(settings, 0o644);
  chmodSync(state, 0o777);
  const entered = run(install);
  assert.equal(entered.status, 1, entered.out);
  assert.match(entered.err, /state holds keys, and .* may enter it/);
  assert.equal(stateOf("noforce-loose"), undefined);
});

test("as a Windows service it is installed, starts, serves, reloads, stops and is taken away", async () => {
  const agent = agents.service;
  // Where nobody else may write, as C:\Program Files is.
  copyFileSync(program, path.join(agent.folder, "noforce.exe"));
  const install = ["C:\\service\\noforce.exe", "service", "install", "--name", service, "--config", agent.settings];
  const installed = run(install);
  assert.equal(installed.status, 0, installed.err);
  const again = run(install);
  assert.equal(again.status, 4);
  assert.match(again.err, /take it away first/);

  const started = noforce("service", "start", "--name", service);
  assert.equal(started.status, 0, started.err);
  assert.equal(stateOf(service), "4");
  const address = await served(agent);
  const itself = await ask(agent, address, `/v1/services/${service}`, admin(agent));
  assert.equal(itself.body.state, "running");
  assert.ok(itself.body.pid > 0);
  const reloaded = noforce("reload", "--config", agent.settings);
  assert.equal(reloaded.status, 0, reloaded.err);

  // Also where it is still stopping: that run's end is not this one's.
  run(["sc", "stop", service]);
  const restarted = noforce("service", "start", "--name", service);
  assert.equal(restarted.status, 0, restarted.err);
  assert.equal(stateOf(service), "4");

  const early = noforce("service", "uninstall", "--name", service);
  assert.match(early.err, /stop it first/);
  assert.notEqual(early.status, 0);
  run(["sc", "stop", service]);
  await until("the service's end", () => stateOf(service) === "1");
  const log = readFileSync(path.join(agent.folder, "noforce.log"), "utf8");
  assert.match(log, /msg=ended/);
  const removed = noforce("service", "uninstall", "--name", service);
  assert.equal(removed.status, 0, removed.err);
  // Marked for deletion it is there until nobody has it open any more.
  await until("the service to be gone", () => stateOf(service) === undefined);
  assert.equal(noforce("service", "start", "--name", service).status, 4);
});
