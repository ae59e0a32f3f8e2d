// A remote server that wants a sign-in: every request is answered 401 with a WWW-Authenticate challenge.
//   node unauthorized.mjs --port N
import { listen, readFlags, refuse } from './serve.mjs';

listen(Number(readFlags().port), '/mcp', (_, response) => {
  response.setHeader(
    'www-authenticate',
    'Bearer resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource"',
  );
  refuse(response, 401);
});
