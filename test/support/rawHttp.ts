// HTTP byte by byte, for what no HTTP client would send.
import { connect, type Socket } from 'node:net';

export interface RawReply {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes over a connection of their own, which are to ask for its end (or deserve it), and gives the first answer.
 * Of a stream of events only the headers are read. Rejects if there is neither an answer nor an end after `timeoutMs`.
 */
export function sendRaw(url: string, bytes: string | Buffer, timeoutMs = 10_000): Promise<RawReply> {
  const socket = connectTo(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer after ${timeoutMs} ms: ${text().slice(0, 200)}`));
    }, timeoutMs);
    const text = () => Buffer.concat(chunks).toString('latin1');
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunk.includes('text/event-stream')) socket.destroy();
    });
    // The answer may have come before a reset.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(parse(text()));
    });
    socket.write(bytes);
  });
}

export function connectTo(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname);
}

/** A whole request with a body of known length, on a connection that ends with it. */
export function requestBytes(
  method: string,
  target: string,
  headers: readonly (readonly [string, string])[],
  body: string | Buffer = '',
): Buffer {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `${method} ${target} HTTP/1.1\r\n${lines}connection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]);
}

function parse(text: string): RawReply {
  const final = text.replace(/^(HTTP\/1\.1 1\d\d .*\r\n\r\n)+/, '');
  const [head = '', ...rest] = final.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(first.split(' ')[1] ?? 0), headers, body: rest.join('\r\n\r\n') };
}
