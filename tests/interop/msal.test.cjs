// MSAL for Node: discovery, tokens by secret, certificate and assertion, and how refusals show.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { createHash, createPublicKey, createVerify, randomUUID, sign, X509Certificate } = require('node:crypto');
const { after, before, test } = require('node:test');

const { ConfidentialClientApplication } = require('@azure/msal-node');
const { Emulator, GRAPH_SCOPE } = require('./emulator.cjs');

const DAY = 86_400_000;

let emulator;
let administratorToken;

before(async () => {
  emulator = await Emulator.start();
  administratorToken = (await ask(emulator.administrator, GRAPH_SCOPE)).accessToken;
});

after(() => emulator?.stop());

/** A new MSAL application: it has no cache, so every answer is the emulator's. */
function client(auth, authority = emulator.tenant) {
  return new ConfidentialClientApplication({
    auth: { authority: `${emulator.base}/${authority}`, knownAuthorities: [emulator.host], ...auth },
  });
}

function ask(auth, scope, authority) {
  return client(auth, authority).acquireTokenByClientCredential({ scopes: [scope] });
}

/** An application with a service principal and a secret of one day: all it takes to get tokens. */
async function register(name) {
  const now = (await emulator.control('GET', 'clock')).now;
  const application = await emulator.graph(administratorToken, 'POST', '/applications', {
    displayName: `${name} ${randomUUID()}`,
    signInAudience: 'AzureADMyOrg',
    api: { requestedAccessTokenVersion: 2 },
    passwordCredentials: [
      { displayName: 'interop', endDateTime: new Date(Date.parse(now) + DAY).toISOString() },
    ],
  });
  await emulator.graph(administratorToken, 'POST', '/servicePrincipals', { appId: application.appId });
  return {
    id: application.id,
    scope: `${application.appId}/.default`,
    auth: { clientId: application.appId, clientSecret: application.passwordCredentials[0].secretText },
  };
}

function decode(part) {
  return JSON.parse(Buffer.from(part, 'base64url'));
}

/** The claims of a token, checked with the keys that discovery leads to. */
async function verified(token) {
  const [header, payload, signature] = token.split('.');
  const address = `${emulator.base}/${emulator.tenant}/v2.0/.well-known/openid-configuration`;
  const metadata = await (await fetch(address)).json();
  const { keys } = await (await fetch(metadata.jwks_uri)).json();
  const key = keys.find((one) => one.kid === decode(header).kid);
  const verifier = createVerify('RSA-SHA256').update(`${header}.${payload}`);
  assert.ok(verifier.verify(createPublicKey({ key, format: 'jwk' }), signature, 'base64url'));
  return decode(payload);
}

/** MSAL's error for a request that the token service refuses. */
async function refusal(asked) {
  try {
    await asked;
  } catch (error) {
    return error;
  }
  return assert.fail('a token was issued');
}

let madeCertificate;

/** A self-signed certificate and its key; making one takes a while. */
function certificate() {
  if (!madeCertificate) {
    const pem = execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '-', '-out', '-', '-days', '30', '-subj', '/CN=interop'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const privateKey = /-----BEGIN PRIVATE KEY-----[^]+?-----END PRIVATE KEY-----/.exec(pem)[0];
    const x5c = /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/.exec(pem)[0];
    madeCertificate = { privateKey, x5c, der: new X509Certificate(x5c).raw };
  }
  return madeCertificate;
}

async function trust(application, der) {
  const credential = { type: 'AsymmetricX509Cert', usage: 'Verify', key: der.toString('base64') };
  await emulator.graph(administratorToken, 'PATCH', `/applications/${application.id}`, {
    keyCredentials: [credential],
  });
}

for (const authority of ['the tenant id', 'a verified domain']) {
  test(`discovery by ${authority} leads to a token`, async () => {
    const segment = authority === 'the tenant id' ? emulator.tenant : 'fabrikamlab.onmicrosoft.com';
    const answer = await ask(emulator.administrator, GRAPH_SCOPE, segment);
    assert.equal(decode(answer.accessToken.split('.')[1]).tid, emulator.tenant);
    assert.ok(answer.expiresOn > new Date());
  });
}

test('an authority that is not declared as known is not asked', async () => {
  const refused = await refusal(ask({ ...emulator.administrator, knownAuthorities: [] }, GRAPH_SCOPE));
  assert.equal(refused.errorCode, 'endpoints_resolution_error');
});

test('a secret gets a token that verifies with the published keys', async () => {
  const { auth, scope } = await register('secret');
  const claims = await verified((await ask(auth, scope)).accessToken);
  assert.equal(claims.aud, auth.clientId);
  assert.equal(claims.azp, auth.clientId);
  assert.equal(claims.azpacr, '1');
  assert.equal(claims.iss, `https://login.microsoftonline.com/${emulator.tenant}/v2.0`);
});

for (const chain of [false, true]) {
  test(`a certificate gets a token, ${chain ? 'sent along' : 'named by its SHA-256'}`, async () => {
    const application = await register('certificate');
    const { privateKey, x5c, der } = certificate();
    await trust(application, der);
    const clientCertificate = {
      privateKey,
      thumbprintSha256: createHash('sha256').update(der).digest('hex'),
      ...(chain && { x5c }),
    };
    const auth = { clientId: application.auth.clientId, clientCertificate };
    assert.equal((await verified((await ask(auth, application.scope)).accessToken)).azpacr, '2');
  });
}

test("an assertion that the client signs itself gets a token, another client's does not", async () => {
  const application = await register('assertion');
  const { privateKey, der } = certificate();
  await trust(application, der);
  const assertion = (subject) => {
    const seconds = Math.floor(Date.now() / 1000);
    const encoded = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const header = { alg: 'RS256', typ: 'JWT', 'x5t#S256': createHash('sha256').update(der).digest('base64url') };
    const claims = {
      aud: `${emulator.base}/${emulator.tenant}/oauth2/v2.0/token`,
      iss: subject,
      sub: subject,
      jti: randomUUID(),
      nbf: seconds,
      exp: seconds + 300,
    };
    const signed = `${encoded(header)}.${encoded(claims)}`;
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };
  const { clientId } = application.auth;
  const own = { clientId, clientAssertion: async () => assertion(clientId) };
  assert.equal((await verified((await ask(own, application.scope)).accessToken)).azpacr, '2');
  const foreign = { clientId, clientAssertion: assertion(randomUUID()) };
  assert.equal((await refusal(ask(foreign, application.scope))).errorCode, 'invalid_client');
});

test('a second token comes from the cache', async () => {
  const { auth, scope } = await register('cache');
  const caching = client(auth);
  const first = await caching.acquireTokenByClientCredential({ scopes: [scope] });
  const second = await caching.acquireTokenByClientCredential({ scopes: [scope] });
  assert.deepEqual([first.fromCache, second.fromCache], [false, true]);
  assert.equal(second.accessToken, first.accessToken);
});

test('an assigned role is in the token', async () => {
  const [api, caller] = [await register('api'), await register('caller')];
  const role = randomUUID();
  await emulator.graph(administratorToken, 'PATCH', `/applications/${api.id}`, {
    appRoles: [
      {
        id: role,
        allowedMemberTypes: ['Application'],
        displayName: 'Read orders',
        description: 'Read orders',
        value: 'Orders.Read',
        isEnabled: true,
      },
    ],
  });
  const principal = (application) =>
    emulator.graph(administratorToken, 'GET', `/servicePrincipals(appId='${application.auth.clientId}')`);
  const [resource, consumer] = [await principal(api), await principal(caller)];
  await emulator.graph(administratorToken, 'POST', `/servicePrincipals/${resource.id}/appRoleAssignedTo`, {
    principalId: consumer.id,
    resourceId: resource.id,
    appRoleId: role,
  });
  const claims = await verified((await ask(caller.auth, api.scope)).accessToken);
  assert.deepEqual(claims.roles, ['Orders.Read']);
});

const refusals = {
  'a wrong secret': ['invalid_client', 7000215],
  'an unknown application': ['unauthorized_client', 700016],
  'an unknown resource': ['invalid_resource', 500011],
  'a scope that names a permission': ['invalid_scope', 1002012],
};

for (const [what, [error, code]] of Object.entries(refusals)) {
  test(`${what} is refused as ${error}`, async () => {
    const { administrator } = emulator;
    const [auth, scope] = {
      'a wrong secret': [{ ...administrator, clientSecret: 'wrong' }, GRAPH_SCOPE],
      'an unknown application': [{ ...administrator, clientId: randomUUID() }, GRAPH_SCOPE],
      'an unknown resource': [administrator, 'api://nothing-here/.default'],
      'a scope that names a permission': [administrator, 'https://graph.microsoft.com/User.Read'],
    }[what];
    const refused = await refusal(ask(auth, scope));
    assert.equal(refused.errorCode, error);
    assert.match(refused.errorMessage, new RegExp(`AADSTS${code}: `));
    assert.equal(refused.errorNo, code);
    assert.ok(refused.correlationId);
  });
}

test('a throttled client is served when it asks again', async () => {
  const { auth, scope } = await register('throttled');
  const { id } = await emulator.control('POST', 'faults', {
    path: '*/oauth2/v2.0/token',
    callerAppId: auth.clientId,
    count: 1,
    action: {
      type: 'respond',
      status: 429,
      body: { error: 'temporarily_unavailable', error_description: 'AADSTS90055: Too many requests.' },
      retryAfter: '1',
    },
  });
  assert.match((await refusal(ask(auth, scope))).message, /temporarily_unavailable|AADSTS90055/);
  assert.ok((await ask(auth, scope)).accessToken);
  await emulator.control('DELETE', `faults/${id}`);
});

// Last, for it moves the clock of the emulator that all cases share.
test('an expired secret is refused', async () => {
  const { auth, scope } = await register('expiry');
  assert.ok((await ask(auth, scope)).accessToken);
  await emulator.control('POST', 'clock/advance', { seconds: (2 * DAY) / 1000 });
  const refused = await refusal(ask(auth, scope));
  assert.deepEqual([refused.errorCode, refused.errorNo], ['invalid_client', 7000222]);
});
