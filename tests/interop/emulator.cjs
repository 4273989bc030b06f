// Starting the emulator under test, steering it, and stopping it whatever happens.
//
// `cargo xtask test interop` names the program, the folder with the CA, and the CA's certificate
// (NODE_EXTRA_CA_CERTS), so that neither MSAL nor fetch needs to be told about it here.
'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { cpSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const readline = require('node:readline');

const GRAPH_SCOPE = 'https://graph.microsoft.com/.default';

/** A running `entra-emulator` on a free port. */
class Emulator {
  static async start() {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-interop-'));
    const data = join(folder, 'data');
    cpSync(process.env.INTEROP_AUTHORITY, data, { recursive: true });
    const child = spawn(process.env.ENTRA_EMULATOR, ['serve', '--port', '0', '--data', data], {
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const emulator = new Emulator(child, folder);
    let said = '';
    for await (const line of readline.createInterface({ input: child.stdout })) {
      said += `${line}\n`;
      if (line.includes('Administrator')) break;
    }
    const administrator = /Administrator +(\S+) +(\S+)/.exec(said);
    if (!administrator) {
      await emulator.stop();
      throw new Error(`the emulator did not start: ${said}`);
    }
    emulator.base = /https:\/\/localhost:\d+/.exec(said)[0];
    emulator.tenant = /\/([0-9a-f-]{36})\/oauth2\/v2\.0\/token/.exec(said)[1];
    emulator.administrator = { clientId: administrator[1], clientSecret: administrator[2] };
    return emulator;
  }

  constructor(child, folder) {
    this.child = child;
    this.folder = folder;
    this.exited = once(child, 'exit');
  }

  get host() {
    return new URL(this.base).host;
  }

  async stop() {
    this.child.kill('SIGTERM');
    const impatience = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.exited;
    clearTimeout(impatience);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One call of the control API. */
  async control(method, path, body) {
    return json(await fetch(`${this.base}/_emulator/${path}`, request(method, body)));
  }

  /** One call of Graph as the owner of `token`. */
  async graph(token, method, path, body) {
    return json(await fetch(`${this.base}/v1.0${path}`, request(method, body, token)));
  }
}

function request(method, body, token) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers['content-type'] = 'application/json';
  return { method, headers, body: body && JSON.stringify(body) };
}

async function json(answer) {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

module.exports = { Emulator, GRAPH_SCOPE };
