// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Holds answers against the node's own OpenAPI document.
'use strict';

const assert = require('node:assert');
const Ajv2020 = require('ajv/dist/2020');
const addFormats = require('ajv-formats');

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

// A member that the schema does not name is a member that the document hides.
function forbidUnknownMembers(schema) {
  if (Array.isArray(schema)) return schema.map(forbidUnknownMembers);
  if (schema === null || typeof schema !== 'object') return schema;
  const out = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, forbidUnknownMembers(value)]));
  if (out.type === 'object' && out.properties && !('additionalProperties' in out)) out.additionalProperties = false;
  return out;
}

const DOCUMENT = 'http://document.test/';
const relocate = (schema) =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', `"${DOCUMENT}#/$defs/`));

class Contract {
  constructor(document) {
    this.document = document;
    this.ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
    addFormats(this.ajv);
    this.ajv.addSchema({ $id: DOCUMENT, $defs: relocate(forbidUnknownMembers(document.components.schemas)) });
    this.seen = new Set();
  }

  operations() {
    return Object.entries(this.document.paths).flatMap(([template, item]) =>
      Object.keys(item).filter((key) => METHODS.includes(key)).map((method) => ({ method, template, operation: item[method] })));
  }

  find(method, path) {
    const segments = path.split('?')[0].split('/');
    const found = this.operations().filter(({ method: m, template }) => {
      const expected = template.split('/');
      return m === method.toLowerCase() && expected.length === segments.length &&
        expected.every((part, i) => part.startsWith('{') || part === segments[i]);
    });
    assert.strictEqual(found.length, 1, `${method} ${path} is documented ${found.length} times`);
    return found[0];
  }

  resolve(node) {
    if (!node.$ref) return node;
    return node.$ref.slice(2).split('/').reduce((at, part) => at[part], this.document);
  }

  validate(schema, value, what) {
    const valid = this.ajv.validate(relocate(schema), value);
    assert.ok(valid, `${what}: ${this.ajv.errorsText()} in ${JSON.stringify(value)}`);
  }

  // Fails unless the document says that this request may be answered like this.
  check(method, path, sent, answer) {
    const { template, operation } = this.find(method, path);
    const what = `${method} ${path} -> ${answer.status}`;
    assert.ok(String(answer.status) in operation.responses, `${what} is not documented`);
    const response = this.resolve(operation.responses[String(answer.status)]);
    if (sent !== undefined && answer.status < 300) {
      assert.ok(operation.requestBody, `${what}: a body is not documented`);
      this.validate(operation.requestBody.content['application/json'].schema, sent, `${what}: request`);
    }
    if (response.content) {
      const media = answer.headers['content-type'];
      assert.ok(media in response.content, `${what}: ${media} is not documented`);
      this.validate(response.content[media].schema, answer.json ?? answer.body, what);
    } else {
      assert.strictEqual(answer.body, '', `${what}: a body is not documented`);
    }
    this.seen.add(`${method.toLowerCase()} ${template} ${answer.status}`);
    return answer;
  }

  // Documented answers that no check has seen yet.
  unseen() {
    return this.operations().flatMap(({ method, template, operation }) =>
      Object.keys(operation.responses).map((status) => `${method} ${template} ${status}`))
      .filter((answer) => !this.seen.has(answer));
  }
}

module.exports = { Contract, METHODS };
