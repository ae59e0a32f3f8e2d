// An MCP App: a tool whose result a page shows, and a page that calls another tool of its server by that tool's own name.
//   node clock.mjs [--port N]
import { readFlags, serve, text } from './serve.mjs';

const uri = 'ui://clock/page.html';
const annotations = { readOnlyHint: true };
const inputSchema = { type: 'object' };

/** Says hello to its host, asks for the time, shows what comes. */
const html = `<!doctype html><p id="time">…</p><script>
  const ask = (id, method, params) => parent.postMessage({ jsonrpc: '2.0', id, method, params }, '*');
  const clientInfo = { name: 'clock page', version: '1' };
  addEventListener('message', ({ data }) => {
    if (data.id === 1) {
      parent.postMessage({ jsonrpc: '2.0', method: 'ui/notifications/initialized' }, '*');
      ask(2, 'tools/call', { name: 'tell', arguments: {} });
    }
    if (data.id === 2) document.getElementById('time').textContent = data.error?.message ?? data.result.content[0].text;
  });
  ask(1, 'ui/initialize', { protocolVersion: '2026-01-26', appInfo: clientInfo, clientInfo, appCapabilities: {}, capabilities: {} });
</script>`;

const tools = [
  {
    name: 'show',
    description: 'Shows the clock.',
    inputSchema,
    annotations,
    _meta: { ui: { resourceUri: uri } },
    run: () => text('The clock is shown'),
  },
  { name: 'tell', description: 'Tells the time.', inputSchema, annotations, run: () => text('It is five past twelve') },
];

const page = { uri, name: 'Clock', mimeType: 'text/html;profile=mcp-app' };
const methods = {
  'resources/list': () => ({ resources: [page] }),
  'resources/read': () => ({ contents: [{ uri, mimeType: page.mimeType, text: html }] }),
};
serve({ name: 'clock', capabilities: { resources: {} }, tools, methods }, readFlags().port);
