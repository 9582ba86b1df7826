// What systemd itself says of the units that `noforce service install` writes for the system's manager:
// `systemd-analyze verify` and `security`. They are written in a mount namespace of this test's own, where
// nobody runs them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { program, seconds } from '../harness/index.mjs';

// $1: the program, $2: the settings, $3: "--user" or nothing. Both lie where an administrator has them:
// below /tmp or a home they would be less well protected.
const inNamespace = `set -e
mount --make-rprivate /
for folder in /srv /etc/systemd/system /run; do mkdir -p $folder; mount -t tmpfs -o mode=755 tmpfs $folder; done
install -m 755 "$1" /srv/noforce; install -m 644 "$2" /srv/noforce.toml; mkdir -m 700 /srv/home
export HOME=/srv/home XDG_RUNTIME_DIR=/run; unset XDG_CONFIG_HOME
/srv/noforce service install $3 --config /srv/noforce.toml
unit=/etc/systemd/system/noforce.service; [ -z "$3" ] || unit=/srv/home/.config/systemd/user/noforce.service
echo "--- verify"; systemd-analyze $3 verify $unit 2>&1
echo "--- security"; systemd-analyze $3 security --no-pager --offline=true $unit
`;

// { install, verify, exposure, findings }: the last are the lines that systemd has something against.
async function judge(settings, user = '') {
  const dir = mkdtempSync(path.join(tmpdir(), 'noforce-e2e-'));
  try {
    writeFileSync(`${dir}/settings.toml`, settings);
    const { stdout } = await promisify(execFile)(
      'unshare', ['-m', 'sh', '-c', inNamespace, 'sh', program, `${dir}/settings.toml`, user], { encoding: 'utf8' });
    const [install, verify, security] = stdout.split(/^--- .*\n/m);
    return {
      install, verify,
      exposure: Number(/Overall exposure level for noforce\.service: ([\d.]+)/.exec(security)[1]),
      findings: security.split('\n').filter((line) => line.startsWith('✗')).map((line) => line.split(/\s+/)[1]),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const systemd = '[scm]\nbackend = "systemd"\n';
const limit = { timeout: seconds(60) };

test('For systemd\'s own services nothing is left open but what the work needs', limit, async () => {
  const { verify, exposure, findings } = await judge(systemd);
  assert.equal(verify, '');
  assert.ok(exposure <= 1.6, `${exposure}: ${findings.join(' ')}`);
  // Root's number, the network with its sockets, what is at an address, and all of /proc (the boot's id).
  assert.deepEqual(findings.sort(), [
    'DeviceAllow=', 'IPAddressDeny=', 'PrivateNetwork=', 'PrivateUsers=', 'ProcSubset=',
    'RestrictAddressFamilies=~AF_(INET|INET6)', 'RestrictAddressFamilies=~AF_UNIX', 'RootDirectory=/RootImage=', 'User=/DynamicUser=',
  ]);
});

test('For a user\'s manager it is as closed as that one can make it', limit, async () => {
  const { verify, exposure, findings } = await judge(`${systemd}manager = "user"\n`, '--user');
  assert.equal(verify, '');
  // By the yardstick of the system's: a user's processes have none of the capabilities that count here.
  assert.ok(exposure <= 5.0, `${exposure}: ${findings.join(' ')}`);
  const others = findings.filter((name) => !name.startsWith('CapabilityBoundingSet='));
  for (const name of ['ProtectSystem=', 'NoNewPrivileges=', 'PrivateTmp=', 'MemoryDenyWriteExecute=']) assert.ok(!others.includes(name), name);
  assert.ok(!others.some((name) => name.startsWith('SystemCallFilter=')));
});

test('Around services and hooks it is open, and says so', limit, async () => {
  for (const settings of ['', `${systemd}[policy."web"]\nafter_start = [["/bin/true"]]\n`]) {
    const { install, verify, exposure } = await judge(settings);
    assert.equal(verify, '');
    assert.match(install, /without hardening: services and hooks would inherit it/);
    assert.ok(exposure > 9, `${exposure}`);
  }
});
