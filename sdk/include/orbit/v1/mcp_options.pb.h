// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Empty on purpose. protoc makes every generated header include the headers of its imports, but orbit/v1/mcp_options.proto says
// only what a wire makes of a method: an actor module needs no code of it at run time. (The generated
// code would need the full protobuf runtime and register itself in the process-wide pool, which modules must not.)
#pragma once
