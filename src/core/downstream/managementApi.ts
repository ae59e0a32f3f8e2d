// The REST face of the router, with the paths, bodies, codes and texts of an older system, and more fields beside the old ones.
import { type Door, refuseMethod, replyJson, type Visit } from './door.ts';
import type { Management } from './managementTools.ts';

/** `/mcp_servers` and `/mcp_tools`. */
export function managementApi(management: Management): Door {
  return {
    paths: ['/mcp_servers', '/mcp_tools'],
    visit({ request, response, path }: Visit) {
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return refuseMethod(response, ['GET', 'HEAD'], { error: `Unsupported method: ${request.method}` });
      if (path.startsWith('/mcp_tools')) return replyJson(response, 200, { tools: management.toolsByBackend() });
      return replyJson(response, 200, management.overview());
    },
  };
}
