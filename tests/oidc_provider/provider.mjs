// Runs oidc-provider on a free port of 127.0.0.1 until its standard input ends. Its first line tells the rest.
//
// Clients come from the environment. Of the resources, URLs that end in /ES256 or /RS256 get JWTs signed so; where
// none is asked for, tokens are opaque.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = join(process.env.INTEROP_NODE_MODULES, 'oidc-provider/lib/index.js');
const { default: Provider, errors } = await import(pathToFileURL(entry).href);

function signingKey(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `first-${alg}` };
}

function client([id, secret]) {
  return {
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  };
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const [caller, gateway] = ['CALLER', 'GATEWAY'].map((name) => JSON.parse(process.env[name]));
  const provider = new Provider(issuer, {
    clients: [caller, gateway].map(client),
    jwks: {
      keys: [
        signingKey('rsa', { modulusLength: 2048 }, 'RS256'),
        signingKey('ec', { namedCurve: 'P-256' }, 'ES256'),
      ],
    },
    ttl: { ClientCredentials: 3600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      // Of the two clients, only the gateway may ask about tokens.
      introspection: { enabled: true, allowedPolicy: (ctx, asking) => asking.clientId === gateway[0] },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (ctx, resource) => {
          const alg = resource.split('/').pop();
          if (!['ES256', 'RS256'].includes(alg)) throw new errors.InvalidTarget();
          return { scope: 'orders.read', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
        },
      },
    },
    scopes: ['orders.read'],
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer, now: Math.floor(Date.now() / 1000) }));
});
process.stdin.on('end', () => process.exit()).resume();
