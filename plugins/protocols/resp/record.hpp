// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How a value reaches storage and comes back, without knowing the ABI: the shapes of orbit_writer and orbit_record.
#pragma once

#include <cstdint>
#include <string_view>

namespace orbit::resp {

struct Record {
  std::string_view subkey;  // "" for the main record
  std::string_view value;
};

// Receives the changes of one value, in order; all join one atomic batch. The bytes are borrowed during the call.
class RecordWriter {
 public:
  virtual void put_main(std::string_view value, uint64_t expires_at_ms, bool has_subrecords) = 0;
  virtual void put(std::string_view subkey, std::string_view value) = 0;
  virtual void remove(std::string_view subkey) = 0;
  virtual void remove_all_subrecords() = 0;
  virtual void remove_main() = 0;

 protected:
  ~RecordWriter() = default;
};

}  // namespace orbit::resp
