# Compiler settings that every target of this tree shares. Plugins built outside the tree do not inherit them.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror
  -Wno-missing-field-initializers -Wno-gnu-zero-variadic-macro-arguments -fno-omit-frame-pointer)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_DLL_USE_STD_FS)

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
