# orbit_precompile(): at the end of the top CMakeLists.txt. Every C++ target of the tree reads the standard library's headers
# once for all, precompiled. Only these: others change more often, and Boost's and Protobuf's cost more when they come out of
# a precompiled header than when they are read.
set(ORBIT_STANDARD_HEADERS algorithm array atomic bit charconv chrono cmath condition_variable coroutine cstdint cstring deque
  filesystem fstream functional future iostream list map memory mutex optional random set shared_mutex span sstream stdexcept
  string string_view thread unordered_map unordered_set variant vector)

function(orbit_targets_below folder out)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  get_property(folders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(sub IN LISTS folders)
    orbit_targets_below("${sub}" more)
    list(APPEND targets ${more})
  endforeach()
  set(${out} "${targets}" PARENT_SCOPE)
endfunction()

# The headers, compiled as everything that reads them is. `name` with CXX options after it.
function(orbit_precompile_standard name)
  list(TRANSFORM ORBIT_STANDARD_HEADERS REPLACE "(.+)" "<\\1>" OUTPUT_VARIABLE headers)
  file(CONFIGURE OUTPUT ${name}.cpp CONTENT "")
  add_library(${name} OBJECT "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  target_compile_options(${name} PRIVATE ${ARGN})
  target_precompile_headers(${name} PRIVATE ${headers})
  # What ccache is to take for the precompiled file, which has the tree's own path in it (CCACHE_PCH_EXTSUM, set by ./dev).
  set_target_properties(${name} PROPERTIES CXX_COMPILER_LAUNCHER "")
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -std=c++20 -E -dM -x c++ -include version /dev/null
    OUTPUT_VARIABLE standard COMMAND_ERROR_IS_FATAL ANY)
  string(SHA256 standard "${standard} ${CMAKE_CXX_COMPILER_VERSION} ${ORBIT_SANITIZE} ${ARGN} ${headers}")
  file(CONFIGURE OUTPUT "CMakeFiles/${name}.dir/cmake_pch.hxx.pch.sum" CONTENT "${standard}")
endfunction()

function(orbit_precompile)
  orbit_targets_below("${CMAKE_CURRENT_SOURCE_DIR}" targets)
  orbit_precompile_standard(orbit_standard)
  set(tests_differ OFF)
  if(ORBIT_TESTS AND NOT ORBIT_SANITIZE) # with a sanitizer nothing is optimized
    set(tests_differ ON)
    orbit_precompile_standard(orbit_standard_tests -O0)
  endif()
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    get_target_property(options ${target} COMPILE_OPTIONS)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(type MATCHES "EXECUTABLE|LIBRARY" AND NOT type STREQUAL "INTERFACE_LIBRARY" AND NOT sources MATCHES "\\.c(;|$)"
        AND NOT options MATCHES "fuzzer-no-link" # the compiler refuses a header that was compiled without it
        AND sources MATCHES "\\.(cpp|cc)(;|$)")
      if(tests_differ AND type STREQUAL "EXECUTABLE" AND libraries MATCHES "orbit_doctest")
        # A test is compiled more often than it runs. The libraries, plugins and modules that it tests are optimized.
        target_compile_options(${target} PRIVATE -O0)
        target_precompile_headers(${target} REUSE_FROM orbit_standard_tests)
      else()
        target_precompile_headers(${target} REUSE_FROM orbit_standard)
      endif()
    endif()
  endforeach()
endfunction()
