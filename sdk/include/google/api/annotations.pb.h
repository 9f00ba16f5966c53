// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Empty on purpose, as orbit/v1/options.pb.h is: the annotations say how the REST wire reaches a method, and a module needs no code of
// them at run time.
#pragma once
