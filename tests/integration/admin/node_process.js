// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real node as a child process, on free ports, in a temporary folder. ORBIT_BUILD names the build tree.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const BUILD = path.resolve(process.env.ORBIT_BUILD || 'build/release');
// Sanitizer builds are an order of magnitude slower; every wait is bounded by this.
const PATIENCE_MS = 1000 * Number(process.env.ORBIT_TEST_PATIENCE_S || 60);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Polls until probe() gives something else than undefined; fails with what() after PATIENCE_MS.
async function eventually(probe, what) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const result = await probe();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(`${what()} (waited ${PATIENCE_MS} ms)`);
    await sleep(20);
  }
}

const toml = (value) => (Array.isArray(value) ? `[${value.map(toml).join(', ')}]` : JSON.stringify(value));
const section = (header, values) =>
  [header, ...Object.entries(values).map(([key, value]) => `${key} = ${toml(value)}`), ''].join('\n');

class NodeProcess {
  // admin: settings of the admin plugin. extra: more of the file. start(): resolves when the node is ready; fails with its log when it ends instead.
  static async start({ admin = {}, environment = {}, extra = '' } = {}) {
    const node = new NodeProcess();
    node.launch({ admin: { listen: '127.0.0.1:0', ...admin }, environment, extra });
    try {
      const ready = await eventually(
        () => {
          if (node.ended !== undefined) throw new Error(`the node ended with ${node.ended}:\n${node.log()}`);
          try {
            return JSON.parse(fs.readFileSync(node.readyFile, 'utf8'));
          } catch (error) {
            if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
            throw error;
          }
        },
        () => `the node is not ready:\n${node.log()}`,
      );
      node.listeners = Object.fromEntries(ready.listeners.map((listener) => [listener.plugin, listener.address]));
      node.address = node.listeners.admin;
      node.url = `http://${node.address}`;
      node.port = Number(node.address.split(':').pop());
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  // For a node that is expected to refuse: resolves to {code, log} when it has ended.
  static async run({ admin }) {
    const node = new NodeProcess();
    node.launch({ admin, environment: {} });
    try {
      const code = await eventually(() => node.ended, () => `the node does not end:\n${node.log()}`);
      return { code, log: node.log() };
    } finally {
      await node.stop();
    }
  }

  launch({ admin, environment, extra = '' }) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-admin-'));
    this.readyFile = path.join(this.folder, 'ready.json');
    this.logFile = path.join(this.folder, 'log');
    const config = [
      section('[node]', {
        name: 'admin-test', workers: 2, data_dir: path.join(this.folder, 'node'),
        plugin_paths: [path.join(BUILD, 'lib/orbit/plugins')],
      }),
      section('[[plugin]]', { name: 'store', id: 'orbit.storage.memory', required: true }),
      section('[[plugin]]', { name: 'admin', id: 'orbit.protocol.admin', required: true }),
      section('[plugin.config]', admin),
      extra,
    ].join('\n');
    fs.writeFileSync(path.join(this.folder, 'node.toml'), config);
    const log = fs.openSync(this.logFile, 'w');
    this.process = spawn(
      path.join(BUILD, 'bin/orbitd'), ['--config', path.join(this.folder, 'node.toml'), '--ready-file', this.readyFile],
      { cwd: this.folder, stdio: ['ignore', log, log], env: { ...process.env, ...environment } });
    fs.closeSync(log);
    this.process.on('error', (error) => { this.ended = String(error); });
    this.process.on('exit', (code, signal) => { this.ended = code ?? signal; });
  }

  log() {
    return fs.readFileSync(this.logFile, 'utf8').slice(-8000);
  }

  // Ends the node; resolves to its exit code (or the signal's name).
  async stop() {
    if (this.ended === undefined) this.process.kill('SIGTERM');
    try {
      return await eventually(() => this.ended, () => `the node does not stop:\n${this.log()}`);
    } finally {
      if (this.ended === undefined) this.process.kill('SIGKILL');
      fs.rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

module.exports = { BUILD, NodeProcess, eventually, section };
