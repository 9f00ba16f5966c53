// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The serialized form of a value that DUMP answers and RESTORE takes: an object as in an RDB file of version 10, then
// the version as two bytes and a CRC-64, both little-endian. Written and read as redis-server 7.0 does, so that values
// move either way. Source: https://rdb.fnordig.de/file_format.html and the listpack specification,
// https://github.com/antirez/listpack
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace orbit::resp {

class Value;

inline constexpr unsigned kDumpVersion = 10;

// CRC-64/Redis: the polynomial of Jones, reflected, from 0.
uint64_t dump_checksum(std::string_view bytes) noexcept;

// The value must hold something. Its expiry is not part of the form.
std::string dump_value(const Value& value);

// Whether the version is known and the checksum right.
bool dump_intact(std::string_view payload) noexcept;
// Reads what stands before version and checksum into a value that is none. False: the bytes are damaged or of a type
// that is not known here; the value is none. Bytes that anyone may have written; memory stays in proportion to them.
bool restore_value(std::string_view object, Value& value);
// Bytes of version and checksum.
inline constexpr size_t kDumpFooterBytes = 10;

}  // namespace orbit::resp
