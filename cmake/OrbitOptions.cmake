# Compiler settings that every target of this tree shares. Plugins built outside the tree do not inherit them.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror
  -Wno-missing-field-initializers -Wno-gnu-zero-variadic-macro-arguments -fno-omit-frame-pointer)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_DLL_USE_STD_FS)

if(ORBIT_PRECOMPILE)
  # One precompiled header serves all only if all are compiled alike. Its time of making would be a difference to ccache.
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
  add_compile_options(-pthread "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

find_program(ORBIT_MOLD mold)
if(ORBIT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_program(ORBIT_CCACHE ccache)
if(ORBIT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${ORBIT_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${ORBIT_CCACHE}")
endif()

if(ORBIT_SANITIZE)
  add_compile_options(-fsanitize=${ORBIT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ORBIT_SANITIZE})
endif()
# Tests that run on one thread have nothing for ThreadSanitizer: its build tree is without them.
set(ORBIT_ONE_THREAD_TESTS ON)
if(ORBIT_SANITIZE STREQUAL "thread")
  set(ORBIT_ONE_THREAD_TESTS OFF)
endif()
if(CMAKE_UNITY_BUILD)
  # What one file of a unit names, a local of another may be called too; builds of single files find what really shadows.
  add_compile_options(-Wno-shadow)
endif()
