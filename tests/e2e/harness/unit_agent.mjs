// The agent as a unit of its own systemd (`systemd.mjs`, `system_manager.mjs`), installed by `noforce service install`.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, program } from './agent.mjs';
import { seconds, sleep } from './time.mjs';

export class UnitAgent extends Agent {
  // `noforce service WORDS`, of its systemd: { code, text }.
  noforceService(...words) {
    return this.systemd.inside(program, 'service', ...words, ...this.systemd.scope);
  }

  install() {
    return this.noforceService('install', '--config', this.settings);
  }

  get unitFile() {
    return `${this.systemd.installed}/noforce.service`;
  }

  // What an administrator adds by `systemctl edit`.
  async edit(text) {
    mkdirSync(`${this.unitFile}.d`, { recursive: true });
    writeFileSync(`${this.unitFile}.d/override.conf`, text);
    await this.systemd.systemctl('daemon-reload');
  }

  // Installs it and sees to it that it runs. Nobody is told of its end: systemd looks after it.
  launch() {
    chmodSync(this.settings, 0o644); // whoever it runs as reads them
    const started = (async () => {
      const { code, text } = await this.install();
      if (code !== 0) throw new Error(`noforce service install: ${text}`);
      const start = await this.systemd.systemctl('start', 'noforce.service');
      if (start.code !== 0) throw new Error(`systemctl start: ${start.text}\n${(await this.systemd.systemctl('status', 'noforce.service')).text}`);
      return new Promise(() => {});
    })();
    started.catch(() => {});
    return started;
  }

  // Its systemd ends with all that it ran, also when the agent never came to be ready.
  async tearDown(hasFailed) {
    await this.systemd?.end();
    await super.tearDown(hasFailed);
  }

  show(property) {
    return this.systemd.show('noforce.service', property);
  }

  mainPid() {
    return this.show('MainPID').then(Number);
  }

  // Until the property is as wanted; systemd tells nobody of these changes who is not on its bus.
  async untilShows(property, fits, what) {
    const limit = Date.now() + seconds(30);
    for (;;) {
      const value = await this.show(property);
      if (fits(value)) return value;
      if (Date.now() > limit) throw new Error(`waited in vain: ${what}; ${property} is ${value}`);
      await sleep(20);
    }
  }
}
