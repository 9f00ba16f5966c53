# What a plugin's or an actor module's CMakeLists.txt calls; used inside this tree and by find_package(Orbit) outside it.
#
#   orbit_add_plugin(NAME SOURCES a.cpp b.cpp [LIBRARIES lib...])
#   orbit_add_actor_module(NAME PROTOS bank.proto SOURCES bank.cpp [LIBRARIES lib...] [PROTO_ROOT dir] [IMPORTS dir...])
#   orbit_add_actor_protos(NAME PROTOS bank.proto [PROTO_ROOT dir] [IMPORTS dir...])
#   orbit_add_client_protos(NAME PROTOS bank.proto [PROTO_ROOT dir] [IMPORTS dir...])
#   orbit_add_actor_test(NAME MODULE bank SOURCES bank_test.cpp [LIBRARIES lib...] [LINKED])
#
# The first two make a shared library NAME.so that exports one symbol, is never unmapped, and has no undefined symbols.
# The third makes a static library with the messages, proxies and actor bases of .proto files, for who only calls the actors.
# The fourth is the third for programs that call the actors from outside the node (docs/client.md).
# The fifth makes a program that tests a module (OrbitActorModule.cmake, docs/testing-actors.md).

set(ORBIT_PLUGIN_MAP "${CMAKE_CURRENT_LIST_DIR}/orbit-plugin.map")
# In the source tree; OrbitConfig.cmake says where an installed SDK has them.
if(NOT ORBIT_PROTO_DIR)
  cmake_path(SET ORBIT_PROTO_DIR NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../sdk/proto")
endif()

function(orbit_add_plugin name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "orbit_add_plugin(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE Orbit::sdk ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name}
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    LINK_DEPENDS "${ORBIT_PLUGIN_MAP}")
  if(ORBIT_PLUGIN_OUTPUT_DIR)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${ORBIT_PLUGIN_OUTPUT_DIR}")
  endif()
  target_link_options(${name} PRIVATE -Wl,-z,nodelete "-Wl,--version-script=${ORBIT_PLUGIN_MAP}")
  # Sanitizers resolve their own runtime from the executable, so undefined symbols are expected there.
  if(NOT ORBIT_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
endfunction()

include("${CMAKE_CURRENT_LIST_DIR}/OrbitActorModule.cmake")
