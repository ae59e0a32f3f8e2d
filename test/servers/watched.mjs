// Resources that are subscribed to. `touch` tells of an update to whoever has subscribed, `touchAlways` also to those who have not, and
// `subscriptions` says what is subscribed to now and all that was ever asked for. Over HTTP the modern era refuses `watched://items/refused`.
//   node watched.mjs [--port N]
import { readFlags, serve } from './serve.mjs';

const inputSchema = { type: 'object' };
/** By session: what it is subscribed to, and every request that has led there. */
const sessions = new WeakMap();

function of(session) {
  if (!sessions.has(session)) sessions.set(session, { uris: new Set(), asked: [] });
  return sessions.get(session);
}

function touch({ uri }, { session }) {
  session.notify('notifications/resources/updated', { uri, 'watched.example/by': process.pid });
  return { content: [] };
}

const REFUSED = 'watched://items/refused';

function intercept({ id, method, params }, { response }) {
  const isRefused = method === 'subscriptions/listen' && params.notifications.resourceSubscriptions?.includes(REFUSED);
  if (!isRefused) return false;
  response.writeHead(400, { 'content-type': 'application/json' });
  const error = { code: -32602, message: 'This is not watched' };
  response.end(JSON.stringify({ jsonrpc: '2.0', id, error }));
  return true;
}

serve(
  {
    name: 'watched',
    intercept,
    capabilities: { resources: { subscribe: true, listChanged: true } },
    tools: [
      {
        name: 'touch',
        inputSchema,
        run: (args, call) => (of(call.session).uris.has(args.uri) ? touch(args, call) : { content: [] }),
      },
      { name: 'touchAlways', inputSchema, run: touch },
      {
        name: 'subscriptions',
        inputSchema,
        run(_, { session }) {
          const { uris, asked } = of(session);
          return { content: [], structuredContent: { pid: process.pid, uris: [...uris].sort(), asked } };
        },
      },
    ],
    methods: {
      'resources/list': () => ({
        resources: ['common', 'other', 'fence'].map(name => ({ uri: `watched://${name}`, name })),
      }),
      'resources/templates/list': () => ({
        resourceTemplates: [{ uriTemplate: 'watched://items/{id}', name: 'items' }],
      }),
      'resources/read': ({ uri }) => ({ contents: [{ uri, text: '' }] }),
      'resources/subscribe'({ uri }, { session }) {
        of(session).uris.add(uri);
        of(session).asked.push(`+ ${uri}`);
        return {};
      },
      'resources/unsubscribe'({ uri }, { session }) {
        of(session).uris.delete(uri);
        of(session).asked.push(`- ${uri}`);
        return {};
      },
    },
  },
  readFlags().port,
);
