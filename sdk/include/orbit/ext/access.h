/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.access/1: provided by the host; who calls, and what that one may do. Every protocol plugin asks it, so that a caller is
 * refused for the same reasons and with the same words on every wire.
 * orbit.authenticator/1: provided by plugins that know callers: users with passwords, tokens, certificates.
 *
 * What a wire does:
 *   - a connection, or a request that brings no credentials, acts for `anonymous`;
 *   - credentials go to `authenticate`, which answers with a principal;
 *   - before a call is sent, `check` is asked; before an administrative action, `check_admin`;
 *   - the call gets the principal's name in its context, under "user", unless that name is empty (orbit_actors_v1.set_context).
 *
 * A node whose configuration has neither a [[rule]] nor an authenticator has no access control: `enabled` is 0, everybody may do
 * everything, and listeners are refused addresses that are not loopback (orbit/ext/net.h).
 */
#ifndef ORBIT_EXT_ACCESS_H
#define ORBIT_EXT_ACCESS_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_ACCESS_V1 "orbit.access/1"
#define ORBIT_AUTHENTICATOR_V1 "orbit.authenticator/1"

/* ---- who ------------------------------------------------------------------------------------------------------ */

/* Mechanisms that wires know. An authenticator may bring others, for wires that know of it. */
#define ORBIT_MECHANISM_PASSWORD "password"       /* name, and secret: the password */
#define ORBIT_MECHANISM_BEARER "bearer"           /* secret: a token, opaque or JWT */
#define ORBIT_MECHANISM_CERTIFICATE "certificate" /* secret: the certificate in DER, which TLS has verified already */

/* What is revoked. */
#define ORBIT_REVOKE_USER "user"   /* whoever has that name */
#define ORBIT_REVOKE_TOKEN "token" /* credentials by what their authenticator calls them (orbit_identity.credential) */

#define ORBIT_CREDENTIAL_BYTES_MAX 65536u /* of name and secret together */
#define ORBIT_PRINCIPAL_NAME_MAX 256u
#define ORBIT_PRINCIPAL_ROLES_MAX 64u

/* The role that may do everything. Rules cannot take that away. */
#define ORBIT_ROLE_ADMIN "admin"

/* Borrowed for the call. */
typedef struct orbit_credentials {
  uint32_t struct_size;
  uint32_t reserved;
  const char* mechanism;
  orbit_bytes name;   /* empty where the mechanism has none */
  orbit_bytes secret;
  const char* peer;   /* "192.0.2.7:49152", for the audit log; may be null */
} orbit_credentials;

typedef struct orbit_identity {
  uint32_t struct_size;
  uint32_t role_count;
  orbit_bytes name;         /* 1 to ORBIT_PRINCIPAL_NAME_MAX bytes of UTF-8 without control characters; empty: anonymous */
  const orbit_bytes* roles;
  uint64_t expires_at_ms;   /* Unix time from which it counts no more (a token's end); 0: never */
  const char* mechanism;    /* how it was found out; set by the host */
  /* What the authenticator calls the credentials themselves, up to ORBIT_PRINCIPAL_NAME_MAX bytes of one line: "sha256:..." of a
   * token, the jti of a JWT. They are revoked by it, and `holds` is asked about it. Empty: they have no such name. */
  orbit_bytes credential;
} orbit_identity;

/* Who was found out to call, with the roles that one has. Never changes, is counted, and may be used on any thread. */
typedef struct orbit_principal orbit_principal;

/* ORBIT_OK: principal, owned by the callee, who releases it. Otherwise it is null, and the message is for the client:
 * UNAUTHENTICATED, the credentials are wrong or expired (it does not say which part of them); RESOURCE_EXHAUSTED, too many others
 * wait to be authenticated; UNAVAILABLE, what the authenticator needs is not there. */
typedef void (*orbit_authenticated)(void* ctx, const orbit_principal* principal, orbit_code code, orbit_bytes message);

/* ---- what ----------------------------------------------------------------------------------------------------- */

enum {
  /* The method changes nothing. Only for types that declare no such method themselves (Redis commands): where an actor type says
   * whether its method is read-only, that counts. Of an administrative action: it only looks. */
  ORBIT_ACCESS_READ_ONLY = 1u
};

/* Borrowed for the call. */
typedef struct orbit_access_request {
  uint32_t struct_size;
  uint32_t flags;
  orbit_bytes type;   /* "bank.Account", "redis.db0" */
  orbit_bytes key;    /* data null: any key, see may */
  orbit_bytes method; /* "Deposit"; for Redis the command in lower case, "get" */
  const char* peer;   /* for the audit log; may be null */
} orbit_access_request;

typedef void (*orbit_access_done)(void* ctx, orbit_code code, orbit_bytes message);

/* ---- what the host offers ------------------------------------------------------------------------------------- */

typedef struct orbit_access_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* 0: there is no access control; all checks say yes, and a wire may leave them out. Stays what it is from the start of the
   * first plugin on. [any thread] */
  int (*enabled)(const orbit_host* host);
  /* Who gives no credentials: empty name, the roles that [access] says. Borrowed, lives as long as the node. [any thread] */
  const orbit_principal* (*anonymous)(const orbit_host* host);
  /* Asks the authenticators that know the mechanism, in the order of the configuration; slow ones work on the I/O pool, and what
   * was found out lately is remembered. done is called once: inside this call, or later on the calling worker (asked from
   * another thread: on one of the I/O pool). Failures are audited. Without access control everybody is anonymous, whatever
   * they give. [any thread] */
  void (*authenticate)(const orbit_host* host, const orbit_credentials* credentials, orbit_authenticated done, void* ctx);
  /* A principal that the wire vouches for itself (the token of its own configuration). Owned by the caller. Null, with *error:
   * the identity is no good one. [any thread] */
  const orbit_principal* (*local)(const orbit_host* host, const orbit_identity* identity, orbit_error* error);
  /* [any thread] */
  void (*retain)(const orbit_principal* principal);
  void (*release)(const orbit_principal* principal);
  /* Borrowed as long as the principal is held. [any thread] */
  const orbit_identity* (*identity)(const orbit_principal* principal);

  /* Whether it may call. ORBIT_OK; PERMISSION_DENIED; UNAUTHENTICATED when it is anonymous, or has expired. What is denied is
   * audited. Cheap: what rules say of (roles, type, method) is remembered by each thread. [any thread] */
  orbit_code (*check)(const orbit_host* host, const orbit_principal* principal, const orbit_access_request* request,
                      orbit_error* error);
  /* Whether there may be keys for which `check` would say yes: for listings. The key is not looked at. Audits nothing.
   * [any thread] */
  int (*may)(const orbit_host* host, const orbit_principal* principal, const orbit_access_request* request);
  /* Whether it may do an administrative action: "modules.load", "node.config" (docs/access.md names them), on `target` (may be
   * empty). As check; denied ones are audited, and so are those that do more than look. [any thread] */
  orbit_code (*check_admin)(const orbit_host* host, const orbit_principal* principal, const char* action, orbit_bytes target,
                            uint32_t flags, const char* peer, orbit_error* error);

  /* The users that authenticators can tell; visit returns 0 to stop. The identities are borrowed for the call. [any thread] */
  void (*users)(const orbit_host* host, int (*visit)(void* ctx, const orbit_identity* user), void* ctx);
  /* The rules that count for a principal, as a JSON array of objects like [[rule]] in the configuration. [any thread] */
  void (*rules)(const orbit_host* host, const orbit_principal* principal, orbit_sink json);

  /* Whether a principal may still be taken for who it was: it has not expired, is not revoked, and its authenticator knows it as it
   * did then. `check`, `may` and `check_admin` ask it themselves; for what goes on without them, such as a stream of events. ORBIT_OK
   * or UNAUTHENTICATED. Cheap while nothing changes. [any thread] */
  orbit_code (*still)(const orbit_host* host, const orbit_principal* principal, orbit_error* error);
  /* The next three work on the I/O pool; done is called once as by `authenticate`, with a message if it is an error.
   * All authenticators read what they read from again. */
  void (*reload)(const orbit_host* host, orbit_access_done done, void* ctx);
  /* From now on, and over restarts of this node, who is named is refused and has lost what it logged in to. kind:
   * ORBIT_REVOKE_...; until_ms: Unix time from which it counts no more, 0: until it is taken back.
   * RESOURCE_EXHAUSTED: access.revocations_max is reached. FAILED_PRECONDITION: there is no access control. [any thread] */
  void (*revoke)(const orbit_host* host, const char* kind, orbit_bytes value, uint64_t until_ms, orbit_access_done done, void* ctx);
  /* NOT_FOUND: it is not revoked. [any thread] */
  void (*take_back)(const orbit_host* host, const char* kind, orbit_bytes value, orbit_access_done done, void* ctx);
  /* {"revocations":[{"kind":"user","value":"alice","until_ms":0}]} [any thread] */
  void (*revocations)(const orbit_host* host, orbit_sink json);
} orbit_access_v1;

/* ---- what an authenticator offers ----------------------------------------------------------------------------- */

typedef void (*orbit_identified)(void* ctx, const orbit_identity* who);

typedef struct orbit_authenticator_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  const char* const* mechanisms; /* null-ended: which credentials it is asked about */
  /* Looks at credentials; may take its time. ORBIT_OK: it has called found(ctx, who) once, whose argument the host copies.
   * NOT_FOUND: nobody it knows of, and the next authenticator is asked. Any other code: nobody else is asked, and the caller is
   * refused with it. Several threads may be in it at once. [io] */
  orbit_code (*authenticate)(void* self, const orbit_credentials* credentials, orbit_identified found, void* ctx,
                             orbit_error* error);
  /* Another number whenever what it said before may no longer hold (a file has changed): what the host remembers is then asked
   * again. May be null: never. [any thread] */
  uint64_t (*generation)(void* self);
  /* Its users; visit returns 0 to stop. May be null: it cannot tell. [any thread] */
  void (*users)(void* self, int (*visit)(void* ctx, const orbit_identity* user), void* ctx);
  /* Whether it would still say of the same credentials what it said: asked about principals when `generation` has changed. Must be
   * quick. 0: no. May be null: always. [any thread] */
  int (*holds)(void* self, const orbit_identity* who);
  /* Looks whether what it reads from is another, and reads it again then; with `force` in any case. On an error what was read
   * before goes on to count. The host asks every few seconds. May be null. One thread at a time. [io] */
  orbit_code (*reload)(void* self, int force, orbit_error* error);
} orbit_authenticator_v1;

#ifdef __cplusplus
}
#endif
#endif
