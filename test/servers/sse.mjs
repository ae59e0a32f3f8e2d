// A server of the 2024 revision: HTTP+SSE only. GET /sse opens the stream and names the address to post to; what is posted to
// /messages is answered 202, and its answer comes on the stream. A Streamable HTTP client's POST to /sse gets 405.
//   node sse.mjs --port N
import { randomUUID } from 'node:crypto';
import { listen, readFlags, readJson, refuse, Session, startEventStream, text, writeEvent } from './serve.mjs';

const definition = {
  name: 'sse-only',
  tools: [
    {
      name: 'echo',
      inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
      run: args => text(args.text),
    },
  ],
};
const sessions = new Map();

listen(Number(readFlags().port), '/sse', async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
  if (pathname === '/sse') {
    if (request.method !== 'GET') return refuse(response, 405);
    const id = randomUUID();
    startEventStream(response);
    response.write(`event: endpoint\ndata: /messages?sessionId=${id}\n\n`);
    sessions.set(id, new Session(definition, message => writeEvent(response, message)));
    response.on('close', () => sessions.delete(id));
    return;
  }
  const session = sessions.get(searchParams.get('sessionId'));
  if (pathname !== '/messages' || request.method !== 'POST' || !session) return refuse(response, 404);
  const message = await readJson(request);
  response.writeHead(202).end('Accepted');
  await session.receive(message);
});
