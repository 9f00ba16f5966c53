/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.listeners/1: provided by the host; for protocol plugins that bring a transport of their own instead of orbit.net/1. What they
 * listen on is named with everybody else's: in the log, in the ready file and in the admin API.
 */
#ifndef ORBIT_EXT_LISTENERS_H
#define ORBIT_EXT_LISTENERS_H

#include "net.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_LISTENERS_V1 "orbit.listeners/1"

typedef struct orbit_listeners_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* The instance listens on that address ("127.0.0.1:7090"), the port being the one that it got. [main] from start */
  void (*announce)(const orbit_host* host, const char* address);
  /* It accepts no more on any address that it announced. [main] */
  void (*withdraw)(const orbit_host* host);

  /* ---- later additions: look at struct_size ---- */

  /* Whether the instance may listen on the address, with the words and reasons of orbit_net_v1.listen; ask it before binding. Of
   * the options only address, tls (its files are not looked at) and flags count. [main] from start */
  orbit_code (*may_listen)(const orbit_host* host, const orbit_listen_options* options, orbit_error* error);
  /* As announce, with what tells whom it is open to; address is the bound one. */
  void (*announce_with)(const orbit_host* host, const orbit_listen_options* options);
} orbit_listeners_v1;

#ifdef __cplusplus
}
#endif
#endif
