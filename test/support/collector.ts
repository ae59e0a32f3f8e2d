// A small OTLP/HTTP collector of traces: what it is sent, in JSON or in Protocol Buffers, as one list of spans.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 2 server, 3 client. */
  readonly kind: number;
  /** Nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 2 is an error. */
  readonly status: number;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector {
  /** Without a path, as OTEL_EXPORTER_OTLP_ENDPOINT has it. */
  readonly url: string;
  readonly spans: CollectedSpan[];
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
}

/** A collector until the end of the test. One that is `stuck` takes connections and answers nobody. */
export async function startCollector(t: TestContext, { stuck = false } = {}): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const requests: Collector['requests'] = [];
  const server = createServer(async (request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers });
    if (stuck) return;
    const body = Buffer.concat(await request.toArray());
    const isJson = request.headers['content-type'] === 'application/json';
    spans.push(...(isJson ? spansOfJson(JSON.parse(body.toString())) : spansOfProtobuf(body)));
    response.writeHead(200, { 'content-type': request.headers['content-type'] }).end(isJson ? '{}' : '');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, requests };
}

interface JsonAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}

interface JsonTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly JsonAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly JsonAttribute[];
        readonly status: { readonly code?: number };
      }[];
    }[];
  }[];
}

function spansOfJson({ resourceSpans }: JsonTraces): CollectedSpan[] {
  const attributes = (list: readonly JsonAttribute[]) =>
    Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(span => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        name: span.name,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributes(span.attributes),
        status: span.status.code ?? 0,
        resource: attributes(resource.attributes),
      })),
    ),
  );
}

/** By the field numbers of `opentelemetry/proto/trace/v1/trace.proto`. */
function spansOfProtobuf(body: Buffer): CollectedSpan[] {
  return messages(fields(body), 1).flatMap(resourceSpans => {
    const resource = messages(resourceSpans, 1).flatMap(each => attributesOf(each, 1));
    return messages(resourceSpans, 2).flatMap(scopeSpans =>
      messages(scopeSpans, 2).map(span => ({
        traceId: bytes(span, 1).toString('hex'),
        spanId: bytes(span, 2).toString('hex'),
        parentSpanId: bytes(span, 4).toString('hex'),
        name: bytes(span, 5).toString(),
        kind: Number(number(span, 6)),
        start: number(span, 7),
        end: number(span, 8),
        attributes: Object.fromEntries(attributesOf(span, 9)),
        status: Number(messages(span, 15).map(status => number(status, 3))[0] ?? 0n),
        resource: Object.fromEntries(resource),
      })),
    );
  });
}

type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

function attributesOf(message: Fields, field: number): [string, unknown][] {
  return messages(message, field).map(attribute => {
    const [value] = messages(attribute, 2);
    const text = value?.has(1) ? bytes(value, 1).toString() : value && Number(number(value, 3));
    return [bytes(attribute, 1).toString(), text];
  });
}

/** The wire format: each field is a tag, and a number or so many bytes. */
function fields(message: Buffer): Fields {
  const found = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    const value =
      wire === 0 ? varint() : wire === 1 ? take(8).readBigUInt64LE() : take(wire === 5 ? 4 : Number(varint()));
    found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), value]);
  }
  return found;
}

function messages(message: Fields, field: number): Fields[] {
  return (message.get(field) ?? []).flatMap(value => (Buffer.isBuffer(value) ? [fields(value)] : []));
}

function bytes(message: Fields, field: number): Buffer {
  const value = message.get(field)?.[0];
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function number(message: Fields, field: number): bigint {
  const value = message.get(field)?.[0];
  return typeof value === 'bigint' ? value : 0n;
}
