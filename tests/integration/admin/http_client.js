// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Requests as a plain client makes them, and raw bytes as a strange one does.
'use strict';

const http = require('node:http');
const net = require('node:net');

// Resolves to {status, headers, body, json}. body: what to send, an object as JSON.
function request(node, method, path, { body, headers = {}, agent } = {}) {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const all = { ...headers };
  if (text !== undefined) {
    all['Content-Type'] ??= 'application/json';
    all['Content-Length'] = Buffer.byteLength(text);
  }
  return new Promise((resolve, reject) => {
    const sent = http.request(
      { host: '127.0.0.1', port: node.port, method, path, headers: all, agent, timeout: 60_000 }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => {
          const content = Buffer.concat(parts).toString('utf8');
          const isJson = /json/.test(answer.headers['content-type'] || '');
          resolve({
            status: answer.statusCode, headers: answer.headers, body: content,
            json: isJson && content !== '' ? JSON.parse(content) : undefined,
          });
        });
      });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.end(text);
  });
}

// Sends the parts one after the other and resolves to all that comes back until `enough(text)` or the node closes.
function raw(node, parts, enough = () => false) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(node.port, '127.0.0.1');
    const finish = () => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(60_000, () => socket.destroy(new Error(`no answer; so far: ${text}`)));
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', finish);
    socket.on('data', (part) => {
      text += part.toString('latin1');
      if (enough(text)) finish();
    });
    const send = (index) => {
      if (index < parts.length) socket.write(parts[index], () => setImmediate(send, index + 1));
    };
    socket.on('connect', () => send(0));
  });
}

module.exports = { request, raw };
