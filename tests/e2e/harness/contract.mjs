// openapi.yaml as a judge: every answer that a test sees is held against it. What it does not
// document (path, method, status, content type) fails the test like what contradicts it.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];

export class Contract {
  static read(file = new URL('../../../openapi.yaml', import.meta.url)) {
    return new Contract(parse(readFileSync(file, 'utf8')));
  }

  constructor(document) {
    this.document = document;
    this.ajv = new Ajv({ strict: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addSchema(this.document, 'openapi');
    this.validators = new Map();
    this.paths = Object.keys(this.document.paths).map((path) => ({
      path,
      pattern: new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')}$`),
      // "/v1/jobs/{id}" and "/v1/jobs/latest": the one with less in braces is meant.
      braces: path.split('{').length,
    })).sort((a, b) => a.braces - b.braces);
  }

  // Where a JSON pointer like "#/components/schemas/Job" leads, and the pointer that is not a $ref
  // any more.
  follow(pointer) {
    let at = this.document;
    for (const part of pointer.split('/').slice(1)) {
      at = at?.[part.replace(/~1/g, '/').replace(/~0/g, '~')];
    }
    return at?.$ref ? this.follow(at.$ref) : { at, pointer };
  }

  validator(pointer) {
    if (!this.validators.has(pointer)) {
      // The pointer is a URI's fragment: "{id}" has to be written "%7Bid%7D" there.
      const fragment = pointer.split('/').map((part) => (part === '#' ? part : encodeURIComponent(part))).join('/');
      this.validators.set(pointer, this.ajv.compile({ $ref: `openapi${fragment}` }));
    }
    return this.validators.get(pointer);
  }

  // Throws when `value` is no components/schemas/NAME.
  checkSchema(name, value, what = name) {
    this.check(`#/components/schemas/${name}`, value, what);
  }

  check(pointer, value, what) {
    const validate = this.validator(pointer);
    if (validate(value)) return;
    const wrong = validate.errors.slice(0, 5).map((e) => `  ${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`);
    throw new Error(`${what} contradicts openapi.yaml (${pointer}):\n${wrong.join('\n')}\n  in ${JSON.stringify(value).slice(0, 2000)}`);
  }

  // Throws when openapi.yaml does not promise this answer. `body` is parsed where it is JSON.
  checkAnswer({ method, path, status, headers, body, text }) {
    const what = `${method} ${path} -> ${status}`;
    const bare = path.split('?')[0];
    const found = this.paths.find((p) => p.pattern.test(bare) && methods.some((m) => this.document.paths[p.path][m]));
    const item = found && this.document.paths[found.path];
    const operation = item?.[method.toLowerCase()];
    if (!operation) {
      // What the contract does not know must be refused as such.
      if (status === 404 || status === 405 || status === 401) return;
      throw new Error(`${what}: openapi.yaml has no such operation`);
    }
    const responses = `#/paths/${found.path.replace(/~/g, '~0').replace(/\//g, '~1')}/${method.toLowerCase()}/responses`;
    const key = [String(status), `${String(status)[0]}XX`, 'default'].find((k) => operation.responses[k]);
    if (!key) throw new Error(`${what}: openapi.yaml documents ${Object.keys(operation.responses).join(' ')} only\n  ${text.slice(0, 500)}`);
    const { at: response, pointer } = this.follow(`${responses}/${key}`);
    for (const [name, header] of Object.entries(response.headers ?? {})) {
      const resolved = header.$ref ? this.follow(header.$ref).at : header;
      if (resolved.required && headers[name.toLowerCase()] === undefined) {
        throw new Error(`${what}: the header ${name} is promised and missing`);
      }
    }
    const type = (headers['content-type'] ?? '').split(';')[0].trim();
    if (!response.content) {
      if (text !== '') throw new Error(`${what}: openapi.yaml promises no body, here is one: ${text.slice(0, 200)}`);
      return;
    }
    const media = response.content[type];
    if (!media) throw new Error(`${what}: content type '${type}' is not one of ${Object.keys(response.content).join(' ')}\n  ${text.slice(0, 500)}`);
    if (media.schema && /json$/.test(type)) {
      this.check(`${pointer}/content/${type.replace(/\//g, '~1')}/schema`, body, what);
    }
  }
}
