# cmake -DINPUT=set.binpb -DOUTPUT=own_descriptors.cpp -P bytes_to_cpp.cmake
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(............................................................)" "\\1\n    " bytes "${bytes}")
file(WRITE "${OUTPUT}" "// Made by the build; do not edit.
#include \"own_descriptors.hpp\"

namespace orbit::grpc_wire {
namespace {
const unsigned char kSet[] = {
    ${bytes}};
}  // namespace
Bytes own_descriptor_set() noexcept { return {reinterpret_cast<const char*>(kSet), sizeof kSet}; }
}  // namespace orbit::grpc_wire
")
