/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * A plugin in plain C, built against the frozen headers of ABI 1.0 alone, as a third party would have built it then.
 */
#include <orbit/abi.h>
#include <orbit/ext/observe.h>
#include <string.h>

#include "old_plugin.h"

#define EXPORT __attribute__((visibility("default")))

static struct {
  orbit_plugin_instance instance;
  int64_t size_bytes;
  char text[64];
  int started;
} the;

static int64_t size_bytes(void* self) { return self == &the ? the.size_bytes : -1; }
static const char* text(void* self) { return self == &the ? the.text : ""; }
static int started(void* self) { return self == &the && the.started; }
static const struct old_plugin_v1 kTable = {sizeof(struct old_plugin_v1), 0, size_bytes, text, started};

static const void* get_extension(void* self, const char* id) {
  (void)self;
  return strcmp(id, OLD_PLUGIN_V1) == 0 ? &kTable : NULL;
}

static orbit_code start(void* self, orbit_error* error) {
  (void)self;
  (void)error;
  the.started = 1;
  return ORBIT_OK;
}

static void stop(void* self) {
  (void)self;
  the.started = 0;
}

static void destroy(void* self) { (void)self; }

static orbit_code create(const orbit_host* host, const orbit_config* config, orbit_plugin_instance** instance,
                         orbit_error* error) {
  const orbit_log_v1* log = host->get_extension(host, ORBIT_LOG_V1);
  const orbit_metrics_v1* metrics = host->get_extension(host, ORBIT_METRICS_V1);
  if (log == NULL || metrics == NULL || host->get_extension(host, "orbit.unheard/1") != NULL) {
    strncpy(error->message, "the host's interfaces are not as in 1.0", ORBIT_ERROR_MESSAGE_MAX - 1);
    return ORBIT_FAILED_PRECONDITION;
  }
  for (uint32_t i = 0; i < config->count; ++i) {
    const orbit_value* value = &config->values[i];
    if (strcmp(value->key, "size_bytes") == 0) the.size_bytes = value->integer;
    if (strcmp(value->key, "text") == 0 && value->string.size < sizeof the.text)
      memcpy(the.text, value->string.data, value->string.size);
  }
  const orbit_log_field field = {"text", {the.text, strlen(the.text)}};
  const orbit_bytes message = {"old plugin created", 18};
  log->write(host, ORBIT_LOG_INFO, message, &field, 1);
  metrics->add(metrics->counter(host, "orbit_old_created_total", "", "Created."), 1);
  const orbit_plugin_instance made = {sizeof(orbit_plugin_instance), 0, &the, get_extension, start, stop, destroy};
  the.instance = made;
  *instance = &the.instance;
  return ORBIT_OK;
}

EXPORT const orbit_plugin_descriptor* orbit_plugin(void) {
  static const char* const provides[] = {OLD_PLUGIN_V1, NULL};
  static const char* const needs[] = {ORBIT_LOG_V1, ORBIT_METRICS_V1, NULL};
  static const orbit_option options[] = {
      {sizeof(orbit_option), ORBIT_OPTION_INTEGER, 0, 0, "size_bytes", "7", "A size.", NULL, 1, 100},
      {sizeof(orbit_option), ORBIT_OPTION_STRING, 0, 0, "text", NULL, "A text.", NULL, 0, 0},
  };
  static const orbit_plugin_descriptor descriptor = {sizeof(orbit_plugin_descriptor),
                                                     ORBIT_ABI_MAJOR,
                                                     ORBIT_ABI_MINOR,
                                                     "test.old",
                                                     "1.0.0",
                                                     "From the days of ABI 1.0.",
                                                     provides,
                                                     needs,
                                                     options,
                                                     2,
                                                     0,
                                                     create};
  return &descriptor;
}
