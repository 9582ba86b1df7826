// A case's settings.toml is a template. What it may contain:
//
//   ${DIR}            the test's own folder        ${STATE}      the agent's state_dir in it
//   ${SERVICES}       the test services            ${PORT_NAME}  a free port, the same for each NAME
//   ${worker:NAME}    the start of a `command`: the program and what all test services are given:
//   ${spool:NAME}     its name, ${DIR}/life (what it did), ${DIR}/NAME.lock, and for a worker
//   ${confsvc:NAME}   ${DIR}/NAME.control and ${DIR}/NAME.state
import net from 'node:net';

function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

// Below the ports that the kernel gives to clients, and apart from those of other test processes
// that run at the same time.
let next = 12000 + ((process.pid * 53) % 18000);
export async function freePort() {
  for (;;) {
    next = next >= 30000 ? 12000 : next + 1;
    if (await isFree(next)) return next;
  }
}

// { text, ports }; `ports`: those that are taken already, by name.
export async function fillIn(template, { dir, state, services, ports: taken = {} }) {
  const ports = { ...taken };
  for (const [, name] of template.matchAll(/\$\{PORT_(\w+)\}/g)) ports[name] ??= await freePort();
  const text = template
    .replace(/\$\{(worker|spool|confsvc):([\w.@-]+)\}/g, (_, program, name) => {
      const argv = [`${services}/svc_${program}`, '--name', name, '--events', `${dir}/life`, '--lock', `${dir}/${name}.lock`];
      if (program === 'worker') argv.push('--control', `${dir}/${name}.control`, '--state', `${dir}/${name}.state`);
      return argv.map((word) => JSON.stringify(word)).join(', ');
    })
    .replace(/\$\{PORT_(\w+)\}/g, (_, name) => ports[name])
    .replace(/\$\{(DIR|STATE|SERVICES)\}/g, (_, name) => ({ DIR: dir, STATE: state, SERVICES: services })[name]);
  const left = /\$\{[^}]*\}/.exec(text);
  if (left) throw new Error(`settings.toml: nobody fills in ${left[0]}`);
  return { text, ports };
}
