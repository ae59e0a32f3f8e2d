// The REST face of the router, with the paths, bodies, codes and texts of an older system, and more fields beside the old ones.
import * as z from 'zod';
import type { Clock } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { type Door, refuseMethod, replyJson, STOPPING, unsupportedMethod, type Visit } from './door.ts';
import type { Management } from './managementTools.ts';
import { decodeJson, isJson, readBody, refuseBody } from './requestBody.ts';

export const SERVERS_PATH = '/mcp_servers';
export const TOOLS_PATH = '/mcp_tools';
export const DOCUMENT_PATH = '/openapi.json';
const MAX_BODY_BYTES = 1024 * 1024;

/** Body of POST; what each entry has to be is the configuration's. */
export const additionSchema = z.object({ mcpServers: z.record(z.string(), z.unknown()) });

/** Body of PATCH. */
export const changeSchema = z
  .strictObject({
    priority: z.int().min(0).optional().describe('Lower is tried first.'),
    enabled: z.boolean().optional().describe('Whether it runs.'),
  })
  .refine(change => Object.keys(change).length > 0, 'it is empty')
  .meta({ minProperties: 1 });

/** The texts of refusals, which the document gives as examples. */
export const REFUSALS = {
  missingServers: "Missing 'mcpServers' in payload",
  missingName: 'Missing client name in path',
  badName: 'Bad percent-encoding in path',
  noneCreated: 'No clients were created',
  unknown: (name: string) => `No client named '${name}'`,
  method: unsupportedMethod,
  notJson: 'Unsupported media type: the body must be application/json',
  tooLarge: `Payload too large: at most ${MAX_BODY_BYTES} bytes`,
  role: 'Changing the router needs a token with the role admin',
  stopping: STOPPING,
  change: 'A change has "priority" (a whole number from 0 on), "enabled" (true or false), or both',
};

export interface ManagementApiPorts {
  readonly management: Management;
  readonly clock: Clock;
  /** The OpenAPI document of all that is served over HTTP. */
  document(): Promise<unknown>;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

const done = (body: unknown): Reply => ({ status: 200, body });
const failed = (status: number, error: string): Reply => ({ status, body: { error } });

/** `/mcp_servers`, `/mcp_tools`, and the document about them. */
export class ManagementApi implements Door {
  readonly paths = [SERVERS_PATH, `${SERVERS_PATH}/`, TOOLS_PATH, DOCUMENT_PATH];
  private readonly ports: ManagementApiPorts;
  private isDraining = false;

  constructor(ports: ManagementApiPorts) {
    this.ports = ports;
  }

  visit(visit: Visit): void | Promise<void> {
    const { management, document } = this.ports;
    const { path } = visit;
    const { method } = visit.request;
    if (path.startsWith(TOOLS_PATH)) return show(visit, () => ({ tools: management.toolsByBackend() }));
    if (path.startsWith(DOCUMENT_PATH)) return show(visit, document);

    const encoded = path.slice(SERVERS_PATH.length + 1);
    if (encoded !== '') return this.visitBackend(visit, encoded);
    if (method === 'POST') return this.change(visit, async () => this.add(await this.jsonOf(visit)));
    if (path.endsWith('/') && (method === 'DELETE' || method === 'PATCH'))
      return reply(visit, failed(400, REFUSALS.missingName));
    return show(visit, () => management.overview(), ['GET', 'HEAD', 'POST']);
  }

  drain(): void {
    this.isDraining = true;
  }

  private visitBackend(visit: Visit, encoded: string): void | Promise<void> {
    const name = decoded(encoded);
    if (name === undefined) return reply(visit, failed(400, REFUSALS.badName));
    switch (visit.request.method) {
      case 'DELETE':
        return this.change(visit, () => this.remove(name));
      case 'PATCH':
        return this.change(visit, async () => this.update(name, await this.jsonOf(visit)));
      default:
        return refuseMethod(visit, ['DELETE', 'PATCH']);
    }
  }

  /** @param run gives the answer; undefined: it is given already */
  private async change(visit: Visit, run: () => Promise<Reply | undefined>): Promise<void> {
    if (visit.role !== 'admin') return reply(visit, failed(403, REFUSALS.role));
    if (this.isDraining) return this.refuseStopping(visit);
    try {
      const answer = await run();
      if (answer) reply(visit, answer);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // Its body may have come after the drain began.
      if (this.isDraining) return this.refuseStopping(visit);
      reply(visit, failed(500, error.message));
    }
  }

  private refuseStopping(visit: Visit): void {
    visit.response.setHeader('retry-after', '1');
    reply(visit, failed(503, REFUSALS.stopping));
  }

  private async add(body: Body): Promise<Reply | undefined> {
    if (body.kind === 'refused') return body.reply;
    const { value } = body;
    // As it was given: what the schema gives back has no "__proto__".
    if (!isAddition(value)) return failed(400, REFUSALS.missingServers);
    const { added, starting, errors, warnings } = await this.ports.management.addServers(value.mcpServers);
    const more = { errors: Object.fromEntries(errors) };
    if (added.length === 0) return { status: 500, body: { error: REFUSALS.noneCreated, ...more } };
    return done({
      // As Python writes a list; the names that a backend can have need no escape.
      message: `Added [${added.map(name => `'${name}'`).join(', ')}]`,
      ...(starting.length > 0 && { starting }),
      ...(errors.size > 0 && more),
      ...(warnings.size > 0 && { warnings: Object.fromEntries(warnings) }),
    });
  }

  private async remove(name: string): Promise<Reply> {
    const isRemoved = await this.ports.management.removeBackend(name);
    return isRemoved ? done({ message: `Client '${name}' removed successfully` }) : failed(404, REFUSALS.unknown(name));
  }

  private async update(name: string, body: Body): Promise<Reply | undefined> {
    if (body.kind === 'refused') return body.reply;
    const change = changeSchema.safeParse(body.value);
    if (!change.success) {
      const [issue] = change.error.issues;
      return failed(400, [REFUSALS.change, ...(issue?.path ?? []), issue?.message].join(': '));
    }
    const backend = await this.ports.management.updateBackend(name, change.data);
    return backend
      ? done({ message: `Client '${name}' updated successfully`, backend })
      : failed(404, REFUSALS.unknown(name));
  }

  private async jsonOf(visit: Visit): Promise<Body> {
    const { request } = visit;
    if (!isJson(request)) return { kind: 'refused', reply: failed(415, REFUSALS.notJson) };
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === undefined) {
      refuseBody(visit, { error: REFUSALS.tooLarge }, this.ports.clock);
      return { kind: 'refused', reply: undefined };
    }
    const decoded = decodeJson(body);
    if ('value' in decoded) return { kind: 'read', value: decoded.value };
    return { kind: 'refused', reply: failed(400, `Bad request: ${decoded.refusal}`) };
  }
}

/** A body that was read, or how it is refused; undefined: it is already. */
type Body =
  | { readonly kind: 'read'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly reply: Reply | undefined };

const isAddition = (value: unknown): value is z.infer<typeof additionSchema> => additionSchema.safeParse(value).success;

/** Answers what only reads. */
async function show(visit: Visit, look: () => unknown, allowed = ['GET', 'HEAD']): Promise<void> {
  const { method } = visit.request;
  return method === 'GET' || method === 'HEAD' ? reply(visit, done(await look())) : refuseMethod(visit, allowed);
}

function reply({ response }: Visit, { status, body }: Reply): void {
  replyJson(response, status, body);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // The only thing that it throws is that an escape is none.
    return undefined;
  }
}
