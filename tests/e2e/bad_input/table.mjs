// What is sent, and what has to come of it. A string is bytes (latin1); {TOKEN} stands for a valid
// admin token, {JOB} for the id of a job that is there.
//
//   refused(what, sent, status, code, says)   a problem document whose sentence matches `says`
//   closes(what, sent)                        the connection ends without an answer
//   tolerated(what, sent, status)             only a hint is broken: HTTP says to go on without it
//
// more: `on: 'tcp'` sends it instead of TLS; `open: true` leaves our side of the connection open;
// `play` does what bytes alone cannot say; `pieces` is the size of a write.
import { gzipSync } from 'node:zlib';

export const host = 'Host: localhost';
export const auth = 'Authorization: Bearer {TOKEN}';
const json = 'Content-Type: application/json';
const many = (count, text) => text.repeat(count);

export const head = (line, ...fields) => `${[line, ...fields].join('\r\n')}\r\n\r\n`;
export const get = (target, ...fields) => head(`GET ${target} HTTP/1.1`, host, auth, ...fields);
export const send = (method, target, body, ...fields) =>
  head(`${method} ${target} HTTP/1.1`, host, auth, `Content-Length: ${Buffer.byteLength(body, 'latin1')}`, ...fields) + body;
const post = (target, ...fields) => send('POST', target, '', ...fields);
const job = (body) => send('POST', '/v1/jobs', typeof body === 'string' ? body : JSON.stringify(body), json);
// A job that would be refused for nothing else; `more` breaks it.
const options = (more) => job({ action: 'restart', services: ['base'], ...more });
const rawOptions = (text) => job(`{"action":"restart","services":["base"],${text}}`);

const refused = (what, sent, status, code, says, more = {}) => ({ what, sent, status, code, says, ...more });
const closes = (what, sent, more = {}) => ({ what, sent, closes: true, ...more });
const tolerated = (what, sent, status, more = {}) => ({ what, sent, status, tolerated: true, ...more });

const bad = (what, sent, says, more) => refused(what, sent, 400, 'bad_request', says, more);
const malformed = (what, sent, says, more) => refused(what, sent, 422, 'malformed', says, more);
const unauthorized = (what, fields, says) =>
  refused(`Authorization: ${what}`, head('GET /v1/agent HTTP/1.1', host, ...fields), 401, 'unauthorized', says);

const beforeTls = [
  closes('bytes that are nothing', '\x00\x01\x02\x03\xfe\xff', { on: 'tcp' }),
  closes('zeros', many(2000, '\0'), { on: 'tcp' }),
  closes('ones', many(5000, '\xff'), { on: 'tcp' }),
  closes('another protocol\'s banner', 'SSH-2.0-OpenSSH_9.2\r\n', { on: 'tcp' }),
  closes('a proxy\'s header', 'PROXY TCP4 10.0.0.1 127.0.0.1 5555 443\r\n', { on: 'tcp' }),
  closes('an SSL 2 hello', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00\x80' + many(60, '\x07'), { on: 'tcp' }),
  closes('a TLS record with a length of 65535', '\x16\x03\x01\xff\xff' + many(300, 'a'), { on: 'tcp' }),
  closes('a TLS record of SSL 3', '\x16\x03\x00\x00\x05\x01\x00\x00\x01\x00', { on: 'tcp' }),
  closes('empty handshake records, many', many(100, '\x16\x03\x03\x00\x00'), { on: 'tcp' }),
  closes('application data before a handshake', '\x17\x03\x03\x00\x05hello', { on: 'tcp' }),
  closes('only a TLS alert', '\x15\x03\x03\x00\x02\x02\x28', { on: 'tcp' }),
  closes('ChangeCipherSpec, many', many(200, '\x14\x03\x03\x00\x01\x01'), { on: 'tcp' }),
  closes('a handshake message of 16 MB, announced', '\x16\x03\x01\x00\x04\x01\xff\xff\xff', { on: 'tcp' }),
  closes('half a ClientHello', null, { on: 'tcp', play: async (raw, { hello }) => { raw.send(hello.subarray(0, hello.length / 2)); raw.end(); } }),
  closes('a ClientHello and then rubbish', null, { on: 'tcp', play: (raw, { hello }) => raw.send(Buffer.concat([hello, Buffer.alloc(500, 0x41)])) }),
  closes('a ClientHello with broken extensions', null, { on: 'tcp', play: (raw, { hello }) => raw.send(Buffer.concat([hello.subarray(0, 60), Buffer.alloc(hello.length - 60, 0xff)])) }),
  closes('a ClientHello and no more', null, { on: 'tcp', play: (raw, { hello }) => { raw.send(hello); raw.end(); } }),
  closes('nothing at all', '', { on: 'tcp' }),
  // The agent says so where it can; a closed connection is as good.
  bad('HTTP without TLS', head('GET /healthz HTTP/1.1', host), /https/i, { on: 'tcp' }),
  bad('HTTP without TLS, with a token', get('/v1/agent'), /https/i, { on: 'tcp' }),
  bad('HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /https/i, { on: 'tcp', orCloses: true }),
];

const inTls = [
  closes('TLS, and not a word', ''),
  closes('rubbish beneath TLS after the handshake', null, { play: (raw) => raw.sendBelow(many(200, 'x')) }),
  closes('a forged record after the handshake', null, { play: (raw) => raw.sendBelow('\x17\x03\x03\x00\x20' + many(32, 'z')) }),
  closes('half a record after the handshake', null, { play: (raw) => { raw.sendBelow('\x17\x03\x03\x00\x20abc'); raw.below.end(); } }),
];

const resets = [
  closes('a reset before a byte', null, { on: 'tcp', play: (raw) => raw.reset() }),
  closes('a reset after one byte', null, { on: 'tcp', play: (raw) => { raw.send('\x16'); raw.reset(); } }),
  closes('a reset in the handshake', null, { on: 'tcp', play: (raw, { hello }) => { raw.send(hello); raw.reset(); } }),
  closes('a reset after the handshake', null, { play: (raw) => raw.reset() }),
  closes('a reset in the request line', null, { play: (raw) => { raw.send('GET /v1/ag'); raw.reset(); } }),
  closes('a reset in the header', null, { play: (raw) => { raw.send(`GET /v1/agent HTTP/1.1\r\n${host}\r\nAccept:`); raw.reset(); } }),
  closes('a reset in the body', null, { play: (raw) => { raw.send(head('POST /v1/jobs HTTP/1.1', host, json, 'Content-Length: 100') + '{"act'); raw.reset(); } }),
  closes('a reset instead of reading the answer', null, { play: (raw, { fill }) => { raw.send(fill(get('/openapi.yaml'))); raw.reset(); } }),
  closes('a reset while an event stream runs', null, { play: async (raw, { fill }) => { raw.send(fill(get('/v1/events'))); await raw.answer(); raw.reset(); } }),
  closes('a reset while waiting for a job', null, { play: (raw, { fill }) => { raw.send(fill(get('/v1/jobs/{JOB}?wait=60'))); raw.reset(); } }),
];

const requestLines = [
  bad('an empty request line', head('', host), /request line/),
  bad('a blank line first', `\r\n${get('/healthz')}`, /request line/),
  bad('a method alone', head('GET', host), /method, a path and HTTP\/1\.1/),
  bad('HTTP/0.9', head('GET /', host), /method, a path and HTTP\/1\.1/),
  bad('two spaces', head('GET  /healthz HTTP/1.1', host), /path/),
  bad('a space in the path', head('GET /v1/a b HTTP/1.1', host), /%XX/),
  bad('a word too many', head('GET /healthz HTTP/1.1 x', host), /HTTP\/1\.1/),
  bad('a tab for a space', head('GET\t/healthz\tHTTP/1.1', host), /space/),
  bad('a space before the method', head(' GET /healthz HTTP/1.1', host), /method|path/),
  bad('a NUL in the method', head('G\0T /healthz HTTP/1.1', host), /method/),
  bad('a method with brackets', head('GE(T) /healthz HTTP/1.1', host), /method/),
  bad('a method of 10 KB', head(`${many(10000, 'A')} /healthz HTTP/1.1`, host), /method/),
  bad('no version', head('GET /healthz', host), /HTTP\/1\.1/),
  bad('another protocol', head('GET /healthz FTP/1.1', host), /HTTP\/1\.1/),
  bad('a version in small letters', head('GET /healthz http/1.1', host), /HTTP\/1\.1/),
  refused('HTTP/2.0', head('GET /healthz HTTP/2.0', host), 505, 'http_version', /HTTP\/1\.1/),
  refused('HTTP/1.2', head('GET /healthz HTTP/1.2', host), 505, 'http_version', /HTTP\/1\.1/),
  refused('HTTP/1.10', head('GET /healthz HTTP/1.10', host), 505, 'http_version', /HTTP\/1\.1/),
  refused('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'http_version', /HTTP\/1\.1/),
  bad('a whole URL', head('GET https://localhost/healthz HTTP/1.1', host), /path/),
  bad('the target *', head('OPTIONS * HTTP/1.1', host), /path/),
  bad('CONNECT', head('CONNECT localhost:443 HTTP/1.1', host), /path/),
  bad('a path without its /', head('GET healthz HTTP/1.1', host), /path/),
  bad('a fragment', head('GET /healthz#x HTTP/1.1', host), /path/),
  bad('a NUL in the target', head('GET /health\0z HTTP/1.1', host), /%XX/),
  bad('bytes above ASCII in the target', head('GET /caf\xc3\xa9 HTTP/1.1', host), /%XX/),
  bad('a CR in the request line', head('GET /healthz\rX HTTP/1.1', host), /path|%XX/),
  bad('a bare LF after the request line', `GET /healthz HTTP/1.1\n${host}\r\n\r\n`, /HTTP\/1\.1|path/),
  refused('a target of 5 000 bytes', head(`GET /${many(5000, 'a')} HTTP/1.1`, host), 414, 'uri_too_long', /at most 4096/),
  refused('a request line of 100 KB', head(`GET /${many(100000, 'a')} HTTP/1.1`, host), 431, 'header_too_large', /16384 bytes/),
];

const fields = [
  bad('a field without a colon', get('/healthz', 'nothing'), /colon/),
  bad('a field without a name', get('/healthz', ': x'), /name/),
  bad('a space before the colon', get('/healthz', 'Accept : */*'), /name/),
  bad('a space in a name', get('/healthz', 'Acc ept: */*'), /name/),
  bad('a name above ASCII', get('/healthz', 'Acc\xe9pt: */*'), /name/),
  bad('a NUL in a name', get('/healthz', 'Acc\0ept: */*'), /name/),
  bad('a folded line', get('/healthz', 'Accept: text/plain', ' , */*'), /one line/),
  bad('a folded first line', head('GET /healthz HTTP/1.1', ' folded: x', host), /one line/),
  bad('a line folded by a tab', get('/healthz', 'Accept: text/plain', '\t, */*'), /one line/),
  bad('a NUL in a field', get('/healthz', 'Accept: a\0b'), /control character/),
  bad('a bare CR in a value', get('/healthz', 'Accept: a\rb'), /control character/),
  bad('a bare LF in a value', get('/healthz', 'Accept: a\nSet-Cookie: x'), /control character/),
  bad('DEL in a value', get('/healthz', 'Accept: a\x7f'), /control character/),
  bad('an escape sequence in a value', get('/healthz', 'User-Agent: \x1b[2J'), /control character/),
  bad('an encoded CR LF in a value', get('/healthz', 'Accept: a%0d%0aSet-Cookie: x'), /control character/),
  bad('an encoded NUL in a value', get('/healthz', 'X-Any: a%00b'), /control character/),
  bad('an encoded LF in the key', post('/v1/services/base/restart?dry_run=1', 'Idempotency-Key: a%0Ab'), /control character/),
  refused('65 fields', get('/healthz', ...Array(63).fill('X: 1')), 431, 'header_too_large', /at most 64/),
  refused('10 000 fields', get('/healthz', ...Array(10000).fill('X: 1')), 431, 'header_too_large', /at most|16384/),
  refused('a value of 20 KB', get('/healthz', `X: ${many(20000, 'a')}`), 431, 'header_too_large', /16384 bytes/),
  refused('a name of 20 KB', get('/healthz', `${many(20000, 'a')}: x`), 431, 'header_too_large', /16384 bytes/),
  bad('a control character behind a name of 9 KB', get('/healthz', `${many(9000, 'a')}: \x01`), /^.{1,150}$/),
  refused('Expect: 100-continue', send('POST', '/v1/jobs', '{}', json, 'Expect: 100-continue'), 417, 'expectation_failed', /at once/),
  refused('an expectation that nobody knows', get('/healthz', 'Expect: the-impossible'), 417, 'expectation_failed', /at once/),
];

const hosts = [
  bad('no Host', head('GET /healthz HTTP/1.1'), /exactly one Host/),
  bad('no Host, in HTTP/1.0', head('GET /healthz HTTP/1.0'), /exactly one Host/),
  bad('two Hosts', head('GET /healthz HTTP/1.1', host, 'Host: other'), /exactly one Host/),
  bad('the same Host twice', head('GET /healthz HTTP/1.1', host, host), /exactly one Host/),
  bad('a Host with a path', head('GET /healthz HTTP/1.1', 'Host: localhost/x'), /Host/),
  bad('a Host with a user', head('GET /healthz HTTP/1.1', 'Host: admin@localhost'), /Host/),
  bad('a Host with a port that is none', head('GET /healthz HTTP/1.1', 'Host: localhost:https'), /Host/),
  bad('a Host with a port too large', head('GET /healthz HTTP/1.1', 'Host: localhost:99999'), /Host/),
  bad('a Host with two ports', head('GET /healthz HTTP/1.1', 'Host: localhost:1:2'), /Host/),
  bad('a list of Hosts', head('GET /healthz HTTP/1.1', 'Host: localhost, evil.example'), /Host/),
  bad('a Host in an open bracket', head('GET /healthz HTTP/1.1', 'Host: [::1'), /Host/),
  bad('an empty Host', head('GET /healthz HTTP/1.1', 'Host:'), /Host/),
  refused('another\'s Host', head('GET /healthz HTTP/1.1', 'Host: evil.example'), 421, 'misdirected', /certificate names/),
  refused('another\'s address', head('GET /healthz HTTP/1.1', 'Host: 10.9.8.7'), 421, 'misdirected', /certificate names/),
  refused('our Host in another\'s domain', head('GET /healthz HTTP/1.1', 'Host: localhost.evil.example'), 421, 'misdirected', /certificate names/),
];

// Where two readers could see two different ends of one request.
const inner = head('GET /v1/hold HTTP/1.1', host);
const smuggling = [
  refused('chunked', head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Transfer-Encoding: chunked') + '2\r\n{}\r\n0\r\n\r\n', 501, 'not_implemented', /Content-Length/),
  refused('Content-Length, then chunked', head('POST /v1/jobs HTTP/1.1', host, auth, 'Content-Length: 4', 'Transfer-Encoding: chunked') + `0\r\n\r\n${inner}`, 501, 'not_implemented', /Content-Length/),
  refused('chunked, then Content-Length', head('POST /v1/jobs HTTP/1.1', host, auth, 'Transfer-Encoding: chunked', 'Content-Length: 4') + `0\r\n\r\n${inner}`, 501, 'not_implemented', /Content-Length/),
  refused('chunked in odd letters', head('POST /v1/jobs HTTP/1.1', host, 'tRANSFER-eNCODING: cHuNKeD') + `0\r\n\r\n${inner}`, 501, 'not_implemented', /Content-Length/),
  refused('a coding that nobody knows', head('POST /v1/jobs HTTP/1.1', host, 'Transfer-Encoding: xchunked') + `0\r\n\r\n${inner}`, 501, 'not_implemented', /Content-Length/),
  refused('identity', head('POST /v1/jobs HTTP/1.1', host, 'Transfer-Encoding: identity', 'Content-Length: 2') + '{}', 501, 'not_implemented', /Content-Length/),
  refused('chunked over two fields', head('POST /v1/jobs HTTP/1.1', host, 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked') + '0\r\n\r\n', 501, 'not_implemented', /Content-Length/),
  bad('chunked behind a space', head('POST /v1/jobs HTTP/1.1', host, 'Transfer-Encoding : chunked') + '0\r\n\r\n', /name/),
  bad('chunked behind a vertical tab', head('POST /v1/jobs HTTP/1.1', host, 'Transfer-Encoding: \x0bchunked') + '0\r\n\r\n', /control character/),
  bad('two lengths', head('POST /v1/jobs HTTP/1.1', host, 'Content-Length: 2', 'Content-Length: 3') + '{} ', /once/),
  bad('the same length twice', head('POST /v1/jobs HTTP/1.1', host, 'Content-Length: 2', 'content-length: 2') + '{}', /once/),
  bad('a list of lengths', head('POST /v1/jobs HTTP/1.1', host, 'Content-Length: 2, 2') + '{}', /digits/),
  ...['+2', '-2', '0x2', '2.0', '2e0', '2 2', '99999999999999999999999', '18446744073709551617', '', '"2"', '\xb2'].map((length) =>
    bad(`the length "${length}"`, head('POST /v1/jobs HTTP/1.1', host, `Content-Length: ${length}`) + '{}', /digits/)),
  bad('a folded length', head('POST /v1/jobs HTTP/1.1', host, 'Content-Length:', ' 2') + '{}', /digits|one line/),
  bad('a second request in a field', head('POST /v1/jobs HTTP/1.1', host, `X: ${get('/v1/hold').slice(0, -4)}`, 'nothing'), /./),
  malformed('a request in a GET\'s body', send('GET', '/v1/agent', inner), /no body/),
  malformed('a request in a body that nobody takes', send('POST', '/v1/jobs/{JOB}/cancel', inner), /no body/),
  refused('a request in the body of what is not there', send('POST', '/v1/nowhere', inner), 404, 'not_found', /openapi/),
];

const bodies = [
  refused('a body of 65 537 bytes', send('POST', '/v1/jobs', `{"reason":"${many(65524, 'a')}"}`, json), 413, 'too_large', /at most 65536/),
  refused('a body of a terabyte, announced', head('POST /v1/jobs HTTP/1.1', host, json, 'Content-Length: 1099511627776') + '{', 413, 'too_large', /at most 65536/),
  refused('the largest length there is', head('POST /v1/jobs HTTP/1.1', host, json, 'Content-Length: 18446744073709551615') + '{', 413, 'too_large', /at most 65536/),
  closes('a body that is cut off', head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Content-Length: 50') + '{"action":', { play: (raw, { fill, row }) => { raw.send(fill(row.sent)); raw.end(); } }),
  closes('a header that is cut off', null, { play: (raw) => { raw.send(`GET /v1/agent HTTP/1.1\r\n${host}\r\nAcc`); raw.end(); } }),
  refused('a body in gzip', send('POST', '/v1/jobs', gzipSync('{}').toString('latin1'), json, 'Content-Encoding: gzip'), 415, 'unsupported_media_type', /plain JSON/),
  refused('a body in a coding that nobody knows', send('POST', '/v1/jobs', '{}', json, 'Content-Encoding: rot13'), 415, 'unsupported_media_type', /plain JSON/),
  refused('a form with a file', send('POST', '/v1/jobs', '--x\r\n\r\n--x--', 'Content-Type: multipart/form-data; boundary=x'), 415, 'unsupported_media_type', /application\/json/),
  ...['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application', '', 'text/json', 'application/xml; application/json'].map((type) =>
    refused(`Content-Type: ${type}`, send('POST', '/v1/jobs', '{}', `Content-Type: ${type}`), 415, 'unsupported_media_type', /application\/json/)),
  refused('no Content-Type', send('POST', '/v1/jobs', '{}'), 415, 'unsupported_media_type', /application\/json/),
  bad('two Content-Types', send('POST', '/v1/jobs', '{}', json, 'Content-Type: text/plain'), /once/),
  malformed('no body where one is needed', post('/v1/jobs', json), /needs a body/),
  malformed('a body where none is taken', send('GET', '/v1/services', '{}', json), /leave it out/),
  malformed('a body for a cancel', send('POST', '/v1/jobs/{JOB}/cancel', '{}', json), /leave it out/),
];

const texts = [
  ...[
    ['spaces', '   '], ['half an object', '{"action":'], ['no quotes', '{action:"stop"}'], ['single quotes', "{'action':'stop'}"],
    ['a comment', '{}/* x */'], ['two documents', '{}{}'], ['rubbish behind it', '{} x'], ['a comma too many', '{"action":"stop",}'],
    ['NaN', '{"deadline_s":NaN}'], ['Infinity', '{"deadline_s":-Infinity}'], ['a leading zero', '{"deadline_s":012}'], ['hex', '{"deadline_s":0x10}'],
    ['a bare control character', '{"reason":"a\x01b"}'], ['a bare line break', '{"reason":"a\nb"}'], ['a NUL', '{"reason":"a\0b"}'],
    ['an escape that is none', '{"reason":"\\x41"}'], ['a lone surrogate, escaped', '{"reason":"\\ud800"}'], ['surrogates in the wrong order', '{"reason":"\\udc00\\ud800"}'],
    ['a byte that is never UTF-8', '{"reason":"\xff"}'], ['an overlong NUL', '{"reason":"\xc0\x80"}'], ['an overlong slash', '{"reason":"\xe0\x80\xaf"}'],
    ['a surrogate in UTF-8', '{"reason":"\xed\xa0\x80"}'], ['beyond Unicode', '{"reason":"\xf4\x90\x80\x80"}'], ['UTF-8 cut off', '{"reason":"\xe2\x82"}'],
    ['Latin-1', '{"reason":"caf\xe9"}'], ['UTF-16', Buffer.from('\ufeff{}', 'utf16le').toString('latin1')], ['XML', '<job/>'], ['a form', 'action=stop&services=base'],
  ].map(([what, body]) => malformed(`JSON: ${what}`, job(body), /not JSON.*line \d+, column \d+/)),
  ...[['an array', '[]'], ['a string', '"stop"'], ['a number', '4711'], ['null', 'null'], ['true', 'true']].map(([what, body]) =>
    malformed(`JSON: ${what} for an object`, job(body), /JSON object/)),
  malformed('JSON: 18 deep', rawOptions(`"reason":${many(17, '[')}${many(17, ']')}`), /16 deep/),
  malformed('JSON: 30 000 deep', job(`${many(30000, '[')}${many(30000, ']')}`), /16 deep|JSON object/),
  malformed('JSON: 30 000 objects deep, cut off', job(many(8000, '{"a":')), /not JSON/),
  malformed('JSON: a number beyond all', rawOptions('"deadline_s":1e999'), /too large/),
  malformed('JSON: a number of 60 000 digits', rawOptions(`"deadline_s":${many(60000, '9')}`), /too large|whole number/),
  malformed('JSON: a field twice', rawOptions('"action":"stop"'), /more than once/),
  malformed('JSON: a field twice, once escaped', rawOptions('"\\u0061ction":"stop"'), /more than once/),
  malformed('JSON: 5 000 fields', job(`{${Array.from({ length: 5000 }, (_, i) => `"f${i}":1`).join(',')}}`), /Unknown field/),
];

const values = [
  malformed('an unknown field, nearly right', options({ deadline: 5 }), /did you mean deadline_s/),
  malformed('an unknown field', options({ frobnicate: 1 }), /known are/),
  malformed('an unknown field of 10 KB', options({ [many(10000, 'x')]: 1 }), /Unknown field/),
  malformed('an unknown field with control characters', options({ '\u0007\u202e': 1 }), /\\u0007/),
  malformed('__proto__', rawOptions('"__proto__":{"role":"admin"}'), /Unknown field/),
  malformed('an empty name', rawOptions('"":1'), /Unknown field/),
  malformed('no action', job({ services: ['base'] }), /action is missing/i),
  malformed('an action that is none', job({ action: 'explode', services: ['base'] }), /one of stop/),
  malformed('an action in capitals', job({ action: 'STOP', services: ['base'] }), /one of stop/),
  malformed('kill', job({ action: 'kill', services: ['base'] }), /one of stop/),
  malformed('an empty action', job({ action: '', services: ['base'] }), /empty/),
  malformed('an action that is a list', job({ action: ['stop'], services: ['base'] }), /string/),
  malformed('an action that is null', job({ action: null, services: ['base'] }), /string/),
  malformed('neither services nor group', job({ action: 'stop' }), /either services.*or a group/),
  malformed('services and group', job({ action: 'stop', services: ['base'], group: 'all' }), /not both/),
  malformed('services that are a string', job({ action: 'stop', services: 'base' }), /list of 1 to 1000/),
  malformed('services that are an object', job({ action: 'stop', services: { 0: 'base' } }), /list of 1 to 1000/),
  malformed('no services', job({ action: 'stop', services: [] }), /list of 1 to 1000/),
  malformed('1 001 services', job({ action: 'stop', services: Array(1001).fill('base') }), /list of 1 to 1000/),
  malformed('a service that is a number', job({ action: 'stop', services: ['base', 5] }), /services\[1\] has to be a string/i),
  malformed('a service that is a list', job({ action: 'stop', services: [['base']] }), /services\[0\] has to be a string/i),
  malformed('a service without a name', job({ action: 'stop', services: [''] }), /empty/),
  malformed('a service\'s name of 257 bytes', job({ action: 'stop', services: [many(257, 'a')] }), /at most 256/),
  refused('a job for a service that is not there', job({ action: 'stop', services: ['nobody'] }), 404, 'unknown_service', /nobody/),
  refused('a service with a path for a name', job({ action: 'stop', services: ['../../etc/passwd'] }), 404, 'unknown_service', /service/),
  refused('a service with a NUL in its name', job({ action: 'stop', services: ['base\0'] }), 404, 'unknown_service', /\\u0000/),
  refused('a service with a line break in its name', job({ action: 'stop', services: ['base\nx'] }), 404, 'unknown_service', /\\u000a/i),
  refused('a job for a group that is not there', job({ action: 'stop', group: 'nobody' }), 404, 'unknown_group', /groups/),
  ...[['a string', '"5"'], ['a fraction', '1.5'], ['null', 'null'], ['true', 'true'], ['a list', '[5]'], ['0', '0'], ['negative', '-1'], ['beyond a week', '604801'],
    ['beyond 63 bits', '9223372036854775808'], ['beyond 64 bits', '18446744073709551616'], ['below 63 bits', '-9223372036854775809'], ['a float of the right size', '1e2']].map(([what, value]) =>
    malformed(`deadline_s: ${what}`, rawOptions(`"deadline_s":${value}`), /whole number from 1 to 604800/)),
  malformed('dependents that are neither', options({ dependents: 'force' }), /refuse and include|refuse, include/),
  malformed('dependents that are a truth value', options({ dependents: true }), /string/),
  malformed('on_failure that is neither', options({ on_failure: 'kill' }), /restore, leave/),
  malformed('a reason of 4 097 bytes', options({ reason: many(4097, 'a') }), /at most 4096/),
  malformed('a reason that is an object', options({ reason: {} }), /string/),
  malformed('a plan_digest of 129 bytes', options({ plan_digest: many(129, 'a') }), /at most 128/),
  refused('a plan_digest that is none', options({ plan_digest: 'sha256:x' }), 412, 'plan_mismatch', /plan/),
  malformed('an option in query and body', send('POST', '/v1/services/base/restart?reason=a', '{"reason":"b"}', json), /query and in the body/),
  malformed('a service in the body of a control', send('POST', '/v1/services/base/restart', '{"services":["leaf"]}', json), /Unknown field/),
  malformed('a hold that is neither on nor off', send('PUT', '/v1/hold', '{"on":"yes"}', json), /true or false/),
  malformed('a hold with more to it', send('PUT', '/v1/hold', '{"on":true,"by":"root"}', json), /Unknown field/),
];

const queries = [
  malformed('an unknown parameter', get('/v1/services?colour=red'), /Unknown query parameter/),
  malformed('an unknown parameter, nearly right', get('/v1/services?limt=5'), /did you mean limit/),
  malformed('a parameter where there are none', get('/v1/agent?x=1'), /there are none here/),
  malformed('a token in the URL', get('/v1/agent?access_token=abc'), /Unknown query parameter/),
  malformed('a parameter twice', get('/v1/services?limit=5&limit=6'), /more than once/),
  malformed('a parameter without a name', get('/v1/services?=5'), /Unknown query parameter/),
  malformed('65 parameters', get(`/v1/services?${Array(65).fill('limit=5').join('&')}`), /more than 64/),
  ...['%', '%4', '%zz', '%-1', '%u0041', '%00', '%1b', '%7f', '%ff', '%c0%80', '%c0%af', '%ed%a0%80', '%f4%90%80%80', '%e2%82'].map((text) =>
    malformed(`the escape ${text} in the query`, get(`/v1/services?q=${text}`), /two hex digits.*control.*UTF-8/)),
  malformed('a bad escape in a parameter\'s name', get('/v1/services?q%=5'), /two hex digits/),
  ...['0', '-1', '1001', 'ten', '1.0', '', '0x10', ' 5', '1e2', '99999999999999999999'].map((limit) =>
    malformed(`limit=${limit}`, get(`/v1/services?limit=${encodeURIComponent(limit)}`), /whole number from 1 to 1000/)),
  ...['x', 'AAAA', 'c3RhcnQ=', '....', many(2000, 'A')].map((token, i) =>
    malformed(`a page token that is none (${i})`, get(`/v1/services?page_token=${token}`), /begin again without it/)),
  malformed('an empty page token', get('/v1/services?page_token='), /begin again without it/),
  malformed('a page token of another list', get(`/v1/jobs?page_token=${Buffer.from('s1:base').toString('base64url')}`), /begin again without it/),
  malformed('a page token with an id that is none', get(`/v1/jobs?page_token=${Buffer.from('j1:base').toString('base64url')}`), /begin again without it/),
  malformed('a page token with a row that is none', get(`/v1/audit?page_token=${Buffer.from('a1:-5').toString('base64url')}`), /begin again without it/),
  malformed('a page token with a control character', get(`/v1/services?page_token=${Buffer.from('s1:a\nb').toString('base64url')}`), /begin again without it/),
  ...['yesterday', '2026-13-45T99:99:99Z', '0', '-1', '2026-11-23', '2026-11-23T00:10:02', '9999999-01-01T00:00:00Z', '%0a'].map((since) =>
    malformed(`since=${since}`, get(`/v1/jobs?since=${since}`), /a time as 2026-/)),
  malformed('a state that is none', get('/v1/services?state=exploded'), /one of stopped/),
  malformed('a job\'s state that is none', get('/v1/jobs?state=running,done'), /one of queued/),
  malformed('a result that is none', get('/v1/jobs?result=good'), /one of succeeded/),
  malformed('a job\'s action that is none', get('/v1/jobs?action=kill'), /one of stop/),
  malformed('a pattern of 257 bytes', get(`/v1/services?q=${many(257, '*')}`), /at most 256/),
  refused('a group that is not there, in a filter', get('/v1/services?group=nobody'), 404, 'unknown_group', /groups/),
  refused('a service that is not there, in a filter', get('/v1/jobs?service=nobody'), 404, 'unknown_service', /nobody/),
  refused('events of a job that is not there', get('/v1/events?job=nothing'), 404, 'unknown_job', /job/),
  refused('events of a service that is not there', get('/v1/events?service=nobody'), 404, 'unknown_service', /nobody/),
  ...['-1', 'ever', '1e3', '1.5', '', '99999999999999999999', '2147483648'].map((wait) =>
    malformed(`wait=${wait}`, get(`/v1/jobs/{JOB}?wait=${wait}`), /whole number from 0/)),
  malformed('strict=maybe', post('/v1/services/base/restart?strict=maybe&dry_run=1'), /1 or 0/),
  malformed('dry_run=perhaps', post('/v1/services/base/restart?dry_run=perhaps'), /1 or 0/),
  malformed('dry_run=2', post('/v1/services/base/restart?dry_run=2'), /1 or 0/),
  malformed('deadline_s=soon', post('/v1/services/base/restart?deadline_s=soon'), /whole number from 1/),
  malformed('dependents=force', post('/v1/services/base/restart?dependents=force'), /refuse/),
  malformed('on=maybe', send('PUT', '/v1/hold?on=maybe', ''), /1 or 0/),
];

const headers = [
  ...['image/png', 'application/xml, image/*', 'application/json;q=0, text/plain;q=0', 'text/html', '*/*;q=0', 'nonsense', ';q='].map((accept) =>
    refused(`Accept: ${accept}`, get('/v1/services', `Accept: ${accept}`), 406, 'not_acceptable', /application\/json or text\/plain/)),
  refused('events as JSON', get('/v1/events', 'Accept: application/json'), 406, 'not_acceptable', /text\/event-stream/),
  ...[['empty', ''], ['256 characters', many(256, 'k')], ['with a space', 'a b'], ['an open quote', '"abc'], ['a quote too many', '"a"b"'], ['empty in quotes', '""'],
    ['above ASCII', 'caf\xe9'], ['an escape at the end', '"abc\\'], ['a tab', 'a\tb']].map(([what, key]) =>
    malformed(`Idempotency-Key: ${what}`, post('/v1/services/base/restart?dry_run=1', `Idempotency-Key: ${key}`), /1 to 255 visible ASCII/)),
  malformed('Idempotency-Key: twice', post('/v1/services/base/restart?dry_run=1', 'Idempotency-Key: a', 'Idempotency-Key: b'), /1 to 255 visible ASCII/),
  ...['wait', 'wait=', 'wait=-5', 'wait=soon', 'wait=99999999999999999999', ',,;;==', many(4000, 'a,'), 'respond-async; wait=x'].map((prefer, i) =>
    tolerated(`Prefer that asks for nothing (${i})`, get('/v1/jobs/{JOB}', `Prefer: ${prefer}`), 200)),
  ...['x', '"', 'W/', '"a" "b"', many(4000, '",'), '\xff'].map((tag, i) => tolerated(`an ETag that is none (${i})`, get('/v1/services/base', `If-None-Match: ${tag}`), 200)),
  ...['x', '0', '-1', '99999999999999999999:5', many(8000, '1'), '1:1:1', '\xff'].map((id, i) =>
    tolerated(`a Last-Event-ID that is none (${i})`, get('/v1/events', `Last-Event-ID: ${id}`), 200)),
  ...[',,,', '*/*;q=banana', '*/*;q=99', many(3000, '*/*,')].map((accept, i) => tolerated(`an Accept that says little (${i})`, get('/v1/services', `Accept: ${accept}`), 200)),
  tolerated('a Range', get('/v1/services', 'Range: bytes=0-,0-,0-,0-,99999999999999999999-'), 200),
  tolerated('an Upgrade', get('/v1/services', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'), 200),
  tolerated('another\'s methods', get('/v1/services', 'X-HTTP-Method-Override: DELETE'), 200),
];

const credentials = [
  unauthorized('none', [], /noforce token create/),
  unauthorized('empty', ['Authorization:'], /Bearer/),
  unauthorized('Basic', ['Authorization: Basic YWRtaW46YWRtaW4='], /Bearer/),
  unauthorized('Digest', ['Authorization: Digest username="admin"'], /Bearer/),
  unauthorized('Bearer alone', ['Authorization: Bearer'], /not a token/),
  unauthorized('Bearer and a space', ['Authorization: Bearer '], /not a token/),
  unauthorized('a short one', ['Authorization: B'], /Bearer/),
  unauthorized('no space', ['Authorization: Bearer{TOKEN}'], /Bearer/),
  unauthorized('a comma behind it', ['Authorization: Bearer {TOKEN},'], /not a token/),
  unauthorized('two words', ['Authorization: Bearer {TOKEN} {TOKEN}'], /not a token/),
  unauthorized('513 characters', [`Authorization: Bearer ${many(513, 'a')}`], /not a token/),
  unauthorized('a token that is none', ['Authorization: Bearer nf_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'], /noforce token create/),
  unauthorized('a token with a letter more', ['Authorization: Bearer {TOKEN}A'], /noforce token create/),
  unauthorized('above ASCII', ['Authorization: Bearer caf\xe9'], /not a token/),
  unauthorized('twice', [auth, auth], /more than one/),
  unauthorized('a good and a bad one', [auth, 'Authorization: Basic eDp5'], /more than one/),
  bad('Authorization: a token with a NUL', head('GET /v1/agent HTTP/1.1', host, 'Authorization: Bearer \0'), /control character/),
];

const wrongMethod = (method, target, allow) => refused(`${method} ${target}`, send(method, target, ''), 405, 'method_not_allowed', allow);
const methods = [
  wrongMethod('DELETE', '/v1/services', /GET, HEAD, OPTIONS do/),
  wrongMethod('PUT', '/v1/services/base', /GET/),
  wrongMethod('PATCH', '/v1/jobs', /POST/),
  wrongMethod('DELETE', '/v1/jobs/{JOB}', /GET/),
  wrongMethod('POST', '/v1/audit', /GET/),
  wrongMethod('DELETE', '/v1/audit', /GET/),
  wrongMethod('DELETE', '/v1/hold', /PUT/),
  wrongMethod('GET', '/v1/services/base/restart', /POST/),
  wrongMethod('GET', '/v1/jobs/{JOB}/cancel', /POST/),
  wrongMethod('POST', '/healthz', /GET/),
  wrongMethod('TRACE', '/healthz', /GET/),
  wrongMethod('get', '/healthz', /GET/),
  wrongMethod('PROPFIND', '/v1/services', /GET/),
  wrongMethod('M-SEARCH', '/v1/services', /GET/),
];

const nowhere = (target, what = target) => refused(`the path ${what}`, get(target), 404, 'not_found', /openapi/);
const noService = (name) => refused(`the service ${name}`, get(`/v1/services/${name}`), 404, 'unknown_service', /service/);
const paths = [
  nowhere('/'), nowhere('/favicon.ico'), nowhere('/v2/services'), nowhere('/V1/services'), nowhere('/v1'), nowhere('/v1/'), nowhere('/v1/services/'),
  nowhere('//v1/services'), nowhere('/v1//services'), nowhere('/v1/./services'), nowhere('/v1/../v1/services'), nowhere('/healthz/../v1/services'),
  nowhere('/..'), nowhere('/../../../../etc/passwd'), nowhere('/%2e%2e/%2e%2e/etc/passwd'), nowhere('/..%2f..%2fetc%2fpasswd'), nowhere('/..\\..\\etc'),
  nowhere('/v1%2fservices'), nowhere('/v1/services;x=1'), nowhere('/healthz;'), nowhere('/healthz/'), nowhere('/healthz.json'), nowhere('/.git/config'),
  nowhere('/%252e%252e/'), nowhere(`/${many(2000, 'a/')}`, 'of 2 000 folders'), nowhere(`/${many(4000, 'a')}`, 'of 4 000 bytes'),
  noService('nobody'), noService('..'), noService('%2e%2e%2f%2e%2e'), noService('base%2f..'), noService('base;x'), noService('base%0d%0aX:%20y'), noService('*'), noService(many(3900, 'a')),
  refused('a control that is none', post('/v1/services/base/kill'), 404, 'not_found', /stop, start/),
  refused('a control in capitals', post('/v1/services/base/RESTART'), 404, 'not_found', /stop, start/),
  refused('a group that is not there', get('/v1/groups/nobody'), 404, 'unknown_group', /groups/),
  ...['x', '0', '01ARZ3NDEKTSV4RRFFQ69G5FAV', '%27%20OR%201=1', '..', many(3900, '9')].map((id, i) =>
    refused(`a job that is not there (${i})`, get(`/v1/jobs/${id}`), 404, 'unknown_job', /job/)),
  refused('cancelling a job that is not there', post('/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel'), 404, 'unknown_job', /job/),
  ...['%', '%zz', '%00', '%ff', '%c0%ae%c0%ae', '%ed%a0%80'].map((text) => malformed(`the escape ${text} in the path`, get(`/v1/services/${text}`), /two hex digits.*control.*UTF-8/)),
];

const pieces = [
  tolerated('a request, byte by byte', get('/v1/agent'), 200, { pieces: 1 }),
  malformed('a broken body, byte by byte', job('{"action":'), /not JSON/, { pieces: 1 }),
  bad('a broken header, byte by byte', get('/healthz', 'nothing'), /colon/, { pieces: 1 }),
];

// Several on one connection: each is answered for itself, in order, until one is none.
const pipelines = [
  { what: 'rubbish behind a good request', sent: `${get('/healthz')}RUBBISH\r\n\r\n`, all: [200, 400] },
  { what: 'a body longer than its length', sent: `${head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Content-Length: 2')}{}{"x":1}\r\n\r\n`, all: [422, 400] },
  { what: 'a request behind a refused body', sent: `${send('POST', '/v1/jobs', '{}', 'Content-Type: text/plain')}${get('/healthz')}`, all: [415, 200] },
  { what: 'a request behind one that closes', sent: `${get('/healthz', 'Connection: close')}${get('/v1/hold')}`, all: [200] },
  { what: 'a request behind HTTP/1.0', sent: `${head('GET /healthz HTTP/1.0', host)}${get('/v1/hold')}`, all: [200] },
  { what: 'a request behind a header that is none', sent: `${get('/healthz', 'nothing')}${get('/v1/hold')}`, all: [400] },
  { what: 'a request behind chunks', sent: `${head('POST /v1/jobs HTTP/1.1', host, auth, 'Transfer-Encoding: chunked')}0\r\n\r\n${get('/v1/hold')}`, all: [501] },
  { what: '200 requests at once', sent: get('/healthz').repeat(200), all: Array(200).fill(200) },
  { what: '100 broken ones at once', sent: get('/healthz', 'nothing').repeat(100), all: [400] },
];

export const table = [
  ...beforeTls, ...inTls, ...resets, ...requestLines, ...fields, ...hosts, ...smuggling, ...bodies, ...texts,
  ...values, ...queries, ...headers, ...credentials, ...methods, ...paths, ...pieces, ...pipelines,
];

// What is answered only when a deadline ends.
const late = (what, play, limit, more = {}) => ({ what, play, limit, ...more });
export const slow = [
  late('nothing, on a connection that stays open', () => {}, 30, { on: 'tcp', closes: true }),
  late('half a ClientHello, and then nothing', (raw, { hello }) => raw.send(hello.subarray(0, 40)), 30, { on: 'tcp', closes: true }),
  late('a ClientHello, and then nothing', (raw, { hello }) => raw.send(hello), 30, { on: 'tcp', closes: true }),
  late('a header that never ends', (raw) => raw.send(`GET /healthz HTTP/1.1\r\n${host}\r\n`), 30, { status: 400, code: 'bad_request', says: /in time/ }),
  late('lines that end in LF alone', (raw) => raw.send(`GET /healthz HTTP/1.1\n${host}\n\n`), 30, { status: 400, code: 'bad_request', says: /in time|CR LF/ }),
  late('HTTP/0.9, alone', (raw) => raw.send('GET /\r\n'), 30, { status: 400, code: 'bad_request', says: /in time/ }),
  late('a header at a byte a second', (raw, { drip }) => drip(raw, `GET /healthz HTTP/1.1\r\n${host}\r\nX: ${many(100, 'a')}\r\n\r\n`), 30, { status: 400, code: 'bad_request', says: /in time/ }),
  late('a body that never ends', (raw, { fill }) => raw.send(fill(head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Content-Length: 50') + '{"action":')), 60, { status: 400, code: 'bad_request', says: /in time/ }),
  late('a body at a byte a second', (raw, { fill, drip }) => { raw.send(fill(head('POST /v1/jobs HTTP/1.1', host, auth, json, 'Content-Length: 500'))); drip(raw, many(500, ' ')); }, 60, { status: 400, code: 'bad_request', says: /in time/ }),
];
