// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reads serialized values. Every length is checked against the bytes that are there before it is believed.
#include <cstring>
#include <optional>

#include "command_helpers.hpp"
#include "dump.hpp"
#include "hash.hpp"
#include "list.hpp"
#include "numbers.hpp"
#include "set.hpp"
#include "sorted_set.hpp"

namespace orbit::resp {
namespace {

enum Type : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kZsetOfText = 3,
  kHash = 4,
  kZset = 5,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kZsetZiplist = 12,
  kHashZiplist = 13,
  kListOfZiplists = 14,
  kHashListpack = 16,
  kZsetListpack = 17,
  kListOfListpacks = 18,
};

// Bytes that are taken from the front.
class Input {
 public:
  explicit Input(std::string_view bytes) noexcept : rest_(bytes) {}
  size_t size() const noexcept { return rest_.size(); }
  bool done() const noexcept { return rest_.empty(); }

  bool take(uint64_t count, std::string_view& bytes) noexcept {
    if (count > rest_.size()) return false;
    bytes = rest_.substr(0, static_cast<size_t>(count));
    rest_.remove_prefix(static_cast<size_t>(count));
    return true;
  }
  bool skip(uint64_t count) noexcept {
    std::string_view ignored;
    return take(count, ignored);
  }
  bool byte(uint8_t& value) noexcept {
    if (rest_.empty()) return false;
    value = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return true;
  }
  bool big_endian(size_t count, uint64_t& value) noexcept {
    std::string_view bytes;
    if (!take(count, bytes)) return false;
    value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
    return true;
  }
  bool little_endian(size_t count, uint64_t& value) noexcept {
    std::string_view bytes;
    if (!take(count, bytes)) return false;
    value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return true;
  }
  // Two's complement.
  bool number(size_t count, int64_t& value) noexcept {
    uint64_t bits;
    if (!little_endian(count, bits)) return false;
    const unsigned unused = static_cast<unsigned>(64 - 8 * count);
    value = static_cast<int64_t>(bits << unused) >> unused;
    return true;
  }
  // A length, or (encoded) the kind of a string that is not written plainly.
  bool length(uint64_t& value, bool& encoded) noexcept {
    uint8_t first;
    if (!byte(first)) return false;
    encoded = first >> 6 == 3;
    value = first & 0x3fu;
    if (encoded || first >> 6 == 0) return true;
    if (first >> 6 == 1) {
      uint8_t second;
      if (!byte(second)) return false;
      value = value << 8 | second;
      return true;
    }
    if (first == 0x80) return big_endian(4, value);
    return first == 0x81 && big_endian(8, value);
  }
  bool length(uint64_t& value) noexcept {
    bool encoded;
    return length(value, encoded) && !encoded;
  }

 private:
  std::string_view rest_;
};

// Kept bytes of a string that does not stand in the input as it is.
using Storage = std::string;

std::string_view number_text(int64_t number, Storage& storage) {
  char text[kIntegerCharsMax];
  storage.assign(text, format_integer(text, number));
  return storage;
}

// LZF, as Redis writes it: literal runs, and references of up to 264 bytes back into what was written.
bool unpack_lzf(std::string_view packed, uint64_t size, Storage& out) {
  constexpr uint64_t kReferenceBytesMax = 264;
  if (size > kStringBytesMax || size / kReferenceBytesMax > packed.size()) return false;
  out.clear();
  out.reserve(static_cast<size_t>(size));
  Input in(packed);
  uint8_t control;
  while (in.byte(control)) {
    if (control < 32) {
      std::string_view literal;
      if (!in.take(control + 1u, literal)) return false;
      out.append(literal);
    } else {
      size_t count = control >> 5;
      uint8_t more;
      if (count == 7) {
        if (!in.byte(more)) return false;
        count += more;
      }
      if (!in.byte(more)) return false;
      const size_t back = (size_t{control & 0x1fu} << 8 | more) + 1;
      if (back > out.size()) return false;
      // Bytes that this very reference writes may be read again.
      for (count += 2; count != 0; --count) out.push_back(out[out.size() - back]);
    }
    if (out.size() > size) return false;
  }
  return out.size() == size;
}

bool read_string(Input& in, std::string_view& bytes, Storage& storage) {
  uint64_t length;
  bool encoded;
  if (!in.length(length, encoded)) return false;
  if (!encoded) return in.take(length, bytes);
  if (length < 3) {
    int64_t number;
    if (!in.number(size_t{1} << length, number)) return false;
    bytes = number_text(number, storage);
    return true;
  }
  uint64_t packed_size;
  uint64_t size;
  std::string_view packed;
  if (length != 3 || !in.length(packed_size) || !in.length(size) || !in.take(packed_size, packed)) return false;
  if (!unpack_lzf(packed, size, storage)) return false;
  bytes = storage;
  return true;
}

// ---- packed sequences ----------------------------------------------------------------------------------------------

// The elements of a listpack, ziplist, zipmap or intset one after another.
class Sequence {
 public:
  enum class Form : uint8_t { kListpack, kZiplist, kZipmap, kIntset };

  // False: the frame is wrong.
  bool open(Form form, std::string_view blob) {
    form_ = form;
    in_ = Input(blob);
    switch (form) {
      case Form::kListpack:
        return open_counted(blob, 4, 6);
      case Form::kZiplist:
        return open_counted(blob, 4, 10);
      case Form::kZipmap: {
        uint8_t count;
        return in_.byte(count) && !blob.empty() && static_cast<uint8_t>(blob.back()) == kEnd;
      }
      case Form::kIntset:
        return open_intset(blob);
    }
    return false;
  }
  bool at_end() const noexcept { return form_ == Form::kIntset ? left_ == 0 : in_.size() == 1; }
  // After the last element: whether the number of elements is what the frame said.
  bool complete() const noexcept { return expected_ == kUnknown || seen_ == expected_; }

  // Not at the end. The bytes are valid until the next call.
  bool next(std::string_view& bytes) {
    ++seen_;
    switch (form_) {
      case Form::kListpack:
        return next_in_listpack(bytes);
      case Form::kZiplist:
        return next_in_ziplist(bytes);
      case Form::kZipmap:
        return next_in_zipmap(bytes);
      case Form::kIntset: {
        int64_t number;
        if (!in_.number(width_, number)) return false;
        --left_;
        bytes = number_text(number, storage_);
        return true;
      }
    }
    return false;
  }

 private:
  static constexpr uint8_t kEnd = 0xff;
  static constexpr uint64_t kUnknown = UINT16_MAX;

  // A frame that begins with its own size and ends with 0xff; two bytes before the elements count them.
  bool open_counted(std::string_view blob, size_t size_bytes, size_t header_bytes) {
    uint64_t size;
    if (!in_.little_endian(size_bytes, size) || size != blob.size() || blob.size() <= header_bytes) return false;
    if (static_cast<uint8_t>(blob.back()) != kEnd || !in_.skip(header_bytes - size_bytes - 2)) return false;
    return in_.little_endian(2, expected_);
  }
  bool open_intset(std::string_view blob) {
    uint64_t width;
    if (!in_.little_endian(4, width) || !in_.little_endian(4, left_)) return false;
    width_ = static_cast<size_t>(width);
    return (width == 2 || width == 4 || width == 8) && left_ * width == blob.size() - 8;
  }

  bool number(int64_t value, std::string_view& bytes) {
    bytes = number_text(value, storage_);
    return true;
  }

  bool next_in_listpack(std::string_view& bytes) {
    const size_t before = in_.size();
    if (!listpack_element(bytes)) return false;
    // Behind it stands its length, once more, for walking backwards.
    const size_t size = before - in_.size();
    return in_.skip(size <= 127        ? 1
                    : size < 16383     ? 2
                    : size < 2097151   ? 3
                    : size < 268435455 ? 4
                                       : 5) &&
           in_.size() >= 1;
  }
  bool listpack_element(std::string_view& bytes) {
    uint8_t first;
    uint64_t size;
    int64_t value;
    if (!in_.byte(first)) return false;
    if (first < 0x80) return number(first, bytes);
    if (first < 0xc0) return in_.take(first & 0x3fu, bytes);
    if (first < 0xe0) {
      uint8_t second;
      if (!in_.byte(second)) return false;
      const int value13 = (first & 0x1f) << 8 | second;
      return number(value13 >= 4096 ? value13 - 8192 : value13, bytes);
    }
    if (first < 0xf0) {
      uint8_t second;
      return in_.byte(second) && in_.take((first & 0x0fu) << 8 | second, bytes);
    }
    if (first == 0xf0) return in_.little_endian(4, size) && in_.take(size, bytes);
    constexpr size_t kWidths[] = {2, 3, 4, 8};
    if (first > 0xf4 || !in_.number(kWidths[first - 0xf1], value)) return false;
    return number(value, bytes);
  }

  bool next_in_ziplist(std::string_view& bytes) {
    uint8_t first;
    uint64_t size;
    if (!in_.byte(first) || first == kEnd || (first == 0xfe && !in_.skip(4)) || !in_.byte(first)) return false;
    if (first < 0x40) return in_.take(first, bytes) && in_.size() >= 1;
    if (first < 0x80) {
      uint8_t second;
      return in_.byte(second) && in_.take((first & 0x3fu) << 8 | second, bytes) && in_.size() >= 1;
    }
    if (first < 0xc0) return in_.big_endian(4, size) && in_.take(size, bytes) && in_.size() >= 1;
    if (first >= 0xf1 && first <= 0xfd) return number(first - 0xf1, bytes);
    size_t width;
    switch (first) {
      case 0xc0:
        width = 2;
        break;
      case 0xd0:
        width = 4;
        break;
      case 0xe0:
        width = 8;
        break;
      case 0xf0:
        width = 3;
        break;
      case 0xfe:
        width = 1;
        break;
      default:
        return false;
    }
    int64_t value;
    return in_.number(width, value) && in_.size() >= 1 && number(value, bytes);
  }

  // Keys and values in turn; a value has a byte before it that says how many bytes behind it are unused.
  bool next_in_zipmap(std::string_view& bytes) {
    uint8_t first;
    uint64_t size;
    if (!in_.byte(first) || first == kEnd) return false;
    size = first;
    if (first == 0xfe && !in_.little_endian(4, size)) return false;
    uint8_t unused = 0;
    if (seen_ % 2 == 0 && !in_.byte(unused)) return false;
    return in_.take(size, bytes) && in_.skip(unused) && in_.size() >= 1;
  }

  Form form_ = Form::kListpack;
  Input in_{{}};
  Storage storage_;
  uint64_t expected_ = kUnknown;
  uint64_t seen_ = 0;
  uint64_t left_ = 0;  // of an intset
  size_t width_ = 0;
};

// ---- values --------------------------------------------------------------------------------------------------------

bool add_field(Value& value, std::string_view name, std::string_view content) {
  return value.edit_hash().set(name, content);
}

bool add_scored(Value& value, std::string_view member, double score) {
  SortedSet& set = value.edit_zset();
  if (score != score || set.find(member) != SortedSet::kNone) return false;
  set.add(member, score);
  return true;
}

template <class Add>
bool each(Sequence::Form form, std::string_view blob, Add&& add) {
  Sequence sequence;
  if (!sequence.open(form, blob)) return false;
  std::string_view element;
  while (!sequence.at_end()) {
    if (!sequence.next(element) || !add(element)) return false;
  }
  return sequence.complete();
}

// The second element of a pair comes in the buffer of the first.
template <class Add>
bool each_pair(Sequence::Form form, std::string_view blob, Add&& add) {
  std::optional<std::string> first;
  const bool whole = each(form, blob, [&](std::string_view element) {
    if (!first) {
      first.emplace(element);
      return true;
    }
    const bool good = add(*first, element);
    first.reset();
    return good;
  });
  return whole && !first;
}

bool read_pairs_of_scores(Sequence::Form form, std::string_view blob, Value& value) {
  return each_pair(form, blob, [&](std::string_view member, std::string_view text) {
    double score;
    return parse_double(text, score) && add_scored(value, member, score);
  });
}

bool push_all(Sequence::Form form, std::string_view blob, Value& value) {
  return each(form, blob, [&](std::string_view element) {
    value.edit_list().push_back(element);
    return true;
  });
}

// As old servers wrote it: a length, then digits; the three highest lengths are no lengths.
bool read_score_text(Input& in, double& score) {
  uint8_t size;
  if (!in.byte(size)) return false;
  if (size >= 253) {
    if (size == 253) return false;
    score = size == 254 ? __builtin_inf() : -__builtin_inf();
    return true;
  }
  std::string_view text;
  return in.take(size, text) && parse_double(text, score);
}

bool read_score(Input& in, double& score) {
  uint64_t bits;
  if (!in.little_endian(8, bits)) return false;
  std::memcpy(&score, &bits, sizeof score);
  return true;
}

bool read_list_of_blobs(Input& in, bool listpacks, Value& value) {
  uint64_t nodes;
  if (!in.length(nodes) || nodes == 0) return false;
  Storage storage;
  for (; nodes != 0; --nodes) {
    uint64_t container = 2;
    std::string_view blob;
    if ((listpacks && !in.length(container)) || !read_string(in, blob, storage)) return false;
    if (container == 1) {
      value.edit_list().push_back(blob);
    } else if (container != 2 ||
               !push_all(listpacks ? Sequence::Form::kListpack : Sequence::Form::kZiplist, blob, value)) {
      return false;
    }
  }
  return true;
}

bool read_elements(Input& in, uint8_t type, Value& value) {
  uint64_t count;
  if (!in.length(count) || count == 0) return false;
  Storage storage;
  Storage second_storage;
  std::string_view first;
  std::string_view second;
  double score;
  for (; count != 0; --count) {
    if (!read_string(in, first, storage)) return false;
    bool good = true;
    switch (type) {
      case kList:
        value.edit_list().push_back(first);
        break;
      case kSet:
        good = value.edit_set().add(first);
        break;
      case kHash:
        good = read_string(in, second, second_storage) && add_field(value, first, second);
        break;
      case kZset:
        good = read_score(in, score) && add_scored(value, first, score);
        break;
      default:
        good = read_score_text(in, score) && add_scored(value, first, score);
        break;
    }
    if (!good) return false;
  }
  return true;
}

bool read_blob(Input& in, uint8_t type, Value& value) {
  using Form = Sequence::Form;
  Storage storage;
  std::string_view blob;
  if (!read_string(in, blob, storage)) return false;
  const auto fields = [&](std::string_view name, std::string_view content) { return add_field(value, name, content); };
  switch (type) {
    case kString:
      value.assign_string(blob);
      return true;
    case kHashZipmap:
      return each_pair(Form::kZipmap, blob, fields);
    case kHashZiplist:
      return each_pair(Form::kZiplist, blob, fields);
    case kHashListpack:
      return each_pair(Form::kListpack, blob, fields);
    case kListZiplist:
      return push_all(Form::kZiplist, blob, value);
    case kSetIntset:
      return each(Form::kIntset, blob, [&](std::string_view member) { return value.edit_set().add(member); });
    case kZsetZiplist:
      return read_pairs_of_scores(Form::kZiplist, blob, value);
    case kZsetListpack:
      return read_pairs_of_scores(Form::kListpack, blob, value);
    default:
      return false;
  }
}

bool read_object(Input& in, Value& value) {
  uint8_t type;
  if (!in.byte(type)) return false;
  switch (type) {
    case kList:
    case kSet:
    case kHash:
    case kZset:
    case kZsetOfText:
      return read_elements(in, type, value);
    case kListOfZiplists:
      return read_list_of_blobs(in, false, value);
    case kListOfListpacks:
      return read_list_of_blobs(in, true, value);
    default:
      return read_blob(in, type, value);
  }
}

}  // namespace

bool restore_value(std::string_view object, Value& value) {
  Input in(object);
  // A collection without elements has made the value no more than its type.
  if (read_object(in, value) && in.done() && !value.is_none()) return true;
  value.clear();
  return false;
}

}  // namespace orbit::resp
