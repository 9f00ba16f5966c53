/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * Every header of the edge, and the layout that no minor may change. Included by a C11 and by a C++20 file, so that
 * both languages are held to the same numbers.
 */
#include <assert.h>
#include <orbit/abi.h>
#include <orbit/ext/access.h>
#include <orbit/ext/actors.h>
#include <orbit/ext/call_filter.h>
#include <orbit/ext/descriptors.h>
#include <orbit/ext/erasing.h>
#include <orbit/ext/introspection.h>
#include <orbit/ext/listeners.h>
#include <orbit/ext/net.h>
#include <orbit/ext/node.h>
#include <orbit/ext/observe.h>
#include <orbit/ext/storage.h>
#include <orbit/ext/storage_checkpoint.h>
#include <orbit/ext/storage_fenced.h>
#include <orbit/ext/storage_maintenance.h>
#include <orbit/ext/storage_ops.h>
#include <orbit/ext/streams.h>
#include <orbit/ext/workers.h>
#include <stddef.h>

static_assert(ORBIT_ABI_MAJOR == 1, "another major needs a frozen copy of its own beside v1_0");

static_assert(sizeof(orbit_bytes) == 16, "orbit_bytes");
static_assert(sizeof(orbit_error) == 508, "orbit_error");
static_assert(offsetof(orbit_error, message) == 8, "orbit_error.message");
static_assert(offsetof(orbit_option, key) == 16, "orbit_option.key");
static_assert(offsetof(orbit_option, max) == 56, "orbit_option.max");
static_assert(offsetof(orbit_value, integer) == 32, "orbit_value.integer");
static_assert(offsetof(orbit_value, list) == 48, "orbit_value.list");
static_assert(offsetof(orbit_config, instance) == 16, "orbit_config.instance");
static_assert(offsetof(orbit_host, get_extension) == 8, "orbit_host.get_extension");
static_assert(offsetof(orbit_plugin_instance, self) == 8, "orbit_plugin_instance.self");
static_assert(offsetof(orbit_plugin_instance, destroy) == 40, "orbit_plugin_instance.destroy");
static_assert(offsetof(orbit_plugin_descriptor, abi_major) == 4, "orbit_plugin_descriptor.abi_major");
static_assert(offsetof(orbit_plugin_descriptor, id) == 8, "orbit_plugin_descriptor.id");
static_assert(offsetof(orbit_plugin_descriptor, create) == 64, "orbit_plugin_descriptor.create");
static_assert(offsetof(orbit_storage_v1, size_bytes) == 56, "orbit_storage_v1.size_bytes");
static_assert(offsetof(orbit_storage_fenced_v1, write_if) == 8, "orbit_storage_fenced_v1.write_if");
static_assert(sizeof(orbit_condition) == 40, "orbit_condition");
static_assert(offsetof(orbit_net_v1, set_idle_timeout) == 112, "orbit_net_v1.set_idle_timeout");
static_assert(offsetof(orbit_workers_v1, random) == 72, "orbit_workers_v1.random");
static_assert(offsetof(orbit_log_v1, write) == 16, "orbit_log_v1.write");
static_assert(offsetof(orbit_metrics_v1, set) == 32, "orbit_metrics_v1.set");
static_assert(offsetof(orbit_callable_type, module_generation) == 40, "orbit_callable_type.module_generation");
static_assert(offsetof(orbit_envelope, room) == 128, "orbit_envelope.room");
