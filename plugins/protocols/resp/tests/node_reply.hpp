// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Replies as trees, for comparing those whose order means nothing.
#pragma once

#include <string>
#include <string_view>

namespace orbit::resp::testing {

// Size of the first whole reply in the bytes; 0: it has not arrived wholly.
size_t reply_size(std::string_view bytes);

// scan_anything: that it is a page of a scan, not which.
enum class Order { exact, any_elements, any_pairs, scan_elements, scan_pairs, scan_anything };
// A reply in one form for all orders that mean the same.
std::string canonical(std::string_view reply, Order order);

}  // namespace orbit::resp::testing
