// CAs and client certificates, made with the openssl command line.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

// 20261124020000Z, as `openssl ca` wants it.
const stamp = (time) => `${new Date(time).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
const day = 86_400_000;

function openssl(...words) {
  return execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, OPENSSL_CONF: '/dev/null' } });
}

export class Authority {
  // A CA of its own in `folder`, which is made; `signedBy`: below that one.
  constructor(folder, { name = 'clients', signedBy, from = Date.now() - day, to = Date.now() + 30 * day } = {}) {
    this.folder = folder;
    this.name = name;
    this.above = signedBy ? [signedBy.pem, ...signedBy.above] : [];
    mkdirSync(folder);
    this.keyFile = `${folder}/ca.key`;
    this.file = `${folder}/ca.pem`;
    this.serial = 0;
    writeFileSync(`${folder}/index.txt`, '');
    writeFileSync(`${folder}/index.txt.attr`, 'unique_subject = no\n');
    this.key();
    this.request('ca', name);
    const signer = signedBy ?? this;
    signer.sign(`${folder}/ca.csr`, this.file, 'basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash', from, to, signedBy === undefined);
    this.pem = readFileSync(this.file, 'utf8');
  }

  key(name = 'ca') {
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${this.folder}/${name}.key`);
  }

  request(name, subject) {
    const config = `${this.folder}/${name}.request`;
    writeFileSync(config, `[req]\nprompt = no\ndistinguished_name = dn\n[dn]\nCN = ${subject}\n`);
    openssl('req', '-new', '-config', config, '-key', `${this.folder}/${name}.key`, '-out', `${this.folder}/${name}.csr`);
  }

  sign(csr, out, extensions, from, to, itself = false) {
    this.serial += 1;
    const config = `${this.folder}/sign.conf`;
    writeFileSync(`${this.folder}/serial`, `${(0x1000 + this.serial).toString(16)}\n`);
    writeFileSync(config, [
      '[ca]', 'default_ca = this', '[this]', `database = ${this.folder}/index.txt`, `new_certs_dir = ${this.folder}`, `serial = ${this.folder}/serial`,
      'default_md = sha256', 'policy = any', 'x509_extensions = extensions', 'default_crl_days = 30', 'email_in_dn = no', 'rand_serial = yes',
      '[any]', 'commonName = supplied', '[extensions]', extensions, '',
    ].join('\n'));
    const signer = itself ? ['-selfsign'] : ['-cert', this.file];
    openssl('ca', '-batch', '-notext', '-config', config, '-keyfile', this.keyFile, ...signer, '-in', csr, '-out', out, '-startdate', stamp(from), '-enddate', stamp(to));
  }

  // { cert, key, file }, PEM; `cert` with the CAs between its own and the root. usage: an extendedKeyUsage, '' for none.
  issue(name, { sans = [`DNS:${name}`], usage = 'clientAuth', from = Date.now() - day, to = Date.now() + 7 * day } = {}) {
    const id = `client-${(this.serial + 1).toString()}`;
    this.key(id);
    this.request(id, name);
    const extensions = [
      'basicConstraints = critical, CA:FALSE', 'keyUsage = critical, digitalSignature',
      ...(usage ? [`extendedKeyUsage = ${usage}`] : []), ...(sans.length ? [`subjectAltName = ${sans.join(', ')}`] : []),
    ].join('\n');
    const file = `${this.folder}/${id}.pem`;
    this.sign(`${this.folder}/${id}.csr`, file, extensions, from, to);
    const between = this.above.length > 0 ? [this.pem, ...this.above.slice(0, -1)] : [];
    return { cert: [readFileSync(file, 'utf8'), ...between].join(''), key: readFileSync(`${this.folder}/${id}.key`, 'utf8'), file };
  }

  // A CRL that names this certificate and all that were revoked before, as PEM.
  revoke({ file }) {
    openssl('ca', '-config', `${this.folder}/sign.conf`, '-keyfile', this.keyFile, '-cert', this.file, '-revoke', file);
    return openssl('ca', '-config', `${this.folder}/sign.conf`, '-keyfile', this.keyFile, '-cert', this.file, '-gencrl');
  }
}
