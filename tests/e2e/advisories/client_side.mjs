// The agent is a client of cpp-httplib as well: it asks services whether they work. What each
// advisory about clients lets a server do, a service does here in its answer.
import { gzipSync } from 'node:zlib';

const many = (count, text) => text.repeat(count);

// number: the advisories; answer: what the service sends, again and again where `endless`;
// works: whether the service counts as one that works.
export const clientSide = [
  { name: 'chunk', number: ['CVE-2026-45352'], what: 'a chunk of the size -2', answer: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n`, endless: many(65536, 'a'), works: true },
  { name: 'chunks', number: ['CVE-2025-46728', 'CVE-2025-53629'], what: 'chunks without end', answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', endless: `10000\r\n${many(65536, 'a')}\r\n`, works: true },
  { name: 'fields', number: ['CVE-2025-52887'], what: 'header fields without end', answer: 'HTTP/1.1 200 OK\r\n', endless: many(1000, 'A: b\r\n'), works: false },
  { name: 'line', number: ['CVE-2025-53628'], what: 'a line without end', answer: 'HTTP/1.1 200 OK\r\nX: ', endless: many(65536, 'a'), works: false },
  { name: 'bomb', number: ['CVE-2026-22776', 'CVE-2026-28435'], what: 'a body that grows a thousandfold', answer: () => { const body = gzipSync(Buffer.alloc(50 << 20)).toString('latin1'); return `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`; }, works: true },
  { name: 'length', number: ['CVE-2026-31870'], what: 'a length that is no number', answer: 'HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\nok', works: null },
  { name: 'lengthy', number: ['CVE-2026-31870'], what: 'a length beyond 64 bits', answer: 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok', works: null },
  { name: 'moved', number: ['CVE-2026-32627', 'CVE-2026-33745', 'CVE-2026-102944'], what: 'a redirect to another host', answer: ({ elsewhere }) => `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:${elsewhere}/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n`, works: false },
  { name: 'socket', number: ['CVE-2026-77358'], what: 'an upgrade to a WebSocket', answer: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello', works: false },
  { name: 'folded', number: ['CVE-2025-0825', 'CVE-2026-21428'], what: 'NUL, CR and LF in fields', answer: 'HTTP/1.1 200 OK\r\nX: a\0\r\nY: a\rb\r\nZ: %0d%0aW: 1\r\nContent-Length: 2\r\n\r\nok', works: null },
  { name: 'patience', number: [], what: '100 Continue without end', answer: '', endless: many(1000, 'HTTP/1.1 100 Continue\r\n\r\n'), works: false },
  { name: 'rubbish', number: [], what: 'no HTTP at all', answer: many(100000, '\xff'), works: false },
];
