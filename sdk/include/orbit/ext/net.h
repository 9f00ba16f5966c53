/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.net/1: provided by the host. The kernel owns the sockets; a protocol plugin is a codec that is handed bytes on the
 * worker that owns the connection, and writes bytes back from that worker.
 */
#ifndef ORBIT_EXT_NET_H
#define ORBIT_EXT_NET_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_NET_V1 "orbit.net/1"

typedef struct orbit_listener orbit_listener;     /* owned by the kernel until the node ends */
typedef struct orbit_connection orbit_connection; /* owned by the kernel; valid from opened until closed returns */

/* What a protocol does with a connection. All calls on the connection's worker, one at a time per connection. */
typedef struct orbit_connection_handler {
  uint32_t struct_size;
  uint32_t reserved;
  /* A connection was accepted. Returns the handler's own context for it. [worker] */
  void* (*opened)(void* self, orbit_connection* connection);
  /* Bytes that were received and not consumed yet. Returns how many were consumed; the rest is kept and comes again with
   * more. Returning less than all because of back pressure: call resume later. [worker] */
  size_t (*received)(void* context, const char* data, size_t size);
  /* Output that was over the limit fell below it (reading has resumed). May be null. [worker] */
  void (*drained)(void* context);
  /* The connection is gone, whoever closed it; code says why: ORBIT_OK closed by plugin or peer, ORBIT_DEADLINE_EXCEEDED
   * idle, ORBIT_RESOURCE_EXHAUSTED a limit, ORBIT_UNAVAILABLE an I/O error or node stop. Last call. [worker] */
  void (*closed)(void* context, orbit_code code);
  /* The peer sends no more; it may still read. all_read 1: `received` was handed everything; 0 closes the connection once the
   * output is sent, anything else leaves that to the codec, which still owes answers and calls close after the last.
   * all_read 0: the end was announced while input is paused, and what comes before it is unread; the result means nothing.
   * Null, or absent from a shorter struct: as if it returned 0. [worker] */
  int (*peer_finished)(void* context, int all_read);
} orbit_connection_handler;

typedef uint32_t orbit_client_certificate;
enum {
  ORBIT_CLIENT_CERTIFICATE_NONE = 0,     /* not asked for */
  ORBIT_CLIENT_CERTIFICATE_OPTIONAL = 1, /* asked for; who sends none gets in, who sends a bad one does not */
  ORBIT_CLIENT_CERTIFICATE_REQUIRED = 2
};

#define ORBIT_TLS_CERTIFICATE_BYTES_MAX 65536u /* of a client's certificate in DER */

/* TLS of a listener. The host does it all: `opened` comes when the handshake is over, and the codec sees plain bytes. The files
 * are PEM, are read at once, and again when they change or the node is told to (SIGHUP); a new version that is no good is logged,
 * and the old one goes on. Connections that are open keep what they have. Versions before 1.2, renegotiation and compression are
 * refused. */
typedef struct orbit_tls_options {
  uint32_t struct_size;
  orbit_client_certificate client_certificate;
  const char* certificate;       /* the server's certificate, then those between it and its root */
  const char* key;
  const char* client_ca;         /* who signs clients' certificates; null or empty: none are asked for */
  const char* min_version;       /* "1.2" or "1.3"; null: 1.2 */
  const char* const* alpn;       /* null-ended protocols, the preferred one first; a client that offers some, and none of these,
                                    is refused. Null: none */
  uint64_t handshake_timeout_ms; /* 0: 10 s */
  uint32_t handshakes_max;       /* of this listener at a time, more are closed at once; 0: 1000 */
  uint32_t reserved;
} orbit_tls_options;

enum {
  /* The codec itself asks every client for credentials (a password or token of its own configuration), so the listener may
   * have an address that is not loopback. */
  ORBIT_LISTEN_GUARDED = 1u
};

typedef struct orbit_listen_options {
  uint32_t struct_size;
  uint32_t connections_max;         /* 0: the node's limit */
  const char* address;              /* "127.0.0.1:6379", "[::1]:0"; port 0 takes a free one */
  uint64_t idle_timeout_ms;         /* 0: never; no byte in either direction for so long closes the connection */
  uint64_t input_bytes_max;         /* most bytes kept unconsumed for one connection; more closes it */
  uint64_t output_bytes_max;        /* most bytes waiting to be sent; more closes it (a client that never reads) */
  uint64_t output_pause_bytes;      /* above it the kernel stops calling received until half of it is left */
  const char* too_many_connections; /* sent before closing a connection over connections_max; may be null */

  /* ---- later additions: read only if struct_size says that they are there ---- */

  const orbit_tls_options* tls;     /* null: plain TCP */
  uint32_t flags;                   /* ORBIT_LISTEN_... */
  uint32_t reserved;
} orbit_listen_options;

/* What TLS agreed on, of a connection. Borrowed as long as the connection is open. */
typedef struct orbit_tls_info {
  uint32_t struct_size;
  uint32_t reserved;
  const char* version;          /* "TLSv1.3" */
  const char* cipher;           /* "TLS_AES_256_GCM_SHA384" */
  orbit_bytes alpn;             /* empty: none */
  orbit_bytes server_name;      /* the name that the client asked for (SNI); empty: none */
  orbit_bytes peer_certificate; /* the client's, in DER, verified; empty: it sent none */
} orbit_tls_info;

typedef struct orbit_net_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Binds at once (errors are told here) and accepts from then on. handler and self must live until the node has stopped.
   * FAILED_PRECONDITION: others than this machine could reach the address, and neither access control, nor TLS, nor
   * ORBIT_LISTEN_GUARDED says who may. [main] from start */
  orbit_code (*listen)(const orbit_host* host, const orbit_listen_options* options, const orbit_connection_handler* handler,
                       void* self, orbit_listener** listener, orbit_error* error);
  /* The bound address as text, e.g. "127.0.0.1:6379"; lives as long as the listener. [any thread] */
  const char* (*address)(orbit_listener* listener);
  /* Accepts no more; existing connections stay. [main] */
  void (*stop_listening)(orbit_listener* listener);

  /* Room for at least `size` bytes at the end of the output. Valid until the next call for this connection. [worker] */
  char* (*reserve)(orbit_connection* connection, size_t size);
  /* The first `size` reserved bytes are output now. Sent when the callback returns, or at the end of the worker's step.
   * [worker] */
  void (*commit)(orbit_connection* connection, size_t size);
  /* Copies to the output: reserve, memcpy, commit. [worker] */
  void (*write)(orbit_connection* connection, const char* data, size_t size);
  /* Bytes not sent yet. Above output_pause_bytes a codec should stop consuming. [worker] */
  size_t (*output_bytes)(orbit_connection* connection);
  /* Stops calling received until resume; for a codec that waits for an answer. [worker] */
  void (*pause)(orbit_connection* connection);
  /* Calls received again soon, also when nothing new came but unconsumed bytes are left. [worker] */
  void (*resume)(orbit_connection* connection);
  /* Closes after the output is sent (at most 5 s later). `closed` follows, never from inside this call. [worker] */
  void (*close)(orbit_connection* connection);
  /* "127.0.0.1:49152" into buffer, cut to size, NUL-ended; peer, then own address. [worker] */
  void (*peer_address)(orbit_connection* connection, char* buffer, size_t size);
  void (*local_address)(orbit_connection* connection, char* buffer, size_t size);
  /* Unique in the node since start. [worker] */
  uint64_t (*id)(orbit_connection* connection);
  /* Changes the idle timeout of one connection; 0: never. [worker] */
  void (*set_idle_timeout)(orbit_connection* connection, uint64_t idle_timeout_ms);

  /* ---- later additions: look at struct_size ---- */

  /* What TLS agreed on; 0: this connection is plain TCP. out->struct_size is the caller's. [worker] */
  int (*tls)(orbit_connection* connection, orbit_tls_info* out);
} orbit_net_v1;

#ifdef __cplusplus
}
#endif
#endif
